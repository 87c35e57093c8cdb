//! Restarts, clean and not, with and without the index.

use tests::{Client, Node, NodeBuilder, checksum};

use crate::fixture;

/// Everything a listing and a read say about a bucket.
fn answers(client: &Client) -> Vec<(String, String, String)> {
    let page = client.list("box", &[]);
    let pairs = page.expect(200, "").xml_all("Contents/ETag").into_iter().zip(page.xml_all("Contents/LastModified"));
    page.xml_all("Contents/Key")
        .into_iter()
        .zip(pairs)
        .map(|(key, (etag, modified))| {
            let answer = client.get("box", &key);
            answer.expect(200, "");
            (key, format!("{etag} {modified} {:?}", answer.header("x-amz-meta-n")), checksum::sha256_hex(&answer.body))
        })
        .collect()
}

fn filled(directory: &std::path::Path) -> Node {
    let node = NodeBuilder::serve().data(directory).account(fixture::account(&["box", "empty"], &[])).start();
    let client = node.client();
    for n in 0..60_usize {
        let size = [0, 10, 4096, 70_000, 3 << 20][n % 5];
        let request = client.request("PUT", "box", &format!("dir {}/{n}", n % 7)).header("x-amz-meta-n", n.to_string());
        client.send(request.body(fixture::noise(n as u64, size))).ok();
    }
    for n in (0..60).step_by(9) {
        client.delete("box", &format!("dir {}/{n}", n % 7)).ok();
    }
    let upload = client.create_upload("box", "in parts");
    let etags: Vec<String> = [fixture::noise(100, 5 << 20), fixture::noise(101, 5)]
        .iter()
        .enumerate()
        .map(|(index, part)| {
            client
                .upload_part("box", "in parts", &upload, index as u32 + 1, part)
                .header("etag")
                .expect("an ETag")
                .to_owned()
        })
        .collect();
    client.complete_upload("box", "in parts", &upload, &etags).expect(200, "");
    node
}

#[test]
fn deleting_the_index_changes_no_answer() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut node = filled(&directory.path().join("data"));
    let unfinished = node.client().create_upload("box", "unfinished");
    node.client().upload_part("box", "unfinished", &unfinished, 1, b"part").ok();
    let before = answers(&node.client());
    assert_eq!(before.len(), 60 - 7 + 1);
    for kill in [false, true] {
        if kill {
            node.kill_9();
        } else {
            assert!(node.terminate().success(), "{}", node.log());
        }
        let index = node.data().join("index.redb");
        std::fs::remove_file(&index).unwrap_or_else(|error| panic!("{}: {error}", index.display()));
        node.restart();
        node.logged(&["WARN", "the index was rebuilt from"]);
        assert_eq!(answers(&node.client()), before);
        let client = node.client();
        assert_eq!(client.send(client.request("GET", "", "")).xml_all("Bucket/Name"), ["box", "empty"]);
    }
    let client = node.client();
    let parts = client.send(client.request("GET", "box", "unfinished").query("uploadId", &unfinished));
    assert_eq!(parts.expect(200, "").xml_all("Part/PartNumber"), ["1"]);
    let etags = parts.xml_all("Part/ETag");
    client.complete_upload("box", "unfinished", &unfinished, &etags).expect(200, "");
    assert_eq!(client.get("box", "unfinished").text(), "part");
}

#[test]
fn clean_end_and_kill_9_keep_the_same_answers() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut node = filled(&directory.path().join("data"));
    let before = answers(&node.client());
    node.kill_9();
    node.restart();
    assert_eq!(answers(&node.client()), before);
    assert!(node.terminate().success(), "{}", node.log());
    node.restart();
    assert_eq!(answers(&node.client()), before);
}

/// Wrong bytes are never served: a flipped bit in a segment is an error for its object, not its content.
#[test]
fn damaged_bytes_are_never_served() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut node = filled(&directory.path().join("data"));
    let before = answers(&node.client());
    node.terminate();
    // Found by content: the needle is the middle of one large body, wherever the engine put it.
    let body = fixture::noise(4, 3 << 20);
    let needle = &body[1 << 20..(1 << 20) + 64];
    let mut damaged = 0;
    for path in files(&node.data()) {
        let mut bytes = std::fs::read(&path).expect("readable");
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
            bytes[at + 10] ^= 0x40;
            std::fs::write(&path, bytes).expect("writable");
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1, "the body lies in one file, as it was sent");
    node.restart();
    let client = node.client();
    for (key, _, hash) in &before {
        let request = client.request("GET", "box", key);
        // The head may be out before the damage is met; then the connection must end early.
        match client.try_send(request) {
            Ok(answer) if answer.status == 200 => assert_eq!(checksum::sha256_hex(&answer.body), *hash, "{key}"),
            Ok(answer) => assert!(key == "dir 4/4" && answer.status == 500, "{key}: {answer}"),
            Err(error) => assert_eq!(key, "dir 4/4", "{error}"),
        }
    }
    assert!(client.try_send(client.request("GET", "box", "dir 4/4")).map_or(true, |answer| answer.status == 500));
    client.put("box", "dir 4/4", "stored again").expect(200, "");
    assert_eq!(client.get("box", "dir 4/4").text(), "stored again");
}

fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}
