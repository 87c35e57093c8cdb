//! Bodies framed as `aws-chunked`.

use std::fmt::Write as _;

use serde_json::json;
use tests::sign::Chunks;
use tests::{Client, Node, Request, checksum};

use crate::fixture::{self, allow};

const BODY: &[u8] = b"Seven sleepy sheep slip silently southward.";

/// A request whose Authorization names a real access key and carries a signature that isn't its.
fn with_garbage_signature(client: &Client, mut request: Request, body: &[u8]) -> Request {
    let checksum = checksum::amz("crc32", body);
    client.signer().sign_chunked(&mut request, &[body], Chunks::UnsignedTrailer("x-amz-checksum-crc32", &checksum));
    let authorization = request.value("authorization").expect("signed");
    let (head, _) = authorization.split_once("Signature=").expect("a signature");
    let garbage = format!("{head}Signature={}", "0123456789abcdef".repeat(4));
    request.set("authorization", garbage);
    request
}

/// A1: elsewhere an unsigned trailer switched the check of the signature off, and whoever knew an access key could write.
#[test]
fn unsigned_trailer_does_not_excuse_a_wrong_signature_on_any_handler_that_reads_a_body() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let upload = client.create_upload("box", "multi");
    let delete = b"<Delete><Object><Key>x</Key></Object></Delete>";
    let policy = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::box"}]),
    );
    client.put("box", "x", "kept").ok();
    for (request, body) in [
        (client.request("PUT", "box", "k").header("x-amz-meta-snowball-auto-extract", "true"), BODY),
        (client.request("PUT", "box", "k"), BODY),
        (client.part_request("box", "multi", &upload, 1), BODY),
        (client.complete_request("box", "multi", &upload, &[]), BODY),
        (client.request("POST", "box", "").query("delete", ""), delete),
        (client.request("PUT", "box", "").query("policy", ""), policy.to_string().as_bytes()),
    ] {
        let request = with_garbage_signature(&client, request, body);
        client.send_as_is(&request).expect(403, "SignatureDoesNotMatch");
    }
    client.get("box", "k").expect(404, "NoSuchKey");
    client.get("box", "x").ok();
    client.send(client.request("GET", "box", "").query("policy", "")).expect(404, "NoSuchBucketPolicy");
    let parts = client.send(client.request("GET", "box", "multi").query("uploadId", &upload));
    assert_eq!(parts.expect(200, "").xml_all("Part"), Vec::<String>::new());
}

/// A2: elsewhere a credential in the query counted as an identity although nothing was signed.
#[test]
fn credential_in_the_query_without_a_signature_is_no_identity() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let checksum = checksum::amz("crc32", BODY);
    let unsigned = |query: &str| {
        let mut request = client.target("PUT", &format!("/box/k?{query}"));
        client.signer().sign_chunked(&mut request, &[BODY], Chunks::UnsignedTrailer("x-amz-checksum-crc32", &checksum));
        request.remove("authorization");
        client.send_as_is(&request)
    };
    let day = client.signer().time.strftime("%Y%m%d").to_string();
    let credential = tests::sign::query_credential_only(tests::node::ROOT_ACCESS_KEY, &day);
    let answer = unsigned(&credential);
    assert!(matches!(answer.status, 400 | 403), "{answer}");
    let mut presigned = client.target("PUT", "/box/k");
    client.signer().presign_text(&mut presigned, "60");
    let (_, query) = presigned.split_target();
    let (query, _) = query.split_once("&X-Amz-Signature=").expect("signed");
    let answer = unsigned(query);
    assert!(matches!(answer.status, 400 | 403), "{answer}");
    let answer = unsigned(&format!("{query}&X-Amz-Signature={}", "0".repeat(64)));
    assert_eq!(answer.status, 403, "{answer}");
    client.get("box", "k").expect(404, "NoSuchKey");
}

#[test]
fn chunked_bodies_of_every_kind_are_stored_without_their_framing() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let big = fixture::noise(1, 200_000);
    let chunks: Vec<&[u8]> = big.chunks(65536).collect();
    let checksum = checksum::amz("crc64nvme", &big);
    for (key, kind) in [
        ("signed", Chunks::Signed),
        ("trailer", Chunks::SignedTrailer("x-amz-checksum-crc64nvme", &checksum)),
        ("unsigned", Chunks::UnsignedTrailer("x-amz-checksum-crc64nvme", &checksum)),
    ] {
        client.send_chunked(client.request("PUT", "box", key), &chunks, kind).expect(200, "");
        let answer = client.get("box", key);
        assert!(answer.expect(200, "").body == big, "{key} differs");
        assert_ne!(answer.header("content-encoding"), Some("aws-chunked"), "{key}");
        assert_eq!(answer.header("etag"), Some(checksum::etag(&big).as_str()), "{key}");
    }
    client.send_chunked(client.request("PUT", "box", "empty"), &[], Chunks::Signed).expect(200, "");
    assert_eq!(client.get("box", "empty").expect(200, "").body, b"");
}

fn altered(client: &Client, change: impl Fn(&str) -> String) -> tests::Response {
    let mut request = client.request("PUT", "box", "k");
    // All chunks but the last have at least 8 KiB.
    let body = [BODY.repeat(200), BODY.to_vec()];
    client.signer().sign_chunked(&mut request, &[&body[0], &body[1]], Chunks::Signed);
    request.body = change(std::str::from_utf8(&request.body).expect("the body is text")).into_bytes();
    client.send_as_is(&request)
}

