//! Drives one server with prepared requests over kept connections and times each.
//!
//! Every answer is checked: a benchmark that counts errors as work is a defect, so the first wrong status, length or byte ends the run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::content::Content;
use crate::failure::{Context, Failure, Result};
use crate::http::{Connection, Reply, Sink};

/// Heads of requests, signed, in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    text: String,
    ends: Vec<usize>,
}

impl Heads {
    pub(crate) fn push(&mut self, head: &str) {
        self.text.push_str(head);
        self.ends.push(self.text.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn head(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text.as_bytes()[start..self.ends[index]]
    }
}

/// What is sent, and what must come back.
pub(crate) struct Plan {
    pub(crate) heads: Heads,
    /// The body of every request.
    pub(crate) body: Content,
    pub(crate) answer: Answer,
    /// Whether the requests may be sent more than once. If not, the load ends with the last one.
    pub(crate) again: bool,
    pub(crate) connections: usize,
    /// When no further request is begun.
    pub(crate) time_max: Duration,
}

/// What every answer must be; its status is 200 where nothing else is said.
pub(crate) enum Answer {
    /// This status; the body doesn't matter.
    Status(u16),
    /// This many bytes.
    Length(u64),
    /// This body: its length is checked each time, its bytes on each connection's first answer.
    Content(Content),
    /// A body in which a text occurs this often, on each connection's first answer.
    Occurrences(&'static str, usize),
}

/// What was done and how long each request took.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    /// Bytes of bodies, both ways.
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
    /// The latency that half of the requests did not exceed.
    pub(crate) p50: Duration,
    /// The latency that 99 of 100 requests did not exceed.
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

/// Longer than any request may take after the load's time is over.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Sends the plan's requests, each connection one after the other.
pub(crate) async fn drive(address: SocketAddr, plan: Plan) -> Result<Tally> {
    let plan = Arc::new(plan);
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        connections.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    let mut tasks: JoinSet<Result<Vec<u64>>> = JoinSet::new();
    for connection in connections {
        tasks.spawn(keep_sending(connection, plan.clone(), next.clone(), started + plan.time_max));
    }
    let mut latencies = Vec::new();
    let all = async {
        while let Some(done) = tasks.join_next().await {
            latencies.append(&mut done.context("a connection's task")??);
        }
        Ok::<(), Failure>(())
    };
    tokio::time::timeout(plan.time_max + LAST_REQUEST_TIMEOUT, all).await.context("waiting for the last answers")??;
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    let requests = latencies.len() as u64;
    let answered = match &plan.answer {
        Answer::Length(length) => *length,
        Answer::Content(content) => content.length(),
        Answer::Status(_) | Answer::Occurrences(..) => 0,
    };
    Ok(Tally {
        requests,
        bytes: requests * (plan.body.length() + answered),
        elapsed,
        p50: percentile(&latencies, 0.5),
        p99: percentile(&latencies, 0.99),
        longest: percentile(&latencies, 1.0),
    })
}

/// The latency that `share` of the sorted nanoseconds did not exceed.
fn percentile(sorted: &[u64], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let index = ((sorted.len() as f64 * share) as usize).min(last);
    Duration::from_nanos(sorted.get(index).copied().unwrap_or(0))
}

async fn keep_sending(
    mut connection: Connection,
    plan: Arc<Plan>,
    next: Arc<AtomicUsize>,
    deadline: Instant,
) -> Result<Vec<u64>> {
    let mut latencies = Vec::new();
    let mut now = Instant::now();
    while now < deadline {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        if plan.heads.len() == 0 || (!plan.again && turn >= plan.heads.len()) {
            break;
        }
        let head = plan.heads.head(turn % plan.heads.len());
        let sink = plan.answer.sink(latencies.is_empty());
        let reply = connection.exchange(head, &plan.body, sink).await;
        let done = Instant::now();
        reply.and_then(|reply| plan.answer.check(reply)).map_err(|error| {
            let line = String::from_utf8_lossy(head.split(|&byte| byte == b'\r').next().unwrap_or_default());
            Failure::new(format!("{line}: {error}"))
        })?;
        latencies.push(u64::try_from((done - now).as_nanos()).unwrap_or(u64::MAX));
        now = done;
    }
    Ok(latencies)
}

impl Answer {
    fn sink(&self, first: bool) -> Sink<'_> {
        match self {
            Answer::Content(content) if first => Sink::Compare(content),
            Answer::Occurrences(..) if first => Sink::Keep,
            Answer::Status(_) | Answer::Length(_) | Answer::Content(_) | Answer::Occurrences(..) => Sink::Discard,
        }
    }

    fn check(&self, reply: Reply) -> Result<()> {
        let reply = reply.expect(if let Answer::Status(status) = self { *status } else { 200 })?;
        let length = match self {
            Answer::Length(length) => *length,
            Answer::Content(content) => content.length(),
            Answer::Status(_) => return Ok(()),
            Answer::Occurrences(text, times) => {
                let found = String::from_utf8_lossy(&reply.kept).matches(text).count();
                return if found == *times || reply.kept.is_empty() && reply.length > 0 {
                    Ok(())
                } else {
                    Err(Failure::new(format!("the answer holds {found} {text}, not {times}")))
                };
            }
        };
        if reply.length == length {
            Ok(())
        } else {
            Err(Failure::new(format!("the answer has {} bytes, not {length}", reply.length)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, length: body.len() as u64, kept: body.into() }
    }

    #[test]
    fn an_answer_that_is_not_the_wanted_one_ends_the_load() {
        assert!(Answer::Status(200).check(reply(200, "")).is_ok());
        let denied =
            Answer::Status(200).check(reply(403, "<Code>AccessDenied</Code>")).expect_err("a denial isn't work");
        assert!(denied.to_string().contains("AccessDenied"), "{denied}");
        assert!(Answer::Length(3).check(reply(200, "abc")).is_ok());
        assert!(Answer::Length(4).check(reply(200, "abc")).is_err());
        assert!(Answer::Occurrences("<Key>", 2).check(reply(200, "<Key>a<Key>b")).is_ok());
        assert!(Answer::Occurrences("<Key>", 2).check(reply(200, "<Key>a")).is_err());
        assert!(Answer::Occurrences("<Key>", 2).check(reply(200, "")).is_err());
    }

    #[test]
    fn percentiles_of_few_latencies_are_among_them() {
        let sorted = [1, 2, 9];
        assert_eq!(percentile(&sorted, 0.5), Duration::from_nanos(2));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_nanos(9));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
