//! fsck, scrub, compaction and inspection, and what a node does on damage and on a full or failing disk.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::{Client, Node, NodeBuilder, binary};

use super::commands::{check, files, fill, refused, run, run_json, serve, stderr, text, tree};
use super::full_disk::node_on_a_small_disk;
use crate::fixture;

/// Flips one bit in the middle of a body, wherever the engine put it; answers the file.
#[track_caller]
fn flip_within(data: &Path, body: &[u8]) -> PathBuf {
    flip_at(data, &body[body.len() / 2..body.len() / 2 + 64])
}

/// Flips one bit of these bytes in the first file that has them; answers the file.
#[track_caller]
fn flip_at(data: &Path, needle: &[u8]) -> PathBuf {
    let found = files(data).into_iter().find(|path| path.is_file() && flip(path, needle));
    found.expect("a file has them")
}

/// Flips one bit of these bytes in a file, if it has them.
fn flip(path: &Path, needle: &[u8]) -> bool {
    let bytes = std::fs::read(path).expect("readable");
    let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) else { return false };
    // In place: a running node has the file open.
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("writable");
    file.write_all_at(&[bytes[at + 5] ^ 0x10], at as u64 + 5).expect("writable");
    true
}

fn ready(node: &Node) -> String {
    let client = node.client().anonymous();
    client.send(client.target("GET", "/health/ready")).expect(200, "").text()
}

fn metric(node: &Node, name: &str) -> u64 {
    let client = Client::new(node.console(), None);
    let page = client.send(client.target("GET", "/metrics"));
    let page = page.expect(200, "").text();
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a number")
}

#[test]
fn fsck_finds_a_whole_directory_clean_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut node = serve(&data);
    fill(&node.client());
    for arguments in [&["fsck", text(&data)][..], &["fsck", text(&data), "--repair-index"], &["inspect", text(&data)]] {
        let line = refused(1, arguments);
        assert!(line.contains("is in use") && line.contains("strongroom scrub"), "{line}");
    }
    for kill in [true, false] {
        if kill {
            node.kill_9();
        } else {
            node.restart();
            assert!(node.terminate().success(), "{}", node.log());
        }
        let before = tree(&data);
        let printed = run(0, &["fsck", text(&data)]);
        assert!(printed.starts_with("nothing is damaged: ") && printed.lines().count() == 1, "{printed}");
        let report = run_json(0, &["fsck", text(&data)]);
        assert_eq!(report["clean"], true, "{report}");
        assert_eq!(report["bulkSegments"], 2, "{report}");
        assert!(report["records"].as_u64() >= Some(40), "{report}");
        assert!(tree(&data) == before, "fsck has changed something");
    }
    // An index that isn't there is no damage: the log is the truth.
    std::fs::remove_file(data.join("index.redb")).expect("the index is there");
    let report = run_json(0, &["fsck", text(&data)]);
    assert_eq!((&report["clean"], report["recovery"].as_array().map(Vec::is_empty)), (&Value::Bool(true), Some(false)));
}

#[test]
fn fsck_names_bucket_key_version_and_place_of_what_is_damaged() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut node = serve(&data);
    let stored = fill(&node.client());
    assert!(node.terminate().success(), "{}", node.log());
    for (key, seed, size) in [&stored[4], &stored[13]] {
        let copy = directory.path().join(format!("copy {seed}"));
        copy_tree(&data, &copy);
        let file = flip_within(&copy, &fixture::noise(*seed, *size));
        let place = file.strip_prefix(&copy).expect("below it").display().to_string();
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        for command in ["fsck", "scrub"] {
            let printed = run(1, &[command, text(&copy)]);
            let line = printed.lines().next().expect("a line");
            assert!(line.starts_with(&format!("box/{key} (version null): ")) && line.contains(name), "{printed}");
            assert!(printed.contains("\n1 damaged: "), "{printed}");
            let report = run_json(1, &[command, text(&copy)]);
            let damage = report["damage"].as_array().expect("damage");
            assert_eq!(damage.len(), 1, "{report}");
            assert_eq!((&damage[0]["bucket"], &damage[0]["key"]), (&"box".into(), &(key.as_str()).into()));
            assert_eq!((&damage[0]["version"], &damage[0]["alive"]), (&"null".into(), &true.into()));
            let told = damage[0].to_string();
            assert!(told.contains(&place) || told.contains(name), "{place}: {told}");
        }
    }
}

