//! What `check` says about documents that are valid.

use policy::{CheckReport, ParseOptions, PolicyKind, Severity, check, check_batch};

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
fn a_variable_that_the_older_version_does_not_know_is_found_where_it_stands() {
    for (element, expected) in [
        (r#""Resource": ["*", "arn:aws:s3:::b/${aws:username}"]"#, Some("/Statement/1/Resource/1")),
        (
            r#""Resource": "*", "Condition": {"StringLike": {"s3:RequestObjectTag/a/b": "\u0024{aws:username}"}}"#,
            Some("/Statement/1/Condition/StringLike/s3:RequestObjectTag~1a~1b"),
        ),
        (r#""Resource": "*", "Sid": "${}""#, None),
    ] {
        let document = format!(
            r#"{{"Version": "2008-10-17", "Statement": [{{"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}},
            {{"Effect": "Allow", "Action": "s3:GetObject", {element}}}]}}"#
        );
        let report = check(document.as_bytes(), ParseOptions::grammar(PolicyKind::Identity));
        let found = report.findings.iter().find(|finding| finding.code == "Variable unsupported in version");
        assert_eq!(
            found.map(|finding| (finding.pointer.as_str(), finding.line)),
            expected.map(|at| (at, 2)),
            "{element}"
        );
    }
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
    // A case that is none says so and spoils no other; what is not said is AWS's identity policy.
    let batch = r#"[{"id": 1, "document_text": 7}, {"id": 2, "document_text": "{}", "kind": "role"}, 7,
        {"id": 3, "document_text": "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"}}"},
        {"id": 4, "document_text": "{\"Version\": \"2012-10-17\", \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"}}", "dialect": "lyve", "kind": "bucket"}]"#;
    let answers: serde_json::Value = serde_json::from_str(&check_batch(batch, None).unwrap()).unwrap();
    for (at, id) in [(0, serde_json::json!(1)), (1, serde_json::json!(2)), (2, serde_json::Value::Null)] {
        assert_eq!(answers[at]["id"], id);
        assert!(answers[at]["error"].is_string() && answers[at].get("valid").is_none(), "{answers}");
    }
    assert_eq!((&answers[3]["valid"], &answers[4]["valid"]), (&true.into(), &true.into()), "{answers}");
}

