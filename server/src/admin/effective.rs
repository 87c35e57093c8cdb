//! What policies come to: which actions they allow on a bucket whatever the circumstances, and which in some.
//!
//! A statement is read with its conditions and with the variables that nobody can know, so that what is said to be allowed is, and what isn't named is refused; between the two stands what depends.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use engine::{Bucket, Versioning};
use policy::{
    Action, AttachedPolicy, Context, EmptyContext, Outcome, ParseOptions, Policy, PolicyKind, Principal, Resource,
    ResourceType,
};
use serde_json::{Value, json};

use super::answer::{Refusal, Result};
use super::resource::{ANY_KEY, Pattern};
use super::simulate::on_resource;
use super::wire;
use crate::protocol::operation::{On, also_denied_by};

/// A policy taken apart for questions that leave the circumstances open.
#[derive(Debug)]
pub(super) struct Attached {
    role: PolicyKind,
    enabled: bool,
    pub(super) statements: Vec<Statement>,
    certain: Reading,
    possible: Reading,
}

/// A statement as answers show it, and its resources.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) grant: wire::Grant,
    patterns: Vec<Pattern>,
    inverted: bool,
    /// A Deny of everything to those whom a bucket policy's statement is about; `None` where it is about whoever has the policy.
    principals: Option<Policy>,
}

/// A policy as it is read for one question.
#[derive(Debug)]
struct Reading {
    /// The document; empty when no statement is left.
    text: String,
    policy: OnceCell<Option<Rc<Policy>>>,
}

/// Who asks, with what follows from that.
pub(super) struct Asker<'a> {
    pub(super) principal: Principal<'a>,
    pub(super) canonical_user: Option<&'a str>,
    pub(super) context: &'a dyn Context,
}

/// What is allowed on a bucket and all its objects whatever the circumstances, and what in some circumstances or on some objects.
pub(super) type Allowed = (Vec<&'static str>, Vec<&'static str>);

/// A policy, and what it was taken apart into.
type TakenApart = (Arc<Policy>, Rc<Attached>);

/// Takes policies apart, each once for one answer.
#[derive(Default)]
pub(super) struct Reader {
    /// Only statements about this bucket are of interest.
    bucket: Option<String>,
    named_actions: RefCell<HashMap<String, Vec<&'static str>>>,
    /// By the policy's address, which no other policy can have while this one is held.
    read: RefCell<HashMap<*const Policy, TakenApart>>,
    allowed: RefCell<HashMap<String, Allowed>>,
}

/// Where a policy is attached.
pub(super) struct Given<'a> {
    pub(super) name: &'a str,
    pub(super) role: PolicyKind,
    pub(super) enabled: bool,
    /// Whether variables that follow from the caller have values.
    pub(super) knows_caller: bool,
    /// The ARNs of those for whom the caller stands: what names some of them depends on who it is.
    pub(super) stands_for: &'a HashSet<String>,
}

impl Given<'_> {
    /// Whether an element with principals names somebody for whom the caller stands.
    fn stands_for_one_of(&self, element: &Value) -> bool {
        named_principals(element).into_iter().any(|named| self.stands_for.contains(named))
    }
}

impl Reader {
    /// For answers about one bucket.
    pub(super) fn of_bucket(bucket: &Bucket) -> Reader {
        Reader { bucket: Some(bucket.name.to_string()), ..Reader::default() }
    }

    /// The policy, taken apart before or now. A policy is attached everywhere alike.
    pub(super) fn attached(&self, policy: &Arc<Policy>, given: &Given<'_>) -> Result<Rc<Attached>> {
        let place = Arc::as_ptr(policy);
        if let Some((_, read)) = self.read.borrow().get(&place) {
            return Ok(read.clone());
        }
        let attached = Rc::new(self.read(policy, given)?);
        self.read.borrow_mut().insert(place, (policy.clone(), attached.clone()));
        Ok(attached)
    }

