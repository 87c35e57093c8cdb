//! Durable 4 KiB puts and warm gets per second at 1, 16 and 64 threads, beside the disk's own limit.
//!
//! `cargo run --release -p engine --example throughput [DIRECTORY]`; run by people, asserts nothing. On a data directory
//! it measures how long opening takes, which is how recovery after a kill is timed.
#![allow(clippy::disallowed_methods, reason = "the limit is measured beside the engine, not through it")]

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::{
    Attributes, Body, BucketId, BucketName, Bytes, ETag, NewBucket, ObjectKey, Options, Precondition, Put, Store,
    Versioning, Wait,
};

const OBJECT_BYTES: usize = 4096;
const SECONDS: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    if directory.join("FORMAT").exists() {
        return reopen(&directory);
    }
    let directory = directory.join(format!("strongroom-throughput-{}", std::process::id()));
    let outcome = measure(&directory);
    remove(&directory)?;
    outcome
}

fn reopen(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let store = Store::open(directory, Options::default())?;
    let objects: u64 = store.buckets().iter().map(|bucket| store.bucket_usage(bucket.id).objects).sum();
    println!("opened {objects} objects in {:.0} ms: {:?}", started.elapsed().as_secs_f64() * 1e3, store.health());
    Ok(())
}

fn measure(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::open(&directory.join("store"), Options::default())?;
    let new = NewBucket {
        name: BucketName::parse("bench")?,
        owner: String::new(),
        versioning: Versioning::Unversioned,
        attributes: Bytes::new(),
    };
    let bucket = store.create_bucket(new).wait()?.id;
    println!("raw pwrite + fdatasync of 4 KiB, one thread: {:.0}/s", raw(&directory.join("raw"))?);
    println!("{:>8} {:>12} {:>14} {:>12}", "threads", "puts/s", "syncs per put", "gets/s");
    for threads in [1, 16, 64] {
        let before = store.stats();
        let puts = run(threads, |thread, n| put(&store, bucket, &format!("{threads}/{thread}/{n:08}")));
        let after = store.stats();
        let records = after.records - before.records;
        let syncs = (after.log_syncs - before.log_syncs) as f64 / records as f64;
        let gets = run(threads, |thread, n| get(&store, bucket, &format!("{threads}/{thread}/{:08}", n % 100)));
        println!("{threads:>8} {puts:>12.0} {syncs:>14.3} {gets:>12.0}");
    }
    let started = Instant::now();
    store.close()?;
    println!("close: {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    drop(store);
    let started = Instant::now();
    let store = Store::open(&directory.join("store"), Options::default())?;
    let objects = store.bucket_usage(bucket).objects;
    println!("reopen with {objects} objects: {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    bulk(&store)?;
    Ok(())
}

/// Operations per second of `threads` threads.
fn run(threads: usize, operation: impl Fn(usize, u64) + Sync) -> f64 {
    let total = AtomicU64::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (total, operation) = (&total, &operation);
            scope.spawn(move || {
                let mut n = 0;
                while started.elapsed() < SECONDS {
                    operation(thread, n);
                    n += 1;
                }
                total.fetch_add(n, Ordering::Relaxed);
            });
        }
    });
    total.into_inner() as f64 / started.elapsed().as_secs_f64()
}

fn put(store: &Store, bucket: BucketId, name: &str) {
    let put = Put {
        bucket,
        key: ObjectKey::parse(name).expect("a short key is a key"),
        body: Body::Inline(Bytes::from_static(&[7; OBJECT_BYTES])),
        etag: ETag::of_body([7; 16]),
        attributes: Attributes {
            headers: vec![("content-type".to_owned(), "application/octet-stream".to_owned())],
            ..Attributes::default()
        },
        precondition: Precondition::default(),
    };
    store.put(put).wait().expect("a put of the benchmark succeeds");
}

fn get(store: &Store, bucket: BucketId, name: &str) {
    let key = ObjectKey::parse(name).expect("a short key is a key");
    let object = store.open_object(bucket, &key, None, Wait::Never);
    let object = object.or_else(|_| store.open_object(bucket, &key, None, Wait::Allowed));
    let data = object.and_then(|object| object.read(0, OBJECT_BYTES, Wait::Never));
    assert_eq!(data.expect("a get of the benchmark succeeds").len(), OBJECT_BYTES);
}

/// 64 MiB bodies through one bulk writer.
fn bulk(store: &Store) -> Result<(), Box<dyn std::error::Error>> {
    let chunk = vec![3; 1 << 20];
    for _ in 0..3 {
        let started = Instant::now();
        let mut writer = store.bulk_writer()?;
        for _ in 0..64 {
            writer.write(&chunk)?;
        }
        let body = writer.finish()?;
        println!("64 MiB bulk segment: {:.0} MiB/s", 64.0 / started.elapsed().as_secs_f64());
        drop(body);
    }
    Ok(())
}

fn raw(path: &Path) -> std::io::Result<f64> {
    let file = std::fs::File::create(path)?;
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < SECONDS {
        file.write_all_at(&[7; OBJECT_BYTES], count * OBJECT_BYTES as u64)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

fn remove(directory: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(directory)
}
