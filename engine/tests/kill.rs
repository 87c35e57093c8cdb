//! kill -9 under load: what was acknowledged is there, whatever the committer, the indexer and compaction were at.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::*;
use engine::*;

const DIRECTORY: &str = "ENGINE_KILL_DIRECTORY";
const NAME: &str = "f10_what_was_acknowledged_survives_kill_9_under_load";
const KEYS: u64 = 40;
const THREADS: u64 = 4;

fn small() -> Options {
    Options {
        segment_bytes: Some(128 << 10),
        low_water_bytes: Some(0),
        memtable_entries_max: 300,
        ..Options::default()
    }
}

fn size_of(n: u64) -> usize {
    [300, 5000, 12_000, 70_000][(n % 4) as usize]
}

/// What the killed process does: each thread overwrites and deletes keys of its own and tells what was acknowledged.
fn child(directory: &Path) {
    let store = Store::open(directory, small()).unwrap();
    assert_eq!(store.health(), Health::Ok);
    let bucket = store.bucket("datalake").unwrap().id;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                let mut n = u64::from(std::process::id()) << 20;
                loop {
                    n += 1;
                    let name = format!("k{thread}-{}", n * 7 % KEYS);
                    let gone = n.is_multiple_of(5);
                    let what = if gone { "gone".to_owned() } else { n.to_string() };
                    println!("\nbegin {name} {what}");
                    if gone {
                        delete(store, bucket, &name, None);
                    } else {
                        put(store, bucket, &name, &bytes(size_of(n), n));
                    }
                    println!("\nend {name} {what}");
                    std::io::stdout().flush().unwrap();
                }
            });
        }
        scope.spawn(|| {
            loop {
                store.compact().unwrap();
                std::thread::sleep(Duration::from_millis(7));
            }
        });
    });
}

#[test]
fn f10_what_was_acknowledged_survives_kill_9_under_load() {
    // The process that is killed is this test once more.
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return child(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), small()).unwrap();
    let bucket = new_bucket(&store, "datalake");
    store.close().unwrap();
    drop(store);
    // By key: what may be there; the last one was acknowledged, or is what was under way.
    let mut possible: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut acknowledged = 0;
    for round in 0..12u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture", "--test-threads", "1"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(150 + round * 97 % 500));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            let words: Vec<_> = line.split(' ').collect();
            let [verb, name, what] = words[..] else { continue };
            let states = possible.entry(name.to_owned()).or_insert_with(|| vec!["gone".to_owned()]);
            match verb {
                "begin" => states.push(what.to_owned()),
                "end" => {
                    *states = vec![what.to_owned()];
                    acknowledged += 1;
                }
                _ => {}
            }
        }
        if round % 4 == 3 {
            let _ = std::fs::remove_file(directory.path().join("index.redb"));
        }
        let store = Store::open(directory.path(), small()).unwrap();
        assert_eq!(store.health(), Health::Ok, "round {round}");
        for (name, states) in &mut possible {
            let found = get(&store, bucket, name);
            let is = |what: &String| match (&found, what.parse::<u64>()) {
                (Err(Error::NoSuchKey), Err(_)) => true,
                (Ok(data), Ok(n)) => *data == bytes(size_of(n), n),
                _ => false,
            };
            let matching = states.iter().find(|what| is(what)).cloned();
            let matching = matching.unwrap_or_else(|| panic!("round {round}: {name} is none of {states:?}"));
            *states = vec![matching];
        }
        let report = store.scrub().unwrap();
        assert_eq!(report.damage, [], "round {round}");
        store.close().unwrap();
    }
    println!("{acknowledged} mutations were acknowledged");
    assert!(acknowledged > 500, "{acknowledged}");
    let report = fsck(directory.path(), small()).unwrap();
    assert!(report.is_clean(), "{report:?}");
}
