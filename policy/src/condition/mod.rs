//! Conditions: the operators, what a missing key means, and what several values mean.
//!
//! Negation stands inside the test of one value, and a value that can't be read fails closed: it makes no Allow match and
//! no Deny miss. Both were security advisories elsewhere.

pub(crate) mod address;
pub(crate) mod arn;
pub(crate) mod binary;
pub(crate) mod date;
pub(crate) mod number;
pub(crate) mod operator;

use ipnet::IpNet;

use crate::effect::Effect;
use crate::key::{ConditionKey, KnownKey};
use crate::value::{Context, Lookup, Value};
use crate::variable::{Matched, Template, Variable};

use arn::ArnTemplate;
use binary::Bytes;
use date::Instant;
use number::Decimal;
use operator::{Comparison, Family, Operator, Qualifier};

/// One key under one operator, with the values it is compared with.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) operator: Operator,
    pub(crate) key: ConditionKey,
    pub(crate) values: Values,
    /// The values as the document writes them, for explanations.
    pub(crate) texts: Box<[Box<str>]>,
}

/// The compared values, compiled for the operator. A value that isn't of the operator's type equals nothing; stored
/// documents can't contain one.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Templates(Box<[Template]>),
    Numbers(Box<[Option<Decimal>]>),
    Dates(Box<[Option<Instant>]>),
    Booleans(Box<[Option<bool>]>),
    Binaries(Box<[Option<Bytes>]>),
    Networks(Box<[Option<IpNet>]>),
    Arns(Box<[ArnTemplate]>),
}

/// The result of testing one value of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tested {
    True,
    False,
    /// Not of the operator's type, or not readable.
    Garbage,
}

impl Values {
    /// Compiles texts for an operator.
    pub(crate) fn new(family: Family, texts: &[Box<str>], variables: bool) -> Values {
        match family {
            Family::String { like, .. } => {
                Values::Templates(texts.iter().map(|text| Template::new(text, variables, like)).collect())
            }
            Family::Arn => Values::Arns(texts.iter().map(|text| ArnTemplate::new(text, variables)).collect()),
            Family::Number(_) => Values::Numbers(texts.iter().map(|text| Decimal::parse(text)).collect()),
            Family::Date(_) => Values::Dates(texts.iter().map(|text| Instant::parse(text)).collect()),
            Family::Boolean | Family::Null => Values::Booleans(texts.iter().map(|text| parse_boolean(text)).collect()),
            Family::Binary => Values::Binaries(texts.iter().map(|text| Bytes::parse(text)).collect()),
            Family::Address => Values::Networks(texts.iter().map(|text| address::parse_network(text)).collect()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Values::Templates(values) => values.is_empty(),
            Values::Numbers(values) => values.is_empty(),
            Values::Dates(values) => values.is_empty(),
            Values::Booleans(values) => values.is_empty(),
            Values::Binaries(values) => values.is_empty(),
            Values::Networks(values) => values.is_empty(),
            Values::Arns(values) => values.is_empty(),
        }
    }

    /// The first value that isn't of the operator's type, by its position.
    pub(crate) fn first_wrong(&self) -> Option<usize> {
        match self {
            Values::Templates(_) | Values::Arns(_) => None,
            Values::Numbers(values) => values.iter().position(Option::is_none),
            Values::Dates(values) => values.iter().position(Option::is_none),
            Values::Booleans(values) => values.iter().position(Option::is_none),
            Values::Binaries(values) => values.iter().position(Option::is_none),
            Values::Networks(values) => values.iter().position(Option::is_none),
        }
    }

    /// The variables in all values.
    pub(crate) fn variables(&self) -> Box<dyn Iterator<Item = &Variable> + '_> {
        match self {
            Values::Templates(templates) => Box::new(templates.iter().flat_map(Template::variables)),
            Values::Arns(templates) => Box::new(templates.iter().flat_map(ArnTemplate::variables)),
            _ => Box::new(std::iter::empty()),
        }
    }
}

