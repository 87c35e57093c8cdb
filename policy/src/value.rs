//! Values of a request's context, and the trait through which a decision asks for them.
//!
//! A decision asks for a key only when a statement that could apply names it, so a server need not collect what no policy
//! reads: it answers from what it verified, one key at a time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use crate::key::{ConditionKey, KnownKey};

/// One value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text; also the form in which numbers, dates and addresses may arrive, which are then parsed.
    String(Cow<'a, str>),
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number. Decimals with a fraction are text.
    Number(i64),
    /// An address, as the socket gives it: IPv4-mapped IPv6 addresses are unmapped by the comparison.
    Address(IpAddr),
    /// A point in time in seconds since 1970-01-01T00:00:00Z.
    Seconds(i64),
}

impl<'a> Value<'a> {
    /// A borrowed text.
    pub fn text(text: &'a str) -> Value<'a> {
        Value::String(Cow::Borrowed(text))
    }

    /// The value as text, for string operators, variables and messages. `key` decides how a point in time is written.
    pub(crate) fn to_text(&self, key: &ConditionKey) -> Cow<'_, str> {
        match self {
            Value::String(text) => Cow::Borrowed(text),
            Value::Boolean(true) => Cow::Borrowed("true"),
            Value::Boolean(false) => Cow::Borrowed("false"),
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::Address(address) => Cow::Owned(address.to_canonical().to_string()),
            Value::Seconds(seconds) if key.known() == Some(KnownKey::EpochTime) => Cow::Owned(seconds.to_string()),
            Value::Seconds(seconds) => match jiff::Timestamp::from_second(*seconds) {
                Ok(time) => Cow::Owned(time.to_string()),
                Err(_) => Cow::Owned(seconds.to_string()),
            },
        }
    }
}

/// What a context knows about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The request doesn't have it.
    Absent,
    /// The one value of a single-valued key.
    One(Value<'a>),
    /// The values of a key that can have several (`aws:TagKeys`), also when there is one or none.
    Many(Cow<'a, [Value<'a>]>),
    /// It should be there but couldn't be read (tags of an object after a read error). An Allow that needs it doesn't
    /// apply and a Deny that needs it does.
    Unreadable,
}

/// The facts about a request that conditions and variables ask for.
///
/// Implementations answer from verified facts only: nothing that a client merely sent may set an `aws:` key. `lookup` must
/// not fail, block or panic, and must answer the same for the same key throughout one decision.
pub trait Context {
    /// The value of one key.
    fn lookup(&self, key: &ConditionKey) -> Lookup<'_>;
}

impl<C: Context + ?Sized> Context for &C {
    fn lookup(&self, key: &ConditionKey) -> Lookup<'_> {
        (**self).lookup(key)
    }
}

/// A context without any key.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyContext;

impl Context for EmptyContext {
    fn lookup(&self, _key: &ConditionKey) -> Lookup<'_> {
        Lookup::Absent
    }
}

/// A context held in a map: for tests, simulation and the command line.
#[derive(Debug, Clone, Default)]
pub struct MapContext {
    entries: HashMap<Box<str>, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    One(Value<'static>),
    Many(Vec<Value<'static>>),
    Unreadable,
}

impl MapContext {
    /// An empty context.
    pub fn new() -> MapContext {
        MapContext::default()
    }

    /// Sets a single value; a key given twice keeps the later value.
    pub fn insert(&mut self, key: &str, value: Value<'static>) {
        self.entries.insert(ConditionKey::new(key).canonical().into(), Entry::One(value));
    }

    /// Sets the values of a multi-valued key.
    pub fn insert_many(&mut self, key: &str, values: Vec<Value<'static>>) {
        self.entries.insert(ConditionKey::new(key).canonical().into(), Entry::Many(values));
    }

    /// Marks a key as one that couldn't be read.
    pub fn insert_unreadable(&mut self, key: &str) {
        self.entries.insert(ConditionKey::new(key).canonical().into(), Entry::Unreadable);
    }

    /// Sets a text and returns the context, for tests.
    pub fn with(mut self, key: &str, text: &str) -> MapContext {
        self.insert(key, Value::String(Cow::Owned(text.to_owned())));
        self
    }
}

impl Context for MapContext {
    fn lookup(&self, key: &ConditionKey) -> Lookup<'_> {
        match self.entries.get(key.canonical()) {
            None => Lookup::Absent,
            Some(Entry::One(value)) => Lookup::One(value.clone()),
            Some(Entry::Many(values)) => Lookup::Many(Cow::Borrowed(values)),
            Some(Entry::Unreadable) => Lookup::Unreadable,
        }
    }
}
