//! Files of a stopped node, spoiled at random: whatever is read afterwards is right or a clear error.
//!
//! Each case follows from its number, which the failure names; `STRONGROOM_DAMAGE_CASES` makes more of them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;
use tests::{Node, NodeBuilder, checksum};

use super::chance::Chance;
use super::disk::{Disk, files};
use crate::fixture;

const LARGE: usize = (1 << 20) + 70_000;

/// A stopped store of several log and bulk segments, and what it must answer.
struct Store {
    directory: TempDir,
    /// Hashes of all bodies that a key ever had, the present one last; none for deleted.
    keys: BTreeMap<String, Vec<Option<String>>>,
    /// The index as it was in the middle.
    stale: Vec<u8>,
    /// The index of another store.
    other: Vec<u8>,
}

fn store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let disk = Disk::in_memory(64 << 20);
        let mut node = disk.node().account(fixture::account(&["box"], &[])).start();
        let mut keys: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        let mut stale = Vec::new();
        for write in 0..44_usize {
            let client = node.client();
            let key = format!("key {:02}", write % 32);
            let history = keys.entry(key.clone()).or_default();
            if write % 32 == 9 && write > 32 {
                client.delete("box", &key).expect(204, "");
                history.push(None);
            } else {
                let size = if write % 8 == 7 { LARGE } else { [0, 90_000, 3000, 140_000, 66_000][write % 5] };
                let body = fixture::noise(write as u64, size);
                client.put("box", &key, body.as_slice()).expect(200, "");
                history.push(Some(checksum::sha256_hex(&body)));
            }
            if write == 20 {
                assert!(node.terminate().success(), "{}", node.log());
                stale = std::fs::read(disk.data().join("index.redb")).expect("there is an index");
                node.restart();
            }
        }
        assert!(node.terminate().success(), "{}", node.log());
        let directory = TempDir::new().expect("a temporary directory");
        copy_all(&disk.data(), directory.path());
        assert!(segments(directory.path()).len() >= 3, "several segments: {:?}", segments(directory.path()));
        let mut stranger = NodeBuilder::serve().account(fixture::account(&["box"], &[])).start();
        stranger.client().put("box", "key 01", "another store's").expect(200, "");
        assert!(stranger.terminate().success(), "{}", stranger.log());
        let other = std::fs::read(stranger.data().join("index.redb")).expect("there is an index");
        Store { directory, keys, stale, other }
    })
}

fn copy_all(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).expect("it lies below"));
        std::fs::create_dir_all(target.parent().expect("it has a parent")).expect("a writable temporary directory");
        std::fs::copy(&path, &target).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn segments(data: &Path) -> Vec<PathBuf> {
    files(&data.join("log")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).collect()
}

fn bulk(data: &Path) -> Vec<PathBuf> {
    files(&data.join("bulk"))
}

fn change(path: &Path, spoil: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    spoil(&mut bytes);
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Flips bits in the first `1 / share` of the bytes.
fn flip(bytes: &mut [u8], share: usize, bits: usize, chance: &mut Chance) {
    for _ in 0..bits {
        let at = chance.below(bytes.len() / share);
        bytes[at] ^= 1 << chance.below(8);
    }
}

/// Flips a bit in what stands before the data of a record: its header, key, metadata or checksums.
fn flip_front(bytes: &mut [u8], share: usize, chance: &mut Chance) {
    let starts: Vec<usize> =
        (0..bytes.len() / share).step_by(8).filter(|&at| bytes[at..].starts_with(b"SRec")).collect();
    let at = starts.get(chance.below(starts.len().max(1))).copied().unwrap_or_default();
    let end = bytes.len().min(at + 160);
    flip(&mut bytes[at..end], 1, 1, chance);
}

/// What the damage of a case allows the node to do, beyond answering everything rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Allowed {
    /// Reads of damaged objects answer an error.
    errors: bool,
    /// Objects may be unknown, or older than they should be, if the node calls itself damaged: what knew better is gone too.
    losses: bool,
    /// It may not start at all.
    refusal: bool,
    /// It must notice at the start, and refuse writes.
    notice: bool,
}

/// Runs so many cases of one kind; a case spoils the directory and says what that allows.
fn run(kind: &str, count: u64, spoil: impl Fn(&Path, &mut Chance) -> (String, Allowed)) {
    let times: u64 = std::env::var("STRONGROOM_DAMAGE_CASES").map_or(1, |text| text.parse().expect("a number"));
    let store = store();
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = 0;
    for case in 0..count * times {
        let directory = TempDir::new().expect("a temporary directory");
        copy_all(store.directory.path(), directory.path());
        let (what, allowed) = spoil(directory.path(), &mut Chance(case));
        let what = format!("{kind} case {case}: {what}");
        // The data are real, the disk need not be: no power is cut here.
        let builder = NodeBuilder::serve().arguments(&["--durability", "relaxed"]).data(directory.path());
        let builder = builder.account(fixture::account(&["box"], &[]));
        // All cases are run, so that one failure doesn't hide another.
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| match builder.try_start() {
            Ok(node) => examine(node, store, &what, allowed),
            Err(why) => {
                assert!(allowed.refusal && is_clear(&why), "{what}: {why}");
                "refused to start"
            }
        }));
        match outcome {
            Ok(outcome) => *tally.entry(outcome).or_default() += 1,
            Err(_) => failures += 1,
        }
    }
    println!("{kind}: {tally:?}");
    assert_eq!(failures, 0, "cases of {kind} failed, as printed above");
}

