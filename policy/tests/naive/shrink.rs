//! The smallest case that still fails, found by leaving things out.

use serde_json::Value;

/// Leaves out members and elements as long as the case still fails, the outer first, long lists by halves; and again until
/// nothing more can be left out. A pointer to what has moved meanwhile points to something else, which is tried as well.
pub(crate) fn shrink(case: &Value, fails: impl Fn(&Value) -> bool) -> Value {
    let mut smallest = case.clone();
    loop {
        let mut smaller = false;
        for place in places(&smallest, String::new()) {
            let halves = [half(&smallest, &place, false), half(&smallest, &place, true)];
            let candidates = halves.into_iter().chain([without(&smallest, &place)]);
            if let Some(candidate) = candidates.flatten().find(|candidate| fails(candidate)) {
                smallest = candidate;
                smaller = true;
            }
        }
        if !smaller {
            return smallest;
        }
    }
}

/// Pointers to everything in a value, the outer first.
fn places(value: &Value, pointer: String) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, item)| (name.replace('~', "~0").replace('/', "~1"), item)).collect()
        }
        _ => Vec::new(),
    };
    let mut places = Vec::new();
    for (name, child) in children {
        let pointer = format!("{pointer}/{name}");
        places.push(pointer.clone());
        places.extend(self::places(child, pointer));
    }
    places
}

/// The case with one half of a list only.
fn half(case: &Value, pointer: &str, second: bool) -> Option<Value> {
    let mut case = case.clone();
    let items = case.pointer_mut(pointer)?.as_array_mut().filter(|items| items.len() > 3)?;
    let rest = items.split_off(items.len() / 2);
    if second {
        *items = rest;
    }
    Some(case)
}

fn without(case: &Value, pointer: &str) -> Option<Value> {
    let mut case = case.clone();
    let (parent, name) = pointer.rsplit_once('/')?;
    match case.pointer_mut(parent)? {
        Value::Array(items) => {
            let at = name.parse().ok().filter(|at| *at < items.len())?;
            items.remove(at);
        }
        Value::Object(members) => {
            members.shift_remove(&name.replace("~1", "/").replace("~0", "~"))?;
        }
        _ => return None,
    }
    Some(case)
}
