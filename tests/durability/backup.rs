//! Backup and restore: by the command line, with the node and without.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;
use tests::binary;

use super::commands::{check, files, fill, refused, run, run_json, serve, stderr, text, tree};
use crate::fixture;

#[test]
fn a_backup_taken_while_writing_is_of_one_instant_and_outlives_its_source() {
    const WRITERS: usize = 3;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (data, backup, new) =
        (directory.path().join("data"), directory.path().join("backup"), directory.path().join("new"));
    let node = serve(&data);
    let client = node.client();
    let stop = AtomicBool::new(false);
    let written: Vec<AtomicUsize> = (0..WRITERS).map(|_| AtomicUsize::new(0)).collect();
    let body = |writer: usize, n: usize| {
        fixture::noise((writer * 1_000_000 + n) as u64, if n % 10 == 7 { 1_500_000 } else { 3000 })
    };
    let (before, after) = std::thread::scope(|scope| {
        for (writer, written) in written.iter().enumerate() {
            let (client, stop) = (&client, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let n = written.load(Ordering::Relaxed);
                    client.put("box", &format!("{writer}/{n:06}"), body(writer, n)).expect(200, "");
                    written.store(n + 1, Ordering::Release);
                }
            });
        }
        let progress = || written.iter().map(|count| count.load(Ordering::Acquire)).collect::<Vec<_>>();
        while progress().iter().any(|count| *count < 20) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let before = progress();
        let report = run_json(0, &["backup", text(&data), text(&backup), "--with-key"]);
        let after = progress();
        assert_eq!(
            (&report["keyIncluded"], report["filesLinked"].as_u64() > Some(0)),
            (&Value::Bool(true), true),
            "{report}"
        );
        stop.store(true, Ordering::Relaxed);
        (before, after)
    });
    // Churned over: what the backup holds lives on in the backup only.
    for (writer, count) in written.iter().enumerate() {
        for n in 0..count.load(Ordering::Relaxed) {
            client.delete("box", &format!("{writer}/{n:06}")).expect(204, "");
        }
    }
    run(0, &["compact", text(&data)]);
    let report = run_json(0, &["restore", text(&backup), text(&new)]);
    assert_eq!(report["keyIncluded"], true, "{report}");
    assert_eq!(run_json(0, &["fsck", text(&new)])["clean"], true);
    let restored = serve(&new);
    let client = restored.client();
    let keys = client.keys("box");
    for writer in 0..WRITERS {
        let held = keys.iter().filter(|key| key.starts_with(&format!("{writer}/"))).count();
        // What was acknowledged before is there, nothing that was begun afterwards, and no gap between.
        assert!((before[writer]..=after[writer] + 1).contains(&held), "{writer}: {held} of {before:?} to {after:?}");
        for n in 0..held {
            assert!(
                client.get("box", &format!("{writer}/{n:06}")).expect(200, "").body == body(writer, n),
                "{writer}/{n}"
            );
        }
    }
    client.put("box", "new", "life").expect(200, "");
    assert_eq!(node.client().keys("box"), Vec::<String>::new());
}

#[test]
fn a_second_backup_takes_only_what_is_new_with_the_node_and_without() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
    let mut node = serve(&data);
    let mut stored = fill(&node.client());
    let first = run_json(0, &["backup", text(&data), text(&backup)]);
    assert_eq!(first["filesLinked"], 2, "the bulk segments: {first}");
    node.client().put("box", "later", fixture::noise(77, 2 << 20)).expect(200, "");
    stored.push(("later".to_owned(), 77, 2 << 20));
    let second = run_json(0, &["backup", text(&data), text(&backup)]);
    assert_eq!((&second["filesKept"], &second["filesLinked"]), (&2.into(), &1.into()), "{second}");
    assert!(second["sequence"].as_u64() > first["sequence"].as_u64());
    assert!(node.terminate().success(), "{}", node.log());
    let third = run_json(0, &["backup", text(&data), text(&backup), "--with-key"]);
    assert_eq!((&third["filesKept"], third["filesLinked"].as_u64()), (&3.into(), Some(0)), "{third}");
    let new = directory.path().join("new");
    run(0, &["restore", text(&backup), text(&new)]);
    // A backup can be examined like a data directory, and is none.
    assert_eq!(run_json(0, &["fsck", text(&backup)])["clean"], true);
    for command in ["serve", "scrub", "compact"] {
        let line = refused(if command == "serve" { 1 } else { 5 }, &[command, text(&backup)]);
        assert!(line.contains("is a backup: ") && line.contains("strongroom restore"), "{line}");
    }
    run(0, &["backup", text(&data), text(&backup)]);
    // A restore copies: what happens to the new directory is no concern of the backup.
    let before = tree(&backup);
    let restored = serve(&new);
    check(&restored.client(), &stored);
    restored.client().delete("box", "later").expect(204, "");
    assert!(tree(&backup) == before, "the backup has changed");
}

