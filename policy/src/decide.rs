//! The decision: the whole rule on one page.
//!
//! Everything that can fail failed when the policies were parsed. A decision takes no lock, allocates nothing unless a
//! variable or a very long key needs it, and always names what decided.

use crate::action::{Action, AskedAction};
use crate::effect::Effect;
use crate::index::CANDIDATES_MAX;
use crate::policy::{Policy, PolicyKind, StatementRef};
use crate::principal::{Caller, Meant};
use crate::request::{Principal, Request, Resource};
use crate::resource::with_target;
use crate::statement::Ask;

/// A policy as it bears on one request.
#[derive(Debug, Clone, Copy)]
pub struct AttachedPolicy<'p> {
    /// The compiled document.
    pub policy: &'p Policy,
    /// What it is attached to; [`PolicyKind::Bucket`] only for the policy of the request's own bucket.
    pub role: PolicyKind,
    /// Its name in answers: the permission's, or `bucket policy`.
    pub name: &'p str,
    /// A disabled permission grants nothing; its Denies stay.
    pub enabled: bool,
}

impl<'p> AttachedPolicy<'p> {
    /// An enabled policy, attached as its kind says.
    pub fn new(policy: &'p Policy, name: &'p str) -> AttachedPolicy<'p> {
        AttachedPolicy { policy, role: policy.kind, name, enabled: true }
    }
}

/// The three outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Outcome {
    /// Granted.
    Allow,
    /// A statement refuses it.
    ExplicitDeny,
    /// Nothing grants it.
    ImplicitDeny,
}

/// Why the outcome is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub enum Reason {
    /// The caller is the root of the account that owns the resource.
    Root,
    /// Root may read, write and delete the policy of its own bucket, whatever it says.
    RootKeepsBucketPolicy,
    /// A statement applies: see [`Decision::deciding`].
    Statement,
    /// The owner's bucket policy names the caller's account, and the caller's own policy allows as well.
    CrossAccount,
    /// The caller's own policies don't allow it.
    NoIdentityPolicy,
    /// The bucket's policy doesn't allow it (anonymous callers and those of other accounts).
    NoBucketPolicy,
    /// The caller's policies allow it, the session's don't.
    NoSessionPolicy,
}

/// The statement that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deciding<'p> {
    /// The name under which the policy is attached.
    pub policy: &'p str,
    /// What the policy is attached to.
    pub role: PolicyKind,
    /// The statement: Sid, position, line.
    pub statement: StatementRef<'p>,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'p> {
    /// The outcome.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The deciding statement: of every explicit Deny, and of every Allow but root's.
    pub deciding: Option<Deciding<'p>>,
}

impl Decision<'_> {
    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allow
    }
}

/// Decides a request on all policies that bear on it: those of the caller, of the caller's session, and of the bucket.
///
/// The order of the policies, and of the statements in them, changes no outcome.
pub fn decide<'p, I>(policies: I, request: &Request<'_>) -> Decision<'p>
where
    I: IntoIterator<Item = AttachedPolicy<'p>>,
{
    decide_action(policies, request, AskedAction::Known(request.action))
}

/// [`decide`] for an action that may not be in the table.
pub(crate) fn decide_action<'p, I>(policies: I, request: &Request<'_>, action: AskedAction<'_>) -> Decision<'p>
where
    I: IntoIterator<Item = AttachedPolicy<'p>>,
{
    let is_owners_root =
        matches!(request.principal, Principal::Root { account } if account == request.resource.account());
    if is_owners_root && keeps_bucket_policy(action) {
        return Decision { outcome: Outcome::Allow, reason: Reason::RootKeepsBucketPolicy, deciding: None };
    }
    with_target(&request.resource, |target| {
        let ask = Ask { caller: Caller::from(request), action, target, context: request.context };
        let mut allows = Allows::default();
        let mut buffer = [0; CANDIDATES_MAX];
        for attached in policies {
            allows.session_limits |= attached.role == PolicyKind::Session;
            let statements = &attached.policy.statements;
            let candidates = match action {
                AskedAction::Known(action) => attached.policy.index.candidates(action, &target, &mut buffer),
                AskedAction::Other(_) => None,
            };
            let positions = 0..candidates.map_or(statements.len(), <[u32]>::len);
            for position in positions {
                let position = candidates.map_or(position, |list| list.get(position).map_or(0, |at| *at as usize));
                let Some(statement) = statements.get(position) else { continue };
                // One Allow of a kind is as good as many, so only Denies are still of interest behind it.
                if statement.effect == Effect::Allow && (!attached.enabled || allows.has_best(attached.role)) {
                    continue;
                }
                // An identity policy in a bucket's place names nobody; it must not grant to everyone.
                if statement.effect == Effect::Allow
                    && attached.role == PolicyKind::Bucket
                    && statement.principals.is_none()
                {
                    continue;
                }
                let meant = statement.applies(&ask);
                if meant == Meant::No {
                    continue;
                }
                let deciding =
                    Deciding { policy: attached.name, role: attached.role, statement: StatementRef { statement } };
                if statement.effect == Effect::Deny {
                    let reason = Reason::Statement;
                    return Decision { outcome: Outcome::ExplicitDeny, reason, deciding: Some(deciding) };
                }
                allows.note(attached.role, meant, deciding);
            }
        }
        if is_owners_root {
            return Decision { outcome: Outcome::Allow, reason: Reason::Root, deciding: None };
        }
        allows.decide(&request.principal, &request.resource)
    })
}

