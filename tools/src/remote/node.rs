//! The node that is administered: reached through its socket as its admin, else through its console after signing in.

use std::cell::RefCell;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::profile::{self, Identity, Secret};
use super::sign::Signer;
use crate::args::{Connection, Local};
use crate::configure;
use crate::failure::Failure;
use crate::http::{Answer, Request};
use crate::output;
use crate::refusal::{About, Flags, check, is_of_api, text_of};
use crate::socket::call_node;

pub(super) use crate::refusal::parse;

/// All but what RFC 3986 leaves unreserved: a signature covers the path and query as they are sent.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A node, and who speaks to it.
#[derive(Debug)]
pub(crate) struct Node {
    way: Way,
    /// Whose nouns are meant, when not one's own.
    account: Option<String>,
}

#[derive(Debug)]
enum Way {
    /// A data directory.
    Socket {
        data: PathBuf,
    },
    Endpoint {
        endpoint: Endpoint,
        proof: Proof,
    },
}

/// How calls to an endpoint show who makes them.
#[derive(Debug)]
enum Proof {
    /// Not yet.
    None,
    Signer(Signer),
    /// A token that was there before.
    Token(Secret),
    /// A token of this command's own, which ends with it, and who signed in for it.
    Session {
        token: RefCell<Secret>,
        user: SignedIn,
    },
}

/// A user who signed in with their password.
#[derive(Debug)]
pub(super) struct SignedIn {
    /// Whose user it is, when not the operator's.
    account: Option<String>,
    pub(super) name: String,
    pub(super) password: Secret,
}

/// A call of the API, and what it is about for whoever reads why it failed.
#[derive(Debug)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    about: String,
    file: Option<String>,
    flags: Flags,
    is_about_node: bool,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl Call {
    /// A call of a path below `/api/v1`.
    pub(crate) fn new(method: &'static str, path: impl Into<String>, about: impl Into<String>) -> Call {
        let (query, headers) = (Vec::new(), Vec::new());
        Call {
            method,
            path: path.into(),
            query,
            headers,
            body: Vec::new(),
            about: about.into(),
            file: None,
            flags: &[],
            is_about_node: false,
        }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.query.push((name, value.into()));
        self
    }

    /// Only when the resource is still the one with this ETag.
    pub(crate) fn if_match(mut self, etag: impl Into<String>) -> Call {
        self.headers.push(("if-match", etag.into()));
        self
    }

    pub(crate) fn json(mut self, body: &Value) -> Call {
        self.headers.push(("content-type", "application/json".into()));
        self.body = body.to_string().into_bytes();
        self
    }

    /// A file as it is.
    pub(crate) fn bytes(mut self, content_type: &str, body: Vec<u8>) -> Call {
        self.headers.push(("content-type", content_type.into()));
        self.body = body;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.headers.push((name, value.into()));
        self
    }

    /// The document in the body came from this file: its errors are told with their lines.
    pub(crate) fn of_file(mut self, file: Option<&str>) -> Call {
        self.file = file.map(str::to_owned);
        self
    }

    /// Fields of the body and parameters of the query came by these flags: what is wrong with one is told by its flag.
    pub(crate) fn by_flags(mut self, flags: Flags) -> Call {
        self.flags = flags;
        self
    }

    /// It is about the node, whichever account the command is about.
    fn about_node(self) -> Call {
        Call { is_about_node: true, ..self }
    }

    fn about(&self) -> About<'_> {
        About { input: &self.about, file: self.file.as_deref(), flags: self.flags }
    }

    fn path(&self) -> String {
        format!("/api/v1{}", self.path)
    }

    /// The query, in the order in which it is signed.
    fn query_text(&self, account: Option<&str>) -> String {
        let account = account.map(|account| ("account", account));
        let query = self.query.iter().map(|(name, value)| (*name, value.as_str())).chain(account);
        let mut pairs: Vec<String> = query.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        pairs.sort();
        pairs.join("&")
    }
}

