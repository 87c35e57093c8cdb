//! Uploads in parts.

use serde_json::json;
use tests::checksum::{self, hex};

use crate::fixture::{self, allow, caller};

const PART: usize = 5 << 20;

#[test]
fn parts_become_one_object_in_the_order_of_their_numbers() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let parts = [fixture::noise(1, PART), fixture::noise(2, PART), fixture::noise(3, 12345)];
    let upload = client.create_upload("box", "k");
    let mut etags = vec![String::new(); 3];
    for number in [3, 1, 2] {
        let answer = client.upload_part("box", "k", &upload, number, &parts[number as usize - 1]);
        etags[number as usize - 1] = answer.expect(200, "").header("etag").expect("an ETag").to_owned();
    }
    client.get("box", "k").expect(404, "NoSuchKey");
    assert_eq!(client.keys("box"), Vec::<String>::new());
    let listed = client.send(client.request("GET", "box", "k").query("uploadId", &upload));
    assert_eq!(listed.expect(200, "").xml_all("Part/PartNumber"), ["1", "2", "3"]);
    assert_eq!(listed.xml_all("Part/ETag"), etags);
    let uploads = client.send(client.request("GET", "box", "").query("uploads", ""));
    assert_eq!(uploads.expect(200, "").xml_all("Upload/UploadId"), std::slice::from_ref(&upload));
    let answer = client.complete_upload("box", "k", &upload, &etags);
    let digests: Vec<u8> = parts.iter().flat_map(|p| checksum::md5(p)).collect();
    let etag = format!("\"{}-3\"", hex(&checksum::md5(&digests)));
    assert_eq!(answer.expect(200, "").xml("CompleteMultipartUploadResult/ETag"), etag);
    let whole = client.get("box", "k");
    assert!(whole.expect(200, "").body == parts.concat());
    assert_eq!(whole.header("etag"), Some(etag.as_str()));
    let second = client.send(client.request("GET", "box", "k").query("partNumber", "2"));
    assert!(second.expect(206, "").body == parts[1]);
    assert_eq!(second.header("x-amz-mp-parts-count"), Some("3"));
    client.send(client.request("GET", "box", "k").query("partNumber", "4")).expect(416, "InvalidPartNumber");
    // A lost answer is asked for again: the same parts, the same result.
    assert_eq!(client.complete_upload("box", "k", &upload, &etags).expect(200, "").xml("ETag"), etag);
    let uploads = client.send(client.request("GET", "box", "").query("uploads", ""));
    assert_eq!(uploads.xml_all("Upload/UploadId"), Vec::<String>::new());
}

#[test]
fn completion_that_names_other_parts_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let upload = client.create_upload("box", "k");
    let small = client.upload_part("box", "k", &upload, 1, b"small").header("etag").expect("an ETag").to_owned();
    let last = client.upload_part("box", "k", &upload, 2, b"last").header("etag").expect("an ETag").to_owned();
    let complete = |xml: &str| {
        let xml = format!("<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>");
        client.send(client.request("POST", "box", "k").query("uploadId", &upload).body(xml))
    };
    let part = |number: u32, etag: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    complete(&[part(1, &small), part(2, &last)].concat()).expect(400, "EntityTooSmall");
    complete(&part(1, "\"00000000000000000000000000000000\"")).expect(400, "InvalidPart");
    complete(&part(3, &last)).expect(400, "InvalidPart");
    complete(&[part(2, &last), part(1, &small)].concat()).expect(400, "InvalidPartOrder");
    complete("").expect(400, "MalformedXML");
    complete("<Part>").expect(400, "MalformedXML");
    client.upload_part("box", "k", &upload, 0, b"x").expect(400, "InvalidArgument");
    client.upload_part("box", "k", &upload, 10_001, b"x").expect(400, "InvalidArgument");
    client.upload_part("box", "k", "made-up", 1, b"x").expect(404, "NoSuchUpload");
    client.upload_part("box", "other", &upload, 1, b"x").expect(404, "NoSuchUpload");
    complete(&part(1, &small)).expect(200, "");
    assert_eq!(client.get("box", "k").text(), "small");
}

#[test]
fn aborted_upload_leaves_nothing() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let upload = client.create_upload("box", "k");
    client.upload_part("box", "k", &upload, 1, b"x").ok();
    let abort = || client.send(client.request("DELETE", "box", "k").query("uploadId", &upload));
    abort().expect(204, "");
    client.upload_part("box", "k", &upload, 1, b"x").expect(404, "NoSuchUpload");
    abort().expect(404, "NoSuchUpload");
    client.get("box", "k").expect(404, "NoSuchKey");
    client.send(client.request("DELETE", "box", "")).expect(204, "");
}

/// B9: elsewhere PutObject was not enough for an upload in parts.
#[test]
fn put_object_covers_creation_parts_and_completion_but_not_abort_and_listing() {
    let node = fixture::node(&["box"], &[("writer", json!([allow(&["s3:PutObject"], &["arn:aws:s3:::box/*"])]))]);
    let writer = caller(&node, "writer");
    let upload = writer.create_upload("box", "k");
    let etag =
        writer.upload_part("box", "k", &upload, 1, b"x").expect(200, "").header("etag").expect("an ETag").to_owned();
    writer.send(writer.request("GET", "box", "k").query("uploadId", &upload)).expect(403, "AccessDenied");
    writer.send(writer.request("DELETE", "box", "k").query("uploadId", &upload)).expect(403, "AccessDenied");
    writer.send(writer.request("GET", "box", "").query("uploads", "")).expect(403, "AccessDenied");
    writer.complete_upload("box", "k", &upload, &[etag]).expect(200, "");
}

/// Pages of parts have 1,000 entries; an upload may have ten times as many.
#[test]
fn more_parts_than_a_page_of_them_are_found_at_completion() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let upload = client.create_upload("box", "k");
    let parts: Vec<String> = (1..=1001)
        .map(|number| {
            let answer = client.upload_part("box", "k", &upload, number, b"small");
            answer.expect(200, "").header("etag").expect("an ETag").to_owned()
        })
        .collect();
    // All are found: what is wrong with them is their size, not that one is missing.
    client.complete_upload("box", "k", &upload, &parts).expect(400, "EntityTooSmall");
}
