//! Asks a node for every decision of the corpus that a request can carry, and puts every bucket policy on a bucket.
//!
//! What is right in a table can still be wrong in a server that fills the context badly or asks for another action.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::{Client, Node, NodeBuilder, Response};

use super::carry::{self, Carried, GUEST_ACCOUNT_ID, Reason, Sender};
use super::wire::NETWORKS;
use crate::fixture;

/// Fewer carried cases than this mean that something stopped being carried without anybody's decision.
const CARRIED_MIN: usize = 740;
/// Requests at the same time.
const WORKERS: usize = 4;
const GUEST_ROOT: &str = "guestroot";

/// Allow is any answer but a denial: what isn't there is 404, what isn't served 501. Both denials are 403 AccessDenied, and AWS's text
/// tells them apart for callers of the bucket's account; others read "Access Denied" and no more. The header of an explicit denial names the case's statement.
#[test]
fn node_decides_as_the_corpus_says() {
    let (mut carried, mut cases, mut as_they_are) = (Vec::new(), 0, 0);
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    for file in super::decision_files() {
        let moved: Vec<Value> = file.cases.iter().filter_map(carry::in_a_bucket_policy).collect();
        cases += file.cases.len();
        for (index, case) in file.cases.iter().chain(&moved).enumerate() {
            match carry::carry(case, carried.len()) {
                Ok(case) => {
                    carried.push(case);
                    as_they_are += usize::from(index < file.cases.len());
                }
                Err(reason) if index < file.cases.len() => *reasons.entry(reason).or_default() += 1,
                // What a bucket policy may not say is not lost: the case itself was carried, or counted.
                Err(_) => {}
            }
        }
    }
    println!(
        "{as_they_are} of {cases} cases are carried over HTTP, {} more in a bucket policy",
        carried.len() - as_they_are
    );
    for (reason, count) in &reasons {
        println!("{count} are not: {reason}");
    }
    let node = start(&carried);
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = carried.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(fault) = ask(&node, case) {
                        faults.lock().expect("no holder panics").push(format!("{}: {fault}", case.id));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no holder panics");
    assert!(faults.is_empty(), "{} of {} differ:\n{}", faults.len(), carried.len(), faults.join("\n"));
    assert!(as_they_are >= CARRIED_MIN, "only {as_they_are} cases were carried");
}

/// A refused document is AWS's 400 MalformedPolicy with the text that `check` reports, and leaves the policy before it in force; an
/// accepted one is kept byte for byte.
#[test]
fn node_stores_bucket_policies_as_the_corpus_says() {
    let node = fixture::node(&["datalake"], &[]);
    let root = node.client();
    let get = || root.send(root.request("GET", "datalake", "").query("policy", ""));
    let mut stored = None;
    let mut faults = Vec::new();
    for file in super::document_files() {
        for case in file.cases.iter().filter(|case| case["kind"] == "bucket") {
            let document = super::text(case, "document_text");
            let request = root.request("PUT", "datalake", "").query("policy", "").body(document);
            let answer = root.send(request.header("x-amz-confirm-remove-self-bucket-access", "true"));
            let is_right = if case["expect"]["valid"] == true {
                stored = Some(document.to_owned());
                answer.status == 204
            } else {
                let message = case["expect"]["message"].as_str();
                (answer.status, answer.code().as_str()) == (400, "MalformedPolicy")
                    && message.is_none_or(|message| answer.xml("Message") == message)
            };
            if !is_right {
                faults.push(format!("{}: expected {}, got {answer}", case["id"], case["expect"]));
            }
            let kept = get();
            match &stored {
                Some(document) => assert_eq!(kept.text(), *document, "{}", case["id"]),
                None => drop(kept.expect(404, "NoSuchBucketPolicy")),
            }
        }
    }
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(stored.is_some());
}

/// One node for all: every case has its bucket, and its service account with the case's identity policies.
fn start(carried: &[Carried]) -> Node {
    let nothing = json!([fixture::deny(&["s3:GetObject"], &["arn:aws:s3:::nowhere/*"])]);
    let members = |is_guest_account: bool| {
        let (mut permissions, mut accounts) = (vec![fixture::permission("nothing", &nothing)], Vec::new());
        for case in carried {
            let Sender::User { name, is_guest } = &case.sender else { continue };
            if *is_guest != is_guest_account {
                continue;
            }
            let mut names = vec!["nothing".to_owned()];
            for (index, document) in case.identity_policies.iter().enumerate() {
                let permission = format!("{name}-{index}");
                permissions.push(json!({"name": permission, "type": "policy", "dialect": "aws", "policy": document}));
                names.push(permission);
            }
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            accounts.push(fixture::service_account(name, &names));
        }
        json!({"permissions": permissions, "serviceAccounts": accounts})
    };
    let buckets: Vec<Value> =
        carried.iter().filter(|case| !case.is_created).map(|case| json!({"name": case.bucket})).collect();
    let mut main = members(false);
    main["buckets"] = json!(buckets);
    let mut state = tests::node::state(main);
    let mut guest = members(true);
    guest["name"] = json!("guest");
    guest["accountId"] = json!(GUEST_ACCOUNT_ID);
    guest["root"] = json!({"accessKey": fixture::access_key(GUEST_ROOT), "secretKey": fixture::secret_key(GUEST_ROOT)});
    state["accounts"].as_array_mut().expect("accounts").push(guest);
    let mut arguments: Vec<String> =
        ["--durability", "relaxed", "--trusted-proxy", "127.0.0.1", "--explain-denials"].map(str::to_owned).into();
    for (network, _, vpc, endpoint) in NETWORKS {
        let endpoint = endpoint.map(|endpoint| format!(",{endpoint}")).unwrap_or_default();
        arguments.extend(["--network".into(), format!("{network}={vpc}{endpoint}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    NodeBuilder::serve().arguments(&arguments).state(state).start()
}

/// Prepares the bucket, sends the request, and says what is wrong with the answer.
fn ask(node: &Node, case: &Carried) -> Result<(), String> {
    let root = node.client();
    if let Some((key, tags)) = &case.object {
        let mut request = root.request("PUT", &case.wire.bucket, key).body("body");
        if !tags.is_empty() {
            request = request.header("x-amz-tagging", tags.clone());
        }
        // The bucket of a request may be one that isn't there: then neither is the object.
        if case.wire.bucket == case.bucket {
            expect_success("the object", &root.send(request))?;
        }
    }
    if let Some(policy) = &case.bucket_policy {
        let request = root.request("PUT", &case.bucket, "").query("policy", "").body(policy.to_string());
        let request = request.header("x-amz-confirm-remove-self-bucket-access", "true");
        expect_success("the bucket policy", &root.send(request))?;
    }
    let answer = send(node, case);
    let is_told = matches!(case.sender, Sender::Root | Sender::User { is_guest: false, .. });
    let is_denied = answer.status == 403 && answer.code() == "AccessDenied";
    let is_right = match case.decision.as_str() {
        "Allow" => !matches!(answer.status, 401 | 403 | 405) && !matches!(answer.status, 500 | 502..),
        decision => {
            let message = answer.xml("Message");
            let is_explicit = message.contains("with an explicit deny");
            let names_sid = |sid: &String| {
                let denied_by = answer.header("x-strongroom-denied-by").unwrap_or_default();
                decision != "ExplicitDeny" || denied_by.ends_with(&format!("/{sid}"))
            };
            is_denied
                && case.sid.as_ref().is_none_or(names_sid)
                && if is_told { is_explicit == (decision == "ExplicitDeny") } else { message == "Access Denied" }
        }
    };
    if is_right { Ok(()) } else { Err(format!("expected {}, got {answer}", case.decision)) }
}

fn send(node: &Node, case: &Carried) -> Response {
    let client = client(node, &case.sender);
    let wire = &case.wire;
    let mut request = client.request(wire.method, &wire.bucket, &wire.key).body(wire.body.clone());
    for (name, value) in &wire.query {
        request = request.query(name, value);
    }
    for (name, value) in &wire.headers {
        request = request.header(name, value.clone());
    }
    if wire.is_presigned {
        let request = client.presigned(request, std::time::Duration::from_secs(60));
        return client.send_as_is(&request);
    }
    client.send(request)
}

fn client(node: &Node, sender: &Sender) -> Client {
    match sender {
        Sender::Anonymous => node.client().anonymous(),
        Sender::Root => node.client(),
        Sender::GuestRoot => fixture::caller(node, GUEST_ROOT),
        Sender::User { name, .. } => fixture::caller(node, name),
    }
}

fn expect_success(what: &str, answer: &Response) -> Result<(), String> {
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(format!("{what} was not taken: {answer}")) }
}
