//! What a state file changes, field by field: the node says which fields of which resources differ, and here are the values before and after.
//!
//! Secrets are named and never shown. What the node says is printed in any case; the values are only put beside it.

use crate::text::{clip, counted};
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// Most lines of a policy that are shown.
const LINES_MAX: usize = 60;
/// Longer documents are said to differ and not compared line by line, which takes the product of their lines.
const COMPARED_LINES_MAX: usize = 2_000;
/// Most characters of a value.
const VALUE_CHARACTERS_MAX: usize = 200;
const SECRETS: [&str; 2] = ["secretKey", "password"];

/// The lists of an account, whose items have names.
const LISTS: [&str; 4] = ["permissions", "serviceAccounts", "users", "buckets"];

/// Where the values come from: the state before, and the file. Both may have tens of thousands of resources, so these are found by their names and not by looking through all.
pub(super) struct Difference {
    before: Vec<Value>,
    declared: Vec<Value>,
    /// For each account of the file, its place in the state before.
    accounts: Vec<Option<usize>>,
    /// By list and name, the account and the position of each resource of the file, in the file's order: names are unique in an account only.
    new: HashMap<(&'static str, String), Vec<(usize, usize)>>,
    /// By account, list and name, the position of each resource before.
    old: HashMap<(usize, &'static str, String), usize>,
    /// Resources whose lines were met, by their places in the file.
    met: HashSet<(usize, String)>,
}

impl Difference {
    /// Of two states; nothing is known of what isn't one.
    pub(super) fn new(before: &Value, declared: &Value) -> Difference {
        let accounts = |state: &Value| state["accounts"].as_array().cloned().unwrap_or_default();
        let (before, declared) = (accounts(before), accounts(declared));
        let (mut new, mut old) = (HashMap::<_, Vec<_>>::new(), HashMap::new());
        for (index, list, name, position) in items(&declared) {
            new.entry((list, name.to_owned())).or_default().push((index, position));
        }
        for (index, list, name, position) in items(&before) {
            old.entry((index, list, name.to_owned())).or_insert(position);
        }
        let accounts = declared.iter().map(|it| before.iter().position(|before| is_same(before, it))).collect();
        Difference { before, declared, accounts, new, old, met: HashSet::new() }
    }

    /// The lines below a change of the node's: `~ permission "a": prefix` has `~ prefix: "x" -> "y"`.
    pub(super) fn below(&mut self, change: &str) -> Vec<String> {
        let Some((sign, noun, name, fields)) = parts(change) else { return Vec::new() };
        let found = match sign {
            '+' => self.find(noun, name, &[]).map(|(_, new)| (Value::Null, new)),
            '~' => self.find(noun, name, &fields),
            _ => None,
        };
        let Some((old, new)) = found else { return Vec::new() };
        match sign {
            '+' => {
                let is_list = |field: &str| noun == "account" && LISTS.contains(&field);
                let fields = new.as_object().into_iter().flat_map(Map::iter);
                let shown = fields.filter(|(field, _)| *field != "name" && !is_list(field));
                shown.flat_map(|(field, value)| field_lines('+', field, &Value::Null, value)).collect()
            }
            _ => fields.iter().flat_map(|field| field_lines('~', field, &old[*field], &new[*field])).collect(),
        }
    }

    /// A resource before and in the file: the first in the file's order that wasn't met yet and differs in these fields.
    fn find(&mut self, noun: &str, name: &str, fields: &[&str]) -> Option<(Value, Value)> {
        let pairs: Vec<(usize, &Value, &Value)> = if noun == "account" {
            let named = self.declared.iter().enumerate().filter(|(_, account)| account["name"] == name);
            named.map(|(index, account)| (index, self.account_before(index), account)).collect()
        } else {
            let list = list_of(noun)?;
            let places = self.new.get(&(list, name.to_owned()))?;
            let pair = |&(index, position): &(usize, usize)| {
                (index, self.item_before(index, list, name), &self.declared[index][list][position])
            };
            places.iter().map(pair).collect()
        };
        let differs = |old: &Value, new: &Value| {
            fields.is_empty() == old.is_null()
                && fields.iter().all(|field| SECRETS.contains(field) || old[*field] != new[*field])
        };
        let place = |index: usize| (index, format!("{noun} {name}"));
        let is_it =
            |(index, old, new): &(usize, &Value, &Value)| differs(old, new) && !self.met.contains(&place(*index));
        let (index, old, new) = pairs.into_iter().find(is_it)?;
        let found = (old.clone(), new.clone());
        self.met.insert(place(index));
        Some(found)
    }

    /// The account that one of the file's is; null where it is new.
    fn account_before(&self, index: usize) -> &Value {
        let place = self.accounts.get(index).copied().flatten();
        place.and_then(|place| self.before.get(place)).unwrap_or(&Value::Null)
    }

    /// What an account of the file had in a list by this name; null where that is new.
    fn item_before(&self, index: usize, list: &'static str, name: &str) -> &Value {
        let place = self.accounts.get(index).copied().flatten();
        let position = place.and_then(|place| self.old.get(&(place, list, name.to_owned())));
        position.map_or(&Value::Null, |position| &self.account_before(index)[list][*position])
    }
}

/// Account, list, name and position of each named resource. A bucket of which nothing but its being there is declared may be written as its name.
fn items(accounts: &[Value]) -> impl Iterator<Item = (usize, &'static str, &str, usize)> {
    accounts.iter().enumerate().flat_map(|(index, account)| {
        LISTS.into_iter().flat_map(move |list| {
            let items = account[list].as_array().into_iter().flatten().enumerate();
            items.filter_map(move |(position, item)| {
                Some((index, list, item["name"].as_str().or(item.as_str())?, position))
            })
        })
    })
}

/// Sign, noun, name and fields of a change as the node tells it.
fn parts(change: &str) -> Option<(char, &str, &str, Vec<&str>)> {
    let sign = change.chars().next()?;
    let (noun, rest) = change.get(1..)?.trim_start().split_once(" \"")?;
    let (name, rest) = rest.split_once('"')?;
    let fields = rest.strip_prefix(": ").map(|fields| fields.split(", ").collect()).unwrap_or_default();
    Some((sign, noun, name, fields))
}

fn list_of(noun: &str) -> Option<&'static str> {
    Some(match noun {
        "permission" => "permissions",
        "service account" => "serviceAccounts",
        "user" => "users",
        "bucket" => "buckets",
        _ => return None,
    })
}

/// Whether an account of the file is this one: by its id, else by its name.
fn is_same(before: &Value, declared: &Value) -> bool {
    match &declared["accountId"] {
        Value::Null => before["name"] == declared["name"],
        id => before["accountId"] == *id,
    }
}

fn field_lines(sign: char, field: &str, old: &Value, new: &Value) -> Vec<String> {
    if SECRETS.contains(&field) {
        return vec![format!("{sign} {field}: (secret)")];
    }
    if field == "policy" {
        return policy_lines(sign, old, new);
    }
    if sign == '+' {
        return vec![format!("+ {field}: {}", value_text(new))];
    }
    vec![format!("~ {field}: {} -> {}", value_text(old), value_text(new))]
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        // Root's key has a secret in it.
        Value::Object(object) => {
            let shown = object.iter().filter(|(field, _)| !SECRETS.contains(&field.as_str()));
            let fields: Vec<String> = shown.map(|(field, value)| format!("{field} {}", value_text(value))).collect();
            clip(&fields.join(", "), VALUE_CHARACTERS_MAX)
        }
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(value_text).collect();
            clip(&values.join(", "), VALUE_CHARACTERS_MAX)
        }
        value => clip(&value.to_string(), VALUE_CHARACTERS_MAX),
    }
}

