//! Condition keys: which exist, what type they have, and whether a request here can carry them.
//!
//! Keys are parsed once, when a policy is compiled, so that a decision compares an enum and never a name.

mod table;

pub use table::KnownKey;

use table::KEYS;

/// A condition key as a policy names it, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionKey {
    known: Option<KnownKey>,
    text: Box<str>,
    canonical: Box<str>,
    /// Where the name of the tag starts in `text`, for keys that carry one.
    tag_at: Option<usize>,
}

/// The type of a key's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// An Amazon resource name.
    Arn,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An ISO 8601 date or seconds since 1970.
    Date,
    /// An IP address.
    Address,
}

/// What the table says about one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyFacts {
    pub(crate) key: KnownKey,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) many: bool,
    pub(crate) tagged: bool,
    pub(crate) present: bool,
}

impl KeyFacts {
    const fn new(key: KnownKey, name: &'static str, kind: Kind) -> KeyFacts {
        KeyFacts { key, name, kind, many: false, tagged: false, present: true }
    }

    const fn many(mut self) -> KeyFacts {
        self.many = true;
        self
    }

    const fn tagged(mut self) -> KeyFacts {
        self.tagged = true;
        self
    }

    const fn never_present(mut self) -> KeyFacts {
        self.present = false;
        self
    }
}

impl KnownKey {
    pub(crate) fn facts(self) -> &'static KeyFacts {
        &KEYS[self as usize]
    }

    /// The key as AWS spells it, without the name of a tag.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The type of its values.
    pub fn kind(self) -> Kind {
        self.facts().kind
    }

    /// Whether a request can carry several values under it (`aws:TagKeys`).
    pub fn is_multivalued(self) -> bool {
        self.facts().many
    }

    /// Whether a request to this node can ever carry it. `aws:PrincipalOrgID` and its kin never are.
    pub fn can_be_present(self) -> bool {
        self.facts().present
    }

    /// Whether the key belongs to every service (`aws:`) and so applies to every action.
    pub(crate) fn is_global(self) -> bool {
        self.name().starts_with("aws:") && !matches!(self, KnownKey::RequestTag | KnownKey::TagKeys)
    }
}

/// Every key of the table, for messages and suggestions.
pub(crate) fn known_keys() -> impl Iterator<Item = &'static KeyFacts> {
    KEYS.iter()
}

impl ConditionKey {
    /// Parses a key as a document writes it: the prefix and name in any case, the name of a tag exactly.
    ///
    /// A key that is not in the table is kept as it is; no request carries it unless its context says so.
    pub fn new(text: &str) -> ConditionKey {
        let (name, tag_at) = match text.find('/') {
            Some(slash) => (text.get(..slash).unwrap_or_default(), Some(slash + 1)),
            None => (text, None),
        };
        let facts = KEYS.iter().find(|facts| facts.name.eq_ignore_ascii_case(name) && facts.tagged == tag_at.is_some());
        match facts {
            Some(facts) => {
                let tag = tag_at.and_then(|at| text.get(at..));
                let canonical = match tag {
                    Some(tag) => format!("{}/{tag}", facts.name.to_ascii_lowercase()),
                    None => facts.name.to_ascii_lowercase(),
                };
                ConditionKey { known: Some(facts.key), text: text.into(), canonical: canonical.into(), tag_at }
            }
            None => {
                let canonical = text.to_lowercase().into();
                ConditionKey { known: None, text: text.into(), canonical, tag_at: None }
            }
        }
    }

    /// The key of the table, `None` for one that AWS does not have.
    pub fn known(&self) -> Option<KnownKey> {
        self.known
    }

    /// The name of the tag for keys such as `s3:ExistingObjectTag/<key>`; case-sensitive.
    pub fn tag_key(&self) -> Option<&str> {
        self.tag_at.and_then(|at| self.text.get(at..))
    }

    /// The key as the document wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// One spelling for all that mean the same: lower case except for the name of a tag.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_the_order_of_the_enum() {
        for (index, facts) in KEYS.iter().enumerate() {
            assert_eq!(facts.key as usize, index, "{}", facts.name);
        }
        // Sets of keys are bits of a u128.
        assert!(KEYS.len() <= 128);
    }

    #[test]
    fn names_ignore_case_and_tag_names_do_not() {
        assert_eq!(ConditionKey::new("AWS:sourceip").known(), Some(KnownKey::SourceIp));
        let tag = ConditionKey::new("S3:existingobjecttag/Team/A");
        assert_eq!(tag.known(), Some(KnownKey::ExistingObjectTag));
        assert_eq!(tag.tag_key(), Some("Team/A"));
        assert_ne!(tag.canonical(), ConditionKey::new("s3:ExistingObjectTag/team/A").canonical());
    }

    #[test]
    fn tag_keys_need_a_name_and_others_take_none() {
        assert_eq!(ConditionKey::new("s3:ExistingObjectTag").known(), None);
        assert_eq!(ConditionKey::new("aws:SourceIp/x").known(), None);
    }
}
