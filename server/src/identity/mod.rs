//! Identities: accounts, root keys, service accounts, users and permissions, from the rows of the store to what a request reads.
//!
//! One module, because a credential is only worth what stands behind it: the same code that stores an identity also decides when it may no longer be used.
//!
//! What a caller needs, in the order in which a node needs it:
//!
//! - [`IdentityStore::key_fingerprint`](store::IdentityStore::key_fingerprint) and [`private_file::load_or_create_key`]: the master key from `secret.key`, or [`MasterKey::parse`](sealed::MasterKey::parse) from elsewhere.
//! - [`IdentityStore::open`](store::IdentityStore::open) over a [`ConfigRows`](config_rows::ConfigRows), with root's credential if the operator gave one. Log [`Snapshot::damaged`](snapshot::Snapshot::damaged).
//! - [`State::parse`](state::State::parse), [`IdentityStore::plan`](store::IdentityStore::plan) with a [`Mode`](plan::Mode), [`IdentityStore::execute`](store::IdentityStore::execute): bootstrap and apply. The caller creates [`Plan::buckets`](plan::Plan::buckets) and refuses a plan whose
//!   [`deleted_accounts`](plan::Plan::deleted_accounts) own buckets.
//! - [`IdentityStore::ensure_first_account`](store::IdentityStore::ensure_first_account) with [`private_file::write_root_credentials`].
//! - At each request [`IdentityStore::snapshot`](store::IdentityStore::snapshot), then [`Snapshot::credential`](snapshot::Snapshot::credential), which answers an [`Identity`](credential::Identity): its `secret` checks the signature, its `principal()` and `policies()` go to [`policy::decide`].
//! - [`IdentityStore::change_with`](store::IdentityStore::change_with) with [`Change`](change::Change)s: every other verb of administration. Rotation is a put of the service account with another secret, enabling and disabling one with another `enabled`; a role's policy is [`Role::policy`](user::Role::policy), a permission's
//!   versions are [`IdentityStore::history`](store::IdentityStore::history).
//! - [`print::state_of`]: the current state as a state file without secrets.

pub mod account;
mod account_records;
pub mod change;
pub mod compiled;
pub mod config_rows;
pub mod credential;
mod decode;
pub mod difference;
pub mod etag;
pub mod first_start;
pub mod former_key;
pub mod history;
pub mod load;
pub mod name;
pub mod permission;
pub mod plan;
mod planner;
pub mod print;
pub mod private_file;
pub mod random;
mod records;
pub mod role;
mod row_values;
pub mod rows;
mod rules;
pub mod sealed;
pub mod service_account;
mod shards;
pub mod snapshot;
pub mod state;
pub mod store;
mod summary;
pub mod timestamp;
pub mod user;

#[cfg(test)]
mod tests;
