//! Signatures in the Authorization header.

use std::time::Duration;

use serde_json::json;
use tests::http::encode;
use tests::{Signer, xml};

use crate::fixture::{self, allow, caller};

/// Keys that a path-minded server would change.
const ODD_KEYS: &[&str] = &[
    "a b",
    "a+b",
    "a%2Fb",
    "a%20b",
    "a//b",
    "/a",
    "//",
    "a/./b",
    "a/../b",
    ".",
    "..",
    "../x",
    "a/",
    "ключ/鍵/🗝",
    "a&b=c;d",
    "'quoted\"",
    "~tilde!*()",
    "a?b#c",
    "tab\there",
    "\u{1}",
    "back\\slash",
    "a:b@c,d",
    "%",
    "%zz",
    "nbsp\u{a0}",
    "e\u{301}",
    "\u{e9}",
];

/// A7: elsewhere keys with escapes, spaces and dots broke the signature or met another object.
#[test]
fn every_odd_key_is_opaque_and_signed_as_it_stands() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for (index, key) in ODD_KEYS.iter().enumerate() {
        client.put("box", key, format!("body {index}")).expect(200, "");
    }
    for (index, key) in ODD_KEYS.iter().enumerate() {
        let body = format!("body {index}");
        assert_eq!(client.get("box", key).expect(200, "").text(), body, "{key:?}");
        let url = client.presigned(client.request("GET", "box", key), Duration::from_secs(60));
        assert_eq!(client.send_as_is(&url).expect(200, "").text(), body, "{key:?} presigned");
    }
    let mut expected: Vec<String> = ODD_KEYS.iter().map(|&k| encode(k)).collect();
    expected.sort_by_key(|k| percent_decoded(k));
    let listed = client.list("box", &[("encoding-type", "url")]);
    let listed: Vec<Vec<u8>> = listed.xml_all("Contents/Key").iter().map(|k| percent_decoded(k)).collect();
    let expected: Vec<Vec<u8>> = expected.iter().map(|k| percent_decoded(k)).collect();
    assert_eq!(listed, expected);
    for key in ODD_KEYS {
        client.delete("box", key).expect(204, "");
    }
    assert_eq!(client.keys("box"), Vec::<String>::new());
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(&tail[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
            rest = &tail[2..];
        } else {
            // encoding-type=url writes a space as a plus.
            bytes.push(if first == b'+' { b' ' } else { first });
            rest = tail;
        }
    }
    bytes
}

/// A7: elsewhere a repeated parameter or a `;` and `+` in a value broke the canonical query.
#[test]
fn repeated_and_odd_query_parameters_are_signed_as_they_stand() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "body").ok();
    for target in ["/box/k?partNumber=2&partNumber=10", "/box/k?partNumber=10&partNumber=2"] {
        let answer = client.send(client.target("GET", target));
        assert_ne!(answer.status, 403, "{target}: {answer}");
    }
    let disposition = "attachment; filename=\"a+b c.txt\"";
    let request = client.request("GET", "box", "k").query("response-content-disposition", disposition);
    let answer = client.send_as_is(&client.presigned(request.clone(), Duration::from_secs(60)));
    assert_eq!(answer.expect(200, "").header("content-disposition"), Some(disposition));
    assert_eq!(client.send(request).expect(200, "").header("content-disposition"), Some(disposition));
}

#[test]
fn wrong_secret_unknown_key_and_altered_request_are_told_apart() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.with(tests::node::ROOT_ACCESS_KEY, "not the secret").get("box", "k").expect(403, "SignatureDoesNotMatch");
    client.with("AKIDNOBODY", "whatever it is").get("box", "k").expect(403, "InvalidAccessKeyId");
    let mut request = client.request("GET", "box", "k");
    client.signer().sign(&mut request);
    request.target = "/box/other".into();
    client.send_as_is(&request).expect(403, "SignatureDoesNotMatch");
    let mut request = client.request("PUT", "box", "k").body("body");
    client.signer().sign(&mut request);
    let added = request.clone().header("x-amz-meta-added", "later");
    client.send_as_is(&added).expect(403, "AccessDenied");
    request.method = "DELETE".into();
    client.send_as_is(&request).expect(403, "SignatureDoesNotMatch");
}

#[test]
fn malformed_authorization_headers_are_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let mut signed = client.request("GET", "box", "k");
    client.signer().sign(&mut signed);
    let good = signed.value("authorization").expect("signed").to_owned();
    let long = "A".repeat(9000);
    for bad in [
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=",
        "Basic dTpw",
        "Bearer x",
        "AWS",
        "AWS a",
        "AWS a:",
        "AWS :b",
        &long,
        &good.replace("SignedHeaders=", "SignedHeaders=;"),
        &good.replace("/aws4_request", ""),
        &good.replace("host;", ""),
        &good.replace("Signature=", "Signature=zz"),
        &good.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
        &good.replace("Credential=", "Credential=\u{e9}"),
    ] {
        let mut request = signed.clone();
        request.set("authorization", bad);
        let answer = client.send_as_is(&request);
        assert!(matches!(answer.status, 400 | 403), "{bad:.100}: {answer}");
    }
}