#[test]
fn the_key_is_left_out_unless_asked_for_and_a_restored_node_names_the_one_it_needs() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
    let node = serve(&data);
    let stored = fill(&node.client());
    let output = run(0, &["backup", text(&data), text(&backup)]);
    assert!(output.contains("secret.key (key ") && output.contains("--with-key"), "{output}");
    let secret = std::fs::read(data.join("secret.key")).expect("the key is there");
    let needle = String::from_utf8(secret.clone()).expect("text");
    for (path, content) in tree(&backup) {
        let found = content.windows(needle.trim().len()).any(|window| window == needle.trim().as_bytes());
        assert!(
            !found && !path.ends_with("secret.key") && !path.ends_with("root-credentials.json"),
            "{}",
            path.display()
        );
    }
    let mode = backup.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may not look into a backup");
    let new = directory.path().join("new");
    let output = binary::run(&["restore", text(&backup), text(&new)]);
    let fingerprint = std::fs::read_to_string(backup.join("secret.key.fingerprint")).expect("recorded");
    let fingerprint = fingerprint.trim();
    assert!(output.status.success() && stderr(&output).contains(fingerprint), "{output:?}");
    // Serve names it too, and makes no other one.
    let line = refused(1, &["serve", text(&new), "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
    assert!(line.contains("secret.key is missing") && line.contains(fingerprint), "{line}");
    assert!(!new.join("secret.key").exists());
    // Another key is refused by both.
    let other = directory.path().join("other.key");
    std::fs::write(&other, format!("{}\n", "5a".repeat(32))).expect("writable");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).expect("ours");
    std::fs::copy(&other, new.join("secret.key")).expect("writable");
    let line = refused(1, &["serve", text(&new), "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
    assert!(line.contains(fingerprint), "{line}");
    std::fs::copy(&other, backup.join("secret.key")).expect("writable");
    let newer = directory.path().join("newer");
    let line = refused(1, &["restore", text(&backup), text(&newer)]);
    assert!(line.contains("secret.key") && line.contains(fingerprint), "{line}");
    assert!(!newer.exists(), "nothing is restored under a wrong key");
    // The right one opens it.
    std::fs::write(new.join("secret.key"), &secret).expect("writable");
    check(&serve(&new).client(), &stored);
    // Asked for, it goes along, for nobody else to read.
    std::fs::remove_file(backup.join("secret.key")).expect("it is there");
    run(0, &["backup", text(&data), text(&backup), "--with-key"]);
    assert_eq!(std::fs::read(backup.join("secret.key")).expect("taken along"), secret);
    run(0, &["restore", text(&backup), text(&newer)]);
    let mode = newer.join("secret.key").metadata().expect("restored").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    check(&serve(&newer).client(), &stored);
}

#[test]
fn nothing_is_written_over() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (data, other, backup) =
        (directory.path().join("data"), directory.path().join("other"), directory.path().join("backup"));
    let mut node = serve(&data);
    fill(&node.client());
    let full = directory.path().join("full");
    std::fs::create_dir(&full).expect("writable");
    std::fs::write(full.join("holiday.jpg"), "x").expect("writable");
    let mut second = serve(&other);
    fill(&second.client());
    run(0, &["backup", text(&other), text(&backup)]);
    assert!(second.terminate().success(), "{}", second.log());
    let inside = data.join("backup");
    for online in [true, false] {
        if !online {
            assert!(node.terminate().success(), "{}", node.log());
        }
        for (destination, word) in [
            (&full, "neither empty nor a backup"),
            (&other, "is a data directory"),
            (&data, "lie in each other"),
            (&inside, "lie in each other"),
            (&backup, "another store"),
        ] {
            let before = tree(destination.parent().expect("a parent"));
            let line = refused(5, &["backup", text(&data), text(destination)]);
            assert!(line.contains(word), "{line}");
            if !online {
                assert!(tree(&other).len() > 3 && before.len() == tree(destination.parent().expect("a parent")).len());
            }
        }
    }
    for target in [&full, &other] {
        let before = tree(target);
        let line = refused(5, &["restore", text(&backup), text(target)]);
        assert!(line.contains("is not empty"), "{line}");
        assert!(tree(target) == before);
    }
    let line = refused(3, &["restore", text(&full), text(&directory.path().join("x"))]);
    assert!(line.contains("holds no finished backup"), "{line}");
    // A backup that has lost a file is not restored as if it were whole.
    let lost = files(&backup.join("bulk")).into_iter().next().expect("a bulk segment");
    std::fs::remove_file(&lost).expect("it is there");
    let target = directory.path().join("y");
    let line = refused(1, &["restore", text(&backup), text(&target)]);
    assert!(line.contains("is missing"), "{line}");
    refused(3, &["fsck", text(&target)]);
}

#[test]
fn a_directory_that_can_t_be_used_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut node = serve(&data);
    fill(&node.client());
    let (plain, backup) = (directory.path().join("plain"), directory.path().join("backup"));
    std::fs::write(&plain, "x").expect("writable");
    let below = plain.join("below");
    for online in [true, false] {
        if !online {
            assert!(node.terminate().success(), "{}", node.log());
        }
        for destination in [&plain, &below, std::path::Path::new("/proc/strongroom")] {
            let line = refused(1, &["backup", text(&data), text(destination)]);
            assert!(line.contains(text(destination)) && !line.contains("os error"), "{line}");
            assert!(line.contains("name a directory") || line.contains("check the path"), "{line}");
        }
        for command in ["scrub", "compact", "fsck", "inspect", "backup"] {
            for (wrong, what) in [
                (&plain, "is a file"),
                (&below, "is not there"),
                (&directory.path().to_owned(), "is no data directory"),
            ] {
                let mut arguments = vec![command, text(wrong)];
                arguments.extend((command == "backup").then_some(text(&backup)));
                let line = refused(3, &arguments);
                assert!(line.contains(text(wrong)) && line.contains(what), "{arguments:?}: {line}");
                assert!(line.contains("name a data directory"), "{line}");
            }
        }
    }
    run(0, &["backup", text(&data), text(&backup)]);
    for target in [&plain, &below] {
        let line = refused(1, &["restore", text(&backup), text(target)]);
        assert!(line.contains("name a directory") && !line.contains("os error"), "{line}");
    }
}

