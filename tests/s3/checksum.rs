//! Bodies that are not what their headers say.

use tests::checksum::{self, ALGORITHMS};
use tests::{Client, Request};

use crate::fixture;

const BODY: &[u8] = b"the body";

fn put(client: &Client, headers: &[(&str, &str)]) -> tests::Response {
    let request = client.request("PUT", "box", "k").body(BODY);
    client.send(headers.iter().fold(request, |request, (name, value)| request.header(name, *value)))
}

#[test]
fn body_that_does_not_match_its_hash_is_refused_and_not_stored() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let other = checksum::sha256_hex(b"another body");
    put(&client, &[("x-amz-content-sha256", &other)]).expect(400, "XAmzContentSHA256Mismatch");
    put(&client, &[("content-md5", &checksum::content_md5(b"another body"))]).expect(400, "BadDigest");
    for malformed in ["", "short", "not base64 at all!!!!!!", "AAAA"] {
        put(&client, &[("content-md5", malformed)]).expect(400, "InvalidDigest");
    }
    client.get("box", "k").expect(404, "NoSuchKey");
    put(&client, &[("content-md5", &checksum::content_md5(BODY))]).expect(200, "");
    put(&client, &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]).expect(200, "");
    let answer = put(&client, &[("x-amz-content-sha256", "neither hash nor keyword")]);
    assert_eq!(answer.status, 400, "{answer}");
}

#[test]
fn checksum_of_every_algorithm_is_verified_kept_and_shown() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for algorithm in ALGORITHMS {
        let name = format!("x-amz-checksum-{algorithm}");
        let right = checksum::amz(algorithm, BODY);
        let wrong = checksum::amz(algorithm, b"another body");
        client.delete("box", "k").expect(204, "");
        put(&client, &[(&name, &wrong)]).expect(400, "BadDigest");
        put(&client, &[(&name, "AAAA")]).expect(400, "InvalidRequest");
        put(&client, &[(&name, "*** no base64")]).expect(400, "InvalidRequest");
        client.get("box", "k").expect(404, "NoSuchKey");
        assert_eq!(put(&client, &[(&name, &right)]).expect(200, "").header(&name), Some(right.as_str()));
        let with_mode = |request: Request| client.send(request.header("x-amz-checksum-mode", "ENABLED"));
        let get = with_mode(client.request("GET", "box", "k"));
        assert_eq!(get.expect(200, "").header(&name), Some(right.as_str()));
        assert_eq!(get.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
        assert_eq!(with_mode(client.request("HEAD", "box", "k")).header(&name), Some(right.as_str()));
        assert_eq!(client.get("box", "k").header(&name), None, "only when it is asked for");
        // A range's bytes are not the object's: its checksum must not be shown for them.
        let range = with_mode(client.request("GET", "box", "k").header("range", "bytes=1-2"));
        assert_eq!(range.expect(206, "").header(&name), None);
        let attributes = client.request("GET", "box", "k").query("attributes", "");
        let attributes = client.send(attributes.header("x-amz-object-attributes", "Checksum,ObjectSize,ETag"));
        let element = format!("Checksum/Checksum{}", algorithm.to_ascii_uppercase());
        assert_eq!(attributes.expect(200, "").xml(&element), right);
        assert_eq!(attributes.xml("ObjectSize"), BODY.len().to_string());
    }
    let two =
        [("x-amz-checksum-crc32", checksum::amz("crc32", BODY)), ("x-amz-checksum-sha1", checksum::amz("sha1", BODY))];
    let two: Vec<(&str, &str)> = two.iter().map(|(name, value)| (*name, value.as_str())).collect();
    put(&client, &two).expect(400, "InvalidRequest");
    // A checksum that the node can't verify is refused: taking it unverified would be a lie.
    for algorithm in ["sha512", "md5", "xxhash64", "xxhash3", "xxhash128", "md17"] {
        let answer = put(&client, &[(&format!("x-amz-checksum-{algorithm}"), "AAAAAAAAAAA=")]);
        assert!(matches!(answer.status, 400 | 501), "{algorithm}: {answer}");
    }
}

/// A scrub compares contents with what was acknowledged of them; what is stored in any of these ways must not look damaged.
#[test]
fn a_scrub_finds_every_way_of_storing_to_match_its_etag_and_checksums() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "empty", "").ok();
    for algorithm in ALGORITHMS {
        let put =
            client.request("PUT", "box", algorithm).header("x-amz-sdk-checksum-algorithm", algorithm.to_uppercase());
        client.send(put.body(BODY)).expect(200, "");
    }
    client.put("box", "large", fixture::noise(1, 3 << 20)).ok();
    let part = fixture::noise(2, 5 << 20);
    for (key, headers) in [
        ("parts", &[][..]),
        ("sha256", &[("x-amz-checksum-algorithm", "SHA256")][..]),
        ("crc32c", &[("x-amz-checksum-algorithm", "CRC32C"), ("x-amz-checksum-type", "FULL_OBJECT")][..]),
    ] {
        let create = client.request("POST", "box", key).query("uploads", "");
        let create = headers.iter().fold(create, |request, (name, value)| request.header(name, *value));
        let upload = client.send(create).expect(200, "").xml("UploadId");
        let etags: Vec<String> = [&part[..], b"the end"]
            .iter()
            .zip(1..)
            .map(|(body, number)| {
                let put = client.upload_part("box", key, &upload, number, body);
                put.expect(200, "").header("etag").expect("an ETag").to_owned()
            })
            .collect();
        client.complete_upload("box", key, &upload, &etags).expect(200, "");
        client.copy("box", key, "box", &format!("copy of {key}")).expect(200, "");
    }
    let upload = client.create_upload("box", "one small part");
    let etag =
        client.upload_part("box", "one small part", &upload, 1, BODY).header("etag").expect("an ETag").to_owned();
    client.complete_upload("box", "one small part", &upload, &[etag]).expect(200, "");
    client.copy("box", "one small part", "box", "copy of one small part").expect(200, "");
    let data = node.data().to_str().expect("UTF-8").to_owned();
    let scrub = tests::binary::run(&["scrub", "--json", &data]);
    let report: serde_json::Value = serde_json::from_slice(&scrub.stdout).expect("JSON");
    assert_eq!(report["clean"], true, "{report}");
}
