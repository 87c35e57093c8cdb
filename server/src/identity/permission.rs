//! Permissions: named, reusable grants that service accounts are given.
//!
//! Three types speak of buckets and one of three action sets, the fourth is a policy file. All four end as one policy document; this module knows what was written, [`compiled`](super::compiled) what it means.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::name::{AccountId, Id, Invalid, PermissionName, check_description};
use super::summary;
use crate::bucket_name;

/// How many buckets one permission may name.
pub const BUCKETS_PER_PERMISSION_MAX: usize = 1_000;
/// The largest policy file, in bytes, white space included. The policy crate counts again without it.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;
/// The longest bucket prefix, in characters.
pub const PREFIX_CHARACTERS_MAX: usize = 64;

/// A named grant of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Stable and random; service accounts refer to it.
    pub id: Id,
    /// The account that it belongs to.
    pub account_id: AccountId,
    /// Unique in its account, and free again after deletion.
    pub name: PermissionName,
    /// What its author wrote about it; see [`Permission::description_or_summary`].
    pub description: Option<String>,
    /// What it grants and denies.
    pub definition: Definition,
    /// A disabled permission grants nothing; its Denies stay.
    pub enabled: bool,
    /// Counts the versions of the permission from 1. Set where a change is made, whatever the caller puts here.
    pub revision: u32,
    /// Who made it: an ARN, or what else named its author, such as the state file that declared it; `None` for what was stored before this was kept. Set where it is made, whatever the caller puts here.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a permission grants and denies, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// One of three action sets on all objects of some buckets.
    Bucket {
        /// The buckets.
        scope: Scope,
        /// The action set.
        actions: Actions,
    },
    /// A policy file.
    Policy {
        /// The rules by which it is read.
        dialect: Dialect,
        /// The file, byte for byte.
        text: Arc<str>,
    },
}

/// The buckets of a bucket permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// These buckets, at least one.
    Names(Vec<String>),
    /// All buckets whose name begins so, current and future ones.
    Prefix(String),
    /// All buckets of the account, current and future ones.
    All,
}

/// The action set of a bucket permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actions {
    /// Everything but handing out access.
    AllOperations,
    /// Lists and gets.
    ReadOnly,
    /// Puts, without gets.
    WriteOnly,
}

impl Actions {
    /// All action sets.
    pub const ALL: [Actions; 3] = [Actions::AllOperations, Actions::ReadOnly, Actions::WriteOnly];

    /// Its name in rows, state files and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Actions::AllOperations => "all-operations",
            Actions::ReadOnly => "read-only",
            Actions::WriteOnly => "write-only",
        }
    }

    /// Reads [`Actions::as_str`]'s text.
    ///
    /// # Errors
    /// It is another text.
    pub fn parse(text: &str) -> Result<Actions, Invalid> {
        let actions = Actions::ALL.into_iter().find(|actions| actions.as_str() == text);
        actions.ok_or_else(|| Invalid::new("actions", "must be all-operations, read-only or write-only"))
    }
}

/// The rules by which a policy file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Lyve Cloud's permission files: the default of an imported file.
    #[default]
    Lyve,
    /// AWS's identity policies.
    Aws,
}

impl Dialect {
    /// Its name in rows, state files and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Lyve => "lyve",
            Dialect::Aws => "aws",
        }
    }

    /// Reads [`Dialect::as_str`]'s text.
    ///
    /// # Errors
    /// It is another text.
    pub fn parse(text: &str) -> Result<Dialect, Invalid> {
        let dialect = [Dialect::Lyve, Dialect::Aws].into_iter().find(|dialect| dialect.as_str() == text);
        dialect.ok_or_else(|| Invalid::new("dialect", "must be lyve or aws"))
    }
}

impl Permission {
    /// Checks what types don't. The policy itself is checked where it is compiled.
    ///
    /// # Errors
    /// The first field that breaks its rule.
    pub fn check(&self) -> Result<(), Invalid> {
        self.description.as_deref().map_or(Ok(()), check_description)?;
        self.definition.check()
    }

    /// The description, or where there is none a summary of the definition in plain words.
    pub fn description_or_summary(&self) -> String {
        self.description.clone().unwrap_or_else(|| self.definition.in_plain_words())
    }
}

