//! Bodies of fuzz targets: plain functions over bytes, so that any fuzzer, or a property test, can drive them.
//!
//! Each returns normally on every input; a panic is a finding.

use crate::action::Action;
use crate::decide::{AttachedPolicy, decide};
use crate::parse::{ParseOptions, parse};
use crate::pattern::Pattern;
use crate::policy::PolicyKind;
use crate::request::{Principal, Request, Resource};
use crate::value::MapContext;

/// Parses and checks a document as each kind and dialect.
pub fn documents(bytes: &[u8]) {
    let stored =
        [ParseOptions::identity(), ParseOptions::lyve(), ParseOptions::bucket("bucket"), ParseOptions::session()];
    for options in stored {
        let report = crate::check::check(bytes, options);
        assert_eq!(report.valid, parse(bytes, options).is_ok());
    }
    for kind in [PolicyKind::Identity, PolicyKind::Bucket, PolicyKind::Session] {
        // What can be stored can be simulated.
        let grammar = parse(bytes, ParseOptions::grammar(kind));
        if let Err(errors) = &grammar {
            assert!(!errors.errors.is_empty() && !errors.message.is_empty());
        }
    }
}

/// Matches a text with a pattern; the first line of the input is the pattern.
pub fn patterns(input: &str) {
    let (pattern, text) = input.split_once('\n').unwrap_or((input, ""));
    let compiled = Pattern::new(pattern);
    let matched = compiled.matches(text);
    assert!(!matched || text.starts_with(compiled.literal_prefix()));
}

/// Decides a request on a document, with every text taken from the input's lines.
pub fn decisions(input: &str) {
    let mut lines = input.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (arn, key, value, name) = (next(), next(), next(), next());
    let document: String = lines.collect();
    let context = MapContext::new().with(key, value);
    let user = format!("arn:aws:iam::123456789012:user/{name}");
    for kind in [PolicyKind::Identity, PolicyKind::Bucket, PolicyKind::Session] {
        let Ok(policy) = parse(document.as_bytes(), ParseOptions::grammar(kind)) else { continue };
        let request = Request {
            principal: Principal::User { account: "123456789012", name, arn: &user },
            action: Action::GetObject,
            resource: Resource::from_arn(arn, "123456789012"),
            context: &context,
            canonical_user: None,
        };
        let attached = AttachedPolicy::new(&policy, "policy");
        let decision = decide([attached], &request);
        assert_eq!(decision.outcome, crate::explain::explain([attached], &request).decision);
    }
}
