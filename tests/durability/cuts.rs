//! The writes and syncs of a real node, recorded by `strace` and replayed to each place where the power may go.
//!
//! A cut keeps what was synced by then, and of the rest nothing, or sectors and names by chance. The node must start from it, with everything that
//! had been acknowledged. Names are durable only once their directory was synced: stricter than most file systems, and what FORMAT.md assumes.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use tests::{Client, NodeBuilder};

use super::chance::Chance;
use super::disk::{Disk, files};
use crate::fixture;

/// Those with a question mark are not on every processor.
const CALLS: &str = "?open,?creat,openat,openat2,pwrite64,pwritev,pwritev2,write,writev,ftruncate,fdatasync,fsync,?rename,renameat,renameat2,\
    ?unlink,unlinkat,?mkdir,mkdirat,?link,linkat,copy_file_range,sendfile,sync_file_range";

/// Seconds since 1970.
type Time = f64;

/// A write of a client: its body (none: a delete), when it began and when it was acknowledged.
#[derive(Debug)]
struct Op {
    body: Option<(u64, usize)>,
    begun: Time,
    acknowledged: Time,
}

type Journal = BTreeMap<String, Vec<Op>>;

#[test]
fn power_cut_at_every_write_and_sync_keeps_what_was_acknowledged() {
    // A sample, unless all are asked for.
    let all = std::env::var("STRONGROOM_CUTS").is_ok_and(|text| text == "all");
    let disk = Disk::in_memory(64 << 20);
    let traces = TempDir::new().expect("a temporary directory");
    let prefix = traces.path().join("trace");
    let calls = format!("trace={CALLS}");
    // -D: the node is our child, the tracer is not, so that signals meet the node.
    let tracer = ["strace", "-D", "-ff", "-ttt", "-T", "-y", "-xx", "-s", "99999999", "-e", &calls, "-o"];
    let tracer: Vec<&str> = tracer.into_iter().chain([prefix.to_str().expect("UTF-8")]).collect();
    // The audit log isn't what durability is promised for, and is appended to in a way that isn't followed here.
    let node = disk.node_through(&tracer).arguments(&["--audit-log", "off"]);
    let mut node = node.account(fixture::account(&["box"], &[])).start();
    let root = node.data();
    let journal = load(&node.client());
    // Compaction is part of the recording.
    let first = disk.data().join("log/0000000000000001.seg");
    let deadline = Instant::now() + Duration::from_secs(20);
    while first.exists() {
        assert!(Instant::now() < deadline, "the first segment is dead and not freed: {}", node.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(node.terminate().success(), "{}", node.log());
    let events = events(traces.path(), root.to_str().expect("UTF-8"));
    let mut model = Model::default();
    let step = if all { 1 } else { (events.len() / 60).max(1) };
    let mut cuts = 0;
    for (number, event) in events.iter().enumerate() {
        model.apply(event);
        if number % step == step / 2 {
            for chance in [None, Some(Chance(number as u64))] {
                check(&model, chance, event, number, &journal).unwrap_or_else(|why| panic!("{why}"));
                cuts += 1;
            }
        }
    }
    // The recording is whole: what was replayed is what the node left.
    let replayed = model.now();
    for path in files(&disk.data()) {
        let name = path.strip_prefix(disk.data()).expect("it lies below").to_str().expect("UTF-8").to_owned();
        let content = std::fs::read(&path).expect("readable");
        assert!(replayed.get(&name) == Some(&content), "{name}: the recording misses something");
    }
    // A node that didn't sync its log would not pass.
    let mut lazy = Model::default();
    let unsynced = |event: &&Event| !matches!(&event.change, Change::Sync(path) if path.ends_with(".seg"));
    events.iter().filter(unsynced).for_each(|event| lazy.apply(event));
    let last = events.last().expect("there are events");
    assert!(check(&lazy, None, last, events.len(), &journal).is_err(), "lost syncs are noticed");
    println!("{} events, {cuts} cuts", events.len());
}

/// Writes of several clients; there are full segments and dead ones among what comes of it.
fn load(client: &Client) -> Journal {
    let journal = Mutex::new(Journal::new());
    std::thread::scope(|scope| {
        for writer in 0..3_u64 {
            let journal = &journal;
            scope.spawn(move || {
                for step in 0..48_u64 {
                    let key = format!("{writer} {}", step % 7);
                    let seed = writer * 1000 + step;
                    let body = match step % 12 {
                        4 => None,
                        7 => Some((seed, (1 << 20) + 10_000)),
                        n => Some((seed, (n * 9500) as usize)),
                    };
                    let begun = now();
                    match body {
                        Some((seed, size)) => client.put("box", &key, fixture::noise(seed, size)).expect(200, ""),
                        None => client.delete("box", &key).expect(204, ""),
                    };
                    let op = Op { body, begun, acknowledged: now() };
                    journal.lock().expect("no holder panics").entry(key).or_default().push(op);
                }
            });
        }
    });
    journal.into_inner().expect("no holder panics")
}

fn now() -> Time {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// Starts a node from what the cut leaves.
fn check(model: &Model, chance: Option<Chance>, event: &Event, number: usize, journal: &Journal) -> Result<(), String> {
    let what = format!(
        "cut after event {number}, {}, unsynced {}",
        event.what(),
        if chance.is_some() { "by chance" } else { "lost" }
    );
    let directory = TempDir::new().expect("a temporary directory");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("writable");
    model.materialise(&data, chance);
    let node = NodeBuilder::serve().data(&data).account(fixture::account(&["box"], &[])).try_start();
    let node = node.map_err(|why| format!("{what}: {why}"))?;
    let client = node.client();
    let health = client.anonymous().send(client.target("GET", "/health/ready"));
    if health.text() != "ok" {
        return Err(format!("{what}: {}; {}", health.text(), node.log()));
    }
    for (key, ops) in journal {
        let acknowledged = ops.iter().rposition(|op| op.acknowledged <= event.end);
        let mut candidates: Vec<_> =
            ops.iter().skip(acknowledged.unwrap_or(0)).filter(|op| op.begun <= event.end).map(|op| op.body).collect();
        if acknowledged.is_none() {
            candidates.push(None);
        }
        let answer = client.get("box", key);
        let right = candidates.iter().any(|candidate| match (answer.status, candidate) {
            (404, None) => true,
            (200, Some((seed, size))) => answer.body == fixture::noise(*seed, *size),
            _ => false,
        });
        if !right {
            let found = format!("{} and {} bytes", answer.status, answer.body.len());
            return Err(format!("{what}: {key}: {found}, expected one of {candidates:?}; {}", node.log()));
        }
    }
    client.put("box", "after", "the cut").expect(200, "");
    Ok(())
}

/// One change or sync, as it ended.
#[derive(Debug)]
struct Event {
    begin: Time,
    end: Time,
    change: Change,
}

/// Paths are relative to the data directory, which is the empty one.
#[derive(Debug)]
enum Change {
    Create(String),
    Directory(String),
    /// Without an offset: at the end, as the server's own small files are written.
    Write(String, Option<usize>, Vec<u8>),
    Length(String, usize),
    Sync(String),
    Rename(String, String),
    Remove(String),
}

impl Event {
    fn what(&self) -> String {
        match &self.change {
            Change::Write(path, at, bytes) => format!("{} bytes to {path} at {at:?}", bytes.len()),
            other => format!("{other:?}"),
        }
    }
}

/// Reads the files that strace wrote, one a thread.
fn events(directory: &Path, root: &str) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for path in files(directory) {
        let text = std::fs::read_to_string(&path).expect("strace writes text");
        events.extend(text.lines().filter_map(|line| event(line, root)));
    }
    events.sort_by(|a, b| (a.end, a.begin).partial_cmp(&(b.end, b.begin)).expect("times are numbers"));
    events
}

/// `1795317190.48 pwrite64(13<PATH>, "BYTES", 20, 12288) = 20 <0.000064>`, with paths and bytes as `\x2f`.
fn event(line: &str, root: &str) -> Option<Event> {
    let (begin, call) = line.split_once(' ')?;
    let (call, took) = call.rsplit_once(" <")?;
    let begin: Time = begin.parse().ok()?;
    let end = begin + took.strip_suffix('>')?.parse::<Time>().ok()?;
    let (call, result) = call.rsplit_once(" = ")?;
    let (name, arguments) = call.strip_suffix(')').unwrap_or(call).split_once('(')?;
    let texts: Vec<Vec<u8>> = arguments.split('"').skip(1).step_by(2).map(unescape).collect();
    let inside = |path: &[u8]| {
        let path = String::from_utf8(path.to_vec()).expect("the node's names are UTF-8");
        let path = path.trim_end_matches('/').strip_prefix(root)?;
        Some(path.trim_start_matches('/').to_owned())
    };
    let handles: Vec<Vec<u8>> =
        arguments.split('<').skip(1).filter_map(|rest| Some(unescape(rest.split_once('>')?.0))).collect();
    let handle = || inside(handles.first()?);
    // A name, as it is or below the directory that is named before it.
    let text = |number: usize| {
        let text = texts.get(number)?;
        if text.starts_with(b"/") {
            return inside(text);
        }
        inside(&[handles.get(number)?.as_slice(), text].join(&b'/'))
    };
    let number = |argument: &str| argument.trim().trim_end_matches(')').parse::<usize>().ok();
    let last = || number(arguments.rsplit(',').next()?);
    // What the trace would need and this doesn't understand must not pass unseen.
    let named = || name.ends_with("at").then(|| text(0)).flatten();
    let touches = named().or_else(handle).or_else(|| text(0)).filter(|path| !path.ends_with(".sock"))?;
    if result.starts_with("-1") {
        assert!(name != "fsync" && name != "fdatasync" && !name.starts_with("pwrite"), "{name} failed: {result}");
        return None;
    }
    let change = match name {
        "open" | "openat" => {
            let path = text(0)?;
            assert!(!arguments.contains("O_TRUNC") && !arguments.contains("O_APPEND"), "{path}: {arguments}");
            Change::Create(arguments.contains("O_CREAT").then_some(path)?)
        }
        "mkdir" | "mkdirat" => Change::Directory(text(0)?),
        "write" => Change::Write(touches, None, texts[0][..number(result)?].to_vec()),
        "pwrite64" => Change::Write(touches, Some(last()?), texts[0][..number(result)?].to_vec()),
        "pwritev" | "pwritev2" => {
            let at = arguments.rsplit(',').nth(usize::from(name == "pwritev2")).and_then(number)?;
            let bytes = texts.concat();
            Change::Write(touches, Some(at), bytes[..number(result)?].to_vec())
        }
        "ftruncate" => Change::Length(touches, last()?),
        "fdatasync" | "fsync" => Change::Sync(touches),
        "rename" | "renameat" | "renameat2" => Change::Rename(text(0)?, text(1)?),
        "unlink" | "unlinkat" => Change::Remove(text(0)?),
        other => panic!("the recording has {other}, which the replay doesn't know"),
    };
    Some(Event { begin, end, change })
}

fn unescape(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).filter_map(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok()).collect()
}

/// A file system that knows what is durable.
#[derive(Debug, Default)]
struct Model {
    files: Vec<File>,
    /// Every name now, and those that are durable; none is a directory.
    names: BTreeMap<String, Option<usize>>,
    durable: BTreeMap<String, Option<usize>>,
    /// Changes of names since the sync of their directory, by directory.
    pending: BTreeMap<String, Vec<(Time, NameChange)>>,
}

#[derive(Clone, Debug, Default)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync; without bytes it is a new length.
    pending: Vec<(Time, usize, Option<Vec<u8>>)>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(String, Option<usize>),
    Remove(String),
    Rename(String, String, Option<usize>),
}

