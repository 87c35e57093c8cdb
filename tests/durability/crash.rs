//! kill -9 in the middle of a load.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::{Client, Node, NodeBuilder, checksum};

use crate::fixture;

const WRITERS: u64 = 6;
const PART: usize = 5 << 20;

/// What a key may hold after a crash: what was acknowledged last, or a later write that was under way.
#[derive(Clone, Debug, Default)]
struct Key {
    /// Seed and size of the last acknowledged body; none when it was deleted or never written.
    acknowledged: Option<(u64, usize)>,
    /// Of a write that got no answer; the outer none is none, the inner one a deletion.
    under_way: Option<Option<(u64, usize)>>,
}

/// F10: elsewhere an acknowledged upload was missing or torn after a crash. `STRONGROOM_CRASH_SECONDS` makes the rounds go on for that long.
#[test]
fn every_acknowledged_write_survives_kill_9_and_nothing_half_written_is_visible() {
    let seconds: u64 = std::env::var("STRONGROOM_CRASH_SECONDS").map_or(0, |s| s.parse().expect("a number of seconds"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut node =
        NodeBuilder::serve().data(&directory.path().join("data")).account(fixture::account(&["box"], &[])).start();
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let mut acknowledged = 0;
    let mut rounds = 0;
    while rounds < 3 || Instant::now() < end {
        acknowledged += load_and_kill(&mut node, rounds, &mut keys);
        if rounds % 3 == 2 {
            // The index is disposable: the log alone gives the same answers.
            let index = node.data().join("index.redb");
            std::fs::remove_file(&index).unwrap_or_else(|error| panic!("{}: {error}", index.display()));
        }
        node.restart();
        verify(&node, &mut keys);
        rounds += 1;
    }
    println!("{rounds} rounds, {acknowledged} acknowledged writes, {} keys", keys.len());
    assert!(acknowledged > 0, "the load got through");
}

/// Writes with several clients until the kill; answers how many writes were acknowledged.
fn load_and_kill(node: &mut Node, round: u64, keys: &mut BTreeMap<String, Key>) -> usize {
    let client = node.client();
    let stop = AtomicBool::new(false);
    let shared = Mutex::new(std::mem::take(keys));
    let acknowledged = Mutex::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, stop, shared, acknowledged) = (&client, &stop, &shared, &acknowledged);
            scope.spawn(move || {
                let mut step = 0;
                while !stop.load(Ordering::Relaxed) {
                    let seed = round * 1_000_000 + writer * 100_000 + step;
                    // Keys are a writer's own, so that each has one last write; they come again in later rounds.
                    let key = format!("writer {writer}/{}", step % 40);
                    let body = match step % 10 {
                        9 => None,
                        8 => Some((seed, PART + 100_000)),
                        5 => Some((seed, 2 << 20)),
                        n => Some((seed, (n * 1500) as usize)),
                    };
                    shared.lock().expect("no holder panics").entry(key.clone()).or_default().under_way = Some(body);
                    if !write(client, &key, body, step % 10 == 8) {
                        // No answer: the node is gone, and the write stays under way.
                        break;
                    }
                    let mut keys = shared.lock().expect("no holder panics");
                    keys.insert(key, Key { acknowledged: body, under_way: None });
                    *acknowledged.lock().expect("no holder panics") += 1;
                    step += 1;
                }
            });
        }
        // A different moment in each round: within a first put, a group commit, a multipart completion.
        std::thread::sleep(Duration::from_millis(400 + (round * 377) % 1600));
        node.kill_9();
        stop.store(true, Ordering::Relaxed);
    });
    *keys = shared.into_inner().expect("no holder panics");
    acknowledged.into_inner().expect("no holder panics")
}

/// Whether the write was acknowledged; false when the connection broke.
fn write(client: &Client, key: &str, body: Option<(u64, usize)>, multipart: bool) -> bool {
    let Some((seed, size)) = body else {
        return sent(client, client.request("DELETE", "box", key)).is_some();
    };
    let bytes = fixture::noise(seed, size);
    if !multipart {
        return sent(client, client.request("PUT", "box", key).body(bytes)).is_some();
    }
    let Some(created) = sent(client, client.request("POST", "box", key).query("uploads", "")) else { return false };
    let upload = created.xml("UploadId");
    let mut etags = Vec::new();
    for (index, part) in bytes.chunks(PART).enumerate() {
        let request = client.part_request("box", key, &upload, index as u32 + 1).body(part);
        let Some(answer) = sent(client, request) else { return false };
        etags.push(answer.header("etag").expect("an ETag").to_owned());
    }
    sent(client, client.complete_request("box", key, &upload, &etags)).is_some()
}

/// The answer, which must be a success; none when the connection broke.
fn sent(client: &Client, request: tests::Request) -> Option<tests::Response> {
    let answer = client.try_send(request).ok()?;
    answer.ok();
    Some(answer)
}

/// Every key holds what was acknowledged, or the whole of the write that was under way; the listing shows just these.
fn verify(node: &Node, keys: &mut BTreeMap<String, Key>) {
    let client = node.client();
    let mut present = Vec::new();
    for (name, key) in keys.iter_mut() {
        let answer = client.get("box", name);
        let found = match answer.status {
            404 => None,
            200 => Some(answer.body),
            _ => panic!("{name}: {answer}"),
        };
        let candidates = [Some(key.acknowledged), key.under_way];
        let held = candidates.into_iter().flatten().find(|candidate| match (candidate, &found) {
            (None, None) => true,
            (Some((seed, size)), Some(bytes)) => bytes.len() == *size && *bytes == fixture::noise(*seed, *size),
            _ => false,
        });
        let Some(held) = held else {
            let found = found.map(|bytes| (bytes.len(), checksum::etag(&bytes)));
            panic!("{name} holds {found:?}, expected one of {key:?}; the node's log:\n{}", node.log());
        };
        *key = Key { acknowledged: held, under_way: None };
        if held.is_some() {
            present.push(name.clone());
        }
    }
    assert_eq!(client.keys("box"), present, "the listing shows what is there");
}
