//! Policies of many sizes and shapes, each with requests whose answer is known.
//!
//! Sizes show growth; the worst shapes are those in which nothing that an index could look up tells statements apart.

use std::net::{IpAddr, Ipv4Addr};

use policy::{
    Action, ConditionKey, Context as RequestContext, KnownKey, Lookup, Outcome, ParseOptions, Policy, PolicyKind,
    Principal, Request, Resource, Value, parse,
};

use crate::failure::{Context, Result};

/// Policies and what is asked of them.
pub(crate) struct Shape {
    /// What the policies say.
    pub(crate) name: &'static str,
    /// What is asked.
    pub(crate) asked: &'static str,
    pub(crate) policies: Vec<Policy>,
    pub(crate) outcome: Outcome,
    questions: Vec<Question>,
}

/// A request for an object, or for the list of a bucket where there is no key behind it.
struct Question {
    tail: String,
    facts: Facts,
}

/// A request's context as a server answers it: from what it has, without copying.
struct Facts {
    address: IpAddr,
    prefix: Option<&'static str>,
}

const ACCOUNT: &str = "123456789012";
const USER: &str = "worker";
const USER_ARN: &str = "arn:aws:iam::123456789012:user/worker";
/// Requests of a shape take turns, so that no branch is learned by heart.
const QUESTIONS: usize = 16;

impl RequestContext for Facts {
    fn lookup(&self, key: &ConditionKey) -> Lookup<'_> {
        match key.known() {
            Some(KnownKey::SourceIp) => Lookup::One(Value::Address(self.address)),
            Some(KnownKey::Username) => Lookup::One(Value::text(USER)),
            Some(KnownKey::SecureTransport) => Lookup::One(Value::Boolean(true)),
            Some(KnownKey::Prefix) => self.prefix.map_or(Lookup::Absent, |prefix| Lookup::One(Value::text(prefix))),
            _ => Lookup::Absent,
        }
    }
}

impl Shape {
    fn new(name: &'static str, asked: &'static str, documents: &[String], outcome: Outcome) -> Result<Shape> {
        let parse = |document: &String| {
            let options = ParseOptions::grammar(PolicyKind::Identity);
            parse(document.as_bytes(), options).context(format!("the policy of {name}"))
        };
        let policies = documents.iter().map(parse).collect::<Result<_>>()?;
        Ok(Shape { name, asked, policies, outcome, questions: Vec::new() })
    }

    /// Asks for objects; `tail` makes bucket and key of a number.
    fn gets(mut self, tail: impl Fn(usize) -> String) -> Shape {
        self.questions = (0..QUESTIONS)
            .map(|number| Question { tail: tail(number), facts: Facts { address: INSIDE, prefix: None } })
            .collect();
        self
    }

    /// Asks for lists of a bucket under a prefix.
    fn lists(mut self, bucket: &str, prefix: &'static str) -> Shape {
        let facts = |_| Facts { address: INSIDE, prefix: Some(prefix) };
        self.questions = (0..QUESTIONS).map(|n| Question { tail: bucket.into(), facts: facts(n) }).collect();
        self
    }

    /// Statements of all policies together.
    pub(crate) fn statements(&self) -> usize {
        self.policies.iter().map(|policy| policy.statements().count()).sum()
    }

    /// The requests, which are to be asked in turn.
    pub(crate) fn requests(&self) -> Vec<Request<'_>> {
        self.questions.iter().map(Question::request).collect()
    }
}

impl Question {
    fn request(&self) -> Request<'_> {
        let (action, resource) = match self.tail.split_once('/') {
            Some((bucket, key)) => (Action::GetObject, Resource::Object { account: ACCOUNT, bucket, key }),
            None => (Action::ListBucket, Resource::Bucket { account: ACCOUNT, bucket: &self.tail }),
        };
        let principal = Principal::User { account: ACCOUNT, name: USER, arn: USER_ARN };
        Request { principal, action, resource, context: &self.facts, canonical_user: None }
    }
}

/// Every shape, in the order of the table.
pub(crate) fn shapes() -> Result<Vec<Shape>> {
    let mut shapes = Vec::new();
    for count in [1, 10, 100, 1000] {
        shapes.extend(sizes(count)?);
    }
    shapes.extend(many_policies()?);
    shapes.extend(typical()?);
    shapes.extend(worst()?);
    Ok(shapes)
}

/// A bucket for each statement.
fn sizes(count: usize) -> Result<Vec<Shape>> {
    let allow = |number: usize| statement("Allow", GET, &format!("data-{number:04}/*"), "");
    let allows = || document((0..count).map(allow));
    let last = count - 1;
    // What the last one denies, the first one allows.
    let deny = statement("Deny", GET, "data-0000/private/*", "");
    let denied = document((0..last.max(1)).map(allow).chain([deny]));
    let name = "buckets";
    let allowed = Outcome::Allow;
    Ok(vec![
        Shape::new(name, "hit first", &[allows()], allowed)?.gets(|n| format!("data-0000/2026/{n}.parquet")),
        Shape::new(name, "hit last", &[allows()], allowed)?.gets(|n| format!("data-{last:04}/2026/{n}.parquet")),
        Shape::new(name, "miss", &[allows()], Outcome::ImplicitDeny)?.gets(|n| format!("other/2026/{n}.parquet")),
        Shape::new(name, "deny last", &[denied], Outcome::ExplicitDeny)?.gets(|n| format!("data-0000/private/{n}")),
    ])
}

