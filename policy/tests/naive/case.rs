//! One question as JSON, in the form of `strongroom policy eval`, and what is asked of its request.
//!
//! Three members of `request` go beyond that form, for what only the library can be asked: `owner`, `canonical_user`, and
//! `unreadable`, the keys that could not be read.

use serde_json::{Map, Value};

/// What the context says about a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Found<'c> {
    Missing,
    Unreadable,
    One(&'c Value),
    /// The values of a key that can have several, also when there is one or none.
    Many(&'c [Value]),
}

/// A request.
pub(crate) struct Question<'c> {
    request: &'c Value,
}

/// The caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Caller<'c> {
    Anonymous,
    Root,
    User { arn: &'c str },
    Session { role: String, arn: &'c str },
}

impl<'c> Question<'c> {
    pub(crate) fn of(case: &'c Value) -> Question<'c> {
        Question { request: &case["request"] }
    }

    fn text(&self, member: &str) -> &'c str {
        self.request[member].as_str().unwrap_or_default()
    }

    pub(crate) fn action(&self) -> &'c str {
        self.text("action")
    }

    pub(crate) fn resource(&self) -> &'c str {
        self.text("resource")
    }

    /// The account of the caller; none for anonymous ones.
    pub(crate) fn account(&self) -> Option<&'c str> {
        self.text("principal").split(':').nth(4)
    }

    /// The account that owns what is asked for. The service is always asked for the caller's own.
    pub(crate) fn owner(&self) -> &'c str {
        match (self.resource(), self.account(), self.text("owner")) {
            ("arn:aws:s3:::*", Some(account), _) => account,
            (_, _, "") => "123456789012",
            (_, _, owner) => owner,
        }
    }

    pub(crate) fn canonical_user(&self) -> Option<&'c str> {
        self.request["canonical_user"].as_str()
    }

    pub(crate) fn caller(&self) -> Caller<'c> {
        let arn = self.text("principal");
        let tail = arn.splitn(6, ':').nth(5).unwrap_or_default();
        match tail.split('/').collect::<Vec<_>>()[..] {
            [""] => Caller::Anonymous,
            ["root"] => Caller::Root,
            ["user", ..] => Caller::User { arn },
            ["role", ..] => Caller::Session { role: arn.to_owned(), arn: "" },
            ["assumed-role", role, ..] => {
                let account = self.account().unwrap_or_default();
                Caller::Session { role: format!("arn:aws:iam::{account}:role/{role}"), arn }
            }
            _ => Caller::Session { role: String::new(), arn },
        }
    }

    /// The values of a key. Its name is compared without case, except for the name of a tag.
    pub(crate) fn find(&self, key: &str) -> Found<'c> {
        let same = |name: &str| {
            let (one, one_tag) = name.split_once('/').unwrap_or((name, ""));
            let (two, two_tag) = key.split_once('/').unwrap_or((key, ""));
            one.eq_ignore_ascii_case(two) && one_tag == two_tag
        };
        let unreadable = self.request["unreadable"].as_array().into_iter().flatten();
        if unreadable.filter_map(Value::as_str).any(same) {
            return Found::Unreadable;
        }
        match self.request["context"].as_object().and_then(|context| context.iter().find(|(name, _)| same(name))) {
            None => Found::Missing,
            Some((_, Value::Array(values))) => Found::Many(values),
            Some((_, value)) => Found::One(value),
        }
    }
}

/// A scalar as its text.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value or a list of them, as a list.
pub(crate) fn one_or_many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

/// A text or a list of them, as a list.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    one_or_many(value).into_iter().map(text_of).collect()
}

/// The members of an object; none of anything else.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
