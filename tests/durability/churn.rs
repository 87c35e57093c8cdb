//! A store that is overwritten and deleted again and again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tests::Client;

use super::disk::{Disk, used_bytes};
use crate::fixture;

/// Log segments are 1/64 of it.
const DISK_BYTES: u64 = 256 << 20;
const SEGMENT_BYTES: u64 = DISK_BYTES / 64;
const KEYS: usize = 240;
const ROUNDS: u64 = 10;

/// A key's history, as far as readers must know it.
#[derive(Debug, Default)]
struct Key {
    /// The last write that was acknowledged, counted from 1.
    acknowledged: AtomicU64,
    /// The last write that was begun.
    begun: AtomicU64,
}

/// How long the body of a key is; now and then it goes into a bulk segment.
fn size(key: usize, write: u64) -> usize {
    match key % 60 {
        59 => (1 << 20) + 200_000,
        n => 1000 + (n * 5003 + write as usize * 7919) % 300_000,
    }
}

/// Some writes are deletes; the last of all is none.
fn is_delete(key: usize, write: u64) -> bool {
    write < ROUNDS && (key as u64 + write).is_multiple_of(4)
}

fn body(key: usize, write: u64) -> Vec<u8> {
    fixture::noise(key as u64 * 1000 + write, size(key, write))
}

#[test]
fn ten_times_churn_gives_space_back_and_reads_stay_right() {
    let disk = Disk::in_memory(DISK_BYTES);
    let mut node = disk.node().account(fixture::account(&["box"], &[])).start();
    let client = node.client();
    let keys: Vec<Key> = (0..KEYS).map(|_| Key::default()).collect();
    let done = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    let first = disk.data().join("log/0000000000000001.seg");
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (client, keys, done, reads) = (&client, &keys, &done, &reads);
            scope.spawn(move || {
                let mut step = reader;
                while !done.load(Ordering::Relaxed) {
                    read_right(client, keys, step * 7919 % KEYS);
                    reads.fetch_add(1, Ordering::Relaxed);
                    step += 2;
                }
            });
        }
        // A reader that fails must not leave the others running for ever.
        let stop = StopOnDrop(&done);
        let mut peak = 0;
        for round in 1..=ROUNDS {
            std::thread::scope(|scope| {
                for writer in 0..4 {
                    let (client, keys) = (&client, &keys);
                    scope.spawn(move || (writer..KEYS).step_by(4).for_each(|key| write(client, keys, key, round)));
                }
            });
            peak = peak.max(used_bytes(&disk.data()));
        }
        // What the last writes left dead is given back by itself, while reads go on.
        let live: usize = (0..KEYS).map(|key| size(key, ROUNDS)).sum();
        let bound = live as u64 * 16 / 10 + 4 * SEGMENT_BYTES;
        let deadline = Instant::now() + Duration::from_secs(30);
        while used_bytes(&disk.data()) > bound {
            assert!(Instant::now() < deadline, "{} bytes for {live}, bound {bound}", used_bytes(&disk.data()));
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("{live} bytes live, {} used, {peak} at most, bound {bound}", used_bytes(&disk.data()));
        drop(stop);
    });
    assert!(!first.exists(), "the first segment was freed");
    assert!(reads.into_inner() > 100, "reads went on");
    for restart in [false, true] {
        if restart {
            node.kill_9();
            std::fs::remove_file(disk.data().join("index.redb")).expect("there is an index");
            node.restart();
        }
        let client = node.client();
        (0..KEYS).for_each(|key| read_right(&client, &keys, key));
        assert_eq!(client.keys("box").len(), KEYS);
    }
    // All of it goes.
    for key in 0..KEYS {
        node.client().delete("box", &name(key)).expect(204, "");
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while used_bytes(&disk.data()) > 4 * SEGMENT_BYTES {
        assert!(Instant::now() < deadline, "{} bytes are used for nothing", used_bytes(&disk.data()));
        std::thread::sleep(Duration::from_millis(50));
    }
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn name(key: usize) -> String {
    format!("key {key:03}")
}

fn write(client: &Client, keys: &[Key], key: usize, write: u64) {
    keys[key].begun.store(write, Ordering::SeqCst);
    if is_delete(key, write) {
        client.delete("box", &name(key)).expect(204, "");
    } else {
        client.put("box", &name(key), body(key, write)).expect(200, "");
    }
    keys[key].acknowledged.store(write, Ordering::SeqCst);
}

/// A read answers a write that was the newest one at some time during the read.
fn read_right(client: &Client, keys: &[Key], key: usize) {
    let from = keys[key].acknowledged.load(Ordering::SeqCst);
    let answer = client.get("box", &name(key));
    let to = keys[key].begun.load(Ordering::SeqCst);
    let right = (from..=to).any(|write| match answer.status {
        404 => write == 0 || is_delete(key, write),
        200 => write > 0 && !is_delete(key, write) && answer.body == body(key, write),
        _ => false,
    });
    assert!(right, "{} after writes {from} to {to}: {} {} bytes", name(key), answer.status, answer.body.len());
}