    /// Takes a policy apart.
    pub(super) fn read(&self, policy: &Policy, given: &Given<'_>) -> Result<Attached> {
        let unreadable = || Refusal::internal(&format!("policy {} can't be read again", given.name));
        let source = policy.source().trim_start_matches('\u{feff}');
        let mut document: Value = serde_json::from_str(source).map_err(|_| unreadable())?;
        let version = document.get("Version").cloned().unwrap_or_else(|| "2008-10-17".into());
        let has_variables = version == "2012-10-17";
        let documents = match document.get_mut("Statement").map(Value::take) {
            Some(Value::Array(statements)) => statements,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let (mut statements, mut certain, mut possible) = (Vec::new(), Vec::new(), Vec::new());
        for (index, document) in documents.into_iter().enumerate() {
            let inverted = document.get("Resource").is_none();
            let resources = document.get(if inverted { "NotResource" } else { "Resource" });
            let patterns: Vec<Pattern> =
                texts(resources).into_iter().map(|text| Pattern::new(text, has_variables)).collect();
            let is_about = |bucket: &String| inverted || patterns.iter().any(|it| it.bears_on(bucket, &EmptyContext));
            if !self.bucket.as_ref().is_none_or(is_about) {
                continue;
            }
            certain.extend(bare(&document, &patterns, true, given));
            possible.extend(bare(&document, &patterns, false, given));
            let grant = self.grant(given, index, &document);
            statements.push(Statement { grant, patterns, inverted, principals: principals(&document)? });
        }
        let reading = |kept: Vec<Value>| {
            let text = match kept.is_empty() {
                true => String::new(),
                false => json!({"Version": version, "Statement": kept}).to_string(),
            };
            Reading { text, policy: OnceCell::new() }
        };
        Ok(Attached {
            role: given.role,
            enabled: given.enabled,
            statements,
            certain: reading(certain),
            possible: reading(possible),
        })
    }

    fn grant(&self, given: &Given<'_>, index: usize, document: &Value) -> wire::Grant {
        let is_deny = document["Effect"] == "Deny";
        wire::Grant {
            policy: given.name.to_owned(),
            sid: document["Sid"].as_str().map_or_else(|| format!("#{}", index + 1), str::to_owned),
            effect: document["Effect"].as_str().unwrap_or_default().to_owned(),
            in_force: given.enabled || is_deny,
            actions: self.named_actions(document),
            resource: document.get("Resource").cloned().unwrap_or_else(|| json!({"not": document["NotResource"]})),
            condition: document.get("Condition").cloned(),
            principal: document
                .get("Principal")
                .cloned()
                .or_else(|| document.get("NotPrincipal").map(|not| json!({"not": not}))),
        }
    }

    /// The S3 actions that a statement names, written out.
    fn named_actions(&self, document: &Value) -> Vec<&'static str> {
        let element = if document.get("NotAction").is_some() { "NotAction" } else { "Action" };
        let text =
            json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", element: document[element], "Resource": "*"}})
                .to_string();
        if let Some(names) = self.named_actions.borrow().get(&text) {
            return names.clone();
        }
        let names = match policy::parse(text.as_bytes(), ParseOptions::grammar(PolicyKind::Identity)) {
            Ok(policy) => names_of(&policy),
            Err(_) => Vec::new(),
        };
        self.named_actions.borrow_mut().insert(text, names.clone());
        names
    }

    /// What the policies allow on the bucket.
    ///
    /// # Errors
    /// One of them can't be read.
    pub(super) fn allowed(&self, asker: &Asker<'_>, bucket: &Bucket, policies: &[Rc<Attached>]) -> Result<Allowed> {
        // Whoever has the same policies may do the same, unless these speak of the caller.
        let question = self.question(asker, bucket, policies);
        if let Some(known) = question.as_ref().and_then(|it| self.allowed.borrow().get(it).cloned()) {
            return Ok(known);
        }
        let allowed = decide(asker, bucket, policies)?;
        if let Some(question) = question {
            self.allowed.borrow_mut().insert(question, allowed.clone());
        }
        Ok(allowed)
    }

    /// What the answer depends on, where that is the policies alone.
    fn question(&self, asker: &Asker<'_>, bucket: &Bucket, policies: &[Rc<Attached>]) -> Option<String> {
        let Principal::User { arn, .. } = asker.principal else { return None };
        if self.bucket.as_deref() != Some(&*bucket.name) {
            return None;
        }
        let mut question = String::new();
        for attached in policies {
            let statements = &attached.statements;
            if statements.iter().any(|it| it.patterns.iter().any(Pattern::has_variable)) {
                return None;
            }
            let principals = statements.iter().filter_map(|it| it.grant.principal.as_ref());
            if principals.flat_map(|it| named_principals(it)).any(|named| named == arn) {
                return None;
            }
            let role = if attached.role == PolicyKind::Bucket { 'b' } else { 'i' };
            question.extend([role, if attached.enabled { '+' } else { '-' }]);
            for text in [&attached.certain.text, &attached.possible.text] {
                question.push_str(text);
                question.push('\0');
            }
        }
        Some(question)
    }
}

impl Statement {
    /// Whether it speaks of the bucket or of objects in it, and to this caller or to one of those for whom they stand.
    pub(super) fn bears_on(&self, bucket: &Bucket, asker: &Asker<'_>, stands_for: &HashSet<String>) -> bool {
        // What an inverted list leaves out is told by the statement itself.
        let about_bucket = self.inverted || self.patterns.iter().any(|it| it.bears_on(&bucket.name, asker.context));
        about_bucket && (self.is_to(asker) || self.names_one_of(stands_for))
    }

