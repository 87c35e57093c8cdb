//! A request as a decision sees it: who asks for which action on what, and in which context.
//!
//! Everything is borrowed, so that a server builds one per check without allocating.

use crate::action::Action;
use crate::value::Context;

/// The caller, after authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal<'a> {
    /// No credentials were sent.
    Anonymous,
    /// The root of an account.
    Root {
        /// 12-digit account id.
        account: &'a str,
    },
    /// A user; a service account is one.
    User {
        /// 12-digit account id.
        account: &'a str,
        /// The name, as in `aws:username`.
        name: &'a str,
        /// `arn:aws:iam::<account>:user/<name>`
        arn: &'a str,
    },
    /// A session of a role.
    Session {
        /// 12-digit account id.
        account: &'a str,
        /// `arn:aws:iam::<account>:role/<role>`; empty for sessions without a role.
        role_arn: &'a str,
        /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`
        session_arn: &'a str,
    },
}

impl<'a> Principal<'a> {
    /// The account of the caller, `None` for anonymous ones.
    pub fn account(&self) -> Option<&'a str> {
        match self {
            Principal::Anonymous => None,
            Principal::Root { account } | Principal::User { account, .. } | Principal::Session { account, .. } => {
                Some(account)
            }
        }
    }
}

impl std::fmt::Display for Principal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Principal::Anonymous => f.write_str("anonymous"),
            Principal::Root { account } => write!(f, "arn:aws:iam::{account}:root"),
            Principal::User { arn, .. } => f.write_str(arn),
            Principal::Session { role_arn, session_arn: "", .. } => f.write_str(role_arn),
            Principal::Session { session_arn, .. } => f.write_str(session_arn),
        }
    }
}

/// What an action is asked on. Names and keys are taken byte for byte; nothing is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The service itself, `arn:aws:s3:::*`: ListBuckets and the console's actions.
    Service {
        /// The account whose service is asked; the caller's own.
        account: &'a str,
    },
    /// `arn:aws:s3:::BUCKET`
    Bucket {
        /// The account that owns the bucket.
        account: &'a str,
        /// The bucket's name.
        bucket: &'a str,
    },
    /// `arn:aws:s3:::BUCKET/KEY`
    Object {
        /// The account that owns the bucket.
        account: &'a str,
        /// The bucket's name.
        bucket: &'a str,
        /// The object's key.
        key: &'a str,
    },
    /// A resource of another service or kind, which only documents and simulations name.
    Arn {
        /// The account that owns it.
        account: &'a str,
        /// The whole name.
        arn: &'a str,
    },
}

impl<'a> Resource<'a> {
    /// The account that owns the resource.
    pub fn account(&self) -> &'a str {
        match self {
            Resource::Service { account }
            | Resource::Bucket { account, .. }
            | Resource::Object { account, .. }
            | Resource::Arn { account, .. } => account,
        }
    }

    /// Reads an ARN: S3's own become [`Resource::Service`], `Bucket` or `Object`, all others stay as they are.
    pub fn from_arn(arn: &'a str, account: &'a str) -> Resource<'a> {
        match arn.strip_prefix("arn:aws:s3:::") {
            Some("*") => Resource::Service { account },
            Some(tail) => match tail.split_once('/') {
                Some((bucket, key)) => Resource::Object { account, bucket, key },
                None => Resource::Bucket { account, bucket: tail },
            },
            None => Resource::Arn { account, arn },
        }
    }
}

impl std::fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Resource::Service { .. } => f.write_str("arn:aws:s3:::*"),
            Resource::Bucket { bucket, .. } => write!(f, "arn:aws:s3:::{bucket}"),
            Resource::Object { bucket, key, .. } => write!(f, "arn:aws:s3:::{bucket}/{key}"),
            Resource::Arn { arn, .. } => f.write_str(arn),
        }
    }
}

/// One question to [`decide`](crate::decide()).
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: Principal<'a>,
    /// For which action.
    pub action: Action,
    /// On what.
    pub resource: Resource<'a>,
    /// Under which circumstances.
    pub context: &'a dyn Context,
    /// The canonical user id of the caller's account, for policies that name one; `None` where it isn't known.
    pub canonical_user: Option<&'a str>,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} asks for {} on {}", self.principal, self.action, self.resource)
    }
}
