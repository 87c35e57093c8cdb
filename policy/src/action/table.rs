//! The actions that policies can name: all of S3's, from the Service Authorization Reference, and the console's own.
//!
//! One table, because an action's resource type and condition keys must be the same for the evaluator and for `check`.

use super::{AccessLevel, ActionFacts, ResourceType, key};
use crate::key::KnownKey;

/// An action. Variants are S3's own names (`s3:GetObject`); those that begin with `Strongroom` are the console's
/// (`strongroom:CreateUser`), which no `*` ever covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Action {
    /// `s3:AbortMultipartUpload`
    AbortMultipartUpload,
    /// `s3:AllowVendedLogDeliveryForResource`
    AllowVendedLogDeliveryForResource,
    /// `s3:AssociateAccessGrantsIdentityCenter`
    AssociateAccessGrantsIdentityCenter,
    /// `s3:BypassGovernanceRetention`
    BypassGovernanceRetention,
    /// `s3:CreateAccessGrant`
    CreateAccessGrant,
    /// `s3:CreateAccessGrantsInstance`
    CreateAccessGrantsInstance,
    /// `s3:CreateAccessGrantsLocation`
    CreateAccessGrantsLocation,
    /// `s3:CreateAccessPoint`
    CreateAccessPoint,
    /// `s3:CreateAccessPointForObjectLambda`
    CreateAccessPointForObjectLambda,
    /// `s3:CreateBucket`
    CreateBucket,
    /// `s3:CreateBucketMetadataTableConfiguration`
    CreateBucketMetadataTableConfiguration,
    /// `s3:CreateJob`
    CreateJob,
    /// `s3:CreateMultiRegionAccessPoint`
    CreateMultiRegionAccessPoint,
    /// `s3:CreateStorageLensGroup`
    CreateStorageLensGroup,
    /// `s3:DeleteAccessGrant`
    DeleteAccessGrant,
    /// `s3:DeleteAccessGrantsInstance`
    DeleteAccessGrantsInstance,
    /// `s3:DeleteAccessGrantsInstanceResourcePolicy`
    DeleteAccessGrantsInstanceResourcePolicy,
    /// `s3:DeleteAccessGrantsLocation`
    DeleteAccessGrantsLocation,
    /// `s3:DeleteAccessPoint`
    DeleteAccessPoint,
    /// `s3:DeleteAccessPointForObjectLambda`
    DeleteAccessPointForObjectLambda,
    /// `s3:DeleteAccessPointPolicy`
    DeleteAccessPointPolicy,
    /// `s3:DeleteAccessPointPolicyForObjectLambda`
    DeleteAccessPointPolicyForObjectLambda,
    /// `s3:DeleteBucket`
    DeleteBucket,
    /// `s3:DeleteBucketMetadataTableConfiguration`
    DeleteBucketMetadataTableConfiguration,
    /// `s3:DeleteBucketPolicy`
    DeleteBucketPolicy,
    /// `s3:DeleteBucketWebsite`
    DeleteBucketWebsite,
    /// `s3:DeleteJobTagging`
    DeleteJobTagging,
    /// `s3:DeleteMultiRegionAccessPoint`
    DeleteMultiRegionAccessPoint,
    /// `s3:DeleteObject`
    DeleteObject,
    /// `s3:DeleteObjectAnnotation`
    DeleteObjectAnnotation,
    /// `s3:DeleteObjectTagging`
    DeleteObjectTagging,
    /// `s3:DeleteObjectVersion`
    DeleteObjectVersion,
    /// `s3:DeleteObjectVersionAnnotation`
    DeleteObjectVersionAnnotation,
    /// `s3:DeleteObjectVersionTagging`
    DeleteObjectVersionTagging,
    /// `s3:DeleteStorageLensConfiguration`
    DeleteStorageLensConfiguration,
    /// `s3:DeleteStorageLensConfigurationTagging`
    DeleteStorageLensConfigurationTagging,
    /// `s3:DeleteStorageLensGroup`
    DeleteStorageLensGroup,
    /// `s3:DescribeJob`
    DescribeJob,
    /// `s3:DescribeMultiRegionAccessPointOperation`
    DescribeMultiRegionAccessPointOperation,
    /// `s3:DissociateAccessGrantsIdentityCenter`
    DissociateAccessGrantsIdentityCenter,
    /// `s3:GetAccelerateConfiguration`
    GetAccelerateConfiguration,
    /// `s3:GetAccessGrant`
    GetAccessGrant,
    /// `s3:GetAccessGrantsInstance`
    GetAccessGrantsInstance,
    /// `s3:GetAccessGrantsInstanceForPrefix`
    GetAccessGrantsInstanceForPrefix,
    /// `s3:GetAccessGrantsInstanceResourcePolicy`
    GetAccessGrantsInstanceResourcePolicy,
    /// `s3:GetAccessGrantsLocation`
    GetAccessGrantsLocation,
    /// `s3:GetAccessPoint`
    GetAccessPoint,
    /// `s3:GetAccessPointConfigurationForObjectLambda`
    GetAccessPointConfigurationForObjectLambda,
    /// `s3:GetAccessPointForObjectLambda`
    GetAccessPointForObjectLambda,
    /// `s3:GetAccessPointPolicy`
    GetAccessPointPolicy,
    /// `s3:GetAccessPointPolicyForObjectLambda`
    GetAccessPointPolicyForObjectLambda,
    /// `s3:GetAccessPointPolicyStatus`
    GetAccessPointPolicyStatus,
    /// `s3:GetAccessPointPolicyStatusForObjectLambda`
    GetAccessPointPolicyStatusForObjectLambda,
    /// `s3:GetAccountPublicAccessBlock`
    GetAccountPublicAccessBlock,
    /// `s3:GetAnalyticsConfiguration`
    GetAnalyticsConfiguration,
    /// `s3:GetBucketAbac`
    GetBucketAbac,
    /// `s3:GetBucketAcl`
    GetBucketAcl,
    /// `s3:GetBucketCORS`
    GetBucketCORS,
    /// `s3:GetBucketLocation`
    GetBucketLocation,
    /// `s3:GetBucketLogging`
    GetBucketLogging,
    /// `s3:GetBucketMetadataTableConfiguration`
    GetBucketMetadataTableConfiguration,
    /// `s3:GetBucketNotification`
    GetBucketNotification,
    /// `s3:GetBucketObjectLockConfiguration`
    GetBucketObjectLockConfiguration,
    /// `s3:GetBucketOwnershipControls`
    GetBucketOwnershipControls,
    /// `s3:GetBucketPolicy`
    GetBucketPolicy,
    /// `s3:GetBucketPolicyStatus`
    GetBucketPolicyStatus,
    /// `s3:GetBucketPublicAccessBlock`
    GetBucketPublicAccessBlock,
    /// `s3:GetBucketRequestPayment`
    GetBucketRequestPayment,
    /// `s3:GetBucketTagging`
    GetBucketTagging,
    /// `s3:GetBucketVersioning`
    GetBucketVersioning,
    /// `s3:GetBucketWebsite`
    GetBucketWebsite,
    /// `s3:GetDataAccess`
    GetDataAccess,
    /// `s3:GetEncryptionConfiguration`
    GetEncryptionConfiguration,
    /// `s3:GetIntelligentTieringConfiguration`
    GetIntelligentTieringConfiguration,
    /// `s3:GetInventoryConfiguration`
    GetInventoryConfiguration,
    /// `s3:GetJobTagging`
    GetJobTagging,
    /// `s3:GetLifecycleConfiguration`
    GetLifecycleConfiguration,
    /// `s3:GetMetricsConfiguration`
    GetMetricsConfiguration,
    /// `s3:GetMultiRegionAccessPoint`
    GetMultiRegionAccessPoint,
    /// `s3:GetMultiRegionAccessPointPolicy`
    GetMultiRegionAccessPointPolicy,
    /// `s3:GetMultiRegionAccessPointPolicyStatus`
    GetMultiRegionAccessPointPolicyStatus,
    /// `s3:GetMultiRegionAccessPointRoutes`
    GetMultiRegionAccessPointRoutes,
    /// `s3:GetObject`
    GetObject,
    /// `s3:GetObjectAcl`
    GetObjectAcl,
    /// `s3:GetObjectAnnotation`
    GetObjectAnnotation,
    /// `s3:GetObjectAttributes`
    GetObjectAttributes,
    /// `s3:GetObjectLegalHold`
    GetObjectLegalHold,
    /// `s3:GetObjectRetention`
    GetObjectRetention,
    /// `s3:GetObjectTagging`
    GetObjectTagging,
    /// `s3:GetObjectTorrent`
    GetObjectTorrent,
    /// `s3:GetObjectVersion`
    GetObjectVersion,
    /// `s3:GetObjectVersionAcl`
    GetObjectVersionAcl,
    /// `s3:GetObjectVersionAnnotation`
    GetObjectVersionAnnotation,
    /// `s3:GetObjectVersionAnnotationForReplication`
    GetObjectVersionAnnotationForReplication,
    /// `s3:GetObjectVersionAttributes`
    GetObjectVersionAttributes,
    /// `s3:GetObjectVersionForReplication`
    GetObjectVersionForReplication,
    /// `s3:GetObjectVersionTagging`
    GetObjectVersionTagging,
    /// `s3:GetObjectVersionTorrent`
    GetObjectVersionTorrent,
    /// `s3:GetReplicationConfiguration`
    GetReplicationConfiguration,
    /// `s3:GetStorageLensConfiguration`
    GetStorageLensConfiguration,
    /// `s3:GetStorageLensConfigurationTagging`
    GetStorageLensConfigurationTagging,
    /// `s3:GetStorageLensDashboard`
    GetStorageLensDashboard,
    /// `s3:GetStorageLensGroup`
    GetStorageLensGroup,
    /// `s3:InitiateReplication`
    InitiateReplication,
    /// `s3:ListAccessGrants`
    ListAccessGrants,
    /// `s3:ListAccessGrantsInstances`
    ListAccessGrantsInstances,
    /// `s3:ListAccessGrantsLocations`
    ListAccessGrantsLocations,
    /// `s3:ListAccessPoints`
    ListAccessPoints,
    /// `s3:ListAccessPointsForObjectLambda`
    ListAccessPointsForObjectLambda,
    /// `s3:ListAllMyBuckets`
    ListAllMyBuckets,
    /// `s3:ListBucket`
    ListBucket,
    /// `s3:ListBucketMultipartUploads`
    ListBucketMultipartUploads,
    /// `s3:ListBucketVersions`
    ListBucketVersions,
    /// `s3:ListCallerAccessGrants`
    ListCallerAccessGrants,
    /// `s3:ListJobs`
    ListJobs,
    /// `s3:ListMultiRegionAccessPoints`
    ListMultiRegionAccessPoints,
    /// `s3:ListMultipartUploadParts`
    ListMultipartUploadParts,
    /// `s3:ListObjectAnnotations`
    ListObjectAnnotations,
    /// `s3:ListObjectVersionAnnotations`
    ListObjectVersionAnnotations,
    /// `s3:ListStorageLensConfigurations`
    ListStorageLensConfigurations,
    /// `s3:ListStorageLensGroups`
    ListStorageLensGroups,
    /// `s3:ListTagsForResource`
    ListTagsForResource,
    /// `s3:ObjectOwnerOverrideToBucketOwner`
    ObjectOwnerOverrideToBucketOwner,
    /// `s3:PauseReplication`
    PauseReplication,
    /// `s3:PutAccelerateConfiguration`
    PutAccelerateConfiguration,
    /// `s3:PutAccessGrantsInstanceResourcePolicy`
    PutAccessGrantsInstanceResourcePolicy,
    /// `s3:PutAccessPointConfigurationForObjectLambda`
    PutAccessPointConfigurationForObjectLambda,
    /// `s3:PutAccessPointPolicy`
    PutAccessPointPolicy,
    /// `s3:PutAccessPointPolicyForObjectLambda`
    PutAccessPointPolicyForObjectLambda,
    /// `s3:PutAccessPointPublicAccessBlock`
    PutAccessPointPublicAccessBlock,
    /// `s3:PutAccountPublicAccessBlock`
    PutAccountPublicAccessBlock,
    /// `s3:PutAnalyticsConfiguration`
    PutAnalyticsConfiguration,
    /// `s3:PutBucketAbac`
    PutBucketAbac,
    /// `s3:PutBucketAcl`
    PutBucketAcl,
    /// `s3:PutBucketCORS`
    PutBucketCORS,
    /// `s3:PutBucketLogging`
    PutBucketLogging,
    /// `s3:PutBucketNotification`
    PutBucketNotification,
    /// `s3:PutBucketObjectLockConfiguration`
    PutBucketObjectLockConfiguration,
    /// `s3:PutBucketOwnershipControls`
    PutBucketOwnershipControls,
    /// `s3:PutBucketPolicy`
    PutBucketPolicy,
    /// `s3:PutBucketPublicAccessBlock`
    PutBucketPublicAccessBlock,
    /// `s3:PutBucketRequestPayment`
    PutBucketRequestPayment,
    /// `s3:PutBucketTagging`
    PutBucketTagging,
    /// `s3:PutBucketVersioning`
    PutBucketVersioning,
    /// `s3:PutBucketWebsite`
    PutBucketWebsite,
    /// `s3:PutEncryptionConfiguration`
    PutEncryptionConfiguration,
    /// `s3:PutIntelligentTieringConfiguration`
    PutIntelligentTieringConfiguration,
    /// `s3:PutInventoryConfiguration`
    PutInventoryConfiguration,
    /// `s3:PutJobTagging`
    PutJobTagging,
    /// `s3:PutLifecycleConfiguration`
    PutLifecycleConfiguration,
    /// `s3:PutMetricsConfiguration`
    PutMetricsConfiguration,
    /// `s3:PutMultiRegionAccessPointPolicy`
    PutMultiRegionAccessPointPolicy,
    /// `s3:PutObject`
    PutObject,
    /// `s3:PutObjectAcl`
    PutObjectAcl,
    /// `s3:PutObjectAnnotation`
    PutObjectAnnotation,
    /// `s3:PutObjectLegalHold`
    PutObjectLegalHold,
    /// `s3:PutObjectRetention`
    PutObjectRetention,
    /// `s3:PutObjectTagging`
    PutObjectTagging,
    /// `s3:PutObjectVersionAcl`
    PutObjectVersionAcl,
    /// `s3:PutObjectVersionAnnotation`
    PutObjectVersionAnnotation,
    /// `s3:PutObjectVersionTagging`
    PutObjectVersionTagging,
    /// `s3:PutReplicationConfiguration`
    PutReplicationConfiguration,
    /// `s3:PutStorageLensConfiguration`
    PutStorageLensConfiguration,
    /// `s3:PutStorageLensConfigurationTagging`
    PutStorageLensConfigurationTagging,
    /// `s3:ReplicateDelete`
    ReplicateDelete,
    /// `s3:ReplicateObject`
    ReplicateObject,
    /// `s3:ReplicateObjectAnnotation`
    ReplicateObjectAnnotation,
    /// `s3:ReplicateTags`
    ReplicateTags,
    /// `s3:RestoreObject`
    RestoreObject,
    /// `s3:SubmitMultiRegionAccessPointRoutes`
    SubmitMultiRegionAccessPointRoutes,
    /// `s3:TagResource`
    TagResource,
    /// `s3:UntagResource`
    UntagResource,
    /// `s3:UpdateAccessGrantsLocation`
    UpdateAccessGrantsLocation,
    /// `s3:UpdateBucketMetadataAnnotationTableConfiguration`
    UpdateBucketMetadataAnnotationTableConfiguration,
    /// `s3:UpdateBucketMetadataInventoryTableConfiguration`
    UpdateBucketMetadataInventoryTableConfiguration,
    /// `s3:UpdateBucketMetadataJournalTableConfiguration`
    UpdateBucketMetadataJournalTableConfiguration,
    /// `s3:UpdateJobPriority`
    UpdateJobPriority,
    /// `s3:UpdateJobStatus`
    UpdateJobStatus,
    /// `s3:UpdateObjectEncryption`
    UpdateObjectEncryption,
    /// `s3:UpdateStorageLensGroup`
    UpdateStorageLensGroup,
    /// `strongroom:ListPermissions`
    StrongroomListPermissions,
    /// `strongroom:GetPermission`
    StrongroomGetPermission,
    /// `strongroom:CreatePermission`
    StrongroomCreatePermission,
    /// `strongroom:UpdatePermission`
    StrongroomUpdatePermission,
    /// `strongroom:DeletePermission`
    StrongroomDeletePermission,
    /// `strongroom:SetPermissionStatus`
    StrongroomSetPermissionStatus,
    /// `strongroom:ListServiceAccounts`
    StrongroomListServiceAccounts,
    /// `strongroom:GetServiceAccount`
    StrongroomGetServiceAccount,
    /// `strongroom:CreateServiceAccount`
    StrongroomCreateServiceAccount,
    /// `strongroom:UpdateServiceAccount`
    StrongroomUpdateServiceAccount,
    /// `strongroom:DeleteServiceAccount`
    StrongroomDeleteServiceAccount,
    /// `strongroom:RotateServiceAccount`
    StrongroomRotateServiceAccount,
    /// `strongroom:SetServiceAccountStatus`
    StrongroomSetServiceAccountStatus,
    /// `strongroom:ListUsers`
    StrongroomListUsers,
    /// `strongroom:GetUser`
    StrongroomGetUser,
    /// `strongroom:CreateUser`
    StrongroomCreateUser,
    /// `strongroom:UpdateUser`
    StrongroomUpdateUser,
    /// `strongroom:DeleteUser`
    StrongroomDeleteUser,
    /// `strongroom:ListAccounts`
    StrongroomListAccounts,
    /// `strongroom:GetAccount`
    StrongroomGetAccount,
    /// `strongroom:CreateAccount`
    StrongroomCreateAccount,
    /// `strongroom:UpdateAccount`
    StrongroomUpdateAccount,
    /// `strongroom:DeleteAccount`
    StrongroomDeleteAccount,
    /// `strongroom:ListBuckets`
    StrongroomListBuckets,
    /// `strongroom:GetBucket`
    StrongroomGetBucket,
    /// `strongroom:CreateBucket`
    StrongroomCreateBucket,
    /// `strongroom:UpdateBucket`
    StrongroomUpdateBucket,
    /// `strongroom:DeleteBucket`
    StrongroomDeleteBucket,
    /// `strongroom:GetUsage`
    StrongroomGetUsage,
    /// `strongroom:ListAuditRecords`
    StrongroomListAuditRecords,
    /// `strongroom:GetAuditSettings`
    StrongroomGetAuditSettings,
    /// `strongroom:UpdateAuditSettings`
    StrongroomUpdateAuditSettings,
    /// `strongroom:GetStatus`
    StrongroomGetStatus,
    /// `strongroom:Simulate`
    StrongroomSimulate,
    /// `strongroom:GetState`
    StrongroomGetState,
    /// `strongroom:ApplyState`
    StrongroomApplyState,
    /// `strongroom:GetSettings`
    StrongroomGetSettings,
    /// `strongroom:UpdateSettings`
    StrongroomUpdateSettings,
}

