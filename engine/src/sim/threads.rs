//! The store's own threads under a scheduler that chooses every interleaving by seed: committer, indexer, unlinker and
//! maintenance beside callers, on the simulated disk, with and without a power cut.
//!
//! Run with `RUSTFLAGS="--cfg shuttle"`. A failure names its schedule, which repeats it exactly. Time does not pass, so
//! nothing here may depend on a timeout: a wake-up that is lost is a deadlock. `THREADS_SEED` and `THREADS_COUNT`
//! choose the schedules.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use super::fixture::{bucket, delete, key, put, size_of};
use super::{Faults, SimClock, SimDisk};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Mutex, lock};
use crate::*;

/// redb recurses, and a coroutine has no more stack than it is given.
const STACK_BYTES: usize = 1 << 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs many schedules of one story: random ones, and those that change threads in few but telling places.
fn explore(count: u64, story: impl Fn() + Send + Sync + Clone + 'static) {
    let config = || {
        let mut config = Config::new();
        config.stack_size = STACK_BYTES;
        config
    };
    let seed = number("THREADS_SEED", 0);
    let count = usize::try_from(number("THREADS_COUNT", count)).unwrap();
    Runner::new(RandomScheduler::new_from_seed(seed, count), config()).run(story.clone());
    Runner::new(PctScheduler::new_from_seed(seed, 3, count), config()).run(story);
}

fn options() -> Options {
    Options {
        segment_bytes: Some(4096),
        low_water_bytes: Some(0),
        memtable_entries_max: 4,
        index_cache_bytes: 1 << 16,
        maintenance_bytes_per_second: None,
        ..Options::default()
    }
}

fn open(disk: &Arc<SimDisk>) -> Store {
    Store::open_threaded(Arc::new(Arc::clone(disk)), Arc::new(SimClock::default()), options()).unwrap()
}

fn spawn(store: &Store, act: impl FnOnce(Store) + Send + 'static) -> JoinHandle<()> {
    let store = store.clone();
    thread::spawn(move || act(store))
}

fn join(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        handle.join().unwrap();
    }
}

