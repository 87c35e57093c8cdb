//! A disk that is full.

use tests::{Node, NodeBuilder, binary};

use crate::fixture;

const DISK_BYTES: usize = 48 << 20;

/// A node whose data directory is a file system of its own, in a mount namespace that ends with the node.
pub(crate) fn node_on_a_small_disk(directory: &std::path::Path) -> Node {
    let wrapper = directory.join("strongroom-on-a-small-disk");
    let disk = directory.join("disk");
    std::fs::create_dir(&disk).expect("a writable temporary directory");
    let script = format!(
        "#!/bin/sh\nset -e\nmount -t tmpfs -o size={DISK_BYTES} tmpfs '{}'\nexec '{}' \"$@\"\n",
        disk.display(),
        binary::path().display()
    );
    std::fs::write(&wrapper, script).expect("a writable temporary directory");
    let wrapper = wrapper.to_str().expect("temporary paths are UTF-8");
    // As root a mount namespace is enough; as anyone else it takes a user namespace.
    let program: &[&str] = if rustix::process::geteuid().is_root() {
        &["unshare", "--mount", "sh", wrapper]
    } else {
        &["unshare", "--user", "--map-root-user", "--mount", "sh", wrapper]
    };
    NodeBuilder::serve().through(program).data(&disk.join("data")).account(fixture::account(&["box"], &[])).start()
}

#[test]
fn full_disk_refuses_writes_keeps_reads_and_loses_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node = node_on_a_small_disk(directory.path());
    let client = node.client();
    let mut kept = Vec::new();
    let mut refused = None;
    for n in 0..200_u64 {
        let size = if n % 4 == 3 { 2 << 20 } else { 100_000 };
        let key = format!("{n:03}");
        let answer = client.put("box", &key, fixture::noise(n, size));
        match answer.status {
            200 => kept.push((key, n, size)),
            _ => {
                refused = Some((key, answer));
                break;
            }
        }
    }
    let (key, answer) = refused.expect("the disk gets full");
    assert!(kept.len() > 10, "{} objects", kept.len());
    answer.expect(507, "InsufficientStorage");
    client.get("box", &key).expect(404, "NoSuchKey");
    for (key, seed, size) in &kept {
        assert!(client.get("box", key).expect(200, "").body == fixture::noise(*seed, *size), "{key}");
    }
    let listed: Vec<String> = kept.iter().map(|(key, ..)| key.clone()).collect();
    assert_eq!(client.keys("box"), listed);
    let ready = client.anonymous().send(client.target("GET", "/health/ready"));
    ready.expect(200, "");
    // Deletes go on: they are how room is made.
    for (key, ..) in &kept {
        client.delete("box", key).expect(204, "");
    }
    assert_eq!(client.keys("box"), Vec::<String>::new());
}
