//! The names and values of random policies and requests: few, so that they meet, and close to each other.

pub(crate) const CANONICAL: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";

pub(crate) const PRINCIPALS: &[&str] = &[
    "arn:aws:iam::123456789012:user/alice",
    "arn:aws:iam::123456789012:user/alice",
    "arn:aws:iam::123456789012:user/alice",
    "arn:aws:iam::123456789012:user/*",
    "arn:aws:iam::123456789012:user/team/a",
    "arn:aws:iam::999999999999:user/alice",
    "arn:aws:iam::999999999999:user/alice",
    "arn:aws:iam::123456789012:root",
    "arn:aws:iam::999999999999:root",
    "arn:aws:sts::123456789012:assumed-role/role/alice",
    "arn:aws:sts::123456789012:assumed-role/role/alice",
    "arn:aws:sts::999999999999:assumed-role/role/a",
    "arn:aws:iam::123456789012:role/role",
    "arn:aws:sts::123456789012:federated-user/alice",
    "anonymous",
    "anonymous",
];

/// What a policy may name as a principal beside the principals above.
pub(crate) const NAMES: &[&str] = &[
    "*",
    "123456789012",
    "arn:aws:iam::123456789012:root",
    "999999999999",
    "arn:aws:iam::999999999999:root",
    "arn:aws:iam::123456789012:role/role",
    "arn:aws:iam::999999999999:role/role",
    "arn:aws:iam::123456789012:user/ALICE",
    "arn:aws:iam::123456789012:user/alice",
];

#[rustfmt::skip]
pub(crate) const ACTIONS: &[&str] = &[
    "s3:GetObject", "s3:GetObject", "s3:GetObject", "s3:PutObject", "s3:PutObject", "s3:GetObjectVersion", "s3:GetObjectTagging",
    "s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy",
    "s3:ListAllMyBuckets", "s3:DeleteObject", "strongroom:ListPermissions", "strongroom:ListPermissions", "ec2:RunInstances",
];

#[rustfmt::skip]
pub(crate) const ACTION_PATTERNS: &[&str] = &[
    "*", "s3:*", "S3:*", "s3:Get*", "s3:get*", "s3:*Object", "s3:?etObject", "s3:G*t*O*t", "*:*", "*:GetObject", "s?:PutObject",
    "s3:PUTOBJECT", "s3:List*", "s3:*Bucket*", "s3:*Policy", "s3:GetObject?*", "s3:GetObject*", "s3:????????????", "ec2:*",
    "s3:Delete*", "strongroom:*", "STRONGROOM:list*", "strongroom:Get*", "strongroom:GetPermission", "strong*:*", "s*:List*", "**", "EC2:run*",
];

#[rustfmt::skip]
pub(crate) const RESOURCES: &[&str] = &[
    "arn:aws:s3:::b", "arn:aws:s3:::b", "arn:aws:s3:::bb", "arn:aws:s3:::b/a", "arn:aws:s3:::b/a", "arn:aws:s3:::b/aab",
    "arn:aws:s3:::b/abab", "arn:aws:s3:::b/alice/a", "arn:aws:s3:::b/alice/a", "arn:aws:s3:::b/Alice/a", "arn:aws:s3:::b/*/a",
    "arn:aws:s3:::b/a/../a", "arn:aws:s3:::b/a//\u{e9}\n\u{1f600}", "arn:aws:s3:::b/${aws:username}/a", "arn:aws:s3:::bb/a",
    "arn:aws:s3:::bb/a:b", "arn:aws:s3:::*", "arn:aws:s3:::b/",
];

#[rustfmt::skip]
pub(crate) const RESOURCE_PATTERNS: &[&str] = &[
    "*", "arn:aws:s3:::*", "arn:aws:s3:::b", "arn:aws:s3:::b*", "arn:aws:s3:::b/*", "arn:aws:s3:::b?", "arn:aws:s3:::b?a*",
    "arn:aws:s3:::*/a", "arn:aws:s3:::*/*", "arn:aws:s3:::b/a*b", "arn:aws:s3:::b/*a*b*", "arn:aws:s3:::b/?", "arn:aws:s3:::b/??b",
    "arn:aws:s3:::b/alice/*", "arn:*:s3:::b/*", "arn:aws:*:*:*:b/*", "arn:aws:s3:*", "arn:*", "arn:aws:s3::*/a", "arn:*:b/${aws:username}/*", "arn:aws:s3:::b/${aws:username}/*",
    "arn:aws:s3:::b/${AWS:UserName}/a", "arn:aws:s3:::${s3:prefix}/*", "arn:aws:s3:::b/${s3:ExistingObjectTag/team}*",
    "arn:aws:s3:::b/${aws:PrincipalTag/team, 'alice'}/*", "arn:aws:s3:::b/${*}/a", "arn:aws:s3:::b/${aws:TagKeys}",
    "arn:aws:s3:::b/${$}{aws:username}/?", "arn:aws:s3:::*${aws:username}*", "arn:aws:s3:::b/${aws:username}${s3:prefix, ''}/a",
];

/// The types of values, each with the keys that carry them and the texts that they take. Some are of no type at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Text,
    Number,
    Date,
    Boolean,
    Binary,
    Address,
    Arn,
}

/// Every family, the texts twice.
pub(crate) const FAMILIES: [Family; 8] = [
    Family::Text,
    Family::Text,
    Family::Number,
    Family::Date,
    Family::Boolean,
    Family::Binary,
    Family::Address,
    Family::Arn,
];

