//! Every workload of up to three operations, cut off at every call to the disk: by a kill and by a power cut, in the
//! workload and again in the recovery from it.
//!
//! `SIM_STRIDE` says that only every so many-th case is run, 1 for all of them, and `SIM_FIRST` which of them is the first;
//! each case follows from its number.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::fixture::{bucket, delete, key, open, put, size_of};
use super::{Faults, SimClock, SimDisk};
use crate::*;

/// What a client, or the store by itself, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Put(&'static str, usize),
    PutBulk(&'static str, usize),
    Delete(&'static str),
    Configure(u8),
    Checkpoint,
    Compact,
    /// Also the next segment is written ahead.
    Footers,
}

const ALPHABET: [Operation; 8] = [
    Operation::Put("a", 40),
    Operation::Put("b", 2000),
    Operation::PutBulk("a", 700),
    Operation::Delete("a"),
    Operation::Configure(7),
    Operation::Checkpoint,
    Operation::Compact,
    Operation::Footers,
];

/// The sizes of all objects, and the row of configuration.
type State = (BTreeMap<&'static str, usize>, Option<u8>);

impl Operation {
    fn apply(self, (objects, row): &mut State) {
        match self {
            Operation::Put(name, size) | Operation::PutBulk(name, size) => _ = objects.insert(name, size),
            Operation::Delete(name) => _ = objects.remove(name),
            Operation::Configure(value) => *row = Some(value),
            Operation::Checkpoint | Operation::Compact | Operation::Footers => {}
        }
    }

    fn run(self, store: &Store, bucket: BucketId) -> Result<(), Error> {
        match self {
            Operation::Put(name, size) => put(store, bucket, name, size).map(drop),
            Operation::PutBulk(name, size) => {
                let mut writer = store.bulk_writer()?;
                writer.write(&vec![7; size])?;
                let body = Body::Bulk(writer.finish()?);
                let (attributes, precondition) = (Attributes::default(), Precondition::default());
                let put = Put { bucket, key: key(name), body, etag: ETag::of_body([7; 16]), attributes, precondition };
                store.put(put).wait().map(drop)
            }
            Operation::Delete(name) => delete(store, bucket, name).map(drop),
            Operation::Configure(value) => {
                store.put_config("n", "k", Bytes::copy_from_slice(&[value]), None).wait().map(drop)
            }
            Operation::Checkpoint => store.checkpoint(),
            Operation::Compact => store.compact().map(drop),
            Operation::Footers => {
                store.core.write_footers();
                store.core.make_spare();
                Ok(())
            }
        }
    }
}

fn options() -> Options {
    Options {
        segment_bytes: Some(4096),
        low_water_bytes: Some(0),
        memtable_entries_max: 3,
        index_cache_bytes: 1 << 16,
        ..Options::default()
    }
}

fn found(store: &Store, bucket: BucketId) -> State {
    let objects = ["a", "b", "c"].into_iter().filter_map(|name| Some((name, size_of(store, bucket, name)?)));
    let row = store.config("n", "k").unwrap();
    (objects.collect(), row.map(|row| row.value[0]))
}

/// A store with something to free, and with rows that the index does not have yet.
fn prepared(seed: u64) -> (Arc<SimDisk>, Store, BucketId, State) {
    let disk = SimDisk::new(seed);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    for size in [3000, 3100, 20] {
        put(&store, bucket, "a", size).unwrap();
    }
    put(&store, bucket, "c", 10).unwrap();
    (disk, store, bucket, (BTreeMap::from([("a", 20), ("c", 10)]), None))
}

/// How a case ends.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Calls to the disk before it.
    effects: u64,
    power: bool,
    /// Calls of the recovery before another one.
    again: Option<u64>,
}

/// The calls to the disk that a workload makes.
fn calls(workload: &[Operation]) -> u64 {
    let (disk, store, bucket, _) = prepared(0);
    let before = disk.effects();
    for operation in workload {
        operation.run(&store, bucket).unwrap();
    }
    disk.effects() - before
}

/// Runs a workload up to a cut.
fn run(workload: &[Operation], cut: Cut) {
    let what = || format!("{workload:?}, {cut:?}");
    let (disk, store, bucket, mut state) = prepared(cut.effects);
    let off_at = disk.effects() + cut.effects;
    disk.set_faults(Faults { power_off_at: Some(off_at), ..Faults::default() });
    let mut possible = vec![state.clone()];
    for operation in workload {
        operation.apply(&mut state);
        if operation.run(&store, bucket).is_err() {
            possible.push(state.clone());
            break;
        }
        possible = vec![state.clone()];
    }
    let end = |store: Option<Store>| {
        disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
        drop(store);
        if cut.power { disk.cut_power() } else { disk.kill() }
    };
    end(Some(store));
    if let Some(effects) = cut.again {
        disk.set_faults(Faults { power_off_at: Some(disk.effects() + effects), ..Faults::default() });
        let opened = Store::open_with(Arc::new(Arc::clone(&disk)), Arc::new(SimClock::default()), options());
        end(opened.ok());
    }
    let vfs = Arc::new(Arc::clone(&disk));
    let store = Store::open_with(vfs, Arc::new(SimClock::default()), options())
        .unwrap_or_else(|error| panic!("{}: {error}", what()));
    assert_eq!(store.health(), Health::Ok, "{}", what());
    let now = found(&store, bucket);
    assert!(possible.contains(&now), "{}: {now:?} is none of {possible:?}", what());
    store.checkpoint().unwrap();
    assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0], "{}", what());
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "{}", what());
    let (files, referred) = super::crash::bulk_segments(&store, &disk);
    assert_eq!(files, referred, "{}", what());
}

/// Every `stride`th case from `first` on; answers how many there were.
pub(super) fn explore(first: u64, stride: u64) -> u64 {
    let mut case = 0;
    let letters = ALPHABET.len();
    for number in 0..letters.pow(3) + letters.pow(2) + letters {
        // One operation, two, then three.
        let (length, number) = match number {
            n if n < letters => (1, n),
            n if n < letters + letters.pow(2) => (2, n - letters),
            n => (3, n - letters - letters.pow(2)),
        };
        let workload: Vec<Operation> =
            (0..length).map(|place| ALPHABET[number / letters.pow(place) % letters]).collect();
        for effects in 0..=calls(&workload) {
            for (power, again) in [(false, None), (true, None), (true, Some(effects % 14)), (false, Some(effects % 11))]
            {
                case += 1;
                if case % stride == first % stride {
                    run(&workload, Cut { effects, power, again });
                }
            }
        }
    }
    case
}

#[test]
fn every_short_workload_survives_a_cut_at_every_call_to_the_disk() {
    let chosen = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let stride = chosen("SIM_STRIDE").unwrap_or(199);
    let cases = explore(chosen("SIM_FIRST").unwrap_or(0), stride);
    assert!(cases > 10_000, "{cases}");
    println!("{} of {cases} cases", cases / stride);
}