#[test]
fn an_index_that_is_cut_is_named_and_made_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut node = serve(&data);
    let stored = fill(&node.client());
    assert!(node.terminate().success(), "{}", node.log());
    let index = data.join("index.redb");
    let length = index.metadata().expect("the index is there").len();
    let file = std::fs::OpenOptions::new().write(true).open(&index).expect("writable");
    file.set_len(length / 3).expect("writable");
    let printed = run(1, &["fsck", text(&data)]);
    assert!(printed.starts_with("index: ") && printed.contains("--repair-index"), "{printed}");
    let printed = run(0, &["fsck", text(&data), "--repair-index"]);
    assert!(printed.contains("nothing is damaged"), "{printed}");
    assert_eq!(run_json(0, &["fsck", text(&data)])["clean"], true);
    assert!(files(&data.join("lost")).len() == 1, "the old index is kept");
    node.restart();
    check(&node.client(), &stored);
}

#[test]
fn inspect_prints_segments_records_and_rows() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut node = serve(&data);
    fill(&node.client());
    node.client().put("box", "odd\u{1b}[31m name", "x").expect(200, "");
    assert!(node.terminate().success(), "{}", node.log());
    let segments = run_json(0, &["inspect", text(&data)]);
    let segments = segments.as_array().expect("an array");
    assert!(!segments.is_empty());
    let mut puts = Vec::new();
    for segment in segments {
        let id = segment["id"].as_str().expect("an id");
        assert!(data.join("log").join(format!("{id}.seg")).is_file(), "{segment}");
        let records = run_json(0, &["inspect", text(&data), "records", id]);
        for record in records.as_array().expect("an array") {
            if record["kind"] == "Put" || record["kind"] == "Manifest" {
                puts.push(record["key"].as_str().expect("a key").to_owned());
            }
        }
        assert!(!run(0, &["inspect", text(&data), "records", id]).contains('\u{1b}'), "hidden characters are shown");
    }
    assert_eq!(puts.len(), 41, "{puts:?}");
    let rows = run_json(0, &["inspect", text(&data), "rows"]);
    let current = rows.as_array().expect("an array").iter().filter(|row| row["table"] == "current");
    assert_eq!(current.count(), 41);
    let printed = run(0, &["inspect", text(&data), "segments"]);
    assert_eq!(printed.lines().count(), segments.len() + 1, "{printed}");
    let line = refused(3, &["inspect", text(&data), "records", "ffff"]);
    assert!(line.contains("has no segment 000000000000ffff: strongroom inspect"), "{line}");
}

#[test]
fn scrub_of_a_running_node_names_a_flipped_bit_and_forgets_it_once_it_is_replaced() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let node = serve(&data);
    let client = node.client();
    let stored = fill(&client);
    let printed = run(0, &["scrub", text(&data)]);
    assert!(printed.starts_with("nothing is damaged: "), "{printed}");
    assert_eq!((ready(&node), metric(&node, "strongroom_last_scrub_damage")), ("ok".to_owned(), 0));
    assert!(metric(&node, "strongroom_last_scrub_timestamp_seconds") > 1_700_000_000);
    let (key, seed, size) = &stored[4];
    flip_within(&data, &fixture::noise(*seed, *size));
    let printed = run(1, &["scrub", text(&data)]);
    assert!(printed.starts_with(&format!("box/{key} (version null): ")) && printed.contains(" at bulk/"), "{printed}");
    assert_eq!((ready(&node), metric(&node, "strongroom_store_damaged")), ("damaged".to_owned(), 1));
    node.logged(&["scrub found damage", "box", key]);
    node.logged(&["stored data is damaged", "strongroom scrub"]);
    let output = binary::run(&["backup", text(&data), text(&directory.path().join("backup"))]);
    assert!(
        output.status.success() && stderr(&output).contains("damaged"),
        "no backup of damage is silent: {output:?}"
    );
    // Everything else is served, and the damaged bytes are not.
    for (other, seed, size) in stored.iter().filter(|(other, ..)| other != key) {
        assert!(client.get("box", other).expect(200, "").body == fixture::noise(*seed, *size), "{other}");
    }
    match client.try_send(client.request("GET", "box", key)) {
        Ok(answer) => assert!(answer.expect(500, "InternalError").xml("Message").contains("damaged"), "{answer}"),
        Err(error) => println!("the answer was cut off: {error}"),
    }
    assert_eq!(metric(&node, "strongroom_damaged_reads_total"), 1);
    let tail = client.request("GET", "box", key).header("range", format!("bytes={}-", size - 10));
    let whole = fixture::noise(*seed, *size);
    assert!(client.send(tail).expect(206, "").body == whole[size - 10..], "a range needs only its own blocks");
    client.put("box", key, whole).expect(200, "");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while ready(&node) != "ok" {
        assert!(std::time::Instant::now() < deadline, "{}", node.log());
        binary::run(&["scrub", text(&data)]);
    }
    node.logged(&["in order again"]);
    check(&client, &stored);
}

