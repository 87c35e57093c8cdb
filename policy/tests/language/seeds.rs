//! The documents that Lightly and Lyve Cloud publish, with several addresses, networks and prefixes.

use policy::{Action, MapContext, Outcome, ParseOptions, Policy, check, parse};

use crate::support::{context, identity, outcome};

const LIGHTLY_ADDRESS: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "RestrictIP", "Action": "s3:*", "Effect": "Allow",
         "Resource": ["arn:aws:s3:::datalake", "arn:aws:s3:::datalake/projects/farm-animals/*"],
         "Condition": {"IpAddress": {"aws:SourceIp": ["21.21.21.0/24"]}}},
        {"Sid": "AllowLightly", "Effect": "Allow", "Action": "s3:ListBucket",
         "Resource": ["arn:aws:s3:::datalake", "arn:aws:s3:::datalake/projects/farm-animals/*"]}
    ]
}"#;

const LIGHTLY_VPC: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "RestrictVPC", "Action": "s3:*", "Effect": "Allow",
         "Resource": ["arn:aws:s3:::datalake", "arn:aws:s3:::datalake/projects/farm-animals/*"],
         "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-111bbb22"}}},
        {"Sid": "AllowLightly", "Effect": "Allow", "Action": "s3:ListBucket",
         "Resource": ["arn:aws:s3:::datalake", "arn:aws:s3:::datalake/projects/farm-animals/*"]}
    ]
}"#;

