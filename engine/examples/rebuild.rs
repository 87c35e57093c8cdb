//! How fast a store opens: with its index, as a killed process leaves it, and without an index.
//!
//! `cargo run --release -p engine --example rebuild -- DIRECTORY [OBJECTS] [BYTES]`
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a measurement reads the clock and real files")]

use std::path::PathBuf;
use std::time::Instant;

use engine::*;

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory"));
    let objects: u64 = arguments.next().map_or(1_000_000, |text| text.parse().unwrap());
    let bytes: usize = arguments.next().map_or(100, |text| text.parse().unwrap());
    let _ = std::fs::remove_dir_all(&directory);
    let data = directory.join("data");
    let options = Options { durability: Durability::Relaxed, ..Options::default() };
    let store = Store::open(&data, options.clone()).unwrap();
    let new = NewBucket {
        name: BucketName::parse("bucket").unwrap(),
        owner: String::new(),
        versioning: Versioning::Unversioned,
        attributes: Bytes::new(),
    };
    let bucket = store.create_bucket(new).wait().unwrap().id;
    let body = Bytes::from(vec![7; bytes]);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..16u64 {
            let (store, body) = (&store, &body);
            scope.spawn(move || {
                for n in (thread..objects).step_by(16) {
                    let key = format!("{:016x}/{n}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    loop {
                        let put = Put {
                            bucket,
                            key: ObjectKey::parse(&key).unwrap(),
                            body: Body::Inline(body.clone()),
                            etag: ETag::of_body([1; 16]),
                            attributes: Attributes::default(),
                            precondition: Precondition::default(),
                        };
                        match store.put(put).wait() {
                            Err(Error::Busy) => std::thread::sleep(std::time::Duration::from_millis(1)),
                            stored => {
                                stored.unwrap();
                                break;
                            }
                        }
                    }
                }
            });
        }
    });
    println!("put {objects} objects of {bytes} bytes: {:.0}/s", objects as f64 / start.elapsed().as_secs_f64());
    let killed = directory.join("killed");
    copy_tree(&data, &killed);
    store.close().unwrap();
    drop(store);
    let size = |path: PathBuf| std::fs::metadata(path).map_or(0, |found| found.len());
    println!("index.redb: {} bytes an object", size(data.join("index.redb")) / objects);
    let open = |path: &PathBuf, what: &str| {
        let start = Instant::now();
        let store = Store::open(path, options.clone()).unwrap();
        let taken = start.elapsed();
        println!("{what}: {taken:?}, {:.0} objects/s, {:?}", objects as f64 / taken.as_secs_f64(), store.recovery());
        assert_eq!(store.bucket_usage(bucket).objects, objects);
        store.close().unwrap();
    };
    open(&data, "closed");
    open(&killed, "killed");
    std::fs::remove_file(data.join("index.redb")).unwrap();
    open(&data, "without an index");
    println!("index.redb, rebuilt: {} bytes an object", size(data.join("index.redb")) / objects);
}