/// A path of one resource: `/permissions/read%20only`.
pub(crate) fn path_of(collection: &str, name: &str) -> String {
    format!("{collection}/{}", encoded(name))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

impl Node {
    /// Finds the node that the flags, the environment or a profile name, and signs in where that is needed.
    ///
    /// # Errors
    /// What is missing or wrong to reach it, or why it doesn't let this caller in.
    pub(crate) fn open(connection: &Connection) -> Result<Node, Failure> {
        let Some(access) = profile::access(connection)? else {
            let local = Local { data: connection.data.clone(), config: connection.config.clone() };
            let data = configure::data_directory(&configure::local_settings(&local)?)?;
            return Ok(Node { way: Way::Socket { data }, account: connection.account.clone() });
        };
        let endpoint = Endpoint::open(&access.endpoint, access.ca.as_deref())?;
        if endpoint.is_in_the_clear() {
            output::warn(&format!(
                "{endpoint} is not https: everyone on the way can read passwords, tokens and new secrets"
            ));
        }
        let proof = match access.identity {
            Identity::AccessKey { access_key, secret, region } => {
                Proof::Signer(Signer::new(access_key, &secret.0, region)?)
            }
            Identity::Token(token) => Proof::Token(token),
            Identity::User { account, user, password } => {
                let user = SignedIn { account, name: user, password };
                Proof::Session { token: RefCell::new(sign_in(&endpoint, &user)?), user }
            }
        };
        Ok(Node { way: Way::Endpoint { endpoint, proof }, account: connection.account.clone() })
    }

    /// The same for a command that is about the node and its accounts, and not about the things of one.
    ///
    /// # Errors
    /// An account is named; those of [`Node::open`].
    pub(crate) fn open_whole(connection: &Connection) -> Result<Node, Failure> {
        match &connection.account {
            Some(_) => {
                Err(Failure::usage("--account: this command is about the node, not about one account: leave it out"))
            }
            None => Node::open(connection),
        }
    }

    /// Makes a call; its answer is a success.
    ///
    /// A session ends before its command when the node is started anew, or when its time is over: then who signed in does so once more.
    ///
    /// # Errors
    /// There is no answer, or the node refuses.
    pub(crate) fn answer(&self, call: Call) -> Result<Answer, Failure> {
        let mut answer = self.exchange(&call)?;
        if let (401, Way::Endpoint { endpoint, proof: Proof::Session { token, user } }) = (answer.status, &self.way) {
            let renewed = sign_in(endpoint, user)?;
            token.replace(renewed);
            answer = self.exchange(&call)?;
        }
        let checked = check(&answer, &call.about());
        match &self.way {
            Way::Endpoint { endpoint, .. } if !is_of_api(&answer) => checked.map_err(|failure| Failure {
                message: format!("{}; is {endpoint} the URL of a node's console?", failure.message),
                ..failure
            })?,
            _ => checked?,
        }
        Ok(answer)
    }

    /// The body of a successful answer as text.
    pub(crate) fn text(&self, call: Call) -> Result<String, Failure> {
        text_of(self.answer(call)?)
    }

    /// The resource in a successful answer.
    pub(crate) fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, Failure> {
        parse(&self.text(call)?)
    }

    /// The console's URL: the endpoint, or what a node on this machine says of itself.
    ///
    /// # Errors
    /// The node doesn't answer.
    pub(crate) fn console(&self) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Status {
            console: String,
        }
        match &self.way {
            Way::Socket { .. } => {
                self.read(Call::new("GET", "/status", "status").about_node()).map(|status: Status| status.console)
            }
            Way::Endpoint { endpoint, .. } => Ok(endpoint.to_string()),
        }
    }

    /// The user who signed in, when nobody else's account is meant; none for root, and for a token, of which only the node knows whose it is.
    pub(super) fn signed_in(&self) -> Option<&SignedIn> {
        match (&self.way, &self.account) {
            (Way::Endpoint { proof: Proof::Session { user, .. }, .. }, None) => Some(user),
            _ => None,
        }
    }

    fn exchange(&self, call: &Call) -> Result<Answer, Failure> {
        let (path, query) = (call.path(), call.query_text(self.account.as_deref().filter(|_| !call.is_about_node)));
        let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let proof = match &self.way {
            Way::Socket { .. } | Way::Endpoint { proof: Proof::None, .. } => Vec::new(),
            Way::Endpoint { proof: Proof::Token(token), .. } => vec![bearer(token)],
            Way::Endpoint { proof: Proof::Session { token, .. }, .. } => vec![bearer(&token.borrow())],
            Way::Endpoint { proof: Proof::Signer(signer), endpoint } => {
                signer.sign(call.method, &path, &query, endpoint.authority(), &call.body)
            }
        };
        let headers: Vec<(&str, &str)> =
            call.headers.iter().chain(&proof).map(|(name, value)| (*name, value.as_str())).collect();
        let request =
            Request { method: call.method, target: &target, host: "strongroom", headers: &headers, body: &call.body };
        match &self.way {
            Way::Socket { data } => call_node(data, request),
            Way::Endpoint { endpoint, .. } => endpoint.call(request),
        }
    }
}

fn bearer(token: &Secret) -> (&'static str, String) {
    ("authorization", format!("Bearer {}", token.0))
}

/// Begins a session.
fn sign_in(endpoint: &Endpoint, user: &SignedIn) -> Result<Secret, Failure> {
    let SignedIn { account, name, password } = user;
    let about = format!("signing in to {endpoint} as user {name}");
    let mut body = json!({"user": name, "password": &password.0});
    if let (Some(account), Some(body)) = (account, body.as_object_mut()) {
        body.insert("account".into(), account.as_str().into());
    }
    let node = Node { way: Way::Endpoint { endpoint: endpoint.clone(), proof: Proof::None }, account: None };
    let token: Token = node.read(Call::new("POST", "/auth/token", &about).json(&body))?;
    Ok(Secret(token.token))
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.way, Way::Endpoint { proof: Proof::Session { .. }, .. }) {
            // One signs out oneself, whosever nouns were meant. A token that stays behind expires by itself.
            self.account = None;
            let _ = self.exchange(&Call::new("DELETE", "/auth/token", "signing out"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_encoded_and_queries_sorted() {
        let call = Call::new("GET", path_of("/permissions", "a/../b c?é"), "x").query("q", "&x=1").query("limit", "1");
        assert_eq!(call.path(), "/api/v1/permissions/a%2F..%2Fb%20c%3F%C3%A9");
        assert_eq!(call.query_text(None), "limit=1&q=%26x%3D1");
        assert_eq!(Call::new("GET", "/users", "x").query_text(Some("b-c")), "account=b-c");
    }
}
