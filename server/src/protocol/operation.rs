//! Every S3 operation, and beside it what it needs: how a request names it, and the actions that are judged.
//!
//! One table and one match, so that what an operation asks for is read next to the operation. It has AWS's whole list: an operation that isn't built yet is judged like the others and then answers `NotImplemented`.
//! Source: each operation's Permissions section in the [S3 API reference](https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html) and the
//! [Service Authorization Reference](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html).

use policy::Action;

use super::error::S3Result;
use super::request::Request;

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The service: `/`.
    Service,
    /// A bucket: `/BUCKET`.
    Bucket,
    /// An object: `/BUCKET/KEY`.
    Object,
}

/// How a request names an operation and what it needs, before the conditions of [`Operation::access`].
#[derive(Debug)]
pub struct Row {
    /// The operation.
    pub operation: Operation,
    /// What it is about.
    pub level: Level,
    /// The HTTP method.
    pub method: &'static str,
    /// The query parameter that selects it, or the empty string.
    pub subresource: &'static str,
    /// The action that is judged.
    pub action: Action,
    /// The action that is judged instead when the request names a version.
    pub version_action: Option<Action>,
}

/// A type that stands for one operation.
pub trait Named {
    /// The operation.
    const OPERATION: Operation;
}

macro_rules! operations {
    ($($name:ident $level:ident $method:ident $subresource:literal $action:ident $(/ $version_action:ident)?;)*) => {
        /// An S3 operation by AWS's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Operation { $($name,)* }

        /// One row an operation, in the order of the enum.
        pub static ROWS: &[Row] = &[$(Row {
            operation: Operation::$name,
            level: Level::$level,
            method: stringify!($method),
            subresource: $subresource,
            action: Action::$action,
            version_action: operations!(@version $($version_action)?),
        },)*];

        /// One type an operation, so that a handler can say in its signature what was authorized.
        pub mod op {
            use super::{Named, Operation};
            $(
                #[doc = concat!("The operation `", stringify!($name), "`.")]
                #[derive(Debug)]
                pub struct $name;
                impl Named for $name {
                    const OPERATION: Operation = Operation::$name;
                }
            )*
        }

        impl Operation {
            /// AWS's name of the operation.
            pub fn name(self) -> &'static str {
                match self { $(Operation::$name => stringify!($name),)* }
            }
        }
    };
    (@version) => { None };
    (@version $action:ident) => { Some(Action::$action) };
}

