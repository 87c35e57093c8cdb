//! The crash tests: seeded schedules of mutations and crashes, after each of which the store must hold a prefix of the
//! mutations that contains every acknowledged one, and nothing else.
//!
//! `SIM_SEED` and `SIM_COUNT` choose the seeds; one seed repeats its schedule exactly.

mod mutation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::task::Poll;

use bytes::Bytes;

use mutation::{Effect, attempt, key};

use super::{Faults, Rng, SimClock, SimDisk};
use crate::compact::Thoroughness;
use crate::index::plain;
use crate::sync::lock;
use crate::*;

const KEYS: [&str; 5] = ["a", "a/b", "b", "c", "d/e"];

/// What a schedule is made of.
struct Laboratory {
    /// Sizes of bodies.
    sizes: &'static [usize],
    /// A fault comes within one of so many calls to the disk.
    horizons: [u64; 3],
    /// A disk that fills up has less room than one of these, in bytes.
    rooms: [u64; 3],
    /// The index is in plain maps, and now and then it is lost with the process.
    log_alone: bool,
}

/// The log and the index, on one disk.
const FULL: Laboratory =
    Laboratory { sizes: &[0, 10, 600, 3000, 70_000], horizons: [20, 80, 400], rooms: [100_000; 3], log_alone: false };

/// The log alone, with as many faults for its calls to the disk. Few bodies have more than one block.
const LOG: Laboratory = Laboratory {
    sizes: &[0, 10, 10, 300, 600, 600, 1500, 3000, 3000, 66_000],
    horizons: [8, 25, 120],
    rooms: [300, 3000, 30_000],
    log_alone: true,
};

/// Everything that a client can see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    bucket: Option<BucketId>,
    objects: BTreeMap<String, Bytes>,
    config: BTreeMap<String, Bytes>,
    /// By key and id: the parts, by number.
    uploads: BTreeMap<(String, UploadId), BTreeMap<u16, Bytes>>,
}

fn options(rng: &mut Rng) -> Options {
    Options {
        segment_bytes: Some(*rng.choose(&[4096, 8192, 1 << 16])),
        low_water_bytes: Some(0),
        memtable_entries_max: *rng.choose(&[3, 10, 1000]),
        index_cache_bytes: 1 << 20,
        ..Options::default()
    }
}

fn open(disk: &Arc<SimDisk>, options: &Options) -> Result<Store, OpenError> {
    Store::open_with(Arc::new(Arc::clone(disk)), Arc::new(SimClock::default()), options.clone())
}

fn payload(rng: &mut Rng, sizes: &[usize], n: u64) -> Bytes {
    let length = *rng.choose(sizes);
    let mut data = format!("{n}:").into_bytes();
    data.resize(data.len() + length, (n % 251) as u8);
    data.into()
}

fn etag(data: &[u8]) -> ETag {
    let mut md5 = [0; 16];
    md5[..4].copy_from_slice(&crc32fast::hash(data).to_le_bytes());
    md5[8..].copy_from_slice(&(data.len() as u64).to_le_bytes());
    ETag::of_body(md5)
}

/// What the store holds, read through its interface.
fn read(store: &Store) -> Result<State, Error> {
    let mut state = State::default();
    for row in store.config_rows("test")? {
        let row = row.map_err(|row| Error::damaged(row.key, "a configuration row"))?;
        state.config.insert(row.key, row.value);
    }
    let Ok(bucket) = store.bucket("bucket") else { return Ok(state) };
    state.bucket = Some(bucket.id);
    let query =
        ListQuery { bucket: bucket.id, prefix: String::new(), delimiter: None, start_after: None, max_keys: 1000 };
    for entry in store.list(&query)?.entries {
        let object = store.open_object(bucket.id, &key(&entry.key), None, Wait::Allowed)?;
        let data = object.read(0, 1 << 20, Wait::Allowed)?;
        state.objects.insert(entry.key, data);
    }
    let query = ListUploadsQuery {
        bucket: bucket.id,
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        upload_id_marker: None,
        max_uploads: 1000,
    };
    for upload in store.list_uploads(&query)?.entries {
        let parts = store.list_parts(bucket.id, &upload.key, upload.id, 0, 1000)?.parts;
        let parts = parts.into_iter().map(|part| (part.number, Bytes::copy_from_slice(&part.etag.md5))).collect();
        state.uploads.insert((upload.key.to_string(), upload.id), parts);
    }
    Ok(state)
}

/// The state as `read` shows it: parts by their ETags, since parts are not read.
fn shown(state: &State) -> State {
    let mut state = state.clone();
    for parts in state.uploads.values_mut() {
        for data in parts.values_mut() {
            *data = Bytes::copy_from_slice(&etag(data).md5);
        }
    }
    state
}

