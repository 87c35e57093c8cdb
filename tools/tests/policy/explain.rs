//! `policy explain`: one decision, for people.

use serde_json::{Value, json};

use crate::{GOOD, MISSPELT, Place, ended, parsed, refused};

/// A request for an object from an address, under the policy [`GOOD`].
pub(crate) fn case(address: &str) -> Value {
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

const COW: &[&str] =
    &["explain", "--policy", "p.json", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::datalake/cow.jpg"];

/// The arguments of a request for the cow, and more.
fn cow<'a>(more: &[&'a str]) -> Vec<&'a str> {
    COW.iter().chain(more).copied().collect()
}

#[test]
fn near_miss_is_shown_with_its_text_and_the_values_compared() {
    let place = Place::with(&[("p.json", GOOD)]);
    let (code, out, error) = place.policy(&cow(&["--context", "aws:SourceIp=127.0.0.1"]));
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(
        out,
        r#"denied: no policy of the caller allows s3:GetObject
  arn:aws:iam::123456789012:user/someone asks for s3:GetObject on arn:aws:s3:::datalake/cow.jpg

nearly allowed by Inside of p.json
 --> p.json:1
  |
1 | {"Version": "2012-10-17", "Statement": {"Sid": "Inside", "Effect": "Allow", "Action": "s3:GetObject",
2 |   "Resource": "arn:aws:s3:::datalake/*", "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.0/24"}}}}
  |
  = fails: IpAddress aws:SourceIp 21.21.21.0/24; the request has 127.0.0.1
"#
    );
    let (_, out, _) = place.policy(&cow(&[]));
    assert!(out.ends_with("  = fails: IpAddress aws:SourceIp 21.21.21.0/24; the request has no such key\n"), "{out}");
    let (_, out, _) = place.policy(&cow(&["--context", "aws:SourceIp=21.21.21.7"]));
    assert!(out.starts_with("allowed: statement Inside of p.json allows it\n"), "{out}");
    assert!(out.contains("\nallowed by Inside of p.json\n --> p.json:1\n"), "{out}");
    assert!(out.ends_with("  = holds: IpAddress aws:SourceIp 21.21.21.0/24; the request has 21.21.21.7\n"), "{out}");
}

#[test]
fn variable_without_value_is_named() {
    let place = Place::with(&[("p.json", &GOOD.replace("datalake/*", "datalake/${aws:username}*"))]);
    let open = "  = ${aws:username} has no value: the request has no aws:username\n";
    let (_, out, _) = place.policy(&cow(&[]));
    assert!(out.contains(open), "{out}");
    let (_, out, _) = place.policy(&cow(&["--context", "aws:username=bob"]));
    assert!(out.contains("it doesn't name this resource") && !out.contains(open), "{out}");
}

