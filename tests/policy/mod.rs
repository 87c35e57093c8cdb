//! Which requests are allowed, through HTTP.

mod bucket_policy;
mod change;
mod decision;