impl Model {
    fn file(&mut self, path: &str) -> &mut File {
        let number = self.names.get(path).copied().flatten().unwrap_or_else(|| panic!("{path} is no file"));
        &mut self.files[number]
    }

    fn named(&mut self, end: Time, path: &str, change: NameChange) {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        self.pending.entry(directory.to_owned()).or_default().push((end, change.clone()));
        change.apply(&mut self.names);
    }

    fn apply(&mut self, event: &Event) {
        let end = event.end;
        match &event.change {
            Change::Create(path) if self.names.contains_key(path) => {}
            Change::Create(path) => {
                self.files.push(File::default());
                self.named(end, path, NameChange::Add(path.clone(), Some(self.files.len() - 1)));
            }
            Change::Directory(path) if path.is_empty() => {}
            Change::Directory(path) => self.named(end, path, NameChange::Add(path.clone(), None)),
            Change::Write(path, at, bytes) => {
                let file = self.file(path);
                let at = at.unwrap_or(file.now.len());
                put(&mut file.now, at, bytes);
                file.pending.push((end, at, Some(bytes.clone())));
            }
            Change::Length(path, length) => {
                let file = self.file(path);
                file.now.resize(*length, 0);
                file.pending.push((end, *length, None));
            }
            Change::Sync(path) if self.names.get(path).copied().flatten().is_some() => {
                let file = self.file(path);
                // What was still being written when the sync began is not covered by it.
                let covered = file.pending.partition_point(|(written, ..)| *written <= event.begin);
                for (_, at, bytes) in file.pending.drain(..covered) {
                    match bytes {
                        Some(bytes) => put(&mut file.durable, at, &bytes),
                        None => file.durable.resize(at, 0),
                    }
                }
            }
            Change::Sync(directory) => {
                let pending = self.pending.entry(directory.clone()).or_default();
                let covered = pending.partition_point(|(done, _)| *done <= event.begin);
                for (_, change) in pending.drain(..covered) {
                    change.apply(&mut self.durable);
                }
            }
            Change::Rename(from, to) => {
                let number = self.names.get(from).copied().unwrap_or_else(|| panic!("{from} is not there"));
                let parent = |path: &str| path.rsplit_once('/').map(|(directory, _)| directory.to_owned());
                if parent(from) == parent(to) {
                    self.named(end, to, NameChange::Rename(from.clone(), to.clone(), number));
                } else {
                    self.named(end, to, NameChange::Add(to.clone(), number));
                    self.named(end, from, NameChange::Remove(from.clone()));
                }
            }
            Change::Remove(path) => self.named(end, path, NameChange::Remove(path.clone())),
        }
    }

