//! Operators, missing keys, several values, garbage: every cell of the tables.

use policy::{Action, MapContext, Outcome, Value};

use crate::support::{conditional, context, outcome};

/// Whether a statement of this effect applies.
fn applies(effect: &str, condition: &str, context: &MapContext) -> bool {
    let outcome = outcome(&conditional(effect, condition), Action::GetObject, "arn:aws:s3:::b/k", context);
    match effect {
        "Allow" => outcome == Outcome::Allow,
        _ => outcome == Outcome::ExplicitDeny,
    }
}

fn both(condition: &str, context: &MapContext) -> bool {
    let allow = applies("Allow", condition, context);
    assert_eq!(allow, applies("Deny", condition, context), "{condition} differs by effect");
    allow
}

/// Operator, key, value of the policy, value of the request that satisfies it, one that doesn't.
#[rustfmt::skip]
const OPERATORS: [(&str, &str, &str, &str, &str); 27] = [
    ("StringEquals", "s3:prefix", "home/", "home/", "Home/"),
    ("StringNotEquals", "s3:prefix", "home/", "Home/", "home/"),
    ("StringEqualsIgnoreCase", "s3:prefix", "hOme/É", "HOME/é", "home"),
    ("StringNotEqualsIgnoreCase", "s3:prefix", "home/", "home", "HOME/"),
    ("StringLike", "s3:prefix", "home/*/?", "home/a/b/c", "home/a/"),
    ("StringNotLike", "s3:prefix", "home/*", "work/", "home/"),
    ("NumericEquals", "s3:max-keys", "10", "10.0", "11"),
    ("NumericNotEquals", "s3:max-keys", "10", "10.5", "1e1"),
    ("NumericLessThan", "s3:max-keys", "10", "9.99", "10"),
    ("NumericLessThanEquals", "s3:max-keys", "10", "10", "10.01"),
    ("NumericGreaterThan", "s3:max-keys", "10", "10.01", "10"),
    ("NumericGreaterThanEquals", "s3:max-keys", "10", "10", "9.99"),
    ("DateEquals", "aws:CurrentTime", "2026-11-21T21:17:00Z", "1795295820", "2026-11-21T21:17:01Z"),
    ("DateNotEquals", "aws:CurrentTime", "1795295820", "2026-11-21T21:17:01Z", "2026-11-21T22:17:00+01:00"),
    ("DateLessThan", "aws:CurrentTime", "2026-11-21T21:17:00Z", "2026-11-21T21:16:59Z", "2026-11-21T21:17:00Z"),
    ("DateLessThanEquals", "aws:CurrentTime", "2026-11-21", "2026-11-21T00:00:00Z", "2026-11-21T00:00:01Z"),
    ("DateGreaterThan", "aws:CurrentTime", "2026-11-21T21:17:00Z", "2026-11-21T21:17:00.5Z", "2026-11-21T21:17:00Z"),
    ("DateGreaterThanEquals", "aws:CurrentTime", "2026-11", "2026-11-01T00:00:00Z", "2026-10-31T23:59:59Z"),
    ("Bool", "aws:SecureTransport", "true", "True", "false"),
    ("BinaryEquals", "aws:Referer", "QmluYXJ5", "QmluYXJ5", "Qm9vbA=="),
    ("IpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.113.9", "203.0.114.9"),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "2001:db8::1", "::ffff:203.0.113.9"),
    ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:user/a*", "arn:aws:iam::123456789012:user/alice", "arn:aws:iam::123456789012:user/bob"),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:user/a*", "arn:aws:iam::123456789012:user/alice", "arn:aws:iam::1:role:x:user/alice"),
    ("ArnNotEquals", "aws:PrincipalArn", "arn:aws:iam::*:user/a*", "arn:aws:iam::123456789012:user/bob", "arn:aws:iam::123456789012:user/a"),
    ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:user/a*", "arn:aws:iam::1:role/a:user/alice", "arn:aws:iam::1:user/alice"),
    ("Null", "aws:Referer", "false", "anything", ""),
];