/// Each caller adds one to a counter, again and again, on condition that nobody else did meanwhile.
#[test]
fn conditional_puts_of_many_callers_are_linearizable() {
    explore(60, || {
        let disk = SimDisk::new(1);
        let store = open(&disk);
        let bucket = bucket(&store);
        put(&store, bucket, "counter", 1).unwrap();
        let callers = (0..3).map(|_| {
            spawn(&store, move |store| {
                let mut added = 0;
                while added < 2 {
                    let now = store.head(bucket, &key("counter"), None, Wait::Allowed).unwrap();
                    let size = usize::try_from(now.size).unwrap() + 1;
                    let mut md5 = [0; 16];
                    md5[0] = size as u8;
                    let precondition =
                        Precondition { if_match: Some(Match::ETags(vec![now.etag])), ..Precondition::default() };
                    let put = Put {
                        bucket,
                        key: key("counter"),
                        body: Body::Inline(vec![7; size].into()),
                        etag: ETag::of_body(md5),
                        attributes: Attributes::default(),
                        precondition,
                    };
                    match store.put(put).wait() {
                        Ok(_) => added += 1,
                        Err(Error::PreconditionFailed | Error::Busy) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        join(callers.collect());
        assert_eq!(size_of(&store, bucket, "counter"), Some(7));
        store.close().unwrap();
    });
}

/// What was acknowledged is seen by whoever looks afterwards, in whichever of memtables and index it is just then.
#[test]
fn no_acknowledged_key_is_missing_while_memtables_are_handed_over() {
    explore(60, || {
        let disk = SimDisk::new(2);
        let store = open(&disk);
        let bucket = bucket(&store);
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut handles = Vec::new();
        for caller in 0..2 {
            let written = Arc::clone(&written);
            handles.push(spawn(&store, move |store| {
                for n in 0..5 {
                    let name = format!("{caller}-{n}");
                    put(&store, bucket, &name, 10 + n).unwrap();
                    lock(&written).push((name, 10 + n));
                }
            }));
        }
        for _ in 0..2 {
            let written = Arc::clone(&written);
            handles.push(spawn(&store, move |store| {
                for _ in 0..4 {
                    let seen = lock(&written).clone();
                    let query =
                        ListQuery { bucket, prefix: String::new(), delimiter: None, start_after: None, max_keys: 1000 };
                    let listed = store.list(&query).unwrap().entries.len();
                    assert!(listed >= seen.len(), "{listed} of {}", seen.len());
                    for (name, size) in seen {
                        assert_eq!(size_of(&store, bucket, &name), Some(size), "{name}");
                    }
                    store.checkpoint().unwrap();
                }
            }));
        }
        join(handles);
        store.close().unwrap();
        drop(store);
        disk.kill();
        let store = Store::open_with(Arc::new(Arc::clone(&disk)), Arc::new(SimClock::default()), options()).unwrap();
        assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0]);
        assert_eq!(store.bucket_usage(bucket).objects, 10);
    });
}

fn put_bulk(store: &Store, bucket: BucketId, name: &str, salt: u8) {
    let mut writer = store.bulk_writer().unwrap();
    writer.write(&[salt; 3000]).unwrap();
    let put = Put {
        bucket,
        key: key(name),
        body: Body::Bulk(writer.finish().unwrap()),
        etag: ETag::of_body([salt; 16]),
        attributes: Attributes::default(),
        precondition: Precondition::default(),
    };
    store.put(put).wait().unwrap();
}

/// A reader sees one version, whole, however often its key is replaced and whatever is unlinked or moved meanwhile.
#[test]
fn readers_and_copies_never_see_freed_bytes() {
    explore(60, || {
        let disk = SimDisk::new(3);
        let store = open(&disk);
        let bucket = bucket(&store);
        put_bulk(&store, bucket, "bulk", 1);
        put(&store, bucket, "inline", 1000).unwrap();
        let writer = spawn(&store, move |store| {
            for salt in 2..5 {
                put_bulk(&store, bucket, "bulk", salt);
                for n in 0..3 {
                    put(&store, bucket, "inline", 1000 + n).unwrap();
                }
            }
            delete(&store, bucket, "bulk").unwrap();
        });
        let compactor = spawn(&store, |store| {
            for _ in 0..2 {
                _ = store.compact().unwrap();
            }
        });
        let reader = spawn(&store, move |store| {
            for n in 0..4 {
                match store.open_object(bucket, &key("bulk"), None, Wait::Allowed) {
                    Ok(object) => {
                        let salt = object.info.etag.md5[0];
                        let copied = store.share(
                            &object,
                            bucket,
                            key(&format!("copy{n}")),
                            object.info.etag,
                            Attributes::default(),
                            Precondition::default(),
                        );
                        let copied = copied.wait().is_ok();
                        assert!(object.read(0, 3000, Wait::Allowed).unwrap() == vec![salt; 3000]);
                        if copied {
                            let copy = store.open_object(bucket, &key(&format!("copy{n}")), None, Wait::Allowed);
                            assert!(copy.unwrap().read(0, 3000, Wait::Allowed).unwrap() == vec![salt; 3000]);
                        }
                    }
                    Err(Error::NoSuchKey) => {}
                    Err(error) => panic!("{error}"),
                }
                let object = store.open_object(bucket, &key("inline"), None, Wait::Allowed).unwrap();
                let size = usize::try_from(object.info.size).unwrap();
                assert!(object.read(0, size, Wait::Allowed).unwrap() == vec![7; size]);
            }
        });
        join(vec![writer, compactor, reader]);
        store.close().unwrap();
        drop(store);
        disk.kill();
        let store = Store::open_with(Arc::new(Arc::clone(&disk)), Arc::new(SimClock::default()), options()).unwrap();
        store.compact().unwrap();
        store.checkpoint().unwrap();
        assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0]);
        assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0]);
        let (files, referred) = super::crash::bulk_segments(&store, &disk);
        assert_eq!(files, referred);
    });
}