    /// Every file with what is in it now.
    fn now(&self) -> BTreeMap<String, Vec<u8>> {
        self.names
            .iter()
            .filter_map(|(name, number)| Some((name.clone(), self.files[(*number)?].now.clone())))
            .collect()
    }

    /// Writes what a power cut leaves: of what was not synced nothing, or parts by chance.
    fn materialise(&self, to: &Path, mut chance: Option<Chance>) {
        let mut names = self.durable.clone();
        for changes in self.pending.values() {
            let kept = chance.as_mut().map_or(0, |chance| chance.below(changes.len() + 1));
            changes[..kept].iter().for_each(|(_, change)| change.apply(&mut names));
        }
        // In order of name a directory comes before what is in it; what has none is lost with it.
        for (name, number) in &names {
            let path = to.join(name);
            if !path.parent().is_some_and(Path::exists) {
                continue;
            }
            match number {
                None => std::fs::create_dir(&path).expect("writable"),
                Some(number) => {
                    std::fs::write(&path, self.files[*number].after_cut(chance.as_mut())).expect("writable");
                    // The server made its secrets so, and refuses others.
                    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
                }
            }
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Option<usize>>) {
        match self {
            NameChange::Add(path, number) => _ = names.insert(path.clone(), *number),
            NameChange::Remove(path) => _ = names.remove(path),
            NameChange::Rename(from, to, number) => {
                names.remove(from);
                names.insert(to.clone(), *number);
            }
        }
    }
}

impl File {
    fn after_cut(&self, chance: Option<&mut Chance>) -> Vec<u8> {
        let mut content = self.durable.clone();
        let Some(chance) = chance else { return content };
        for (_, at, bytes) in &self.pending {
            let Some(bytes) = bytes else {
                if chance.below(2) == 0 {
                    content.resize(*at, 0);
                }
                continue;
            };
            // A sector is old or new; a third of the writes arrives whole, a third not at all.
            let fate = chance.below(3);
            let mut from = 0;
            while from < bytes.len() {
                let sector = ((at + from) / 512 + 1) * 512 - at;
                let to = sector.min(bytes.len());
                if fate == 0 || (fate == 1 && chance.below(2) == 0) {
                    put(&mut content, at + from, &bytes[from..to]);
                }
                from = to;
            }
        }
        content
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}