/// Whether a node that didn't start said why, in its own words.
fn is_clear(why: &str) -> bool {
    !why.contains("panicked") && !why.contains("time is up") && why.contains("\nstrongroom: ")
}

/// Reads everything, writes, kills the node, and reads everything again.
fn examine(mut node: Node, store: &Store, what: &str, allowed: Allowed) -> &'static str {
    let health = read_all(&node, store, what, allowed);
    assert!(!allowed.notice || health != "ok", "{what}: not noticed at the start\n{}", node.log());
    let written = node.client().put("box", "new", "new");
    match written.status {
        200 => assert_eq!(health, "ok", "{what}: a damaged node accepts writes"),
        // Where identities are lost nobody gets in.
        403 if allowed.losses && health == "damaged" => (),
        _ => assert!(health != "ok" && written.status >= 500 && !written.code().is_empty(), "{what}: {written}"),
    }
    node.kill_9();
    if let Err(why) = node.try_restart() {
        assert!(allowed.refusal && is_clear(&why), "{what}, the second time: {why}");
        return "refused to start";
    }
    read_all(&node, store, &format!("{what}, the second time"), allowed);
    if written.status == 200 {
        assert_eq!(node.client().get("box", "new").text(), "new", "{what}");
    }
    // redb panics on some damage; that is caught, and is the only panic there may be.
    let panics = |line: &&str| line.contains("panicked at") && !line.contains("/redb-");
    assert_eq!(node.log().lines().find(panics), None, "{what}");
    if health == "ok" { "served all" } else { "served what is whole" }
}

/// Answers what the node says of its health.
fn read_all(node: &Node, store: &Store, what: &str, allowed: Allowed) -> String {
    let client = node.client();
    let health = client.anonymous().send(client.target("GET", "/health/ready"));
    let health = health.expect(200, "").text();
    let forgiven = allowed.losses && health == "damaged";
    for (key, history) in &store.keys {
        let now = history.last().expect("each key was written");
        match client.try_send(client.request("GET", "box", key)) {
            Ok(answer) if answer.status == 200 => {
                let found = Some(checksum::sha256_hex(&answer.body));
                let stale = forgiven && history.contains(&found);
                assert!(found == *now || stale, "{what}: {key} has other bytes; {health}\n{}", node.log());
            }
            Ok(answer) if answer.status == 404 => {
                assert!(now.is_none() || forgiven, "{what}: {key} is unknown; {health}\n{}", node.log());
            }
            Ok(answer) => {
                let clear = answer.status >= 500 && !answer.code().is_empty();
                let clear = clear || forgiven && answer.status == 403;
                assert!(allowed.errors && clear, "{what}: {key}: {answer}\n{}", node.log());
            }
            // The head may be out before the damage is met; then the connection ends early.
            Err(error) => assert!(allowed.errors && now.is_some(), "{what}: {key}: {error}\n{}", node.log()),
        }
    }
    let listing = client.list("box", &[]);
    if allowed.errors && listing.status >= 500 {
        assert!(!listing.code().is_empty(), "{what}: {listing}");
    } else if !forgiven {
        let present = store.keys.iter().filter(|(_, history)| history.last().is_some_and(Option::is_some));
        let present: Vec<String> = present.map(|(key, _)| key.clone()).collect();
        let listed: Vec<String> = client.keys("box").into_iter().filter(|key| key != "new").collect();
        assert_eq!(listed, present, "{what}: the listing");
    }
    health
}

const ERRORS: Allowed = Allowed { errors: true, losses: false, refusal: false, notice: false };

#[test]
fn flipped_bits_in_log_segments_are_never_served() {
    run("log bits", 60, |data, chance| {
        let path = chance.of(&segments(data)).clone();
        let bits = 1 + chance.below(8);
        let front = chance.below(2) == 0;
        change(&path, |bytes| if front { flip_front(bytes, 1, chance) } else { flip(bytes, 1, bits, chance) });
        (format!("{bits} bits of {}, in a front: {front}", path.display()), ERRORS)
    });
}

#[test]
fn flipped_bits_without_an_index_are_never_served() {
    run("log bits, no index", 50, |data, chance| {
        std::fs::remove_file(data.join("index.redb")).expect("there is an index");
        let all = segments(data);
        let number = chance.below(all.len());
        let bits = 1 + chance.below(4);
        // The very end of the log can't be told from a torn tail once the index is gone.
        let share = if number == all.len() - 1 { 2 } else { 1 };
        let front = chance.below(2) == 0;
        change(
            &all[number],
            |bytes| if front { flip_front(bytes, share, chance) } else { flip(bytes, share, bits, chance) },
        );
        (
            format!("{bits} bits of {}, in a front: {front}", all[number].display()),
            Allowed { losses: true, refusal: true, ..ERRORS },
        )
    });
}