/// The candidate that was found, with what it could not know: the ids of a bucket and uploads never acknowledged.
fn recognise(found: &State, candidates: &[State]) -> Option<State> {
    candidates.iter().find_map(|candidate| {
        let mut candidate = candidate.clone();
        if candidate.bucket.is_none() {
            candidate.bucket = found.bucket;
        }
        for (id, parts) in &found.uploads {
            if parts.is_empty() {
                candidate.uploads.entry(id.clone()).or_default();
            }
        }
        (shown(&candidate) == *found).then_some(candidate)
    })
}

/// One life of the store: groups of mutations until one is not acknowledged. Answers the states that may be found
/// afterwards: what was acknowledged, and what each further mutation of the last group would have led to.
fn live(
    store: &Store,
    rng: &mut Rng,
    laboratory: &Laboratory,
    mut state: State,
    n: &mut u64,
    groups: u64,
) -> Vec<State> {
    for _ in 0..groups {
        // Several mutations of different keys are queued and then committed with one sync, so the order in which they
        // are queued is the order of the log.
        let mut names = KEYS.to_vec();
        let mut configured = false;
        let size = if state.bucket.is_none() { 1 } else { 1 + rng.below(4) };
        store.core.held.store(true, Ordering::Relaxed);
        let mut group = Vec::new();
        for _ in 0..size {
            *n += 1;
            let name = names.swap_remove(rng.below(names.len() as u64) as usize);
            let Some(mut attempt) = attempt(store, rng, laboratory.sizes, &state, name, *n) else { continue };
            if matches!(attempt.effect, Effect::Config(..)) && std::mem::replace(&mut configured, true) {
                continue;
            }
            if attempt.poll().is_pending() {
                group.push(attempt);
            }
        }
        store.core.held.store(false, Ordering::Relaxed);
        if let Some(step) = &store.core.inline {
            lock(step)(&store.core);
        }
        let mut candidates = Vec::new();
        let mut refused = false;
        for attempt in &mut group {
            let outcome = attempt.poll();
            trace(|| format!("  {:?}: {outcome:?}", attempt.effect));
            match outcome {
                Poll::Ready(Ok(id)) => {
                    assert!(candidates.is_empty(), "a mutation was acknowledged after one before it failed");
                    attempt.effect.apply(&mut state, id);
                }
                Poll::Ready(Err(Error::NoSpace)) => refused = true,
                Poll::Ready(Err(_)) => {
                    if candidates.is_empty() {
                        candidates.push(state.clone());
                    }
                    attempt.effect.apply(&mut state, None);
                    candidates.push(state.clone());
                }
                Poll::Pending => panic!("a queued mutation was never answered"),
            }
        }
        if !candidates.is_empty() {
            return candidates;
        }
        // What was refused must not appear after a crash right now, before anything else is synced.
        if refused && laboratory.log_alone && rng.below(2) == 0 {
            break;
        }
        if rng.below(6) == 0 {
            // All of it, or one segment alone, so that what is dead stays in others.
            let ids: Vec<u64> = store.core.segments.sealed().into_keys().collect();
            let done = if ids.is_empty() || rng.below(2) == 0 {
                store.compact().map(drop)
            } else {
                let mut only = BTreeSet::from([*rng.choose(&ids)]);
                store.core.compact_step(Thoroughness::Full, Some(&mut only), &mut Compaction::default()).map(drop)
            };
            trace(|| format!("  compact: {done:?}"));
        }
        if rng.below(8) == 0 {
            store.core.write_footers();
        }
        if rng.below(8) == 0 {
            store.core.make_spare();
        }
        if rng.below(8) == 0 {
            // What cannot be applied now is replayed later.
            let applied = store.checkpoint();
            trace(|| format!("  checkpoint: {applied:?}"));
        }
    }
    vec![state]
}

/// With `SIM_TRACE` set a schedule tells what it does.
fn trace(line: impl FnOnce() -> String) {
    static IS_WANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("SIM_TRACE").is_some());
    if *IS_WANTED {
        let line = line();
        eprintln!("{}", line.chars().take(200).collect::<String>());
    }
}

/// The bulk files that are there, and the bulk segments that are referred to.
pub(super) fn bulk_segments(store: &Store, disk: &SimDisk) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let files = disk
        .files("bulk/")
        .into_iter()
        .filter_map(|(path, _)| crate::format::file::id_of(path.rsplit('/').next()?, ""));
    let mut referred = BTreeSet::new();
    let view = store.core.view.load_full();
    view.for_each(crate::row::Table::BulkRefs, &[0], |row, _| {
        referred.insert(u64::from_be_bytes(row[1..9].try_into().unwrap()));
        Ok(())
    })
    .unwrap();
    (files.collect(), referred)
}

/// Runs one seed: lives, crashes, crashes while recovering, and what must hold in between.
pub(super) fn schedule(seed: u64) {
    run(seed, &FULL);
}

/// Likewise with an index that costs next to nothing, so that many more seeds try the log, its recovery and compaction.
pub(super) fn schedule_of_the_log(seed: u64) {
    let _plain = plain::choose();
    run(seed, &LOG);
}

