//! A decision allocates nothing: on policies as they are stored, on a thousand statements, hit, missed or denied.
//!
//! A target of its own, because it counts through the global allocator.

use std::borrow::Cow;

use policy::{
    Action, AttachedPolicy, ConditionKey, Context, KnownKey, Lookup, Outcome, ParseOptions, Policy, PolicyKind,
    Principal, Request, Resource, Value, parse,
};

/// Facts as a server has them: borrowed or typed, never made for the question.
struct Facts {
    tags: Vec<Value<'static>>,
}

impl Context for Facts {
    fn lookup(&self, key: &ConditionKey) -> Lookup<'_> {
        match key.known() {
            Some(KnownKey::SourceIp) => Lookup::One(Value::Address([21, 21, 21, 7].into())),
            Some(KnownKey::Username) => Lookup::One(Value::text("alice")),
            Some(KnownKey::PrincipalArn) => Lookup::One(Value::text("arn:aws:iam::123456789012:user/alice")),
            Some(KnownKey::Prefix) => Lookup::One(Value::text("home/alice/")),
            Some(KnownKey::MaxKeys) => Lookup::One(Value::Number(100)),
            Some(KnownKey::CurrentTime) => Lookup::One(Value::Seconds(1_795_295_820)),
            Some(KnownKey::SecureTransport) => Lookup::One(Value::Boolean(true)),
            Some(KnownKey::ExistingObjectTag) => Lookup::One(Value::text("red")),
            Some(KnownKey::RequestObjectTagKeys) => Lookup::Many(Cow::Borrowed(&self.tags)),
            _ => Lookup::Absent,
        }
    }
}

fn compile(statements: &[String]) -> Policy {
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(","));
    parse(document.as_bytes(), ParseOptions::grammar(PolicyKind::Identity))
        .expect("the tests' policies are grammatical")
}

fn statement(effect: &str, action: &str, resource: &str, condition: &str) -> String {
    format!(r#"{{"Effect": "{effect}", "Action": "{action}", "Resource": "{resource}", "Condition": {condition}}}"#)
}

fn assert_allocates_nothing(policies: &[Policy], key: &str, expected: Outcome) {
    let facts = Facts { tags: vec![Value::text("team"), Value::text("project")] };
    let request = Request {
        principal: Principal::User {
            account: "123456789012",
            name: "alice",
            arn: "arn:aws:iam::123456789012:user/alice",
        },
        action: Action::GetObject,
        resource: Resource::Object { account: "123456789012", bucket: "datalake", key },
        context: &facts,
        canonical_user: None,
    };
    let mut outcome = None;
    let counted = allocation_counter::measure(|| {
        let attached = || policies.iter().map(|policy| AttachedPolicy::new(policy, "policy"));
        std::hint::black_box(policy::asks_for_object_tags(attached(), &request));
        outcome = Some(policy::decide(attached(), &request).outcome);
    });
    assert_eq!(outcome, Some(expected), "{}", policies[0].source());
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{}", policies[0].source());
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 64]))).count_total, 1);
}

#[test]
fn every_kind_of_condition_is_judged_without_allocating() {
    for (condition, holds) in [
        ("{}", true),
        (r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "21.21.21.0/24"]}}"#, true),
        (r#"{"NotIpAddress": {"aws:SourceIp": "21.21.21.0/24"}}"#, false),
        (r#"{"StringEquals": {"s3:ExistingObjectTag/color": ["blue", "red"]}}"#, true),
        (r#"{"StringNotEquals": {"s3:ExistingObjectTag/color": "red"}}"#, false),
        (r#"{"StringEqualsIgnoreCase": {"s3:ExistingObjectTag/color": "RED"}}"#, true),
        (r#"{"StringLike": {"s3:prefix": "home/${aws:username}/*"}}"#, true),
        (r#"{"StringLike": {"s3:prefix": "*a?i*e/"}}"#, true),
        (r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/a*"}}"#, true),
        (r#"{"NumericLessThanEquals": {"s3:max-keys": "100"}}"#, true),
        (r#"{"DateGreaterThan": {"aws:CurrentTime": "2026-11-21T21:17:00Z"}}"#, false),
        (r#"{"Bool": {"aws:SecureTransport": "true"}, "Null": {"aws:SourceVpc": "true"}}"#, true),
        (r#"{"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["team", "project"]}}"#, true),
        (r#"{"ForAnyValue:StringNotLike": {"s3:RequestObjectTagKeys": ["t*", "p*"]}}"#, false),
        (r#"{"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}"#, true),
    ] {
        for (effect, applied) in [("Allow", Outcome::Allow), ("Deny", Outcome::ExplicitDeny)] {
            let policy = compile(&[statement(effect, "s3:Get*", "arn:aws:s3:::datalake/home/*", condition)]);
            let expected = if holds { applied } else { Outcome::ImplicitDeny };
            assert_allocates_nothing(std::slice::from_ref(&policy), "home/cow.jpg", expected);
            assert_allocates_nothing(&[policy], "work/cow.jpg", Outcome::ImplicitDeny);
        }
    }
    let home = compile(&[statement("Allow", "s3:*", "arn:aws:s3:::datalake/${aws:username}/?*.jpg", "{}")]);
    assert_allocates_nothing(std::slice::from_ref(&home), "alice/cow.jpg", Outcome::Allow);
    assert_allocates_nothing(&[home], &format!("alice/{}.jpg", "k".repeat(1_014)), Outcome::Allow);
}

#[test]
fn a_thousand_statements_of_any_shape_are_judged_without_allocating() {
    let address = r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#;
    let shapes: [(&str, &dyn Fn(usize) -> String); 5] = [
        ("prefixes", &|index| statement("Allow", "s3:GetObject", &format!("arn:aws:s3:::datalake/p{index}/*"), "{}")),
        ("suffixes", &|index| statement("Allow", "s3:GetObject", &format!("arn:aws:s3:::*/p{index}"), "{}")),
        ("between", &|index| statement("Allow", "s3:GetObject", &format!("arn:aws:s3:::*/p{index}/*"), "{}")),
        ("conditions", &|_| statement("Allow", "s3:GetObject", "*", address)),
        ("buckets", &|index| statement("Allow", "s3:GetObject", &format!("arn:aws:s3:::bucket-{index}/*"), "{}")),
    ];
    for (_, shape) in shapes {
        let others: Vec<String> = (0..999).map(shape).collect();
        let with = |at: usize, effect: &str| {
            let mut statements = others.clone();
            statements.insert(at, statement(effect, "s3:GetObject", "arn:aws:s3:::datalake/zoo/*", "{}"));
            [compile(&statements)]
        };
        for at in [0, 999] {
            assert_allocates_nothing(&with(at, "Allow"), "zoo/cow.jpg", Outcome::Allow);
            assert_allocates_nothing(&with(at, "Deny"), "zoo/cow.jpg", Outcome::ExplicitDeny);
            assert_allocates_nothing(&with(at, "Allow"), "elsewhere", Outcome::ImplicitDeny);
        }
        let policies: Vec<Policy> = others.chunks(10).map(compile).collect();
        assert_allocates_nothing(&policies, "elsewhere", Outcome::ImplicitDeny);
    }
}
