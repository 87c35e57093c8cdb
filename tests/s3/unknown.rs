//! What isn't there says so.

use tests::Connection;

use crate::fixture;

/// F7: elsewhere a subresource that the server didn't know was answered with a listing, and a write to it with a new object.
#[test]
fn subresource_that_is_not_there_is_not_answered_as_something_else() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "body").ok();
    for name in [
        "inventory",
        "analytics",
        "intelligent-tiering",
        "metrics",
        "accelerate",
        "requestPayment",
        "replication",
        "metadataTable",
        "object-lambda",
    ] {
        let answer = client.send(client.request("GET", "box", "").query(name, ""));
        answer.expect(501, "NotImplemented");
    }
    for (method, name) in
        [("GET", "torrent"), ("POST", "select"), ("POST", "restore"), ("PUT", "renameObject"), ("PUT", "encryption")]
    {
        let answer = client.send(client.request(method, "box", "k").query(name, "").body(if method == "GET" {
            ""
        } else {
            "x"
        }));
        assert!(
            matches!((answer.status, answer.code().as_str()), (501, "NotImplemented") | (405, "MethodNotAllowed")),
            "{method} {name}: {answer}"
        );
    }
    for name in ["foo", "Policy", "POLICY", "polici", "x-id-not"] {
        for (method, key) in [("GET", ""), ("PUT", "k"), ("DELETE", "k"), ("DELETE", "")] {
            let answer = client.send(client.request(method, "box", key).query(name, "").body(if method == "PUT" {
                "x"
            } else {
                ""
            }));
            assert!(matches!(answer.status, 400 | 501), "{method} {key} ?{name}: {answer}");
        }
    }
    assert_eq!(client.get("box", "k").text(), "body");
}

#[test]
fn method_that_s3_does_not_have_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for method in ["PATCH", "TRACE", "CONNECT", "PROPFIND", "get"] {
        let answer = client.send(client.request(method, "box", "k"));
        assert!(matches!(answer.status, 400 | 405 | 501), "{method}: {answer}");
    }
}

#[test]
fn what_is_no_http_is_refused_and_the_node_lives() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let huge = format!("GET /box/k HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "v".repeat(100_000));
    let many = format!("GET /box/k HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(5000));
    for bytes in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PUT /box/k HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        "PUT /box/k HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        &huge,
        &many,
        "GET /box/k HTTP/1.1\r\n\r\n",
    ] {
        let mut connection = Connection::open(node.s3(), None).expect("a connection");
        // The node may close before it has read everything.
        let written = connection.write(bytes.as_bytes()).and_then(|()| connection.finish_writing());
        if let Ok(answer) = connection.read_response("GET") {
            assert!((400..500).contains(&answer.status), "{bytes:.40?} ({written:?}): {answer}");
        }
    }
    client.put("box", "alive", "yes").ok();
}