const LYVE_THREE: &str = r#"{ "Version": "2012-10-17", "Statement": [ { "Sid": "statement1", "Action": ["s3:ListBucket"],
"Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket"], "Condition": {"StringLike": {"s3:prefix": ["David/*"]}} }, { "Sid": "statement2",
"Action": [ "s3:GetObject", "s3:PutObject" ], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket/David/*"] }, { "Sid": "statement3",
"Action": ["s3:DeleteObject"], "Effect": "Deny", "Resource": ["arn:aws:s3:::mybucket/David/*", "arn:aws:s3:::mycorporatebucket/share/marketing/*"] } ] }"#;

const LYVE_DENY: &str = r#"{ "Version": "2012-10-17", "Statement": [ { "Sid": "Sid-1", "Action": ["s3:*"], "Effect": "Deny",
"Resource": ["arn:aws:s3:::mybucket"], "Condition": {"NotIpAddress": {"aws:SourceIp": ["134.204.220.36/32"]}} }, { "Sid": "Sid-2",
"Action": [ "s3:*" ], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket", "arn:aws:s3:::mybucket/*"] } ] }"#;

fn lyve(document: &str) -> Policy {
    parse(document.as_bytes(), ParseOptions::lyve()).expect("the seeds' documents are valid")
}

fn allowed(policy: &Policy, action: Action, arn: &str, context: &MapContext) -> bool {
    outcome(policy, action, arn, context) == Outcome::Allow
}

const OBJECT_ACTIONS: [Action; 5] =
    [Action::GetObject, Action::PutObject, Action::DeleteObject, Action::GetObjectAttributes, Action::GetObjectTagging];
const COW: &str = "arn:aws:s3:::datalake/projects/farm-animals/cow.jpg";

#[test]
fn lightly_inside_its_range_does_everything_in_its_project_and_outside_only_lists() {
    let policy = identity(LIGHTLY_ADDRESS);
    for inside in ["21.21.21.0", "21.21.21.77", "21.21.21.255", "::ffff:21.21.21.9"] {
        let context = context(&[("aws:SourceIp", inside)]);
        for action in OBJECT_ACTIONS {
            assert!(allowed(&policy, action, COW, &context), "{action} {inside}");
            assert!(!allowed(&policy, action, "arn:aws:s3:::datalake/projects/cars/x", &context));
            assert!(!allowed(&policy, action, "arn:aws:s3:::datalake/projects/farm-animals", &context));
            assert!(!allowed(&policy, action, "arn:aws:s3:::datalake2/projects/farm-animals/x", &context));
        }
        assert!(allowed(&policy, Action::GetBucketLocation, "arn:aws:s3:::datalake", &context));
    }
    let mut outside = [
        ("21.21.20.255", true),
        ("21.21.22.0", true),
        ("127.0.0.1", true),
        ("2001:db8::1", true),
        ("not an address", true),
    ]
    .map(|(address, _)| context(&[("aws:SourceIp", address)]))
    .to_vec();
    outside.push(MapContext::new());
    for context in &outside {
        assert!(allowed(&policy, Action::ListBucket, "arn:aws:s3:::datalake", context), "{context:?}");
        assert!(!allowed(&policy, Action::ListBucket, "arn:aws:s3:::other", context));
        assert!(!allowed(&policy, Action::GetBucketLocation, "arn:aws:s3:::datalake", context));
        for action in OBJECT_ACTIONS {
            assert!(!allowed(&policy, action, COW, context), "{action} {context:?}");
        }
    }
}

#[test]
fn lightly_inside_its_vpc_does_everything_and_outside_only_lists() {
    let policy = identity(LIGHTLY_VPC);
    let inside = context(&[("aws:SourceVpc", "vpc-111bbb22"), ("aws:SourceIp", "10.1.2.3")]);
    for action in OBJECT_ACTIONS {
        assert!(allowed(&policy, action, COW, &inside));
        for outside in ["vpc-111bbb23", "vpc-111bbb2", "VPC-111BBB22", "vpc-*", ""] {
            assert!(!allowed(&policy, action, COW, &context(&[("aws:SourceVpc", outside)])), "{outside}");
        }
        assert!(!allowed(&policy, action, COW, &MapContext::new()));
    }
    assert!(allowed(&policy, Action::ListBucket, "arn:aws:s3:::datalake", &MapContext::new()));
}

#[test]
fn lightlys_documents_are_identity_policies_and_not_bucket_policies() {
    for document in [LIGHTLY_ADDRESS, LIGHTLY_VPC] {
        assert!(parse(document.as_bytes(), ParseOptions::lyve()).is_ok());
        let errors = parse(document.as_bytes(), ParseOptions::bucket("datalake")).unwrap_err();
        assert_eq!((errors.code, errors.message.as_str()), ("MalformedPolicy", "Missing required field Principal"));
        assert!(errors.errors[0].message.contains("This is an identity policy: create it as a permission"));
        // ListBucket is never asked on objects.
        let report = check(document.as_bytes(), ParseOptions::identity());
        let finding = report.findings.iter().find(|finding| finding.code == "Unsupported resource for action").unwrap();
        assert_eq!(finding.pointer, "/Statement/1/Resource/1");
    }
}

#[test]
fn lyves_three_statements_list_by_prefix_and_keep_david_from_deleting() {
    let policy = lyve(LYVE_THREE);
    let none = MapContext::new();
    for (prefix, expected) in
        [("David/", true), ("David/x/y", true), ("David", false), ("david/", false), ("", false), ("Other/", false)]
    {
        let context = context(&[("s3:prefix", prefix)]);
        assert_eq!(allowed(&policy, Action::ListBucket, "arn:aws:s3:::mybucket", &context), expected, "{prefix}");
    }
    assert!(!allowed(&policy, Action::ListBucket, "arn:aws:s3:::mybucket", &none));
    for action in [Action::GetObject, Action::PutObject] {
        assert!(allowed(&policy, action, "arn:aws:s3:::mybucket/David/a", &none));
        assert!(!allowed(&policy, action, "arn:aws:s3:::mybucket/Other/a", &none));
        assert!(!allowed(&policy, action, "arn:aws:s3:::mycorporatebucket/share/marketing/a", &none));
    }
    for arn in ["arn:aws:s3:::mybucket/David/a", "arn:aws:s3:::mycorporatebucket/share/marketing/a"] {
        assert_eq!(outcome(&policy, Action::DeleteObject, arn, &none), Outcome::ExplicitDeny);
    }
    assert_eq!(outcome(&policy, Action::DeleteObject, "arn:aws:s3:::mybucket/Other/a", &none), Outcome::ImplicitDeny);
}

#[test]
fn lyves_deny_by_address_covers_the_bucket_only_and_check_says_so() {
    let policy = lyve(LYVE_DENY);
    let inside = context(&[("aws:SourceIp", "134.204.220.36")]);
    let outside = context(&[("aws:SourceIp", "134.204.220.37")]);
    assert!(allowed(&policy, Action::ListBucket, "arn:aws:s3:::mybucket", &inside));
    assert_eq!(outcome(&policy, Action::ListBucket, "arn:aws:s3:::mybucket", &outside), Outcome::ExplicitDeny);
    // A missing address satisfies the negated operator.
    assert_eq!(
        outcome(&policy, Action::ListBucket, "arn:aws:s3:::mybucket", &MapContext::new()),
        Outcome::ExplicitDeny
    );
    for context in [&inside, &outside] {
        assert!(allowed(&policy, Action::GetObject, "arn:aws:s3:::mybucket/a", context));
    }
    let report = check(LYVE_DENY.as_bytes(), ParseOptions::lyve());
    assert!(report.valid);
    assert!(report.findings.iter().any(|finding| finding.code == "Deny leaves objects reachable"), "{report:?}");
}

#[test]
fn stored_documents_keep_their_bytes() {
    let with_mark = format!("\u{feff}{LYVE_DENY}\r\n");
    assert_eq!(lyve(&with_mark).source(), with_mark);
}