operations! {
    ListBuckets                                 Service GET    ""                    ListAllMyBuckets;
    CreateBucket                                Bucket  PUT    ""                    CreateBucket;
    DeleteBucket                                Bucket  DELETE ""                    DeleteBucket;
    HeadBucket                                  Bucket  HEAD   ""                    ListBucket;
    GetBucketLocation                           Bucket  GET    "location"            GetBucketLocation;
    ListObjects                                 Bucket  GET    ""                    ListBucket;
    ListObjectsV2                               Bucket  GET    "list-type"           ListBucket;
    ListObjectVersions                          Bucket  GET    "versions"            ListBucketVersions;
    ListMultipartUploads                        Bucket  GET    "uploads"             ListBucketMultipartUploads;
    GetBucketAcl                                Bucket  GET    "acl"                 GetBucketAcl;
    PutBucketAcl                                Bucket  PUT    "acl"                 PutBucketAcl;
    GetBucketCors                               Bucket  GET    "cors"                GetBucketCORS;
    PutBucketCors                               Bucket  PUT    "cors"                PutBucketCORS;
    GetBucketEncryption                         Bucket  GET    "encryption"          GetEncryptionConfiguration;
    PutBucketEncryption                         Bucket  PUT    "encryption"          PutEncryptionConfiguration;
    GetBucketLogging                            Bucket  GET    "logging"             GetBucketLogging;
    PutBucketLogging                            Bucket  PUT    "logging"             PutBucketLogging;
    GetBucketNotificationConfiguration          Bucket  GET    "notification"        GetBucketNotification;
    PutBucketNotificationConfiguration          Bucket  PUT    "notification"        PutBucketNotification;
    GetBucketOwnershipControls                  Bucket  GET    "ownershipControls"   GetBucketOwnershipControls;
    PutBucketOwnershipControls                  Bucket  PUT    "ownershipControls"   PutBucketOwnershipControls;
    GetBucketPolicy                             Bucket  GET    "policy"              GetBucketPolicy;
    PutBucketPolicy                             Bucket  PUT    "policy"              PutBucketPolicy;
    GetBucketReplication                        Bucket  GET    "replication"         GetReplicationConfiguration;
    PutBucketReplication                        Bucket  PUT    "replication"         PutReplicationConfiguration;
    GetBucketRequestPayment                     Bucket  GET    "requestPayment"      GetBucketRequestPayment;
    PutBucketRequestPayment                     Bucket  PUT    "requestPayment"      PutBucketRequestPayment;
    GetBucketTagging                            Bucket  GET    "tagging"             GetBucketTagging;
    PutBucketTagging                            Bucket  PUT    "tagging"             PutBucketTagging;
    GetBucketVersioning                         Bucket  GET    "versioning"          GetBucketVersioning;
    PutBucketVersioning                         Bucket  PUT    "versioning"          PutBucketVersioning;
    GetBucketWebsite                            Bucket  GET    "website"             GetBucketWebsite;
    PutBucketWebsite                            Bucket  PUT    "website"             PutBucketWebsite;
    GetBucketAccelerateConfiguration            Bucket  GET    "accelerate"          GetAccelerateConfiguration;
    PutBucketAccelerateConfiguration            Bucket  PUT    "accelerate"          PutAccelerateConfiguration;
    GetBucketAnalyticsConfiguration             Bucket  GET    "analytics"           GetAnalyticsConfiguration;
    PutBucketAnalyticsConfiguration             Bucket  PUT    "analytics"           PutAnalyticsConfiguration;
    GetBucketInventoryConfiguration             Bucket  GET    "inventory"           GetInventoryConfiguration;
    PutBucketInventoryConfiguration             Bucket  PUT    "inventory"           PutInventoryConfiguration;
    GetBucketMetricsConfiguration               Bucket  GET    "metrics"             GetMetricsConfiguration;
    PutBucketMetricsConfiguration               Bucket  PUT    "metrics"             PutMetricsConfiguration;
    GetBucketIntelligentTieringConfiguration    Bucket  GET    "intelligent-tiering" GetIntelligentTieringConfiguration;
    PutBucketIntelligentTieringConfiguration    Bucket  PUT    "intelligent-tiering" PutIntelligentTieringConfiguration;
    GetBucketLifecycleConfiguration             Bucket  GET    "lifecycle"           GetLifecycleConfiguration;
    PutBucketLifecycleConfiguration             Bucket  PUT    "lifecycle"           PutLifecycleConfiguration;
    GetBucketPolicyStatus                       Bucket  GET    "policyStatus"        GetBucketPolicyStatus;
    GetPublicAccessBlock                        Bucket  GET    "publicAccessBlock"   GetBucketPublicAccessBlock;
    PutPublicAccessBlock                        Bucket  PUT    "publicAccessBlock"   PutBucketPublicAccessBlock;
    DeletePublicAccessBlock                     Bucket  DELETE "publicAccessBlock"   PutBucketPublicAccessBlock;
    DeleteBucketPolicy                          Bucket  DELETE "policy"              DeleteBucketPolicy;
    DeleteBucketWebsite                         Bucket  DELETE "website"             DeleteBucketWebsite;
    DeleteBucketCors                            Bucket  DELETE "cors"                PutBucketCORS;
    DeleteBucketEncryption                      Bucket  DELETE "encryption"          PutEncryptionConfiguration;
    DeleteBucketLifecycle                       Bucket  DELETE "lifecycle"           PutLifecycleConfiguration;
    DeleteBucketOwnershipControls               Bucket  DELETE "ownershipControls"   PutBucketOwnershipControls;
    DeleteBucketReplication                     Bucket  DELETE "replication"         PutReplicationConfiguration;
    DeleteBucketTagging                         Bucket  DELETE "tagging"             PutBucketTagging;
    DeleteBucketAnalyticsConfiguration          Bucket  DELETE "analytics"           PutAnalyticsConfiguration;
    DeleteBucketInventoryConfiguration          Bucket  DELETE "inventory"           PutInventoryConfiguration;
    DeleteBucketMetricsConfiguration            Bucket  DELETE "metrics"             PutMetricsConfiguration;
    DeleteBucketIntelligentTieringConfiguration Bucket  DELETE "intelligent-tiering" PutIntelligentTieringConfiguration;
    GetObjectLockConfiguration                  Bucket  GET    "object-lock"         GetBucketObjectLockConfiguration;
    PutObjectLockConfiguration                  Bucket  PUT    "object-lock"         PutBucketObjectLockConfiguration;
    ListBucketAnalyticsConfigurations           Bucket  GET    "analytics"           GetAnalyticsConfiguration;
    ListBucketInventoryConfigurations           Bucket  GET    "inventory"           GetInventoryConfiguration;
    ListBucketMetricsConfigurations             Bucket  GET    "metrics"             GetMetricsConfiguration;
    ListBucketIntelligentTieringConfigurations  Bucket  GET    "intelligent-tiering" GetIntelligentTieringConfiguration;
    GetObject                                   Object  GET    ""                    GetObject / GetObjectVersion;
    HeadObject                                  Object  HEAD   ""                    GetObject / GetObjectVersion;
    GetObjectAttributes                         Object  GET    "attributes"          GetObject / GetObjectVersion;
    PutObject                                   Object  PUT    ""                    PutObject;
    CopyObject                                  Object  PUT    ""                    PutObject;
    DeleteObject                                Object  DELETE ""                    DeleteObject / DeleteObjectVersion;
    DeleteObjects                               Bucket  POST   "delete"              DeleteObject;
    RestoreObject                               Object  POST   "restore"             RestoreObject;
    SelectObjectContent                         Object  POST   "select"              GetObject;
    GetObjectAcl                                Object  GET    "acl"                 GetObjectAcl / GetObjectVersionAcl;
    PutObjectAcl                                Object  PUT    "acl"                 PutObjectAcl / PutObjectVersionAcl;
    GetObjectTagging                            Object  GET    "tagging"             GetObjectTagging / GetObjectVersionTagging;
    PutObjectTagging                            Object  PUT    "tagging"             PutObjectTagging / PutObjectVersionTagging;
    DeleteObjectTagging                         Object  DELETE "tagging"             DeleteObjectTagging / DeleteObjectVersionTagging;
    GetObjectRetention                          Object  GET    "retention"           GetObjectRetention;
    PutObjectRetention                          Object  PUT    "retention"           PutObjectRetention;
    GetObjectLegalHold                          Object  GET    "legal-hold"          GetObjectLegalHold;
    PutObjectLegalHold                          Object  PUT    "legal-hold"          PutObjectLegalHold;
    GetObjectTorrent                            Object  GET    "torrent"             GetObjectTorrent;
    CreateMultipartUpload                       Object  POST   "uploads"             PutObject;
    UploadPart                                  Object  PUT    ""                    PutObject;
    UploadPartCopy                              Object  PUT    ""                    PutObject;
    CompleteMultipartUpload                     Object  POST   ""                    PutObject;
    AbortMultipartUpload                        Object  DELETE ""                    AbortMultipartUpload;
    ListParts                                   Object  GET    ""                    ListMultipartUploadParts;
}