/// A policy's lines that come and go. Both documents are laid out alike first, so that only what they say is compared.
fn policy_lines(sign: char, old: &Value, new: &Value) -> Vec<String> {
    let (old, new) = (laid_out(old), laid_out(new));
    let head = format!("{sign} policy:");
    if old == new {
        return vec![format!("{head} another layout of the same document")];
    }
    if old.len().max(new.len()) > COMPARED_LINES_MAX {
        return vec![format!("{head} {} -> {}", counted(old.len(), "line"), counted(new.len(), "line"))];
    }
    let changed = lines_that_differ(&old, &new);
    let omitted = changed.len().saturating_sub(LINES_MAX);
    let mut lines = vec![head];
    lines.extend(changed.into_iter().take(LINES_MAX).map(|line| format!("  {line}")));
    if omitted > 0 {
        lines.push(format!("  and {omitted} more lines"));
    }
    lines
}

/// The lines of a document that is an object, or a text that holds one; of any other text its own.
fn laid_out(policy: &Value) -> Vec<String> {
    let parsed = policy.as_str().and_then(|text| serde_json::from_str(text.trim_start_matches('\u{feff}')).ok());
    let text = match (parsed.as_ref().unwrap_or(policy), policy) {
        (Value::Null, _) => String::new(),
        (Value::String(text), _) => text.clone(),
        (document, _) => serde_json::to_string_pretty(document).unwrap_or_default(),
    };
    text.lines().map(str::to_owned).collect()
}