#[test]
fn a_damaged_record_is_an_error_that_says_so_until_it_is_replaced() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut node = serve(&data);
    let stored = fill(&node.client());
    // The next start seals the segment, and reads from the disk.
    node.kill_9();
    node.restart();
    let client = node.client();
    let (key, seed, size) = &stored[13];
    let body = fixture::noise(*seed, *size);
    // What was not proven to be synced lies there twice: in the sealed segment, and again behind it.
    let mut flipped = 0;
    for file in files(&data.join("log")) {
        flipped += usize::from(flip(&file, &body[size / 2..size / 2 + 64]));
    }
    assert!(flipped > 0, "the body is in no file");
    assert_eq!(ready(&node), "ok", "nobody has met it");
    let answer = client.get("box", key);
    assert!(answer.expect(500, "InternalError").xml("Message").contains("damaged"), "{answer}");
    assert_eq!((ready(&node), metric(&node, "strongroom_damaged_reads_total")), ("damaged".to_owned(), 1));
    node.logged(&["InternalError", "checksum"]);
    let report = run_json(1, &["scrub", text(&data)]);
    let alive: Vec<_> =
        report["damage"].as_array().expect("damage").iter().filter(|one| one["alive"] == true).collect();
    assert_eq!((alive.len(), &alive[0]["key"]), (1, &key.as_str().into()), "{report}");
    client.copy("box", key, "box", "copy").expect(500, "InternalError");
    client.put("box", key, body).expect(200, "");
    let report = run_json(1, &["scrub", text(&data)]);
    let dead = report["damage"].as_array().expect("damage").iter().all(|one| one["alive"] == false);
    assert!(dead && ready(&node) == "ok", "what was replaced is no damage of what is stored: {report}");
    assert!(run(1, &["scrub", text(&data)]).contains(" (replaced or deleted since)\n"));
    check(&client, &stored);
    // Dead bytes are never read again, so their damage goes with them.
    run(0, &["compact", text(&data)]);
    assert_eq!(run_json(0, &["scrub", text(&data)])["clean"], true);
    check(&client, &stored);
}

