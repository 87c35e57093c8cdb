//! Random policies and requests, drawn from so few names and values that they meet: most policies are written after the
//! request they will be asked about, and then blurred.

use serde_json::{Map, Value, json};

use crate::case::text_of;
use crate::random::Random;
use crate::words::{
    ACTION_PATTERNS, ACTIONS, CANONICAL, FAMILIES, Family, NAMES, PRINCIPALS, RESOURCE_PATTERNS, RESOURCES,
};

/// A case: policies and a request of the form of `strongroom policy eval`.
pub(crate) fn case(random: &mut Random) -> Value {
    let mut request = request(random);
    if random.percent(30) {
        request["principal"] = json!("arn:aws:iam::123456789012:user/alice");
        return json!({ "policies": [one_condition(random, &request)], "request": request });
    }
    let policies: Vec<Value> = (0..random.few(1, 4)).map(|_| policy(random, &request)).collect();
    json!({ "policies": policies, "request": request })
}

/// A policy of which nothing decides but one Condition block.
fn one_condition(random: &mut Random, request: &Value) -> Value {
    let mut statements = vec![json!({
        "Effect": random.pick(&["Allow", "Deny"]),
        "Action": "*",
        "Resource": "*",
        "Condition": condition(random, request),
    })];
    if statements[0]["Effect"] == "Deny" {
        statements.push(json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }));
    }
    json!({ "kind": "identity", "document": { "Version": "2012-10-17", "Statement": statements } })
}

/// The same policies, asked about something similar.
pub(crate) fn ask_again(case: &mut Value, random: &mut Random) {
    let other = request(random);
    for member in ["principal", "action", "resource", "owner", "canonical_user", "unreadable"] {
        if random.percent(25) {
            case["request"][member] = other[member].clone();
        }
    }
    let context = case["request"]["context"].as_object_mut().expect("a context is an object");
    for key in context.keys().cloned().collect::<Vec<_>>() {
        match random.below(8) {
            0 => drop(context.shift_remove(&key)),
            1 => drop(context.insert(key.clone(), other["context"].get(&key).cloned().unwrap_or_else(|| json!([])))),
            _ => {}
        }
    }
}

fn request(random: &mut Random) -> Value {
    let principal = random.pick(PRINCIPALS);
    let mut context = Map::new();
    // The first one is there twice.
    for family in &FAMILIES[1..] {
        for key in family.keys() {
            if random.percent(65) {
                context.insert(respelt(key, random), context_value(*family, key, random));
            }
        }
    }
    if random.percent(50) {
        context.insert("my:key".into(), context_value(Family::Text, "my:key", random));
    }
    let mut request = json!({
        "principal": principal,
        "action": random.pick(ACTIONS),
        "resource": random.pick(RESOURCES),
        "context": context,
        "owner": if random.percent(90) { "123456789012" } else { "999999999999" },
        "canonical_user": if random.percent(50) { json!(CANONICAL) } else { Value::Null },
        "unreadable": [],
    });
    if random.percent(20) {
        request["unreadable"] =
            json!([random.pick(&["s3:ExistingObjectTag/team", "aws:PrincipalTag/team", "aws:SourceIp"])]);
    }
    request
}

fn context_value(family: Family, key: &str, random: &mut Random) -> Value {
    let several = if key.ends_with("Keys") { 70 } else { 6 };
    if random.percent(several) {
        return (0..random.below(4)).map(|_| scalar(random.pick(family.values()), random)).collect();
    }
    scalar(random.pick(family.values()), random)
}

/// A text, or now and then the number or boolean that it spells.
fn scalar(text: &str, random: &mut Random) -> Value {
    let spelt = serde_json::from_str::<Value>(text).ok();
    let spelt =
        spelt.filter(|value| (value.is_i64() || value.is_boolean()) && text_of(value) == text && text.len() != 4);
    spelt.filter(|_| random.percent(40)).unwrap_or_else(|| json!(text))
}

/// A key in another case; the name of a tag stays.
fn respelt(key: &str, random: &mut Random) -> String {
    let (name, tag) = key.split_at(key.find('/').unwrap_or(key.len()));
    match random.below(8) {
        0 => name.to_lowercase() + tag,
        1 => name.to_uppercase() + tag,
        _ => key.to_owned(),
    }
}

