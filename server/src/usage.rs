//! What buckets held over the months, from the engine's own counters: sampled each minute, summed up as it goes, never found by scanning.
//!
//! Between two samples a bucket is taken to hold what it held at the first; while the node is down that is exact. A bucket's running month is one configuration row, and a month that is over one more, which stays when the bucket is deleted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::{BucketId, ConfigChange, Store};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::clock;

/// How often buckets are looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(60);
/// How many samples are taken between two writes: what a kill -9 can lose. Only what has changed is written.
const SAMPLES_PER_WRITE: u32 = 5;
/// Rows of the running months, by the bucket's number.
const RUNNING: &str = "usage.running";
/// Rows that are written in one batch.
const BATCH_MAX: usize = 4_000;

/// A month of one calendar year, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Month {
    /// The year.
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
}

/// What a bucket held in a month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Held {
    /// The month.
    pub month: Month,
    /// The account that owned the bucket.
    pub owner: String,
    /// The bucket's name.
    pub bucket: String,
    /// When the bucket was created, in milliseconds since the epoch, which tells it from others of its name; none in what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_ms: Option<u64>,
    /// The sum of bytes times the seconds that they were held.
    pub byte_seconds: f64,
    /// The most bytes at one time.
    pub bytes_max: u64,
    /// The most objects and versions at one time.
    pub objects_max: u64,
    /// When it was looked at last, in seconds since the epoch.
    sampled_at: i64,
    /// What it held then.
    bytes: u64,
}

/// The usage of all buckets over the months.
pub struct MonthlyUsage {
    store: Store,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    months: HashMap<BucketId, Held>,
    /// Rows that differ from what is stored: namespace, key, and the value or none.
    unwritten: HashMap<(String, String), Option<Bytes>>,
}

impl Month {
    /// The month of a time in seconds since the epoch.
    pub fn of(seconds: i64) -> Month {
        let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC);
        Month { year: time.year(), month: time.month() }
    }

    /// Reads `2026-11`.
    pub fn parse(text: &str) -> Option<Month> {
        let date: Date = format!("{text}-01").parse().ok().filter(|_| text.len() == "2026-11".len())?;
        Some(Month { year: date.year(), month: date.month() })
    }

    /// The month after it.
    pub fn next(self) -> Month {
        match self.month {
            12 => Month { year: self.year.saturating_add(1), month: 1 },
            month => Month { month: month + 1, ..self },
        }
    }

    /// Its first second, since the epoch.
    pub fn start(self) -> i64 {
        let first = Date::new(self.year, self.month, 1).ok();
        first.and_then(|date| date.to_zoned(TimeZone::UTC).ok()).map_or(i64::MAX, |time| time.timestamp().as_second())
    }

    fn namespace(self, owner: &str) -> String {
        format!("usage/{owner}/{:04}-{:02}", self.year, self.month)
    }
}

impl Held {
    /// The mean of bytes held from the month's beginning until `now` or the month's end.
    pub fn bytes_average(&self, now: i64) -> u64 {
        let seconds = now.min(self.month.next().start()) - self.month.start();
        if seconds <= 0 { 0 } else { (self.byte_seconds / seconds as f64).round() as u64 }
    }

    fn hold_until(&mut self, now: i64) {
        self.byte_seconds += self.bytes as f64 * (now - self.sampled_at).max(0) as f64;
        self.sampled_at = self.sampled_at.max(now);
    }
}

impl MonthlyUsage {
    /// Reads where the last run of the node left off.
    pub fn load(store: &Store) -> MonthlyUsage {
        let rows = store.config_rows(RUNNING).unwrap_or_else(|error| {
            tracing::error!(%error, "what buckets held this month can't be read: it is counted from now on");
            Vec::new()
        });
        let months = rows.into_iter().flatten().filter_map(|row| {
            let id = u64::from_str_radix(&row.key, 16).ok()?;
            Some((BucketId(id), serde_json::from_slice(&row.value).ok()?))
        });
        let running = Running { months: months.collect(), ..Running::default() };
        MonthlyUsage { store: store.clone(), running: Mutex::new(running) }
    }

