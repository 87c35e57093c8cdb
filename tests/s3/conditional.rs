//! Writes and reads with If-Match and its kin.

use std::sync::Barrier;

use serde_json::json;
use tests::{Client, Response, checksum};

use crate::fixture;

fn conditional(client: &Client, method: &str, key: &str, headers: &[(&str, &str)]) -> Response {
    let request = client.request(method, "box", key).body(if method == "PUT" { "new" } else { "" });
    client.send(headers.iter().fold(request, |request, (name, value)| request.header(name, *value)))
}

/// F1: elsewhere several of many racing "create if absent" succeeded.
#[test]
fn of_twenty_racing_creations_exactly_one_succeeds() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for round in 0..5 {
        let key = format!("k{round}");
        let barrier = Barrier::new(20);
        let answers: Vec<(usize, Response)> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..20)
                .map(|racer| {
                    let (client, key, barrier) = (&client, &key, &barrier);
                    scope.spawn(move || {
                        let body = format!("racer {racer}").repeat(1 + racer * 500);
                        let request = client.request("PUT", "box", key).header("if-none-match", "*").body(body);
                        barrier.wait();
                        (racer, client.send(request))
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().expect("no racer fails")).collect()
        });
        let winners: Vec<usize> = answers.iter().filter(|(_, a)| a.status == 200).map(|(racer, _)| *racer).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        for (_, answer) in answers.iter().filter(|(_, a)| a.status != 200) {
            assert!(matches!(answer.status, 412 | 409), "{answer}");
        }
        let body = format!("racer {}", winners[0]).repeat(1 + winners[0] * 500);
        assert_eq!(client.get("box", &key).text(), body);
    }
}

/// F2: elsewhere If-None-Match with an ETag was taken for success.
#[test]
fn if_none_match_with_an_etag_on_a_write_is_not_implemented() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "old").ok();
    conditional(&client, "PUT", "k", &[("if-none-match", "\"abc\"")]).expect(501, "NotImplemented");
    conditional(&client, "PUT", "k", &[("if-none-match", "*"), ("if-match", &checksum::etag(b"old"))])
        .expect(501, "NotImplemented");
    assert_eq!(client.get("box", "k").text(), "old");
}

/// F3: elsewhere If-Match on a missing key was a failed precondition.
#[test]
fn if_match_decides_writes() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let old = checksum::etag(b"old");
    conditional(&client, "PUT", "missing", &[("if-match", &old)]).expect(404, "NoSuchKey");
    client.put("box", "k", "old").ok();
    conditional(&client, "PUT", "k", &[("if-match", "\"00000000000000000000000000000000\"")])
        .expect(412, "PreconditionFailed");
    conditional(&client, "PUT", "k", &[("if-none-match", "*")]).expect(412, "PreconditionFailed");
    assert_eq!(client.get("box", "k").text(), "old");
    conditional(&client, "PUT", "k", &[("if-match", &old)]).expect(200, "");
    assert_eq!(client.get("box", "k").text(), "new");
    conditional(&client, "DELETE", "k", &[("if-match", &old)]).expect(412, "PreconditionFailed");
    conditional(&client, "DELETE", "k", &[("if-match", &checksum::etag(b"new"))]).expect(204, "");
    client.get("box", "k").expect(404, "NoSuchKey");
}

#[test]
fn conditions_decide_reads_in_the_order_of_rfc_9110() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "old").ok();
    let etag = checksum::etag(b"old");
    let modified = client.head("box", "k").header("last-modified").expect("a date").to_owned();
    let (past, future) = ("Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    for method in ["GET", "HEAD"] {
        let status = |headers: &[(&str, &str)]| conditional(&client, method, "k", headers).status;
        assert_eq!(status(&[("if-match", &etag)]), 200);
        assert_eq!(status(&[("if-match", "*")]), 200);
        assert_eq!(status(&[("if-match", "\"other\"")]), 412);
        assert_eq!(status(&[("if-none-match", &etag)]), 304);
        assert_eq!(status(&[("if-none-match", "*")]), 304);
        assert_eq!(status(&[("if-none-match", "\"other\"")]), 200);
        assert_eq!(status(&[("if-modified-since", past)]), 200);
        assert_eq!(status(&[("if-modified-since", &modified)]), 304);
        assert_eq!(status(&[("if-unmodified-since", past)]), 412);
        assert_eq!(status(&[("if-unmodified-since", future)]), 200);
        // If-Match true wins over If-Unmodified-Since false, If-None-Match true over If-Modified-Since false.
        assert_eq!(status(&[("if-match", &etag), ("if-unmodified-since", past)]), 200);
        assert_eq!(status(&[("if-none-match", &etag), ("if-modified-since", past)]), 304);
        assert_eq!(status(&[("if-none-match", "\"other\""), ("if-modified-since", &modified)]), 200);
    }
    let not_modified = conditional(&client, "GET", "k", &[("if-none-match", &etag)]);
    assert_eq!(not_modified.header("etag"), Some(etag.as_str()));
    assert_eq!(not_modified.body, b"");
}

/// B13: elsewhere a condition told whether an object that may not be read is there, and what its ETag is.
#[test]
fn conditions_tell_nothing_about_an_object_that_may_not_be_read() {
    let node =
        fixture::node(&["box"], &[("other", json!([fixture::allow(&["s3:GetObject"], &["arn:aws:s3:::other/*"])]))]);
    let client = node.client();
    client.put("box", "k", "body").ok();
    let etag = checksum::etag(b"body");
    for stranger in [client.anonymous(), fixture::caller(&node, "other")] {
        for (name, value) in [
            ("if-none-match", etag.as_str()),
            ("if-match", "\"other\""),
            ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
            ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = conditional(&stranger, method, "k", &[(name, value)]);
                assert_eq!(answer.status, 403, "{method} {name}: {answer}");
                assert_eq!((answer.header("etag"), answer.header("last-modified")), (None, None), "{answer}");
            }
        }
        let answer = conditional(&stranger, "PUT", "k", &[("if-none-match", "*")]);
        answer.expect(403, "AccessDenied");
    }
}

/// A condition that can't be read isn't no condition.
#[test]
fn header_that_is_no_text_or_is_sent_twice_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "old").ok();
    let twice = client
        .request("PUT", "box", "k")
        .header("x-amz-expected-bucket-owner", "1")
        .header("x-amz-expected-bucket-owner", "2");
    client.send(twice.body("new")).expect(400, "InvalidArgument");
    assert_eq!(client.get("box", "k").text(), "old");
}

/// A conditional copy tells whether the destination has a content: it takes the right to read it.
#[test]
fn conditional_copy_needs_the_right_to_read_the_destination() {
    let callers = json!([
        fixture::allow(&["s3:PutObject"], &["arn:aws:s3:::box/to"]),
        fixture::allow(&["s3:GetObject"], &["arn:aws:s3:::box/from"])
    ]);
    let node = fixture::node(&["box"], &[("copier", callers)]);
    let client = node.client();
    client.put("box", "from", "x").ok();
    let etag = client.put("box", "to", "y").ok().header("etag").expect("an ETag").to_owned();
    let copier = fixture::caller(&node, "copier");
    let copy = |request: tests::Request| copier.send(request.header("x-amz-copy-source", "/box/from"));
    copy(copier.request("PUT", "box", "to").header("if-match", etag)).expect(403, "AccessDenied");
    copy(copier.request("PUT", "box", "to")).expect(200, "");
}
