//! Why a request was denied: the statement, or what the nearest ones lacked, in bounded and harmless text.

use policy::{
    Action, AttachedPolicy, Explanation, Found, HEADER_BYTES_MAX, MapContext, Outcome, Policy, PolicyKind, Principal,
    Reason, Value,
};

use crate::support::{ALICE, OTHER, context, identity, of_kind, request};

const OBJECT: &str = "arn:aws:s3:::b/k";

fn explain(policies: &[Policy], principal: Principal<'_>, action: Action, context: &MapContext) -> Explanation {
    let attached = policies.iter().map(|policy| AttachedPolicy::new(policy, "reader"));
    policy::explain(attached, &request(principal, action, OBJECT, context))
}

fn get(document: &str, context: &MapContext) -> Explanation {
    explain(&[of_kind(PolicyKind::Identity, document)], ALICE, Action::GetObject, context)
}

fn statement(rest: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "S", "Effect": "Allow", {rest}}}]}}"#)
}

const GRANT: &str = r#""Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*""#;

#[test]
fn an_explicit_deny_names_its_statement_and_the_values_that_met() {
    let document = "{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"},\n{\"Sid\": \"Outside\", \"Effect\": \"Deny\", \"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"NotIpAddress\": {\"aws:SourceIp\": \"21.21.21.0/24\"}}}]}";
    let explanation = get(document, &context(&[("aws:SourceIp", "127.0.0.1")]));
    assert_eq!(explanation.decision, Outcome::ExplicitDeny);
    assert_eq!(
        explanation.one_line(),
        "denied by a statement: statement Outside of reader (line 2) denies it, and a Deny always wins: \
         NotIpAddress aws:SourceIp 21.21.21.0/24: the request has 127.0.0.1"
    );
    assert_eq!(explanation.header_value(), explanation.one_line());
    assert!(explanation.nearly.is_empty() && explanation.insufficient.is_empty());
}

#[test]
fn a_failed_condition_is_told_with_operator_key_and_both_values() {
    let mut tags = MapContext::new();
    tags.insert_many("aws:TagKeys", vec![Value::text("a"), Value::text("b")]);
    let mut none = MapContext::new();
    none.insert_many("aws:TagKeys", Vec::new());
    let mut unreadable = MapContext::new();
    unreadable.insert_unreadable("s3:ExistingObjectTag/team");
    for (condition, context, told) in [
        (
            r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "21.21.21.0/24"]}}"#,
            context(&[("aws:SourceIp", "127.0.0.1")]),
            "IpAddress aws:SourceIp 10.0.0.0/8, 21.21.21.0/24: the request has 127.0.0.1",
        ),
        (
            r#"{"StringEquals": {"aws:SourceVpc": "vpc-1"}}"#,
            MapContext::new(),
            "StringEquals aws:SourceVpc vpc-1: the request has no such key",
        ),
        (
            r#"{"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}"#,
            tags,
            "ForAllValues:StringEquals aws:TagKeys a: the request has the list a, b",
        ),
        (
            r#"{"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}"#,
            none,
            "ForAnyValue:StringEquals aws:TagKeys a: the request has an empty list",
        ),
        (
            r#"{"StringEquals": {"s3:ExistingObjectTag/team": "a"}}"#,
            unreadable,
            "StringEquals s3:ExistingObjectTag/team a: it could not be read",
        ),
        (
            r#"{"NumericLessThan": {"s3:max-keys": 10}}"#,
            context(&[("s3:max-keys", "ten")]),
            "NumericLessThan s3:max-keys 10: the request has ten, which is not of the operator's type",
        ),
        (
            r#"{"StringLike": {"s3:prefix": "home/${aws:username}/*"}}"#,
            context(&[("s3:prefix", ""), ("aws:username", "alice")]),
            "StringLike s3:prefix home/${aws:username}/* (here home/alice/*): the request has an empty text",
        ),
        (
            r#"{"StringLike": {"s3:prefix": "home/${aws:username}/*"}}"#,
            context(&[("s3:prefix", "x")]),
            "StringLike s3:prefix home/${aws:username}/* (here without a value): the request has x",
        ),
        (r#"{"Null": {"s3:prefix": "false"}}"#, MapContext::new(), "Null s3:prefix false: the request has no such key"),
    ] {
        let explanation = get(&statement(&format!("{GRANT}, \"Condition\": {condition}")), &context);
        assert_eq!(
            explanation.one_line(),
            format!("denied: no policy of the caller allows s3:GetObject; nearest: S of reader (line 1): {told}")
        );
        assert!(explanation.to_string().contains("nearly allowed by S of reader (line 1):\n  "), "{explanation}");
    }
}

