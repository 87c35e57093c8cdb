//! Why a request was decided as it was: the deciding statement, or those that nearly allowed it and what they lacked.
//!
//! For operators and simulations. A denied client learns none of this unless the operator says so; it gets
//! [`denial_message`](crate::denial_message). Everything here is bounded, whatever the policies and the request hold.

mod text;

use serde::Serialize;

use crate::action::AskedAction;
use crate::condition::Condition;
use crate::decide::{AttachedPolicy, Decision, Outcome, Reason, decide_action};
use crate::effect::Effect;
use crate::policy::PolicyKind;
use crate::principal::{Caller, Meant};
use crate::request::Request;
use crate::resource::with_target;
use crate::statement::{Ask, Statement};
use crate::value::{Context, Lookup, Value};

pub use text::{HEADER_BYTES_MAX, header_text};

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    /// For requests that nothing allows: the Allows that came nearest, those with the fewest failing parts first. They are
    /// from policies whose Allow is missing: of the session when only the session's is, of the bucket when only the owner's is.
    pub nearly: Vec<StatementTrace>,
    /// How many more came as near as these or less, and aren't listed.
    pub nearly_omitted: usize,
    /// For requests that are denied although statements allow them: the Allows that apply and aren't enough, such as one of the
    /// caller's own policies where the session's must allow too.
    pub insufficient: Vec<StatementTrace>,
}

/// One statement and how the request compares with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    /// Whether the statement names the action.
    pub action_matches: bool,
    /// Whether the statement names the caller.
    pub principal_matches: bool,
    /// Whether it names the resource.
    pub resource_matches: bool,
    /// What the statement names where it doesn't name what was asked for: its actions.
    pub actions: Texts,
    /// Its resources, where none of them is the one that was asked for.
    pub resources: Texts,
    /// Its conditions, those that failed first.
    pub conditions: Vec<ConditionTrace>,
    /// How many more conditions it has.
    pub conditions_omitted: usize,
}

/// One condition and the values that were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConditionTrace {
    /// The operator, with qualifier and suffix.
    pub operator: String,
    /// The key as the document writes it.
    pub key: String,
    /// The values of the policy; behind one with variables stands what it is in this request.
    pub wanted: Texts,
    /// The values of the request.
    pub found: Found,
    /// Whether the condition holds.
    pub holds: bool,
}

/// What a request has under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "values", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Found {
    /// No such key.
    Absent,
    /// It should be there but couldn't be read; the condition fails closed.
    Unreadable,
    /// A value that isn't of the operator's type; the condition fails closed.
    Malformed(String),
    /// One value.
    One(String),
    /// A list, perhaps an empty one.
    Many(Texts),
}

/// A list of texts, cut to what a person reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Texts {
    /// The first of them, long ones cut and marked with an ellipsis.
    pub shown: Vec<String>,
    /// How many more there are.
    pub omitted: usize,
}

/// Most statements that are reported as near misses, or as allowing without being enough.
const STATEMENTS_MAX: usize = 8;
/// Most conditions of a statement that are reported.
const CONDITIONS_MAX: usize = 16;
/// Most values of a list that are reported.
const VALUES_MAX: usize = 8;
/// Most characters of one text.
const TEXT_CHARACTERS_MAX: usize = 256;
/// A key has at most 1,024 bytes; names and prefixes stand around it.
const REQUEST_CHARACTERS_MAX: usize = 2_048;

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
    let name = clip(name, TEXT_CHARACTERS_MAX);
    with_target(&request.resource, |target| {
        let ask = Ask { caller: Caller::from(request), action, target, context: request.context };
        let statements = policies.iter().flat_map(|attached| {
            attached.policy.statements.iter().map(move |statement| Compared::new(*attached, statement, &ask))
        });
        let mut deciding = None;
        let (mut nearly, mut insufficient) = (Vec::new(), Vec::new());
        for compared in statements {
            if decision.deciding.is_some_and(|one| std::ptr::eq(one.statement.statement, compared.statement)) {
                deciding = Some(compared.trace(&ask));
            }
            if decision.outcome != Outcome::ImplicitDeny || compared.statement.effect != Effect::Allow {
                continue;
            }
            if compared.failing() == 0 {
                insufficient.push(compared);
            } else if compared.would_help(decision.reason) {
                nearly.push(compared);
            }
        }
        let (nearly, nearly_omitted) = nearest(nearly);
        let because = because(&decision, deciding.as_ref(), &name);
        let request = format!("{} asks for {name} on {}", request.principal, request.resource);
        Explanation {
            request: clip(&request, REQUEST_CHARACTERS_MAX),
            decision: decision.outcome,
            reason: decision.reason,
            because,
            deciding,
            nearly: nearly.iter().map(|compared| compared.trace(&ask)).collect(),
            nearly_omitted,
            insufficient: insufficient.iter().take(STATEMENTS_MAX).map(|compared| compared.trace(&ask)).collect(),
        }
    })
}

