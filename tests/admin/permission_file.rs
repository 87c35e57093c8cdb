//! Policy files: imported with the seed's messages, downloaded byte for byte, replaced, checked before they are saved.

use serde_json::{Value, json};

use super::{Admin, node};
use crate::fixture;

const SEED: &str = r#"{ "Version": "2012-10-17", "Statement": [ { "Sid": "statement1", "Action": ["s3:ListBucket"], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket"], "Condition": {"StringLike": {"s3:prefix": ["David/*"]}} }, { "Sid": "statement2", "Action": [ "s3:GetObject", "s3:PutObject" ], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket/David/*"] }, { "Sid": "statement3", "Action": ["s3:DeleteObject"], "Effect": "Deny", "Resource": ["arn:aws:s3:::mybucket/David/*", "arn:aws:s3:::mycorporatebucket/share/marketing/*"] } ] }"#;

/// The seed's table of error messages, each with a file that has this error first.
#[test]
fn a_refused_file_is_422_with_the_seed_s_message_and_every_error_beside_it() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let statement = |body: &str| format!(r#"{{"Version": "2012-10-17", "Statement": [{{{body}}}]}}"#);
    let rest = r#""Resource": "arn:aws:s3:::b""#;
    for (file, message) in [
        ("{".to_owned(), "Invalid JSON file."),
        (statement(&format!(r#""Action": "s3:GetObject", {rest}"#)), "Effect field is required."),
        (statement(r#""Effect": "Allow", "Action": "s3:GetObject""#), "Resource field is required."),
        (statement(&format!(r#""Effect": "Allow", {rest}"#)), "Action field is required."),
        (r#"{"Version": "2012-10-17"}"#.to_owned(), "Statement is required."),
        (SEED.replace("2012-10-17", ""), "Version field value is empty."),
        (statement(&format!(r#""Effect": "Allow", "Action": [], {rest}"#)), "Action canot be empty."),
        (statement(r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": []"#), "Resource canot be empty."),
        (
            statement(&format!(r#""Effect": "Allow", "Action": "s3:ListBucket", {rest}, "Condition": {{}}"#)),
            "Condition canot be empty.",
        ),
        (statement(&format!(r#""Effect": "allow", "Action": "s3:ListBucket", {rest}"#)), "Effect value is invalid."),
        (
            statement(&format!(r#""Effect": "Allow", "Action": ["s3:GetObject","s3:PuObject"], {rest}"#)),
            "Action value s3:PuObject is not valid.",
        ),
        (
            statement(r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "mybucket""#),
            "Resource value mybucket is not valid.",
        ),
        (
            statement(&format!(
                r#""Effect": "Allow", "Action": "s3:ListBucket", {rest}, "Condition": {{"StringLikes": {{"s3:prefix": "a"}}}}"#
            )),
            "Condition name is not valid: StringLikes.",
        ),
        (
            statement(&format!(
                r#""Effect": "Allow", "Action": "s3:ListBucket", {rest}, "Condition": {{"StringLike": {{"s3:prefx": "a"}}}}"#
            )),
            "Condition key is not valid: s3:prefx.",
        ),
    ] {
        let refused = root.post("/permissions", &json!({"name": "p", "type": "policy", "policy": file}));
        assert_eq!(refused.refused(422, "FileImportFailed"), format!("File Import Failed: {message}"), "{file}");
        let details = refused.json(422)["details"].clone();
        let first = &details[0];
        assert!(first["line"].is_u64() && first["column"].is_u64() && first["resolution"].is_string(), "{details}");
        let checked = root.post("/permissions/check", &json!({"policy": file})).json(200);
        assert_eq!(
            (&checked["valid"], &checked["message"]),
            (&json!(false), &json!(format!("File Import Failed: {message}")))
        );
    }
    assert_eq!(root.get("/permissions").header("x-total-count"), "0", "nothing is saved of what is refused");
}

#[test]
fn a_misspelt_action_comes_with_what_was_meant() {
    let node = node(json!({}));
    let file = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PuObject", "Resource": "arn:aws:s3:::b/*"}]}"#;
    let refused = Admin::root(&node).post("/permissions", &json!({"name": "p", "type": "policy", "policy": file}));
    assert_eq!(refused.json(422)["details"][0]["suggestion"], "s3:PutObject");
}

/// Seed: "Once the new policy permission file is available, download or replace the existing file."
#[test]
fn a_file_is_downloaded_byte_for_byte_and_replaced() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    root.post("/permissions", &json!({"name": "by text", "type": "policy", "policy": SEED})).json(201);
    let raw = format!(r#"{{"name": "by object", "type": "policy", "policy": {SEED}}}"#);
    root.send("POST", "/permissions", Some(raw), &[]).json(201);
    for name in ["by%20text", "by%20object"] {
        let file = root.get(&format!("/permissions/{name}/policy"));
        assert_eq!(file.0.text(), SEED, "{name}");
        assert!(file.header("content-disposition").starts_with("attachment"), "{file:?}");
    }
    // With a byte order mark, and ends of lines of its own.
    let other = format!("\u{feff}{}", SEED.replace("mybucket", "elsewhere").replace(", ", ",\r\n"));
    let replaced = root.send("PUT", "/permissions/by%20text/policy", Some(other.clone()), &[]);
    assert_eq!(replaced.json(200)["revision"], 2);
    assert_eq!(root.get("/permissions/by%20text/policy").0.text(), other);
    let refused = root.send("PUT", "/permissions/by%20text/policy", Some("{}".into()), &[]);
    assert_eq!(refused.refused(422, "FileImportFailed"), "File Import Failed: Statement is required.");
    assert_eq!(root.get("/permissions/by%20text/policy").0.text(), other, "the refused file changes nothing");
}

#[test]
fn a_bucket_permission_s_lowered_document_can_be_printed_but_not_replaced() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let body = json!({"name": "p", "type": "bucket-prefix", "actions": "write-only", "prefix": "in-"});
    root.post("/permissions", &body).json(201);
    let document: Value = serde_json::from_str(&root.get("/permissions/p/policy").0.text()).expect("a document");
    assert_eq!(document["Statement"][0]["Resource"], json!(["arn:aws:s3:::in-*"]));
    root.send("PUT", "/permissions/p/policy", Some(SEED.into()), &[]).refused(400, "InvalidArgument");
}

#[test]
fn the_aws_dialect_takes_what_the_lyve_dialect_refuses_when_it_is_marked_so() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let file = r#"{"Statement": {"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "*"}}"#;
    root.post("/permissions", &json!({"name": "p", "type": "policy", "policy": file})).refused(422, "FileImportFailed");
    let made =
        root.post("/permissions", &json!({"name": "p", "type": "policy", "dialect": "aws", "policy": file})).json(201);
    assert_eq!(made["dialect"], "aws");
    let refused = root.post("/permissions", &json!({"name": "q", "type": "policy", "dialect": "aws", "policy": "{}"}));
    refused.refused(422, "MalformedPolicyDocument");
}

/// D17: an empty, `null` or `{}` policy denies all here and inherits all there; it is refused.
#[test]
fn d17_an_empty_null_or_missing_policy_is_refused() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    for policy in [json!(""), json!({}), json!("null"), json!([])] {
        let answer = root.post("/permissions", &json!({"name": "p", "type": "policy", "policy": policy}));
        assert!(matches!(answer.0.status, 400 | 422), "{policy}: {}", answer.0);
    }
    for body in [json!({"name": "p", "type": "policy", "policy": null}), json!({"name": "p", "type": "policy"})] {
        root.post("/permissions", &body).refused(400, "InvalidArgument");
    }
    root.post("/service-accounts", &json!({"name": "s", "permissions": []})).refused(400, "InvalidArgument");
    root.post("/service-accounts", &json!({"name": "s", "permissions": null})).refused(400, "InvalidArgument");
    assert_eq!(root.get("/permissions").header("x-total-count"), "0");
}

/// A statement that can never match is no error, but whoever saves it should hear of it.
#[test]
fn what_is_worth_knowing_of_a_file_is_told_when_it_is_saved() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let file = |resource: &str| fixture::policy(&json!([fixture::allow(&["s3:GetObject"], &[resource])]));
    let body = |resource: &str| json!({"name": "p", "type": "policy", "dialect": "aws", "policy": file(resource)});
    let made = root.post("/permissions", &body("arn:aws:s3:::box")).json(201);
    assert_eq!(made["findings"][0]["pointer"], "/Statement/0/Action/0", "{made}");
    assert!(root.get("/permissions/p").json(200).get("findings").is_none());
    let changed = root.put("/permissions/p", &body("arn:aws:s3:::box/*")).json(200);
    assert!(changed.get("findings").is_none(), "{changed}");
    let replaced = root.put("/permissions/p/policy", &file("arn:aws:s3:::box")).json(200);
    assert_eq!(replaced["findings"], made["findings"]);
}

#[test]
fn a_file_of_any_refused_size_is_told_as_a_file_and_a_check_looks_at_name_and_description_too() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let policy = fixture::policy(&json!([fixture::allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])])).to_string();
    let large = format!("{}{policy}", " ".repeat(64 << 10));
    let body = json!({"name": "p", "type": "policy", "policy": large});
    let message = "File Import Failed: The policy is larger than 65536 bytes.";
    assert_eq!(root.post("/permissions", &body).refused(422, "FileImportFailed"), message);
    root.post("/permissions", &json!({"name": "p", "type": "policy", "policy": policy})).json(201);
    let replaced = root.send("PUT", "/permissions/p/policy", Some(large), &[]);
    assert_eq!(replaced.refused(422, "FileImportFailed"), message);

    let check = |name: &str, description: &str| {
        root.post(
            "/permissions/check",
            &json!({"name": name, "description": description, "type": "all-buckets", "actions": "read-only"}),
        )
    };
    assert_eq!(check("p", "ok").json(200)["valid"], true);
    check("a/b", "ok").refused(400, "InvalidArgument");
    check("p", &"x".repeat(1_001)).refused(400, "InvalidArgument");
}
