//! kill -9 in the middle of a load, while compaction runs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::{Client, Node, checksum};

use super::disk::Disk;
use crate::fixture;

/// Small enough for segments of 8 MiB, so that some are full, half dead and freed within a round.
const DISK_BYTES: u64 = 512 << 20;

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

/// A multipart upload whose creation was acknowledged.
#[derive(Debug, Default)]
struct Upload {
    /// The ETags of the parts that were acknowledged.
    etags: Vec<String>,
    completion: Completion,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Completion {
    #[default]
    NotSent,
    /// Without an answer: the upload may or may not be there.
    Sent,
    Acknowledged,
}

/// The multipart uploads of a round, by key and upload id.
type Uploads = BTreeMap<(String, String), Upload>;

/// F10: elsewhere an acknowledged upload was missing or torn after a crash. `STRONGROOM_CRASH_SECONDS` makes the rounds go on for that long.
#[test]
fn every_acknowledged_write_survives_kill_9_and_nothing_half_written_is_visible() {
    let seconds: u64 = std::env::var("STRONGROOM_CRASH_SECONDS").map_or(0, |s| s.parse().expect("a number of seconds"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let disk = Disk::in_memory(DISK_BYTES);
    // The audit log may grow to twice the size of this disk, and is not what is looked at here.
    let node = disk.node().arguments(&["--audit-log", "off"]);
    let mut node = node.account(fixture::account(&["box", "kept"], &[])).start();
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let request = node.client().request("PUT", "kept", "").query("versioning", "").body(enabled);
    node.client().send(request).expect(200, "");
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let mut versions = Versions::default();
    let mut acknowledged = 0;
    let mut rounds = 0;
    while rounds < 3 || Instant::now() < end {
        let (writes, uploads) = load_and_kill(&mut node, rounds, &mut keys, &mut versions);
        acknowledged += writes;
        if rounds % 3 == 2 {
            // The index is disposable: the log alone gives the same answers.
            let index = disk.data().join("index.redb");
            std::fs::remove_file(&index).unwrap_or_else(|error| panic!("{}: {error}", index.display()));
        }
        node.restart();
        verify(&node, &mut keys);
        verify_versions(&node, &mut versions);
        verify_and_abort_uploads(&node, &uploads);
        rounds += 1;
    }
    let kept = versions.present.len();
    println!("{rounds} rounds, {acknowledged} acknowledged writes, {} keys, {kept} versions", keys.len());
    assert!(acknowledged > 0 && kept > 0, "the load got through");
    // Otherwise no kill has met compaction.
    let first = disk.data().join("log/0000000000000001.seg");
    assert!(rounds < 20 || !first.exists(), "the first segment was freed");
}

/// What a bucket with versions must hold.
#[derive(Debug, Default)]
struct Versions {
    /// Seed and size by key and version id, of each acknowledged version that was not deleted; none for a delete marker.
    present: BTreeMap<(String, String), Option<(u64, usize)>>,
    /// Versions whose deletion got no answer: they may be gone.
    perhaps_gone: BTreeMap<(String, String), Option<(u64, usize)>>,
    /// Writes that got no answer: a version of the key may hold this.
    perhaps_there: Vec<(String, Option<(u64, usize)>)>,
}

/// Writes with several clients until the kill; answers how many writes were acknowledged, and the multipart uploads.
fn load_and_kill(
    node: &mut Node,
    round: u64,
    keys: &mut BTreeMap<String, Key>,
    versions: &mut Versions,
) -> (usize, Uploads) {
    let client = node.client();
    let stop = AtomicBool::new(false);
    let journal = Mutex::new(versions);
    let shared = Mutex::new(std::mem::take(keys));
    let acknowledged = Mutex::new(0);
    let uploads = Mutex::new(Uploads::new());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, stop, shared, acknowledged, uploads) = (&client, &stop, &shared, &acknowledged, &uploads);
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
                    let journal = (step % 10 == 8).then_some(uploads);
                    if !write(client, &key, body, journal) {
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
        let (versioning, stop_versioning, journal) = (&client, &stop, &journal);
        scope.spawn(move || {
            for step in 0.. {
                if stop_versioning.load(Ordering::Relaxed) || !write_version(versioning, round, step, journal) {
                    break;
                }
            }
        });
        // A different moment in each round: within a first put, a group commit, a multipart completion.
        std::thread::sleep(Duration::from_millis(400 + (round * 377) % 1600));
        node.kill_9();
        stop.store(true, Ordering::Relaxed);
    });
    *keys = shared.into_inner().expect("no holder panics");
    (acknowledged.into_inner().expect("no holder panics"), uploads.into_inner().expect("no holder panics"))
}

impl Versions {
    /// Takes out the version that goes for good in this step. Of three versions two go, so that the log has something to compact, and all above a
    /// number, for which the disk has room however long the rounds go on.
    fn take_superfluous(&mut self, step: u64, nth: usize) -> Option<(String, String)> {
        let there = self.present.len();
        if there <= 30 || there <= 150 && step.is_multiple_of(3) {
            return None;
        }
        let version = self.present.keys().nth(nth)?.clone();
        let body = self.present.remove(&version)?;
        self.perhaps_gone.insert(version.clone(), body);
        Some(version)
    }
}

/// Puts or deletes a version; false when the connection broke.
fn write_version(client: &Client, round: u64, step: u64, journal: &Mutex<&mut Versions>) -> bool {
    let seed = round * 1_000_000 + 900_000 + step;
    let key = format!("version {}", step % 7);
    let superfluous = journal.lock().expect("no holder panics").take_superfluous(step, (seed % 5) as usize);
    if let Some((key, id)) = superfluous {
        if sent(client, client.request("DELETE", "kept", &key).query("versionId", &id)).is_none() {
            return false;
        }
        journal.lock().expect("no holder panics").perhaps_gone.remove(&(key, id));
    }
    let body = (step % 5 != 4).then_some((seed, if step % 11 == 10 { 2 << 20 } else { (step % 10 * 9000) as usize }));
    journal.lock().expect("no holder panics").perhaps_there.push((key.clone(), body));
    let request = match body {
        Some((seed, size)) => client.request("PUT", "kept", &key).body(fixture::noise(seed, size)),
        None => client.request("DELETE", "kept", &key),
    };
    let Some(answer) = sent(client, request) else { return false };
    let id = answer.header("x-amz-version-id").expect("each version has an id").to_owned();
    let mut journal = journal.lock().expect("no holder panics");
    journal.perhaps_there.pop();
    journal.present.insert((key, id), body);
    true
}

/// Whether the write was acknowledged; false when the connection broke. With a journal of uploads it is a multipart upload.
fn write(client: &Client, key: &str, body: Option<(u64, usize)>, uploads: Option<&Mutex<Uploads>>) -> bool {
    let Some((seed, size)) = body else {
        return sent(client, client.request("DELETE", "box", key)).is_some();
    };
    let bytes = fixture::noise(seed, size);
    let Some(uploads) = uploads else {
        return sent(client, client.request("PUT", "box", key).body(bytes)).is_some();
    };
    let Some(created) = sent(client, client.request("POST", "box", key).query("uploads", "")) else { return false };
    let id = created.xml("UploadId");
    let name = (key.to_owned(), id.clone());
    let note = |noted: &dyn Fn(&mut Upload)| {
        noted(uploads.lock().expect("no holder panics").entry(name.clone()).or_default());
    };
    note(&|_| {});
    let mut etags = Vec::new();
    for (index, part) in bytes.chunks(PART).enumerate() {
        let request = client.part_request("box", key, &id, index as u32 + 1).body(part);
        let Some(answer) = sent(client, request) else { return false };
        etags.push(answer.header("etag").expect("an ETag").to_owned());
        note(&|upload| upload.etags.clone_from(&etags));
    }
    note(&|upload| upload.completion = Completion::Sent);
    let acknowledged = sent(client, client.complete_request("box", key, &id, &etags)).is_some();
    if acknowledged {
        note(&|upload| upload.completion = Completion::Acknowledged);
    }
    acknowledged
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

/// Every acknowledged version is there and right, and those that are there beside them were under way.
fn verify_versions(node: &Node, versions: &mut Versions) {
    let client = node.client();
    let mut found = BTreeMap::new();
    let mut markers = (String::new(), String::new());
    loop {
        let mut request = client.request("GET", "kept", "").query("versions", "");
        if !markers.0.is_empty() {
            request = request.query("key-marker", &markers.0).query("version-id-marker", &markers.1);
        }
        let page = client.send(request);
        page.expect(200, "");
        for (element, is_marker) in [("Version", false), ("DeleteMarker", true)] {
            let ids = page.xml_all(&format!("{element}/VersionId"));
            for version in page.xml_all(&format!("{element}/Key")).into_iter().zip(ids) {
                found.insert(version, is_marker);
            }
        }
        if page.xml("IsTruncated") != "true" {
            break;
        }
        markers = (page.xml("NextKeyMarker"), page.xml("NextVersionIdMarker"));
    }
    for version in versions.present.keys() {
        assert!(found.contains_key(version), "{version:?} was acknowledged and is gone; {}", node.log());
    }
    let mut present = BTreeMap::new();
    for (version, is_marker) in found {
        let (key, id) = &version;
        let bytes = (!is_marker).then(|| {
            let answer = client.send(client.request("GET", "kept", key).query("versionId", id));
            answer.expect(200, "");
            answer.body
        });
        let mut candidates: Vec<Option<(u64, usize)>> = [&versions.present, &versions.perhaps_gone]
            .iter()
            .filter_map(|known| known.get(&version).copied())
            .collect();
        if candidates.is_empty() {
            // A new version: of a write that got no answer.
            candidates.extend(versions.perhaps_there.iter().filter(|(name, _)| name == key).map(|(_, body)| *body));
        }
        let held = candidates.into_iter().find(|candidate| match (candidate, &bytes) {
            (None, None) => true,
            (Some((seed, size)), Some(bytes)) => bytes.len() == *size && *bytes == fixture::noise(*seed, *size),
            _ => false,
        });
        let held = held.unwrap_or_else(|| panic!("{version:?} holds something else: {:?}", bytes.map(|b| b.len())));
        present.insert(version, held);
    }
    *versions = Versions { present, ..Versions::default() };
}

/// An upload that was created and not completed is there with every acknowledged part; a completed one is gone. Those that are there are
/// aborted, as a client does with what it can't finish: otherwise they would fill the disk in the end.
fn verify_and_abort_uploads(node: &Node, uploads: &Uploads) {
    let client = node.client();
    let page = client.send(client.request("GET", "box", "").query("uploads", ""));
    page.expect(200, "");
    assert_eq!(page.xml("IsTruncated"), "false", "a writer leaves one upload at most");
    let found: Vec<(String, String)> =
        page.xml_all("Upload/Key").into_iter().zip(page.xml_all("Upload/UploadId")).collect();
    for (name, upload) in uploads.iter().filter(|(_, upload)| upload.completion != Completion::Sent) {
        let there = upload.completion == Completion::NotSent;
        assert_eq!(found.contains(name), there, "{name:?} is listed: {upload:?}; {}", node.log());
    }
    for name in &found {
        let (key, id) = name;
        let parts = client.send(client.request("GET", "box", key).query("uploadId", id));
        parts.expect(200, "");
        let etags = parts.xml_all("Part/ETag");
        if let Some(upload) = uploads.get(name) {
            assert!(etags.starts_with(&upload.etags), "{name:?}: {etags:?} instead of {upload:?}; {}", node.log());
        }
        client.send(client.request("DELETE", "box", key).query("uploadId", id)).expect(204, "");
    }
}