/// The power goes at any call to the disk, with all threads at work: what was acknowledged is there, each key as it was
/// last acknowledged or as a mutation has it that was under way.
#[test]
fn a_power_cut_under_all_threads_loses_nothing_acknowledged() {
    let effect = Arc::new(std::sync::atomic::AtomicU64::new(0));
    explore(150, move || {
        let life = effect.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let disk = SimDisk::new(life);
        let store = open(&disk);
        let bucket = bucket(&store);
        let horizon = 20 + life % 120;
        disk.set_faults(Faults { power_off_at: Some(disk.effects() + horizon), ..Faults::default() });
        // By key: the sizes that may be found.
        let possible: Arc<Mutex<BTreeMap<String, Vec<Option<usize>>>>> = Arc::default();
        let mut handles = Vec::new();
        for caller in 0..2 {
            let possible = Arc::clone(&possible);
            handles.push(spawn(&store, move |store| {
                for n in 0..12 {
                    let name = format!("{caller}-{}", n % 3);
                    let next = (n % 5 != 4).then_some(200 + n);
                    lock(&possible).entry(name.clone()).or_insert_with(|| vec![None]).push(next);
                    let done = match next {
                        Some(size) => put(&store, bucket, &name, size).is_ok(),
                        None => delete(&store, bucket, &name).is_ok(),
                    };
                    if !done {
                        return;
                    }
                    lock(&possible).insert(name, vec![next]);
                }
            }));
        }
        handles.push(spawn(&store, |store| {
            for _ in 0..2 {
                // Whatever comes of it.
                let _ = store.compact();
                let _ = store.checkpoint();
            }
        }));
        join(handles);
        disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
        let _ = store.close();
        drop(store);
        if life.is_multiple_of(3) {
            disk.kill()
        } else {
            disk.cut_power()
        }
        if life.is_multiple_of(4) {
            disk.lose("index.redb");
        }
        let store = Store::open_with(Arc::new(Arc::clone(&disk)), Arc::new(SimClock::default()), options()).unwrap();
        assert_eq!(store.health(), Health::Ok, "life {life}");
        for (name, sizes) in &*lock(&possible) {
            let found = size_of(&store, bucket, name);
            assert!(sizes.contains(&found), "life {life}: {name}: {found:?} is none of {sizes:?}");
        }
        store.checkpoint().unwrap();
        assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0], "life {life}");
        assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "life {life}");
    });
}

/// The index is copied while it is applied to, read and freed by.
#[test]
fn a_vacuum_under_all_threads_changes_no_answer() {
    explore(60, || {
        let disk = SimDisk::new(5);
        let store = open(&disk);
        let bucket = bucket(&store);
        let writers = (0..2).map(|caller| {
            spawn(&store, move |store| {
                for n in 0..8 {
                    let name = format!("{caller}-{}", n % 5);
                    put(&store, bucket, &name, 500 + n).unwrap();
                    assert_eq!(size_of(&store, bucket, &name), Some(500 + n));
                }
            })
        });
        let mut handles: Vec<_> = writers.collect();
        handles.push(spawn(&store, |store| {
            for _ in 0..2 {
                store.core.vacuum().unwrap();
                _ = store.compact().unwrap();
            }
        }));
        join(handles);
        store.close().unwrap();
        drop(store);
        disk.cut_power();
        let store = Store::open_with(Arc::new(Arc::clone(&disk)), Arc::new(SimClock::default()), options()).unwrap();
        assert_eq!(store.recovery(), [""; 0]);
        assert_eq!(store.bucket_usage(bucket).objects, 10);
        store.checkpoint().unwrap();
        assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0]);
        assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0]);
    });
}

/// Who waits for a lock and goes away, or is never told, holds nobody up.
#[test]
fn gates_admit_everybody_in_the_end() {
    explore(400, || {
        let gate: Arc<crate::gate::Gate> = Arc::default();
        let inside = Arc::new(Mutex::new(0u32));
        let enter = |gate: &Arc<crate::gate::Gate>, exclusive: bool| {
            let entering = if exclusive { gate.exclusive() } else { gate.shared() };
            Commit::new(async move { Ok(entering.await) }).wait().unwrap()
        };
        let mut handles = Vec::new();
        for n in 0..4 {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            handles.push(thread::spawn(move || {
                let token = enter(&gate, n % 2 == 0);
                if n % 2 == 0 {
                    *lock(&inside) += 1;
                    assert_eq!(*lock(&inside), 1);
                    *lock(&inside) -= 1;
                }
                drop(token);
                // Asks, and goes away before it is told.
                let mut asking = gate.exclusive();
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                let _ = std::pin::Pin::new(&mut asking).poll(&mut context);
                drop(asking);
            }));
        }
        join(handles);
        drop(enter(&gate, true));
    });
}
