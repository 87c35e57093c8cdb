//! The work that servers are compared on, in rounds that take turns.
//!
//! On a shared machine a number means little by itself: each round gives every server one window, so that what else runs meets all of them, and ratios are taken within a round.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::content::Content;
use crate::fact::{Fact, median};
use crate::failure::{Context, Result};
use crate::limits::{LARGE_BYTES, Limits, SMALL_BYTES};
use crate::load::{Answer, Heads, Plan, Tally, drive};
use crate::process::{processor_time, processor_time_of_machine, quiet};
use crate::sign::{EMPTY_SHA256, Request, UNSIGNED_PAYLOAD};
use crate::target::{BARE_HYPER, Target};

/// The bucket of all gets and puts.
pub(crate) const BUCKET: &str = "strongroom-benchmark";
/// The bucket that is listed.
pub(crate) const LISTED_BUCKET: &str = "strongroom-benchmark-list";

/// One kind of request, at one number of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    pub(crate) kind: Kind,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Objects of a size, out of this many that [`prepare`] put.
    Get { bytes: u64, objects: usize },
    /// New keys with a body of a size, at most this many in a window.
    Put { bytes: u64, objects_max: usize, payload: Payload },
    /// A page of 1,000 keys from a place among this many keys that [`fill_listed`] put.
    ListPage { keys: usize },
    /// All prefixes before the first slash of this many keys.
    ListPrefixes { keys: usize },
}

/// Whether a signature covers a body's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Signed,
    Unsigned,
}

/// What one server did in one window.
pub(crate) struct Window {
    pub(crate) tally: Tally,
    /// The server's processor time, until it was quiet again after puts.
    pub(crate) processor: Option<Duration>,
    /// The load generator's processor time.
    pub(crate) generator: Duration,
    /// Cores that neither the server nor the load generator kept busy meanwhile.
    pub(crate) others_cores: Option<f64>,
    /// Syncs of the log, and records it took, when the server counts them.
    pub(crate) syncs: Option<f64>,
    pub(crate) records: Option<f64>,
}

impl Window {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.tally.requests as f64 / self.tally.elapsed.as_secs_f64()
    }

    /// MiB of bodies a second.
    pub(crate) fn mebibytes(&self) -> f64 {
        self.tally.bytes as f64 / self.tally.elapsed.as_secs_f64() / f64::from(1 << 20)
    }

    /// The server's processor time for a request, in microseconds.
    pub(crate) fn processor_per_request(&self) -> Option<f64> {
        self.processor.map(|time| microseconds(time) / self.tally.requests as f64)
    }

    /// Syncs of the log for a request; none where nothing was written.
    pub(crate) fn syncs_per_request(&self) -> Option<f64> {
        self.syncs.filter(|&syncs| syncs > 0.0).map(|syncs| syncs / self.tally.requests as f64)
    }
}

pub(crate) fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// One work at one server: a window a round.
pub(crate) struct Measurement {
    pub(crate) work: Work,
    pub(crate) target: String,
    pub(crate) windows: Vec<Window>,
}

/// Does each work in rounds: all servers once, then all again. Where a limit of the machine bounds a work, it is measured in each round too, and the ratio to it is a fact.
pub(crate) async fn interleave(
    works: &[Work],
    targets: &[Target],
    rounds: usize,
    time: Duration,
    limits: &Limits,
) -> Result<(Vec<Measurement>, Vec<Fact>)> {
    let mut measurements = Vec::new();
    let mut facts = Vec::new();
    for work in works {
        eprintln!("{} at {} connections", work.name, work.connections);
        let mut of_work: Vec<Measurement> = targets
            .iter()
            .filter(|target| target.stores || !work.needs_store())
            .map(|target| Measurement { work: *work, target: target.name.clone(), windows: Vec::new() })
            .collect();
        let mut bounds = Vec::new();
        for _ in 0..rounds {
            bounds.push(work.bound(limits)?);
            for measurement in &mut of_work {
                let target = targets.iter().find(|target| target.name == measurement.target);
                let target = target.context("a measurement without its server")?;
                let window = work.window(target, time).await.context(format!("{} at {}", work.name, target.name))?;
                measurement.windows.push(window);
            }
        }
        for measurement in of_work.iter().filter(|measurement| measurement.target != BARE_HYPER) {
            let bounded = measurement.windows.iter().zip(&bounds);
            let ratio = median(bounded.filter_map(|(window, bound)| Some(window.rate() / bound.as_ref()?.1)));
            if let (Some(ratio), Some(Some((bound, _)))) = (ratio, bounds.first()) {
                let name =
                    format!("{}: {} at {} connections / {bound}", measurement.target, work.name, work.connections);
                facts.push(Fact::new(name, ratio, "ratio"));
            }
        }
        measurements.append(&mut of_work);
    }
    Ok((measurements, facts))
}

