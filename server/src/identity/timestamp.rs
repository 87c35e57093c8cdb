//! Points in time as rows and state files write them.

use jiff::Timestamp;

use super::name::Invalid;

/// Reads a point in time: RFC 3339 (`2027-01-31T18:00:00Z`), or a date, which means its first moment in UTC.
///
/// # Errors
/// The text is neither.
pub fn parse_timestamp(field: &'static str, text: &str) -> Result<Timestamp, Invalid> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == "2027-01-31".len());
    date.and_then(|date| jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()).ok_or_else(|| {
        Invalid::new(
            field,
            "must be a date like 2027-01-31 or a time like 2027-01-31T18:00:00Z, of 9999-12-30 at the latest",
        )
    })
}

/// Times that somebody says count in whole seconds: what is printed, stored and compared is then the same.
pub fn whole_seconds(timestamp: Timestamp) -> Timestamp {
    Timestamp::from_second(timestamp.as_second()).expect("a timestamp's own seconds are in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_and_other_text_is_refused() {
        assert_eq!(parse_timestamp("t", "2027-01-31").unwrap().to_string(), "2027-01-31T00:00:00Z");
        assert_eq!(parse_timestamp("t", "2027-01-31T20:00:00+02:00").unwrap().to_string(), "2027-01-31T18:00:00Z");
        assert!(parse_timestamp("t", "9999-12-30").is_ok());
        for bad in ["9999-12-31", "", "tomorrow", "2027-13-01", "31.01.2027", "1800000000"] {
            assert!(parse_timestamp("t", bad).is_err(), "{bad}");
        }
        let fine: Timestamp = "2027-01-31T18:00:00.75Z".parse().unwrap();
        assert_eq!(whole_seconds(fine).to_string(), "2027-01-31T18:00:00Z");
    }
}
