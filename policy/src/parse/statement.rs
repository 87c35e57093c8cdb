//! One statement: its elements, in the order in which errors are reported.

use super::fault::Fault;
use super::{Dialect, Faults, Level, Phase, Rank, condition, pointer_part, suggest};
use crate::action::{Action, ActionPattern, ActionSet, ResourceType};
use crate::effect::Effect;
use crate::json::{JsonValue, Member, Node};
use crate::policy::PolicyKind;
use crate::principal::{PRINCIPAL_TYPES, PrincipalPattern};
use crate::resource::{ResourcePattern, split_arn};
use crate::statement::{Selector, Statement, selected_actions};
use crate::variable::Variable;

const ELEMENTS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// A statement while it is read.
pub(crate) struct StatementReader<'n, 'f, 'o, 't> {
    pub(crate) node: &'n Node,
    pub(crate) index: usize,
    pub(crate) pointer: String,
    pub(crate) variables: bool,
    pub(crate) faults: &'f mut Faults<'o, 't>,
    /// The actions as written, with pointer and offset.
    action_texts: Vec<(String, String, usize)>,
}

/// Reads a statement. `None` when what is left can't be compiled; the faults say why.
pub(crate) fn read(
    node: &Node,
    index: usize,
    pointer: String,
    variables: bool,
    faults: &mut Faults<'_, '_>,
) -> Option<Statement> {
    let mut reader = StatementReader { node, index, pointer, variables, faults, action_texts: Vec::new() };
    reader.check_elements();
    let effect = reader.effect();
    let actions = reader.actions();
    let resources = reader.resources();
    let principals = reader.principals(effect);
    let conditions = reader.conditions();
    let (effect, actions, resources) = (effect?, actions?, resources?);
    let action_set = selected_actions(&actions);
    let mut statement = Statement {
        effect,
        sid: node.member("Sid").and_then(Node::as_str).map(Into::into),
        index,
        line: reader.faults.line(node.offset),
        actions,
        action_set,
        resources,
        principals,
        conditions: conditions.into_boxed_slice(),
        asks_for_object_tags: false,
    };
    statement.asks_for_object_tags = statement.finds_object_tags();
    reader.check_fit(&statement);
    Some(statement)
}

impl StatementReader<'_, '_, '_, '_> {
    pub(crate) fn fault(&mut self, phase: Phase, fault: Fault, path: &str, offset: usize) {
        let pointer = format!("{}{path}", self.pointer);
        self.faults.add(Rank::InStatement(self.index, phase), fault, pointer, offset);
    }

    fn is_lyve(&self) -> bool {
        self.faults.options.dialect == Dialect::Lyve
    }

    /// Whether only the grammar counts, so that storage rules need not be looked up.
    pub(crate) fn is_simulated(&self) -> bool {
        self.faults.options.level == Level::Grammar
    }

    fn is_bucket(&self) -> bool {
        self.faults.options.kind == PolicyKind::Bucket
    }

    fn check_elements(&mut self) {
        let members: &[Member] = self.node.as_object().unwrap_or_default();
        for member in members {
            let element = member.key.as_str();
            let path = format!("/{}", pointer_part(element));
            let allowed = match element {
                "NotAction" | "NotResource" => !self.is_lyve(),
                "Principal" | "NotPrincipal" => self.is_bucket(),
                _ => true,
            };
            if !ELEMENTS.contains(&element) {
                let suggestion = suggest::nearest(element, ELEMENTS.into_iter()).map(str::to_owned);
                let fault = Fault::Unknown { element: element.to_owned(), suggestion };
                self.fault(Phase::Element, fault, &path, member.key_offset);
            } else if !allowed {
                self.fault(Phase::Element, Fault::NotAllowed { element: element.to_owned() }, &path, member.key_offset);
            }
        }
        let pairs = [("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")];
        for (element, other) in pairs {
            let both = self.node.member(element).is_some().then(|| self.node.member(other)).flatten();
            // In a permission file the other one is refused by itself.
            if let Some(node) = both.filter(|_| !self.is_lyve()) {
                self.fault(Phase::Element, Fault::Both { element, other }, &format!("/{other}"), node.offset);
            }
        }
    }

