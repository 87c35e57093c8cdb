//! What buckets hold now, and what they held over the months: as it is counted, never by scanning.

use http::StatusCode;

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::wire;
use crate::protocol::error::S3Error;
use crate::s3::receive::blocking;
use crate::usage::Month;

/// Months that one answer covers.
const MONTHS_MAX: usize = 24;

/// `GET /usage/current`
pub(super) async fn current(call: &Call) -> Result<Answer> {
    let account = call.account_id()?;
    let mut current = wire::CurrentUsage { total: wire::Usage::default(), buckets: Vec::new() };
    for bucket in call.state.store.buckets().iter().filter(|it| it.owner == account.as_str()) {
        let usage = call.state.store.bucket_usage(bucket.id);
        let usage = wire::Usage { objects: usage.objects, bytes: usage.bytes };
        current.total.objects += usage.objects;
        current.total.bytes += usage.bytes;
        current.buckets.push(wire::BucketUsage { name: bucket.name.to_string(), usage });
    }
    Answer::ok(&current)
}

/// `GET /usage/monthly`: this month unless `from` and `to` say others, oldest first.
pub(super) async fn monthly(call: &Call) -> Result<Answer> {
    let this = Month::of(call.now);
    let month = |name: &str| match call.query.value(name) {
        None => Ok(this),
        Some(text) => Month::parse(text).ok_or_else(|| Refusal::invalid(name, "must be a month such as 2026-11")),
    };
    let (from, to) = (month("from")?, month("to")?);
    let months: Vec<Month> = std::iter::successors(Some(from), |month| Some(month.next()))
        .take_while(|month| *month <= to)
        .take(MONTHS_MAX + 1)
        .collect();
    if months.is_empty() || months.len() > MONTHS_MAX {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidTimeRange", "Invalid time range."));
    }
    let (usage, account, now) = (call.state.usage.clone(), call.account_id()?, call.now);
    let found = blocking(move || {
        let of = |month| usage.of(account.as_str(), month, now).map(|held| (month, held));
        months.into_iter().map(of).collect::<std::result::Result<Vec<_>, _>>()
    });
    let shown: Vec<wire::MonthUsage> = found
        .await?
        .map_err(S3Error::from)?
        .into_iter()
        .map(|(month, held)| wire::MonthUsage {
            year: month.year,
            month: month.month,
            buckets: held
                .iter()
                .map(|(it, deleted)| wire::BucketMonth {
                    name: it.bucket.clone(),
                    create_time: it.created_ms.map(super::buckets::create_time),
                    deleted: *deleted,
                    bytes_average: it.bytes_average(now),
                    bytes_max: it.bytes_max,
                    objects_max: it.objects_max,
                })
                .collect(),
        })
        .collect();
    Answer::ok(&shown)
}
