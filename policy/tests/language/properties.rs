//! Properties that hold for every policy and request.

use policy::{Action, Level, MapContext, Outcome, ParseOptions, Policy, PolicyKind, Principal, fuzz, parse};
use proptest::prelude::*;

use crate::support::{ALICE, decide, request};

/// A pattern over a small alphabet, so that matches are frequent.
fn pattern() -> impl Strategy<Value = String> {
    "[ab/*?]{0,8}"
}

fn statement() -> impl Strategy<Value = String> {
    let effect = prop_oneof![Just("Allow"), Just("Deny")];
    let action = prop_oneof![Just("s3:*"), Just("s3:Get*"), Just("s3:GetObject"), Just("s3:PutObject")];
    let condition = prop_oneof![
        Just(""),
        Just(r#", "Condition": {"StringEquals": {"s3:prefix": "a"}}"#),
        Just(r#", "Condition": {"StringNotLikeIfExists": {"s3:prefix": ["a*", "b"]}}"#),
        Just(r#", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#),
        Just(
            r#", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}, "Null": {"aws:TagKeys": "false"}}"#
        ),
    ];
    let negation = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (effect, action, "[ab]{1,2}", pattern(), condition, negation).prop_map(|(effect, action, bucket, key, condition, (na, nr))| {
        let (action_element, resource_element) = (if na { "NotAction" } else { "Action" }, if nr { "NotResource" } else { "Resource" });
        format!(r#"{{"Effect": "{effect}", "{action_element}": "{action}", "{resource_element}": "arn:aws:s3:::{bucket}/{key}"{condition}}}"#)
    })
}

fn compile(statements: &[String]) -> Policy {
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(","));
    let options = ParseOptions { level: Level::Grammar, ..ParseOptions::identity() };
    parse(document.as_bytes(), options).expect("generated documents are grammatical")
}

const CALLERS: [Principal<'static>; 5] = [
    ALICE,
    Principal::Anonymous,
    Principal::Root { account: "123456789012" },
    Principal::User { account: "999999999999", name: "carol", arn: "arn:aws:iam::999999999999:user/carol" },
    Principal::Session {
        account: "123456789012",
        role_arn: "arn:aws:iam::123456789012:role/reader",
        session_arn: "arn:aws:sts::123456789012:assumed-role/reader/one",
    },
];

/// A document of one statement and what it is attached to.
fn attached() -> impl Strategy<Value = (PolicyKind, String)> {
    let kind = prop_oneof![Just(PolicyKind::Identity), Just(PolicyKind::Bucket), Just(PolicyKind::Session)];
    let principal = prop_oneof![
        Just("\"*\""),
        Just(r#"{"AWS": "123456789012"}"#),
        Just(r#"{"AWS": "999999999999"}"#),
        Just(r#"{"AWS": ["arn:aws:iam::123456789012:user/alice", "arn:aws:iam::999999999999:user/carol"]}"#),
        Just(r#"{"AWS": "arn:aws:iam::123456789012:role/reader"}"#),
    ];
    (kind, principal, statement()).prop_map(|(kind, principal, statement)| {
        let statement = match kind {
            PolicyKind::Bucket => statement.replacen('{', &format!("{{\"Principal\": {principal}, "), 1),
            PolicyKind::Identity | PolicyKind::Session => statement,
        };
        (kind, format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#))
    })
}

fn compile_as(kind: PolicyKind, document: &str) -> Policy {
    parse(document.as_bytes(), ParseOptions::grammar(kind)).expect("generated documents are grammatical")
}

fn contexts() -> impl Strategy<Value = MapContext> {
    (prop::option::of("[ab]{0,2}"), prop::option::of(prop_oneof![Just("10.1.1.1"), Just("9.9.9.9"), Just("garbage")]))
        .prop_map(|(prefix, address)| {
            let mut context = MapContext::new();
            if let Some(prefix) = prefix {
                context = context.with("s3:prefix", &prefix);
            }
            match address {
                Some(address) => context.with("aws:SourceIp", address),
                None => context,
            }
        })
}

/// The language's matching, said as simply as can be: by dynamic programming over characters.
fn naive_match(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for c in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        next[0] = c == '*' && row[0];
        for (at, t) in text.iter().enumerate() {
            next[at + 1] = match c {
                '*' => row[at + 1] || next[at],
                '?' => row[at],
                c => row[at] && c == *t,
            };
        }
        row = next;
    }
    row[text.len()]
}

fn judge(statements: &[String], arn: &str, context: &MapContext) -> Outcome {
    decide(&[compile(statements)], &request(ALICE, Action::GetObject, arn, context)).outcome
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn matching_agrees_with_the_definition(pattern in "[abé/*?]{0,10}", text in "[abé/]{0,12}") {
        let statement = format!(r#"{{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::x/{pattern}"}}"#);
        let expected = if naive_match(&pattern, &text) { Outcome::Allow } else { Outcome::ImplicitDeny };
        prop_assert_eq!(judge(&[statement], &format!("arn:aws:s3:::x/{text}"), &MapContext::new()), expected);
    }

    #[test]
    fn adding_a_deny_never_widens(statements in prop::collection::vec(statement(), 1..6), extra in statement(), key in "[ab/]{0,6}", context in contexts()) {
        let arn = format!("arn:aws:s3:::a/{key}");
        let before = judge(&statements, &arn, &context);
        let mut after = statements.clone();
        after.push(extra.replace("\"Allow\"", "\"Deny\""));
        let after = judge(&after, &arn, &context);
        prop_assert!(before == Outcome::Allow || after != Outcome::Allow);
    }

    #[test]
    fn removing_an_allow_never_widens(statements in prop::collection::vec(statement(), 1..6), key in "[ab/]{0,6}", context in contexts()) {
        let arn = format!("arn:aws:s3:::a/{key}");
        let all = judge(&statements, &arn, &context);
        for index in 0..statements.len() {
            let mut fewer = statements.clone();
            if fewer.remove(index).contains("\"Allow\"") && !fewer.is_empty() {
                prop_assert!(all == Outcome::Allow || judge(&fewer, &arn, &context) != Outcome::Allow);
            }
        }
    }

    #[test]
    fn the_order_of_statements_never_matters(statements in prop::collection::vec(statement(), 1..6), seed in any::<u64>(), key in "[ab/]{0,6}", context in contexts()) {
        let arn = format!("arn:aws:s3:::a/{key}");
        let mut shuffled = statements.clone();
        let turn = usize::try_from(seed % 7).unwrap() % shuffled.len();
        shuffled.rotate_left(turn);
        if seed % 2 == 0 {
            shuffled.reverse();
        }
        prop_assert_eq!(judge(&statements, &arn, &context), judge(&shuffled, &arn, &context));
        // One policy of two statements is two policies of one.
        let split: Vec<Policy> = statements.iter().map(|statement| compile(std::slice::from_ref(statement))).collect();
        let together = judge(&statements, &arn, &context);
        prop_assert_eq!(decide(&split, &request(ALICE, Action::GetObject, &arn, &context)).outcome, together);
    }

    #[test]
    fn the_order_of_policies_of_all_kinds_never_matters(policies in prop::collection::vec(attached(), 1..6), extra in attached(), caller in 0..CALLERS.len(), key in "[ab/]{0,4}", context in contexts(), turn in 0..6_usize) {
        let arn = format!("arn:aws:s3:::a/{key}");
        let request = request(CALLERS[caller], Action::GetObject, &arn, &context);
        let compiled: Vec<Policy> = policies.iter().map(|(kind, document)| compile_as(*kind, document)).collect();
        let decided = decide(&compiled, &request).outcome;
        let mut turned = compiled.clone();
        turned.rotate_left(turn % compiled.len());
        prop_assert_eq!(decide(&turned, &request).outcome, decided);
        turned.reverse();
        prop_assert_eq!(decide(&turned, &request).outcome, decided);
        // A Deny of any kind never widens; said twice, nothing changes.
        turned.push(compile_as(extra.0, &extra.1.replace("\"Allow\"", "\"Deny\"")));
        let narrowed = decide(&turned, &request).outcome;
        prop_assert!(decided == Outcome::Allow || narrowed != Outcome::Allow);
        let twice: Vec<Policy> = compiled.iter().chain(&compiled).cloned().collect();
        prop_assert_eq!(decide(&twice, &request).outcome, decided);
        // What is explained is what is decided.
        let attached = || compiled.iter().map(|policy| policy::AttachedPolicy::new(policy, "policy"));
        let explanation = policy::explain(attached(), &request);
        prop_assert_eq!(explanation.decision, decided);
        prop_assert!(explanation.nearly.iter().all(|trace| trace.conditions.iter().any(|one| !one.holds)
            || !trace.action_matches || !trace.principal_matches || !trace.resource_matches));
    }

    #[test]
    fn a_policy_keeps_its_source_which_is_the_policy_again(statements in prop::collection::vec(statement(), 1..4), space in "[ \n\t]{0,3}") {
        let document = format!(r#"{{"Version": "2012-10-17",{space} "Statement": [{}]}}{space}"#, statements.join(","));
        for options in [ParseOptions::identity(), ParseOptions::grammar(PolicyKind::Identity)] {
            if let Ok(policy) = parse(document.as_bytes(), options) {
                prop_assert_eq!(policy.source(), document.as_str());
                let again = parse(policy.source().as_bytes(), options).expect("what was parsed parses");
                prop_assert_eq!(format!("{again:?}"), format!("{policy:?}"));
            }
        }
    }

    #[test]
    fn a_long_policy_is_its_statements_one_by_one(statements in prop::collection::vec(statement(), 16..80), key in "[ab/]{0,6}", context in contexts()) {
        let arn = format!("arn:aws:s3:::a/{key}");
        let split: Vec<Policy> = statements.iter().map(|statement| compile(std::slice::from_ref(statement))).collect();
        let policies = [compile(&statements)];
        let request = request(ALICE, Action::GetObject, &arn, &context);
        prop_assert_eq!(decide(&policies, &request).outcome, decide(&split, &request).outcome);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::documents(&bytes);
    }

    #[test]
    fn no_damaged_document_makes_anything_panic(statements in prop::collection::vec(statement(), 0..3), at in any::<prop::sample::Index>(), junk in "[\\PC{}\\[\\]\",:$*?\\\\]{0,6}", cut in 0..8_usize) {
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(","));
        let start = at.index(document.len());
        let end = (start + cut).min(document.len());
        if document.is_char_boundary(start) && document.is_char_boundary(end) {
            let damaged = format!("{}{junk}{}", &document[..start], &document[end..]);
            fuzz::documents(damaged.as_bytes());
            fuzz::decisions(&format!("arn:aws:s3:::a/b\ns3:prefix\na\nalice\n{damaged}"));
        }
    }

    #[test]
    fn no_pattern_makes_the_matcher_panic(input in "\\PC{0,40}\n\\PC{0,80}") {
        fuzz::patterns(&input);
    }

    #[test]
    fn storable_documents_are_grammatical(statements in prop::collection::vec(statement(), 1..4)) {
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(","));
        if parse(document.as_bytes(), ParseOptions::identity()).is_ok() {
            prop_assert!(parse(document.as_bytes(), ParseOptions::grammar(PolicyKind::Identity)).is_ok());
        }
    }
}

#[test]
fn an_adversarial_pattern_takes_linear_time() {
    let time = |length: usize| {
        let statement =
            format!(r#"{{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::x/{}b"}}"#, "*a".repeat(200));
        let policies = [compile(&[statement])];
        let arn = format!("arn:aws:s3:::x/{}", "a".repeat(length));
        let nothing = MapContext::new();
        let request = request(ALICE, Action::GetObject, &arn, &nothing);
        let start = std::time::Instant::now();
        for _ in 0..20 {
            assert_eq!(decide(&policies, &request).outcome, Outcome::ImplicitDeny);
        }
        start.elapsed()
    };
    // An exponential matcher would not return from the first one.
    assert!(time(100_000) < std::time::Duration::from_secs(5));
}
