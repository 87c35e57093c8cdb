//! Actions and the patterns that name them.
//!
//! A pattern is compiled to a set of bits, because a decision asks for one action of about two hundred.

mod table;

pub use table::Action;

use std::sync::LazyLock;

use crate::key::KnownKey;
use crate::pattern::Pattern;
use table::ACTIONS;

/// The access level of the Service Authorization Reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLevel {
    /// Names of resources.
    List,
    /// Contents and settings.
    Read,
    /// Create, change, delete.
    Write,
    /// Tags only.
    Tagging,
    /// Hands out access.
    PermissionsManagement,
}

/// The resource that an action is asked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceType {
    /// `arn:aws:s3:::*`
    Service,
    /// `arn:aws:s3:::BUCKET`
    Bucket,
    /// `arn:aws:s3:::BUCKET/KEY`
    Object,
    /// A kind of resource that this node does not have: access points, jobs, storage lens.
    Elsewhere,
}

/// What the table says about one action.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActionFacts {
    pub(crate) action: Action,
    pub(crate) name: &'static str,
    pub(crate) level: AccessLevel,
    pub(crate) resource: ResourceType,
    /// Bits of [`KnownKey`] beside the global keys.
    pub(crate) keys: u128,
}

/// The keys that every request to S3 has.
const COMMON: u128 = key(KnownKey::S3ResourceAccount)
    | key(KnownKey::TlsVersion)
    | key(KnownKey::AuthType)
    | key(KnownKey::SignatureAge)
    | key(KnownKey::SignatureVersion)
    | key(KnownKey::XAmzContentSha256)
    | key(KnownKey::BucketTag);

const fn key(key: KnownKey) -> u128 {
    1 << key as u32
}

impl ActionFacts {
    const fn new(
        action: Action,
        name: &'static str,
        level: AccessLevel,
        resource: ResourceType,
        keys: u128,
    ) -> ActionFacts {
        ActionFacts { action, name, level, resource, keys: keys | COMMON }
    }

    pub(crate) fn is_s3(&self) -> bool {
        self.name.starts_with("s3:")
    }
}

