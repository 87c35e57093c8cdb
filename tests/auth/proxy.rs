//! Nodes behind proxies: which host a signature may name, and whose word for a client's address counts.

use serde_json::json;
use tests::NodeBuilder;

use crate::fixture::{self, allow, caller};

/// A8: elsewhere a rewritten Host broke every signature, or any client could choose the host by a forwarded header.
#[test]
fn signature_may_name_a_configured_external_host_and_no_other() {
    let arguments = [
        "--external-url",
        "https://s3.example.com",
        "--external-url",
        "http://node.internal:8080",
        "--durability",
        "relaxed",
    ];
    let node = NodeBuilder::serve().arguments(&arguments).account(fixture::account(&["box"], &[])).start();
    let client = node.client();
    let through = |signed: &str, sent: &str, forwarded: Option<&str>| {
        let mut request = client.request("GET", "box", "k");
        request.set("host", signed);
        client.signer().sign(&mut request);
        request.set("host", sent);
        if let Some(forwarded) = forwarded {
            request.set("x-forwarded-host", forwarded);
        }
        client.send_as_is(&request)
    };
    let own = node.s3().to_string();
    through(&own, &own, None).expect(404, "NoSuchKey");
    through("s3.example.com", "s3.example.com", None).expect(404, "NoSuchKey");
    through("s3.example.com", &own, None).expect(404, "NoSuchKey");
    through("node.internal:8080", &own, None).expect(404, "NoSuchKey");
    through("s3.attacker.com", &own, None).expect(403, "SignatureDoesNotMatch");
    through("s3.attacker.com", &own, Some("s3.attacker.com")).expect(403, "SignatureDoesNotMatch");
}

/// C8: elsewhere X-Forwarded-For of anyone's chose the address that the policy saw.
#[test]
fn forwarded_address_counts_only_from_a_configured_proxy() {
    let mut statement = allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
    statement["Condition"] = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
    let account = fixture::account(&["box"], &[("inside", json!([statement]))]);
    let arguments = ["--trusted-proxy", "127.0.9.0/24", "--durability", "relaxed"];
    let node = NodeBuilder::serve().arguments(&arguments).account(account).start();
    node.client().put("box", "k", "body").ok();
    let inside = caller(&node, "inside");
    let get = |source: &str, forwarded: &[&str]| {
        let request = inside.request("GET", "box", "k");
        inside
            .from(source)
            .send(forwarded.iter().fold(request, |request, value| request.header("x-forwarded-for", *value)))
            .status
    };
    assert_eq!(get("127.0.0.1", &["10.0.0.1"]), 403);
    assert_eq!(get("127.0.9.1", &["10.0.0.1"]), 200);
    assert_eq!(get("127.0.9.1", &[]), 403);
    // The right-most hop that is no proxy is the client; what stands left of it is the client's own claim.
    assert_eq!(get("127.0.9.1", &["10.0.0.1, 192.0.2.7"]), 403);
    assert_eq!(get("127.0.9.1", &["192.0.2.7, 10.0.0.1"]), 200);
    assert_eq!(get("127.0.9.1", &["10.0.0.1, 127.0.9.2"]), 200);
    assert_eq!(get("127.0.9.1", &["192.0.2.7", "10.0.0.1"]), 200);
    assert_eq!(get("127.0.9.1", &["10.0.0.1", "192.0.2.7"]), 403);
    assert_eq!(get("127.0.9.1", &["10.0.0.1, nonsense"]), 403);
}