    fn is_to(&self, asker: &Asker<'_>) -> bool {
        let Some(principals) = &self.principals else { return true };
        let request = policy::Request {
            principal: asker.principal,
            action: Action::GetObject,
            resource: Resource::Object { account: "1", bucket: "b", key: "k" },
            context: &EmptyContext,
            canonical_user: asker.canonical_user,
        };
        let denied = AttachedPolicy { role: PolicyKind::Bucket, ..AttachedPolicy::new(principals, "it") };
        policy::decide([denied], &request).outcome == Outcome::ExplicitDeny
    }

    fn names_one_of(&self, principals: &HashSet<String>) -> bool {
        let named = self.grant.principal.as_ref().map(named_principals).unwrap_or_default();
        named.into_iter().any(|it| principals.contains(it))
    }
}

impl Reading {
    fn policy(&self, role: PolicyKind) -> Result<Option<&Policy>> {
        if self.policy.get().is_none() {
            let parsed = match self.text.is_empty() {
                true => None,
                false => {
                    let parsed = policy::parse(self.text.as_bytes(), ParseOptions::grammar(role));
                    Some(Rc::new(parsed.map_err(|error| Refusal::internal(&error.message))?))
                }
            };
            // Nobody else fills it meanwhile: it is of one thread.
            let _ = self.policy.set(parsed);
        }
        Ok(self.policy.get().and_then(Option::as_deref))
    }
}

/// A statement without its conditions and unknown variables, as far as it bears on what is allowed for certain, or at all.
///
/// For certain, an Allow that depends on something doesn't count, and a Deny counts whatever it depends on; the other way round for what is possible.
fn bare(document: &Value, patterns: &[Pattern], certain: bool, given: &Given<'_>) -> Option<Value> {
    let knows_caller = given.knows_caller;
    let allows = document["Effect"] == "Allow";
    // Whether the statement is to reach as far as it may, or only as far as it must.
    let far = allows != certain;
    if !far && document["Condition"].as_object().is_some_and(|it| !it.is_empty()) {
        return None;
    }
    // Whoever is named in person and allowed something is told apart, but a Deny for one speaks against all.
    let (is_named, is_excepted) = match allows {
        true => (false, false),
        false => ["Principal", "NotPrincipal"].map(|it| given.stands_for_one_of(&document[it])).into(),
    };
    if is_excepted && !far {
        return None;
    }
    let mut document = document.clone();
    let fields = document.as_object_mut()?;
    if is_named && far {
        fields.insert("Principal".to_owned(), "*".into());
    }
    fields.remove("Condition");
    let inverted = fields.contains_key("NotResource");
    // What a pattern in an inverted list might reach is what the statement might not.
    let open = far != inverted;
    let kept = patterns.iter().filter(|it| open || !it.is_open(knows_caller));
    let texts: Vec<String> = kept.clone().map(|it| it.opened(knows_caller)).collect();
    if inverted {
        // An object that two such patterns both cover can't be made up, so the Deny isn't counted on.
        if !far && !allows && kept.clone().any(|it| it.has_inner_wildcard(knows_caller)) {
            return None;
        }
        if texts.is_empty() {
            fields.remove("NotResource");
            fields.insert("Resource".to_owned(), "*".into());
        } else {
            fields.insert("NotResource".to_owned(), texts.into());
        }
    } else if texts.is_empty() {
        return None;
    } else {
        fields.insert("Resource".to_owned(), texts.into());
    }
    Some(document)
}

/// A Deny of everything to those whom a statement is about.
fn principals(document: &Value) -> Result<Option<Policy>> {
    let element = ["Principal", "NotPrincipal"].into_iter().find(|it| document.get(it).is_some());
    let Some(element) = element else { return Ok(None) };
    let statement = json!({"Effect": "Deny", element: document[element], "Action": "s3:*", "Resource": "*"});
    let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let parsed = policy::parse(text.as_bytes(), ParseOptions::grammar(PolicyKind::Bucket));
    parsed.map(Some).map_err(|error| Refusal::internal(&error.message))
}

fn texts(element: Option<&Value>) -> Vec<&str> {
    match element {
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    }
}

/// Every principal that an element names, whatever its kind.
pub(super) fn named_principals(element: &Value) -> Vec<&str> {
    match element {
        Value::Object(kinds) => kinds.values().flat_map(named_principals).collect(),
        Value::Array(texts) => texts.iter().flat_map(named_principals).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    }
}

fn names_of(policy: &Policy) -> Vec<&'static str> {
    let principal = Principal::User { account: "1", name: "it", arn: "arn:aws:iam::1:user/it" };
    let names = |action: &Action| {
        let resource = Resource::Bucket { account: "1", bucket: "b" };
        let request =
            policy::Request { principal, action: *action, resource, context: &EmptyContext, canonical_user: None };
        policy::decide([AttachedPolicy::new(policy, "it")], &request).is_allowed()
    };
    Action::all().filter(|it| it.name().starts_with("s3:")).filter(names).map(Action::name).collect()
}

