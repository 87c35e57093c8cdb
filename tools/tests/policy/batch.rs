//! `policy check --batch` and `policy eval`: many cases in one file.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::explain::case;
use crate::{GOOD, MISSPELT, Place, parsed, refused};

#[test]
fn a_batch_answers_every_case_by_its_id() {
    let bucket_policy = GOOD.replace("\"Sid\"", "\"Principal\": \"*\", \"Sid\"");
    let cases = json!([
        {"id": "good", "document_text": GOOD, "dialect": "aws", "kind": "identity"},
        {"id": 2, "document_text": MISSPELT, "dialect": "lyve", "kind": "identity"},
        {"id": "own", "document_text": bucket_policy, "dialect": "aws", "kind": "bucket", "bucket": "datalake"},
        {"id": "other", "document_text": bucket_policy, "dialect": "aws", "kind": "bucket"},
    ]);
    let place = Place::with(&[("cases.json", &cases.to_string())]);
    let (code, out, error) = place.policy(&["check", "--batch", "cases.json", "--bucket", "another"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let answers = parsed(&out);
    let brief: Vec<(Value, Value)> =
        answers.as_array().unwrap().iter().map(|answer| (answer["id"].clone(), answer["valid"].clone())).collect();
    assert_eq!(
        brief,
        [
            (json!("good"), json!(true)),
            (json!(2), json!(false)),
            (json!("own"), json!(true)),
            (json!("other"), json!(false))
        ]
    );
    assert_eq!(answers[1]["message"], "File Import Failed: Action value s3:PuObject is not valid.");
    assert!(answers[1]["findings"].is_array(), "{answers}");
}

#[test]
fn eval_prints_the_decision_of_every_case() {
    let refused =
        json!({"id": "refused", "policies": [{"kind": "identity", "document": {}}], "request": case("")["request"]});
    let cases = json!([case("21.21.21.7"), case("127.0.0.1"), refused]);
    let place = Place::with(&[("cases.json", &cases.to_string())]);
    let (code, out, error) = place.policy(&["eval", "cases.json"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let answers = parsed(&out);
    assert_eq!(answers[0], json!({"id": "21.21.21.7", "decision": "Allow", "policy": 0, "sid": "Inside"}));
    assert_eq!(answers[1], json!({"id": "127.0.0.1", "decision": "ImplicitDeny", "policy": null, "sid": null}));
    assert!(answers[2]["error"].is_string() && answers[2].get("decision").is_none(), "{answers}");
}

/// The errors of a file's cases, in order; null for cases that were answered.
fn errors(arguments: &[&str], cases: &str) -> Vec<Value> {
    let place = Place::with(&[("cases.json", cases)]);
    let (code, out, error) = place.policy(arguments);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    parsed(&out).as_array().unwrap().iter().map(|answer| answer["error"].clone()).collect()
}

#[test]
fn malformed_case_answers_for_itself_with_its_place() {
    let cases = r#"[{"id": 1, "document_text": "{}"}, 5,
        {"document_text": "x"}, {"id": {}, "document_text": ""},

        {"id": 1, "document_text": "x"}, {"id": 2}, {"id": 3, "document_text": {}}, {"id": 4, "document_text": "\ud800"},
        {"id": 5, "document_text": "", "kind": "role"}, {"id": 6, "document_text": "", "dialect": 1}, {"id": 7, "id": 8},
        {"id": 9, "document_text": "", "bucket": []}, {"id": "10", "document_text": "", "bucket": null}]"#;
    assert_eq!(
        errors(&["check", "--batch", "cases.json"], cases),
        [
            json!(null),
            json!("case 2 (line 1) is a number, not an object"),
            json!("case 3 (line 2) has no id; give each case its own, a text or a number"),
            json!("case 4 (line 2) has an id that is no text of at most 1024 bytes and no number; write one"),
            json!(null),
            json!("case 6 (line 4) has no document_text; add it, as a text"),
            json!("case 7 (line 4) has document_text that is an object; write it as a text"),
            json!("case 8 (line 4) has document_text that can't be read: unexpected end of hex escape"),
            json!("case 9 (line 5) has kind \"role\"; write identity or bucket or session"),
            json!("case 10 (line 5) has dialect that is a number; write it as a text"),
            json!("case 11 (line 5) can't be read: duplicate field `id`"),
            json!("case 12 (line 6) has bucket that is a list; write it as a text"),
            json!(null),
        ]
    );
}

#[test]
fn malformed_request_is_named_by_its_member() {
    let request = |members: &str| format!(r#"{{"id": "x", "policies": [], "request": {members}}}"#);
    let whole =
        r#"{"principal": "anonymous", "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "context": {}}"#;
    for (case, expected) in [
        (request(whole), json!(null)),
        (request("[]"), json!("case 1 (line 1) has request that is a list, not an object")),
        (request("{}"), json!("case 1 (line 1) has no request.principal; add it, as a text")),
        (
            request(&whole.replace("{}", "[]")),
            json!("case 1 (line 1) has request.context that is a list; write an object of keys and values"),
        ),
        (
            request(&whole.replace("\"s3:GetObject\"", "7")),
            json!("case 1 (line 1) has request.action that is a number; write it as a text"),
        ),
        (
            r#"{"id": 1, "policies": {}}"#.to_owned(),
            json!("case 1 (line 1) has policies that are an object; write a list of {kind, document}"),
        ),
        (
            r#"{"id": 1, "policies": [{}]}"#.to_owned(),
            json!("case 1 (line 1) has no policies[0].kind; write identity, bucket, session"),
        ),
        (
            r#"{"id": 1, "policies": [{"kind": "bucket", "document": 1, "enabled": 1}]}"#.to_owned(),
            json!("case 1 (line 1) has policies[0].enabled that is a number; write true or false"),
        ),
        (
            r#"{"id": 1, "policies": []}"#.to_owned(),
            json!("case 1 (line 1) has no request; write {principal, action, resource, context}"),
        ),
    ] {
        assert_eq!(errors(&["eval", "cases.json"], &format!("[{case}]")), [expected], "{case}");
    }
}

#[test]
fn file_that_is_no_array_is_refused_as_a_whole() {
    let place = Place::with(&[
        ("object.json", "{}"),
        ("text.json", "\"x\""),
        ("cut.json", "[{\"id\": 1},\n {\"id\": 2}, {\"id"),
        ("tail.json", "[] []"),
        ("nothing.json", " \n"),
        ("none.json", "\u{feff}[ ]"),
    ]);
    let told = |file: &str| refused(&place, &["check", "--batch", file]);
    let form = "write an array of {id, document_text, dialect, kind, bucket?}";
    assert_eq!(told("object.json"), format!("case file object.json: is an object and not an array; {form}"));
    assert_eq!(told("text.json"), format!("case file text.json: is no JSON array; {form}"));
    assert_eq!(told("nothing.json"), format!("case file nothing.json: is empty; {form}"));
    assert_eq!(
        told("cut.json"),
        "case file cut.json: is not valid JSON at line 2, column 16: EOF while parsing a string"
    );
    assert_eq!(told("tail.json"), "case file tail.json: is not valid JSON at line 1, column 4: trailing characters");
    assert_eq!(place.policy(&["eval", "none.json"]), (0, "[]\n".to_owned(), String::new()));
}

#[test]
fn large_batch_is_answered_in_order_and_in_the_form_of_a_small_one() {
    let mut cases: Vec<Value> = (0..5_000)
        .map(|id| {
            let mut case = case(if id % 2 == 0 { "21.21.21.7" } else { "127.0.0.1" });
            case["id"] = json!(id);
            case
        })
        .collect();
    cases[2_500] = json!({"id": 2_500});
    let place = Place::with(&[("cases.json", &json!(cases).to_string())]);
    let (code, out, error) = place.policy(&["eval", "cases.json"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let answers = parsed(&out);
    assert_eq!(answers.as_array().unwrap().len(), cases.len());
    for (id, answer) in answers.as_array().unwrap().iter().enumerate() {
        let decision = if id % 2 == 0 { "Allow" } else { "ImplicitDeny" };
        assert_eq!(answer["id"], json!(id));
        assert_eq!(answer["decision"], if id == 2_500 { Value::Null } else { json!(decision) }, "{answer}");
    }
    assert_eq!(out, format!("{}\n", serde_json::to_string_pretty(&answers).unwrap()), "one array, laid out as one");

    // The reader of one line goes away.
    let mut child =
        place.command(&["eval", "cases.json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((line.as_str(), output.status.code(), output.stderr.as_slice()), ("[\n", Some(0), b"".as_slice()));
}