impl Condition {
    /// Whether the condition holds for a statement of this effect.
    pub(crate) fn holds(&self, context: &dyn Context, effect: Effect) -> bool {
        // What fails closed: no Allow and every Deny.
        let closed = effect == Effect::Deny;
        let lookup = context.lookup(&self.key);
        if lookup == Lookup::Unreadable {
            return closed;
        }
        if self.operator.family == Family::Null {
            let absent = lookup == Lookup::Absent;
            return self.wanted_absence(absent);
        }
        let qualifier = self.operator.qualifier;
        if self.values.is_empty() {
            // An empty list matches only where nothing is compared.
            return match (&lookup, qualifier) {
                (Lookup::Absent, Qualifier::None) => self.operator.if_exists,
                (Lookup::Absent, Qualifier::ForAllValues) => true,
                (Lookup::Many(values), Qualifier::ForAllValues) => values.is_empty(),
                _ => false,
            };
        }
        let test = |value: &Value<'_>| match self.test(value, context) {
            Tested::True => true,
            Tested::False => false,
            Tested::Garbage => closed,
        };
        match (lookup, qualifier) {
            (Lookup::Absent, Qualifier::None) => self.operator.if_exists || self.operator.negated,
            (Lookup::Absent, Qualifier::ForAllValues) => true,
            (Lookup::Absent, Qualifier::ForAnyValue) => false,
            (Lookup::One(value), _) => test(&value),
            // Several values under a plain operator: which one is meant can't be known.
            (Lookup::Many(_), Qualifier::None) => self.operator.negated && closed,
            (Lookup::Many(values), Qualifier::ForAllValues) => values.iter().all(test),
            (Lookup::Many(values), Qualifier::ForAnyValue) => values.iter().any(test),
            (Lookup::Unreadable, _) => closed,
        }
    }

    /// Whether a value of the request is of the operator's type, or the operator takes any.
    pub(crate) fn can_read(&self, value: &Value<'_>, context: &dyn Context) -> bool {
        self.operator.family == Family::Null || self.matches_any(value, context).is_some()
    }

    /// One of the policy's values as the document writes it; behind a text with variables stands what it is in this request.
    pub(crate) fn value_text(&self, at: usize, context: &dyn Context) -> String {
        let text = self.texts.get(at).map(|text| text.to_string()).unwrap_or_default();
        let Values::Templates(templates) = &self.values else { return text };
        match templates.get(at).and_then(|template| template.resolved(context)) {
            None => text,
            Some(Some(resolved)) => format!("{text} (here {resolved})"),
            Some(None) => format!("{text} (here without a value)"),
        }
    }

    fn wanted_absence(&self, absent: bool) -> bool {
        match &self.values {
            Values::Booleans(values) => values.contains(&Some(absent)),
            _ => false,
        }
    }

    /// Tests one value of the request: whether it equals any of the policy's, negated where the operator is.
    fn test(&self, value: &Value<'_>, context: &dyn Context) -> Tested {
        let Some(matched) = self.matches_any(value, context) else { return Tested::Garbage };
        match matched {
            Matched::Unreadable => Tested::Garbage,
            Matched::Yes if self.operator.negated => Tested::False,
            Matched::Yes => Tested::True,
            Matched::No | Matched::Unresolved if self.operator.negated => Tested::True,
            Matched::No | Matched::Unresolved => Tested::False,
        }
    }

    /// Whether any of the policy's values matches; `None` when the request's value isn't of the operator's type.
    fn matches_any(&self, value: &Value<'_>, context: &dyn Context) -> Option<Matched> {
        match (&self.values, self.operator.family) {
            (Values::Templates(templates), Family::String { ignore_case, .. }) => {
                let text = value.to_text(&self.key);
                Some(any(templates, |template| {
                    if ignore_case {
                        template.equals_ignoring_case(&text, context)
                    } else {
                        template.matches(&text, context)
                    }
                }))
            }
            (Values::Arns(templates), _) => {
                let text = value.to_text(&self.key);
                let (fields, last) = arn::split_value(&text)?;
                Some(any(templates, |template| template.matches(&fields, last, context)))
            }
            (Values::Numbers(numbers), Family::Number(comparison)) => {
                let number = match value {
                    Value::Number(number) => Decimal::from_integer(*number),
                    // Written out, only this key's point in time is a number.
                    Value::Seconds(number) if self.key.known() == Some(KnownKey::EpochTime) => {
                        Decimal::from_integer(*number)
                    }
                    Value::String(text) => Decimal::parse(text)?,
                    Value::Seconds(_) | Value::Boolean(_) | Value::Address(_) => return None,
                };
                Some(any(numbers, |wanted| compares(comparison, &number, wanted.as_ref())))
            }
            (Values::Dates(dates), Family::Date(comparison)) => {
                let instant = match value {
                    Value::Number(seconds) | Value::Seconds(seconds) => Instant::from_seconds(*seconds),
                    Value::String(text) => Instant::parse(text)?,
                    Value::Boolean(_) | Value::Address(_) => return None,
                };
                Some(any(dates, |wanted| compares(comparison, &instant, wanted.as_ref())))
            }
            (Values::Booleans(booleans), _) => {
                let boolean = match value {
                    Value::Boolean(boolean) => *boolean,
                    Value::String(text) => parse_boolean(text)?,
                    _ => return None,
                };
                Some(any(booleans, |wanted| (*wanted == Some(boolean)).into()))
            }
            (Values::Binaries(binaries), _) => {
                let Value::String(text) = value else { return None };
                let bytes = Bytes::parse(text)?;
                Some(any(binaries, |wanted| (wanted.as_ref() == Some(&bytes)).into()))
            }
            (Values::Networks(networks), _) => {
                let address = match value {
                    Value::Address(address) => address.to_canonical(),
                    Value::String(text) => address::parse_address(text)?,
                    _ => return None,
                };
                Some(any(networks, |network| network.is_some_and(|network| network.contains(&address)).into()))
            }
            // `Values::new` makes the values for the family; any other pair would match nothing.
            _ => Some(Matched::No),
        }
    }
}

/// `true` and `false` in any case.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The OR over the policy's values: a match wins, then a value that couldn't be read.
fn any<T>(values: &[T], mut matches: impl FnMut(&T) -> Matched) -> Matched {
    let mut result = Matched::No;
    for value in values {
        match matches(value) {
            Matched::Yes => return Matched::Yes,
            Matched::Unreadable => result = Matched::Unreadable,
            Matched::No | Matched::Unresolved => {}
        }
    }
    result
}

fn compares<T: Ord>(comparison: Comparison, left: &T, right: Option<&T>) -> Matched {
    let Some(right) = right else { return Matched::No };
    match comparison {
        Comparison::Equal => left == right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
    .into()
}
