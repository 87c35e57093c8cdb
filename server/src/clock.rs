//! The time, in one place, so that what is signed, logged and judged in one request has one clock.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Seconds since the epoch.
pub fn now_seconds() -> i64 {
    Timestamp::now().as_second()
}

/// Nanoseconds since the epoch.
pub fn now_nanoseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Now, to the microsecond: no two calls that one client makes in a row have the same.
pub fn now_microseconds() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// `2026-11-21T21:17:00.000Z`, as S3's XML has dates; `nanoseconds` are since the epoch.
pub fn iso_8601(nanoseconds: i64) -> String {
    let timestamp = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{timestamp:.3}")
}

/// `Sat, 21 Nov 2026 21:17:00 GMT`, as HTTP's headers have dates ([RFC 9110 5.6.7](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7)).
pub fn http_date(nanoseconds: i64) -> String {
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

/// Seconds since the epoch of an HTTP date, in any of its three forms.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_forms_of_s3_and_http() {
        let at = 1_795_295_820_123_456_789;
        assert_eq!(iso_8601(at), "2026-11-21T21:17:00.123Z");
        assert_eq!(iso_8601(1_795_295_820_000_000_000), "2026-11-21T21:17:00.000Z");
        assert_eq!(http_date(at), "Sat, 21 Nov 2026 21:17:00 GMT");
        assert_eq!(parse_http_date("Sat, 21 Nov 2026 21:17:00 GMT"), Some(1_795_295_820));
    }
}