/// Which resource an action is judged on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// `arn:aws:s3:::*`.
    Service,
    /// The bucket that the request names.
    Bucket,
    /// The object that the request names.
    Object,
    /// The object that `x-amz-copy-source` names.
    CopySource,
    /// All objects of the bucket together: what only statements about all of them cover.
    EveryObject,
}

impl On {
    /// The key that stands for all objects of a bucket together: only statements about all of them cover it.
    pub const EVERY_KEY: &'static str = "*";
}

/// The most needs one request has.
const NEEDS_MAX: usize = 8;

/// The (action, resource) pairs that must all be allowed before a handler runs.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    needs: [Option<(Action, On)>; NEEDS_MAX],
}

impl Access {
    fn of(action: Action, on: On) -> Access {
        let mut needs = [None; NEEDS_MAX];
        needs[0] = Some((action, on));
        Access { needs }
    }

    fn none() -> Access {
        Access { needs: [None; NEEDS_MAX] }
    }

    fn also(mut self, condition: bool, action: Action, on: On) -> Access {
        if condition {
            let free = self.needs.iter_mut().find(|n| n.is_none()).expect("NEEDS_MAX covers the longest row");
            *free = Some((action, on));
        }
        self
    }

    /// The pairs.
    pub fn iter(&self) -> impl Iterator<Item = (Action, On)> + '_ {
        self.needs.iter().flatten().copied()
    }
}

impl Operation {
    /// The operation's row.
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The action that the row names; with a version, the one for versions.
    pub fn action(self, versioned: bool) -> Action {
        let row = self.row();
        row.version_action.filter(|_| versioned).unwrap_or(row.action)
    }