#[test]
fn every_operator_compares_as_the_table_says() {
    for (operator, key, value, good, bad) in OPERATORS {
        let condition = format!(r#"{{"{operator}": {{"{key}": "{value}"}}}}"#);
        assert!(both(&condition, &context(&[(key, good)])), "{condition} {good}");
        if operator != "Null" {
            assert!(!both(&condition, &context(&[(key, bad)])), "{condition} {bad}");
            for qualifier in ["ForAllValues:", "ForAnyValue:"] {
                for suffix in ["", "IfExists"] {
                    let condition = format!(r#"{{"{qualifier}{operator}{suffix}": {{"{key}": ["{value}"]}}}}"#);
                    assert!(both(&condition, &context(&[(key, good)])), "{condition} {good}");
                    assert!(!both(&condition, &context(&[(key, bad)])), "{condition} {bad}");
                }
            }
        }
    }
}

fn is_negated(operator: &str) -> bool {
    operator.contains("Not")
}

#[test]
fn c12_a_missing_key_means_what_the_table_says() {
    let empty = MapContext::new();
    for (operator, key, value, ..) in OPERATORS.iter().filter(|(operator, ..)| *operator != "Null") {
        let negated = is_negated(operator);
        for (name, expected) in [
            (operator.to_string(), negated),
            (format!("{operator}IfExists"), true),
            (format!("ForAllValues:{operator}"), true),
            (format!("ForAllValues:{operator}IfExists"), true),
            (format!("ForAnyValue:{operator}"), false),
            (format!("ForAnyValue:{operator}IfExists"), false),
        ] {
            let condition = format!(r#"{{"{name}": {{"{key}": "{value}"}}}}"#);
            assert_eq!(both(&condition, &empty), expected, "{condition}");
        }
    }
}

#[test]
fn an_empty_set_counts_as_missing_for_qualifiers_and_as_present_for_null() {
    let mut empty_set = MapContext::new();
    empty_set.insert_many("aws:TagKeys", Vec::new());
    let is = |condition: &str| both(condition, &empty_set);
    assert!(is(r#"{"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}"#));
    assert!(is(r#"{"ForAllValues:StringNotEquals": {"aws:TagKeys": "a"}}"#));
    assert!(!is(r#"{"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}"#));
    assert!(!is(r#"{"ForAnyValue:StringNotEqualsIfExists": {"aws:TagKeys": "a"}}"#));
    assert!(is(r#"{"Null": {"aws:TagKeys": "false"}}"#));
    assert!(!is(r#"{"Null": {"aws:TagKeys": "true"}}"#));
}

#[test]
fn null_asks_whether_the_key_is_there() {
    let (with, without) = (context(&[("aws:Referer", "x")]), MapContext::new());
    for (values, present, absent) in
        [("\"true\"", false, true), ("false", true, false), ("[true, false]", true, true), ("[]", false, false)]
    {
        let condition = format!(r#"{{"Null": {{"aws:Referer": {values}}}}}"#);
        assert_eq!((both(&condition, &with), both(&condition, &without)), (present, absent), "{condition}");
    }
}

fn tags(values: &[&str]) -> MapContext {
    let mut context = MapContext::new();
    let values = values.iter().map(|value| Value::String((*value).to_owned().into())).collect();
    context.insert_many("aws:TagKeys", values);
    context
}

#[test]
fn c06_the_negation_is_inside_the_test_of_one_value() {
    let is = |operator: &str, list: &str, values: &[&str]| {
        both(&format!(r#"{{"{operator}": {{"aws:TagKeys": {list}}}}}"#), &tags(values))
    };
    let list = r#"["a", "b"]"#;
    // Every value is outside the list.
    assert!(is("ForAllValues:StringNotEquals", list, &["c", "d"]));
    assert!(!is("ForAllValues:StringNotEquals", list, &["a", "c"]));
    // Some value is outside the list.
    assert!(is("ForAnyValue:StringNotEquals", list, &["a", "c"]));
    assert!(!is("ForAnyValue:StringNotEquals", list, &["a", "b"]));
    assert!(is("ForAllValues:StringEquals", list, &["a", "b"]));
    assert!(!is("ForAllValues:StringEquals", list, &["a", "c"]));
    assert!(is("ForAnyValue:StringEquals", list, &["a", "c"]));
    assert!(!is("ForAnyValue:StringEquals", list, &["c"]));
    assert!(is("ForAnyValue:StringNotLike", "\"a*\"", &["ab", "c"]));
    assert!(!is("ForAllValues:StringNotLike", "\"a*\"", &["ab", "c"]));
}

#[test]
fn several_values_without_a_qualifier_fail_closed() {
    for values in [&["a"][..], &["a", "b"], &[]] {
        let positive = r#"{"StringEquals": {"aws:TagKeys": "a"}}"#;
        let negated = r#"{"StringNotEquals": {"aws:TagKeys": "z"}}"#;
        assert!(!applies("Allow", positive, &tags(values)) && !applies("Deny", positive, &tags(values)));
        assert!(!applies("Allow", negated, &tags(values)) && applies("Deny", negated, &tags(values)));
    }
}

#[test]
fn values_are_alternatives_and_keys_and_operators_are_all_needed() {
    let both_keys = context(&[("s3:prefix", "b"), ("s3:delimiter", "/")]);
    assert!(both(r#"{"StringEquals": {"s3:prefix": ["a", "b"]}}"#, &both_keys));
    assert!(!both(r#"{"StringNotEquals": {"s3:prefix": ["a", "b"]}}"#, &both_keys));
    assert!(both(r#"{"StringEquals": {"s3:prefix": "b", "s3:delimiter": "/"}}"#, &both_keys));
    assert!(!both(r#"{"StringEquals": {"s3:prefix": "b", "s3:delimiter": "-"}}"#, &both_keys));
    assert!(!both(r#"{"StringEquals": {"s3:prefix": "b"}, "StringLike": {"s3:delimiter": "-"}}"#, &both_keys));
    assert!(both(r#"{"StringEquals": {"S3:PREFIX": "b"}}"#, &both_keys));
}

#[test]
fn an_empty_list_matches_only_a_missing_key_under_ifexists_or_forallvalues() {
    let (with, without) = (context(&[("s3:prefix", "a")]), MapContext::new());
    for (operator, missing) in [
        ("StringEquals", false),
        ("StringNotEquals", false),
        ("StringEqualsIfExists", true),
        ("StringNotEqualsIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("ForAllValues:StringNotEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEqualsIfExists", false),
    ] {
        let condition = format!(r#"{{"{operator}": {{"s3:prefix": []}}}}"#);
        assert_eq!((both(&condition, &with), both(&condition, &without)), (false, missing), "{condition}");
    }
}

#[test]
fn garbage_makes_no_allow_match_and_no_deny_miss() {
    for (operator, key, value) in [
        ("NumericEquals", "s3:max-keys", "1"),
        ("NumericNotEquals", "s3:max-keys", "1"),
        ("NumericLessThan", "s3:max-keys", "1"),
        ("DateLessThan", "aws:CurrentTime", "2026"),
        ("DateNotEquals", "aws:CurrentTime", "2026"),
        ("Bool", "aws:SecureTransport", "true"),
        ("BinaryEquals", "aws:Referer", "QQ=="),
        ("IpAddress", "aws:SourceIp", "0.0.0.0/0"),
        ("NotIpAddress", "aws:SourceIp", "0.0.0.0/0"),
        ("ArnLike", "aws:PrincipalArn", "arn:*:*:*:*:*"),
        ("ArnNotLike", "aws:PrincipalArn", "arn:*:*:*:*:*"),
    ] {
        for prefix in ["", "ForAllValues:", "ForAnyValue:"] {
            let condition = format!(r#"{{"{prefix}{operator}IfExists": {{"{key}": "{value}"}}}}"#);
            let garbage = context(&[(key, "gar bage")]);
            assert!(!applies("Allow", &condition, &garbage), "{condition}");
            assert!(applies("Deny", &condition, &garbage), "{condition}");
        }
    }
}

#[test]
fn what_could_not_be_read_fails_closed_for_every_operator() {
    let mut unreadable = MapContext::new();
    unreadable.insert_unreadable("s3:ExistingObjectTag/team");
    for operator in ["StringEquals", "StringNotEqualsIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringLike"] {
        let condition = format!(r#"{{"{operator}": {{"s3:ExistingObjectTag/team": "a"}}}}"#);
        assert!(!applies("Allow", &condition, &unreadable), "{condition}");
        assert!(applies("Deny", &condition, &unreadable), "{condition}");
    }
    for value in ["true", "false"] {
        let condition = format!(r#"{{"Null": {{"s3:ExistingObjectTag/team": "{value}"}}}}"#);
        assert!(!applies("Allow", &condition, &unreadable) && applies("Deny", &condition, &unreadable));
    }
    let condition = r#"{"StringEquals": {"s3:prefix": "${s3:ExistingObjectTag/team}"}}"#;
    unreadable.insert("s3:prefix", Value::text("a"));
    assert!(!applies("Allow", condition, &unreadable) && applies("Deny", condition, &unreadable));
}

#[test]
fn typed_values_compare_like_their_texts() {
    let mut typed = MapContext::new();
    typed.insert("s3:max-keys", Value::Number(1_000));
    typed.insert("aws:CurrentTime", Value::Seconds(1_795_295_820));
    typed.insert("aws:EpochTime", Value::Seconds(1_795_295_820));
    typed.insert("aws:SecureTransport", Value::Boolean(true));
    typed.insert("aws:SourceIp", Value::Address("::ffff:203.0.113.9".parse().unwrap()));
    for condition in [
        r#"{"NumericEquals": {"s3:max-keys": 1000}}"#,
        r#"{"StringEquals": {"s3:max-keys": "1000"}}"#,
        r#"{"DateEquals": {"aws:CurrentTime": "2026-11-21T21:17:00Z"}}"#,
        r#"{"StringLike": {"aws:CurrentTime": "2026-11-21T*Z"}}"#,
        r#"{"NumericGreaterThan": {"aws:EpochTime": 1795295819}}"#,
        r#"{"StringEquals": {"aws:EpochTime": "1795295820"}}"#,
        r#"{"Bool": {"aws:SecureTransport": true}}"#,
        r#"{"StringEquals": {"aws:SecureTransport": "true"}}"#,
        r#"{"IpAddress": {"aws:SourceIp": "203.0.113.9"}}"#,
        r#"{"StringEquals": {"aws:SourceIp": "203.0.113.9"}}"#,
    ] {
        assert!(both(condition, &typed), "{condition}");
    }
}

#[test]
fn tag_names_are_case_sensitive_and_key_prefixes_are_not() {
    let tagged = context(&[("s3:ExistingObjectTag/Team", "a")]);
    assert!(both(r#"{"StringEquals": {"S3:existingobjecttag/Team": "a"}}"#, &tagged));
    assert!(!both(r#"{"StringEquals": {"s3:ExistingObjectTag/team": "a"}}"#, &tagged));
}

#[test]
fn variables_without_a_value_match_nothing_and_negated_operators_hold() {
    let other = context(&[("s3:prefix", "alice/"), ("aws:username", "bob")]);
    assert!(!both(r#"{"StringEquals": {"s3:prefix": "${aws:userid}/"}}"#, &other));
    assert!(both(r#"{"StringNotEquals": {"s3:prefix": "${aws:userid}/"}}"#, &other));
    assert!(both(r#"{"StringEquals": {"s3:prefix": ["${aws:userid}/", "alice/"]}}"#, &other));
    assert!(both(r#"{"StringEquals": {"s3:prefix": "${aws:userid, 'alice'}/"}}"#, &other));
    assert!(both(r#"{"StringNotLike": {"s3:prefix": "${aws:username}/*"}}"#, &other));
    assert!(both(r#"{"StringEqualsIgnoreCase": {"s3:prefix": "${aws:userid, 'ALICE'}/"}}"#, &other));
    // Numbers, dates, booleans and networks take no variables.
    assert!(!both(r#"{"NumericEquals": {"s3:prefix": "${aws:userid, '1'}"}}"#, &context(&[("s3:prefix", "1")])));
    // Several values are none.
    let mut many = tags(&["a"]);
    many.insert("s3:prefix", Value::text("a"));
    assert!(!both(r#"{"StringEquals": {"s3:prefix": "${aws:TagKeys}"}}"#, &many));
}

#[test]
fn only_the_like_operators_have_wildcards() {
    let prefix = |text: &str| context(&[("s3:prefix", text)]);
    for operator in ["StringEquals", "StringEqualsIgnoreCase"] {
        let condition = format!(r#"{{"{operator}": {{"s3:prefix": ["a*", "b?"]}}}}"#);
        assert!(both(&condition, &prefix("a*")) && both(&condition, &prefix("b?")), "{operator}");
        assert!(!both(&condition, &prefix("ab")) && !both(&condition, &prefix("bc")), "{operator}");
    }
    assert!(both(r#"{"StringNotEqualsIgnoreCase": {"s3:prefix": "A*"}}"#, &prefix("ab")));
    assert!(!both(r#"{"StringNotEqualsIgnoreCase": {"s3:prefix": "A*"}}"#, &prefix("a*")));
    // An escape is a character under both.
    assert!(both(r#"{"StringLike": {"s3:prefix": "a${*}"}}"#, &prefix("a*")));
    assert!(!both(r#"{"StringLike": {"s3:prefix": "a${*}"}}"#, &prefix("ab")));
    assert!(both(r#"{"StringEquals": {"s3:prefix": "a${?}${$}"}}"#, &prefix("a?$")));
}

#[test]
fn an_empty_list_matches_an_empty_set_only_under_forallvalues() {
    for (operator, expected) in [
        ("StringEquals", false),
        ("StringNotEquals", false),
        ("StringEqualsIfExists", false),
        ("StringNotEqualsIfExists", false),
        ("ForAllValues:StringEquals", true),
        ("ForAllValues:StringNotEqualsIfExists", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
    ] {
        let condition = format!(r#"{{"{operator}": {{"aws:TagKeys": []}}}}"#);
        assert_eq!(both(&condition, &tags(&[])), expected, "{operator}");
        assert!(!both(&condition, &tags(&["a"])) && !both(&condition, &tags(&["a", "b"])), "{operator}");
    }
}

#[test]
fn letters_are_equal_in_every_case_of_theirs() {
    for (left, right, equal) in [
        ("ΣΑΣ", "σας", true),
        ("Straße", "STRASSE", false),
        ("ÄÖ", "äö", true),
        ("K", "k", true),
        // The sign for kelvin, whose lower case is the letter.
        ("\u{212A}", "k", true),
        ("k", "\u{212A}", true),
        ("İ", "i", false),
    ] {
        let condition = format!(r#"{{"StringEqualsIgnoreCase": {{"s3:prefix": "{left}"}}}}"#);
        assert_eq!(both(&condition, &MapContext::new().with("s3:prefix", right)), equal, "{left} {right}");
    }
}

#[test]
fn an_operator_takes_values_of_its_own_type_only() {
    let typed: [(&str, Value<'static>); 4] = [
        ("boolean", Value::Boolean(true)),
        ("number", Value::Number(7)),
        ("address", Value::Address([10, 0, 0, 1].into())),
        ("seconds", Value::Seconds(7)),
    ];
    for (operator, value, takes) in [
        ("NumericNotEquals", "8", &["number"][..]),
        ("DateNotEquals", "2026-11-21", &["number", "seconds"]),
        ("Bool", "true", &["boolean"]),
        ("BinaryEquals", "QQ==", &[]),
        ("NotIpAddress", "11.0.0.0/8", &["address"]),
        ("ArnNotLike", "arn:aws:iam::1:user/a", &[]),
        ("StringNotEquals", "x", &["boolean", "number", "address", "seconds"]),
    ] {
        for (kind, found) in &typed {
            let mut context = MapContext::new();
            context.insert("aws:Referer", found.clone());
            let condition = format!(r#"{{"{operator}": {{"aws:Referer": "{value}"}}}}"#);
            let holds = takes.contains(kind);
            assert_eq!(applies("Allow", &condition, &context), holds, "{operator} {kind}");
            // What can't be read makes no Deny miss.
            assert!(applies("Deny", &condition, &context), "{operator} {kind}");
        }
    }
    // Only this key's point in time is written as a number.
    for (key, holds) in [("aws:EpochTime", true), ("aws:CurrentTime", false)] {
        let mut context = MapContext::new();
        context.insert(key, Value::Seconds(7));
        let condition = format!(r#"{{"NumericEquals": {{"{key}": "7"}}}}"#);
        assert_eq!(applies("Allow", &condition, &context), holds, "{key}");
    }
}

#[test]
fn garbage_in_a_list_fails_closed_only_where_it_decides() {
    let keys = |values: &[&str]| {
        let mut context = MapContext::new();
        context
            .insert_many("s3:max-keys", values.iter().map(|text| Value::String((*text).to_owned().into())).collect());
        context
    };
    let is = |operator: &str, values: &[&str]| {
        let condition = format!(r#"{{"{operator}": {{"s3:max-keys": "1"}}}}"#);
        (applies("Allow", &condition, &keys(values)), applies("Deny", &condition, &keys(values)))
    };
    assert_eq!(is("ForAllValues:NumericEquals", &["1", "x"]), (false, true));
    assert_eq!(is("ForAllValues:NumericEquals", &["2", "x"]), (false, false));
    assert_eq!(is("ForAnyValue:NumericEquals", &["1", "x"]), (true, true));
    assert_eq!(is("ForAnyValue:NumericEquals", &["2", "x"]), (false, true));
    assert_eq!(is("ForAllValues:NumericNotEquals", &["2", "x"]), (false, true));
}