#[rustfmt::skip]
impl Family {
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            Family::Text => &[
                "aws:username", "s3:prefix", "s3:ExistingObjectTag/team", "s3:ExistingObjectTag/Team", "aws:PrincipalTag/team",
                "aws:TagKeys", "s3:RequestObjectTagKeys", "aws:UserAgent",
            ],
            Family::Number => &["s3:max-keys", "s3:signatureAge"],
            Family::Date => &["aws:CurrentTime", "aws:EpochTime", "s3:object-lock-retain-until-date"],
            Family::Boolean => &["aws:SecureTransport", "s3:ObjectCreationOperation"],
            Family::Binary => &["aws:PrincipalTag/blob", "aws:referer"],
            Family::Address => &["aws:SourceIp"],
            Family::Arn => &["aws:PrincipalArn", "s3:x-amz-server-side-encryption-aws-kms-key-id"],
        }
    }

    pub(crate) fn operators(self) -> &'static [&'static str] {
        match self {
            Family::Text => &[
                "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringLike",
                "StringNotLike", "StringNotLike",
            ],
            Family::Number => &[
                "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
                "NumericGreaterThanEquals",
            ],
            Family::Date => &[
                "DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
            ],
            Family::Boolean => &["Bool"],
            Family::Binary => &["BinaryEquals"],
            Family::Address => &["IpAddress", "NotIpAddress"],
            Family::Arn => &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
        }
    }

    /// Values of requests and policies alike.
    pub(crate) fn values(self) -> &'static [&'static str] {
        match self {
            Family::Text => &[
                "", "a", "A", "ab", "aab", "abab", "alice", "Alice", "ALICE", "*", "?", "a*", "a/b", "\u{e9}", "\u{c9}",
                "${aws:username}", "b", "\u{3c3}", "\u{3a3}", "a\u{3c2}", "A\u{3a3}",
            ],
            Family::Number => &[
                "0", "-0", "1", "1.0", "01", "-1", "-1.00", "10", "9", "9.999", "10.0000000000000000000000000001", "1e2", "100", "0.1",
                "abc", "", "1.5", "9007199254740993", "9007199254740992", "1234567890123456789012345678901234567890", "-10", "-2", "-1.25", "10E-1",
            ],
            Family::Date => &[
                "2026", "2026-01", "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00Z", "2026-01-01T01:00:00+01:00", "1767225600",
                "1767225599", "2025-12-31T23:59:59Z", "2025-12-31T23:59:59.999Z", "2026-01-01T00:00:00.001Z", "2026-13-01",
                "2026-02-29", "2024-02-29", "soon", "", "0", "1970-01-01", "-1", "1969-12-31T23:59:59Z", "2025-12-31T19:00:00-05:00",
                "1767225600.5", "-100", "9.99", "2026-01-01T00:00:00", "2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.5Z", "2025-12-31T23:59:59.999Z",
                "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z",
            ],
            Family::Boolean => &["true", "false", "TRUE", "False", "yes", "", "1"],
            Family::Binary => &["QUJD", "QUI=", "QQ==", "QQ", "", "!!!!", "qujd", "QUJDRA=="],
            Family::Address => &[
                "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1", "::ffff:a00:1", "2001:db8::1", "2001:DB8:0::1", "::1", "10.1.2.3",
                "010.0.0.1", "nowhere", "", "0.0.0.0", "255.255.255.255", "10.0.0.0/8",
            ],
            Family::Arn => &[
                "arn:aws:iam::123456789012:user/alice", "arn:aws:iam::123456789012:user/*", "arn:aws:iam::999999999999:user/alice",
                "arn:aws:iam::123456789012:role/role", "arn:aws:iam::123456789012:user/a:b", "arn:aws:kms:us-east-1:123456789012:key/a",
                "arn:aws:iam:", "alice", "",
            ],
        }
    }

    /// Values that only policies have.
    pub(crate) fn patterns(self) -> &'static [&'static str] {
        match self {
            Family::Text => &[
                "*", "a*", "*b", "a*b", "?", "??", "*a*b*", "a?b", "${aws:username}", "${aws:username}*", "*${s3:prefix}", "${*}",
                "a${*}", "${?}", "${$}", "${aws:PrincipalTag/team}", "${aws:PrincipalTag/team, 'alice'}",
                "${s3:ExistingObjectTag/team,'a'}", "${aws:TagKeys}", "${s3:ExistingObjectTag/Team}", "${my:key}", "${my:key, '*'}",
                "?*?", "${aws:SecureTransport}", "*?b", "${s3:ExistingObjectTag/team}", "x${aws:PrincipalTag/team}",
            ],
            Family::Address => &[
                "10.0.0.0/8", "10.0.0.7/30", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::ffff/64", "::ffff:10.0.0.0/104",
                "10.0.0.1/32", "10.0.0.1/33", "10.0.0.0/31",
            ],
            Family::Arn => &[
                "*", "arn:aws:iam::123456789012:user/*", "arn:aws:iam::*:user/alice", "arn:*:*:*:*:*", "arn:aws:iam::*",
                "arn:aws:iam::??????789012:user/?????", "arn:aws:iam::123456789012:user/${aws:username}",
                "arn:aws:iam::123456789012:*b", "arn:aws:*:user/alice", "${aws:PrincipalArn}", "arn:aws:iam::${my:key}:user/alice",
            ],
            _ => self.values(),
        }
    }
}
