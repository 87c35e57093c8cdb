//! Dates of signatures: reading the forms that signers send, writing the ones that errors name.
//!
//! Time is passed in as seconds since 1970 UTC everywhere in this module tree, so that every limit can be tested on its
//! edge.

use jiff::{Timestamp, civil, fmt::rfc2822, tz::Offset};

/// Largest difference between a request's time and ours, in seconds (15 minutes).
pub(super) const SKEW_SECONDS_MAX: i64 = 900;

/// Longest life of a presigned URL, in seconds (7 days).
pub(super) const EXPIRES_SECONDS_MAX: i64 = 604_800;

/// Reads `yyyymmddThhmmssZ`, the form that version 4 signs.
pub(super) fn parse_basic(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| digits(&bytes[from..to]);
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let date = civil::DateTime::new(
        year,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        0,
    );
    seconds_since_epoch(Offset::UTC.to_timestamp(date.ok()?).ok()?)
}

/// Reads a `Date` or `x-amz-date` header in any form that S3 takes: ISO 8601 basic or extended, or RFC 1123 with a
/// zone.
///
/// The weekday is not compared with the date: S3 doesn't, and signers get it wrong. A date before 1970 is no date to
/// S3.
pub(super) fn parse_any(text: &str) -> Option<i64> {
    static RFC_2822: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let text = text.trim();
    if let Some(seconds) = parse_basic(text) {
        return Some(seconds);
    }
    let timestamp = match RFC_2822.parse_timestamp(text) {
        Ok(timestamp) => timestamp,
        Err(_) => text.parse().ok()?,
    };
    seconds_since_epoch(timestamp)
}

/// Whether `text` is `yyyymmdd` and names a day that exists.
pub(super) fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    let parsed = || {
        if bytes.len() != 8 {
            return None;
        }
        let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[4..6])?, digits(&bytes[6..])?);
        civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    };
    parsed().is_some()
}

/// `yyyymmdd` of a time, in UTC.
pub(super) fn day(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(timestamp) => {
            let date = Offset::UTC.to_datetime(timestamp).date();
            format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
        }
        Err(_) => String::new(),
    }
}

/// `yyyy-mm-ddThh:mm:ssZ` of a time, as errors name it. A time that no calendar reaches is written as its seconds.
pub(super) fn iso8601(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |timestamp| timestamp.to_string())
}

fn seconds_since_epoch(timestamp: Timestamp) -> Option<i64> {
    let seconds = timestamp.as_second();
    (seconds >= 0).then_some(seconds)
}

fn digits(bytes: &[u8]) -> Option<i16> {
    bytes.iter().try_fold(0i16, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i16::from(byte - b'0')) // four digits at most: 9999
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_signers_send_is_read() {
        let expected = Some(1_175_024_202);
        for text in [
            "20070327T193642Z",
            "Tue, 27 Mar 2007 19:36:42 +0000",
            "Tue, 27 Mar 2007 19:36:42 GMT",
            "Mon, 27 Mar 2007 19:36:42 GMT",
            "Tue, 27 Mar 2007 21:36:42 +0200",
            "27 Mar 2007 19:36:42 GMT",
            "2007-03-27T19:36:42Z",
            "2007-03-27T19:36:42.000Z",
        ] {
            assert_eq!(parse_any(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "Bad Date",
            "20070327",
            "20070327T193642",
            "20071327T193642Z",
            "20070230T193642Z",
            "2007０327T193642Z",
            "Tue, 07 Jul 1950 21:53:04 GMT",
            "19691231T235959Z",
        ] {
            assert_eq!(parse_any(text), None, "{text}");
        }
        assert!(parse_any("Tue, 07 Jul 9999 21:53:04 GMT").is_some());
    }

    #[test]
    fn days_are_real_days() {
        assert!(is_day("20240229"));
        for text in ["20230229", "2023022", "202302281", "2023-2-8", "", "２０２３０２"] {
            assert!(!is_day(text), "{text}");
        }
        assert_eq!(day(1_369_353_600), "20130524");
        assert_eq!(iso8601(1_369_353_600), "2013-05-24T00:00:00Z");
    }
}