/// The S3 actions that can be asked on buckets and objects.
fn s3_actions() -> impl Iterator<Item = Action> {
    Action::all().filter(|action| {
        action.name().starts_with("s3:")
            && matches!(action.resource_type(), ResourceType::Bucket | ResourceType::Object)
    })
}

/// Asks the judge about every action, on the bucket or on objects that the statements speak of.
fn decide(asker: &Asker<'_>, bucket: &Bucket, policies: &[Rc<Attached>]) -> Result<Allowed> {
    let (mut certain, mut possible) = (Vec::new(), Vec::new());
    for it in policies {
        let one = |policy| AttachedPolicy { policy, role: it.role, name: "it", enabled: it.enabled };
        certain.extend(it.certain.policy(it.role)?.map(one));
        possible.extend(it.possible.policy(it.role)?.map(one));
    }
    // Objects that the statements speak of, by the actions that they name.
    let mut keys: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for statement in policies.iter().flat_map(|it| &it.statements) {
        let made_up: Vec<String> =
            statement.patterns.iter().flat_map(|it| it.keys(&bucket.name, asker.context)).collect();
        for action in &statement.grant.actions {
            let of_action = keys.entry(action).or_default();
            of_action.extend(made_up.iter().filter(|key| *key != ANY_KEY).cloned());
        }
    }
    let account = bucket.owner.as_str();
    let is_owner = matches!(asker.principal, Principal::Root { account: own } if own == account);
    let (mut allowed, mut conditional) = (Vec::new(), Vec::new());
    let is_unversioned = bucket.versioning == Versioning::Unversioned;
    for action in s3_actions() {
        let also_denied_by = also_denied_by(action, is_unversioned);
        let of_action = |action: Action| keys.get(action.name()).map(Vec::as_slice);
        let Some(own) = of_action(action).or(is_owner.then_some(&[][..])) else { continue };
        let others =
            also_denied_by.iter().filter(|(_, on)| *on == On::Object).filter_map(|&(action, _)| of_action(action));
        let keys: Vec<&String> = own.iter().chain(others.flatten()).collect();
        let outcome = |policies: &[AttachedPolicy<'_>], action: Action, resource: Resource<'_>| {
            let request = policy::Request {
                principal: asker.principal,
                action,
                resource,
                context: asker.context,
                canonical_user: asker.canonical_user,
            };
            policy::decide(policies.iter().copied(), &request).outcome
        };
        let is_allowed = |policies: &[AttachedPolicy<'_>], key: Option<&str>| {
            let resource = match key {
                Some(key) => Resource::Object { account, bucket: &bucket.name, key },
                None => Resource::Bucket { account, bucket: &bucket.name },
            };
            let is_denied = |&(action, on): &(Action, On)| {
                outcome(policies, action, on_resource(on, resource)) == Outcome::ExplicitDeny
            };
            outcome(policies, action, resource) == Outcome::Allow && !also_denied_by.iter().any(is_denied)
        };
        let (sure, may) = if action.resource_type() == ResourceType::Object {
            // A Deny of some objects speaks against all, and so does an Allow that leaves some out.
            let sure = is_allowed(&certain, Some(ANY_KEY)) && keys.iter().all(|key| is_allowed(&certain, Some(key)));
            let may =
                || is_allowed(&possible, Some(ANY_KEY)) || keys.iter().any(|key| is_allowed(&possible, Some(key)));
            (sure, sure || may())
        } else {
            // Taking lifecycle rules away asks for the same action as setting them, and is refused by no Deny of deletes.
            let bucket = Resource::Bucket { account, bucket: &bucket.name };
            let sure = is_allowed(&certain, None);
            (sure, sure || outcome(&possible, action, bucket) == Outcome::Allow)
        };
        if sure {
            allowed.push(action.name());
        } else if may {
            conditional.push(action.name());
        }
    }
    Ok((allowed, conditional))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_takes_the_place_of_one_that_is_gone_is_not_taken_for_it() {
        let reader = Reader::default();
        for n in 0..100 {
            let text = format!(
                r#"{{"Version": "2012-10-17", "Statement": {{"Sid": "S{n}", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}}}"#
            );
            let parsed = policy::parse(text.as_bytes(), ParseOptions::grammar(PolicyKind::Identity));
            let policy = Arc::new(parsed.unwrap());
            let given = Given {
                name: "p",
                role: PolicyKind::Identity,
                enabled: true,
                knows_caller: true,
                stands_for: &HashSet::new(),
            };
            let Ok(attached) = reader.attached(&policy, &given) else { panic!("it was parsed before") };
            assert_eq!(attached.statements[0].grant.sid, format!("S{n}"));
        }
    }
}
