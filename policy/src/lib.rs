//! Judges S3 requests by IAM policies: parses documents, compiles them once, and decides without allocating.
//!
//! Pure on purpose: no I/O, no clock, no async, and no panic on any input, so that the same code answers a request, a
//! simulation and a test. The language is described in `LANGUAGE.md`.
//!
//! ```
//! use policy::{Action, AttachedPolicy, MapContext, ParseOptions, Principal, Request, Resource};
//!
//! let document = br#"{"Version": "2012-10-17", "Statement": {
//!     "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::datalake/*",
//!     "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.0/24"}}}}"#;
//! let reader = policy::parse(document, ParseOptions::identity())?;
//! let context = MapContext::new().with("aws:SourceIp", "21.21.21.7");
//! let request = Request {
//!     principal: Principal::User {
//!         account: "123456789012",
//!         name: "lightly",
//!         arn: "arn:aws:iam::123456789012:user/lightly",
//!     },
//!     action: Action::GetObject,
//!     resource: Resource::Object { account: "123456789012", bucket: "datalake", key: "cow.jpg" },
//!     context: &context,
//!     canonical_user: None,
//! };
//! let decision = policy::decide([AttachedPolicy::new(&reader, "reader")], &request);
//! assert!(decision.is_allowed());
//! # Ok::<(), policy::PolicyErrors>(())
//! ```

mod action;
mod cases;
mod check;
mod condition;
mod decide;
mod effect;
mod error;
mod explain;
pub mod fuzz;
mod index;
mod json;
mod key;
mod lower;
mod parse;
mod pattern;
mod policy;
mod principal;
mod public;
mod request;
mod resource;
mod scope;
mod statement;
mod value;
mod variable;

pub use action::{AccessLevel, Action, ResourceType};
pub use cases::{CASE_ACCOUNT, eval_cases, explain_case};
pub use check::{CheckReport, Finding, Severity, check, check_batch};
pub use decide::{AttachedPolicy, Deciding, Decision, Outcome, Reason, asks_for_object_tags, decide, denial_message};
pub use effect::Effect;
pub use error::{ERRORS_MAX, PolicyError, PolicyErrors};
pub use explain::{ConditionTrace, Explanation, Found, HEADER_BYTES_MAX, StatementTrace, Texts, explain, header_text};
pub use key::{ConditionKey, Kind, KnownKey};
pub use lower::{
    BUCKET_NAMES_MAX, BUCKET_PREFIX_CHARACTERS_MAX, BucketActions, BucketScope, LowerError, describe, lower,
};
pub use parse::{
    BUCKET_POLICY_BYTES_MAX, DOCUMENT_BYTES_MAX, Dialect, IDENTITY_POLICY_CHARACTERS_MAX, IMPORT_AS_AWS, Level,
    ParseOptions, parse,
};
pub use policy::{Policy, PolicyKind, StatementRef};
pub use request::{Principal, Request, Resource};
pub use scope::{PolicyScope, ScopeQuery};
pub use value::{Context, EmptyContext, Lookup, MapContext, Value};