/// A finding, its severity, a statement that has it, and the nearest one that hasn't.
type Row = (&'static str, Severity, &'static str, &'static str);

const S: Severity = Severity::Suggestion;
const W: Severity = Severity::Warning;
const X: Severity = Severity::SecurityWarning;

#[rustfmt::skip]
const IDENTITY_ROWS: [Row; 53] = [
    ("Deny leaves objects reachable", X, r#""Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b""#, r#""Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b""#),
    ("Unsupported action in policy", W, r#""Effect": "Allow", "Action": ["s3:CreateJob", "s3:GetObject"], "Resource": "arn:aws:s3:::b/*""#, r#""Effect": "Allow", "Action": "s3:CreateJob", "NotResource": "arn:aws:s3:::b/*""#),
    ("Unsupported action in policy", W, r#""Effect": "Allow", "Action": ["s3:GetAccessPoint", "s3:ListBucket"], "Resource": "arn:aws:s3:::b""#, r#""Effect": "Allow", "Action": "s3:GetAccessPoint", "Resource": "arn:aws:s3:us-east-1:123456789012:accesspoint/x""#),
    ("Invalid condition multiple Boolean", W, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Bool": {"aws:SecureTransport": ["true", false]}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Bool": {"aws:SecureTransport": [true]}}"#),
    ("Star on star", X, r#""Effect": "Allow", "Action": "*", "Resource": "*""#, r#""Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*""#),
    ("Star on star", X, r#""Effect": "Allow", "Action": "s3:Put*", "Resource": "arn:aws:s3:::*""#, r#""Effect": "Allow", "Action": "s3:Get*", "Resource": "*""#),
    ("Star on star", X, r#""Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "*""#, r#""Effect": "Deny", "Action": "*", "Resource": "*""#),
    ("Deny leaves objects reachable", X, r#""Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b""#, r#""Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]"#),
    ("Deny leaves objects reachable", X, r#""Effect": "Deny", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::b""#, r#""Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b""#),
    ("Condition key never present", X, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}"#, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}"#),
    ("Condition key never present", W, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"ForAnyValue:StringEquals": {"aws:CalledVia": "x"}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Bool": {"aws:ViaAWSService": "false"}}"#),
    ("Condition key never present", W, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}"#, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"BoolIfExists": {"aws:SecureTransport": "false"}}"#),
    ("Condition key never present", W, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}"#, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}"#),
    ("Condition key never present", X, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Null": {"aws:PrincipalOrgID": "false"}}"#, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}"#),
    ("Condition key never present", X, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringNotEquals": {"aws:SourceArn": []}}"#, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}"#),
    ("Condition key never present", S, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}"#, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}"#),
    ("Unsupported action for condition key", X, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:prefix": "a"}}"#, r#""Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": "a"}}"#),
    ("Unsupported action for condition key", W, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringNotEquals": {"s3:prefix": "a"}}"#, r#""Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], "Condition": {"StringNotEquals": {"s3:prefix": "a"}}"#),
    ("Unsupported action in policy", W, r#""Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::b/*""#, r#""Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::b*""#),
    ("Unsupported resource for action", W, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]"#, r#""Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]"#),
    ("Action of another service", W, r#""Effect": "Allow", "Action": ["s3:GetObject", "kms:Decrypt"], "Resource": "arn:aws:s3:::b/*""#, r#""Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*""#),
    ("Resource of another service", W, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b/*", "arn:aws:kms:r:123456789012:key/1"]"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:*:*:c/*"]"#),
    ("Wildcard in service name", S, r#""Effect": "Allow", "Action": "s?:GetObject", "Resource": "arn:aws:s3:::b/*""#, r#""Effect": "Allow", "Action": "s3:GetObjec?", "Resource": "arn:aws:s3:::b/*""#),
    ("Deny with unsupported tag condition key for service", X, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}"#, r#""Effect": "Deny", "Action": "s3:TagResource", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}"#),
    ("Allow with unsupported tag condition key for service", S, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}}"#),
    ("Deny NotAction with unsupported tag condition key for service", X, r#""Effect": "Deny", "NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}"#, r#""Effect": "Deny", "NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalTag/a": "b"}}"#),
    ("Allow NotAction with unsupported tag condition key for service", S, r#""Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "b"}}"#, r#""Effect": "Allow", "Action": "s3:TagResource", "Resource": "arn:aws:s3:::b", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "b"}}"#),
    ("Missing paired condition keys", X, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}, "StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}"#),
    ("Private IP address", S, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": ["10.1.0.0/16", "fd00::/8"]}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": ["10.1.0.0/16", "21.21.21.0/24"]}}"#),
    ("Private IP address subset", S, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": ["10.1.0.0/16", "21.21.21.0/24"]}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": ["11.1.0.0/16", "21.21.21.0/24"]}}"#),
    ("Private NotIpAddress", S, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"NotIpAddress": {"aws:SourceIp": "192.168.1.0/24"}}"#, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"NotIpAddress": {"aws:SourceIp": "192.169.1.0/24"}}"#),
    ("Private NotIpAddress subset", S, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"NotIpAddress": {"aws:SourceIp": ["172.16.0.0/12", "1.1.1.1"]}}"#, r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"NotIpAddress": {"aws:SourceIp": ["172.15.0.0/16", "1.1.1.1"]}}"#),
    ("Improve IP range", S, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.7/24"}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.7/32"}}"#),
    ("Invalid vpc format", W, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-111bbb2"}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:SourceVpc": ["vpc-111bbb22", "vpc-0123456789abcdef0"]}}"#),
    ("Invalid vpce format", W, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:SourceVpce": "vpc-111bbb22"}}"#, r#""Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringLike": {"aws:SourceVpce": ["vpce-111bbb22", "vpce-1*"]}}"#),
    ("Redundant condition value num", S, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"NumericLessThan": {"s3:max-keys": [10, 20]}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"NumericEquals": {"s3:max-keys": [10, 20]}}"#),
    ("Missing qualifier", W, r#""Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:RequestObjectTagKeys": "a"}}"#, r#""Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": "arn:aws:s3:::b/*", "Condition": {"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": "a"}}"#),
    ("ForAllValues with single valued key", X, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"ForAllValues:StringEquals": {"s3:prefix": "a"}}"#, r#""Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"ForAllValues:StringEquals": {"s3:prefix": "a"}}"#),
    ("Null with qualifier", S, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"ForAllValues:Null": {"s3:prefix": "true"}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"Null": {"s3:prefix": "true"}}"#),
    ("Type mismatch IP range", W, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringLike": {"aws:SourceIp": "21.*"}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"Null": {"aws:SourceIp": "false"}}"#),
    ("Type mismatch number", W, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:max-keys": "10"}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"NumericEquals": {"s3:max-keys": "10"}}"#),
    ("Type mismatch date", W, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringLike": {"aws:CurrentTime": "2026*"}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"NumericLessThan": {"aws:EpochTime": 1795295820}, "DateGreaterThan": {"aws:CurrentTime": "2026-11-21"}}"#),
    ("Type mismatch Boolean", W, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"aws:SecureTransport": "true"}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"Bool": {"aws:SecureTransport": "true"}}"#),
    ("Type mismatch string", W, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"NumericEquals": {"s3:prefix": "1"}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": "1"}}"#),
    ("Wildcard without like operator", W, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": "home/*"}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": "home/${*}"}}"#),
    ("Missing ARN field", W, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:*"}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:*"}}"#),
    ("Empty array action", S, r#""Effect": "Allow", "Action": [], "Resource": "arn:aws:s3:::b""#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b""#),
    ("Empty array resource", S, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": []"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": ["arn:aws:s3:::b"]"#),
    ("Empty array condition", S, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": []}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEqualsIfExists": {"s3:prefix": []}}"#),
    ("Empty array condition IfExists", S, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEqualsIfExists": {"s3:prefix": []}}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEqualsIfExists": {"s3:prefix": ""}}"#),
    ("Empty array condition ForAllValues", S, r#""Effect": "Allow", "Action": "s3:TagResource", "Resource": "arn:aws:s3:::b", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": []}}"#, r#""Effect": "Allow", "Action": "s3:TagResource", "Resource": "arn:aws:s3:::b", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}"#),
    ("Empty array condition ForAnyValue", S, r#""Effect": "Allow", "Action": "s3:TagResource", "Resource": "arn:aws:s3:::b", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": []}}"#, r#""Effect": "Allow", "Action": "s3:TagResource", "Resource": "arn:aws:s3:::b", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}"#),
    ("Empty object condition", S, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {}"#, r#""Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": "a"}}"#),
];

#[test]
fn every_finding_has_its_severity_and_stays_away_from_what_is_right() {
    for (code, severity, with, without) in IDENTITY_ROWS {
        let report = |statement: &str| {
            let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{{{statement}}}]}}"#);
            let report = check(document.as_bytes(), ParseOptions::identity());
            assert!(report.valid, "{report:?}\n{document}");
            report
        };
        let found: Vec<_> = report(with).findings.into_iter().filter(|finding| finding.code == code).collect();
        assert!(!found.is_empty(), "{code} is missing\n{with}");
        for finding in &found {
            assert_eq!(finding.severity, severity, "{code}\n{with}");
            assert!(finding.pointer.starts_with("/Statement/0") && finding.column > 1, "{finding:?}");
            assert!(!finding.resolution.is_empty() && finding.message.ends_with('.'), "{finding:?}");
        }
        let report = report(without);
        assert!(report.findings.iter().all(|finding| finding.code != code), "{code} is false\n{without}\n{report:?}");
    }
}

#[test]
#[rustfmt::skip]
fn findings_of_a_whole_document() {
    let get = r#"{"Sid": "Get", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/a/*"}"#;
    let on_condition = |statement: &str| statement.replace(r#""}"#, r#"", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}"#);
    let findings = |statements: &[&str]| {
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(","));
        let report = check(document.as_bytes(), ParseOptions::identity());
        assert!(report.valid, "{report:?}");
        report.findings.into_iter().map(|finding| (finding.code, finding.pointer)).collect::<Vec<_>>()
    };
    let wide = r#"{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}"#;
    let redundant = |at: usize| vec![("Redundant statement", format!("/Statement/{at}"))];
    assert_eq!(findings(&[get, wide]), redundant(0));
    assert_eq!(findings(&[wide, get]), redundant(1));
    assert_eq!(findings(&[wide, &on_condition(get)]), redundant(1));
    assert_eq!(findings(&[&on_condition(wide), &on_condition(get)]), redundant(1));
    assert_eq!(findings(&[&on_condition(wide), get]), []);
    assert_eq!(findings(&[wide, &get.replace("b/a", "c/a")]), []);
    assert_eq!(findings(&[wide, &get.replace("GetObject", "PutObject")]), []);
    assert_eq!(findings(&[&wide.replace("b/*", "b/a/?"), get]), []);
    assert_eq!(findings(&[&wide.replace("b/*", "b/${aws:username}/*"), get]), []);
    // Of two equal ones the second is needless.
    assert_eq!(findings(&[get, &get.replace("\"Get\"", "\"Again\"")]), redundant(1));

    let deny = r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b*"}"#;
    let unreachable = |at: usize| vec![("Unreachable statement", format!("/Statement/{at}"))];
    assert_eq!(findings(&[get, deny]), unreachable(0));
    assert_eq!(findings(&[deny, get]), unreachable(1));
    assert_eq!(findings(&[&on_condition(deny), get]), []);
    assert_eq!(findings(&[&deny.replace("b*", "b/a/b/*"), get]), []);
    assert_eq!(findings(&[&deny.replace("\"Action\"", "\"NotAction\"").replace("s3:*", "s3:PutObject"), get]), []);
    assert_eq!(findings(&[&on_condition(deny), &on_condition(get)]), []);
    assert_eq!(findings(&[&on_condition(wide), &on_condition(get).replace("\"true\"", "\"false\"")]), []);
    assert_eq!(findings(&[&on_condition(wide), &on_condition(get).replace("\"Bool\"", "\"BoolIfExists\"")]), []);
    // A Deny inside an Allow is neither.
    assert_eq!(findings(&[wide, &get.replace("Allow", "Deny")]), []);
}

#[test]
#[rustfmt::skip]
fn findings_of_bucket_policies() {
    let statement = |principal: &str, condition: &str| {
        format!(r#"{{"Effect": "Deny", {principal}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {condition}}}"#)
    };
    let bucket = |statements: &str| {
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
        let report = check(document.as_bytes(), ParseOptions::bucket("b"));
        assert!(report.valid, "{report:?}");
        report.findings.into_iter().map(|finding| (finding.code, finding.severity, finding.pointer)).collect::<Vec<_>>()
    };
    let tls = r#"{"Bool": {"aws:SecureTransport": "false"}}"#;
    assert_eq!(bucket(&statement(r#""Principal": "*""#, tls)), []);
    assert_eq!(
        bucket(&statement(r#""Principal": {"Service": ["logging.s3.amazonaws.com", "Logging"]}"#, tls)),
        [
            ("Invalid service principal format", W, "/Statement/0/Principal/Service".to_owned()),
            ("Unsupported principal", W, "/Statement/0/Principal/Service".to_owned()),
        ]
    );
    assert_eq!(
        bucket(&statement(r#""Principal": {"Federated": "cognito-identity.amazonaws.com"}"#, tls)),
        [("Unsupported principal", W, "/Statement/0/Principal/Federated".to_owned())]
    );
    assert_eq!(bucket(&statement(r#""Principal": {"AWS": []}"#, tls)), [("Empty array principal", S, "/Statement/0/Principal/AWS".to_owned())]);
    assert_eq!(bucket(&statement(r#""Principal": {}"#, tls)), [("Empty object principal", S, "/Statement/0/Principal".to_owned())]);
    for (key, value) in [("s3:ResourceAccount", "123456789012"), ("aws:ResourceAccount", "123456789012")] {
        let condition = format!(r#"{{"StringEquals": {{"{key}": "{value}"}}}}"#);
        let place = format!("/Statement/0/Condition/StringEquals/{key}");
        assert_eq!(bucket(&statement(r#""Principal": "*""#, &condition)), [("Irrelevant condition key in policy", S, place)]);
        let own = format!(r#""Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {condition}"#);
        assert!(!identity(&own).contains(&"Irrelevant condition key in policy"));
    }
    // A Deny of one principal makes only that one's Allows useless.
    let allow = |principal: &str| statement(principal, "{}").replace("Deny", "Allow").replace(r#", "Condition": {}"#, "");
    let deny = |principal: &str| statement(principal, "{}").replace(r#", "Condition": {}"#, "");
    let (a, b) = (r#""Principal": {"AWS": "111111111111"}"#, r#""Principal": {"AWS": "222222222222"}"#);
    let codes = |statements: String| bucket(&statements).into_iter().map(|(code, ..)| code).collect::<Vec<_>>();
    assert_eq!(codes([allow(a), deny(a)].join(",")), ["Unreachable statement"]);
    assert_eq!(codes([allow(a), deny(r#""Principal": "*""#)].join(",")), ["Unreachable statement"]);
    assert_eq!(codes([allow(a), deny(b)].join(",")), [] as [&str; 0]);
    assert_eq!(codes([deny(a), deny(r#""Principal": {"AWS": ["111111111111", "222222222222"]}"#)].join(",")), ["Redundant statement"]);
    let not = |ids: &str| deny(&format!(r#""NotPrincipal": {{"AWS": [{ids}]}}"#));
    assert_eq!(codes([not("\"111111111111\""), not("\"111111111111\", \"222222222222\"")].join(",")), [] as [&str; 0]);

    let long = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}{}"#, statement(r#""Principal": "*""#, tls), " ".repeat(18_500));
    let report = check(long.as_bytes(), ParseOptions::bucket("b"));
    assert_eq!(report.findings.iter().map(|finding| (finding.code, finding.severity)).collect::<Vec<_>>(), [("Policy size near quota", S)]);
    // White space counts in bucket policies only.
    let identity = long.replace(r#""Principal": "*","#, "");
    assert_eq!(check(identity.as_bytes(), ParseOptions::identity()).findings, []);
}

#[test]
fn errors_have_access_analyzers_names() {
    for (statement, code) in [
        (r#""Condition": {"StringEquals": {"aws:RequestTag/": "a"}}"#, "Missing tag key in condition"),
        (r#""Condition": {"StringEquals": {"aws:nothing": "a"}}"#, "Invalid global condition key"),
        (r#""Condition": {"StringEquals": {"s3:nothing": "a"}}"#, "Invalid service condition key"),
        (r#""Condition": {"StringEquals": {"nothing": "a"}}"#, "Invalid condition key format"),
        (
            r#""Condition": {"StringEquals": {"s3:prefix": "a", "S3:prefix": "b"}}"#,
            "Duplicate keys with different case",
        ),
        (r#""Condition": {"Strings": {"s3:prefix": "a"}}"#, "Invalid condition operator"),
        (r#""Condition": {"NumericEquals": {"s3:max-keys": "a"}}"#, "Invalid condition data type"),
        (r#""Principal": "*""#, "Invalid policy element"),
    ] {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:*", "Resource": "*", {statement}}}}}"#
        );
        let report = check(document.as_bytes(), ParseOptions::identity());
        assert_eq!(report.errors.iter().map(|error| error.code).collect::<Vec<_>>(), [code], "{statement}");
    }
    let large = |options| check(format!("{{\"Statement\": [{}]}}", "1,".repeat(11_000)).as_bytes(), options).errors;
    assert_eq!(large(ParseOptions::identity()).len(), 1, "it is not JSON");
    let large =
        |options| check(format!("{{\"Statement\": [{}1]}}", "1,".repeat(11_000)).as_bytes(), options).errors[0].code;
    assert_eq!(large(ParseOptions::identity()), "Policy size exceeds identity policy quota");
    assert_eq!(large(ParseOptions::bucket("b")), "Policy size exceeds resource policy quota");
}