/// The lines that go, with `-`, and that come, with `+`, by a longest common subsequence.
fn lines_that_differ(old: &[String], new: &[String]) -> Vec<String> {
    // common[i][j]: how many lines the rests from i and j have in common.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] =
                if old[i] == new[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(format!("- {}", old[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn difference() -> Difference {
        let before = json!({"accounts": [
            {"name": "main", "accountId": "1", "permissions": [
                {"name": "a", "prefix": "x", "enabled": true},
                {"name": "p", "policy": "{\"Statement\": [{\"Action\": \"s3:GetObject\"}]}"}],
             "serviceAccounts": [{"name": "w", "permissions": ["a"]}]},
            {"name": "two", "accountId": "2", "permissions": [{"name": "a", "prefix": "x"}]}]});
        let declared = json!({"accounts": [
            {"name": "main", "permissions": [
                {"name": "a", "prefix": "x"},
                {"name": "p", "policy": {"Statement": [{"Action": "s3:PutObject"}]}},
                {"name": "new", "type": "all-buckets", "actions": "read-only"}],
             "serviceAccounts": [{"name": "w", "secretKey": "hush-hush", "permissions": ["a", "p"]}]},
            {"accountId": "2", "name": "two", "permissions": [{"name": "a", "prefix": "y"}]},
            {"name": "three", "root": {"accessKey": "AK", "secretKey": "hush-hush"}, "users": []}]});
        Difference::new(&before, &declared)
    }

    #[test]
    fn values_before_and_after_stand_below_their_change() {
        let mut difference = difference();
        // The first account's is as it was, so the second's is meant.
        assert_eq!(difference.below("~ permission \"a\": prefix"), ["~ prefix: \"x\" -> \"y\""]);
        assert_eq!(
            difference.below("~ permission \"p\": policy"),
            ["~ policy:", "  -       \"Action\": \"s3:GetObject\"", "  +       \"Action\": \"s3:PutObject\""]
        );
        assert_eq!(difference.below("+ permission \"new\""), ["+ type: \"all-buckets\"", "+ actions: \"read-only\""]);
    }

    #[test]
    fn what_buckets_declare_stands_below_them_however_they_are_written() {
        let before = json!({"accounts": [{"name": "main", "buckets": ["bare",
            {"name": "lake", "versioning": "enabled", "quota": {"bytes": 1024}, "policy": "{\"Statement\": []}"}]}]});
        let declared = json!({"accounts": [{"name": "main", "buckets": ["lone",
            {"name": "bare", "versioning": "suspended"}, {"name": "lake", "quota": null, "policy": null},
            {"name": "sea", "quota": {"bytes": 7}}]}]});
        let mut difference = Difference::new(&before, &declared);
        assert_eq!(difference.below("~ bucket \"bare\": versioning"), ["~ versioning: none -> \"suspended\""]);
        assert_eq!(
            difference.below("~ bucket \"lake\": quota, policy"),
            ["~ quota: bytes 1024 -> none", "~ policy:", "  - {", "  -   \"Statement\": []", "  - }"]
        );
        assert_eq!(difference.below("+ bucket \"sea\""), ["+ quota: bytes 7"]);
        assert!(difference.below("+ bucket \"lone\"").is_empty());
    }

    #[test]
    fn many_changes_are_told_without_looking_through_all_for_each() {
        const COUNT: usize = 20_000;
        let state = |prefix: &str| {
            let permission = |i: usize| json!({"name": format!("p{i}"), "prefix": format!("{prefix}{i}")});
            json!({"accounts": [{"name": "main", "permissions": (0..COUNT).map(permission).collect::<Vec<_>>()}]})
        };
        let mut difference = Difference::new(&state("a"), &state("b"));
        let start = std::time::Instant::now();
        for i in 0..COUNT {
            let lines = difference.below(&format!("~ permission \"p{i}\": prefix"));
            assert_eq!(lines, [format!("~ prefix: \"a{i}\" -> \"b{i}\"")]);
        }
        // A thousandth of what it takes to look at every pair.
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn secrets_are_named_and_not_shown() {
        let mut difference = difference();
        let lines = difference.below("~ service account \"w\": secretKey, permissions");
        assert_eq!(lines, ["~ secretKey: (secret)", "~ permissions: \"a\" -> \"a\", \"p\""]);
        assert_eq!(difference.below("+ account \"three\""), ["+ root: accessKey \"AK\""]);
    }

    #[test]
    fn what_is_not_understood_has_nothing_below() {
        for change in ["", "~", "- permission \"a\"", "~ permission \"nix\": prefix", "~ earlier changes", "~ é \"a\""]
        {
            assert!(difference().below(change).is_empty(), "{change}");
        }
    }

    #[test]
    fn another_layout_is_no_other_document() {
        let lines = policy_lines('~', &json!("{\"a\":1}"), &json!("{ \"a\": 1 }"));
        assert_eq!(lines, ["~ policy: another layout of the same document"]);
        let long = json!((0..3_000).collect::<Vec<_>>());
        assert_eq!(policy_lines('~', &json!("{}"), &long), ["~ policy: 1 line -> 3002 lines"]);
    }
}