fn many_policies() -> Result<Vec<Shape>> {
    let allow = |number: usize| statement("Allow", GET, &format!("data-{number:04}/*"), "");
    let documents: Vec<String> = (0..100).map(|policy| document((0..10).map(|n| allow(policy * 10 + n)))).collect();
    let shape = |asked, outcome| Shape::new("100 policies", asked, &documents, outcome);
    Ok(vec![
        shape("hit first", Outcome::Allow)?.gets(|n| format!("data-0000/2026/{n}.parquet")),
        shape("hit last", Outcome::Allow)?.gets(|n| format!("data-0999/2026/{n}.parquet")),
        shape("miss", Outcome::ImplicitDeny)?.gets(|n| format!("other/2026/{n}.parquet")),
    ])
}

/// What a data team is given: a prefix, from its own addresses.
fn typical() -> Result<Vec<Shape>> {
    let address = r#""IpAddress": {"aws:SourceIp": ["21.21.21.0/24", "10.0.0.0/8"]}"#;
    let list = format!(r#"{address}, "StringLike": {{"s3:prefix": ["team-a/*", "shared/*"]}}"#);
    let documents = [document([
        statement("Allow", r#"["s3:GetObject", "s3:PutObject"]"#, "datalake/team-a/*", address),
        statement("Allow", r#""s3:ListBucket""#, "datalake", &list),
    ])];
    let shape = |asked, outcome| Shape::new("address and prefix", asked, &documents, outcome);
    Ok(vec![
        shape("get", Outcome::Allow)?.gets(|n| format!("datalake/team-a/2026/{n}.parquet")),
        shape("list", Outcome::Allow)?.lists("datalake", "team-a/2026/"),
        shape("miss", Outcome::ImplicitDeny)?.gets(|n| format!("datalake/team-b/2026/{n}.parquet")),
    ])
}

fn worst() -> Result<Vec<Shape>> {
    let thousand = |resource: &dyn Fn(usize) -> String, condition: &dyn Fn(usize) -> String| {
        [document((0..1000).map(|n| statement("Allow", GET, &resource(n), &condition(n))))]
    };
    let none = |_: usize| String::new();
    let (allow, miss) = (Outcome::Allow, Outcome::ImplicitDeny);
    let fronts = thousand(&|n| format!("*/part-{n:04}.parquet"), &none);
    let middles = thousand(&|n| format!("*-{n:04}/*"), &none);
    let prefixes = thousand(&|n| format!("datalake/{n:04}/*"), &none);
    let network = |n: usize| format!(r#""IpAddress": {{"aws:SourceIp": "10.{}.{}.0/24"}}"#, n / 250, n % 250);
    let conditions = thousand(&|_| "datalake/*".into(), &network);
    let variables = thousand(&|n| format!("datalake/${{aws:username}}/{n:04}/*"), &none);
    let middle_variables = thousand(&|n| format!("*/${{aws:username}}/{n:04}/*"), &none);
    Ok(vec![
        Shape::new("wildcard in front", "hit last", &fronts, allow)?.gets(|n| format!("b{n}/2026/part-0999.parquet")),
        Shape::new("wildcard in front", "miss", &fronts, miss)?.gets(|n| format!("b{n}/2026/part-1000.parquet")),
        Shape::new("wildcards around", "hit last", &middles, allow)?.gets(|n| format!("b{n}/year-0999/x")),
        Shape::new("wildcards around", "miss", &middles, miss)?.gets(|n| format!("b{n}/year-1000/x")),
        Shape::new("prefixes of a bucket", "hit last", &prefixes, allow)?.gets(|n| format!("datalake/0999/{n}")),
        Shape::new("prefixes of a bucket", "miss", &prefixes, miss)?.gets(|n| format!("datalake/1000/{n}")),
        Shape::new("a condition each", "hit last", &conditions, allow)?.gets(|n| format!("datalake/{n}")),
        Shape::new("a variable each", "hit last", &variables, allow)?.gets(|n| format!("datalake/worker/0999/{n}")),
        Shape::new("a variable each", "miss", &variables, miss)?.gets(|n| format!("datalake/worker/1000/{n}")),
        Shape::new("wildcard, variable", "miss", &middle_variables, miss)?.gets(|n| format!("b/worker/1000/{n}")),
    ])
}

/// The address of every request: the last of the networks that a condition names.
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 3, 249, 7));
const GET: &str = r#""s3:GetObject""#;

fn statement(effect: &str, action: &str, tail: &str, condition: &str) -> String {
    format!(
        r#"{{"Effect": "{effect}", "Action": {action}, "Resource": "arn:aws:s3:::{tail}", "Condition": {{{condition}}}}}"#
    )
}

fn document(statements: impl IntoIterator<Item = String>) -> String {
    let statements: Vec<String> = statements.into_iter().collect();
    format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "))
}