/// Puts what the gets among the works ask for.
pub(crate) async fn prepare(works: &[Work], target: &Target) -> Result<()> {
    let mut sizes: Vec<(u64, usize)> = Vec::new();
    for work in works {
        if let Kind::Get { bytes, objects } = work.kind
            && !sizes.contains(&(bytes, objects))
        {
            sizes.push((bytes, objects));
        }
    }
    target.create_bucket(BUCKET).await?;
    for (bytes, objects) in sizes {
        let body = Content::of(bytes, bytes);
        target.fill(BUCKET, (0..objects).map(|number| get_key(bytes, number)), &body).await?;
    }
    Ok(())
}

/// Puts the keys of the listed bucket: 4 KiB objects, a thousand keys to each prefix.
pub(crate) async fn fill_listed(keys: usize, target: &Target) -> Result<()> {
    target.create_bucket(LISTED_BUCKET).await?;
    target.fill(LISTED_BUCKET, (0..keys).map(listed_key), &Content::of(4096, 11)).await
}

/// The `number`th key of the listed bucket, in order.
pub(crate) fn listed_key(number: usize) -> String {
    format!("{:06}/{:06}", number / KEYS_PER_PREFIX, number % KEYS_PER_PREFIX)
}

pub(crate) fn get_key(bytes: u64, number: usize) -> String {
    format!("get-{bytes}/{number:06}")
}

const KEYS_PER_PREFIX: usize = 1000;
const PAGE_KEYS: usize = 1000;

impl Work {
    fn needs_store(&self) -> bool {
        matches!(self.kind, Kind::ListPage { .. } | Kind::ListPrefixes { .. })
    }

    /// What bounds this work on this machine, by name, in requests a second.
    fn bound(&self, limits: &Limits) -> Result<Option<(&'static str, f64)>> {
        Ok(match self.kind {
            Kind::Put { bytes, .. } if bytes == SMALL_BYTES as u64 && self.connections == 1 => {
                Some(("raw pwrite + fdatasync by one thread", limits.small_syncs()?))
            }
            Kind::Put { bytes, .. } if bytes == LARGE_BYTES as u64 => {
                let hashed = limits.md5()? / (LARGE_BYTES >> 20) as f64;
                Some(("the lower of MD5 on one core and raw pwrite + fdatasync", hashed.min(limits.large_syncs()?)))
            }
            _ => None,
        })
    }

    async fn window(&self, target: &Target, time: Duration) -> Result<Window> {
        let plan = self.plan(target, time);
        if let Some(process) = target.process {
            quiet(process).await?;
        }
        let log = target.log_counters().await?;
        let before = Charges::now(target)?;
        let tally = drive(target.address, plan).await?;
        let measured = Charges::now(target)?;
        let after = match (self.kind, target.process) {
            // What puts leave to be done later is their cost too.
            (Kind::Put { .. }, Some(process)) => {
                quiet(process).await?;
                Charges::now(target)?
            }
            _ => Charges { ..measured },
        };
        let log = log.zip(target.log_counters().await?);
        let server = |end: &Charges| end.server.zip(before.server).map(|(end, start)| end - start);
        let generator = measured.generator - before.generator;
        let others =
            server(&measured).map(|server| (measured.machine - before.machine).saturating_sub(server + generator));
        Ok(Window {
            processor: server(&after),
            generator,
            others_cores: others.map(|others| others.as_secs_f64() / tally.elapsed.as_secs_f64()),
            syncs: log.map(|(start, end)| end.syncs - start.syncs),
            records: log.map(|(start, end)| end.records - start.records),
            tally,
        })
    }

