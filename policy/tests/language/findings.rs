//! What `check` says about documents that are valid.

use policy::{CheckReport, ParseOptions, Severity, check, check_batch};

fn codes(report: &CheckReport) -> Vec<&'static str> {
    assert!(report.valid, "{report:?}");
    report.findings.iter().map(|finding| finding.code).collect()
}

fn identity(statement: &str) -> Vec<&'static str> {
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{{{statement}}}]}}"#);
    codes(&check(document.as_bytes(), ParseOptions::identity()))
}

#[test]
fn a_careful_document_has_no_finding() {
    let statement = r#""Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
        "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.0/24"}, "Bool": {"aws:ViaAWSService": "false"}}"#;
    assert_eq!(identity(statement), Vec::<&str>::new());
}

#[test]
#[rustfmt::skip]
fn each_finding_is_made_where_it_should_be() {
    for (code, statement) in [
        ("Star on star", r#""Effect": "Allow", "Action": "s3:*", "Resource": "*""#),
        ("Star on star", r#""Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "arn:aws:s3:::*""#),
        ("Unsupported action for condition key", r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:prefix": "a"}}"#),
        ("Unsupported action for condition key", r#""Effect": "Deny", "Action": ["s3:ListBucket", "s3:GetBucketAcl"], "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": "a"}}"#),
        ("Condition key never present", r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}"#),
        ("Condition key never present", r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}"#),
        ("Unsupported action in policy", r#""Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::b/*""#),
        ("Unsupported action in policy", r#""Effect": "Allow", "Action": ["s3:ListAllMyBuckets", "s3:ListBucket"], "Resource": "arn:aws:s3:::b""#),
        ("Unsupported resource for action", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]"#),
        ("Deny leaves objects reachable", r#""Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b""#),
        ("Private IP address", r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}}"#),
        ("Private NotIpAddress", r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"NotIpAddress": {"aws:SourceIp": "192.168.1.0/24"}}"#),
        ("Improve IP range", r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.7/24"}}"#),
        ("Action of another service", r#""Effect": "Allow", "Action": ["s3:GetObject", "kms:Decrypt"], "Resource": "arn:aws:s3:::b/*""#),
        ("Resource of another service", r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b/*", "arn:aws:kms:r:123456789012:key/1"]"#),
        ("Missing qualifier", r#""Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:RequestObjectTagKeys": "a"}}"#),
        ("ForAllValues with single valued key", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"ForAllValues:StringEquals": {"s3:prefix": "a"}}"#),
        ("Null with qualifier", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"ForAllValues:Null": {"s3:prefix": "true"}}"#),
        ("Type mismatch IP range", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"aws:SourceIp": "21.21.21.7"}}"#),
        ("Wildcard without like operator", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": "home/*"}}"#),
        ("Missing ARN field", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:*"}}"#),
        ("Empty array action", r#""Effect": "Allow", "Action": [], "Resource": "arn:aws:s3:::b""#),
        ("Empty array resource", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": []"#),
        ("Empty array condition", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": []}}"#),
        ("Empty object condition", r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {}"#),
        ("Empty Sid value", r#""Sid": "", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b""#),
        ("Redundant action", r#""Effect": "Allow", "Action": ["s3:Get*", "s3:GetObject"], "Resource": "arn:aws:s3:::b/*""#),
        ("Redundant resource", r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::b/x"]"#),
    ] {
        let found = identity(statement);
        assert!(found.contains(&code), "{code} is not in {found:?}\n{statement}");
    }
}

#[test]
fn a_deny_that_can_never_apply_is_a_security_warning_with_its_place() {
    let document = "{\"Version\": \"2012-10-17\", \"Statement\": {\n\"Effect\": \"Deny\", \"Action\": \"s3:GetObject\", \"Resource\": \"*\",\n\"Condition\": {\"StringEquals\": {\"aws:PrincipalOrgID\": \"o-1\"}}}}";
    let report = check(document.as_bytes(), ParseOptions::identity());
    let finding = &report.findings[0];
    assert_eq!((finding.code, finding.severity), ("Condition key never present", Severity::SecurityWarning));
    assert_eq!((finding.pointer.as_str(), finding.line), ("/Statement/Condition/StringEquals/aws:PrincipalOrgID", 3));
}

#[test]
fn findings_about_principals_and_versions() {
    let bucket = |document: &str| codes(&check(document.as_bytes(), ParseOptions::bucket("b")));
    let public = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#;
    assert_eq!(bucket(public), ["Public access"]);
    let narrowed = public.replace("}}", r#", "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.0/24"}}}}"#);
    assert_eq!(bucket(&narrowed), Vec::<&str>::new());
    let not_principal = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:user/a"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#;
    assert_eq!(bucket(not_principal), ["NotPrincipal without its account"]);
    let with_account = not_principal
        .replace(r#""arn:aws:iam::123456789012:user/a""#, r#"["123456789012", "arn:aws:iam::123456789012:user/a"]"#);
    assert_eq!(bucket(&with_account), Vec::<&str>::new());
    let unversioned = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"}}"#;
    assert_eq!(bucket(unversioned), ["Missing version", "Variable unsupported in version"]);
}

#[test]
fn a_batch_is_answered_in_its_own_shape() {
    let batch = r#"[
        {"id": "a", "document_text": "{\"Version\": \"2012-10-17\", \"Statement\": []}", "dialect": "lyve", "kind": "identity"},
        {"id": 2, "document_text": "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::b/*\"}}", "dialect": "aws", "kind": "bucket"},
        {"id": 3, "document_text": "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::b/*\"}}", "dialect": "aws", "kind": "bucket", "bucket": "c"}
    ]"#;
    let answers: serde_json::Value = serde_json::from_str(&check_batch(batch, None).unwrap()).unwrap();
    assert_eq!(answers[0]["id"], "a");
    assert_eq!(answers[0]["valid"], false);
    assert_eq!(answers[0]["message"], "File Import Failed: Statement is required.");
    let error = &answers[0]["errors"][0];
    for member in ["code", "message", "pointer", "line", "column", "suggestion"] {
        assert!(error.get(member).is_some(), "{member}");
    }
    assert_eq!((&answers[1]["valid"], &answers[1]["message"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(answers[2]["message"], "Policy has invalid resource");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&check_batch(batch, Some("c")).unwrap()).unwrap()[1]["valid"],
        false
    );
    assert!(check_batch("{}", None).is_err());
}
