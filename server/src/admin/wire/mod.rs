//! The JSON of the admin API: every type that is read or written, and nothing else; a file a noun.
//!
//! Here only, so that the OpenAPI document, made from these types, can't say another thing than what is served. What is read takes no unknown field: a field that is ignored is one that its author believes in (failure case D5).

mod access;
mod bucket;
mod node;
mod permission;
mod person;
mod service_account;
mod sign_in;

use serde::{Deserialize, Deserializer};

pub(super) use access::{Access, BucketAccess, BucketActions, Grant, Simulation, SimulationBody};
pub(super) use bucket::{Bucket, BucketBody, BucketMonth, BucketUsage, CurrentUsage, MonthUsage, Quota, Usage};
pub(super) use node::{
    Applied, AuditRecord, AuditSettings, AuditSettingsBody, AuditStatus, Disk, Engine, Error, MaintenanceStatus,
    Progress, Status,
};
pub(super) use permission::{Checked, Permission, PermissionBody, PermissionSummary, RevertBody, Revision, Users};
pub(super) use person::{Account, AccountBody, NewAccount, User, UserBody, UserRevision};
pub(super) use service_account::{Credentials, Reference, ServiceAccount, ServiceAccountBody, ServiceAccountRevision};
pub(super) use sign_in::{Link, LinkBody, PasswordBody, Session, SignInBody, Token, TokenTime};

/// A field that may be absent, `null`, or a value: absent leaves what is there, `null` removes it.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A field that may be absent but not `null`: what it stands for can't be removed.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
