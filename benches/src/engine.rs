//! The engine alone, in process: what a durable put, a page of a list and a rebuild take before HTTP adds anything, beside what
//! the disk allows.
//!
//! Promises about the log and the index are promises of the engine; measured through a node they would drown in the socket.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::{
    Attributes, Body, BucketId, BucketName, Bytes, Commit, ETag, ListQuery, NewBucket, ObjectKey, Options,
    Precondition, Put, Store, Stored, Versioning,
};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use serde_json::json;
use tokio::task::JoinSet;

use crate::arguments::Engine;
use crate::content::Content;
use crate::fact::{Fact, median};
use crate::failure::{Context, Failure, Result};
use crate::machine;
use crate::process::processor_time;
use crate::report::{number, table};
use crate::work::scattered;

const BODY_BYTES: u64 = 4096;
/// Concurrent puts, as of so many clients who each wait for their answer.
const MANY: usize = 64;
/// What a put of a benchmark body appends to the log: the body, and a header with key and metadata.
const RECORD_BYTES: usize = 4248;
/// The size of a log segment, unless the file system is small.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Keys to a prefix, in the buckets that are listed by delimiter.
const KEYS_PER_PREFIX: [usize; 3] = [10, 100, 1000];
/// A page of a list.
const PAGE_KEYS: usize = 1000;
/// Puts in flight while a store is filled.
const FILLING: usize = 512;

