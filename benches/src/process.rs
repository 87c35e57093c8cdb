//! Servers as processes of their own: started, watched from /proc, stopped.
//!
//! Processor time and peak memory are the kernel's account of the server's process, so the load generator's own work never counts.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Context, Failure, Result};

/// A server that is killed when this value goes.
pub(crate) struct Server {
    child: Child,
    /// Its ready line.
    pub(crate) ready: serde_json::Value,
    /// From before exec to its ready line.
    pub(crate) start_time: Duration,
}

const READY_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

impl Server {
    /// Starts a server and waits for the JSON line on its standard output. Its standard error goes to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Server> {
        let program = command.get_program().to_string_lossy().into_owned();
        let errors = fs::File::create(log).context(format!("creating {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let started = Instant::now();
        let mut child = command.spawn().context(format!("starting {program}"))?;
        let output = child.stdout.take().context("the child has no standard output")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            // The receiver is gone only when the wait below gave up.
            let _ = sender.send((Instant::now(), read.map(|_| line)));
        });
        let mut server = Server { child, ready: serde_json::Value::Null, start_time: Duration::ZERO };
        let received = receiver.recv_timeout(READY_TIMEOUT);
        let ready = match received {
            Ok((at, Ok(line))) => serde_json::from_str(&line).ok().map(|value| (at, value)),
            _ => None,
        };
        let Some((at, value)) = ready else {
            return Err(Failure::new(format!("{program} didn't get ready; its last words: {}", tail(log))));
        };
        server.ready = value;
        server.start_time = at - started;
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in order (SIGTERM) and waits.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().context("waiting for the server")? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(Failure::new(format!("the server ended with {status} on SIGTERM")))
                };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(Failure::new("the server didn't end on SIGTERM"))
    }

    /// Ends it as a crash does (SIGKILL) and waits.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().context("waiting for the server").map(|_| ())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("the child has no process id")?;
        kill_process(id, signal).context("signalling the server")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process so far, all its threads, user and system. Granular to one clock tick (10 ms).
pub(crate) fn processor_time(id: u32) -> Result<Duration> {
    let path = format!("/proc/{id}/stat");
    let stat = fs::read_to_string(&path).context(format!("reading {path}"))?;
    // The second field is a name that may hold anything; after its bracket, utime and stime are fields 14 and 15 of proc_pid_stat(5).
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    let total = ticks(14).zip(ticks(15)).map(|(user, system)| user + system);
    Ok(from_ticks(total.context(format!("{path} has no processor times"))?))
}

/// Processor time of the whole machine so far: all that isn't idle or waiting for a disk.
pub(crate) fn processor_time_of_machine() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect();
    // user nice system (idle iowait) irq softirq steal; guest times are within user and nice.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|&index| fields.get(index)).sum();
    Ok(from_ticks(busy))
}

fn from_ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Waits until a process has used almost no processor time for a while, at most three seconds.
pub(crate) async fn quiet(id: u32) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut before = processor_time(id)?;
    while Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let now = processor_time(id)?;
        if now - before <= Duration::from_millis(10) {
            break;
        }
        before = now;
    }
    Ok(())
}

/// A line of /proc/PID/status that is in kB, such as `VmHWM` (peak resident memory) or `VmRSS`, in bytes.
pub(crate) fn memory_bytes(id: u32, line: &str) -> Result<u64> {
    let path = format!("/proc/{id}/status");
    let status = fs::read_to_string(&path).context(format!("reading {path}"))?;
    status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kilobytes| kilobytes * 1024)
        .context(format!("{path} has no {line}"))
}

/// The end of a log file, for a message.
fn tail(log: &Path) -> String {
    const TAIL_BYTES: u64 = 2000;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) => format!("(its log can't be read: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_is_charged_for_it() {
        let id = std::process::id();
        let (before, machine) = (processor_time(id).unwrap(), processor_time_of_machine().unwrap());
        let started = Instant::now();
        while processor_time(id).unwrap() - before < Duration::from_millis(50) {
            assert!(started.elapsed() < Duration::from_secs(20), "spinning isn't charged");
        }
        assert!(processor_time_of_machine().unwrap() > machine);
        assert!(memory_bytes(id, "VmHWM").unwrap() > 100_000);
        assert!(memory_bytes(id, "VmNothing").is_err());
    }

    #[test]
    fn a_server_that_ends_before_it_is_ready_is_reported_with_its_last_words() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let started = Server::start(Command::new("sh").args(["-c", "echo out of luck >&2; exit 3"]), log.path());
        let message = started.err().expect("it never was ready").to_string();
        assert!(message.contains("out of luck"), "{message}");
    }
}
