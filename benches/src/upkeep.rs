//! Puts while a node looks after its store, and puts that go on for longer than its memory holds: what a benchmark of short
//! bursts doesn't show.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::content::Content;
use crate::fact::{Fact, median};
use crate::failure::{Context, Failure, Result};
use crate::load::{Answer, Heads, Plan, Tally, drive};
use crate::machine;
use crate::node::{Program, remove};
use crate::process::quiet;
use crate::sign::Request;
use crate::target::Target;
use crate::work::{BUCKET, microseconds, scattered};

const BODY_BYTES: u64 = 4096;
const CONNECTIONS: usize = 16;
/// Objects that are overwritten again and again, so that there is always something to compact.
const OVERWRITTEN_OBJECTS: usize = 50_000;
/// What a node keeps in memory of its log before it is applied to the index: the engine's default.
const MEMTABLE_ENTRIES: usize = 128 << 10;
const MEMTABLES: usize = 10;
const SUSTAINED_CONNECTIONS: usize = 64;

/// The latency of durable puts, with and without compactions and scrubs beside them; checkpoints go on in both.
pub(crate) async fn beside_maintenance(
    program: &Program,
    directory: &Path,
    rounds: usize,
    time: Duration,
) -> Result<Vec<Fact>> {
    eprintln!("puts beside compaction and scrub");
    let node = program.serve(directory)?;
    node.target.create_bucket(BUCKET).await?;
    let body = Content::of(BODY_BYTES, 3);
    node.target.fill(BUCKET, (0..OVERWRITTEN_OBJECTS).map(scattered), &body).await?;
    let (mut without, mut beside) = (Vec::new(), Vec::new());
    let (mut scrubs, mut compactions) = (0, 0);
    for _ in 0..rounds {
        quiet(node.server.id()).await?;
        without.push(overwrite(&node.target, &body, time).await?);
        quiet(node.server.id()).await?;
        let scrub = Repeated::start(&program.path, "scrub", directory);
        let compaction = Repeated::start(&program.path, "compact", directory);
        beside.push(overwrite(&node.target, &body, time).await?);
        scrubs += scrub.stop()?;
        compactions += compaction.stop()?;
    }
    let compacted = node.target.counter("strongroom_engine_compacted_bytes_total").await?;
    node.server.stop()?;
    remove(directory)?;

    let p99 = |tallies: &[Tally]| median(tallies.iter().map(|tally| microseconds(tally.p99)));
    let longest = |tallies: &[Tally]| tallies.iter().map(|it| it.longest.as_secs_f64() * 1e3).fold(0.0, f64::max);
    let ratio = median(without.iter().zip(&beside).map(|(without, beside)| ratio(beside.p99, without.p99)));
    let of_puts = format!("puts of 4 KiB at {CONNECTIONS} connections");
    let mut facts = Vec::new();
    facts.extend(p99(&without).map(|value| Fact::new(format!("p99 of {of_puts}, nothing beside"), value, "us")));
    facts.extend(
        p99(&beside).map(|value| Fact::new(format!("p99 of {of_puts} beside compaction and scrub"), value, "us")),
    );
    facts.extend(ratio.map(|value| Fact::new(format!("p99 of {of_puts}: beside / without"), value, "ratio")));
    facts.push(Fact::new(format!("longest of {of_puts}, nothing beside"), longest(&without), "ms"));
    facts.push(Fact::new(format!("longest of {of_puts} beside compaction and scrub"), longest(&beside), "ms"));
    facts.push(Fact::new("scrubs that ended beside them", f64::from(scrubs), "in all"));
    facts.push(Fact::new("compactions that ended beside them", f64::from(compactions), "in all"));
    facts.extend(compacted.map(|bytes| Fact::new("copied by compactions", bytes / f64::from(1 << 20), "MiB")));
    Ok(facts)
}