/// A4: elsewhere the signatures of chunks were not looked at, or not the last one's.
#[test]
fn chunk_whose_signature_is_wrong_is_refused_and_nothing_is_stored() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let wrong = ["0"; 64].concat();
    let replace = |text: &str, nth: usize| {
        let (at, _) = text.match_indices("chunk-signature=").nth(nth).expect("three chunks");
        let start = at + "chunk-signature=".len();
        format!("{}{wrong}{}", &text[..start], &text[start + 64..])
    };
    altered(&client, |text| text.replacen("sleepy", "creepy", 1)).expect(403, "SignatureDoesNotMatch");
    for nth in 0..3 {
        altered(&client, |text| replace(text, nth)).expect(403, "SignatureDoesNotMatch");
    }
    // The last chunk without a signature, and no last chunk at all.
    for cut in ["0;chunk-signature=", ";chunk-signature="] {
        let answer = altered(&client, |text| {
            let at = text.rfind(cut).expect("a last chunk");
            let end = if cut.starts_with('0') { "" } else { "\r\n\r\n" };
            format!("{}{end}", &text[..at])
        });
        assert!(matches!(answer.status, 400 | 403), "{answer}");
    }
    client.get("box", "k").expect(404, "NoSuchKey");
}

#[test]
fn trailing_checksum_that_does_not_match_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let wrong = checksum::amz("crc32", b"something else");
    for kind in
        [Chunks::SignedTrailer("x-amz-checksum-crc32", &wrong), Chunks::UnsignedTrailer("x-amz-checksum-crc32", &wrong)]
    {
        client.send_chunked(client.request("PUT", "box", "k"), &[BODY], kind).expect(400, "BadDigest");
    }
    let right = checksum::amz("crc32", BODY);
    let mut request = client.request("PUT", "box", "k");
    client.signer().sign_chunked(&mut request, &[BODY], Chunks::SignedTrailer("x-amz-checksum-crc32", &right));
    let text = String::from_utf8(request.body).expect("the body is text");
    request.body = text.replace("x-amz-trailer-signature:", "x-amz-trailer-signature:0").into_bytes();
    client.send_as_is(&request).expect(403, "SignatureDoesNotMatch");
    client.get("box", "k").expect(404, "NoSuchKey");
}

#[test]
fn decoded_length_that_is_not_the_bodys_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for length in ["5", "4000", "-1", "x"] {
        let mut request = client.request("PUT", "box", "k");
        let signer = client.signer();
        signer.sign_chunked(&mut request, &[BODY], Chunks::Signed);
        request.set("x-amz-decoded-content-length", length);
        // Signed again, so that only the length is wrong.
        signer.sign(&mut request);
        let answer = client.send_as_is(&request);
        assert!((400..500).contains(&answer.status), "{length}: {answer}");
    }
    client.get("box", "k").expect(404, "NoSuchKey");
}

/// A5: elsewhere a proxy that turned the length into chunked transfer encoding made the process panic.
#[test]
fn aws_chunked_inside_chunked_transfer_encoding_is_answered() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let mut request = client.request("PUT", "box", "k");
    client.signer().sign_chunked(&mut request, &[BODY], Chunks::Signed);
    let mut framed = String::new();
    write!(framed, "{:x}\r\n", request.body.len()).expect("a String takes every write");
    let mut body = framed.into_bytes();
    body.extend_from_slice(&request.body);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    request.body = body;
    request.set("transfer-encoding", "chunked");
    let answer = client.send_as_is(&request);
    match answer.status {
        200 => assert_eq!(client.get("box", "k").body, BODY),
        400 | 411 => drop(client.get("box", "k").expect(404, "NoSuchKey").status),
        _ => panic!("{answer}"),
    }
    client.put("box", "after", "alive").ok();
}

/// A6: elsewhere a new SDK's anonymous upload (unsigned trailer, no Authorization) to a public bucket was refused.
#[test]
fn anonymous_upload_with_an_unsigned_trailer_is_taken_where_the_bucket_is_public() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let policy = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::box/*"}]),
    );
    client.put_policy("box", &policy).ok();
    let upload = |checksum: &str| {
        let mut request = client.request("PUT", "box", "k");
        client.signer().sign_chunked(&mut request, &[BODY], Chunks::UnsignedTrailer("x-amz-checksum-crc32", checksum));
        request.remove("authorization");
        request.remove("x-amz-date");
        client.anonymous().send_as_is(&request)
    };
    upload(&checksum::amz("crc32", b"other")).expect(400, "BadDigest");
    client.get("box", "k").expect(404, "NoSuchKey");
    upload(&checksum::amz("crc32", BODY)).expect(200, "");
    assert_eq!(client.get("box", "k").body, BODY);
}

#[test]
fn framing_that_is_no_framing_never_stops_the_node() {
    let node: Node = fixture::node(&["box"], &[("w", json!([allow(&["s3:PutObject"], &["arn:aws:s3:::box/*"])]))]);
    let client = node.client();
    for body in [
        "",
        "\r\n",
        "zz;chunk-signature=1\r\n",
        "ffffffffffffffffff;chunk-signature=1\r\n",
        "5\r\nab",
        ";;;;\r\n\r\n",
        "5;chunk-signature=",
    ] {
        let mut request = client.request("PUT", "box", "k");
        client.signer().sign_chunked(&mut request, &[BODY], Chunks::Signed);
        request.body = body.as_bytes().to_vec();
        let answer = client.send_as_is(&request);
        assert!((400..500).contains(&answer.status), "{body:?}: {answer}");
    }
    client.get("box", "k").expect(404, "NoSuchKey");
}