    /// Looks at all buckets at once and then each minute, and writes every few minutes and when a month has ended. Never ends by itself.
    pub async fn watch(self: Arc<Self>) {
        for samples in 0_u32.. {
            self.sample(clock::now_seconds());
            if samples.is_multiple_of(SAMPLES_PER_WRITE) || self.has_ended_months() {
                self.write().await;
            }
            tokio::time::sleep(SAMPLE_INTERVAL).await;
        }
    }

    /// Takes a last look and makes it durable.
    pub async fn close(&self) {
        self.sample(clock::now_seconds());
        self.write().await;
    }

    /// Whether a month that is over, or what a deleted bucket held, waits to be written: nothing tells that again.
    fn has_ended_months(&self) -> bool {
        lock(&self.running).unwritten.keys().any(|(namespace, _)| namespace != RUNNING)
    }

    /// What the buckets of an account held in a month, by name and creation, and whether each is deleted.
    ///
    /// # Errors
    /// The store's.
    pub fn of(&self, owner: &str, month: Month, now: i64) -> Result<Vec<(Held, bool)>, engine::Error> {
        self.sample(now);
        let stored = self.store.config_rows(&month.namespace(owner))?;
        let mut held: HashMap<String, Held> = HashMap::new();
        for row in stored.into_iter().flatten() {
            held.extend(serde_json::from_slice(&row.value).ok().map(|it| (row.key, it)));
        }
        let running = lock(&self.running);
        let unwritten = running.unwritten.iter().filter(|((namespace, _), _)| *namespace == month.namespace(owner));
        for ((_, key), value) in unwritten {
            held.extend(value.as_ref().and_then(|it| serde_json::from_slice(it).ok()).map(|it| (key.clone(), it)));
        }
        let own = running.months.iter().filter(|(_, it)| it.owner == owner && it.month == month);
        held.extend(own.map(|(id, it)| (key(*id), it.clone())));
        // As of the same look, buckets that are there are those that run.
        let there: HashSet<String> = running.months.keys().map(|id| key(*id)).collect();
        drop(running);
        let mut held: Vec<(Held, bool)> = held.into_iter().map(|(id, it)| (it, !there.contains(&id))).collect();
        held.sort_by(|(a, _), (b, _)| (&a.bucket, a.created_ms).cmp(&(&b.bucket, b.created_ms)));
        Ok(held)
    }

    /// Makes what was sampled durable. What can't be written is tried again with the next write.
    pub async fn write(&self) {
        let unwritten: Vec<_> = lock(&self.running).unwritten.drain().collect();
        for part in unwritten.chunks(BATCH_MAX) {
            let change = |((namespace, key), value): &((String, String), Option<Bytes>)| ConfigChange {
                namespace: namespace.clone(),
                key: key.clone(),
                value: value.clone(),
                expected_revision: None,
            };
            if let Err(error) = self.store.put_config_batch(part.iter().map(change).collect()).await {
                tracing::warn!(%error, "what buckets held this month can't be written now");
                let mut running = lock(&self.running);
                for (row, value) in part {
                    // A newer value of the row stays.
                    running.unwritten.entry(row.clone()).or_insert_with(|| value.clone());
                }
            }
        }
    }