    fn plan(&self, target: &Target, time: Duration) -> Plan {
        let signer = target.signer();
        let mut heads = Heads::default();
        let plan = |heads, answer| Plan {
            heads,
            body: Content::empty(),
            answer,
            again: true,
            connections: self.connections,
            time_max: time,
        };
        let mut read = |path: &str, query: &[(&str, &str)]| {
            heads.push(&signer.head(&Request { method: "GET", path, query, payload: EMPTY_SHA256, body_bytes: 0 }));
        };
        match self.kind {
            Kind::Get { bytes, objects } => {
                (0..objects).for_each(|number| read(&format!("/{BUCKET}/{}", get_key(bytes, number)), &[]));
                let answer =
                    if target.stores { Answer::Content(Content::of(bytes, bytes)) } else { Answer::Length(bytes) };
                plan(heads, answer)
            }
            Kind::ListPage { keys } => {
                let places = (keys / PAGE_KEYS).saturating_sub(1).max(1);
                for place in 0..places {
                    // A stride coprime to the number of places visits all of them out of order.
                    let after = listed_key(place * 37 % places * PAGE_KEYS + PAGE_KEYS / 2);
                    let query = [("list-type", "2"), ("max-keys", "1000"), ("start-after", after.as_str())];
                    read(&format!("/{LISTED_BUCKET}"), &query);
                }
                plan(heads, Answer::Occurrences("<Key>", PAGE_KEYS.min(keys.saturating_sub(PAGE_KEYS / 2 + 1))))
            }
            Kind::ListPrefixes { keys } => {
                read(&format!("/{LISTED_BUCKET}"), &[("delimiter", "/"), ("list-type", "2")]);
                plan(heads, Answer::Occurrences("<CommonPrefixes>", keys.div_ceil(KEYS_PER_PREFIX)))
            }
            Kind::Put { bytes, objects_max, payload } => {
                let body = Content::of(bytes, bytes ^ 0x5555);
                let payload = if payload == Payload::Signed { body.sha256() } else { UNSIGNED_PAYLOAD.to_owned() };
                let window = NEXT_WINDOW.fetch_add(1, Ordering::Relaxed);
                for number in 0..objects_max {
                    let path = format!("/{BUCKET}/put-{window:04}/{}", scattered(number));
                    let payload = payload.as_str();
                    heads.push(&signer.head(&Request {
                        method: "PUT",
                        path: &path,
                        query: &[],
                        payload,
                        body_bytes: bytes,
                    }));
                }
                // Bare hyper keeps nothing, so it may see a key twice.
                Plan { body, again: !target.stores, ..plan(heads, Answer::Status(200)) }
            }
        }
    }
}

/// Windows of puts are numbered so that no two write the same key.
static NEXT_WINDOW: AtomicU64 = AtomicU64::new(0);

/// Keys that don't arrive in order: multiplication by an odd number never gives one twice.
pub(crate) fn scattered(number: usize) -> String {
    format!("{:016x}", (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[derive(Clone, Copy)]
struct Charges {
    server: Option<Duration>,
    generator: Duration,
    machine: Duration,
}

impl Charges {
    fn now(target: &Target) -> Result<Charges> {
        Ok(Charges {
            server: target.process.map(processor_time).transpose()?,
            generator: processor_time(std::process::id())?,
            machine: processor_time_of_machine()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_of_puts_are_distinct_and_those_of_lists_in_order() {
        let keys: HashSet<String> = (0..10_000).map(scattered).collect();
        assert_eq!(keys.len(), 10_000);
        let listed: Vec<String> = (0..3000).map(listed_key).collect();
        assert!(listed.is_sorted());
    }
}