impl Action {
    pub(crate) fn facts(self) -> &'static ActionFacts {
        &ACTIONS[self as usize]
    }

    /// The full name, such as `s3:GetObject`.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The resource that the action is asked on.
    pub fn resource_type(self) -> ResourceType {
        self.facts().resource
    }

    /// What kind of access the action gives.
    pub fn access_level(self) -> AccessLevel {
        self.facts().level
    }

    /// Whether a request for this action can carry the key.
    pub fn has_key(self, known: KnownKey) -> bool {
        known.is_global() || self.facts().keys & key(known) != 0
    }

    /// The action of this full name, in any case.
    pub fn from_name(name: &str) -> Option<Action> {
        ACTIONS.iter().find(|facts| facts.name.eq_ignore_ascii_case(name)).map(|facts| facts.action)
    }

    /// The full names of S3's actions.
    pub(crate) fn s3_names() -> impl Iterator<Item = &'static str> {
        ACTIONS.iter().filter(|facts| facts.is_s3()).map(|facts| facts.name)
    }

    /// Every action, S3's first.
    pub fn all() -> impl Iterator<Item = Action> {
        ACTIONS.iter().map(|facts| facts.action)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct ActionSet([u64; 4]);

impl ActionSet {
    pub(crate) fn insert(&mut self, action: Action) {
        self.0[action as usize / 64] |= 1 << (action as usize % 64);
    }

    pub(crate) fn contains(&self, action: Action) -> bool {
        self.0[action as usize / 64] & (1 << (action as usize % 64)) != 0
    }

    pub(crate) fn union(&mut self, other: &ActionSet) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    pub(crate) fn filter(&self, keep: impl Fn(Action) -> bool) -> ActionSet {
        let mut kept = ActionSet::default();
        self.iter().filter(|action| keep(*action)).for_each(|action| kept.insert(action));
        kept
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Action> {
        ACTIONS.iter().map(|facts| facts.action).filter(|action| self.contains(*action))
    }
}

/// An action that a decision is asked for: one of the table, or the name of any other, which only the corpus asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AskedAction<'a> {
    Known(Action),
    Other(&'a str),
}

impl<'a> AskedAction<'a> {
    pub(crate) fn from_name(name: &'a str) -> AskedAction<'a> {
        Action::from_name(name).map_or(AskedAction::Other(name), AskedAction::Known)
    }
}

/// The service and name of every action in lower case, in the order of the table.
static LOWER_CASE: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let parts = |name: &str| name.split_once(':').map_or_else(Default::default, |(a, b)| (a.to_owned(), b.to_owned()));
    ACTIONS.iter().map(|facts| parts(&facts.name.to_ascii_lowercase())).collect()
});

/// One entry of an Action or NotAction list: `service:name`, both with wildcards and in any case, or `*`.
#[derive(Debug, Clone)]
pub(crate) struct ActionPattern {
    /// As the document writes it, for explanations.
    text: Box<str>,
    /// `None` is a text without a colon that is not `*`: it names no action.
    parts: Option<(Pattern, Pattern)>,
    everything: bool,
    /// The service is written out as the console's own, which no wildcard covers.
    own_service: bool,
    has_wildcard_service: bool,
    service: Box<str>,
}

impl ActionPattern {
    pub(crate) fn new(text: &str) -> ActionPattern {
        let lower = text.to_lowercase();
        let everything = !lower.is_empty() && lower.bytes().all(|byte| byte == b'*');
        let split = lower.split_once(':');
        let service = split.map_or("", |(service, _)| service);
        ActionPattern {
            text: text.into(),
            everything,
            own_service: service == "strongroom",
            has_wildcard_service: service.contains(['*', '?']),
            service: service.into(),
            parts: split.map(|(service, name)| (Pattern::new(service), Pattern::new(name))),
        }
    }

    /// The pattern as the document writes it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is `*`.
    pub(crate) fn is_everything(&self) -> bool {
        self.everything
    }

    /// The service in lower case, empty when there is none.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    pub(crate) fn has_wildcard_service(&self) -> bool {
        self.has_wildcard_service
    }

    /// The actions of the table that it names.
    pub(crate) fn actions(&self) -> ActionSet {
        let mut set = ActionSet::default();
        for (facts, (service, name)) in ACTIONS.iter().zip(LOWER_CASE.iter()) {
            let applies = facts.is_s3() || self.own_service;
            if applies && (self.everything || self.matches_parts(service, name)) {
                set.insert(facts.action);
            }
        }
        set
    }

    /// Whether it names this action, which may be one that is not in the table.
    pub(crate) fn matches_name(&self, name: &str) -> bool {
        if self.everything {
            return true;
        }
        let lower = name.to_lowercase();
        lower.split_once(':').is_some_and(|(service, name)| self.matches_parts(service, name))
    }

    fn matches_parts(&self, service: &str, name: &str) -> bool {
        self.parts.as_ref().is_some_and(|(services, names)| services.matches(service) && names.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str) -> Vec<&'static str> {
        ActionPattern::new(pattern).actions().iter().map(Action::name).collect()
    }

    #[test]
    fn table_is_in_the_order_of_the_enum() {
        for (index, facts) in ACTIONS.iter().enumerate() {
            assert_eq!(facts.action as usize, index, "{}", facts.name);
        }
        assert!(ACTIONS.len() <= 256);
    }

    #[test]
    fn c16_wildcards_and_case_in_actions() {
        assert_eq!(names("S3:getobject"), ["s3:GetObject"]);
        assert_eq!(names("s3:GetObjec?"), ["s3:GetObject"]);
        assert!(names("s3:Get*").contains(&"s3:GetBucketAcl"));
        assert!(!names("s3:Get*").contains(&"s3:PutObject"));
        assert_eq!(names("s3:PuObject"), Vec::<&str>::new());
        assert_eq!(names("s3*"), Vec::<&str>::new());
    }

    #[test]
    fn the_consoles_actions_are_covered_by_their_own_service_only() {
        assert!(names("*").iter().all(|name| name.starts_with("s3:")));
        assert!(names("*:*").iter().all(|name| name.starts_with("s3:")));
        assert!(names("s*:Create*").iter().all(|name| name.starts_with("s3:")));
        assert!(names("strongroom:*").iter().all(|name| name.starts_with("strongroom:")));
        assert!(names("strongroom:*").len() > 30);
    }
}