    fn effect(&mut self) -> Option<Effect> {
        let Some(node) = self.node.member("Effect") else {
            self.fault(Phase::Required, Fault::Missing("Effect"), "", self.node.offset);
            return None;
        };
        let fault = match node.as_str() {
            Some("Allow") => return Some(Effect::Allow),
            Some("Deny") => return Some(Effect::Deny),
            Some(text) => Fault::Effect(text.to_owned()),
            None => Fault::Type { element: "Effect", found: node.describe(), expected: "a string" },
        };
        self.fault(Phase::Value, fault, "/Effect", node.offset);
        None
    }

    /// The texts of an element that is one string or a list of strings, with their pointers and offsets.
    fn texts(&mut self, element: &'static str, name: &str, node: &Node) -> Vec<(String, String, usize)> {
        let single = std::slice::from_ref(node);
        let (items, is_list) = match &node.value {
            JsonValue::Array(items) => (items.as_slice(), true),
            _ => (single, false),
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = if is_list { format!("/{name}/{index}") } else { format!("/{name}") };
            match item.as_str() {
                Some("") if self.is_lyve() => self.fault(Phase::Empty, Fault::Empty(element), &path, item.offset),
                Some(text) => texts.push((text.to_owned(), path, item.offset)),
                None if self.is_lyve() && matches!(item.value, JsonValue::Null) => {
                    self.fault(Phase::Empty, Fault::Empty(element), &path, item.offset);
                }
                None => {
                    let expected = "a string or a list of strings";
                    self.fault(
                        Phase::Value,
                        Fault::Type { element, found: item.describe(), expected },
                        &path,
                        item.offset,
                    );
                }
            }
        }
        if items.is_empty() && self.is_lyve() {
            self.fault(Phase::Empty, Fault::Empty(element), &format!("/{name}"), node.offset);
        }
        texts
    }

    /// The element or its negation, whichever stands there.
    fn either(&mut self, element: &'static str, negation: &'static str) -> Option<(&'static str, Node)> {
        let lyve = self.is_lyve();
        let found = [element, negation].into_iter().find_map(|name| Some((name, self.node.member(name)?.clone())));
        match found {
            Some((name, node)) if name == element || !lyve => Some((name, node)),
            _ => {
                self.fault(Phase::Required, Fault::Missing(element), "", self.node.offset);
                None
            }
        }
    }

    fn actions(&mut self) -> Option<Selector<ActionPattern>> {
        let (name, node) = self.either("Action", "NotAction")?;
        let mut entries = Vec::new();
        self.action_texts = self.texts("Action", name, &node);
        for (text, path, offset) in self.action_texts.clone() {
            let pattern = ActionPattern::new(&text);
            if let Some((why, suggestion)) = self.wrong_action(&text, &pattern) {
                self.fault(Phase::Value, Fault::Action { text: text.clone(), why, suggestion }, &path, offset);
            }
            entries.push(pattern);
        }
        Some(Selector { entries: entries.into_boxed_slice(), inverted: name == "NotAction" })
    }

