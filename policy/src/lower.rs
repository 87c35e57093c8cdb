//! Bucket permissions, lowered to policies.
//!
//! A bucket permission is sugar: nothing but policies is ever judged. What the three choices allow is what Lyve Cloud's
//! table of supported calls says, row by row, each call as the actions it asks for.

use crate::parse::{Level, ParseOptions, parse};
use crate::policy::{Policy, PolicyKind};

/// The buckets that a bucket permission is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketScope<'a> {
    /// One or more buckets, by name.
    Names(&'a [&'a str]),
    /// All buckets whose names begin with this prefix, also those created later.
    Prefix(&'a str),
    /// All buckets of the account, also those created later.
    All,
}

/// What a bucket permission allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketActions {
    /// Everything on buckets and objects but handing out access.
    AllOperations,
    /// Listing and reading.
    ReadOnly,
    /// Writing objects without reading them back.
    WriteOnly,
}

/// Why a bucket permission can't be lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LowerError {
    /// No bucket is named.
    NoBuckets,
    /// More than [`BUCKET_NAMES_MAX`] buckets are named.
    TooManyBuckets,
    /// No bucket can have this name.
    BucketName(String),
    /// No bucket's name can begin with this prefix of 1 to 64 characters.
    Prefix(String),
}

/// Most buckets that one permission can name.
pub const BUCKET_NAMES_MAX: usize = 1_000;
/// Longest prefix of bucket names, in characters.
pub const BUCKET_PREFIX_CHARACTERS_MAX: usize = 64;

/// Actions that hand out access, which only a policy permission gives, and the one that is asked on no bucket.
const NOT_ALL_OPERATIONS: [&str; 7] = [
    "s3:BypassGovernanceRetention",
    "s3:DeleteBucketPolicy",
    "s3:ListAllMyBuckets",
    "s3:Put*Acl",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
];

const READ_ONLY: [&str; 3] = ["s3:Get*", "s3:ListBucket", "s3:ListBucketVersions"];

const WRITE_ONLY: [&str; 8] = [
    "s3:AbortMultipartUpload",
    "s3:GetBucketLocation",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
    "s3:PutBucketTagging",
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
];

/// Lowers a bucket permission to an identity policy; [`Policy::source`] is the document, ready to be printed.
///
/// # Errors
///
/// A name or prefix that no bucket can have, or too many names.
pub fn lower(scope: BucketScope<'_>, actions: BucketActions) -> Result<Policy, LowerError> {
    let resources: Vec<String> = match scope {
        BucketScope::Names([]) => return Err(LowerError::NoBuckets),
        BucketScope::Names(names) if names.len() > BUCKET_NAMES_MAX => return Err(LowerError::TooManyBuckets),
        BucketScope::Names(names) => {
            if let Some(wrong) = names.iter().find(|name| !(3..=63).contains(&name.len()) || !is_bucket_text(name)) {
                return Err(LowerError::BucketName((*wrong).to_owned()));
            }
            let arns = |name: &&str| [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")];
            names.iter().flat_map(arns).collect()
        }
        BucketScope::Prefix(prefix) => {
            if prefix.is_empty() || prefix.len() > BUCKET_PREFIX_CHARACTERS_MAX || !is_bucket_text(prefix) {
                return Err(LowerError::Prefix(prefix.to_owned()));
            }
            vec![format!("arn:aws:s3:::{prefix}*")]
        }
        BucketScope::All => vec!["arn:aws:s3:::*".to_owned()],
    };
    let (element, names): (&str, Vec<&str>) = match actions {
        BucketActions::ReadOnly => ("Action", READ_ONLY.to_vec()),
        BucketActions::WriteOnly => ("Action", WRITE_ONLY.to_vec()),
        BucketActions::AllOperations => {
            let mut excluded = NOT_ALL_OPERATIONS.to_vec();
            if scope != BucketScope::All {
                excluded.insert(1, "s3:CreateBucket");
            }
            ("NotAction", excluded)
        }
    };
    let sid = match actions {
        BucketActions::AllOperations => "AllOperations",
        BucketActions::ReadOnly => "ReadOnly",
        BucketActions::WriteOnly => "WriteOnly",
    };
    let source = format!(
        "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {{\n      \"Sid\": \"{sid}\",\n      \"Effect\": \"Allow\",\n      \
         \"{element}\": {},\n      \"Resource\": {}\n    }}\n  ]\n}}\n",
        json_list(&names),
        json_list(&resources)
    );
    // Long lists of buckets may be larger than a stored document; the limit on their number is the limit here.
    let options = ParseOptions { level: Level::Grammar, ..ParseOptions::grammar(PolicyKind::Identity) };
    parse(source.as_bytes(), options).map_err(|_| LowerError::TooManyBuckets)
}

/// What the permission allows, in one sentence for people.
pub fn describe(scope: BucketScope<'_>, actions: BucketActions) -> String {
    let what = match actions {
        BucketActions::AllOperations => "all operations",
        BucketActions::ReadOnly => "listing and reading",
        BucketActions::WriteOnly => "writing objects, without reading them back,",
    };
    let place = match scope {
        BucketScope::Names([one]) => format!("the bucket {one} and its objects"),
        BucketScope::Names(names) if names.len() <= 5 => format!("the buckets {} and their objects", names.join(", ")),
        BucketScope::Names(names) => format!("{} buckets and their objects", names.len()),
        BucketScope::Prefix(prefix) => {
            format!("all current and future buckets whose names begin with {prefix} and their objects")
        }
        BucketScope::All => "all current and future buckets of the account and their objects".to_owned(),
    };
    format!("Allows {what} in {place}.")
}

fn is_bucket_text(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
}

/// Names here need no escapes: they are of letters, digits and a few signs.
fn json_list<T: AsRef<str>>(items: &[T]) -> String {
    let lines: Vec<String> = items.iter().map(|item| format!("        \"{}\"", item.as_ref())).collect();
    format!("[\n{}\n      ]", lines.join(",\n"))
}

impl std::fmt::Display for LowerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LowerError::NoBuckets => f.write_str("name at least one bucket"),
            LowerError::TooManyBuckets => write!(f, "at most {BUCKET_NAMES_MAX} buckets can be named; use a prefix"),
            LowerError::BucketName(name) => write!(f, "{name:?} is not the name of a bucket"),
            LowerError::Prefix(prefix) => {
                write!(
                    f,
                    "{prefix:?} is not what a bucket's name can begin with (1 to {BUCKET_PREFIX_CHARACTERS_MAX} characters)"
                )
            }
        }
    }
}