#[test]
fn spoiled_bulk_segments_are_never_served() {
    run("bulk", 50, |data, chance| {
        let all = bulk(data);
        let path = chance.of(&all).clone();
        let how = match chance.below(5) {
            0 => {
                std::fs::remove_file(&path).expect("it is there");
                "removed"
            }
            1 => {
                change(&path, |bytes| bytes.truncate(chance.below(bytes.len())));
                "cut"
            }
            2 => {
                // Whole bodies of the same length: only what names them tells them apart.
                let other = all.iter().find(|other| **other != path).expect("there are several");
                std::fs::copy(other, &path).expect("writable");
                "swapped"
            }
            3 => {
                change(&path, |bytes| bytes.extend_from_slice(&fixture::noise(1, 5000)));
                "extended"
            }
            _ => {
                change(&path, |bytes| flip(bytes, 1, 1, chance));
                "one bit"
            }
        };
        (format!("{how}: {}", path.display()), ERRORS)
    });
}

#[test]
fn missing_cut_and_swapped_log_segments_are_noticed() {
    run("log files", 60, |data, chance| {
        let all = segments(data);
        let number = chance.below(all.len());
        let path = &all[number];
        let no_index = chance.below(3) == 0;
        let how = match chance.below(5) {
            0 => {
                std::fs::remove_file(path).expect("it is there");
                "removed"
            }
            1 => {
                // What can't be told from a torn tail is left out: the last segment's end, without the index.
                let torn = no_index && number == all.len() - 1;
                change(path, |bytes| bytes.truncate(chance.below(if torn { 128 } else { bytes.len() / 2 })));
                "cut"
            }
            2 => {
                let other = &all[(number + 1) % all.len()];
                let bytes = std::fs::read(other).expect("readable");
                std::fs::copy(path, other).expect("writable");
                std::fs::write(path, bytes).expect("writable");
                "swapped"
            }
            3 => {
                change(path, |bytes| bytes.fill(0));
                "zeros"
            }
            _ => {
                std::fs::copy(&all[(number + 1) % all.len()], path).expect("writable");
                "replaced by another"
            }
        };
        if no_index {
            std::fs::remove_file(data.join("index.redb")).expect("there is an index");
        }
        let allowed = Allowed { losses: no_index, refusal: no_index, notice: true, ..ERRORS };
        (format!("{how}: {}, index removed: {no_index}", path.display()), allowed)
    });
}

#[test]
fn spoiled_index_changes_no_answer() {
    run("index", 50, |data, chance| {
        let path = data.join("index.redb");
        let store = store();
        let how = match chance.below(7) {
            0 => {
                std::fs::remove_file(&path).expect("there is an index");
                "removed"
            }
            1 => {
                change(&path, |bytes| bytes.truncate(chance.below(bytes.len())));
                "cut"
            }
            2 => {
                change(&path, |bytes| bytes.fill(0));
                "zeros"
            }
            3 => {
                std::fs::write(&path, &store.other).expect("writable");
                "of another store"
            }
            4 => {
                std::fs::write(&path, &store.stale).expect("writable");
                "stale"
            }
            5 => {
                change(&path, |bytes| {
                    let from = chance.below(bytes.len());
                    let to = bytes.len().min(from + 4096);
                    bytes[from..to].fill(0);
                });
                "4 KiB of zeros"
            }
            _ => {
                let bits = 1 + chance.below(300);
                change(&path, |bytes| flip(bytes, 1, bits, chance));
                "bits"
            }
        };
        // Rows are compared when they are read: a damaged one is an error, and what can't be opened is rebuilt.
        let allowed = if how == "bits" || how == "4 KiB of zeros" { ERRORS } else { Allowed::default() };
        (how.to_owned(), allowed)
    });
}

#[test]
fn spoiled_format_file_is_repaired_or_refused() {
    run("FORMAT", 30, |data, chance| {
        let path = data.join("FORMAT");
        let mut allowed = Allowed::default();
        let how = match chance.below(5) {
            0 => {
                std::fs::remove_file(&path).expect("it is there");
                allowed.refusal = true;
                "removed"
            }
            1 => {
                change(&path, |bytes| bytes.truncate(chance.below(bytes.len())));
                allowed.refusal = true;
                "cut"
            }
            2 => {
                for copy in [0, 4096] {
                    change(&path, |bytes| flip(&mut bytes[copy..copy + 60], 1, 1, chance));
                }
                allowed.refusal = true;
                "both copies"
            }
            3 => {
                change(&path, |bytes| flip(&mut bytes[8192..8212], 1, 1, chance));
                "note"
            }
            _ => {
                let copy = 4096 * chance.below(2);
                change(&path, |bytes| flip(&mut bytes[copy..copy + 60], 1, 1, chance));
                "one copy"
            }
        };
        (how.to_owned(), allowed)
    });
}