/// Keys of the three listings.
const LISTING: u128 = key(KnownKey::Delimiter) | key(KnownKey::MaxKeys) | key(KnownKey::Prefix);
/// Keys of access control headers.
const GRANTS: u128 = key(KnownKey::XAmzAcl)
    | key(KnownKey::XAmzGrantFullControl)
    | key(KnownKey::XAmzGrantRead)
    | key(KnownKey::XAmzGrantReadAcp)
    | key(KnownKey::XAmzGrantWrite)
    | key(KnownKey::XAmzGrantWriteAcp);
/// Tags that the request itself writes.
const REQUEST_TAGS: u128 = key(KnownKey::RequestObjectTag) | key(KnownKey::RequestObjectTagKeys);
/// Keys of headers that only writes and copies have.
const COPY: u128 = key(KnownKey::XAmzCopySource)
    | key(KnownKey::XAmzMetadataDirective)
    | key(KnownKey::XAmzServerSideEncryption)
    | key(KnownKey::XAmzServerSideEncryptionAwsKmsKeyId)
    | key(KnownKey::XAmzServerSideEncryptionCustomerAlgorithm)
    | key(KnownKey::XAmzStorageClass)
    | key(KnownKey::XAmzWebsiteRedirectLocation);
/// Event based holds, which this node does not have but documents name.
const HOLD: u128 = key(KnownKey::ObjectLockEventHold) | key(KnownKey::ObjectLockEventHoldDurationDays);
/// Object lock retention.
const RETENTION: u128 = key(KnownKey::ObjectLockMode)
    | key(KnownKey::ObjectLockRemainingRetentionDays)
    | key(KnownKey::ObjectLockRetainUntilDate);