impl std::error::Error for LowerError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, ResourceType};
    use crate::decide::{AttachedPolicy, decide};
    use crate::request::{Principal, Request, Resource};
    use crate::value::EmptyContext;

    const A: &str = "123456789012";

    /// Whether the permission allows the action on bucket `name` (or an object in it).
    fn allows(policy: &Policy, action: Action, bucket: &str) -> bool {
        let resource = match action.resource_type() {
            ResourceType::Object => Resource::Object { account: A, bucket, key: "k" },
            ResourceType::Service => Resource::Service { account: A },
            ResourceType::Bucket | ResourceType::Elsewhere => Resource::Bucket { account: A, bucket },
        };
        let principal = Principal::User { account: A, name: "u", arn: "arn:aws:iam::123456789012:user/u" };
        let request = Request { principal, action, resource, context: &EmptyContext, canonical_user: None };
        decide([AttachedPolicy::new(policy, "p")], &request).is_allowed()
    }

    /// Lyve Cloud's table: the call, the actions it asks for, and whether each kind of permission allows it (all operations
    /// on named buckets, all operations on all buckets, read only, write only).
    #[rustfmt::skip]
    const ROWS: [(&str, &[Action], [bool; 4]); 32] = [
        ("CreateBucket", &[Action::CreateBucket], [false, true, false, false]),
        ("DeleteBucket", &[Action::DeleteBucket], [true, true, false, false]),
        ("GetBucketLocation", &[Action::GetBucketLocation], [true, true, true, true]),
        ("GetBucketReplication", &[Action::GetReplicationConfiguration], [true, true, true, false]),
        ("HeadBucket", &[Action::ListBucket], [true, true, true, false]),
        ("ListBucket", &[Action::ListBucket], [true, true, true, false]),
        ("GetObjectLockConfiguration", &[Action::GetBucketObjectLockConfiguration], [true, true, true, false]),
        ("PutObjectLockConfiguration", &[Action::PutBucketObjectLockConfiguration], [true, true, false, false]),
        ("CopyObject", &[Action::PutObject], [true, true, false, true]),
        ("DeleteObject", &[Action::DeleteObject, Action::DeleteObjectVersion], [true, true, false, false]),
        ("DeleteObjects", &[Action::DeleteObject, Action::DeleteObjectVersion], [true, true, false, false]),
        ("GetObject", &[Action::GetObject, Action::GetObjectVersion], [true, true, true, false]),
        ("GetObjectRetention", &[Action::GetObjectRetention], [true, true, true, false]),
        ("HeadObject", &[Action::GetObject, Action::GetObjectVersion], [true, true, true, false]),
        ("ListObjects", &[Action::ListBucket], [true, true, true, false]),
        ("ListObjectsV2", &[Action::ListBucket], [true, true, true, false]),
        ("ListObjectVersions", &[Action::ListBucketVersions], [true, true, true, false]),
        ("PutObject", &[Action::PutObject], [true, true, false, true]),
        ("PutObjectRetention", &[Action::PutObjectRetention], [true, true, false, false]),
        ("SelectObjectContent", &[Action::GetObject], [true, true, true, false]),
        ("AbortMultipartUpload", &[Action::AbortMultipartUpload], [true, true, false, true]),
        ("CreateMultipartUpload", &[Action::PutObject], [true, true, false, true]),
        ("CompleteMultipartUpload", &[Action::PutObject], [true, true, false, true]),
        ("ListMultipartUploads", &[Action::ListBucketMultipartUploads], [true, true, false, true]),
        ("ListParts", &[Action::ListMultipartUploadParts], [true, true, false, true]),
        ("UploadPart", &[Action::PutObject], [true, true, false, true]),
        ("UploadPartCopy", &[Action::PutObject], [true, true, false, true]),
        // The table has no DeleteBucketTagging for write only. The call asks for the action of PutBucketTagging, which the
        // table has, so the two can't be told apart; that is how S3 defines it.
        ("DeleteBucketTagging", &[Action::PutBucketTagging], [true, true, false, true]),
        ("GetBucketTagging", &[Action::GetBucketTagging], [true, true, true, false]),
        ("GetObjectTagging", &[Action::GetObjectTagging, Action::GetObjectVersionTagging], [true, true, true, false]),
        ("PutBucketTagging", &[Action::PutBucketTagging], [true, true, false, true]),
        ("PutObjectTagging", &[Action::PutObjectTagging, Action::PutObjectVersionTagging], [true, true, false, true]),
    ];

    #[test]
    fn every_row_of_the_table_holds() {
        let names = BucketScope::Names(&["bucket"]);
        let policies = [
            lower(names, BucketActions::AllOperations).unwrap(),
            lower(BucketScope::All, BucketActions::AllOperations).unwrap(),
            lower(names, BucketActions::ReadOnly).unwrap(),
            lower(names, BucketActions::WriteOnly).unwrap(),
        ];
        for (call, actions, expected) in ROWS {
            for (policy, expected) in policies.iter().zip(expected) {
                for action in actions {
                    assert_eq!(allows(policy, *action, "bucket"), expected, "{call} {action}\n{}", policy.source());
                }
            }
        }
    }

    #[test]
    fn all_operations_is_everything_but_handing_out_access() {
        let named = lower(BucketScope::Names(&["bucket"]), BucketActions::AllOperations).unwrap();
        let all = lower(BucketScope::All, BucketActions::AllOperations).unwrap();
        let excluded = [
            Action::PutBucketPolicy,
            Action::DeleteBucketPolicy,
            Action::PutBucketAcl,
            Action::PutObjectAcl,
            Action::PutObjectVersionAcl,
            Action::PutBucketPublicAccessBlock,
            Action::PutBucketOwnershipControls,
            Action::BypassGovernanceRetention,
        ];
        for action in Action::all().filter(|action| action.name().starts_with("s3:")) {
            let on_bucket = matches!(action.resource_type(), ResourceType::Bucket | ResourceType::Object);
            if on_bucket {
                let expected = !excluded.contains(&action);
                assert_eq!(allows(&named, action, "bucket"), expected && action != Action::CreateBucket, "{action}");
                assert_eq!(allows(&all, action, "any"), expected, "{action}");
            }
            assert!(!allows(&named, action, "other"), "{action}");
        }
        assert!(!allows(&all, Action::ListAllMyBuckets, "any"));
        assert!(!allows(&all, Action::StrongroomCreateUser, "any"));
    }

    #[test]
    fn write_only_never_reads_and_read_only_never_writes() {
        let write = lower(BucketScope::All, BucketActions::WriteOnly).unwrap();
        let read = lower(BucketScope::All, BucketActions::ReadOnly).unwrap();
        let writes: Vec<_> = Action::all().filter(|action| allows(&write, *action, "b")).map(Action::name).collect();
        assert_eq!(writes, WRITE_ONLY);
        for action in Action::all().filter(|action| allows(&read, *action, "b")) {
            assert!(matches!(action.name().get(..6), Some("s3:Get" | "s3:Lis")), "{action}");
        }
        assert!(
            !allows(&read, Action::ListBucketMultipartUploads, "b")
                && !allows(&read, Action::ListMultipartUploadParts, "b")
        );
    }

    #[test]
    fn a_prefix_covers_names_that_begin_with_it() {
        let policy = lower(BucketScope::Prefix("customer01"), BucketActions::ReadOnly).unwrap();
        for bucket in ["customer01", "customer01zipdata", "customer01-media"] {
            assert!(allows(&policy, Action::GetObject, bucket) && allows(&policy, Action::ListBucket, bucket));
        }
        assert!(!allows(&policy, Action::GetObject, "customer02") && !allows(&policy, Action::ListBucket, "customer0"));
    }

    #[test]
    fn names_that_no_bucket_has_are_refused() {
        for name in ["", "ab", "Bucket", "a*b", "bucket/", "${aws:username}", "-bucket", &"b".repeat(64)] {
            assert_eq!(
                lower(BucketScope::Names(&[name]), BucketActions::ReadOnly).unwrap_err(),
                LowerError::BucketName(name.into())
            );
        }
        assert_eq!(lower(BucketScope::Names(&[]), BucketActions::ReadOnly).unwrap_err(), LowerError::NoBuckets);
        for prefix in ["", "*", "A", &"a".repeat(65)] {
            assert!(matches!(lower(BucketScope::Prefix(prefix), BucketActions::ReadOnly), Err(LowerError::Prefix(_))));
        }
        assert!(lower(BucketScope::Names(&vec!["bucket"; BUCKET_NAMES_MAX]), BucketActions::ReadOnly).is_ok());
        assert!(lower(BucketScope::Names(&vec!["bucket"; BUCKET_NAMES_MAX + 1]), BucketActions::ReadOnly).is_err());
    }
}
