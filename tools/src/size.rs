//! Sizes as people write them: a number with or without a unit.
//!
//! Quotas and rates take the same spellings, so that nobody has to learn two.

/// Units in lower case, with their bytes.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// The bytes of `500GiB`, `2.5TB` or `1048576`; none for what is no size. A fraction of a unit is rounded down to bytes; digits alone are kept exactly.
pub(crate) fn bytes_of(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, unit_bytes) = *UNITS.iter().find(|(name, _)| *name == unit)?;
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit_bytes),
        Err(_) if unit_bytes == 1 => None,
        Err(_) => number.parse::<f64>().ok().map(|part| (part * unit_bytes as f64) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_is_in_bytes() {
        for (text, expected) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("500GiB", 500 << 30),
            ("500 gib", 500 << 30),
            ("2.5TB", 2_500_000_000_000),
            ("1kb", 1_000),
            ("7b", 7),
        ] {
            assert_eq!(bytes_of(text), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "GiB",
            "1.5",
            "-1",
            "1 furlong",
            "10PiB",
            "99999999999999999999",
            "1e3",
            "1.2.3MB",
            "9999999999999999999KiB",
        ] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }
}