/// As a shell in a mount namespace of its own, in which `disk` is a file system of that many bytes.
fn on_a_disk_of(bytes: usize, disk: &std::path::Path, script: &str) -> std::process::Output {
    let script = format!("mount -t tmpfs -o size={bytes} tmpfs '{}' && {script}", disk.display());
    let program: &[&str] = if rustix::process::geteuid().is_root() {
        &["unshare", "--mount", "sh", "-c", &script]
    } else {
        &["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script]
    };
    std::process::Command::new(program[0]).args(&program[1..]).output().expect("unshare is there")
}

#[test]
fn a_full_and_a_read_only_disk_are_said_to_be_that() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (data, disk) = (directory.path().join("data"), directory.path().join("disk"));
    let mut node = serve(&data);
    fill(&node.client());
    assert!(node.terminate().success(), "{}", node.log());
    std::fs::create_dir(&disk).expect("writable");
    let backup = format!("'{}' backup '{}' '{}/backup'", tests::binary::path().display(), text(&data), text(&disk));
    let remount = format!("mount -o remount,ro '{}' && {backup}", text(&disk));
    for (bytes, script, words) in
        [(1 << 20, &backup, "is full: free space there"), (64 << 20, &remount, "mounted read-only")]
    {
        let output = on_a_disk_of(bytes, &disk, script);
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(line.contains(&format!("{}/backup", text(&disk))) && line.contains(words), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}
