//! What works on a data directory that no node runs on: also where nothing can be written, or the disk has gone bad.

use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{NodeBuilder, binary};

use super::{Ran, local, node, text_of};

/// The data directory of a node that has ended, which holds an object of a log segment and one of a bulk segment.
fn ended() -> (tests::Node, PathBuf) {
    let mut node = NodeBuilder::serve().start();
    let client = node.client();
    client.create_bucket("lake").expect(200, "");
    client.put("lake", "cows/small.txt", "moo").expect(200, "");
    client.put("lake", "cows/large.bin", "moo".repeat(700_000)).expect(200, "");
    let data = node.data();
    assert!(node.terminate().success(), "{}", node.log());
    (node, data)
}

fn run(arguments: &[&str]) -> Ran {
    Ran::of(binary::command().args(arguments))
}

/// Runs a command on a copy of `data` that lies on a file system which is mounted read-only.
fn on_a_read_only_disk(data: &Path, disk: &Path, arguments: &str) -> Ran {
    std::fs::create_dir_all(disk).expect("a writable temporary directory");
    let (disk, data, program) = (text_of(disk), text_of(data), text_of(binary::path()));
    let script = format!(
        "mount -t tmpfs -o size=64m tmpfs '{disk}' && cp -a '{data}' '{disk}/data' && mount -o remount,ro '{disk}' && exec '{program}' {arguments}"
    );
    let user: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    Ran::of(Command::new("unshare").args(user).args(["--mount", "sh", "-c", &script]))
}

#[test]
fn a_store_on_a_read_only_disk_is_checked_looked_at_and_saved() {
    let (node, data) = ended();
    let (disk, saved) = (node.temporary().join("disk"), node.temporary().join("saved"));
    let on = |command: &str| on_a_read_only_disk(&data, &disk, &command.replace("DIR", &text_of(&disk.join("data"))));
    for command in ["fsck DIR", "scrub DIR"] {
        let text = on(command).ok();
        assert!(text.starts_with("nothing is damaged: ") && text.contains("1 bulk segment\n"), "{command}: {text}");
    }
    assert!(on("inspect DIR").ok().contains("active\n"));
    assert!(on("inspect DIR rows").ok().contains("cows/small.txt"));
    let text = on(&format!("backup DIR '{}'", saved.display())).ok();
    assert!(text.starts_with("backed up to record "), "{text}");
    for command in ["compact DIR", "fsck DIR --repair-index", "serve DIR --listen 127.0.0.1:0 --console 127.0.0.1:0"] {
        on(command).fails(1, &[&text_of(&disk), "read-only"]);
    }
    let restored = node.temporary().join("restored");
    let restore = run(&["restore", &text_of(&saved), &text_of(&restored)]);
    assert_eq!(restore.code, 0, "{restore:?}");
    std::fs::copy(data.join("secret.key"), restored.join("secret.key")).expect("its key");
    let again = NodeBuilder::serve().data(&restored).start();
    let got = again.client().get("lake", "cows/large.bin");
    assert_eq!(got.text(), "moo".repeat(700_000));
}

#[test]
fn scrub_and_compact_take_the_directory_by_the_flag_of_all_other_commands_too() {
    let node = node();
    for (command, words) in [("scrub", "nothing is damaged: "), ("compact", "segments freed")] {
        let text = local(&node, &[command]).ok();
        assert!(text.contains(words), "{text}");
        local(&node, &[command, "other"]).fails(2, &["'[DIR]' cannot be used with '--data <DIR>'"]);
        run(&[command, "--data", &text_of(&node.temporary().join("nix"))]).fails(3, &["nix is not there"]);
    }
}

#[test]
fn rows_of_the_index_say_where_each_object_lies() {
    let (_node, data) = ended();
    let data = text_of(&data);
    let text = run(&["inspect", &data, "rows"]).ok();
    let line = text.lines().find(|line| line.contains("key=cows/small.txt  ")).unwrap_or_else(|| panic!("{text}"));
    let of = |name: &str| {
        let value = line.split("  ").find_map(|field| field.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
    };
    assert_eq!((of("size"), of("version"), of("kind")), ("3".into(), "null".into(), "object".into()));
    let records = run(&["inspect", &data, "records", &of("segment"), "--json"]).json();
    let records = records.as_array().expect("an array");
    let record = records.iter().find(|record| record["key"] == "cows/small.txt").expect("its record");
    assert_eq!((record["offset"].to_string(), record["length"].to_string()), (of("offset"), of("length")));
    let rows = run(&["inspect", &data, "rows", "--json"]).json();
    let rows = rows.as_array().expect("an array");
    let large = rows.iter().find(|row| row["fields"]["key"] == "cows/large.bin").expect("its row");
    assert_eq!((&large["table"], &large["fields"]["size"]), (&"current".into(), &2_100_000.into()));
    assert!(large["fields"]["modifiedMs"].is_u64() && large["value"].is_string(), "{large}");
    assert!(rows.iter().any(|row| row["table"] == "buckets" && row["fields"]["name"] == "lake"), "{rows:?}");
}

#[test]
fn a_lost_format_is_taken_from_a_backup() {
    let (node, data) = ended();
    let (data, saved) = (text_of(&data), text_of(&node.temporary().join("saved")));
    assert_eq!(run(&["backup", &data, &saved]).code, 0);
    let format = Path::new(&data).join("FORMAT");
    let file = std::fs::OpenOptions::new().write(true).open(&format).expect("FORMAT");
    for copy in [0, 4096] {
        file.write_all_at(b"no uuid", copy + 20).expect("writable");
    }
    for arguments in [&["fsck", &data][..], &["fsck", &data, "--repair-index"], &["inspect", &data], &["scrub", &data]]
    {
        let line = run(arguments).fails(1, &[&data, "copy in FORMAT", "copy FORMAT from a backup"]);
        assert!(!line.contains("--repair-index"), "the index is not what is damaged: {line}");
    }
    std::fs::copy(Path::new(&saved).join("FORMAT"), &format).expect("writable");
    assert!(run(&["fsck", &data]).ok().starts_with("nothing is damaged"));
}

#[test]
fn another_user_is_told_who_may_administer_and_how_else() {
    let node = node();
    let socket = node.data().join("admin.sock");
    let mut command = binary::command();
    command.args(["bucket", "list", "--data"]).arg(node.data());
    if std::fs::metadata("/proc/self").expect("a process of its own").uid() == 0 {
        // Root may whatever modes say.
        command.uid(65534).gid(65534);
    } else {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).expect("its owner");
    }
    Ran::of(&mut command).fails(4, &["admin.sock", "sudo", "--endpoint URL --user NAME"]);
}

