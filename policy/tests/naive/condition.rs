//! "Conditions": operators, qualifiers, and what happens to missing, several and senseless values.

use std::cmp::Ordering;

use serde_json::Value;

use crate::case::{Found, Question, members, text_of, texts};
use crate::statement::Scope;
use crate::text::{Filled, arn_matches, fill, matches};
use crate::value;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Qualifier {
    None,
    All,
    Any,
}

/// How a value of the request and one of the policy compare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    Same,
    Different,
    /// The request's value is not of the operator's type, or what it is compared with could not be read.
    Unknown,
}

/// Whether all operators of a Condition block hold, with all their keys.
pub(crate) fn condition_holds(condition: &Value, scope: &Scope, question: &Question) -> bool {
    members(condition).all(|(operator, keys)| {
        members(keys).all(|(key, values)| key_holds(operator, question.find(key), &texts(values), scope, question))
    })
}

fn key_holds(operator: &str, found: Found, wanted: &[String], scope: &Scope, question: &Question) -> bool {
    let (qualifier, operator) = match operator.split_once(':') {
        Some(("ForAllValues", operator)) => (Qualifier::All, operator),
        Some(("ForAnyValue", operator)) => (Qualifier::Any, operator),
        _ => (Qualifier::None, operator),
    };
    let (if_exists, operator) = match operator.strip_suffix("IfExists") {
        Some(operator) => (true, operator),
        None => (false, operator),
    };
    let (negated, operator) = (operator.contains("Not"), operator.replace("Not", ""));
    if found == Found::Unreadable {
        return scope.deny;
    }
    if operator == "Null" {
        let missing = found == Found::Missing;
        return wanted.iter().any(|wanted| value::boolean(wanted) == Some(missing));
    }
    if wanted.is_empty() {
        return match found {
            Found::Missing => qualifier == Qualifier::All || (if_exists && qualifier == Qualifier::None),
            Found::Many(values) => values.is_empty() && qualifier == Qualifier::All,
            Found::One(_) | Found::Unreadable => false,
        };
    }
    let test = |value: &Value| {
        let compared: Vec<_> = wanted.iter().map(|wanted| compare(&operator, value, wanted, scope, question)).collect();
        if compared.contains(&Compared::Same) {
            !negated
        } else if compared.contains(&Compared::Unknown) {
            scope.deny
        } else {
            negated
        }
    };
    match (qualifier, found) {
        (_, Found::Unreadable) => scope.deny,
        (_, Found::One(value)) => test(value),
        (Qualifier::All, Found::Missing) => true,
        (Qualifier::All, Found::Many(values)) => values.iter().all(test),
        (Qualifier::Any, Found::Missing) => false,
        (Qualifier::Any, Found::Many(values)) => values.iter().any(test),
        (Qualifier::None, Found::Missing) => negated || if_exists,
        (Qualifier::None, Found::Many(_)) => negated && scope.deny,
    }
}

/// One value of the request under the positive form of an operator.
fn compare(operator: &str, raw: &Value, wanted: &str, scope: &Scope, question: &Question) -> Compared {
    let value = &text_of(raw);
    let same = |same: bool| if same { Compared::Same } else { Compared::Different };
    // `None` on the request's side is unknown; on the policy's side it is the same as nothing.
    let typed = |value: Option<bool>| value.map_or(Compared::Unknown, same);
    let ordered = |ordering: Ordering| match operator.trim_start_matches("Numeric").trim_start_matches("Date") {
        "Equals" => ordering == Ordering::Equal,
        "LessThan" => ordering == Ordering::Less,
        "LessThanEquals" => ordering != Ordering::Greater,
        "GreaterThan" => ordering == Ordering::Greater,
        "GreaterThanEquals" => ordering != Ordering::Less,
        other => panic!("no operator {other}"),
    };
    let text = |wild: bool, test: &dyn Fn(&[crate::text::Token]) -> bool| match fill(
        wanted,
        wild,
        scope.variables,
        question,
    ) {
        Filled::Tokens(tokens) => same(test(&tokens)),
        Filled::NoValue => Compared::Different,
        Filled::Unreadable => Compared::Unknown,
    };
    match operator {
        "StringEquals" => text(false, &|tokens| matches(tokens, value)),
        "StringEqualsIgnoreCase" => text(false, &|tokens| {
            let folded: Vec<char> = tokens.iter().flat_map(|token| fold(literal(*token))).collect();
            folded == value.chars().flat_map(fold).collect::<Vec<char>>()
        }),
        "StringLike" => text(true, &|tokens| matches(tokens, value)),
        "ArnEquals" | "ArnLike" => match value::arn(value) {
            Some(arn) => text(true, &|tokens| arn_matches(tokens, arn)),
            None => Compared::Unknown,
        },
        "Bool" => typed(value::boolean(value).map(|value| value::boolean(wanted) == Some(value))),
        // Only a text can be base64.
        "BinaryEquals" => typed(raw.as_str().and_then(value::base64).map(|value| value::base64(wanted) == Some(value))),
        "IpAddress" => {
            typed(value::address(value).map(|address| {
                value::network(wanted).is_some_and(|network| value::network_contains(&network, address))
            }))
        }
        date if date.starts_with("Date") => {
            typed(value::date(value).map(|value| value::date(wanted).is_some_and(|wanted| ordered(value.cmp(&wanted)))))
        }
        _ => typed(
            value::decimal(value)
                .map(|value| value::decimal(wanted).is_some_and(|wanted| ordered(value.compare(&wanted)))),
        ),
    }
}

fn literal(token: crate::text::Token) -> char {
    match token {
        crate::text::Token::Is(character) => character,
        _ => panic!("a text without wildcards has none"),
    }
}

/// A character without its case.
fn fold(character: char) -> impl Iterator<Item = char> {
    character.to_uppercase().flat_map(char::to_lowercase)
}
