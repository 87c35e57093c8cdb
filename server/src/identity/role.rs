//! Roles as policies: what a user may do is decided by the same judge as everything else.

use std::sync::{Arc, LazyLock};

use policy::{ParseOptions, Policy, PolicyKind};

use super::user::Role;

/// Everything in the account.
const ADMIN: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Sid": "Administration", "Effect": "Allow", "Action": "strongroom:*", "Resource": "*"},
    {"Sid": "Storage", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#;

/// All but users, accounts, settings, and the state, which shows them.
const STORAGE_ADMIN: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Sid": "Permissions", "Effect": "Allow", "Resource": "*", "Action": [
        "strongroom:ListPermissions", "strongroom:GetPermission", "strongroom:CreatePermission",
        "strongroom:UpdatePermission", "strongroom:DeletePermission", "strongroom:SetPermissionStatus",
        "strongroom:ListServiceAccounts", "strongroom:GetServiceAccount", "strongroom:CreateServiceAccount",
        "strongroom:UpdateServiceAccount", "strongroom:DeleteServiceAccount", "strongroom:RotateServiceAccount",
        "strongroom:SetServiceAccountStatus", "strongroom:Simulate"]},
    {"Sid": "Buckets", "Effect": "Allow", "Resource": "*", "Action": [
        "strongroom:ListBuckets", "strongroom:GetBucket", "strongroom:CreateBucket", "strongroom:UpdateBucket",
        "strongroom:DeleteBucket", "strongroom:GetUsage"]},
    {"Sid": "View", "Effect": "Allow", "Resource": "*", "Action": ["strongroom:ListAuditRecords", "strongroom:GetStatus"]},
    {"Sid": "Storage", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#;

/// Lists and views; of objects their names, metadata and tags, never their contents.
const AUDITOR: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Sid": "View", "Effect": "Allow", "Resource": "*", "Action": [
        "strongroom:ListPermissions", "strongroom:GetPermission",
        "strongroom:ListServiceAccounts", "strongroom:GetServiceAccount", "strongroom:Simulate",
        "strongroom:ListBuckets", "strongroom:GetBucket", "strongroom:GetUsage",
        "strongroom:ListAuditRecords", "strongroom:GetStatus"]},
    {"Sid": "Names", "Effect": "Allow", "Resource": "*", "Action": [
        "s3:ListAllMyBuckets", "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes",
        "s3:GetObjectTagging", "s3:GetObjectVersionTagging",
        "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:GetBucketPolicy", "s3:GetBucketPolicyStatus"]}]}"#;

static POLICIES: LazyLock<[Arc<Policy>; 3]> = LazyLock::new(|| {
    [ADMIN, STORAGE_ADMIN, AUDITOR].map(|text| {
        let parsed = policy::parse(text.as_bytes(), ParseOptions::grammar(PolicyKind::Identity));
        Arc::new(parsed.expect("the text above is a policy"))
    })
});

impl Role {
    /// What the role may do.
    pub fn policy(self) -> &'static Arc<Policy> {
        match self {
            Role::Admin => &POLICIES[0],
            Role::StorageAdmin => &POLICIES[1],
            Role::Auditor => &POLICIES[2],
        }
    }
}

#[cfg(test)]
mod tests {
    use policy::{Action, AttachedPolicy, EmptyContext, Principal, Request, Resource};

    use super::*;

    fn allows(role: Role, action: Action) -> bool {
        let principal =
            Principal::User { account: "123456789012", name: "eve", arn: "arn:aws:iam::123456789012:user/console/eve" };
        let resource = Resource::Service { account: "123456789012" };
        let request = Request { principal, action, resource, context: &EmptyContext, canonical_user: None };
        policy::decide([AttachedPolicy::new(role.policy(), role.as_str())], &request).is_allowed()
    }

    #[test]
    fn each_console_action_is_for_the_roles_of_the_table() {
        for action in Action::all().filter(|action| action.name().starts_with("strongroom:")) {
            let name = action.name().trim_start_matches("strongroom:");
            let views = name.starts_with("List") || name.starts_with("Get") || name == "Simulate";
            let people = name.contains("User")
                || name.ends_with("Account") && !name.contains("Service")
                || name.contains("Accounts") && !name.contains("Service");
            let node = name.contains("Settings") || name.contains("State");
            assert!(allows(Role::Admin, action), "{name}");
            assert_eq!(allows(Role::StorageAdmin, action), !people && !node, "{name}");
            assert_eq!(allows(Role::Auditor, action), views && !people && !node, "{name}");
        }
    }

    #[test]
    fn an_auditor_reads_no_contents_and_writes_nothing() {
        for action in [
            Action::GetObject,
            Action::GetObjectVersion,
            Action::PutObject,
            Action::DeleteObject,
            Action::PutBucketPolicy,
        ] {
            assert!(!allows(Role::Auditor, action), "{action}");
            assert!(allows(Role::StorageAdmin, action) && allows(Role::Admin, action), "{action}");
        }
    }
}