/// Measures the engine and prints what was found.
pub(crate) fn run(arguments: &Engine) -> Result<()> {
    let load_before = machine::load_average()?;
    let place = tempfile::tempdir_in(&arguments.turns.directory);
    let place = place.context(format!("a directory in {}", arguments.turns.directory.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("starting the runtime")?;
    let mut facts = puts(arguments, &runtime, place.path())?;
    facts.extend(index(arguments, &runtime, &place.path().join("listed"))?);

    println!("machine: {}", machine::line()?);
    println!("data on: {}", machine::file_system(&arguments.turns.directory)?);
    println!("rounds: {} of {} s each, in turn", arguments.turns.rounds, arguments.turns.seconds);
    println!("load average: {load_before} before, {} after\n", machine::load_average()?);
    let header = ["", "median", "unit"].map(String::from).to_vec();
    let rows = facts.iter().map(|fact| vec![fact.name.clone(), number(Some(fact.value)), fact.unit.into()]);
    print!("{}", table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()));
    if let Some(path) = &arguments.turns.json {
        let facts = facts.iter().map(|fact| json!({ "name": fact.name, "value": fact.value, "unit": fact.unit }));
        let text = format!("{:#}\n", json!({ "facts": facts.collect::<Vec<_>>() }));
        std::fs::write(path, text).context(format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// A run of operations, one after the other or at once.
struct Turn {
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Durable puts of one client and of many, each round beside synced writes to a file that is made as a segment is.
fn puts(arguments: &Engine, runtime: &tokio::runtime::Runtime, place: &Path) -> Result<Vec<Fact>> {
    eprintln!("puts");
    let time = Duration::from_secs_f64(arguments.turns.seconds);
    let store = Store::open(&place.join("puts"), Options::default()).context("opening a store")?;
    let bucket = new_bucket(&store, "puts")?;
    let body = Bytes::copy_from_slice(Content::of(BODY_BYTES, 9).chunk(0));
    let (mut one, mut many, mut reserved, mut zeroed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut done = 0_usize;
    for _ in 0..arguments.turns.rounds {
        reserved.push(synced_writes(&place.join("reserved"), Prepared::Reserved, time)?);
        zeroed.push(synced_writes(&place.join("zeroed"), Prepared::Zeroed, time)?);
        one.push(turn(time, || {
            done += 1;
            put(&store, bucket, scattered(done), &body)?.wait().map(|_| ()).context("putting")
        })?);
    }
    let (before, written) = (store.stats(), machine::disk_written_bytes(place)?);
    for _ in 0..arguments.turns.rounds {
        let (turned, puts) = runtime.block_on(at_once(&store, bucket, done, &body, time))?;
        done += puts;
        many.push(turned);
    }
    let (after, now_written) = (store.stats(), machine::disk_written_bytes(place)?);
    store.close().context("closing the store")?;
    let records = (after.records - before.records) as f64;
    let written = written.zip(now_written).map(|(before, after)| (after - before) as f64);

    let over = |turns: &[Turn], of: fn(&Turn) -> f64| median(turns.iter().map(of));
    let ratio =
        |ours: &[Turn], other: &[Turn]| median(ours.iter().zip(other).map(|(ours, other)| ours.rate / other.rate));
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Option<f64>, unit| facts.extend(value.map(|value| Fact::new(name, value, unit)));
    fact("limit: pwrite + fdatasync as long as a record, reserved file", over(&reserved, |turn| turn.rate), "1/s");
    fact("limit: the same, pre-zeroed file", over(&zeroed, |turn| turn.rate), "1/s");
    fact("durable put of 4 KiB, 1 client", over(&one, |turn| turn.rate), "1/s");
    fact("durable put of 4 KiB, 1 client, p50", over(&one, |turn| turn.p50), "us");
    fact("durable put of 4 KiB, 1 client, p99", over(&one, |turn| turn.p99), "us");
    fact("durable put of 4 KiB, 1 client / reserved file", ratio(&one, &reserved), "ratio");
    fact("durable put of 4 KiB, 1 client / pre-zeroed file", ratio(&one, &zeroed), "ratio");
    fact("durable put of 4 KiB, 64 clients", over(&many, |turn| turn.rate), "1/s");
    fact("durable put of 4 KiB, 64 clients, p50", over(&many, |turn| turn.p50), "us");
    fact("durable put of 4 KiB, 64 clients, p99", over(&many, |turn| turn.p99), "us");
    fact("durable put of 4 KiB, 64 clients / 1", ratio(&many, &one), "ratio");
    fact("log per 4 KiB object", Some((after.log_bytes - before.log_bytes) as f64 / records), "bytes");
    let amplification = written.map(|written| written / (records * BODY_BYTES as f64));
    fact("written to the disk for each byte put, 64 clients, as long as that went on", amplification, "ratio");
    Ok(facts)
}

/// How a file is made before it is written to.
#[derive(Clone, Copy)]
enum Prepared {
    /// Its space is set aside and its length grows, as of a log segment.
    Reserved,
    /// Its blocks are written already.
    Zeroed,
}

/// Records appended and synced, one after the other.
fn synced_writes(path: &Path, prepared: Prepared, time: Duration) -> Result<Turn> {
    let doing = || format!("writing {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).open(path).context(doing())?;
    match prepared {
        Prepared::Reserved => fallocate(&file, FallocateFlags::KEEP_SIZE, 0, SEGMENT_BYTES).context(doing())?,
        Prepared::Zeroed => zero(&file).context(doing())?,
    }
    file.sync_all().context(doing())?;
    let record = Content::of(RECORD_BYTES as u64, 3);
    let mut offset = 0;
    let turned = turn(time, || {
        file.write_all_at(record.chunk(0), offset).context(doing())?;
        offset = (offset + RECORD_BYTES as u64) % (SEGMENT_BYTES - RECORD_BYTES as u64);
        fdatasync(&file).context(doing())
    });
    std::fs::remove_file(path).context(format!("removing {}", path.display()))?;
    turned
}

fn zero(file: &File) -> std::io::Result<()> {
    let zeros = vec![0; 1 << 20];
    (0..SEGMENT_BYTES).step_by(zeros.len()).try_for_each(|start| file.write_all_at(&zeros, start))
}

/// Does `work` again and again.
fn turn(time: Duration, mut work: impl FnMut() -> Result<()>) -> Result<Turn> {
    let (started, mut latencies) = (Instant::now(), Vec::new());
    while started.elapsed() < time {
        let before = Instant::now();
        work()?;
        latencies.push(before.elapsed());
    }
    Ok(Turn::of(latencies, started.elapsed()))
}

impl Turn {
    fn of(mut latencies: Vec<Duration>, elapsed: Duration) -> Turn {
        latencies.sort();
        let at = |share: f64| {
            let last = latencies.len().saturating_sub(1);
            latencies.get((last as f64 * share) as usize).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
        };
        Turn { rate: latencies.len() as f64 / elapsed.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
    }
}

/// Puts of many clients, each of whom begins the next when one is done; how many there were.
async fn at_once(store: &Store, bucket: BucketId, first: usize, body: &Bytes, time: Duration) -> Result<(Turn, usize)> {
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..MANY {
        let (store, body) = (store.clone(), body.clone());
        clients.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < time {
                let before = Instant::now();
                let name = scattered(first + 1 + client + latencies.len() * MANY);
                put(&store, bucket, name, &body)?.await.context("putting")?;
                latencies.push(before.elapsed());
            }
            Ok::<_, Failure>(latencies)
        });
    }
    let mut latencies = Vec::new();
    let mut most = 0;
    while let Some(client) = clients.join_next().await {
        let client = client.context("a client of the benchmark")??;
        most = most.max(client.len());
        latencies.extend(client);
    }
    // Names that were left out are not used again.
    Ok((Turn::of(latencies, started.elapsed()), most * MANY))
}

/// Lists of many objects, and their index made anew.
fn index(arguments: &Engine, runtime: &tokio::runtime::Runtime, directory: &Path) -> Result<Vec<Fact>> {
    let objects: usize = KEYS_PER_PREFIX.iter().map(|keys| keys * arguments.prefixes).sum();
    eprintln!("filling a store with {objects} objects");
    let store = Store::open(directory, Options::default()).context("opening a store")?;
    let mut buckets = Vec::new();
    for keys in KEYS_PER_PREFIX {
        let bucket = new_bucket(&store, &format!("keys-{keys}"))?;
        runtime.block_on(fill(&store, bucket, arguments.prefixes, keys))?;
        buckets.push((bucket, keys));
    }
    // Lists are of what the index holds, not of what is still in memory.
    store.close().context("closing the store")?;
    drop(store);
    let started = Instant::now();
    let store = Store::open(directory, Options::default()).context("opening the store")?;
    let mut facts = vec![
        Fact::new(format!("opening {objects} objects after an orderly end"), milliseconds(started.elapsed()), "ms"),
        Fact::new("index per object", store.stats().index_bytes as f64 / objects as f64, "bytes"),
    ];

    eprintln!("lists");
    let time = Duration::from_secs_f64(arguments.turns.seconds);
    let mut turns: Vec<Vec<Turn>> = (0..=buckets.len()).map(|_| Vec::new()).collect();
    for _ in 0..arguments.turns.rounds {
        let mut page = 0_usize;
        for ((bucket, _), turns) in buckets.iter().zip(&mut turns) {
            turns.push(turn(time, || list(&store, *bucket, Some("/"), None, arguments.prefixes.min(PAGE_KEYS)))?);
        }
        if let (Some((bucket, keys)), Some(turns)) = (buckets.last(), turns.last_mut()) {
            turns.push(turn(time, || {
                page = (page + 7919) % arguments.prefixes;
                let after = name(page, 0);
                list(&store, *bucket, None, Some(after), PAGE_KEYS.min((arguments.prefixes - page) * keys - 1))
            })?);
        }
    }
    let names = KEYS_PER_PREFIX.map(|keys| format!("page of 1,000 common prefixes, {keys} keys to a prefix"));
    let names = names.into_iter().chain([format!("page of 1,000 keys, of {objects} objects")]);
    for (name, turns) in names.zip(&turns) {
        facts.extend(median(turns.iter().map(|turn| turn.p50)).map(|value| Fact::new(name, value, "us")));
    }
    store.close().context("closing the store")?;
    drop(store);

    eprintln!("rebuilds");
    let (mut rates, mut per_core) = (Vec::new(), Vec::new());
    for _ in 0..arguments.turns.rounds {
        std::fs::remove_file(directory.join("index.redb")).context("removing the index")?;
        let (started, before) = (Instant::now(), processor_time(std::process::id())?);
        let store = Store::open(directory, Options::default()).context("opening without an index")?;
        rates.push(objects as f64 / started.elapsed().as_secs_f64());
        let used = processor_time(std::process::id())? - before;
        per_core.push(objects as f64 / used.as_secs_f64());
        for (bucket, _) in &buckets {
            list(&store, *bucket, Some("/"), None, arguments.prefixes.min(PAGE_KEYS))?;
        }
        store.close().context("closing the store")?;
    }
    facts.extend(median(rates).map(|rate| Fact::new("opening without an index: objects rebuilt", rate, "1/s")));
    facts.extend(
        median(per_core).map(|rate| Fact::new("opening without an index: objects rebuilt", rate, "1/s of CPU")),
    );
    Ok(facts)
}

/// Objects of a few bytes, `keys` to a prefix.
async fn fill(store: &Store, bucket: BucketId, prefixes: usize, keys: usize) -> Result<()> {
    let body = Bytes::from_static(b"sixteen bytes...");
    let mut filling: JoinSet<std::result::Result<Stored, engine::Error>> = JoinSet::new();
    for number in 0..prefixes * keys {
        if filling.len() == FILLING
            && let Some(filled) = filling.join_next().await
        {
            filled.context("a put of the benchmark")?.context("putting")?;
        }
        filling.spawn(put(store, bucket, name(number / keys, number % keys), &body)?);
    }
    while let Some(filled) = filling.join_next().await {
        filled.context("a put of the benchmark")?.context("putting")?;
    }
    Ok(())
}

fn name(prefix: usize, key: usize) -> String {
    format!("prefix-{prefix:06}/key-{key:06}")
}

/// One page, which must be as long as is known.
fn list(
    store: &Store,
    bucket: BucketId,
    delimiter: Option<&str>,
    after: Option<String>,
    expected: usize,
) -> Result<()> {
    let query = ListQuery {
        bucket,
        prefix: String::new(),
        delimiter: delimiter.map(str::to_owned),
        start_after: after,
        max_keys: PAGE_KEYS,
    };
    let page = store.list(&query).context("listing")?;
    let found = page.entries.len() + page.common_prefixes.len();
    if found == expected { Ok(()) } else { Err(Failure::new(format!("a page of {found} instead of {expected}"))) }
}

fn put(store: &Store, bucket: BucketId, key: String, body: &Bytes) -> Result<Commit<Stored>> {
    Ok(store.put(Put {
        bucket,
        key: ObjectKey::parse(&key).context("a key of the benchmark")?,
        body: Body::Inline(body.clone()),
        etag: ETag::of_body([7; 16]),
        attributes: Attributes::default(),
        precondition: Precondition::default(),
    }))
}

fn new_bucket(store: &Store, name: &str) -> Result<BucketId> {
    let new = NewBucket {
        name: BucketName::parse(name).context("a bucket of the benchmark")?,
        owner: "benchmark".into(),
        versioning: Versioning::Unversioned,
        attributes: Bytes::new(),
    };
    Ok(store.create_bucket(new).wait().context("creating a bucket")?.id)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
