//! Properties that hold for every policy and request.

use policy::{Action, Level, MapContext, Outcome, ParseOptions, Policy, PolicyKind, fuzz, parse};
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
