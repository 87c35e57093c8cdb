//! Why a request was decided as it was: the deciding statement, or those that nearly allowed it and what they lacked.
//!
//! For operators and simulations. A denied client learns none of this; it gets [`denial_message`](crate::denial_message).

use serde::Serialize;

use crate::action::AskedAction;
use crate::condition::Condition;
use crate::decide::{AttachedPolicy, Outcome, Reason, decide_action};
use crate::effect::Effect;
use crate::policy::PolicyKind;
use crate::principal::{Caller, Meant};
use crate::request::Request;
use crate::resource::with_target;
use crate::statement::{Ask, Statement};
use crate::value::{Context, Lookup};

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The request in one line.
    pub request: String,
    /// The outcome.
    pub decision: Outcome,
    /// Why, as a code.
    pub reason: Reason,
    /// Why, as a sentence.
    pub because: String,
    /// The statement that decided.
    pub deciding: Option<StatementTrace>,
    /// For requests that nothing allows: the Allows that came nearest, the nearest first.
    pub nearly: Vec<StatementTrace>,
}

/// One statement and how the request compares with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatementTrace {
    /// The name of the policy.
    pub policy: String,
    /// What the policy is attached to.
    pub role: PolicyKind,
    /// The Sid, or `#2`.
    pub sid: String,
    /// One-based line in the document.
    pub line: u32,
    /// What the statement does.
    pub effect: Effect,
    /// Whether the permission is disabled, so that its Allows are ignored.
    pub disabled: bool,
    /// Whether the statement names the caller.
    pub principal_matches: bool,
    /// Whether it names the resource.
    pub resource_matches: bool,
    /// Its conditions, those that failed first.
    pub conditions: Vec<ConditionTrace>,
}

/// One condition and the values that were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConditionTrace {
    /// The operator, with qualifier and suffix.
    pub operator: String,
    /// The key as the document writes it.
    pub key: String,
    /// The values of the policy.
    pub wanted: Vec<String>,
    /// The values of the request: `None` when it has no such key.
    pub found: Option<Vec<String>>,
    /// Whether the condition holds.
    pub holds: bool,
}

/// Most statements that are reported as near misses.
const NEARLY_MAX: usize = 8;

/// Explains a request. The same policies as for [`decide`](crate::decide()); this one allocates and takes its time.
pub fn explain<'p, I>(policies: I, request: &Request<'_>) -> Explanation
where
    I: IntoIterator<Item = AttachedPolicy<'p>>,
{
    explain_action(policies, request, AskedAction::Known(request.action), request.action.name())
}

pub(crate) fn explain_action<'p, I>(
    policies: I,
    request: &Request<'_>,
    action: AskedAction<'_>,
    name: &str,
) -> Explanation
where
    I: IntoIterator<Item = AttachedPolicy<'p>>,
{
    let policies: Vec<AttachedPolicy<'p>> = policies.into_iter().collect();
    let decision = decide_action(policies.iter().copied(), request, action);
    let (deciding, nearly) = with_target(&request.resource, |target| {
        let ask = Ask { caller: Caller::from(request), action, target, context: request.context };
        let mut deciding = None;
        let mut nearly = Vec::new();
        for attached in &policies {
            for statement in &attached.policy.statements {
                let decided = decision.deciding.is_some_and(|one| std::ptr::eq(one.statement.statement, statement));
                if decided {
                    deciding = Some(trace(attached, statement, &ask));
                } else if decision.outcome == Outcome::ImplicitDeny
                    && statement.effect == Effect::Allow
                    && statement.names_action(action)
                {
                    nearly.push(trace(attached, statement, &ask));
                }
            }
        }
        (deciding, nearly)
    });
    let mut nearly = nearly;
    nearly.sort_by_key(StatementTrace::distance);
    // A statement about another resource and another caller is not near.
    nearly.retain(|trace| trace.principal_matches || trace.resource_matches);
    nearly.truncate(NEARLY_MAX);
    let because = because(&decision, deciding.as_ref(), name);
    let request = format!("{} asks for {name} on {}", request.principal, request.resource);
    Explanation { request, decision: decision.outcome, reason: decision.reason, because, deciding, nearly }
}