#[test]
fn rot_in_the_log_stops_writes_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut node = serve(&data);
    let stored = fill(&node.client());
    node.kill_9();
    // In the middle of what was never applied to the index: only the log has it, and what follows proves that it was whole.
    // The key belongs to what tells where the next record begins.
    let (lost, ..) = &stored[13];
    flip_at(&data.join("log"), lost.as_bytes());
    let printed = run(1, &["fsck", text(&data)]);
    assert!(printed.contains("damaged"), "{printed}");
    node.restart();
    assert_eq!((ready(&node), metric(&node, "strongroom_store_damaged")), ("damaged".to_owned(), 1));
    let client = node.client();
    let mut answered = 0;
    for (key, seed, size) in stored.iter().filter(|(key, ..)| key != lost) {
        let answer = client.get("box", key);
        if answer.status == 200 {
            assert!(answer.body == fixture::noise(*seed, *size), "wrong bytes of {key}");
            answered += 1;
        } else {
            // Not 404: it was stored, and what the node can't know it doesn't say.
            assert!(answer.expect(500, "InternalError").xml("Message").contains("damaged"), "{answer}");
        }
    }
    println!("{answered} of {} are served", stored.len());
    assert!(answered >= 13, "what lies before the damage is served");
    client.get("box", lost).expect(500, "InternalError");
    let refusal = client.put("box", "new", "x");
    assert!(refusal.expect(503, "ServiceUnavailable").xml("Message").contains("serves reads only"), "{refusal}");
    client.delete("box", "dir/00").expect(503, "ServiceUnavailable");
    let line = refused(5, &["backup", text(&data), text(&directory.path().join("backup"))]);
    assert!(line.contains("damaged"), "{line}");
    let printed = run(1, &["scrub", text(&data)]);
    assert!(printed.contains("damaged"), "{printed}");
}

#[test]
fn compact_gives_the_space_of_what_was_deleted_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    // By itself the node would do it a little later; it is asked for, to have it done at the answer.
    let mut node = serve(&data);
    let client = node.client();
    for n in 0..60 {
        client.put("box", &format!("{n:02}"), fixture::noise(n, 200_000)).expect(200, "");
    }
    // The next start begins a segment of its own.
    node.kill_9();
    node.restart();
    let client = node.client();
    for n in 0..50 {
        client.delete("box", &format!("{n:02}")).expect(204, "");
    }
    // A segment that was written ahead ends in zeros, and a spare one holds nothing else.
    let used = |file: &PathBuf| {
        let bytes = std::fs::read(file).unwrap_or_default();
        bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
    };
    let log_bytes = || files(&data.join("log")).iter().map(used).sum::<usize>();
    let report = run_json(0, &["compact", text(&data)]);
    println!("{report}");
    assert!(log_bytes() < 8_000_000, "{} bytes of log for 2 MB, {report}", log_bytes());
    let kept: Vec<_> = (50..60).map(|n| (format!("{n:02}"), n, 200_000)).collect();
    check(&client, &kept);
    assert!(node.terminate().success(), "{}", node.log());
    assert!(run(0, &["compact", text(&data)]).contains("freed"));
    assert_eq!(run_json(0, &["fsck", text(&data)])["clean"], true);
    node.restart();
    check(&node.client(), &kept);
}