    /// Why an action can't be stored.
    fn wrong_action(&self, text: &str, pattern: &ActionPattern) -> Option<(&'static str, Option<String>)> {
        if text == "*" || self.is_simulated() {
            return None;
        }
        let nearest = || suggest::nearest(text, Action::s3_names()).map(str::to_owned);
        let Some((service, name)) = text.split_once(':') else {
            let prefixed = format!("s3:{text}");
            let known = Action::s3_names().find(|name| name.eq_ignore_ascii_case(&prefixed));
            return Some((
                "has no service in front of it, as in s3:GetObject",
                known.map(str::to_owned).or_else(nearest),
            ));
        };
        let is_word = |part: &str, extra: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
        };
        if !is_word(service, "-*?") || !is_word(name, "*?-_.") {
            return Some(("is not an action", nearest()));
        }
        if service.eq_ignore_ascii_case("strongroom") {
            return Some(("is an action of the console, which its roles grant and no policy", None));
        }
        if service.eq_ignore_ascii_case("s3") || pattern.has_wildcard_service() {
            let lyve_service = self.is_lyve() && pattern.has_wildcard_service();
            if pattern.actions().is_empty() || lyve_service {
                return Some(("is not an action of S3", nearest()));
            }
            return None;
        }
        // Other services are kept in AWS's identity policies; they match nothing here.
        let refused = self.is_lyve() || self.is_bucket();
        refused.then(|| ("is not an action of S3", nearest()))
    }

    fn resources(&mut self) -> Option<Selector<ResourcePattern>> {
        let (name, node) = self.either("Resource", "NotResource")?;
        let mut entries = Vec::new();
        for (text, path, offset) in self.texts("Resource", name, &node) {
            let pattern = ResourcePattern::new(&text, self.variables);
            if let Some((why, suggestion)) = self.wrong_resource(&text, &pattern) {
                self.fault(Phase::Value, Fault::Resource { text: text.clone(), why, suggestion }, &path, offset);
            }
            entries.push(pattern);
        }
        Some(Selector { entries: entries.into_boxed_slice(), inverted: name == "NotResource" })
    }

    /// Why a resource can't be stored.
    fn wrong_resource(&self, text: &str, pattern: &ResourcePattern) -> Option<(&'static str, Option<String>)> {
        if self.is_simulated() {
            return None;
        }
        if text == "*" {
            return self.is_bucket().then(|| {
                let name = self.faults.options.bucket.unwrap_or("BUCKET");
                ("names more than this bucket", Some(format!("arn:aws:s3:::{name}/*")))
            });
        }
        let not_arn = "is not an ARN such as arn:aws:s3:::bucket or arn:aws:s3:::bucket/*";
        let Some((fields, tail)) = split_arn(text) else {
            let looks_like_name = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.contains([':', ' ']);
            return Some((not_arn, looks_like_name.then(|| format!("arn:aws:s3:::{text}"))));
        };
        if !pattern.is_well_formed()
            || fields[0] != "arn"
            || fields[1].is_empty()
            || fields[2].is_empty()
            || tail.is_empty()
        {
            return Some((not_arn, None));
        }
        if fields.iter().any(|field| field.contains("${") && self.variables) {
            return Some(("has a variable before its fifth colon", None));
        }
        if let Some(why) = pattern.variables().find_map(|variable| variable.broken) {
            return Some((why, None));
        }
        if let Some(why) = pattern.variables().find_map(Variable::never_has_a_value) {
            return Some((why, None));
        }
        let Some(template) = pattern.s3_tail() else {
            let refused =
                self.is_lyve() || self.is_bucket() || (fields[2] == "s3" && fields[1] == "aws" && fields[4].is_empty());
            return refused.then(|| ("names no bucket and no object", Some(format!("arn:aws:s3:::{tail}"))));
        };
        if !self.is_bucket() {
            return None;
        }
        let Some(bucket) = self.faults.options.bucket else {
            // Whichever bucket it is for, others begin like that too.
            return template.literal_prefix().is_empty().then_some(("names more than one bucket", None));
        };
        let rest = template.literal_prefix().strip_prefix(bucket);
        let is_own = rest.is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && is_bucket_end(tail, bucket)));
        (!is_own).then_some(("names another bucket than the one that it is the policy of", None))
    }

    fn principals(&mut self, effect: Option<Effect>) -> Option<Selector<PrincipalPattern>> {
        if !self.is_bucket() {
            return None;
        }
        let found =
            ["Principal", "NotPrincipal"].into_iter().find_map(|name| Some((name, self.node.member(name)?.clone())));
        let Some((name, node)) = found else {
            self.fault(Phase::Required, Fault::Missing("Principal"), "", self.node.offset);
            return None;
        };
        if name == "NotPrincipal" && effect == Some(Effect::Allow) {
            self.fault(Phase::Value, Fault::AllowWithNotPrincipal, "/NotPrincipal", node.offset);
        }
        let mut entries = Vec::new();
        match &node.value {
            JsonValue::String(text) if text == "*" => entries.push(PrincipalPattern::Everyone),
            JsonValue::String(text) => {
                let why = "is no principal; name its kind, as in {\"AWS\": \"arn:aws:iam::123456789012:user/name\"}";
                self.fault(
                    Phase::Value,
                    Fault::Principal { text: text.clone(), why },
                    &format!("/{name}"),
                    node.offset,
                );
            }
            JsonValue::Object(members) => {
                for member in members {
                    self.principals_of_kind(name, member, &mut entries);
                }
            }
            _ => {
                let expected = "\"*\" or an object";
                let fault = Fault::Type { element: "Principal", found: node.describe(), expected };
                self.fault(Phase::Value, fault, &format!("/{name}"), node.offset);
            }
        }
        Some(Selector { entries: entries.into_boxed_slice(), inverted: name == "NotPrincipal" })
    }

    fn principals_of_kind(&mut self, name: &str, member: &Member, entries: &mut Vec<PrincipalPattern>) {
        let path = format!("{name}/{}", pointer_part(&member.key));
        if !PRINCIPAL_TYPES.contains(&member.key.as_str()) {
            let why = "is no kind of principal; the kinds are AWS, CanonicalUser, Federated and Service";
            self.fault(
                Phase::Value,
                Fault::Principal { text: member.key.clone(), why },
                &format!("/{path}"),
                member.key_offset,
            );
            return;
        }
        for (text, path, offset) in self.texts("Principal", &path, &member.value) {
            match PrincipalPattern::new(&member.key, &text) {
                Some(pattern) => entries.push(pattern),
                None => {
                    let why = if text.contains('*') {
                        "is no principal: a wildcard stands alone or not at all"
                    } else {
                        "is no principal of this kind"
                    };
                    self.fault(Phase::Value, Fault::Principal { text, why }, &path, offset);
                }
            }
        }
    }

    fn conditions(&mut self) -> Vec<crate::condition::Condition> {
        match self.node.member("Condition").cloned() {
            Some(node) => condition::read(self, &node),
            None => Vec::new(),
        }
    }

    /// In a stored bucket policy, every action must apply to a resource and every key to an action.
    fn check_fit(&mut self, statement: &Statement) {
        if !self.is_bucket()
            || self.is_simulated()
            || statement.actions.entries.is_empty()
            || statement.resources.entries.is_empty()
        {
            return;
        }
        let reach = Reach::of(statement);
        if !statement.actions.inverted {
            for ((text, path, offset), pattern) in self.action_texts.clone().into_iter().zip(&statement.actions.entries)
            {
                let actions = pattern.actions();
                if !actions.is_empty() && !actions.iter().any(|action| reach.has(action.resource_type())) {
                    self.fault(Phase::Value, Fault::ActionNotApplicable { action: text }, &path, offset);
                }
            }
        }
        let applicable: ActionSet = statement.action_set.filter(|action| reach.has(action.resource_type()));
        if applicable.is_empty() {
            return;
        }
        for condition in &statement.conditions {
            let Some(known) = condition.key.known() else { continue };
            if !applicable.iter().any(|action| action.has_key(known)) {
                let key = condition.key.as_str().to_owned();
                let path =
                    format!("/Condition/{}/{}", pointer_part(&condition.operator.to_string()), pointer_part(&key));
                let offset = self.condition_offset(&condition.operator.to_string(), &key);
                self.fault(Phase::ConditionKey, Fault::ConditionNotApplicable { key }, &path, offset);
            }
        }
    }

    fn condition_offset(&self, operator: &str, key: &str) -> usize {
        let block = self.node.member("Condition").and_then(|node| node.member(operator));
        let members = block.and_then(Node::as_object).unwrap_or_default();
        members.iter().find(|member| member.key == key).map_or(self.node.offset, |member| member.key_offset)
    }
}