fn policy(random: &mut Random, request: &Value) -> Value {
    let kind = random.pick(&["identity", "identity", "identity", "bucket", "bucket", "session"]);
    // Now and then more statements than an evaluator would go through one by one.
    let count = if random.below(200) == 0 { 65 + random.below(60) } else { random.few(1, 4) };
    let mut statements: Vec<Value> = (0..count).map(|_| statement(kind, random, request)).collect();
    if count > 64 {
        // All but a few are about everything asked for, and then it's their conditions that differ.
        for statement in statements.iter_mut().filter(|statement| statement.get("Resource").is_some()) {
            statement["Resource"] = json!(random.pick(&["*", "*", "arn:aws:s3:::b*", "arn:aws:s3:::*/a"]));
            if statement.get("Action").is_some() {
                statement["Action"] = json!("s3:*");
            }
            statement["Condition"] =
                json!({ "StringEquals": { "aws:username": random.pick(&["alice", "a", "b", "ab", "A"]) } });
        }
    }
    for (index, statement) in statements.iter_mut().enumerate() {
        if random.percent(50) {
            statement["Sid"] = json!(format!("Statement{index}"));
        }
    }
    let mut document = Map::new();
    match random.below(10) {
        0 => None,
        1 => document.insert("Version".into(), json!("2008-10-17")),
        _ => document.insert("Version".into(), json!("2012-10-17")),
    };
    let statement = if statements.len() == 1 && random.percent(50) { statements.remove(0) } else { json!(statements) };
    document.insert("Statement".into(), statement);
    let mut policy = json!({ "kind": kind, "document": document });
    if random.percent(5) {
        policy["enabled"] = json!(false);
    }
    policy
}

fn statement(kind: &str, random: &mut Random, request: &Value) -> Value {
    let deny = random.percent(28);
    let mut statement = Map::new();
    statement.insert("Effect".into(), json!(if deny { "Deny" } else { "Allow" }));
    if kind == "bucket" {
        let element = if deny && random.percent(40) { "NotPrincipal" } else { "Principal" };
        statement.insert(element.into(), who(random, request));
    }
    let asked = request["action"].as_str().expect("an action is a text");
    let element = if random.percent(12) { "NotAction" } else { "Action" };
    let near = 70 - 55 * usize::from(element == "NotAction");
    let actions = list(random, |random| match random.percent(near) {
        true => blurred_action(asked, random),
        false if random.percent(30) => random.pick(ACTIONS).to_owned(),
        false => random.pick(ACTION_PATTERNS).to_owned(),
    });
    statement.insert(element.into(), actions);
    let asked = request["resource"].as_str().expect("a resource is a text");
    let element = if random.percent(12) { "NotResource" } else { "Resource" };
    let near = 55 - 45 * usize::from(element == "NotResource");
    let resources = list(random, |random| match random.percent(near) {
        true => blurred_resource(asked, random),
        false if random.percent(20) => random.pick(RESOURCES).to_owned(),
        false => random.pick(RESOURCE_PATTERNS).to_owned(),
    });
    statement.insert(element.into(), resources);
    if random.percent(60) {
        statement.insert("Condition".into(), condition(random, request));
    }
    statement.into()
}

/// One value, or a list of some; seldom an empty one.
fn list(random: &mut Random, mut one: impl FnMut(&mut Random) -> String) -> Value {
    match random.below(100) {
        0..2 => json!([]),
        2..50 => json!(one(random)),
        50..75 => json!([one(random)]),
        _ => (0..random.few(2, 4)).map(|_| one(random)).collect(),
    }
}

fn who(random: &mut Random, request: &Value) -> Value {
    if random.percent(15) {
        return json!("*");
    }
    let asking = request["principal"].as_str().expect("a principal is a text");
    let names = list(random, |random| match asking {
        "anonymous" => random.pick(NAMES).to_owned(),
        _ if random.percent(35) && !asking.ends_with('*') => asking.to_owned(),
        _ => random.pick(NAMES).to_owned(),
    });
    let mut who = Map::new();
    if random.percent(85) {
        who.insert("AWS".into(), names);
    }
    if random.percent(12) {
        who.insert("CanonicalUser".into(), json!(CANONICAL));
    }
    if random.percent(8) {
        who.insert("Service".into(), json!("logging.s3.amazonaws.com"));
    }
    if who.is_empty() {
        who.insert("Federated".into(), json!("arn:aws:iam::123456789012:saml-provider/a"));
    }
    who.into()
}