impl Definition {
    /// What it grants and denies, in at most as many characters as a description may have.
    pub fn in_plain_words(&self) -> String {
        summary::summary(self)
    }

    /// The buckets that it names; none where it is about others.
    pub fn buckets(&self) -> &[String] {
        match self {
            Definition::Bucket { scope: Scope::Names(names), .. } => names,
            _ => &[],
        }
    }

    /// The name of its type in rows, state files and the API: `bucket-names`, `bucket-prefix`, `all-buckets` or `policy`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Definition::Bucket { scope: Scope::Names(_), .. } => "bucket-names",
            Definition::Bucket { scope: Scope::Prefix(_), .. } => "bucket-prefix",
            Definition::Bucket { scope: Scope::All, .. } => "all-buckets",
            Definition::Policy { .. } => "policy",
        }
    }

    /// Checks limits and the form of bucket names; whether the buckets exist is the caller's to say.
    ///
    /// # Errors
    /// The first field that breaks its rule.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Definition::Bucket { scope: Scope::Names(buckets), .. } => check_buckets(buckets),
            Definition::Bucket { scope: Scope::Prefix(prefix), .. } => check_prefix(prefix),
            Definition::Bucket { scope: Scope::All, .. } => Ok(()),
            Definition::Policy { text, .. } if text.len() > POLICY_BYTES_MAX => {
                Err(Invalid::new("policy", format!("is larger than {POLICY_BYTES_MAX} bytes")))
            }
            Definition::Policy { .. } => Ok(()),
        }
    }
}

/// A definition as rows, state files and the API write it: flat, with the fields of all types.
#[derive(Clone, Debug, Default)]
pub struct DefinitionFields<'a> {
    /// `type`.
    pub type_name: &'a str,
    /// `actions`.
    pub actions: Option<&'a str>,
    /// `buckets`.
    pub buckets: Option<Vec<String>>,
    /// `prefix`.
    pub prefix: Option<&'a str>,
    /// `dialect`.
    pub dialect: Option<&'a str>,
    /// `policy`: the file's text.
    pub policy: Option<&'a str>,
}

impl DefinitionFields<'_> {
    /// The definition that the fields make. A field that belongs to another type is refused rather than ignored, since its author meant something by it.
    ///
    /// # Errors
    /// The first field that is missing, misplaced or breaks its rule.
    pub fn into_definition(self) -> Result<Definition, Invalid> {
        let type_name = match self.type_name {
            "bucket-names" | "bucket-prefix" | "all-buckets" | "policy" => self.type_name.to_owned(),
            _ => return Err(Invalid::new("type", "must be bucket-names, bucket-prefix, all-buckets or policy")),
        };
        let belongs = |field: &'static str, present: bool, wanted: bool| match (present, wanted) {
            (true, false) => Err(Invalid::new(field, format!("doesn't belong to a permission of type {type_name}"))),
            (false, true) => Err(Invalid::new(field, format!("is missing, and type {type_name} needs it"))),
            _ => Ok(()),
        };
        let policy = type_name == "policy";
        belongs("actions", self.actions.is_some(), !policy)?;
        belongs("buckets", self.buckets.is_some(), type_name == "bucket-names")?;
        belongs("prefix", self.prefix.is_some(), type_name == "bucket-prefix")?;
        belongs("policy", self.policy.is_some(), policy)?;
        belongs("dialect", self.dialect.is_some(), policy && self.dialect.is_some())?;
        let definition = if policy {
            let dialect = self.dialect.map_or(Ok(Dialect::default()), Dialect::parse)?;
            Definition::Policy { dialect, text: self.policy.unwrap_or_default().into() }
        } else {
            let scope = match type_name.as_str() {
                "bucket-names" => Scope::Names(self.buckets.unwrap_or_default()),
                "bucket-prefix" => Scope::Prefix(self.prefix.unwrap_or_default().to_owned()),
                _ => Scope::All,
            };
            Definition::Bucket { scope, actions: Actions::parse(self.actions.unwrap_or_default())? }
        };
        definition.check()?;
        Ok(definition)
    }
}