#[test]
fn another_user_whom_the_node_hangs_up_on_is_told_the_same() {
    if std::fs::metadata("/proc/self").expect("a process of its own").uid() != 0 {
        // Nobody else can become another user.
        return;
    }
    let node = node();
    let socket = node.data().join("admin.sock");
    let ours = socket.ancestors().take_while(|path| path.starts_with(node.temporary()));
    for path in ours {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("its owner");
    }
    let state = super::file(&node, "state.json", r#"{"accounts": [{"name": "main"}]}"#);
    // Which end is faster differs from time to time.
    for _ in 0..5 {
        for arguments in [&["status"][..], &["bucket", "list"], &["apply", "-f", &state], &["scrub"]] {
            let mut command = binary::command();
            command.args(arguments).arg("--data").arg(node.data()).uid(65534).gid(65534);
            Ran::of(&mut command).fails(4, &["admin.sock", "sudo", "--endpoint URL --user NAME"]);
        }
    }
}

#[test]
fn a_node_is_administered_however_long_the_path_of_its_directory_is() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("d".repeat(140));
    let node = NodeBuilder::serve().data(&data).start();
    local(&node, &["bucket", "create", "lake"]).ok();
    assert_eq!(local(&node, &["bucket", "list", "--json"]).json()[0]["name"], "lake");
    let mut inside = binary::command();
    assert_eq!(Ran::of(inside.args(["health", "--data", "."]).current_dir(&data)).ok(), "ok\n");
}

#[test]
fn a_key_that_is_kept_elsewhere_is_asked_for_by_its_name_after_a_restore() {
    const KEY: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| text_of(&directory.path().join(name));
    let key = at("key");
    std::fs::write(&key, format!("{KEY}\n")).expect("writable");
    let config = at("strongroom.toml");
    std::fs::write(&config, format!("master-key-file = {key:?}\n")).expect("writable");
    let (data, backup, restored) = (directory.path().join("data"), at("backup"), at("restored"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o444)).expect("its owner");
    let node = NodeBuilder::serve().data(&data).arguments(&["--config", &config]).start();
    node.logged(&["master-key-file", "others may read it (mode 0444)"]);
    local(&node, &["permission", "create", "p", "--all-buckets", "--actions", "read-only"]).ok();
    local(&node, &["service-account", "create", "worker", "-p", "p"]).ok();
    let run = |arguments: &[&str]| Ran::of(binary::command().args(arguments));
    let said = run(&["backup", &text_of(&data), &backup]).ok();
    assert!(said.contains("which the node is given as master-key") && !said.contains("--with-key"), "{said}");
    // A file that was left behind with another key is not the one that is in use.
    std::fs::write(data.join("secret.key"), format!("{}\n", "5f".repeat(32))).expect("writable");
    let beside = run(&["backup", &text_of(&data), &at("beside")]).ok();
    assert_eq!(beside.lines().last(), said.lines().last());
    std::fs::write(data.join("secret.key"), format!("{KEY}\n")).expect("writable");
    let same = run(&["backup", &text_of(&data), &at("same")]).ok();
    assert!(same.contains("secret.key (key ") && same.contains("--with-key"), "{same}");
    std::fs::remove_file(data.join("secret.key")).expect("it is there");
    let done = run(&["restore", &backup, &restored]);
    assert!(done.code == 0 && done.stderr.contains("or give it as master-key"), "{done:?}");
    drop(node);
    let serve = ["serve", &restored, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
    run(&serve).fails(1, &["secret.key is missing", "master-key"]);
    let node = NodeBuilder::serve().data(Path::new(&restored)).arguments(&["--config", &config]).start();
    assert_eq!(local(&node, &["service-account", "list", "--json"]).json()[0]["name"], "worker");
}