/// Whether a statement that could apply to the request asks for the tags of the object, so that they must be loaded first.
pub fn asks_for_object_tags<'p, I>(policies: I, request: &Request<'_>) -> bool
where
    I: IntoIterator<Item = AttachedPolicy<'p>>,
{
    let mut policies = policies.into_iter().filter(|attached| attached.policy.asks_for_object_tags).peekable();
    if policies.peek().is_none() {
        return false;
    }
    with_target(&request.resource, |target| {
        policies.any(|attached| {
            attached.policy.statements.iter().any(|statement| {
                statement.asks_for_object_tags
                    && statement.names_action(AskedAction::Known(request.action))
                    && statement.names_principal(&Caller::from(request)) != Meant::No
                    && statement.could_name_resource(&target)
            })
        })
    })
}

/// The first applicable Allow of each kind.
#[derive(Default)]
struct Allows<'p> {
    identity: Option<Deciding<'p>>,
    session: Option<Deciding<'p>>,
    session_limits: bool,
    bucket_direct: Option<Deciding<'p>>,
    bucket_role: Option<Deciding<'p>>,
    bucket_account: Option<Deciding<'p>>,
}

impl<'p> Allows<'p> {
    /// Whether no other Allow of this kind could add anything.
    fn has_best(&self, role: PolicyKind) -> bool {
        match role {
            PolicyKind::Identity => self.identity.is_some(),
            PolicyKind::Session => self.session.is_some(),
            PolicyKind::Bucket => self.bucket_direct.is_some(),
        }
    }

    fn note(&mut self, role: PolicyKind, meant: Meant, deciding: Deciding<'p>) {
        let slot = match (role, meant) {
            (PolicyKind::Identity, _) => &mut self.identity,
            (PolicyKind::Session, _) => &mut self.session,
            (PolicyKind::Bucket, Meant::Directly) => &mut self.bucket_direct,
            (PolicyKind::Bucket, Meant::AsRole) => &mut self.bucket_role,
            (PolicyKind::Bucket, _) => &mut self.bucket_account,
        };
        slot.get_or_insert(deciding);
    }

    fn decide(&self, principal: &Principal<'_>, resource: &Resource<'_>) -> Decision<'p> {
        let allow = |reason, deciding| Decision { outcome: Outcome::Allow, reason, deciding };
        let deny = |reason| Decision { outcome: Outcome::ImplicitDeny, reason, deciding: None };
        if self.bucket_direct.is_some() {
            return allow(Reason::Statement, self.bucket_direct);
        }
        let Some(account) = principal.account() else { return deny(Reason::NoBucketPolicy) };
        let own_account = account == resource.account();
        let granted = if own_account {
            self.identity.or(self.bucket_role)
        } else {
            // The owner must grant; naming the account leaves it to the caller's own policies whom it reaches.
            match (self.bucket_role, self.bucket_account) {
                (Some(role), _) => Some(role),
                (None, Some(_)) => self.identity,
                (None, None) => return deny(Reason::NoBucketPolicy),
            }
        };
        match granted {
            None => deny(Reason::NoIdentityPolicy),
            Some(_) if self.session_limits && self.session.is_none() => deny(Reason::NoSessionPolicy),
            Some(_) if own_account => allow(Reason::Statement, granted),
            Some(_) => allow(Reason::CrossAccount, granted),
        }
    }
}

fn keeps_bucket_policy(action: AskedAction<'_>) -> bool {
    matches!(action, AskedAction::Known(Action::GetBucketPolicy | Action::PutBucketPolicy | Action::DeleteBucketPolicy))
}

/// AWS's text for a denied request, for the answer to the caller: who, what, and which kind of policy, never its content.
///
/// Anonymous callers learn nothing, as at AWS.
pub fn denial_message(request: &Request<'_>, decision: &Decision<'_>) -> String {
    if request.principal == Principal::Anonymous {
        return "Access Denied".to_owned();
    }
    let kind = |role| match role {
        PolicyKind::Identity => "identity-based",
        PolicyKind::Bucket => "resource-based",
        PolicyKind::Session => "session",
    };
    let action = request.action;
    let because = match (decision.outcome, decision.deciding, decision.reason) {
        (Outcome::ExplicitDeny, Some(deciding), _) => {
            let role = kind(deciding.role);
            let article = if role.starts_with('i') { "an" } else { "a" };
            format!("with an explicit deny in {article} {role} policy")
        }
        (_, _, Reason::NoBucketPolicy) => format!("because no resource-based policy allows the {action} action"),
        (_, _, Reason::NoSessionPolicy) => format!("because no session policy allows the {action} action"),
        _ => format!("because no identity-based policy allows the {action} action"),
    };
    let (principal, resource) = (request.principal, request.resource);
    format!("User: {principal} is not authorized to perform: {action} on resource: \"{resource}\" {because}")
}
