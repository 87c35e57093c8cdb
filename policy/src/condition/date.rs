//! Points in time, written as ISO 8601 in the W3C profile or as seconds since 1970.

use jiff::civil::Date;

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(i128);

const NANOSECONDS: i128 = 1_000_000_000;
/// Most digits of a fraction of a second that are read at all.
const FRACTION_DIGITS_MAX: usize = 32;

impl Instant {
    pub(crate) fn from_seconds(seconds: i64) -> Instant {
        Instant(i128::from(seconds) * NANOSECONDS)
    }

    /// Reads `2026`, `2026-11`, `2026-11-21`, `2026-11-21T21:17Z`, `2026-11-21T21:17:00.5+01:00` or `1795295820`.
    ///
    /// Four digits are a year; no policy means the first hours of 1970. A time without an offset is in UTC.
    pub(crate) fn parse(text: &str) -> Option<Instant> {
        let is_year = digits(text, 4).is_some();
        if !is_year && text.bytes().skip(1).all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return epoch(text);
        }
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut fields = date.split('-');
        let year = digits(fields.next()?, 4)?;
        let month = fields.next().map_or(Some(1), |field| digits(field, 2))?;
        let day = fields.next().map_or(Some(1), |field| digits(field, 2))?;
        if fields.next().is_some() || (time.is_some() && date.len() != 10) {
            return None;
        }
        let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        let days = i128::from(jiff::civil::date(1970, 1, 1).until(date).ok()?.get_days());
        let nanoseconds = time.map_or(Some(0), time_of_day)?;
        Some(Instant(days * 86_400 * NANOSECONDS + nanoseconds))
    }
}

fn epoch(text: &str) -> Option<Instant> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (seconds, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    if seconds.is_empty() || seconds.len() > 18 || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i128 = seconds.parse().ok()?;
    let nanoseconds = seconds * NANOSECONDS + fraction_of_second(fraction)?;
    Some(Instant(if negative { -nanoseconds } else { nanoseconds }))
}

/// Nanoseconds of `hh:mm[:ss[.fraction]][Z|+hh:mm|-hh:mm]`, less the offset.
fn time_of_day(text: &str) -> Option<i128> {
    let (clock, offset_minutes) = if let Some(clock) = text.strip_suffix('Z') {
        (clock, 0)
    } else if let Some(at) = text.rfind(['+', '-']) {
        let (clock, offset) = text.split_at_checked(at)?;
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
        if hours > 23 || minutes > 59 {
            return None;
        }
        let total = hours * 60 + minutes;
        (clock, if offset.starts_with('-') { -total } else { total })
    } else {
        (text, 0)
    };
    let mut fields = clock.split(':');
    let hours = digits(fields.next()?, 2)?;
    let minutes = digits(fields.next()?, 2)?;
    let (seconds, fraction) = match fields.next() {
        Some(field) => match field.split_once('.') {
            Some((seconds, fraction)) => (digits(seconds, 2)?, fraction_of_second(fraction)?),
            None => (digits(field, 2)?, 0),
        },
        None => (0, 0),
    };
    if hours > 23 || minutes > 59 || seconds > 59 || fields.next().is_some() {
        return None;
    }
    let total = i128::from(hours * 3_600 + minutes * 60 + seconds - offset_minutes * 60);
    Some(total * NANOSECONDS + fraction)
}

fn fraction_of_second(text: &str) -> Option<i128> {
    if text.is_empty() || text.len() > FRACTION_DIGITS_MAX || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The profile allows any number of digits; those behind a nanosecond are dropped.
    let text = text.get(..9).unwrap_or(text);
    let value: i128 = text.parse().ok()?;
    Some(value * 10_i128.pow(u32::try_from(9 - text.len()).ok()?))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn i(text: &str) -> Instant {
        Instant::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn spellings_of_one_instant_are_equal() {
        let second = i("2026-11-21T21:17:00Z");
        for text in [
            "2026-11-21T21:17Z",
            "2026-11-21T22:17:00+01:00",
            "2026-11-21T20:47:00.000-00:30",
            "1795295820",
            "1795295820.0",
            "2026-11-21T21:17:00.0000000001Z",
            "2026-11-21T21:17:00.00000000000000000000000000000001Z",
            "2026-11-21T21:17:00",
        ] {
            assert_eq!(i(text), second, "{text}");
        }
        assert_eq!(Instant::from_seconds(1_795_295_820), second);
        assert_eq!(i("2026"), i("2026-01-01T00:00:00Z"));
        assert_eq!(i("2026-11"), i("2026-11-01"));
        assert_eq!(i("0"), i("1970-01-01"));
        assert!(i("-100") < i("0") && i("9.99") > i("9") && i("9.99") < i("10"));
        assert_eq!(i("2026-11-21T23:59:59+23:59"), i("2026-11-21T00:00:59Z"));
        assert!(i("2026-11-21T21:17:00.001Z") > second && i("-1") < i("0"));
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "-",
            "x",
            "2026-13-01",
            "2026-02-30",
            "2026-1-1",
            "2026-11-21T",
            "2026-11-21T25:00Z",
            "2026-11-21T21Z",
            "2026-11T21:17Z",
            "2026-11-21 21:17:00Z",
            "2026-11-21T21:17:60Z",
            "2026-11-21T21:17:00+0100",
            "20x6",
            "1.2.3",
            "1e9",
            "2026-11-21-01",
            "2026-11-21T21:17:00+24:00",
            "2026-11-21T21:17:00+00:60",
            "2026-11-21T21:60:00Z",
            "2026-11-21T21:17:00.Z",
            "2026-11-21T21:17:00.xZ",
            "+026-01-01",
            "2026-+1-01",
            "2026-11-21T+1:17Z",
            "2026-11-21T21:17:00.000000000000000000000000000000001Z",
            "é",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
        assert_eq!(Instant::parse(&"9".repeat(30)), None);
    }
}
