//! Which requests are allowed, through HTTP.

mod bucket_policy;
mod change;
mod context;
mod corpus;
mod decision;
mod language;
mod operations;
mod tags;
mod trace;
