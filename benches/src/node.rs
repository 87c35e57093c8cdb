//! A node of ours as a process, and the numbers that only it has: starts, recovery, memory, disk.
//!
//! It is started as an operator would, by its command line on a directory of its own, so that what is measured is what is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::content::Content;
use crate::fact::{Fact, median};
use crate::failure::{Context, Result};
use crate::machine::{copy_directory, disk_bytes};
use crate::process::{Server, memory_bytes, quiet};
use crate::sign::Credentials;
use crate::target::Target;
use crate::work::{BUCKET, LISTED_BUCKET, fill_listed};

/// How nodes are started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The `strongroom` binary.
    pub(crate) path: PathBuf,
    /// `strict` or `relaxed`.
    pub(crate) durability: String,
    /// Further arguments of `serve`.
    pub(crate) arguments: Vec<String>,
    /// The state that a new node begins with; without one it has a root and nothing else.
    pub(crate) state: Option<PathBuf>,
}

/// A running node.
pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) target: Target,
}

pub(crate) const ACCESS_KEY: &str = "BENCHMARKROOT";
pub(crate) const SECRET_KEY: &str = "benchmark-secret-of-no-value";
/// The secret key of everybody else.
pub(crate) const CALLERS_SECRET_KEY: &str = "benchmark-secret-of-no-value-either";
const REGION: &str = "us-east-1";

