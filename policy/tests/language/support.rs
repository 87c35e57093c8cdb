//! Short ways to ask a question.

use policy::{
    Action, AttachedPolicy, Context, Decision, MapContext, Outcome, ParseOptions, Policy, PolicyKind, Principal,
    Request, Resource, parse,
};

pub(crate) const OWNER: &str = "123456789012";
pub(crate) const OTHER: &str = "999999999999";

pub(crate) const ALICE: Principal<'static> =
    Principal::User { account: OWNER, name: "alice", arn: "arn:aws:iam::123456789012:user/alice" };

pub(crate) fn identity(document: &str) -> Policy {
    parse(document.as_bytes(), ParseOptions::identity()).unwrap_or_else(|errors| panic!("{document}\n{errors:?}"))
}

pub(crate) fn of_kind(kind: PolicyKind, document: &str) -> Policy {
    parse(document.as_bytes(), ParseOptions::grammar(kind)).unwrap_or_else(|errors| panic!("{document}\n{errors:?}"))
}

/// An identity policy of one statement that covers everything, with this effect and Condition block.
pub(crate) fn conditional(effect: &str, condition: &str) -> Policy {
    of_kind(
        PolicyKind::Identity,
        &format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "*", "Resource": "*", "Condition": {condition}}}}}"#
        ),
    )
}

pub(crate) fn context(entries: &[(&str, &str)]) -> MapContext {
    entries.iter().fold(MapContext::new(), |context, (key, value)| context.with(key, value))
}

pub(crate) fn request<'a>(
    principal: Principal<'a>,
    action: Action,
    arn: &'a str,
    context: &'a dyn Context,
) -> Request<'a> {
    Request { principal, action, resource: Resource::from_arn(arn, OWNER), context, canonical_user: None }
}

pub(crate) fn decide<'p>(policies: &'p [Policy], request: &Request<'_>) -> Decision<'p> {
    policy::decide(policies.iter().map(|policy| AttachedPolicy::new(policy, "policy")), request)
}

/// Alice asks, judged by one policy.
pub(crate) fn outcome(policy: &Policy, action: Action, arn: &str, context: &MapContext) -> Outcome {
    decide(std::slice::from_ref(policy), &request(ALICE, action, arn, context)).outcome
}
