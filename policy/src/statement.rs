//! One compiled statement, and whether it applies to a request.

use crate::action::{Action, ActionPattern, ActionSet, AskedAction};
use crate::condition::Condition;
use crate::effect::Effect;
use crate::key::KnownKey;
use crate::principal::{Caller, Meant, PrincipalPattern};
use crate::resource::{ResourcePattern, Target};
use crate::value::Context;
use crate::variable::{Matched, Variable};

/// A list and whether it names what is meant or what is not.
#[derive(Debug, Clone)]
pub(crate) struct Selector<T> {
    pub(crate) entries: Box<[T]>,
    /// NotAction, NotResource, NotPrincipal.
    pub(crate) inverted: bool,
}

/// A statement, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) sid: Option<Box<str>>,
    /// Zero-based position in the document.
    pub(crate) index: usize,
    /// One-based line where it begins.
    pub(crate) line: u32,
    pub(crate) actions: Selector<ActionPattern>,
    /// The actions of the table that `actions` selects.
    pub(crate) action_set: ActionSet,
    pub(crate) resources: Selector<ResourcePattern>,
    /// `None` in identity and session policies.
    pub(crate) principals: Option<Selector<PrincipalPattern>>,
    pub(crate) conditions: Box<[Condition]>,
    pub(crate) asks_for_object_tags: bool,
}

/// The request in the form that statements compare.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) caller: Caller<'a>,
    pub(crate) action: AskedAction<'a>,
    pub(crate) target: Target<'a>,
    pub(crate) context: &'a dyn Context,
}

impl Statement {
    /// How the statement applies to the request; [`Meant::No`] when it doesn't.
    pub(crate) fn applies(&self, ask: &Ask<'_>) -> Meant {
        if !self.names_action(ask.action) {
            return Meant::No;
        }
        let meant = self.names_principal(&ask.caller);
        if meant == Meant::No || !self.names_resource(&ask.target, ask.context) || !self.conditions_hold(ask.context) {
            return Meant::No;
        }
        meant
    }

    pub(crate) fn names_action(&self, action: AskedAction<'_>) -> bool {
        match action {
            AskedAction::Known(action) => self.action_set.contains(action),
            AskedAction::Other(name) => {
                self.actions.entries.iter().any(|pattern| pattern.matches_name(name)) != self.actions.inverted
            }
        }
    }

    pub(crate) fn names_principal(&self, caller: &Caller<'_>) -> Meant {
        let Some(principals) = &self.principals else { return Meant::Directly };
        let meant = principals.entries.iter().map(|pattern| pattern.means(caller)).max().unwrap_or(Meant::No);
        match (principals.inverted, meant) {
            (false, meant) => meant,
            (true, Meant::No) => Meant::Directly,
            (true, _) => Meant::No,
        }
    }

    pub(crate) fn names_resource(&self, target: &Target<'_>, context: &dyn Context) -> bool {
        let mut unresolved = false;
        let mut unreadable = false;
        for pattern in &self.resources.entries {
            match pattern.matches(target, context) {
                Matched::Yes => return !self.resources.inverted,
                Matched::No => {}
                Matched::Unresolved => unresolved = true,
                // What another bucket's objects are tagged with says nothing about this one.
                Matched::Unreadable => unreadable |= self.resources.inverted || pattern.can_name(target),
            }
        }
        let closed = self.effect == Effect::Deny;
        if unreadable || (unresolved && self.resources.inverted) {
            return closed;
        }
        self.resources.inverted
    }

    /// Whether the statement can be about the resource, whatever the values of its variables are.
    pub(crate) fn could_name_resource(&self, target: &Target<'_>) -> bool {
        self.resources.inverted || self.resources.entries.iter().any(|pattern| pattern.can_name(target))
    }

    fn conditions_hold(&self, context: &dyn Context) -> bool {
        self.conditions.iter().all(|condition| condition.holds(context, self.effect))
    }

    /// The Sid, or `#` and the one-based position.
    pub(crate) fn name(&self) -> String {
        match &self.sid {
            Some(sid) if !sid.is_empty() => sid.to_string(),
            _ => format!("#{}", self.index + 1),
        }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let resources = self.resources.entries.iter().flat_map(ResourcePattern::variables);
        resources.chain(self.conditions.iter().flat_map(|condition| condition.values.variables()))
    }

    /// Whether any key, in a condition or a variable, is one of the object's own tags.
    pub(crate) fn finds_object_tags(&self) -> bool {
        let is_tag = |known: Option<KnownKey>| known == Some(KnownKey::ExistingObjectTag);
        self.conditions.iter().any(|condition| is_tag(condition.key.known()))
            || self.variables().any(|variable| is_tag(variable.key.known()))
    }
}

/// The actions of the table that a list selects. The console's own actions are never selected by what leaves them out.
pub(crate) fn selected_actions(selector: &Selector<ActionPattern>) -> ActionSet {
    let mut named = ActionSet::default();
    for pattern in &selector.entries {
        named.union(&pattern.actions());
    }
    if !selector.inverted {
        return named;
    }
    let names_own = selector.entries.iter().any(|pattern| pattern.service() == "strongroom");
    let mut others = ActionSet::default();
    for action in Action::all() {
        if !named.contains(action) && (action.facts().is_s3() || names_own) {
            others.insert(action);
        }
    }
    others
}