    /// What the request must be allowed, all of it, before its handler runs.
    ///
    /// What only the object itself can tell is judged by the handler: the tags of a copy's source, and each key of a DeleteObjects.
    pub fn access(self, request: &Request) -> S3Result<Access> {
        let versioned = request.version_id()?.is_some();
        let sent = |name: &str| request.headers.contains_key(name);
        let on = match self.row().level {
            Level::Service => On::Service,
            Level::Bucket => On::Bucket,
            Level::Object => On::Object,
        };
        let base = Access::of(self.action(versioned), on);
        let grants = || request.headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
        let new_object = |access: Access| {
            access
                .also(sent("x-amz-acl") || grants(), Action::PutObjectAcl, On::Object)
                .also(request.tagging_header().is_some(), Action::PutObjectTagging, On::Object)
                .also(
                    sent("x-amz-object-lock-mode") || sent("x-amz-object-lock-retain-until-date"),
                    Action::PutObjectRetention,
                    On::Object,
                )
                .also(sent("x-amz-object-lock-legal-hold"), Action::PutObjectLegalHold, On::Object)
        };
        let source = |access: Access| {
            let version = request.copy_source.as_ref().is_some_and(|s| s.version_id.is_some());
            access.also(true, if version { Action::GetObjectVersion } else { Action::GetObject }, On::CopySource)
        };
        let bypass = request.bypasses_governance();
        Ok(match self {
            Operation::CreateBucket => {
                let lock =
                    request.header("x-amz-bucket-object-lock-enabled").is_some_and(|v| v.eq_ignore_ascii_case("true"));
                let acl = request.header("x-amz-acl").is_some_and(|acl| acl != "private") || grants();
                base.also(acl, Action::PutBucketAcl, On::Bucket)
                    .also(lock, Action::PutBucketObjectLockConfiguration, On::Bucket)
                    .also(lock, Action::PutBucketVersioning, On::Bucket)
                    .also(sent("x-amz-object-ownership"), Action::PutBucketOwnershipControls, On::Bucket)
            }
            Operation::GetObjectAttributes => {
                let attributes =
                    if versioned { Action::GetObjectVersionAttributes } else { Action::GetObjectAttributes };
                base.also(true, attributes, On::Object)
            }
            Operation::PutObject => new_object(base).also(sent("if-match"), Action::GetObject, On::Object),
            Operation::CopyObject => source(new_object(base)).also(sent("if-match"), Action::GetObject, On::Object),
            Operation::CreateMultipartUpload => new_object(base),
            Operation::UploadPartCopy => source(base),
            Operation::CompleteMultipartUpload => base.also(sent("if-match"), Action::GetObject, On::Object),
            Operation::DeleteObject => {
                let etag = request.header("if-match").is_some_and(|etag| etag != "*");
                // Without a version nothing is removed that retention holds.
                base.also(etag, Action::GetObject, On::Object).also(
                    bypass && versioned,
                    Action::BypassGovernanceRetention,
                    On::Object,
                )
            }
            Operation::PutObjectRetention => base.also(bypass, Action::BypassGovernanceRetention, On::Object),
            // Judged key by key.
            Operation::DeleteObjects => Access::none(),
            _ => base,
        })
    }

    /// Actions that refuse the request as well when a statement denies them, though nothing need allow them.
    ///
    /// Deleting what has no versions is denied with either delete action ([DeleteObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html)), and lifecycle rules delete in their author's stead
    /// ([PutBucketLifecycleConfiguration](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html)).
    pub fn also_denied_by(self, versioned: bool, is_unversioned: bool) -> &'static [(Action, On)] {
        match self {
            Operation::DeleteObject | Operation::PutBucketLifecycleConfiguration => {
                also_denied_by(self.action(versioned), is_unversioned)
            }
            _ => &[],
        }
    }

    /// Whether the operation makes an object at once: `s3:ObjectCreationOperation`.
    pub fn creates_object(self) -> bool {
        matches!(self, Operation::PutObject | Operation::CopyObject | Operation::CompleteMultipartUpload)
    }
}

/// What [`Operation::also_denied_by`] says, by the action that is asked for.
pub fn also_denied_by(action: Action, is_unversioned: bool) -> &'static [(Action, On)] {
    match action {
        Action::DeleteObjectVersion if is_unversioned => &[(Action::DeleteObject, On::Object)],
        Action::DeleteObject if is_unversioned => &[(Action::DeleteObjectVersion, On::Object)],
        Action::PutLifecycleConfiguration => {
            &[(Action::DeleteObject, On::EveryObject), (Action::DeleteObjectVersion, On::EveryObject)]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_the_enum() {
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.operation as usize, index);
            assert_eq!(row.operation.name(), format!("{:?}", row.operation));
        }
    }
}