/// A9: elsewhere an old or future date was accepted.
#[test]
fn date_more_than_a_quarter_of_an_hour_off_is_refused_with_the_servers_time() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for minutes in [-16, 16, -60 * 24 * 8] {
        let signer =
            Signer { time: client.signer().time + jiff::SignedDuration::from_mins(minutes), ..client.signer() };
        let mut request = client.request("GET", "box", "k");
        signer.sign(&mut request);
        let answer = client.send_as_is(&request);
        answer.expect(403, "RequestTimeTooSkewed");
        assert!(xml::first(&answer.text(), "ServerTime").is_some_and(|t| t.ends_with('Z')), "{answer}");
    }
    for minutes in [-14, 14] {
        let signer =
            Signer { time: client.signer().time + jiff::SignedDuration::from_mins(minutes), ..client.signer() };
        let mut request = client.request("GET", "box", "k");
        signer.sign(&mut request);
        client.send_as_is(&request).expect(404, "NoSuchKey");
    }
}

/// A10: elsewhere a header meant for the server's own parts named the principal.
#[test]
fn headers_of_internal_trust_change_nothing() {
    let node = fixture::node(&["box"], &[("nobody", json!([allow(&["s3:GetObject"], &["arn:aws:s3:::other/*"])]))]);
    node.client().put("box", "k", "body").ok();
    let root = format!("arn:aws:iam::{}:root", tests::node::ACCOUNT_ID);
    for name in [
        "x-seaweedfs-principal",
        "x-strongroom-principal",
        "x-minio-source",
        "x-amz-security-principal",
        "userid",
        "aws:username",
        "x-strongroom-denied-by",
    ] {
        let nobody = caller(&node, "nobody");
        let mut request = nobody.request("GET", "box", "k");
        nobody.signer().sign(&mut request);
        let answer = nobody.send_as_is(&request.header(name, root.clone()));
        assert_eq!(answer.status, 403, "{name}: {answer}");
        let anonymous = node.client().anonymous();
        anonymous.send(anonymous.request("GET", "box", "k").header(name, root.clone())).expect(403, "AccessDenied");
    }
}

/// A11: elsewhere a signature made for another service opened S3.
#[test]
fn signature_for_another_service_or_region_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for (service, region) in
        [("sts", "us-east-1"), ("iam", "us-east-1"), ("s3tables", "us-east-1"), ("s3", "eu-west-1"), ("", "us-east-1")]
    {
        let signer = Signer { service: service.into(), region: region.into(), ..client.signer() };
        let mut request = client.request("GET", "box", "k");
        signer.sign(&mut request);
        client.send_as_is(&request).expect(400, "AuthorizationHeaderMalformed");
        let mut request = client.request("GET", "box", "k");
        signer.presign(&mut request, Duration::from_secs(60));
        client.send_as_is(&request).expect(400, "AuthorizationQueryParametersError");
    }
}

/// A12: elsewhere an upload that waited for 100 Continue hung.
#[test]
fn expectation_is_continued_before_the_body_and_refused_without_it() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let body = fixture::noise(7, 100_000);
    let mut request = client.request("PUT", "box", "k").header("expect", "100-continue").body(body.clone());
    client.signer().sign(&mut request);
    let mut connection = client.connect().expect("a connection");
    connection.write(&request.head()).expect("written");
    assert_eq!(connection.read_response("PUT").expect("an answer").status, 100);
    connection.write(&body).expect("written");
    connection.read_response("PUT").expect("an answer").expect(200, "");
    assert!(client.get("box", "k").body == body);

    let wrong = client.with(tests::node::ROOT_ACCESS_KEY, "not the secret");
    let mut request = client.request("PUT", "box", "k").header("expect", "100-continue").body(body);
    wrong.signer().sign(&mut request);
    let mut connection = client.connect().expect("a connection");
    connection.write(&request.head()).expect("written");
    connection.read_response("PUT").expect("an answer").expect(403, "SignatureDoesNotMatch");
}

#[test]
fn security_token_that_no_session_has_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let answer = client.send(client.request("GET", "box", "k").header("x-amz-security-token", "made up"));
    assert!(
        matches!(
            (answer.status, answer.code().as_str()),
            (400, "InvalidToken") | (403, "InvalidToken" | "InvalidAccessKeyId")
        ),
        "{answer}"
    );
}