/// Tags written with a bucket.
const BUCKET_TAGS: u128 = key(KnownKey::RequestTag) | key(KnownKey::TagKeys);

/// Every action, in the order of [`Action`].
#[rustfmt::skip]
pub(super) static ACTIONS: [ActionFacts; 218] = [
    ActionFacts::new(Action::AbortMultipartUpload, "s3:AbortMultipartUpload", AccessLevel::Write, ResourceType::Object, key(KnownKey::AccessGrantsInstanceArn)),
    ActionFacts::new(Action::AllowVendedLogDeliveryForResource, "s3:AllowVendedLogDeliveryForResource", AccessLevel::Read, ResourceType::Bucket, key(KnownKey::DeliverySourceArn) | key(KnownKey::LogType) | key(KnownKey::ResourceArnBeingAuthorized)),
    ActionFacts::new(Action::AssociateAccessGrantsIdentityCenter, "s3:AssociateAccessGrantsIdentityCenter", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::BypassGovernanceRetention, "s3:BypassGovernanceRetention", AccessLevel::PermissionsManagement, ResourceType::Object, GRANTS | REQUEST_TAGS | COPY),
    ActionFacts::new(Action::CreateAccessGrant, "s3:CreateAccessGrant", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, BUCKET_TAGS | key(KnownKey::ResourceTag) | key(KnownKey::AccessGrantScope)),
    ActionFacts::new(Action::CreateAccessGrantsInstance, "s3:CreateAccessGrantsInstance", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, BUCKET_TAGS | key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::CreateAccessGrantsLocation, "s3:CreateAccessGrantsLocation", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, BUCKET_TAGS | key(KnownKey::ResourceTag) | key(KnownKey::AccessGrantsLocationScope)),
    ActionFacts::new(Action::CreateAccessPoint, "s3:CreateAccessPoint", AccessLevel::Write, ResourceType::Elsewhere, BUCKET_TAGS | key(KnownKey::ResourceTag) | key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::AccessPointTag) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn) | key(KnownKey::LocationConstraint) | key(KnownKey::XAmzAcl)),
    ActionFacts::new(Action::CreateAccessPointForObjectLambda, "s3:CreateAccessPointForObjectLambda", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::CreateBucket, "s3:CreateBucket", AccessLevel::Write, ResourceType::Bucket, GRANTS | BUCKET_TAGS | key(KnownKey::LocationConstraint) | key(KnownKey::XAmzBucketNamespace) | key(KnownKey::XAmzObjectOwnership)),
    ActionFacts::new(Action::CreateBucketMetadataTableConfiguration, "s3:CreateBucketMetadataTableConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::CreateJob, "s3:CreateJob", AccessLevel::Write, ResourceType::Elsewhere, BUCKET_TAGS | key(KnownKey::RequestJobOperation) | key(KnownKey::RequestJobPriority)),
    ActionFacts::new(Action::CreateMultiRegionAccessPoint, "s3:CreateMultiRegionAccessPoint", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::CreateStorageLensGroup, "s3:CreateStorageLensGroup", AccessLevel::Write, ResourceType::Elsewhere, BUCKET_TAGS),
    ActionFacts::new(Action::DeleteAccessGrant, "s3:DeleteAccessGrant", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessGrantScope)),
    ActionFacts::new(Action::DeleteAccessGrantsInstance, "s3:DeleteAccessGrantsInstance", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::DeleteAccessGrantsInstanceResourcePolicy, "s3:DeleteAccessGrantsInstanceResourcePolicy", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::DeleteAccessGrantsLocation, "s3:DeleteAccessGrantsLocation", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessGrantsLocationScope)),
    ActionFacts::new(Action::DeleteAccessPoint, "s3:DeleteAccessPoint", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::AccessPointTag) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::DeleteAccessPointForObjectLambda, "s3:DeleteAccessPointForObjectLambda", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::DeleteAccessPointPolicy, "s3:DeleteAccessPointPolicy", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::AccessPointTag) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::DeleteAccessPointPolicyForObjectLambda, "s3:DeleteAccessPointPolicyForObjectLambda", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::DeleteBucket, "s3:DeleteBucket", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::DeleteBucketMetadataTableConfiguration, "s3:DeleteBucketMetadataTableConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::DeleteBucketPolicy, "s3:DeleteBucketPolicy", AccessLevel::PermissionsManagement, ResourceType::Bucket, 0),
    ActionFacts::new(Action::DeleteBucketWebsite, "s3:DeleteBucketWebsite", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::DeleteJobTagging, "s3:DeleteJobTagging", AccessLevel::Tagging, ResourceType::Elsewhere, key(KnownKey::ExistingJobOperation) | key(KnownKey::ExistingJobPriority)),
    ActionFacts::new(Action::DeleteMultiRegionAccessPoint, "s3:DeleteMultiRegionAccessPoint", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::DeleteObject, "s3:DeleteObject", AccessLevel::Write, ResourceType::Object, key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::IfMatch)),
    ActionFacts::new(Action::DeleteObjectAnnotation, "s3:DeleteObjectAnnotation", AccessLevel::Write, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::XAmzObjectIfMatch)),
    ActionFacts::new(Action::DeleteObjectTagging, "s3:DeleteObjectTagging", AccessLevel::Tagging, ResourceType::Object, key(KnownKey::ExistingObjectTag)),
    ActionFacts::new(Action::DeleteObjectVersion, "s3:DeleteObjectVersion", AccessLevel::Write, ResourceType::Object, key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::DeleteObjectVersionAnnotation, "s3:DeleteObjectVersionAnnotation", AccessLevel::Write, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId) | key(KnownKey::XAmzObjectIfMatch)),
    ActionFacts::new(Action::DeleteObjectVersionTagging, "s3:DeleteObjectVersionTagging", AccessLevel::Tagging, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::DeleteStorageLensConfiguration, "s3:DeleteStorageLensConfiguration", AccessLevel::Write, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::DeleteStorageLensConfigurationTagging, "s3:DeleteStorageLensConfigurationTagging", AccessLevel::Tagging, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::DeleteStorageLensGroup, "s3:DeleteStorageLensGroup", AccessLevel::Write, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::DescribeJob, "s3:DescribeJob", AccessLevel::Read, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::DescribeMultiRegionAccessPointOperation, "s3:DescribeMultiRegionAccessPointOperation", AccessLevel::Read, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::DissociateAccessGrantsIdentityCenter, "s3:DissociateAccessGrantsIdentityCenter", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::GetAccelerateConfiguration, "s3:GetAccelerateConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetAccessGrant, "s3:GetAccessGrant", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessGrantScope)),
    ActionFacts::new(Action::GetAccessGrantsInstance, "s3:GetAccessGrantsInstance", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::GetAccessGrantsInstanceForPrefix, "s3:GetAccessGrantsInstanceForPrefix", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::GetAccessGrantsInstanceResourcePolicy, "s3:GetAccessGrantsInstanceResourcePolicy", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::GetAccessGrantsLocation, "s3:GetAccessGrantsLocation", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessGrantsLocationScope)),
    ActionFacts::new(Action::GetAccessPoint, "s3:GetAccessPoint", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::AccessPointTag) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetAccessPointConfigurationForObjectLambda, "s3:GetAccessPointConfigurationForObjectLambda", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetAccessPointForObjectLambda, "s3:GetAccessPointForObjectLambda", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetAccessPointPolicy, "s3:GetAccessPointPolicy", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::AccessPointTag) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetAccessPointPolicyForObjectLambda, "s3:GetAccessPointPolicyForObjectLambda", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetAccessPointPolicyStatus, "s3:GetAccessPointPolicyStatus", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::AccessPointTag) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetAccessPointPolicyStatusForObjectLambda, "s3:GetAccessPointPolicyStatusForObjectLambda", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetAccountPublicAccessBlock, "s3:GetAccountPublicAccessBlock", AccessLevel::Read, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::GetAnalyticsConfiguration, "s3:GetAnalyticsConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketAbac, "s3:GetBucketAbac", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketAcl, "s3:GetBucketAcl", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketCORS, "s3:GetBucketCORS", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketLocation, "s3:GetBucketLocation", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketLogging, "s3:GetBucketLogging", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketMetadataTableConfiguration, "s3:GetBucketMetadataTableConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketNotification, "s3:GetBucketNotification", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketObjectLockConfiguration, "s3:GetBucketObjectLockConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketOwnershipControls, "s3:GetBucketOwnershipControls", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketPolicy, "s3:GetBucketPolicy", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketPolicyStatus, "s3:GetBucketPolicyStatus", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketPublicAccessBlock, "s3:GetBucketPublicAccessBlock", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketRequestPayment, "s3:GetBucketRequestPayment", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketTagging, "s3:GetBucketTagging", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketVersioning, "s3:GetBucketVersioning", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetBucketWebsite, "s3:GetBucketWebsite", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetDataAccess, "s3:GetDataAccess", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::GetEncryptionConfiguration, "s3:GetEncryptionConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetIntelligentTieringConfiguration, "s3:GetIntelligentTieringConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetInventoryConfiguration, "s3:GetInventoryConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetJobTagging, "s3:GetJobTagging", AccessLevel::Read, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::GetLifecycleConfiguration, "s3:GetLifecycleConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetMetricsConfiguration, "s3:GetMetricsConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetMultiRegionAccessPoint, "s3:GetMultiRegionAccessPoint", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetMultiRegionAccessPointPolicy, "s3:GetMultiRegionAccessPointPolicy", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetMultiRegionAccessPointPolicyStatus, "s3:GetMultiRegionAccessPointPolicyStatus", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetMultiRegionAccessPointRoutes, "s3:GetMultiRegionAccessPointRoutes", AccessLevel::Read, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::GetObject, "s3:GetObject", AccessLevel::Read, ResourceType::Object, key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::ExistingObjectTag)),
    ActionFacts::new(Action::GetObjectAcl, "s3:GetObjectAcl", AccessLevel::Read, ResourceType::Object, key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::ExistingObjectTag)),
    ActionFacts::new(Action::GetObjectAnnotation, "s3:GetObjectAnnotation", AccessLevel::Read, ResourceType::Object, key(KnownKey::ExistingObjectTag)),
    ActionFacts::new(Action::GetObjectAttributes, "s3:GetObjectAttributes", AccessLevel::Read, ResourceType::Object, key(KnownKey::ExistingObjectTag)),
    ActionFacts::new(Action::GetObjectLegalHold, "s3:GetObjectLegalHold", AccessLevel::Read, ResourceType::Object, 0),
    ActionFacts::new(Action::GetObjectRetention, "s3:GetObjectRetention", AccessLevel::Read, ResourceType::Object, 0),
    ActionFacts::new(Action::GetObjectTagging, "s3:GetObjectTagging", AccessLevel::Read, ResourceType::Object, key(KnownKey::ExistingObjectTag)),
    ActionFacts::new(Action::GetObjectTorrent, "s3:GetObjectTorrent", AccessLevel::Read, ResourceType::Object, 0),
    ActionFacts::new(Action::GetObjectVersion, "s3:GetObjectVersion", AccessLevel::Read, ResourceType::Object, key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::GetObjectVersionAcl, "s3:GetObjectVersionAcl", AccessLevel::Read, ResourceType::Object, key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::GetObjectVersionAnnotation, "s3:GetObjectVersionAnnotation", AccessLevel::Read, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::GetObjectVersionAnnotationForReplication, "s3:GetObjectVersionAnnotationForReplication", AccessLevel::Read, ResourceType::Object, 0),
    ActionFacts::new(Action::GetObjectVersionAttributes, "s3:GetObjectVersionAttributes", AccessLevel::Read, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::GetObjectVersionForReplication, "s3:GetObjectVersionForReplication", AccessLevel::Read, ResourceType::Object, 0),
    ActionFacts::new(Action::GetObjectVersionTagging, "s3:GetObjectVersionTagging", AccessLevel::Read, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::GetObjectVersionTorrent, "s3:GetObjectVersionTorrent", AccessLevel::Read, ResourceType::Object, key(KnownKey::VersionId)),
    ActionFacts::new(Action::GetReplicationConfiguration, "s3:GetReplicationConfiguration", AccessLevel::Read, ResourceType::Bucket, 0),
    ActionFacts::new(Action::GetStorageLensConfiguration, "s3:GetStorageLensConfiguration", AccessLevel::Read, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::GetStorageLensConfigurationTagging, "s3:GetStorageLensConfigurationTagging", AccessLevel::Read, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::GetStorageLensDashboard, "s3:GetStorageLensDashboard", AccessLevel::Read, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::GetStorageLensGroup, "s3:GetStorageLensGroup", AccessLevel::Read, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::InitiateReplication, "s3:InitiateReplication", AccessLevel::Write, ResourceType::Object, 0),
    ActionFacts::new(Action::ListAccessGrants, "s3:ListAccessGrants", AccessLevel::List, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::ListAccessGrantsInstances, "s3:ListAccessGrantsInstances", AccessLevel::List, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::ListAccessGrantsLocations, "s3:ListAccessGrantsLocations", AccessLevel::List, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::ListAccessPoints, "s3:ListAccessPoints", AccessLevel::List, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::ListAccessPointsForObjectLambda, "s3:ListAccessPointsForObjectLambda", AccessLevel::List, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::ListAllMyBuckets, "s3:ListAllMyBuckets", AccessLevel::List, ResourceType::Service, 0),
    ActionFacts::new(Action::ListBucket, "s3:ListBucket", AccessLevel::List, ResourceType::Bucket, LISTING | key(KnownKey::AccessGrantsInstanceArn)),
    ActionFacts::new(Action::ListBucketMultipartUploads, "s3:ListBucketMultipartUploads", AccessLevel::List, ResourceType::Bucket, key(KnownKey::ResourceTag) | key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::AccessPointTag) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::ListBucketVersions, "s3:ListBucketVersions", AccessLevel::List, ResourceType::Bucket, LISTING | key(KnownKey::AccessGrantsInstanceArn)),
    ActionFacts::new(Action::ListCallerAccessGrants, "s3:ListCallerAccessGrants", AccessLevel::List, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::ListJobs, "s3:ListJobs", AccessLevel::List, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::ListMultiRegionAccessPoints, "s3:ListMultiRegionAccessPoints", AccessLevel::List, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::ListMultipartUploadParts, "s3:ListMultipartUploadParts", AccessLevel::List, ResourceType::Object, key(KnownKey::AccessGrantsInstanceArn)),
    ActionFacts::new(Action::ListObjectAnnotations, "s3:ListObjectAnnotations", AccessLevel::List, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::AnnotationPrefix) | key(KnownKey::MaxAnnotationResults)),
    ActionFacts::new(Action::ListObjectVersionAnnotations, "s3:ListObjectVersionAnnotations", AccessLevel::List, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::AnnotationPrefix) | key(KnownKey::MaxAnnotationResults) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::ListStorageLensConfigurations, "s3:ListStorageLensConfigurations", AccessLevel::List, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::ListStorageLensGroups, "s3:ListStorageLensGroups", AccessLevel::List, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::ListTagsForResource, "s3:ListTagsForResource", AccessLevel::List, ResourceType::Bucket, 0),
    ActionFacts::new(Action::ObjectOwnerOverrideToBucketOwner, "s3:ObjectOwnerOverrideToBucketOwner", AccessLevel::PermissionsManagement, ResourceType::Object, 0),
    ActionFacts::new(Action::PauseReplication, "s3:PauseReplication", AccessLevel::Write, ResourceType::Bucket, key(KnownKey::DestinationRegion)),
    ActionFacts::new(Action::PutAccelerateConfiguration, "s3:PutAccelerateConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutAccessGrantsInstanceResourcePolicy, "s3:PutAccessGrantsInstanceResourcePolicy", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag)),
    ActionFacts::new(Action::PutAccessPointConfigurationForObjectLambda, "s3:PutAccessPointConfigurationForObjectLambda", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::PutAccessPointPolicy, "s3:PutAccessPointPolicy", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::PutAccessPointPolicyForObjectLambda, "s3:PutAccessPointPolicyForObjectLambda", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::PutAccessPointPublicAccessBlock, "s3:PutAccessPointPublicAccessBlock", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::PutAccountPublicAccessBlock, "s3:PutAccountPublicAccessBlock", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::PutAnalyticsConfiguration, "s3:PutAnalyticsConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketAbac, "s3:PutBucketAbac", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketAcl, "s3:PutBucketAcl", AccessLevel::PermissionsManagement, ResourceType::Bucket, GRANTS),
    ActionFacts::new(Action::PutBucketCORS, "s3:PutBucketCORS", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketLogging, "s3:PutBucketLogging", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketNotification, "s3:PutBucketNotification", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketObjectLockConfiguration, "s3:PutBucketObjectLockConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketOwnershipControls, "s3:PutBucketOwnershipControls", AccessLevel::PermissionsManagement, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketPolicy, "s3:PutBucketPolicy", AccessLevel::PermissionsManagement, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketPublicAccessBlock, "s3:PutBucketPublicAccessBlock", AccessLevel::PermissionsManagement, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketRequestPayment, "s3:PutBucketRequestPayment", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketTagging, "s3:PutBucketTagging", AccessLevel::Tagging, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketVersioning, "s3:PutBucketVersioning", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutBucketWebsite, "s3:PutBucketWebsite", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutEncryptionConfiguration, "s3:PutEncryptionConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutIntelligentTieringConfiguration, "s3:PutIntelligentTieringConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutInventoryConfiguration, "s3:PutInventoryConfiguration", AccessLevel::Write, ResourceType::Bucket, key(KnownKey::InventoryAccessibleOptionalFields)),
    ActionFacts::new(Action::PutJobTagging, "s3:PutJobTagging", AccessLevel::Tagging, ResourceType::Elsewhere, BUCKET_TAGS | key(KnownKey::ExistingJobOperation) | key(KnownKey::ExistingJobPriority)),
    ActionFacts::new(Action::PutLifecycleConfiguration, "s3:PutLifecycleConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutMetricsConfiguration, "s3:PutMetricsConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::PutMultiRegionAccessPointPolicy, "s3:PutMultiRegionAccessPointPolicy", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::PutObject, "s3:PutObject", AccessLevel::Write, ResourceType::Object, GRANTS | REQUEST_TAGS | COPY | HOLD | RETENTION | key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::ObjectCreationOperation) | key(KnownKey::IfMatch) | key(KnownKey::IfNoneMatch) | key(KnownKey::ObjectLockLegalHold) | key(KnownKey::XAmzObjectAnnotationDirective)),
    ActionFacts::new(Action::PutObjectAcl, "s3:PutObjectAcl", AccessLevel::PermissionsManagement, ResourceType::Object, GRANTS | key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::ExistingObjectTag) | key(KnownKey::XAmzStorageClass)),
    ActionFacts::new(Action::PutObjectAnnotation, "s3:PutObjectAnnotation", AccessLevel::Write, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::XAmzObjectIfMatch)),
    ActionFacts::new(Action::PutObjectLegalHold, "s3:PutObjectLegalHold", AccessLevel::Write, ResourceType::Object, key(KnownKey::ObjectLockLegalHold)),
    ActionFacts::new(Action::PutObjectRetention, "s3:PutObjectRetention", AccessLevel::Write, ResourceType::Object, HOLD | RETENTION),
    ActionFacts::new(Action::PutObjectTagging, "s3:PutObjectTagging", AccessLevel::Tagging, ResourceType::Object, REQUEST_TAGS | key(KnownKey::ExistingObjectTag)),
    ActionFacts::new(Action::PutObjectVersionAcl, "s3:PutObjectVersionAcl", AccessLevel::PermissionsManagement, ResourceType::Object, GRANTS | key(KnownKey::AccessGrantsInstanceArn) | key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId) | key(KnownKey::XAmzStorageClass)),
    ActionFacts::new(Action::PutObjectVersionAnnotation, "s3:PutObjectVersionAnnotation", AccessLevel::Write, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId) | key(KnownKey::XAmzObjectIfMatch)),
    ActionFacts::new(Action::PutObjectVersionTagging, "s3:PutObjectVersionTagging", AccessLevel::Tagging, ResourceType::Object, REQUEST_TAGS | key(KnownKey::ExistingObjectTag) | key(KnownKey::VersionId)),
    ActionFacts::new(Action::PutReplicationConfiguration, "s3:PutReplicationConfiguration", AccessLevel::Write, ResourceType::Bucket, key(KnownKey::IsReplicationPauseRequest)),
    ActionFacts::new(Action::PutStorageLensConfiguration, "s3:PutStorageLensConfiguration", AccessLevel::Write, ResourceType::Elsewhere, BUCKET_TAGS),
    ActionFacts::new(Action::PutStorageLensConfigurationTagging, "s3:PutStorageLensConfigurationTagging", AccessLevel::Tagging, ResourceType::Elsewhere, BUCKET_TAGS),
    ActionFacts::new(Action::ReplicateDelete, "s3:ReplicateDelete", AccessLevel::Write, ResourceType::Object, 0),
    ActionFacts::new(Action::ReplicateObject, "s3:ReplicateObject", AccessLevel::Write, ResourceType::Object, HOLD | key(KnownKey::XAmzServerSideEncryption) | key(KnownKey::XAmzServerSideEncryptionAwsKmsKeyId) | key(KnownKey::XAmzServerSideEncryptionCustomerAlgorithm)),
    ActionFacts::new(Action::ReplicateObjectAnnotation, "s3:ReplicateObjectAnnotation", AccessLevel::Write, ResourceType::Object, 0),
    ActionFacts::new(Action::ReplicateTags, "s3:ReplicateTags", AccessLevel::Tagging, ResourceType::Object, 0),
    ActionFacts::new(Action::RestoreObject, "s3:RestoreObject", AccessLevel::Write, ResourceType::Object, 0),
    ActionFacts::new(Action::SubmitMultiRegionAccessPointRoutes, "s3:SubmitMultiRegionAccessPointRoutes", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::AccessPointNetworkOrigin) | key(KnownKey::DataAccessPointAccount) | key(KnownKey::DataAccessPointArn)),
    ActionFacts::new(Action::TagResource, "s3:TagResource", AccessLevel::Tagging, ResourceType::Bucket, BUCKET_TAGS),
    ActionFacts::new(Action::UntagResource, "s3:UntagResource", AccessLevel::Tagging, ResourceType::Bucket, key(KnownKey::TagKeys)),
    ActionFacts::new(Action::UpdateAccessGrantsLocation, "s3:UpdateAccessGrantsLocation", AccessLevel::PermissionsManagement, ResourceType::Elsewhere, key(KnownKey::ResourceTag) | key(KnownKey::AccessGrantsLocationScope)),
    ActionFacts::new(Action::UpdateBucketMetadataAnnotationTableConfiguration, "s3:UpdateBucketMetadataAnnotationTableConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::UpdateBucketMetadataInventoryTableConfiguration, "s3:UpdateBucketMetadataInventoryTableConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::UpdateBucketMetadataJournalTableConfiguration, "s3:UpdateBucketMetadataJournalTableConfiguration", AccessLevel::Write, ResourceType::Bucket, 0),
    ActionFacts::new(Action::UpdateJobPriority, "s3:UpdateJobPriority", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::ExistingJobOperation) | key(KnownKey::ExistingJobPriority) | key(KnownKey::RequestJobPriority)),
    ActionFacts::new(Action::UpdateJobStatus, "s3:UpdateJobStatus", AccessLevel::Write, ResourceType::Elsewhere, key(KnownKey::ExistingJobOperation) | key(KnownKey::ExistingJobPriority) | key(KnownKey::JobSuspendedCause)),
    ActionFacts::new(Action::UpdateObjectEncryption, "s3:UpdateObjectEncryption", AccessLevel::Write, ResourceType::Object, key(KnownKey::ExistingObjectTag) | key(KnownKey::XAmzServerSideEncryption) | key(KnownKey::XAmzServerSideEncryptionAwsKmsKeyId)),
    ActionFacts::new(Action::UpdateStorageLensGroup, "s3:UpdateStorageLensGroup", AccessLevel::Write, ResourceType::Elsewhere, 0),
    ActionFacts::new(Action::StrongroomListPermissions, "strongroom:ListPermissions", AccessLevel::List, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetPermission, "strongroom:GetPermission", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomCreatePermission, "strongroom:CreatePermission", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomUpdatePermission, "strongroom:UpdatePermission", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomDeletePermission, "strongroom:DeletePermission", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomSetPermissionStatus, "strongroom:SetPermissionStatus", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomListServiceAccounts, "strongroom:ListServiceAccounts", AccessLevel::List, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetServiceAccount, "strongroom:GetServiceAccount", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomCreateServiceAccount, "strongroom:CreateServiceAccount", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomUpdateServiceAccount, "strongroom:UpdateServiceAccount", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomDeleteServiceAccount, "strongroom:DeleteServiceAccount", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomRotateServiceAccount, "strongroom:RotateServiceAccount", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomSetServiceAccountStatus, "strongroom:SetServiceAccountStatus", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomListUsers, "strongroom:ListUsers", AccessLevel::List, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetUser, "strongroom:GetUser", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomCreateUser, "strongroom:CreateUser", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomUpdateUser, "strongroom:UpdateUser", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomDeleteUser, "strongroom:DeleteUser", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomListAccounts, "strongroom:ListAccounts", AccessLevel::List, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetAccount, "strongroom:GetAccount", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomCreateAccount, "strongroom:CreateAccount", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomUpdateAccount, "strongroom:UpdateAccount", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomDeleteAccount, "strongroom:DeleteAccount", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomListBuckets, "strongroom:ListBuckets", AccessLevel::List, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetBucket, "strongroom:GetBucket", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomCreateBucket, "strongroom:CreateBucket", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomUpdateBucket, "strongroom:UpdateBucket", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomDeleteBucket, "strongroom:DeleteBucket", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetUsage, "strongroom:GetUsage", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomListAuditRecords, "strongroom:ListAuditRecords", AccessLevel::List, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetAuditSettings, "strongroom:GetAuditSettings", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomUpdateAuditSettings, "strongroom:UpdateAuditSettings", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetStatus, "strongroom:GetStatus", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomSimulate, "strongroom:Simulate", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetState, "strongroom:GetState", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomApplyState, "strongroom:ApplyState", AccessLevel::Write, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomGetSettings, "strongroom:GetSettings", AccessLevel::Read, ResourceType::Service, 0),
    ActionFacts::new(Action::StrongroomUpdateSettings, "strongroom:UpdateSettings", AccessLevel::Write, ResourceType::Service, 0),
];