#[test]
fn deny_of_the_bucket_is_shown_with_its_place_in_the_case_file() {
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": "arn:aws:s3:::datalake/*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]});
    let mut case = case("21.21.21.7");
    case["policies"].as_array_mut().unwrap().push(json!({"kind": "bucket", "document": deny}));
    case["request"]["context"]["aws:SecureTransport"] = json!(false);
    let place = Place::with(&[("case.json", &serde_json::to_string_pretty(&json!([case])).unwrap())]);
    let (code, out, error) = place.policy(&["explain", "case.json"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(
        out.starts_with("denied by a statement: statement #1 of bucket policy denies it, and a Deny always wins\n"),
        "{out}"
    );
    assert!(out.contains("\ndenied by #1 of bucket policy\n  --> case.json:27\n   |\n27 |             {\n28 |               \"Effect\": \"Deny\",\n"), "{out}");
    assert!(out.ends_with("\n   = holds: Bool aws:SecureTransport false; the request has false\n"), "{out}");

    // A document in one long line is laid out; one that is a text has lines of its own.
    case["policies"][1]["document"] = json!(deny.to_string());
    let (_, out, _) = place.policy_reading(&["explain", "-"], case.to_string().as_bytes());
    assert!(
        out.contains("\n --> <stdin>, policies[1].document, line 1\n  |\n  | {\n  |   \"Effect\": \"Deny\",\n"),
        "{out}"
    );
}

#[test]
fn colours_mark_the_decision() {
    let place = Place::with(&[("p.json", GOOD)]);
    let coloured = |more: &[&str]| ended(place.command(&cow(more)).env("CLICOLOR_FORCE", "1")).1;
    assert!(coloured(&[]).starts_with("\u{1b}[31mdenied\u{1b}[0m: "));
    assert!(coloured(&["--context", "aws:SourceIp=21.21.21.7"]).starts_with("\u{1b}[32mallowed\u{1b}[0m: "));
}

#[test]
fn json_has_the_whole_explanation_and_nothing_else() {
    let place = Place::with(&[("p.json", GOOD)]);
    let (code, out, error) = place.policy(&cow(&["--context", "aws:SourceIp=127.0.0.1", "--json"]));
    assert_eq!((code, error.as_str()), (0, ""));
    let explanation = parsed(&out);
    assert_eq!(explanation["decision"], "ImplicitDeny");
    let condition = &explanation["nearly"][0]["conditions"][0];
    assert_eq!((&condition["key"], &condition["holds"]), (&json!("aws:SourceIp"), &json!(false)));
}

#[test]
fn what_no_request_has_is_an_error_with_the_nearest_name() {
    let place = Place::with(&[("p.json", GOOD), ("bad.json", &MISSPELT.replace("\"Allow\"", "\"allow\""))]);
    let told = |more: &[&str]| refused(&place, &cow(more));
    assert_eq!(
        told(&["--context", "aws:SorceIp=10.0.0.1"]),
        "--context aws:SorceIp=10.0.0.1: \"aws:SorceIp\" is not a condition key of S3. Did you mean aws:SourceIp?"
    );
    assert_eq!(
        told(&["--context", "aws:SourceIp=10.0.0.0/8"]),
        "--context aws:SourceIp=10.0.0.0/8: \"10.0.0.0/8\" is not an IP address, such as 21.21.21.7"
    );
    assert_eq!(
        told(&["--principal", "bob"]),
        "the request: \"bob\" is not \"anonymous\" or the ARN of a user, a role, a session or a root"
    );
    assert_eq!(
        told(&["--policy", "bad.json"]),
        "policy document bad.json:2:27: Effect is Allow or Deny, not \"allow\". See strongroom policy check bad.json"
    );
    let asked =
        |action: &str, resource: &str| refused(&place, &["explain", "--action", action, "--resource", resource]);
    assert_eq!(
        asked("s3:GetObjct", "arn:aws:s3:::b/k"),
        "--action: \"s3:GetObjct\" is not an action of S3. Did you mean s3:GetObject?"
    );
    assert_eq!(asked("s3:GetObject", "s3://b/k"), "--resource: \"s3://b/k\" is no ARN; write arn:aws:s3:::b/k");
}

#[test]
fn what_decides_nothing_is_a_warning() {
    let place = Place::with(&[("p.json", &GOOD.replace("GetObject", "GetObjct"))]);
    let (code, out, error) = place.policy(&cow(&["--context", "s3:prefix=a"]));
    assert_eq!(code, 0);
    assert!(out.starts_with("denied: "), "{out}");
    assert_eq!(
        error,
        "strongroom: warning: --context s3:prefix: no request for s3:GetObject carries this key\n\
         strongroom: warning: the document can't be stored like this: p.json:1:87: \"s3:GetObjct\" is not an action of S3. Did you mean s3:GetObject? See strongroom policy check p.json\n"
    );
    let mut case = case("21.21.21.7");
    case["request"]["action"] = json!("s3:GetObjct");
    let (code, _, error) = place.policy_reading(&["explain", "-"], case.to_string().as_bytes());
    assert_eq!(code, 0);
    assert_eq!(
        error,
        "strongroom: warning: case file <stdin>: request.action: \"s3:GetObjct\" is not an action of S3. Did you mean s3:GetObject?\n"
    );
}

#[test]
fn case_file_that_is_no_single_case_is_refused_with_what_is_wrong() {
    let place = Place::with(&[
        ("two.json", &json!([case("1.1.1.1"), case("1.1.1.2")]).to_string()),
        ("cut.json", "{\"policies\": ["),
        ("empty.json", ""),
        ("number.json", "5"),
        ("no-request.json", "{\"policies\": []}"),
    ]);
    for (file, expected) in [
        ("two.json", "has 2 cases, and one is explained at a time; name a file of one"),
        ("cut.json", "the case is not valid JSON at line 1, column 14: EOF while parsing a list"),
        ("empty.json", "the case is empty"),
        ("number.json", "the case is a number, not an object"),
        ("no-request.json", "the case has no request; write {principal, action, resource, context}"),
    ] {
        assert_eq!(refused(&place, &["explain", file]), format!("case file {file}: {expected}"));
    }
}