impl StatementTrace {
    /// How far the statement is from applying; a wrong resource or caller is farther than any condition.
    fn distance(&self) -> usize {
        let failed = self.conditions.iter().filter(|condition| !condition.holds).count();
        failed
            + usize::from(self.disabled)
            + 100 * usize::from(!self.principal_matches)
            + 1_000 * usize::from(!self.resource_matches)
    }
}

fn trace(attached: &AttachedPolicy<'_>, statement: &Statement, ask: &Ask<'_>) -> StatementTrace {
    let mut conditions: Vec<ConditionTrace> = statement
        .conditions
        .iter()
        .map(|condition| ConditionTrace {
            operator: condition.operator.to_string(),
            key: condition.key.as_str().to_owned(),
            wanted: condition.texts.iter().map(|text| text.to_string()).collect(),
            found: found(condition, ask.context),
            holds: condition.holds(ask.context, statement.effect),
        })
        .collect();
    conditions.sort_by_key(|condition| condition.holds);
    StatementTrace {
        policy: attached.name.to_owned(),
        role: attached.role,
        sid: statement.name(),
        line: statement.line,
        effect: statement.effect,
        disabled: !attached.enabled,
        principal_matches: statement.names_principal(&ask.caller) != Meant::No,
        resource_matches: statement.names_resource(&ask.target, ask.context),
        conditions,
    }
}

fn found(condition: &Condition, context: &dyn Context) -> Option<Vec<String>> {
    let text = |value: &crate::value::Value<'_>| value.to_text(&condition.key).into_owned();
    match context.lookup(&condition.key) {
        Lookup::Absent => None,
        Lookup::One(value) => Some(vec![text(&value)]),
        Lookup::Many(values) => Some(values.iter().map(text).collect()),
        Lookup::Unreadable => Some(vec!["(could not be read)".to_owned()]),
    }
}

fn because(decision: &crate::decide::Decision<'_>, deciding: Option<&StatementTrace>, action: &str) -> String {
    let statement = deciding.map(|trace| format!("statement {} of {} (line {})", trace.sid, trace.policy, trace.line));
    match (decision.outcome, decision.reason, statement) {
        (Outcome::ExplicitDeny, _, Some(statement)) => format!("{statement} denies it, and a Deny always wins"),
        (_, Reason::CrossAccount, Some(statement)) => {
            format!("the owner's bucket policy grants to the caller's account, and {statement} allows it")
        }
        (_, _, Some(statement)) => format!("{statement} allows it"),
        (_, Reason::Root, None) => "the caller is the root of the account that owns the resource".to_owned(),
        (_, Reason::RootKeepsBucketPolicy, None) => {
            "root may always read, write and delete the policy of its own bucket".to_owned()
        }
        (_, Reason::NoBucketPolicy, None) => format!("no bucket policy allows {action} to this caller"),
        (_, Reason::NoSessionPolicy, None) => format!("the session's own policy doesn't allow {action}"),
        _ => format!("no policy of the caller allows {action}"),
    }
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.request)?;
        let outcome = match self.decision {
            Outcome::Allow => "allowed",
            Outcome::ExplicitDeny => "denied by a statement",
            Outcome::ImplicitDeny => "denied",
        };
        writeln!(f, "{outcome}: {}", self.because)?;
        if let Some(deciding) = &self.deciding {
            write_conditions(f, deciding)?;
        }
        for trace in &self.nearly {
            writeln!(f, "nearly allowed by {} of {} (line {}):", trace.sid, trace.policy, trace.line)?;
            if trace.disabled {
                writeln!(f, "  the permission is disabled")?;
            }
            if !trace.principal_matches {
                writeln!(f, "  it doesn't name this caller")?;
            }
            if !trace.resource_matches {
                writeln!(f, "  it doesn't name this resource")?;
            }
            write_conditions(f, trace)?;
        }
        Ok(())
    }
}

fn write_conditions(f: &mut std::fmt::Formatter<'_>, trace: &StatementTrace) -> std::fmt::Result {
    for condition in &trace.conditions {
        let verdict = if condition.holds { "holds" } else { "fails" };
        let found = match &condition.found {
            None => "the request has no such key".to_owned(),
            Some(values) => format!("the request has {}", values.join(", ")),
        };
        let wanted = condition.wanted.join(", ");
        writeln!(f, "  {} {} {wanted} {verdict}: {found}", condition.operator, condition.key)?;
    }
    Ok(())
}