/// Puts of random keys for ten memtables without a pause, against the first of them.
pub(crate) async fn sustained(program: &Program, directory: &Path) -> Result<Vec<Fact>> {
    eprintln!("puts of random keys for {MEMTABLES} memtables");
    let node = program.serve(directory)?;
    node.target.create_bucket(BUCKET).await?;
    let body = Content::of(BODY_BYTES, 5);
    let all = MEMTABLE_ENTRIES * MEMTABLES;
    let burst = plan(&node.target, &body, 0..MEMTABLE_ENTRIES, SUSTAINED_CONNECTIONS);
    let rest = plan(&node.target, &body, MEMTABLE_ENTRIES..all, SUSTAINED_CONNECTIONS);
    quiet(node.server.id()).await?;
    let written = machine::disk_written_bytes(directory)?;
    let burst = drive(node.target.address, burst).await?;
    let rest = drive(node.target.address, rest).await?;
    if burst.requests + rest.requests != all as u64 {
        return Err(Failure::new(format!("{} puts instead of {all}", burst.requests + rest.requests)));
    }
    quiet(node.server.id()).await?;
    let written = written.zip(machine::disk_written_bytes(directory)?).map(|(before, after)| (after - before) as f64);
    node.server.stop()?;
    remove(directory)?;

    let rate = |tally: &Tally| tally.requests as f64 / tally.elapsed.as_secs_f64();
    let of_puts = format!("puts of 4 KiB, random keys, {SUSTAINED_CONNECTIONS} connections");
    let mut facts = vec![
        Fact::new(format!("{of_puts}: the first memtable"), rate(&burst), "1/s"),
        Fact::new(format!("{of_puts}: the other {}", MEMTABLES - 1), rate(&rest), "1/s"),
        Fact::new(format!("{of_puts}: sustained / burst"), rate(&rest) / rate(&burst), "ratio"),
    ];
    // The disk's own counter: what the kernel charges a process with counts whole folios, of which a sync may write little.
    facts.extend(written.map(|written| {
        let name = format!("{of_puts}: written to the disk, by whomever, for each byte put");
        Fact::new(name, written / (all as f64 * BODY_BYTES as f64), "ratio")
    }));
    Ok(facts)
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

async fn overwrite(target: &Target, body: &Content, time: Duration) -> Result<Tally> {
    let plan = plan(target, body, 0..OVERWRITTEN_OBJECTS, CONNECTIONS);
    drive(target.address, Plan { again: true, time_max: time, ..plan }).await
}

/// Puts of keys that don't arrive in order.
fn plan(target: &Target, body: &Content, numbers: std::ops::Range<usize>, connections: usize) -> Plan {
    let (signer, payload) = (target.signer(), body.sha256());
    let mut heads = Heads::default();
    for number in numbers {
        let path = format!("/{BUCKET}/{}", scattered(number));
        heads.push(&signer.head(&Request {
            method: "PUT",
            path: &path,
            query: &[],
            payload: &payload,
            body_bytes: body.length(),
        }));
    }
    Plan {
        heads,
        body: body.clone(),
        answer: Answer::Status(200),
        again: false,
        connections,
        time_max: Duration::from_secs(1800),
    }
}

/// A command of the binary's, run again and again.
struct Repeated {
    stopping: Arc<AtomicBool>,
    running: JoinHandle<Result<u32>>,
}

impl Repeated {
    fn start(binary: &Path, command: &'static str, directory: &Path) -> Repeated {
        let stopping = Arc::new(AtomicBool::new(false));
        let (binary, directory, stop) = (binary.to_owned(), directory.to_owned(), Arc::clone(&stopping));
        let running = std::thread::spawn(move || {
            let mut times = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut ran = Command::new(&binary);
                let ran = ran.arg(command).arg(&directory).stdout(Stdio::null()).output();
                let ran = ran.context(format!("running {command}"))?;
                if !ran.status.success() {
                    return Err(Failure::new(format!("{command}: {}", String::from_utf8_lossy(&ran.stderr).trim())));
                }
                times += 1;
            }
            Ok(times)
        });
        Repeated { stopping, running }
    }

    /// Waits for the run that is under way; how many ended.
    fn stop(self) -> Result<u32> {
        self.stopping.store(true, Ordering::Relaxed);
        self.running.join().map_err(|_| Failure::new("a command's thread panicked"))?
    }
}
