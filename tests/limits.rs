//! Clients that are slow, idle, or too many.

use std::time::{Duration, Instant};

use tests::{Node, NodeBuilder};

use crate::fixture;

fn node(arguments: &[&str]) -> Node {
    NodeBuilder::serve()
        .arguments(&["--durability", "relaxed"])
        .arguments(arguments)
        .account(fixture::account(&["box"], &[]))
        .start()
}

#[test]
fn idle_and_slow_connections_do_not_keep_others_waiting() {
    let node = node(&[]);
    let client = node.client();
    let mut held = Vec::new();
    for n in 0..200 {
        let mut connection = client.connect().expect("a connection");
        if n % 2 == 0 {
            connection.write(b"GET /box/k HTTP/1.1\r\nhost: ").expect("written");
        }
        held.push(connection);
    }
    let begin = Instant::now();
    client.put("box", "k", "body").expect(200, "");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn head_that_takes_too_long_is_cut_off() {
    let node = node(&["--head-timeout", "1"]);
    let mut connection = node.client().connect().expect("a connection");
    let begin = Instant::now();
    connection.write(b"GET /box/k HTTP/1.1\r\nhost: x\r\n").expect("written");
    // An answer (408) is as good as none, as long as the connection ends.
    if let Ok(answer) = connection.read_response("GET") {
        assert!((400..500).contains(&answer.status), "{answer}");
    }
    assert!(connection.is_closed());
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn body_that_stands_still_is_cut_off_and_not_stored() {
    let node = node(&["--body-idle-timeout", "1"]);
    let client = node.client();
    let body = fixture::noise(1, 1 << 20);
    let mut request =
        client.request("PUT", "box", "k").header("content-length", body.len().to_string()).body(body.clone());
    client.signer().sign(&mut request);
    let mut connection = client.connect().expect("a connection");
    connection.write(&request.head()).expect("written");
    connection.write(&body[..100_000]).expect("written");
    let begin = Instant::now();
    if let Ok(answer) = connection.read_response("PUT") {
        answer.expect(400, "RequestTimeout");
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    client.get("box", "k").expect(404, "NoSuchKey");
}

#[test]
fn reader_that_stands_still_is_cut_off() {
    let node = node(&["--body-idle-timeout", "1"]);
    let client = node.client();
    let body = fixture::noise(1, 64 << 20);
    client.put("box", "k", body.clone()).expect(200, "");
    let mut request = client.request("GET", "box", "k");
    client.signer().sign(&mut request);
    let mut connection = client.connect().expect("a connection");
    connection.write(&request.head()).expect("written");
    std::thread::sleep(Duration::from_secs(5));
    let answer = connection.read_response("GET");
    assert!(answer.is_err(), "all of the body came although nobody read it for five seconds");
    // One that reads gets all of it.
    assert!(client.get("box", "k").expect(200, "").body == body);
}

#[test]
fn connections_over_the_limit_wait_for_their_turn() {
    let node = node(&["--connections-max", "4"]);
    let client = node.client();
    let held: Vec<_> = (0..4).map(|_| client.connect().expect("a connection")).collect();
    std::thread::sleep(Duration::from_millis(300));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.put("box", "k", "body"));
        std::thread::sleep(Duration::from_millis(500));
        assert!(!waiting.is_finished(), "a fifth connection was served");
        drop(held);
        waiting.join().expect("the client doesn't fail").expect(200, "");
    });
}
