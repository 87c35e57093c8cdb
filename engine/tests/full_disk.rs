//! A small real file system filled to the brim: `ENGINE_SMALL_DIRECTORY` names a directory on one of 64 to 200 MiB.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::*;
use engine::*;

#[test]
#[ignore = "needs a small file system"]
fn a_full_file_system_serves_deletes_and_configuration_and_recovers_by_deleting() {
    let root = PathBuf::from(std::env::var_os("ENGINE_SMALL_DIRECTORY").expect("ENGINE_SMALL_DIRECTORY is set"));
    let path = root.join("data");
    let _ = std::fs::remove_dir_all(&path);
    let _ = std::fs::remove_file(root.join("filler"));
    let options = || Options { memtable_entries_max: 2000, ..Options::default() };
    let store = Store::open(&path, options()).unwrap();
    let bucket = new_bucket(&store, "datalake");
    let mut sizes = Vec::new();
    for n in 0..100_000usize {
        let size = [4096, 50_000, 300, 900_000, 1_500_000][n % 5];
        let outcome = (|| {
            let body = if size <= INLINE_BYTES_MAX {
                Body::Inline(bytes(size, n as u64).into())
            } else {
                let mut writer = store.bulk_writer()?;
                writer.write(&bytes(size, n as u64))?;
                Body::Bulk(writer.finish()?)
            };
            let key = key(&format!("k{n:05}"));
            let (attributes, precondition) = (Attributes::default(), Precondition::default());
            store.put(Put { bucket, key, body, etag: etag(1), attributes, precondition }).wait()
        })();
        match outcome {
            Ok(_) => sizes.push((n, size)),
            Err(Error::NoSpace) if n > 100 => break,
            Err(error) => panic!("{n}: {error}"),
        }
    }
    println!("{} objects until the disk was full: {:?}", sizes.len(), store.stats());
    let mut filler = std::fs::File::create(root.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let _ = filler.sync_all();
    for n in 0..3000 {
        let row = store.put_config("n", &format!("k{}", n % 50), Bytes::from(vec![n as u8; 200]), None).wait();
        row.unwrap_or_else(|error| panic!("row {n}: {error}, {:?}", store.stats()));
    }
    assert_eq!(store.health(), Health::Ok);
    for (n, size) in &sizes {
        assert_eq!(get(&store, bucket, &format!("k{n:05}")).unwrap(), bytes(*size, *n as u64), "{n}");
    }
    let (gone, kept) = sizes.split_at(sizes.len() * 9 / 10);
    for (n, _) in gone {
        delete(&store, bucket, &format!("k{n:05}"), None);
    }
    let start = Instant::now();
    let mut again = 0;
    while again < 20 {
        match store.put(put_request(&store, bucket, &format!("again{again}"), &bytes(500_000, again))).wait() {
            Ok(_) => again += 1,
            Err(Error::NoSpace) if start.elapsed() < Duration::from_secs(30) => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => panic!("{error} after {:?}, {:?}", start.elapsed(), store.stats()),
        }
    }
    println!("puts went on {:?} after the deletes, {:?}", start.elapsed(), store.stats());
    assert_eq!(store.health(), Health::Ok);
    store.close().unwrap();
    for index_too in [false, true] {
        if index_too {
            std::fs::remove_file(path.join("index.redb")).unwrap();
        }
        let store = Store::open(&path, options()).unwrap();
        assert_eq!(store.health(), Health::Ok);
        for (n, size) in kept {
            assert_eq!(get(&store, bucket, &format!("k{n:05}")).unwrap(), bytes(*size, *n as u64), "{n}");
        }
        assert_eq!(keys(&store, bucket).len(), kept.len() + 20);
        assert_eq!(store.config_rows("n").unwrap().len(), 50);
        store.close().unwrap();
    }
}