/// The nearest of these statements, and how many more there are.
fn nearest(mut statements: Vec<Compared<'_>>) -> (Vec<Compared<'_>>, usize) {
    statements.sort_by_key(|compared| (compared.failing(), !compared.action, !compared.resource, !compared.principal));
    // A statement about another action and another resource is not near, unless nothing is nearer.
    if statements.iter().any(|compared| compared.names_another() <= 1) {
        statements.retain(|compared| compared.names_another() <= 1);
    } else {
        statements.truncate(1);
    }
    let omitted = statements.len().saturating_sub(STATEMENTS_MAX);
    statements.truncate(STATEMENTS_MAX);
    (statements, omitted)
}

/// Which parts of a statement match a request.
struct Compared<'p> {
    attached: AttachedPolicy<'p>,
    statement: &'p Statement,
    action: bool,
    principal: bool,
    resource: bool,
    failing_conditions: usize,
}

impl<'p> Compared<'p> {
    fn new(attached: AttachedPolicy<'p>, statement: &'p Statement, ask: &Ask<'_>) -> Compared<'p> {
        // A statement without principals in a bucket's place names nobody.
        let nobody = attached.role == PolicyKind::Bucket && statement.principals.is_none();
        Compared {
            attached,
            statement,
            action: statement.names_action(ask.action),
            principal: !nobody && statement.names_principal(&ask.caller) != Meant::No,
            resource: statement.names_resource(&ask.target, ask.context),
            failing_conditions: statement
                .conditions
                .iter()
                .filter(|condition| !condition.holds(ask.context, statement.effect))
                .count(),
        }
    }

    /// How many of action, caller and resource are others than those of the request.
    fn names_another(&self) -> usize {
        usize::from(!self.action) + usize::from(!self.principal) + usize::from(!self.resource)
    }

    /// How many parts keep the statement from applying.
    fn failing(&self) -> usize {
        self.names_another() + self.failing_conditions + usize::from(!self.attached.enabled)
    }

    /// Whether the request would be nearer to an Allow if the statement applied.
    fn would_help(&self, reason: Reason) -> bool {
        match self.attached.role {
            PolicyKind::Bucket => true,
            PolicyKind::Identity => reason == Reason::NoIdentityPolicy,
            PolicyKind::Session => reason == Reason::NoSessionPolicy,
        }
    }

    fn trace(&self, ask: &Ask<'_>) -> StatementTrace {
        let (attached, statement) = (&self.attached, self.statement);
        let mut conditions: Vec<(bool, &Condition)> = statement
            .conditions
            .iter()
            .map(|condition| (condition.holds(ask.context, statement.effect), condition))
            .collect();
        conditions.sort_by_key(|(holds, _)| *holds);
        let unless = |matches: bool, texts: Texts| if matches { Texts::default() } else { texts };
        StatementTrace {
            policy: clip(attached.name, TEXT_CHARACTERS_MAX),
            role: attached.role,
            sid: clip(&statement.name(), TEXT_CHARACTERS_MAX),
            line: statement.line,
            effect: statement.effect,
            disabled: !attached.enabled,
            action_matches: self.action,
            principal_matches: self.principal,
            resource_matches: self.resource,
            actions: unless(
                self.action,
                statement.actions.entries.iter().map(|pattern| pattern.text().into()).collect(),
            ),
            resources: unless(
                self.resource,
                statement.resources.entries.iter().map(|pattern| pattern.text().into()).collect(),
            ),
            conditions_omitted: conditions.len().saturating_sub(CONDITIONS_MAX),
            conditions: conditions
                .into_iter()
                .take(CONDITIONS_MAX)
                .map(|(holds, condition)| ConditionTrace::new(condition, holds, ask.context))
                .collect(),
        }
    }
}

impl ConditionTrace {
    fn new(condition: &Condition, holds: bool, context: &dyn Context) -> ConditionTrace {
        let text = |value: &Value<'_>| value.to_text(&condition.key).into_owned();
        let found = match context.lookup(&condition.key) {
            Lookup::Absent => Found::Absent,
            Lookup::Unreadable => Found::Unreadable,
            Lookup::One(value) if condition.can_read(&value, context) => {
                Found::One(clip(&text(&value), TEXT_CHARACTERS_MAX))
            }
            Lookup::One(value) => Found::Malformed(clip(&text(&value), TEXT_CHARACTERS_MAX)),
            Lookup::Many(values) => Found::Many(values.iter().map(text).collect()),
        };
        ConditionTrace {
            operator: condition.operator.to_string(),
            key: clip(condition.key.as_str(), TEXT_CHARACTERS_MAX),
            wanted: (0..condition.texts.len()).map(|at| condition.value_text(at, context)).collect(),
            found,
            holds,
        }
    }
}

impl FromIterator<String> for Texts {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Texts {
        let mut texts = texts.into_iter();
        let shown = texts.by_ref().take(VALUES_MAX).map(|text| clip(&text, TEXT_CHARACTERS_MAX)).collect();
        Texts { shown, omitted: texts.count() }
    }
}

/// Cuts a text that is longer than anyone reads.
fn clip(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn because(decision: &Decision<'_>, deciding: Option<&StatementTrace>, action: &str) -> String {
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
