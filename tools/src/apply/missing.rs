//! What a node can't know of a state that another node printed: secrets, which no state holds, and numbers that are each node's own.
//!
//! The node stops at the first thing that is wrong; whoever moves a state to another node wants the whole list.

use std::collections::HashSet;

use serde_json::Value;

use crate::ready::quoted;

/// A line for each thing that `declared` leaves to the node and the node, whose state is `before`, doesn't have.
pub(super) fn missing(before: &Value, declared: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for account in items(declared, "accounts") {
        let name = text(account, "name");
        let by_name = items(before, "accounts").find(|it| text(it, "name") == name);
        let by_id = items(before, "accounts").find(|it| it["accountId"] == account["accountId"]);
        let is_other =
            |field: &str| account.get(field).is_some() && by_name.is_some_and(|it| it.get(field) != account.get(field));
        if by_id.is_none() && (is_other("accountId") || is_other("canonicalId")) {
            lines.push(format!(
                "account {name:?} has other ids here: leave accountId and canonicalId out, or start a node on an empty directory with --bootstrap"
            ));
        }
        let there = by_id.or(by_name).unwrap_or(&Value::Null);
        if let Some(root) = account.get("root") {
            let is_new = root["accessKey"] != there["root"]["accessKey"];
            if is_new && root.get("secretKey").is_none() {
                let advice = "add secretKey, or secretKeyFile with the name of a file, or leave root out";
                lines.push(format!("account {name:?}, root: this node doesn't know the secret: {advice}"));
            }
        }
        for (noun, list, field) in [("service account", "serviceAccounts", "secretKey"), ("user", "users", "password")]
        {
            let known: HashSet<&str> = items(there, list).map(|it| text(it, "name")).collect();
            let is_missing = |it: &&Value| it.get(field).is_none() && !known.contains(text(it, "name"));
            for item in items(account, list).filter(is_missing) {
                let item_name = text(item, "name");
                let mut line = format!(
                    "account {name:?}, {noun} {item_name:?}: this node doesn't know the {field}: add {field}, or {field}File with the name of a file"
                );
                if noun == "user" {
                    line.push_str(&format!(
                        "; or {}, whose one-time link lets them choose it",
                        creation(before, there, name, item)
                    ));
                }
                lines.push(line);
            }
        }
    }
    lines
}

/// What makes a user, so that they choose their password themselves: with their account there first.
fn creation(before: &Value, there: &Value, account: &str, user: &Value) -> String {
    let role = Some(text(user, "role")).filter(|role| !role.is_empty()).unwrap_or("ROLE");
    let mut command = format!("strongroom user create {} --role {}", quoted(text(user, "name")), quoted(role));
    // A node's first account is the one that is meant without a name.
    if items(before, "accounts").next() != Some(there) {
        // Until this state is applied it has the name that it has there.
        let now = Some(text(there, "name")).filter(|name| !name.is_empty()).unwrap_or(account);
        command.push_str(&format!(" --account {}", quoted(now)));
    }
    if there.is_null() {
        format!("apply the state without this user first, which makes the account, and then {command}")
    } else {
        format!("make the user first with {command}")
    }
}

fn items<'a>(object: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    object.get(list).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_another_node_does_not_know_is_listed_whole() {
        let before = json!({"accounts": [{"name": "main", "accountId": "1", "root": {"accessKey": "AK1"},
            "serviceAccounts": [{"name": "known", "accessKey": "A"}]}]});
        let declared = json!({"accounts": [
            {"name": "main", "accountId": "2", "root": {"accessKey": "AK2"},
             "serviceAccounts": [{"name": "known"}, {"name": "w"}, {"name": "v", "secretKey": "hush-hush"}],
             "users": [{"name": "eve"}, {"name": "bob", "password": "hush-hush"}]},
            {"name": "new one", "users": [{"name": "o,", "role": "auditor"}]}]});
        let lines = missing(&before, &declared);
        let starts = [
            "account \"main\" has other ids here: leave accountId and canonicalId out",
            "account \"main\", root: this node doesn't know the secret: add secretKey",
            "account \"main\", service account \"w\": this node doesn't know the secretKey: add secretKey, or secretKeyFile",
            "account \"main\", user \"eve\": this node doesn't know the password: add password, or passwordFile with the name of a file; or make the user first with strongroom user create eve --role ROLE, whose one-time link lets them choose it",
            "account \"new one\", user \"o,\": this node doesn't know the password: add password, or passwordFile with the name of a file; or apply the state without this user first, which makes the account, and then strongroom user create o, --role auditor --account 'new one', whose one-time",
        ];
        assert_eq!(lines.len(), starts.len(), "{lines:#?}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
        assert!(missing(&before, &before).is_empty());
        assert!(missing(&Value::Null, &json!({"accounts": 7})).is_empty());
    }
}