#[test]
fn on_a_full_disk_room_is_made_without_a_restart_and_permissions_are_still_revoked() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node = node_on_a_small_disk(directory.path());
    let (client, data) = (node.client(), node.data());
    let command = |arguments: &[&str]| {
        // The disk is mounted for the node only.
        let pid = node.pid().to_string();
        let namespaces: &[&str] = if rustix::process::geteuid().is_root() {
            &["--mount"]
        } else {
            &["--user", "--preserve-credentials", "--mount"]
        };
        let mut command = std::process::Command::new("nsenter");
        let output =
            command.args(["--target", &pid]).args(namespaces).arg("--").arg(binary::path()).args(arguments).output();
        let output = output.expect("nsenter starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let mut kept = Vec::new();
    let refusal = loop {
        let n = kept.len() as u64;
        let answer = client.put("box", &format!("{n:03}"), fixture::noise(n, 400_000));
        if answer.status != 200 {
            break answer;
        }
        kept.push((format!("{n:03}"), n, 400_000));
    };
    refusal.expect(507, "InsufficientStorage");
    client.copy("box", "000", "box", "copy").expect(507, "InsufficientStorage");
    client.put("box", "large", fixture::noise(1, 2 << 20)).expect(507, "InsufficientStorage");
    assert_eq!(ready(&node), "ok");
    let (total, free) = (metric(&node, "strongroom_disk_total_bytes"), metric(&node, "strongroom_disk_free_bytes"));
    assert!(
        free < total / 10 && metric(&node, "strongroom_live_bytes") > 10_000_000,
        "{free} of {total} bytes are free"
    );
    check(&client, &kept);
    // A backup to another disk, and a state that takes a permission away, go on.
    let state = directory.path().join("state.json");
    let members = fixture::account(&["box"], &[("eve", serde_json::json!([fixture::allow(&["s3:*"], &["*"])]))]);
    std::fs::write(&state, tests::node::state(members).to_string()).expect("writable");
    assert!(command(&["apply", "-f", text(&state), "--data", text(&data)]).contains("applied"));
    let eve = fixture::caller(&node, "eve");
    eve.get("box", "000").expect(200, "");
    let members = fixture::account(&["box"], &[("eve", serde_json::json!([fixture::deny(&["s3:*"], &["*"])]))]);
    std::fs::write(&state, tests::node::state(members).to_string()).expect("writable");
    assert!(command(&["apply", "-f", text(&state), "--data", text(&data)]).contains("applied"));
    eve.get("box", "000").expect(403, "AccessDenied");
    let (backup, new) = (directory.path().join("backup"), directory.path().join("new"));
    command(&["backup", text(&data), text(&backup), "--with-key"]);
    // Three quarters of what fills it are deleted.
    for (key, n, _) in &kept {
        if n % 4 != 0 {
            client.delete("box", key).expect(204, "");
        }
    }
    command(&["compact", text(&data)]);
    for n in 0..10 {
        client.put("box", &format!("again {n}"), fixture::noise(n, 400_000)).expect(200, "");
    }
    assert!(command(&["scrub", text(&data)]).starts_with("nothing is damaged"));
    run(0, &["restore", text(&backup), text(&new)]);
    check(&serve(&new).client(), &kept);
}

/// After a failed sync nothing is acknowledged, whatever later syncs say: the kernel may have dropped what it could not write.
#[test]
fn a_failed_sync_ends_all_writes_until_the_next_start_and_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    // One sync of a thread fails, those after it succeed again. With -D the node is this process's child.
    let program = [
        "strace",
        "-D",
        "-f",
        "-q",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO:when=25",
    ];
    let mut through = program.to_vec();
    through.push(text(binary::path()));
    let mut node = NodeBuilder::serve().through(&through).data(&data).account(fixture::account(&["box"], &[])).start();
    let client = node.client();
    let mut stored = Vec::new();
    let refusal = loop {
        let n = stored.len() as u64;
        assert!(n < 100, "no sync fails");
        let answer = client.put("box", &format!("{n:03}"), fixture::noise(n, 5000));
        if answer.status != 200 {
            break answer;
        }
        stored.push((format!("{n:03}"), n, 5000));
    };
    assert!(stored.len() > 5, "{} puts", stored.len());
    refusal.expect(503, "ServiceUnavailable");
    for n in 0..5 {
        client.put("box", &format!("later {n}"), "x").expect(503, "ServiceUnavailable");
    }
    client.delete("box", "000").expect(503, "ServiceUnavailable");
    assert_eq!((ready(&node), metric(&node, "strongroom_store_read_only")), ("read-only".to_owned(), 1));
    assert_eq!(run(0, &["health", "--data", text(&data)]), "read-only\n");
    node.logged(&["the store takes no writes any more", "Input/output error"]);
    check(&client, &stored);
    let line = refused(1, &["compact", text(&data)]);
    assert!(line.contains("read-only"), "{line}");
    assert!(run(0, &["scrub", text(&data)]).starts_with("nothing is damaged"));
    node.kill_9();
    let node = serve(&data);
    assert_eq!(ready(&node), "ok");
    let client = node.client();
    for (key, seed, size) in &stored {
        assert!(client.get("box", key).expect(200, "").body == fixture::noise(*seed, *size), "{key}");
    }
    // What got no answer may be there or not; what was refused later may not.
    assert!(client.keys("box").iter().all(|key| !key.starts_with("later")));
    client.put("box", "later 0", "x").expect(200, "");
}

/// Copies a directory, without sockets.
fn copy_tree(from: &Path, to: &Path) {
    for path in files(from).into_iter().filter(|path| path.is_file()) {
        let target = to.join(path.strip_prefix(from).expect("below it"));
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("writable");
        std::fs::copy(&path, &target).expect("writable");
    }
}
