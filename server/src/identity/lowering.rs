//! A bucket permission as the policy that it stands for.

use policy::{AccessLevel, Action, ParseOptions, Policy, PolicyErrors, PolicyKind, ResourceType};
use serde_json::json;

use super::permission::{Actions, Scope};

/// What `write-only` grants: `lyve-permissions.json`'s rows, as actions.
const WRITE_ONLY: [Action; 8] = [
    Action::GetBucketLocation,
    Action::PutBucketTagging,
    Action::ListBucketMultipartUploads,
    Action::PutObject,
    Action::PutObjectTagging,
    Action::PutObjectVersionTagging,
    Action::AbortMultipartUpload,
    Action::ListMultipartUploadParts,
];

/// The policy of a bucket permission: one statement for the buckets, one for their objects.
pub(super) fn lower(scope: &Scope, actions: Actions) -> Result<Policy, PolicyErrors> {
    let every_bucket = *scope == Scope::All;
    let names = |kind| -> Vec<&'static str> {
        let granted = Action::all().filter(|&action| grants(action, actions, every_bucket));
        granted.filter(|action| action.resource_type() == kind).map(Action::name).collect()
    };
    let resources = |tail: &str| -> Vec<String> {
        match scope {
            Scope::Names(names) => names.iter().map(|name| format!("arn:aws:s3:::{name}{tail}")).collect(),
            Scope::Prefix(prefix) => vec![format!("arn:aws:s3:::{prefix}*{tail}")],
            Scope::All => vec![format!("arn:aws:s3:::*{tail}")],
        }
    };
    let statement =
        |sid, kind, tail| json!({"Sid": sid, "Effect": "Allow", "Action": names(kind), "Resource": resources(tail)});
    let document = json!({"Version": "2012-10-17", "Statement": [
        statement("Buckets", ResourceType::Bucket, ""),
        statement("Objects", ResourceType::Object, "/*"),
    ]});
    // The limits on files that people write don't bind what is made here from a bounded list of buckets.
    policy::parse(format!("{document:#}").as_bytes(), ParseOptions::grammar(PolicyKind::Identity))
}

fn grants(action: Action, actions: Actions, every_bucket: bool) -> bool {
    if !action.name().starts_with("s3:") {
        return false;
    }
    match actions {
        Actions::WriteOnly => WRITE_ONLY.contains(&action),
        Actions::ReadOnly => {
            let multipart = [Action::ListBucketMultipartUploads, Action::ListMultipartUploadParts];
            matches!(action.access_level(), AccessLevel::List | AccessLevel::Read) && !multipart.contains(&action)
        }
        Actions::AllOperations => {
            let withheld = [Action::BypassGovernanceRetention, Action::PutBucketOwnershipControls];
            action.access_level() != AccessLevel::PermissionsManagement
                && !withheld.contains(&action)
                && (action != Action::CreateBucket || every_bucket)
        }
    }
}
