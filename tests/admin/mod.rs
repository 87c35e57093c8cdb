//! The admin API over HTTP: identities, permissions, sign-ins, and who may do what with them.

mod access;
mod account;
mod audit;
mod bucket;
mod escalation;
mod objects;
mod permission;
mod permission_file;
mod route;
mod secret;
mod service_account;
mod sign_in;
mod user;

use serde_json::{Value, json};
use tests::node::{ROOT_ACCESS_KEY, ROOT_SECRET_KEY};
use tests::{Client, Node, NodeBuilder, Request, Response};

/// A node whose account has these members.
#[track_caller]
fn node(members: Value) -> Node {
    NodeBuilder::serve().arguments(&["--durability", "relaxed"]).account(members).start()
}

/// Speaks to the admin API of one node, with or without a token.
#[derive(Clone, Debug)]
struct Admin {
    client: Client,
    token: Option<String>,
}

impl Admin {
    /// Without credentials.
    fn nobody(node: &Node) -> Admin {
        Admin { client: Client::new(node.console(), None), token: None }
    }

    /// Signed in as root of the operator's account.
    #[track_caller]
    fn root(node: &Node) -> Admin {
        Admin::nobody(node).with_key(ROOT_ACCESS_KEY, ROOT_SECRET_KEY)
    }

    /// Signed in with an access key.
    #[track_caller]
    fn with_key(&self, access_key: &str, secret: &str) -> Admin {
        self.signed_in(&json!({"accessKey": access_key, "secret": secret}))
    }

    /// Signed in as a user of the operator's account.
    #[track_caller]
    fn with_user(&self, user: &str, password: &str) -> Admin {
        self.signed_in(&json!({"user": user, "password": password}))
    }

    #[track_caller]
    fn signed_in(&self, body: &Value) -> Admin {
        let answer = Admin { token: None, ..self.clone() }.post("/auth/token", body);
        let token = answer.json(201)["token"].as_str().expect("a token").to_owned();
        Admin { token: Some(token), ..self.clone() }
    }

    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, &[])
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body.to_string()), &[])
    }

    #[track_caller]
    fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, Some(body.to_string()), &[])
    }

    /// PUT without a body.
    #[track_caller]
    fn set(&self, path: &str) -> Answer {
        self.send("PUT", path, None, &[])
    }

    #[track_caller]
    fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None, &[])
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, body: Option<String>, headers: &[(&str, &str)]) -> Answer {
        Answer(self.client.send_as_is(&self.request(method, path, body, headers)))
    }

    fn request(&self, method: &str, path: &str, body: Option<String>, headers: &[(&str, &str)]) -> Request {
        let mut request = self.client.target(method, &format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        match body {
            Some(body) => request.header("content-type", "application/json").body(body),
            None => request,
        }
    }
}

/// An answer of the admin API.
#[derive(Debug)]
struct Answer(Response);

impl Answer {
    /// The body of an answer with this status.
    #[track_caller]
    fn json(&self, status: u16) -> Value {
        assert_eq!(self.0.status, status, "{}", self.0);
        if self.0.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.0.body).unwrap_or_else(|error| panic!("{error}: {}", self.0))
    }

    /// Fails the test unless the status and the code are these; answers the message.
    #[track_caller]
    fn refused(&self, status: u16, code: &str) -> String {
        let body = self.json(status);
        assert_eq!(body["code"], code, "{body}");
        body["message"].as_str().expect("a message").to_owned()
    }

    #[track_caller]
    fn header(&self, name: &str) -> String {
        self.0.header(name).unwrap_or_else(|| panic!("no {name}: {}", self.0)).to_owned()
    }
}

/// The names in a list.
#[track_caller]
fn names(answer: &Answer) -> Vec<String> {
    let list = answer.json(200);
    let list = list.as_array().expect("a bare array");
    list.iter().map(|it| it["name"].as_str().expect("a name").to_owned()).collect()
}

/// A permission on all buckets.
fn everything(name: &str) -> Value {
    json!({"name": name, "type": "all-buckets", "actions": "all-operations"})
}
