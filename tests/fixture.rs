//! Accounts as most tests want them: a few buckets, and callers with one policy each.

use serde_json::{Value, json};
use tests::{Client, Node, NodeBuilder};

/// Members of an account: these buckets, and a service account for each (name, statements) with one policy permission of its own name.
pub(crate) fn account(buckets: &[&str], callers: &[(&str, Value)]) -> Value {
    let permissions: Vec<Value> = callers.iter().map(|(name, statements)| permission(name, statements)).collect();
    let accounts: Vec<Value> = callers.iter().map(|(name, _)| service_account(name, &[name])).collect();
    let buckets: Vec<Value> = buckets.iter().map(|name| json!({"name": name})).collect();
    json!({"permissions": permissions, "serviceAccounts": accounts, "buckets": buckets})
}

/// A policy permission in the `aws` dialect.
pub(crate) fn permission(name: &str, statements: &Value) -> Value {
    json!({"name": name, "type": "policy", "dialect": "aws", "policy": policy(statements)})
}

/// A policy document of these statements.
pub(crate) fn policy(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A service account whose keys follow from its name.
pub(crate) fn service_account(name: &str, permissions: &[&str]) -> Value {
    json!({"name": name, "accessKey": access_key(name), "secretKey": secret_key(name), "permissions": permissions})
}

/// A started node with these buckets and callers.
#[track_caller]
pub(crate) fn node(buckets: &[&str], callers: &[(&str, Value)]) -> Node {
    NodeBuilder::serve().arguments(&["--durability", "relaxed"]).account(account(buckets, callers)).start()
}

/// A client that signs as the service account.
pub(crate) fn caller(node: &Node, name: &str) -> Client {
    node.client().with(&access_key(name), &secret_key(name))
}

/// Access key of a service account.
pub(crate) fn access_key(name: &str) -> String {
    format!("AKID{}", name.to_ascii_uppercase())
}

/// Secret of a service account.
pub(crate) fn secret_key(name: &str) -> String {
    format!("secret-of-{name}/never-in-a-log")
}

/// An ARN of a service account of the test account.
pub(crate) fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{}:user/{name}", tests::node::ACCOUNT_ID)
}

/// `Allow` of actions on resources.
pub(crate) fn allow(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

/// `Deny` of actions on resources.
pub(crate) fn deny(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": "Deny", "Action": actions, "Resource": resources})
}

/// Bytes that don't compress or repeat, the same for the same seed (xorshift).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