fn run(seed: u64, laboratory: &Laboratory) {
    let mut rng = Rng::new(seed);
    let disk = SimDisk::new(seed ^ 0x5eed);
    let options = options(&mut rng);
    let mut candidates = vec![State::default()];
    let mut n = 0;
    for life in 0..5 {
        let mut faults = Faults::default();
        let last = life == 4;
        if !last {
            let horizon = *rng.choose(&laboratory.horizons);
            faults.power_off_at = (rng.below(3) > 0).then(|| disk.effects() + rng.below(horizon));
            faults.sync_fails_at = (rng.below(4) == 0).then(|| disk.effects() + rng.below(horizon));
            faults.write_fails_at = (rng.below(6) == 0).then(|| disk.effects() + rng.below(horizon));
            let room = if laboratory.log_alone { *rng.choose(&laboratory.rooms) } else { laboratory.rooms[0] };
            faults.capacity = (rng.below(5) == 0).then(|| disk.used() + rng.below(room));
        }
        disk.set_faults(faults);
        let opened = open(&disk, &options).ok();
        trace(|| format!("life {life}: {faults:?} {:?}", opened.as_ref().map(|store| store.recovery().to_vec())));
        if let Some(store) = &opened {
            assert_eq!(store.health(), Health::Ok, "seed {seed}: a crash was taken for damage");
            if let Ok(found) = read(store) {
                let Some(state) = recognise(&found, &candidates) else {
                    panic!("seed {seed}, life {life}: found {found:#?}\nwhich is none of {candidates:#?}");
                };
                // None at all: what was served once must be there also after a power cut right away.
                let groups = rng.below(12);
                candidates = live(store, &mut rng, laboratory, state, &mut n, groups);
            } else {
                assert!(faults.power_off_at.is_some() || faults.write_fails_at.is_some(), "seed {seed}: a read failed");
            }
            if last {
                if !laboratory.log_alone {
                    // Counts what is there now; what comes and goes from here on is added and taken off.
                    let _ = store.stats();
                }
                store.checkpoint().unwrap();
                assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0], "seed {seed}: counts of segments");
                assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "seed {seed}: the index");
                store.core.write_footers();
                let done = store.compact();
                trace(|| format!("  compact: {done:?}"));
                done.unwrap();
                store.checkpoint().unwrap();
                assert_eq!(lock(&store.core.spared).clone(), BTreeMap::new(), "seed {seed}: segments that were spared");
                assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0], "seed {seed}: counts of segments");
                assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "seed {seed}: the index");
                let (files, referred) = bulk_segments(store, &disk);
                assert_eq!(files, referred, "seed {seed}: bulk files, and what is referred to");
                let bytes = disk.files("bulk/").iter().map(|(_, bytes)| bytes).sum();
                assert_eq!(store.stats().bulk_stored_bytes, Some(bytes), "seed {seed}: bytes of bulk files");
            }
        } else {
            assert!(!last, "seed {seed}: {:?}", open(&disk, &options).err());
        }
        if rng.below(4) == 0 {
            drop(opened);
            disk.kill();
            trace(|| "closed".to_owned());
        } else {
            disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
            drop(opened);
            let killed = rng.below(2) == 0;
            if killed {
                disk.kill()
            } else {
                disk.cut_power()
            }
            trace(|| (if killed { "killed" } else { "power cut" }).to_owned());
        }
        if laboratory.log_alone && rng.below(4) == 0 {
            disk.lose("index.redb");
            trace(|| "index lost".to_owned());
        }
    }
}

/// Runs the seeds that `SIM_SEED` and `SIM_COUNT` choose, and says how far it is after every so many where there are
/// more.
fn explore(schedule: fn(u64), count: u64) {
    const PROGRESS: u64 = 10_000;
    let chosen = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let first: u64 = chosen("SIM_SEED").unwrap_or(0);
    let count = chosen("SIM_COUNT").unwrap_or(count);
    for seed in first..first + count {
        schedule(seed);
        let done = seed + 1 - first;
        if done.is_multiple_of(PROGRESS) {
            println!("seeds {first} to {seed}: {done} done, none failed");
        }
    }
}

#[test]
fn every_crash_leaves_a_prefix_that_contains_all_that_was_acknowledged() {
    explore(schedule, 1000);
}

#[test]
fn every_crash_of_the_log_alone_leaves_a_prefix_that_contains_all_that_was_acknowledged() {
    explore(schedule_of_the_log, 1500);
}

/// The index could not be opened once, was set aside, and came back with the next power cut.
#[test]
fn an_index_that_was_set_aside_does_not_come_back() {
    schedule(300_235);
}

/// The index could not be opened again on a full disk since its sync had failed, and segments were freed by what was in
/// memory.
#[test]
fn an_index_whose_sync_failed_on_a_full_disk_frees_nothing() {
    schedule(603_108);
}

/// A write that failed had left a whole record without its padding, which was taken over on a full disk: the index knew
/// more of the segment than there was.
#[test]
fn a_record_without_its_padding_is_made_whole_where_it_is() {
    schedule_of_the_log(7_703_683);
}
