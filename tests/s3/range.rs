//! Ranges.

use crate::fixture;

/// F9: elsewhere bad ranges were 200 or 500, and a range beside a part number was guessed at.
#[test]
fn ranges_answer_206_or_416_and_never_more_than_was_asked() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "0123456789").ok();
    client.put("box", "empty", "").ok();
    let get = |key: &str, range: &str| client.send(client.request("GET", "box", key).header("range", range));
    for (range, body, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
        ("bytes=0-18446744073709551615", "0123456789", "bytes 0-9/10"),
    ] {
        let answer = get("k", range);
        assert_eq!(answer.expect(206, "").text(), body, "{range}");
        assert_eq!(answer.header("content-range"), Some(content_range), "{range}");
        let head = client.send(client.request("HEAD", "box", "k").header("range", range));
        assert_eq!(
            (head.status, head.header("content-length")),
            (206, Some(body.len().to_string().as_str())),
            "{range}"
        );
    }
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=100-200"] {
        let answer = get("k", range);
        answer.expect(416, "InvalidRange");
        assert_eq!(answer.xml("ActualObjectSize"), "10", "{range}");
    }
    // What is no byte range is ignored, as RFC 9110 asks.
    for range in ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=", "bytes=--1", "bytes", "bytes=1-2,4-5"] {
        assert_eq!(get("k", range).expect(200, "").text(), "0123456789", "{range}");
    }
    for range in ["bytes=0-0", "bytes=0-", "bytes=-1"] {
        get("empty", range).expect(416, "InvalidRange");
    }
    let both = client.request("GET", "box", "k").query("partNumber", "1").header("range", "bytes=0-1");
    client.send(both).expect(400, "InvalidRequest");
    for number in ["0", "10001", "x", "-1"] {
        client.send(client.request("GET", "box", "k").query("partNumber", number)).expect(400, "InvalidArgument");
    }
    assert_eq!(
        client.send(client.request("GET", "box", "k").query("partNumber", "1")).expect(206, "").text(),
        "0123456789"
    );
}

#[test]
fn ranges_across_the_blocks_of_a_large_object_are_exact() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let body = fixture::noise(5, (9 << 20) + 77);
    client.put("box", "k", body.clone()).ok();
    let size = body.len();
    for (start, end) in [
        (0, 1),
        (65_535, 65_536),
        (65_536, 131_072),
        (1, size - 2),
        (4 << 20, (4 << 20) + 1),
        (size - 1, size - 1),
        ((8 << 20) - 3, size - 1),
    ] {
        let answer = client.send(client.request("GET", "box", "k").header("range", format!("bytes={start}-{end}")));
        assert!(answer.expect(206, "").body == body[start..=end], "{start}-{end}");
    }
}

/// A download that goes on after the object was replaced must not be made of two objects.
#[test]
fn range_counts_only_while_the_object_is_the_one_that_if_range_names() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let etag = client.put("box", "k", "0123456789").ok().header("etag").expect("an ETag").to_owned();
    let rest = |validator: &str| {
        client.send(client.request("GET", "box", "k").header("range", "bytes=5-").header("if-range", validator))
    };
    assert_eq!(rest(&etag).expect(206, "").text(), "56789");
    assert_eq!(rest("\"00000000000000000000000000000000\"").expect(200, "").text(), "0123456789");
    assert_eq!(rest("Sat, 01 Jan 2000 00:00:00 GMT").expect(200, "").text(), "0123456789");
}
