//! What a policy can be about at all, small enough to lie in place beside a reference to it.
//!
//! A caller may have many policies, of which few bear on a request. Finding that out from the policies themselves costs several
//! reads of distant memory for each; a list of scopes is read in a row.

use crate::action::{Action, ActionSet};
use crate::request::Resource;

/// The actions of a policy, and what the buckets and objects that it names begin with.
#[derive(Debug, Clone, Copy)]
pub struct PolicyScope {
    actions: ActionSet,
    start: Start,
}

/// What a request asks about, in the form that scopes compare.
#[derive(Debug, Clone, Copy)]
pub struct ScopeQuery {
    action: Action,
    /// `None` of resources that aren't S3's, which a scope says nothing about.
    start: Option<Start>,
}

impl PolicyScope {
    pub(crate) fn new(actions: ActionSet, start: Start) -> PolicyScope {
        PolicyScope { actions, start }
    }

    /// Whether the policy may have a statement on what is asked about. Without one it changes no decision.
    pub fn may_cover(&self, query: &ScopeQuery) -> bool {
        self.actions.contains(query.action) && query.start.is_none_or(|start| start.begins_with(&self.start))
    }
}

impl ScopeQuery {
    /// Asks about an action on a resource.
    pub fn new(action: Action, resource: &Resource<'_>) -> ScopeQuery {
        let start = match resource {
            Resource::Service { .. } => Some(Start::of(b"*")),
            Resource::Bucket { bucket, .. } => Some(Start::of(bucket.as_bytes())),
            Resource::Object { bucket, key, .. } => {
                Some(Start::collect(bucket.bytes().chain([b'/']).chain(key.bytes())))
            }
            Resource::Arn { .. } => None,
        };
        ScopeQuery { action, start }
    }
}

/// The first bytes of a text, as many as fit in place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Start {
    bytes: [u8; START_BYTES_MAX],
    length: u8,
}

/// With the actions and a reference it makes one cache line.
const START_BYTES_MAX: usize = 23;

impl Start {
    pub(crate) fn of(text: &[u8]) -> Start {
        Start::collect(text.iter().copied())
    }

    /// What two texts both begin with.
    pub(crate) fn common(left: &[u8], right: &[u8]) -> Start {
        Start::collect(left.iter().zip(right).take_while(|(left, right)| left == right).map(|(byte, _)| *byte))
    }

    fn collect(text: impl Iterator<Item = u8>) -> Start {
        let mut start = Start::default();
        for (slot, byte) in start.bytes.iter_mut().zip(text) {
            *slot = byte;
            start.length += 1;
        }
        start
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }

    fn begins_with(&self, other: &Start) -> bool {
        self.as_slice().starts_with(other.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseOptions, parse};
    use crate::policy::{Policy, PolicyKind};

    const ACCOUNT: &str = "123456789012";

    fn policy(action: &str, resources: &str) -> Policy {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "{action}", "Resource": {resources}}}}}"#
        );
        parse(document.as_bytes(), ParseOptions::grammar(PolicyKind::Identity)).unwrap()
    }

    fn covers(policy: &Policy, action: Action, arn: &str) -> bool {
        policy.scope().may_cover(&ScopeQuery::new(action, &Resource::from_arn(arn, ACCOUNT)))
    }

    #[test]
    fn a_scope_leaves_out_other_actions_buckets_and_prefixes() {
        let own = policy("s3:GetObject", r#"["arn:aws:s3:::lake/team-a/*", "arn:aws:s3:::lake/team-b/*"]"#);
        for inside in ["arn:aws:s3:::lake/team-a/x", "arn:aws:s3:::lake/team-c/x", "arn:aws:kms:::lake"] {
            assert!(covers(&own, Action::GetObject, inside), "{inside}");
        }
        for outside in ["arn:aws:s3:::lake", "arn:aws:s3:::lake/tea", "arn:aws:s3:::late/team-a/x", "arn:aws:s3:::*"] {
            assert!(!covers(&own, Action::GetObject, outside), "{outside}");
        }
        assert!(!covers(&own, Action::PutObject, "arn:aws:s3:::lake/team-a/x"));
    }

    #[test]
    fn what_can_name_any_resource_covers_all_of_them() {
        for resources in [
            r#""*""#,
            r#"["arn:aws:s3:::lake/*", "arn:aws:s3:::*.jpg"]"#,
            r#"["arn:aws:s3:::lake/*", "arn:aws:s3:::${aws:username}/x"]"#,
            r#"["arn:aws:s3:::lake/*", "arn:*:lake/x"]"#,
        ] {
            assert!(
                covers(&policy("s3:GetObject", resources), Action::GetObject, "arn:aws:s3:::other/x"),
                "{resources}"
            );
        }
    }

    #[test]
    fn texts_longer_than_what_fits_in_place_are_compared_as_far_as_it_goes() {
        let long = policy("s3:GetObject", r#""arn:aws:s3:::a-bucket-with-a-long-name/and-a-prefix/*""#);
        assert!(covers(&long, Action::GetObject, "arn:aws:s3:::a-bucket-with-a-long-name/and-a-prefix/x"));
        assert!(covers(&long, Action::GetObject, "arn:aws:s3:::a-bucket-with-a-long-na/x"));
        assert!(!covers(&long, Action::GetObject, "arn:aws:s3:::a-bucket-with-a-long/x"));
    }
}