/// Whether the bucket's name ends where the literal text of a pattern does.
fn is_bucket_end(tail: &str, bucket: &str) -> bool {
    tail.get(bucket.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '*', '?']))
}

/// The kinds of resource that a statement can name.
pub(crate) struct Reach {
    buckets: bool,
    objects: bool,
    service: bool,
    elsewhere: bool,
}

impl Reach {
    pub(crate) fn of(statement: &Statement) -> Reach {
        if statement.resources.inverted {
            return Reach { buckets: true, objects: true, service: true, elsewhere: true };
        }
        let mut reach = Reach { buckets: false, objects: false, service: false, elsewhere: false };
        for pattern in &statement.resources.entries {
            if pattern.is_everything() {
                return Reach { buckets: true, objects: true, service: true, elsewhere: true };
            }
            let Some(template) = pattern.s3_tail() else {
                reach.elsewhere = true;
                continue;
            };
            let (buckets, objects) = template.reach();
            reach.buckets |= buckets;
            reach.objects |= objects;
            reach.service |= template.matches("*", &crate::value::EmptyContext) == crate::variable::Matched::Yes;
        }
        reach
    }

    pub(crate) fn has(&self, kind: ResourceType) -> bool {
        match kind {
            ResourceType::Bucket => self.buckets,
            ResourceType::Object => self.objects,
            ResourceType::Service => self.service,
            ResourceType::Elsewhere => self.elsewhere,
        }
    }
}