/// Checks the shape of a bucket name: 3 to 63 lower-case letters, digits, `.` and `-`, beginning and ending with a letter or digit. What else S3 asks of a name is asked where buckets are made.
///
/// # Errors
/// The rule that it breaks.
pub fn check_bucket_name(field: &'static str, name: &str) -> Result<(), Invalid> {
    let edges = name.bytes().next().zip(name.bytes().last());
    let edges = edges.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric());
    if (3..=63).contains(&name.len()) && edges && name.bytes().all(bucket_character) {
        return Ok(());
    }
    Err(Invalid::new(
        field,
        format!("names {name:?}, which no bucket can be called: 3 to 63 lower-case letters, digits, . and -"),
    ))
}

fn check_buckets(buckets: &[String]) -> Result<(), Invalid> {
    if buckets.is_empty() {
        return Err(Invalid::new("buckets", "is empty: name at least one bucket"));
    }
    if buckets.len() > BUCKETS_PER_PERMISSION_MAX {
        return Err(Invalid::new("buckets", format!("has more than {BUCKETS_PER_PERMISSION_MAX} entries")));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = buckets.iter().find(|name| !names.insert(name.as_str())) {
        return Err(Invalid::new("buckets", format!("names {twice:?} twice")));
    }
    buckets.iter().try_for_each(|bucket| check_bucket_name("buckets", bucket))
}

fn check_prefix(prefix: &str) -> Result<(), Invalid> {
    if !(1..=PREFIX_CHARACTERS_MAX).contains(&prefix.len()) {
        return Err(Invalid::new("prefix", "must have 1 to 64 characters"));
    }
    let first = prefix.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !first || bucket_name::begins_none(prefix) || !prefix.bytes().all(bucket_character) {
        return Err(Invalid::new(
            "prefix",
            "must be what a bucket name can begin with: lower-case letters, digits, . and -",
        ));
    }
    Ok(())
}

fn bucket_character(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(scope: Scope) -> Definition {
        Definition::Bucket { scope, actions: Actions::ReadOnly }
    }

    #[test]
    fn prefix_has_1_to_64_characters_that_a_bucket_name_can_start_with() {
        for good in ["a", "customer01", &"p".repeat(64), "a.b-"] {
            assert_eq!(bucket(Scope::Prefix(good.into())).check(), Ok(()), "{good}");
        }
        for bad in ["", &"p".repeat(65), "A", "-a", ".a", "a_b", "a*", "a/b", "ä"] {
            assert!(bucket(Scope::Prefix(bad.into())).check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bucket_names_are_at_least_one_and_well_formed() {
        assert_eq!(bucket(Scope::Names(vec!["datalake".into()])).check(), Ok(()));
        let many = vec!["datalake".to_owned(); BUCKETS_PER_PERMISSION_MAX + 1];
        for bad in [vec![], vec!["*".into()], vec!["Data".into()], vec!["ab".into()], many] {
            assert!(bucket(Scope::Names(bad)).check().is_err());
        }
    }

    #[test]
    fn field_of_another_type_is_refused_and_a_missing_one_is_named() {
        let fields = DefinitionFields { type_name: "bucket-names", actions: Some("read-only"), ..Default::default() };
        let buckets = Some(vec!["datalake".to_owned()]);
        let whole = DefinitionFields { buckets: buckets.clone(), ..fields.clone() };
        assert_eq!(whole.clone().into_definition(), Ok(bucket(Scope::Names(vec!["datalake".into()]))));
        assert_eq!(fields.into_definition().unwrap_err().field, "buckets");
        let misplaced = DefinitionFields { prefix: Some("d"), ..whole.clone() };
        assert_eq!(misplaced.into_definition().unwrap_err().field, "prefix");
        let misplaced = DefinitionFields { dialect: Some("aws"), ..whole.clone() };
        assert_eq!(misplaced.into_definition().unwrap_err().field, "dialect");
        assert_eq!(DefinitionFields { type_name: "bucket", ..whole }.into_definition().unwrap_err().field, "type");
    }

    #[test]
    fn policy_text_is_limited() {
        let policy = |length| Definition::Policy { dialect: Dialect::Lyve, text: " ".repeat(length).into() };
        assert_eq!(policy(POLICY_BYTES_MAX).check(), Ok(()));
        assert!(policy(POLICY_BYTES_MAX + 1).check().is_err());
    }
}