fn blurred_action(action: &str, random: &mut Random) -> String {
    let (service, name) = action.split_once(':').expect("an action has a service");
    match random.below(6) {
        0 => action.to_owned(),
        1 => action.to_lowercase(),
        2 => action.to_uppercase(),
        3 => "s3:*".to_owned(),
        _ => format!("{service}:{}", blurred(name, random)),
    }
}

fn blurred_resource(resource: &str, random: &mut Random) -> String {
    let start = "arn:aws:s3:::";
    let tail = resource.strip_prefix(start).expect("resources are of S3");
    match random.below(8) {
        0 => resource.to_owned(),
        1 => "*".to_owned(),
        2 => format!("{start}{}/*", tail.split('/').next().unwrap_or_default()),
        3 => format!("{start}{}", tail.replace("alice", "${aws:username}")),
        _ => format!("{start}{}", blurred(tail, random)),
    }
}

/// The text with some of it behind wildcards.
fn blurred(text: &str, random: &mut Random) -> String {
    let mut blurred = String::new();
    for character in text.chars() {
        match random.below(12) {
            0 => blurred.push('?'),
            1 => blurred.push('*'),
            2 => blurred.extend(['*', character]),
            _ => blurred.push(character),
        }
    }
    if random.percent(10) {
        blurred.push(random.pick(&["*", "?", "a"]).chars().next().unwrap_or('*'));
    }
    blurred
}

fn condition(random: &mut Random, request: &Value) -> Value {
    let mut condition = Map::new();
    for _ in 0..random.few(0, 3) {
        let family = FAMILIES[random.below(FAMILIES.len())];
        let mut keys = Map::new();
        for _ in 0..random.few(1, 2) {
            let key = match random.below(12) {
                0 => "my:key",
                1 => {
                    let other = FAMILIES[random.below(FAMILIES.len())];
                    random.pick(other.keys())
                }
                _ => random.pick(family.keys()),
            };
            if !keys.keys().any(|other: &String| other.eq_ignore_ascii_case(key)) {
                keys.insert(respelt(key, random), wanted(family, key, random, request));
            }
        }
        let operator = match random.below(12) {
            0 => {
                let mut wanted = || list(random, |random| random.pick(&["true", "false", "TRUE", "maybe"]).to_owned());
                keys.values_mut().for_each(|values| *values = wanted());
                "Null".to_owned()
            }
            1 | 2 => format!("{}IfExists", random.pick(family.operators())),
            _ => random.pick(family.operators()).to_owned(),
        };
        let qualifier = random.pick(&["", "", "", "", "ForAllValues:", "ForAnyValue:"]);
        condition.insert(format!("{qualifier}{operator}"), keys.into());
    }
    condition.into()
}

/// Values that a statement asks a key for: often one that the request has.
fn wanted(family: Family, key: &str, random: &mut Random, request: &Value) -> Value {
    let context = request["context"].as_object().expect("a context is an object");
    let here = context.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| match value {
        Value::Array(values) => values.first().map(text_of).unwrap_or_default(),
        one => text_of(one),
    });
    let unreadable = request["unreadable"][0].as_str();
    let values = list(random, |random| match &here {
        // What couldn't be read is asked for, else it would hardly ever matter.
        _ if family == Family::Text && unreadable.is_some() && random.percent(25) => {
            format!("${{{}}}", unreadable.unwrap_or_default())
        }
        Some(here) if random.percent(40) => match family {
            Family::Text | Family::Arn if random.percent(40) => blurred(here, random),
            _ => here.clone(),
        },
        _ if random.percent(50) => random.pick(family.patterns()).to_owned(),
        _ => random.pick(family.values()).to_owned(),
    });
    match values {
        Value::String(text) => scalar(&text, random),
        list => list,
    }
}