    /// Looks at all buckets.
    fn sample(&self, now: i64) {
        let buckets = self.store.buckets();
        let mut running = lock(&self.running);
        let Running { months, unwritten } = &mut *running;
        let gone: Vec<BucketId> =
            months.keys().filter(|id| !buckets.iter().any(|bucket| bucket.id == **id)).copied().collect();
        for bucket in &buckets {
            let usage = self.store.bucket_usage(bucket.id);
            let held = months.entry(bucket.id).or_insert_with(|| Held {
                month: Month::of(now),
                owner: bucket.owner.clone(),
                bucket: bucket.name.to_string(),
                created_ms: Some(bucket.created_ms),
                byte_seconds: 0.0,
                bytes_max: 0,
                objects_max: 0,
                sampled_at: now,
                bytes: 0,
            });
            held.created_ms = Some(bucket.created_ms);
            let before = (held.month, held.bytes, held.bytes_max, held.objects_max);
            end_months(bucket.id, held, now, unwritten);
            held.hold_until(now);
            held.bytes = usage.bytes;
            held.bytes_max = held.bytes_max.max(usage.bytes);
            held.objects_max = held.objects_max.max(usage.objects);
            // As long as nothing changes, the stored row says it all.
            if before != (held.month, held.bytes, held.bytes_max, held.objects_max) {
                unwritten.insert((RUNNING.to_owned(), key(bucket.id)), encode(held));
            }
        }
        for id in gone {
            let Some(mut held) = months.remove(&id) else { continue };
            end_months(id, &mut held, now, unwritten);
            held.hold_until(now);
            unwritten.insert((held.month.namespace(&held.owner), key(id)), encode(&held));
            unwritten.insert((RUNNING.to_owned(), key(id)), None);
        }
    }
}

/// Closes the months that are over and begins the next ones with what the bucket held.
fn end_months(id: BucketId, held: &mut Held, now: i64, unwritten: &mut HashMap<(String, String), Option<Bytes>>) {
    while held.month < Month::of(now) {
        let end = held.month.next().start();
        held.hold_until(end);
        unwritten.insert((held.month.namespace(&held.owner), key(id)), encode(held));
        *held = Held {
            month: held.month.next(),
            byte_seconds: 0.0,
            bytes_max: held.bytes,
            objects_max: 0,
            sampled_at: end,
            ..held.clone()
        };
    }
}

fn key(id: BucketId) -> String {
    format!("{:016x}", id.0)
}

fn encode(held: &Held) -> Option<Bytes> {
    // Numbers and texts have a JSON form; a sum that is no number would have been lost already.
    serde_json::to_vec(held).ok().map(Bytes::from)
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    // A holder that panicked left whole records behind.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(bytes: u64, at: &str) -> Held {
        let at = at.parse::<Timestamp>().unwrap().as_second();
        Held {
            month: Month::of(at),
            owner: "1".into(),
            bucket: "box".into(),
            created_ms: None,
            byte_seconds: 0.0,
            bytes_max: bytes,
            objects_max: 1,
            sampled_at: at,
            bytes,
        }
    }

    #[test]
    fn months_that_are_over_are_closed_with_what_was_held_until_their_end() {
        let mut running = held(100, "2026-11-16T00:00:00Z");
        let mut rows = HashMap::new();
        let now = "2027-01-02T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
        end_months(BucketId(7), &mut running, now, &mut rows);
        running.hold_until(now);
        let closed = |month: &str| -> Held {
            let value = rows[&(format!("usage/1/{month}"), key(BucketId(7)))].clone().unwrap();
            serde_json::from_slice(&value).unwrap()
        };
        assert_eq!(rows.len(), 2);
        assert_eq!(closed("2026-11").bytes_average(now), 50, "half of the month");
        assert_eq!((closed("2026-12").bytes_average(now), closed("2026-12").bytes_max), (100, 100));
        assert_eq!((running.month, running.bytes_average(now)), (Month { year: 2027, month: 1 }, 100));
    }

    #[test]
    fn months_are_read_and_follow_each_other() {
        assert_eq!(Month::parse("2026-12").unwrap().next(), Month { year: 2027, month: 1 });
        assert_eq!(Month { year: 1970, month: 2 }.start(), 31 * 86_400);
        for bad in ["", "2026-13", "2026-1", "26-11", "2026-11-01"] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
    }
}
