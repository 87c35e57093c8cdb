//! The condition keys that S3 policies can name, from the Service Authorization Reference and the IAM guide's page of
//! global condition keys.
//!
//! One table, so that the parser, the evaluator and `check` cannot disagree about a key's type or about its presence.

use super::{KeyFacts, Kind};

/// A condition key that this crate knows. The documentation of each variant is the key as AWS spells it; keys with
/// `/<key>` carry the name of a tag ([`ConditionKey::tag_key`](super::ConditionKey::tag_key)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum KnownKey {
    /// `aws:CalledVia`
    CalledVia,
    /// `aws:CalledViaFirst`
    CalledViaFirst,
    /// `aws:CalledViaLast`
    CalledViaLast,
    /// `aws:CurrentTime`
    CurrentTime,
    /// `aws:EpochTime`
    EpochTime,
    /// `aws:FederatedProvider`
    FederatedProvider,
    /// `aws:MultiFactorAuthAge`
    MultiFactorAuthAge,
    /// `aws:MultiFactorAuthPresent`
    MultiFactorAuthPresent,
    /// `aws:PrincipalAccount`
    PrincipalAccount,
    /// `aws:PrincipalArn`
    PrincipalArn,
    /// `aws:PrincipalIsAWSService`
    PrincipalIsAwsService,
    /// `aws:PrincipalOrgID`
    PrincipalOrgId,
    /// `aws:PrincipalOrgPaths`
    PrincipalOrgPaths,
    /// `aws:PrincipalTag/<key>`
    PrincipalTag,
    /// `aws:PrincipalType`
    PrincipalType,
    /// `aws:Referer`
    Referer,
    /// `aws:RequestedRegion`
    RequestedRegion,
    /// `aws:RequestTag/<key>`
    RequestTag,
    /// `aws:ResourceAccount`
    ResourceAccount,
    /// `aws:ResourceOrgID`
    ResourceOrgId,
    /// `aws:ResourceTag/<key>`
    ResourceTag,
    /// `aws:SecureTransport`
    SecureTransport,
    /// `aws:SourceAccount`
    SourceAccount,
    /// `aws:SourceArn`
    SourceArn,
    /// `aws:SourceIdentity`
    SourceIdentity,
    /// `aws:SourceIp`
    SourceIp,
    /// `aws:SourceOrgID`
    SourceOrgId,
    /// `aws:SourceVpc`
    SourceVpc,
    /// `aws:SourceVpce`
    SourceVpce,
    /// `aws:TagKeys`
    TagKeys,
    /// `aws:TokenIssueTime`
    TokenIssueTime,
    /// `aws:UserAgent`
    UserAgent,
    /// `aws:userid`
    UserId,
    /// `aws:username`
    Username,
    /// `aws:ViaAWSService`
    ViaAwsService,
    /// `aws:VpcSourceIp`
    VpcSourceIp,
    /// `s3:AccessGrantScope`
    AccessGrantScope,
    /// `s3:AccessGrantsInstanceArn`
    AccessGrantsInstanceArn,
    /// `s3:AccessGrantsLocationScope`
    AccessGrantsLocationScope,
    /// `s3:AccessPointNetworkOrigin`
    AccessPointNetworkOrigin,
    /// `s3:AccessPointTag/<key>`
    AccessPointTag,
    /// `s3:annotation-prefix`
    AnnotationPrefix,
    /// `s3:authType`
    AuthType,
    /// `s3:BucketTag/<key>`
    BucketTag,
    /// `s3:DataAccessPointAccount`
    DataAccessPointAccount,
    /// `s3:DataAccessPointArn`
    DataAccessPointArn,
    /// `s3:delimiter`
    Delimiter,
    /// `s3:deliverySourceArn`
    DeliverySourceArn,
    /// `s3:destinationRegion`
    DestinationRegion,
    /// `s3:ExistingJobOperation`
    ExistingJobOperation,
    /// `s3:ExistingJobPriority`
    ExistingJobPriority,
    /// `s3:ExistingObjectTag/<key>`
    ExistingObjectTag,
    /// `s3:if-match`
    IfMatch,
    /// `s3:if-none-match`
    IfNoneMatch,
    /// `s3:InventoryAccessibleOptionalFields`
    InventoryAccessibleOptionalFields,
    /// `s3:isReplicationPauseRequest`
    IsReplicationPauseRequest,
    /// `s3:JobSuspendedCause`
    JobSuspendedCause,
    /// `s3:locationconstraint`
    LocationConstraint,
    /// `s3:logType`
    LogType,
    /// `s3:max-annotation-results`
    MaxAnnotationResults,
    /// `s3:max-keys`
    MaxKeys,
    /// `s3:object-lock-event-hold`
    ObjectLockEventHold,
    /// `s3:object-lock-event-hold-duration-days`
    ObjectLockEventHoldDurationDays,
    /// `s3:object-lock-legal-hold`
    ObjectLockLegalHold,
    /// `s3:object-lock-mode`
    ObjectLockMode,
    /// `s3:object-lock-remaining-retention-days`
    ObjectLockRemainingRetentionDays,
    /// `s3:object-lock-retain-until-date`
    ObjectLockRetainUntilDate,
    /// `s3:ObjectCreationOperation`
    ObjectCreationOperation,
    /// `s3:prefix`
    Prefix,
    /// `s3:RequestJobOperation`
    RequestJobOperation,
    /// `s3:RequestJobPriority`
    RequestJobPriority,
    /// `s3:RequestObjectTag/<key>`
    RequestObjectTag,
    /// `s3:RequestObjectTagKeys`
    RequestObjectTagKeys,
    /// `s3:ResourceAccount`
    S3ResourceAccount,
    /// `s3:resourceArnBeingAuthorized`
    ResourceArnBeingAuthorized,
    /// `s3:signatureAge`
    SignatureAge,
    /// `s3:signatureversion`
    SignatureVersion,
    /// `s3:TlsVersion`
    TlsVersion,
    /// `s3:versionid`
    VersionId,
    /// `s3:x-amz-acl`
    XAmzAcl,
    /// `s3:x-amz-bucket-namespace`
    XAmzBucketNamespace,
    /// `s3:x-amz-content-sha256`
    XAmzContentSha256,
    /// `s3:x-amz-copy-source`
    XAmzCopySource,
    /// `s3:x-amz-grant-full-control`
    XAmzGrantFullControl,
    /// `s3:x-amz-grant-read`
    XAmzGrantRead,
    /// `s3:x-amz-grant-read-acp`
    XAmzGrantReadAcp,
    /// `s3:x-amz-grant-write`
    XAmzGrantWrite,
    /// `s3:x-amz-grant-write-acp`
    XAmzGrantWriteAcp,
    /// `s3:x-amz-metadata-directive`
    XAmzMetadataDirective,
    /// `s3:x-amz-object-annotation-directive`
    XAmzObjectAnnotationDirective,
    /// `s3:x-amz-object-if-match`
    XAmzObjectIfMatch,
    /// `s3:x-amz-object-ownership`
    XAmzObjectOwnership,
    /// `s3:x-amz-server-side-encryption`
    XAmzServerSideEncryption,
    /// `s3:x-amz-server-side-encryption-aws-kms-key-id`
    XAmzServerSideEncryptionAwsKmsKeyId,
    /// `s3:x-amz-server-side-encryption-customer-algorithm`
    XAmzServerSideEncryptionCustomerAlgorithm,
    /// `s3:x-amz-storage-class`
    XAmzStorageClass,
    /// `s3:x-amz-website-redirect-location`
    XAmzWebsiteRedirectLocation,
}