#[test]
fn the_nearest_is_the_one_with_the_fewest_failing_parts() {
    let two_conditions = format!(
        r#"{{"Sid": "Two", "Effect": "Allow", {GRANT}, "Condition": {{"StringEquals": {{"s3:prefix": "a", "s3:delimiter": "/"}}}}}}"#
    );
    let other_resource =
        r#"{"Sid": "Resource", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::c/*"}"#;
    let other_action = r#"{"Sid": "Action", "Effect": "Allow", "Action": ["s3:PutObject", "s3:List*"], "Resource": "arn:aws:s3:::b/*"}"#;
    let far = r#"{"Sid": "Far", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::c/*"}"#;
    let deny = r#"{"Sid": "Deny", "Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}"#;
    let statements = [far, &two_conditions, other_action, deny, other_resource].join(",");
    let explanation = get(&format!(r#"{{"Statement": [{statements}]}}"#), &MapContext::new());
    let order: Vec<&str> = explanation.nearly.iter().map(|trace| trace.sid.as_str()).collect();
    assert_eq!(order, ["Resource", "Action", "Two"]);
    let text = explanation.to_string();
    assert!(text.contains("it doesn't name this resource (arn:aws:s3:::c/*)"), "{text}");
    assert!(text.contains("it doesn't name this action (s3:PutObject, s3:List*)"), "{text}");
    let others = get(&format!(r#"{{"Statement": [{other_action}, {other_resource}]}}"#), &MapContext::new());
    assert_eq!(others.nearly.len(), 2);
    // Where nothing is near, the nearest is still told.
    let lonely = get(&format!(r#"{{"Statement": [{far}, {far}]}}"#), &MapContext::new());
    assert_eq!(lonely.nearly.len(), 1);
    assert!(!lonely.nearly[0].action_matches && !lonely.nearly[0].resource_matches);
    assert_eq!(get(r#"{"Statement": []}"#.replace("[]", deny).as_str(), &MapContext::new()).nearly, []);
}

#[test]
fn only_policies_whose_allow_is_missing_are_searched() {
    let own = || of_kind(PolicyKind::Identity, &statement(GRANT));
    let narrow = || {
        let document = statement(&format!(r#"{GRANT}, "Condition": {{"Bool": {{"aws:SecureTransport": "true"}}}}"#));
        of_kind(PolicyKind::Session, &document.replace("\"S\"", "\"Session\""))
    };
    let explanation = explain(&[own(), narrow()], ALICE, Action::GetObject, &MapContext::new());
    assert_eq!(explanation.reason, Reason::NoSessionPolicy);
    assert_eq!((explanation.nearly.len(), explanation.insufficient.len()), (1, 1));
    assert_eq!((explanation.nearly[0].sid.as_str(), explanation.insufficient[0].sid.as_str()), ("Session", "S"));
    assert!(explanation.one_line().contains("; S of reader allows it but is not enough; nearest: Session of reader"));

    let carol = Principal::User { account: OTHER, name: "carol", arn: "arn:aws:iam::999999999999:user/carol" };
    let bucket =
        of_kind(PolicyKind::Bucket, &statement(&format!(r#"{GRANT}, "Principal": {{"AWS": "123456789012"}}"#)));
    let explanation = explain(&[own(), bucket], carol, Action::GetObject, &MapContext::new());
    assert_eq!(explanation.reason, Reason::NoBucketPolicy);
    assert_eq!((explanation.nearly.len(), explanation.insufficient.len()), (1, 1));
    assert!(!explanation.nearly[0].principal_matches);
    assert!(explanation.to_string().contains("it doesn't name this caller"));

    let disabled = own();
    let attached = AttachedPolicy { enabled: false, ..AttachedPolicy::new(&disabled, "off") };
    let nothing = MapContext::new();
    let explanation = policy::explain([attached], &request(ALICE, Action::GetObject, OBJECT, &nothing));
    assert!(explanation.one_line().ends_with("nearest: S of off (line 1): the permission is disabled"));
    // An identity policy in a bucket's place names nobody.
    let attached = AttachedPolicy { role: PolicyKind::Bucket, ..AttachedPolicy::new(&disabled, "bucket policy") };
    let explanation = policy::explain([attached], &request(ALICE, Action::GetObject, OBJECT, &nothing));
    assert!(explanation.insufficient.is_empty() && !explanation.nearly[0].principal_matches);
}

#[test]
fn an_explanation_is_bounded_whatever_the_policies_hold() {
    let value = |index: usize| format!("\"{index}{}\"", "é".repeat(400));
    let values: Vec<String> = (0..20).map(value).collect();
    let keys: Vec<String> = (0..40).map(|index| format!("\"x:k{index}\": [{}]", values.join(","))).collect();
    let one = format!(
        r#"{{"Sid": "{}", "Effect": "Allow", {GRANT}, "Condition": {{"StringEquals": {{{}}}}}}}"#,
        "s".repeat(5_000),
        keys.join(",")
    );
    let document = format!(r#"{{"Statement": [{one}]}}"#);
    let policies: Vec<Policy> = (0..30).map(|_| of_kind(PolicyKind::Identity, &document)).collect();
    let mut context = MapContext::new();
    context.insert_many("x:k3", vec![Value::String("v".repeat(100_000).into()); 1_000]);
    context.insert("x:k4", Value::String("\u{1b}[31m\r\nforged: line\u{202e}".into()));
    let long_key = format!("arn:aws:s3:::b/{}", "k".repeat(100_000));
    let attached = policies.iter().map(|policy| AttachedPolicy::new(policy, "reader"));
    let explanation = policy::explain(attached, &request(ALICE, Action::GetObject, &long_key, &context));
    assert_eq!((explanation.nearly.len(), explanation.nearly_omitted), (8, 22));
    let trace = &explanation.nearly[0];
    assert_eq!((trace.conditions.len(), trace.conditions_omitted), (16, 24));
    assert_eq!((trace.conditions[0].wanted.shown.len(), trace.conditions[0].wanted.omitted), (8, 12));
    assert!(matches!(&trace.conditions[3].found, Found::Many(texts) if texts.omitted == 992));
    assert!(serde_json::to_string(&explanation).unwrap().len() < 2_000_000);
    let line = explanation.one_line();
    assert!(line.chars().count() <= 2_048 && !line.chars().any(char::is_control), "{line}");
    let header = explanation.header_value();
    assert!(header.len() <= HEADER_BYTES_MAX && header.ends_with("..."), "{header}");
    assert!(header.len() > HEADER_BYTES_MAX - 16, "{}", header.len());
}

#[test]
fn nothing_in_a_request_can_forge_a_line_or_a_header() {
    let hostile = "\u{1b}[31m\r\nx-evil: 1\u{202e}é…";
    let document = statement(&format!(r#"{GRANT}, "Condition": {{"StringEquals": {{"s3:prefix": "a"}}}}"#));
    let explanation = get(&document, &context(&[("s3:prefix", hostile)]));
    let lines = explanation.to_string().lines().count();
    assert_eq!(lines, get(&document, &context(&[("s3:prefix", "plain")])).to_string().lines().count());
    for text in [explanation.to_string(), explanation.one_line(), explanation.header_value()] {
        assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text}");
    }
    assert!(!explanation.one_line().contains('\n'));
    assert!(explanation.header_value().bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    assert!(explanation.header_value().ends_with(r"\u{1b}[31m\r\nx-evil: 1\u{202e}\u{e9}..."), "{explanation:?}");
}

#[test]
fn an_allowed_request_is_explained_too() {
    let explanation = get(&statement(GRANT), &MapContext::new());
    assert_eq!(explanation.one_line(), "allowed: statement S of reader (line 1) allows it");
    let root = Principal::Root { account: "123456789012" };
    let explanation = explain(&[], root, Action::GetObject, &MapContext::new());
    assert_eq!(explanation.one_line(), "allowed: the caller is the root of the account that owns the resource");
    let storable = identity(&statement(GRANT));
    let explanation = explain(&[storable], Principal::Anonymous, Action::GetObject, &MapContext::new());
    assert!(explanation.one_line().starts_with("denied: no bucket policy allows s3:GetObject to this caller"));
}
