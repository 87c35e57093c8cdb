//! Full disks, on the file systems that people have.
//!
//! `STRONGROOM_FILE_SYSTEMS=ext4,xfs,btrfs` names those to make images of, which takes root: `tests/run crash` does that. Without it the same is
//! done on a file system in memory.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::{Client, Node, checksum};

use super::disk::Disk;
use crate::fixture;

/// What is stored: key, seed and size of each object whose write was acknowledged.
type Kept = Vec<(String, u64, usize)>;

#[test]
fn a_full_disk_loses_nothing_and_recovers_by_deleting() {
    let kinds = std::env::var("STRONGROOM_FILE_SYSTEMS").unwrap_or_else(|_| "tmpfs".into());
    let mut failures = Vec::new();
    for kind in kinds.split(',') {
        let sizes: &[u64] = match kind {
            "tmpfs" => &[64],
            // XFS takes 64 MiB for its own log, btrfs as much for its chunks.
            "xfs" | "btrfs" => &[200, 128],
            _ => &[64, 200],
        };
        for size in sizes {
            let begin = Instant::now();
            // All are tried, so that one failure doesn't hide another.
            let tried = std::panic::catch_unwind(|| full_and_back(kind, &Disk::image(kind, size << 20)));
            println!("{kind} of {size} MiB: {:?}", begin.elapsed());
            if tried.is_err() {
                failures.push(format!("{kind} of {size} MiB"));
            }
        }
    }
    assert!(failures.is_empty(), "failed as printed above: {failures:?}");
}

fn full_and_back(kind: &str, disk: &Disk) {
    let mut node = disk.node().account(fixture::account(&["box"], &[])).start();
    let mut kept = Kept::new();
    fill(&node.client(), &mut kept);
    println!("{kind}: {} objects fit, {}", kept.len(), space(disk));
    assert!(kept.len() > 20, "{kind}: {} objects", kept.len());
    holds(&node, &kept, "full");
    // It starts again on the full disk: cleanly ended, killed, and without its index.
    for way in ["ended", "killed", "killed, without its index"] {
        if way == "ended" {
            assert!(node.terminate().success(), "{kind}: {}", node.log());
        } else {
            node.kill_9();
        }
        if way.ends_with("index") {
            std::fs::remove_file(disk.data().join("index.redb")).expect("there is an index");
        }
        let space = space(disk);
        node.try_restart().unwrap_or_else(|why| panic!("{kind}, {way}, {space}: {why}"));
        holds(&node, &kept, way);
        // A start may have made room: footers, an index without its past. It gets full again.
        fill(&node.client(), &mut kept);
    }
    // Somebody else takes what is left, to the last byte.
    let ballast = disk.path().join("ballast");
    take_all(&ballast);
    holds(&node, &kept, "no byte left");
    // A little may still fit into what the log has reserved.
    fill(&node.client(), &mut kept);
    node.kill_9();
    node.try_restart().unwrap_or_else(|why| panic!("{kind}, {}: {why}", space(disk)));
    holds(&node, &kept, "started without a byte left");
    fill(&node.client(), &mut kept);
    // Deletes go on.
    let mut left = Kept::new();
    for (n, (key, seed, size)) in kept.into_iter().enumerate() {
        if n % 3 == 0 {
            left.push((key, seed, size));
        } else {
            node.client().delete("box", &key).expect(204, "");
        }
    }
    let mut kept = left;
    holds(&node, &kept, "after deletes on a full disk");
    // The log is emptied by itself and gives the space back: without the ballast's going.
    accepts_again(&node, &mut kept, kind);
    std::fs::remove_file(&ballast).expect("it is there");
    fill(&node.client(), &mut kept);
    holds(&node, &kept, "full again");
    // What was deleted while it was full stays deleted, with the index made anew.
    node.kill_9();
    std::fs::remove_file(disk.data().join("index.redb")).expect("there is an index");
    node.restart();
    holds(&node, &kept, "full again, killed, without its index");
    for (key, ..) in kept.drain(..) {
        node.client().delete("box", &key).expect(204, "");
    }
    accepts_again(&node, &mut kept, kind);
    holds(&node, &kept, "in the end");
}

fn space(disk: &Disk) -> String {
    let stat = rustix::fs::statvfs(disk.path()).expect("it is mounted");
    format!("{} of {} bytes are free", stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize)
}

/// Puts until not even the smallest object is taken.
fn fill(client: &Client, kept: &mut Kept) {
    let start = kept.iter().map(|(_, seed, _)| seed + 1).max().unwrap_or(0);
    let mut seed = start;
    for size in [2 << 20, 700_000, 100_000, 4000, 0] {
        let mut refusals = 0;
        while refusals < 3 {
            // Large objects would leave nothing for the others.
            if size == 2 << 20 && (seed - start) % 4 == 3 {
                put(client, kept, seed, 50_000);
                seed += 1;
            }
            if !put(client, kept, seed, size) {
                refusals += 1;
            }
            seed += 1;
            assert!(seed - start < 20_000, "the disk doesn't get full");
        }
    }
}

/// Whether it was taken; refused as it should be otherwise.
fn put(client: &Client, kept: &mut Kept, seed: u64, size: usize) -> bool {
    let key = format!("{seed:05}");
    let answer = client.put("box", &key, fixture::noise(seed, size));
    if answer.status == 200 {
        kept.push((key, seed, size));
        return true;
    }
    answer.expect(507, "InsufficientStorage");
    false
}

/// Everything acknowledged is there, and nothing else.
fn holds(node: &Node, kept: &Kept, when: &str) {
    let client = node.client();
    for (key, seed, size) in kept {
        let answer = client.get("box", key);
        let found = (answer.status, answer.body.len(), checksum::etag(&answer.body));
        let stored = fixture::noise(*seed, *size);
        assert_eq!(found, (200, *size, checksum::etag(&stored)), "{when}: {key}; {}", node.log());
    }
    let mut names: Vec<String> = kept.iter().map(|(key, ..)| key.clone()).collect();
    names.sort();
    assert_eq!(client.keys("box"), names, "{when}");
}

/// Waits until an object of 1 MiB is taken.
fn accepts_again(node: &Node, kept: &mut Kept, kind: &str) {
    let client = node.client();
    let deadline = Instant::now() + Duration::from_secs(60);
    for attempt in 0.. {
        if put(&client, kept, 90_000 + kept.len() as u64 * 1000 + attempt, 1 << 20) {
            break;
        }
        assert!(Instant::now() < deadline, "{kind}: no space came back; {}", node.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Writes until there is no space left.
fn take_all(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).expect("a name takes no space");
    for piece in [1 << 20, 4096, 512, 1] {
        let bytes = vec![0xa5; piece];
        while file.write_all(&bytes).and_then(|()| file.sync_all()).is_ok() {}
    }
}