/// Every known key, in the order of [`KnownKey`].
#[rustfmt::skip]
pub(super) static KEYS: [KeyFacts; 97] = [
    KeyFacts::new(KnownKey::CalledVia, "aws:CalledVia", Kind::String).many().never_present(),
    KeyFacts::new(KnownKey::CalledViaFirst, "aws:CalledViaFirst", Kind::String).never_present(),
    KeyFacts::new(KnownKey::CalledViaLast, "aws:CalledViaLast", Kind::String).never_present(),
    KeyFacts::new(KnownKey::CurrentTime, "aws:CurrentTime", Kind::Date),
    KeyFacts::new(KnownKey::EpochTime, "aws:EpochTime", Kind::Date),
    KeyFacts::new(KnownKey::FederatedProvider, "aws:FederatedProvider", Kind::String).never_present(),
    KeyFacts::new(KnownKey::MultiFactorAuthAge, "aws:MultiFactorAuthAge", Kind::Number).never_present(),
    KeyFacts::new(KnownKey::MultiFactorAuthPresent, "aws:MultiFactorAuthPresent", Kind::Boolean).never_present(),
    KeyFacts::new(KnownKey::PrincipalAccount, "aws:PrincipalAccount", Kind::String),
    KeyFacts::new(KnownKey::PrincipalArn, "aws:PrincipalArn", Kind::Arn),
    KeyFacts::new(KnownKey::PrincipalIsAwsService, "aws:PrincipalIsAWSService", Kind::Boolean),
    KeyFacts::new(KnownKey::PrincipalOrgId, "aws:PrincipalOrgID", Kind::String).never_present(),
    KeyFacts::new(KnownKey::PrincipalOrgPaths, "aws:PrincipalOrgPaths", Kind::String).many().never_present(),
    KeyFacts::new(KnownKey::PrincipalTag, "aws:PrincipalTag", Kind::String).tagged(),
    KeyFacts::new(KnownKey::PrincipalType, "aws:PrincipalType", Kind::String),
    KeyFacts::new(KnownKey::Referer, "aws:Referer", Kind::String),
    KeyFacts::new(KnownKey::RequestedRegion, "aws:RequestedRegion", Kind::String),
    KeyFacts::new(KnownKey::RequestTag, "aws:RequestTag", Kind::String).tagged(),
    KeyFacts::new(KnownKey::ResourceAccount, "aws:ResourceAccount", Kind::String),
    KeyFacts::new(KnownKey::ResourceOrgId, "aws:ResourceOrgID", Kind::String).never_present(),
    KeyFacts::new(KnownKey::ResourceTag, "aws:ResourceTag", Kind::String).tagged(),
    KeyFacts::new(KnownKey::SecureTransport, "aws:SecureTransport", Kind::Boolean),
    KeyFacts::new(KnownKey::SourceAccount, "aws:SourceAccount", Kind::String).never_present(),
    KeyFacts::new(KnownKey::SourceArn, "aws:SourceArn", Kind::Arn).never_present(),
    KeyFacts::new(KnownKey::SourceIdentity, "aws:SourceIdentity", Kind::String).never_present(),
    KeyFacts::new(KnownKey::SourceIp, "aws:SourceIp", Kind::Address),
    KeyFacts::new(KnownKey::SourceOrgId, "aws:SourceOrgID", Kind::String).never_present(),
    KeyFacts::new(KnownKey::SourceVpc, "aws:SourceVpc", Kind::String),
    KeyFacts::new(KnownKey::SourceVpce, "aws:SourceVpce", Kind::String),
    KeyFacts::new(KnownKey::TagKeys, "aws:TagKeys", Kind::String).many(),
    KeyFacts::new(KnownKey::TokenIssueTime, "aws:TokenIssueTime", Kind::Date).never_present(),
    KeyFacts::new(KnownKey::UserAgent, "aws:UserAgent", Kind::String),
    KeyFacts::new(KnownKey::UserId, "aws:userid", Kind::String),
    KeyFacts::new(KnownKey::Username, "aws:username", Kind::String),
    KeyFacts::new(KnownKey::ViaAwsService, "aws:ViaAWSService", Kind::Boolean),
    KeyFacts::new(KnownKey::VpcSourceIp, "aws:VpcSourceIp", Kind::Address).never_present(),
    KeyFacts::new(KnownKey::AccessGrantScope, "s3:AccessGrantScope", Kind::String).never_present(),
    KeyFacts::new(KnownKey::AccessGrantsInstanceArn, "s3:AccessGrantsInstanceArn", Kind::Arn).never_present(),
    KeyFacts::new(KnownKey::AccessGrantsLocationScope, "s3:AccessGrantsLocationScope", Kind::String).never_present(),
    KeyFacts::new(KnownKey::AccessPointNetworkOrigin, "s3:AccessPointNetworkOrigin", Kind::String).never_present(),
    KeyFacts::new(KnownKey::AccessPointTag, "s3:AccessPointTag", Kind::String).tagged().never_present(),
    KeyFacts::new(KnownKey::AnnotationPrefix, "s3:annotation-prefix", Kind::String).never_present(),
    KeyFacts::new(KnownKey::AuthType, "s3:authType", Kind::String),
    KeyFacts::new(KnownKey::BucketTag, "s3:BucketTag", Kind::String).tagged().never_present(),
    KeyFacts::new(KnownKey::DataAccessPointAccount, "s3:DataAccessPointAccount", Kind::String).never_present(),
    KeyFacts::new(KnownKey::DataAccessPointArn, "s3:DataAccessPointArn", Kind::Arn).never_present(),
    KeyFacts::new(KnownKey::Delimiter, "s3:delimiter", Kind::String),
    KeyFacts::new(KnownKey::DeliverySourceArn, "s3:deliverySourceArn", Kind::Arn).never_present(),
    KeyFacts::new(KnownKey::DestinationRegion, "s3:destinationRegion", Kind::String).never_present(),
    KeyFacts::new(KnownKey::ExistingJobOperation, "s3:ExistingJobOperation", Kind::String).never_present(),
    KeyFacts::new(KnownKey::ExistingJobPriority, "s3:ExistingJobPriority", Kind::Number).never_present(),
    KeyFacts::new(KnownKey::ExistingObjectTag, "s3:ExistingObjectTag", Kind::String).tagged(),
    KeyFacts::new(KnownKey::IfMatch, "s3:if-match", Kind::String),
    KeyFacts::new(KnownKey::IfNoneMatch, "s3:if-none-match", Kind::String),
    KeyFacts::new(KnownKey::InventoryAccessibleOptionalFields, "s3:InventoryAccessibleOptionalFields", Kind::String).many().never_present(),
    KeyFacts::new(KnownKey::IsReplicationPauseRequest, "s3:isReplicationPauseRequest", Kind::Boolean).never_present(),
    KeyFacts::new(KnownKey::JobSuspendedCause, "s3:JobSuspendedCause", Kind::String).never_present(),
    KeyFacts::new(KnownKey::LocationConstraint, "s3:locationconstraint", Kind::String),
    KeyFacts::new(KnownKey::LogType, "s3:logType", Kind::String).never_present(),
    KeyFacts::new(KnownKey::MaxAnnotationResults, "s3:max-annotation-results", Kind::Number).never_present(),
    KeyFacts::new(KnownKey::MaxKeys, "s3:max-keys", Kind::Number),
    KeyFacts::new(KnownKey::ObjectLockEventHold, "s3:object-lock-event-hold", Kind::String).never_present(),
    KeyFacts::new(KnownKey::ObjectLockEventHoldDurationDays, "s3:object-lock-event-hold-duration-days", Kind::Number).never_present(),
    KeyFacts::new(KnownKey::ObjectLockLegalHold, "s3:object-lock-legal-hold", Kind::String),
    KeyFacts::new(KnownKey::ObjectLockMode, "s3:object-lock-mode", Kind::String),
    KeyFacts::new(KnownKey::ObjectLockRemainingRetentionDays, "s3:object-lock-remaining-retention-days", Kind::Number),
    KeyFacts::new(KnownKey::ObjectLockRetainUntilDate, "s3:object-lock-retain-until-date", Kind::Date),
    KeyFacts::new(KnownKey::ObjectCreationOperation, "s3:ObjectCreationOperation", Kind::Boolean),
    KeyFacts::new(KnownKey::Prefix, "s3:prefix", Kind::String),
    KeyFacts::new(KnownKey::RequestJobOperation, "s3:RequestJobOperation", Kind::String).never_present(),
    KeyFacts::new(KnownKey::RequestJobPriority, "s3:RequestJobPriority", Kind::Number).never_present(),
    KeyFacts::new(KnownKey::RequestObjectTag, "s3:RequestObjectTag", Kind::String).tagged(),
    KeyFacts::new(KnownKey::RequestObjectTagKeys, "s3:RequestObjectTagKeys", Kind::String).many(),
    KeyFacts::new(KnownKey::S3ResourceAccount, "s3:ResourceAccount", Kind::String),
    KeyFacts::new(KnownKey::ResourceArnBeingAuthorized, "s3:resourceArnBeingAuthorized", Kind::Arn).never_present(),
    KeyFacts::new(KnownKey::SignatureAge, "s3:signatureAge", Kind::Number),
    KeyFacts::new(KnownKey::SignatureVersion, "s3:signatureversion", Kind::String),
    KeyFacts::new(KnownKey::TlsVersion, "s3:TlsVersion", Kind::Number),
    KeyFacts::new(KnownKey::VersionId, "s3:versionid", Kind::String),
    KeyFacts::new(KnownKey::XAmzAcl, "s3:x-amz-acl", Kind::String),
    KeyFacts::new(KnownKey::XAmzBucketNamespace, "s3:x-amz-bucket-namespace", Kind::String).never_present(),
    KeyFacts::new(KnownKey::XAmzContentSha256, "s3:x-amz-content-sha256", Kind::String),
    KeyFacts::new(KnownKey::XAmzCopySource, "s3:x-amz-copy-source", Kind::String),
    KeyFacts::new(KnownKey::XAmzGrantFullControl, "s3:x-amz-grant-full-control", Kind::String),
    KeyFacts::new(KnownKey::XAmzGrantRead, "s3:x-amz-grant-read", Kind::String),
    KeyFacts::new(KnownKey::XAmzGrantReadAcp, "s3:x-amz-grant-read-acp", Kind::String),
    KeyFacts::new(KnownKey::XAmzGrantWrite, "s3:x-amz-grant-write", Kind::String),
    KeyFacts::new(KnownKey::XAmzGrantWriteAcp, "s3:x-amz-grant-write-acp", Kind::String),
    KeyFacts::new(KnownKey::XAmzMetadataDirective, "s3:x-amz-metadata-directive", Kind::String),
    KeyFacts::new(KnownKey::XAmzObjectAnnotationDirective, "s3:x-amz-object-annotation-directive", Kind::String).never_present(),
    KeyFacts::new(KnownKey::XAmzObjectIfMatch, "s3:x-amz-object-if-match", Kind::String).never_present(),
    KeyFacts::new(KnownKey::XAmzObjectOwnership, "s3:x-amz-object-ownership", Kind::String),
    KeyFacts::new(KnownKey::XAmzServerSideEncryption, "s3:x-amz-server-side-encryption", Kind::String),
    KeyFacts::new(KnownKey::XAmzServerSideEncryptionAwsKmsKeyId, "s3:x-amz-server-side-encryption-aws-kms-key-id", Kind::Arn),
    KeyFacts::new(KnownKey::XAmzServerSideEncryptionCustomerAlgorithm, "s3:x-amz-server-side-encryption-customer-algorithm", Kind::String),
    KeyFacts::new(KnownKey::XAmzStorageClass, "s3:x-amz-storage-class", Kind::String),
    KeyFacts::new(KnownKey::XAmzWebsiteRedirectLocation, "s3:x-amz-website-redirect-location", Kind::String),
];
