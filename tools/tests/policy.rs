//! `strongroom policy` as people and scripts use it: exit codes, JSON, text, and the seed's own messages.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const GOOD: &str = r#"{"Version": "2012-10-17", "Statement": {"Sid": "Inside", "Effect": "Allow", "Action": "s3:GetObject",
  "Resource": "arn:aws:s3:::datalake/*", "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.0/24"}}}}"#;
const MISSPELT: &str = "{\"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"s3:PuObject\",\n  \"Resource\": \"arn:aws:s3:::b/*\"}]}";

struct Place(tempfile::TempDir);

impl Place {
    fn with(files: &[(&str, &str)]) -> Place {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Place(directory)
    }

    fn policy(&self, arguments: &[&str]) -> (i32, String, String) {
        policy(self.0.path(), arguments)
    }
}

fn policy(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    command.arg("policy").args(arguments).current_dir(directory).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_valid_document_exits_0() {
    let place = Place::with(&[("p.json", GOOD)]);
    assert_eq!(place.policy(&["check", "p.json"]), (0, "p.json: valid\n".into(), String::new()));
    let (code, out, _) = place.policy(&["check", "p.json", "--dialect", "lyve", "--json"]);
    assert_eq!((code, parsed(&out)), (0, json!({"valid": true, "message": null, "errors": [], "findings": []})));
}

#[test]
fn an_invalid_document_exits_1_with_place_and_suggestion() {
    let place = Place::with(&[("p.json", MISSPELT)]);
    let (code, out, error) = place.policy(&["check", "p.json", "--dialect", "lyve", "--json"]);
    let report = parsed(&out);
    assert_eq!((code, error.as_str()), (1, ""));
    assert_eq!(report["valid"], false);
    assert_eq!(report["message"], "File Import Failed: Action value s3:PuObject is not valid.");
    let first = &report["errors"][0];
    assert_eq!((&first["line"], &first["pointer"]), (&json!(2), &json!("/Statement/0/Action")));
    assert_eq!(first["suggestion"], "s3:PutObject");
    for member in ["code", "message", "column"] {
        assert!(!first[member].is_null(), "{first}");
    }
    let (code, out, _) = place.policy(&["check", "p.json", "--dialect", "lyve"]);
    assert_eq!(code, 1);
    assert_eq!(
        out,
        r#"error[Invalid action]: "s3:PuObject" is not an action of S3.
 --> p.json:2:46 (/Statement/0/Action)
  |
2 |  "Statement": [{"Effect": "Allow", "Action": "s3:PuObject",
  |                                              ^^^^^^^^^^^^^
  = help: did you mean s3:PutObject?
  = help: Add a valid value to this element.

p.json: not valid (1 error): File Import Failed: Action value s3:PuObject is not valid.
"#
    );
}

#[test]
fn findings_are_shown_with_their_severity_and_don_t_make_a_document_invalid() {
    let public = GOOD.replace("\"s3:GetObject\"", "\"s3:*\"").replace("arn:aws:s3:::datalake/*", "*");
    let place = Place::with(&[("p.json", &public)]);
    let (code, out, _) = place.policy(&["check", "p.json", "--json"]);
    let findings = parsed(&out)["findings"].clone();
    assert_eq!(code, 0);
    assert!(!findings.as_array().unwrap().is_empty(), "{out}");
    let (code, out, _) = place.policy(&["check", "p.json"]);
    assert_eq!(code, 0);
    let message = findings[0]["message"].as_str().unwrap();
    let place = format!("p.json:{}:{} ", findings[0]["line"], findings[0]["column"]);
    assert!(out.contains(message) && out.contains(&place), "{out}");
    assert!(out.contains("security warning[") && out.contains("\np.json: valid, 1 security warning"), "{out}");
}

#[test]
fn kinds_and_buckets_are_told_apart() {
    let bucket = GOOD.replace("\"Sid\"", "\"Principal\": \"*\", \"Sid\"");
    let place = Place::with(&[("identity.json", GOOD), ("bucket.json", &bucket)]);
    let code = |arguments: &[&str]| place.policy(arguments).0;
    assert_eq!(code(&["check", "bucket.json"]), 1, "an identity policy has no Principal");
    assert_eq!(code(&["check", "identity.json", "--kind", "bucket"]), 1, "a bucket policy has one");
    assert_eq!(code(&["check", "bucket.json", "--kind", "bucket"]), 0);
    assert_eq!(code(&["check", "bucket.json", "--kind", "bucket", "--bucket", "datalake"]), 0);
    assert_eq!(code(&["check", "bucket.json", "--kind", "bucket", "--bucket", "another"]), 1);
    assert_eq!(code(&["check", "identity.json", "--kind", "session"]), 0);
    assert_eq!(code(&["check", "identity.json", "--kind", "session", "--dialect", "lyve"]), 2);
    assert_eq!(code(&["check", "identity.json", "--bucket", "datalake"]), 2);
}

#[test]
fn what_can_t_be_read_exits_2_in_one_line() {
    let place = Place::with(&[
        ("not-an-array.json", "{}"),
        ("not-json.json", "["),
        ("empty.json", ""),
        ("half.json", "[{\"id\": 1},"),
    ]);
    for arguments in [
        &["check", "absent.json"][..],
        &["check", "--batch", "absent.json"],
        &["check", "--batch", "not-an-array.json"],
        &["check", "--batch", "half.json"],
        &["check", "--batch", "empty.json"],
        &["check", "-", "-"],
        &["check", "."],
        &["eval", "absent.json"],
        &["eval", "not-an-array.json"],
        &["eval", "not-json.json"],
        &["explain", "absent.json"],
        &["explain", "not-an-array.json"],
        &["explain", "--action", "s3:GetObject"],
        &["explain", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::b", "--context", "novalue"],
    ] {
        let (code, out, error) = place.policy(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(error.starts_with("strongroom: ") && error.lines().count() == 1, "{arguments:?}: {error}");
    }
}

#[test]
fn documents_of_any_bytes_are_judged_and_never_crash() {
    let place = Place::with(&[("empty", ""), ("brackets", &"[".repeat(100_000)), ("long", &" ".repeat(3 << 20))]);
    std::fs::write(place.0.path().join("binary"), [0xff, 0xfe, 0x7b, 0x00]).unwrap();
    for file in ["empty", "brackets", "long", "binary"] {
        let (code, out, error) = place.policy(&["check", file, "--json"]);
        assert_eq!((code, error.as_str()), (1, ""), "{file}");
        assert_eq!(parsed(&out)["valid"], false);
    }
}

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

fn case(address: &str) -> Value {
    json!({
        "id": address,
        "policies": [{"kind": "identity", "document": parsed(GOOD)}],
        "request": {
            "principal": "arn:aws:iam::123456789012:user/lightly", "action": "s3:GetObject",
            "resource": "arn:aws:s3:::datalake/cow.jpg", "context": {"aws:SourceIp": address},
        },
    })
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

#[test]
fn explain_says_what_was_missing_from_a_file_and_from_flags() {
    let place = Place::with(&[("case.json", &case("127.0.0.1").to_string()), ("p.json", GOOD)]);
    let (code, from_file, _) = place.policy(&["explain", "case.json"]);
    assert_eq!(code, 0);
    assert!(from_file.contains("nearly allowed by Inside") && from_file.contains("21.21.21.0/24"), "{from_file}");
    let flags = [
        "explain",
        "--policy",
        "p.json",
        "--action",
        "s3:GetObject",
        "--resource",
        "arn:aws:s3:::datalake/cow.jpg",
        "--context",
        "aws:SourceIp=127.0.0.1",
    ];
    let (code, from_flags, error) = place.policy(&flags);
    assert_eq!(code, 0, "{error}");
    assert!(from_flags.contains("nearly allowed by Inside of p.json"), "{from_flags}");
    let allowed: Vec<&str> = flags[..8].iter().copied().chain(["aws:SourceIp=21.21.21.7", "--json"]).collect();
    let (code, out, error) = place.policy(&allowed);
    assert_eq!(code, 0, "{error}");
    assert_eq!(parsed(&out)["decision"], "Allow");
}