impl Program {
    /// What `strongroom --version` says.
    pub(crate) fn version(&self) -> Result<String> {
        let output = Command::new(&self.path).arg("--version").output();
        let output =
            output.context(format!("running {} (build it with cargo build --release)", self.path.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Serves `directory`; logs go beside it.
    pub(crate) fn serve(&self, directory: &Path) -> Result<Node> {
        let mut command = Command::new(&self.path);
        command.arg("serve").arg("--data").arg(directory);
        command.args(["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--region", REGION]);
        match &self.state {
            Some(state) => command.arg("--bootstrap").arg(state),
            None => command.args(["--root-access-key", ACCESS_KEY, "--root-secret-key", SECRET_KEY]),
        };
        command.args(["--durability", &self.durability]).args(&self.arguments);
        let server = Server::start(&mut command, &directory.with_extension("log"))?;
        let url = |name: &str| server.ready[name].as_str().context(format!("the ready line names no {name}"));
        let (host, address) = Target::locate(url("s3")?)?;
        let target = Target {
            name: format!("strongroom {}", self.durability),
            host,
            address,
            credentials: Credentials {
                access_key: ACCESS_KEY.into(),
                secret_key: SECRET_KEY.into(),
                region: REGION.into(),
            },
            process: Some(server.id()),
            console: Some(Target::locate(url("console")?)?.1),
            stores: true,
        };
        Ok(Node { server, target })
    }
}

/// Exec to ready on an empty directory. The directories stay until the run ends: some file systems make new files slowly right after many were deleted.
pub(crate) fn empty_starts(program: &Program, parent: &Path, times: usize) -> Result<Vec<Fact>> {
    eprintln!("starts on an empty directory");
    let mut starts = Vec::new();
    let mut idle = Vec::new();
    for number in 0..times {
        let directory = parent.join(format!("empty-{number}"));
        let node = program.serve(&directory)?;
        starts.push(node.server.start_time.as_secs_f64() * 1e3);
        idle.push(memory_bytes(node.server.id(), "VmRSS")? as f64 / f64::from(1 << 20));
        node.server.stop()?;
    }
    let longest = starts.iter().copied().fold(0.0, f64::max);
    let mut facts = Vec::new();
    facts.extend(
        median(starts)
            .map(|value| Fact::new(format!("exec to ready, empty directory, median of {times}"), value, "ms")),
    );
    facts.push(Fact::new("exec to ready, empty directory, longest", longest, "ms"));
    facts.extend(median(idle).map(|value| Fact::new("resident memory when ready, empty directory", value, "MiB")));
    Ok(facts)
}

/// A node with this many 4 KiB objects: what they take on the disk and in memory. The caller lists them, then hands the node to [`restarts`].
pub(crate) async fn filled(program: &Program, directory: &Path, objects: usize) -> Result<(Node, Vec<Fact>)> {
    eprintln!("loading {objects} objects");
    let node = program.serve(directory)?;
    let log_before = node.target.log_counters().await?;
    let started = std::time::Instant::now();
    fill_listed(objects, &node.target).await?;
    let rate = objects as f64 / started.elapsed().as_secs_f64();
    quiet(node.server.id()).await?;
    let count = objects as f64;
    let peak = memory_bytes(node.server.id(), "VmHWM")? as f64 / f64::from(1 << 20);
    let mut facts = vec![
        Fact::new(format!("loading {objects} objects of 4 KiB, 64 connections"), rate, "1/s"),
        Fact::new(
            "disk per 4 KiB object, all files, preallocation included",
            disk_bytes(directory)? as f64 / count,
            "bytes",
        ),
    ];
    if let (Some(before), Some(after)) = (log_before, node.target.log_counters().await?) {
        facts.push(Fact::new("log per 4 KiB object", (after.bytes - before.bytes) / count, "bytes"));
    }
    let index = directory.join("index.redb");
    if let Ok(metadata) = std::fs::metadata(&index) {
        use std::os::unix::fs::MetadataExt;
        facts.push(Fact::new("index per object, as applied so far", metadata.blocks() as f64 * 512.0 / count, "bytes"));
    }
    facts.push(Fact::new(format!("peak memory after loading {objects} objects"), peak, "MiB"));
    Ok((node, facts))
}

/// Kills a node as a crash does and times its next starts, each on a copy of what the crash left.
pub(crate) async fn restarts(
    program: &Program,
    node: Node,
    directory: &Path,
    objects: usize,
    times: usize,
) -> Result<Vec<Fact>> {
    eprintln!("restarts after kill -9");
    // The last acknowledged write is right before the crash, so that there is a tail to recover.
    node.target.put_stream(&format!("/{LISTED_BUCKET}/last"), &Content::of(4096, 17)).await?;
    node.server.kill()?;
    let mut starts = Vec::new();
    let mut idle = Vec::new();
    for number in 0..times {
        let copy = directory.with_file_name(format!("crashed-{number}"));
        copy_directory(directory, &copy)?;
        let node = program.serve(&copy)?;
        starts.push(node.server.start_time.as_secs_f64() * 1e3);
        node.target.get_stream(&format!("/{LISTED_BUCKET}/last"), &Content::of(4096, 17)).await?;
        idle.push(memory_bytes(node.server.id(), "VmRSS")? as f64 / f64::from(1 << 20));
        node.server.kill()?;
        remove(&copy)?;
    }
    let longest = starts.iter().copied().fold(0.0, f64::max);
    let mut facts = Vec::new();
    facts.extend(median(starts).map(|value| {
        Fact::new(format!("restart to ready after kill -9 with {objects} objects, median of {times}"), value, "ms")
    }));
    facts.push(Fact::new("restart to ready after kill -9, longest", longest, "ms"));
    facts.extend(median(idle).map(|value| Fact::new("resident memory after that restart", value, "MiB")));
    Ok(facts)
}

/// Peak memory of a fresh node through which one long object goes up and down; each byte is compared.
pub(crate) async fn streaming(program: &Program, directory: &Path, bytes: u64) -> Result<Vec<Fact>> {
    eprintln!("streaming {} GiB up and down", bytes >> 30);
    let node = program.serve(directory)?;
    node.target.create_bucket(BUCKET).await?;
    let body = Content::of(bytes, 23);
    let path = format!("/{BUCKET}/stream");
    let rate = |elapsed: Duration| bytes as f64 / f64::from(1 << 20) / elapsed.as_secs_f64();
    let peak = || memory_bytes(node.server.id(), "VmHWM").map(|bytes| bytes as f64 / f64::from(1 << 20));
    let gibibytes = bytes >> 30;

    let started = std::time::Instant::now();
    node.target.put_stream(&path, &body).await?;
    let mut facts = vec![
        Fact::new(format!("{gibibytes} GiB put, UNSIGNED-PAYLOAD"), rate(started.elapsed()), "MiB/s"),
        Fact::new(format!("peak memory while {gibibytes} GiB went up"), peak()?, "MiB"),
    ];
    let started = std::time::Instant::now();
    node.target.get_stream(&path, &body).await?;
    facts.push(Fact::new(format!("{gibibytes} GiB get, each byte compared"), rate(started.elapsed()), "MiB/s"));
    facts.push(Fact::new(format!("peak memory while {gibibytes} GiB went up and down"), peak()?, "MiB"));
    node.server.stop()?;
    remove(directory)?;
    Ok(facts)
}

/// Removes a node's directory, so that one number's gigabytes don't fill the next one's disk.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    std::fs::remove_dir_all(directory).context(format!("removing {}", directory.display()))
}
