//! Decimals, compared exactly: a size limit must not depend on how a float rounds.

use std::cmp::Ordering;

/// Most significant digits; longer numbers are no numbers here.
const DIGITS_MAX: usize = 40;

/// A decimal without leading or trailing zeros: 0.`digits` times ten to the power of `point`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    point: i64,
    length: u8,
    digits: [u8; DIGITS_MAX],
}

impl Decimal {
    /// Reads `-12.50e3`. `None` for anything else, also for more than 40 significant digits.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (unsigned.get(..at)?, parse_exponent(unsigned.get(at + 1..)?)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut decimal = Decimal { negative, point: 0, length: 0, digits: [0; DIGITS_MAX] };
        let mut point = i64::try_from(whole.len()).ok()? + exponent;
        // Zeros that only matter when another digit follows.
        let mut zeros = 0_usize;
        for byte in whole.bytes().chain(fraction.bytes()) {
            match byte {
                b'0' if decimal.length == 0 => point -= 1,
                b'0' => zeros += 1,
                b'1'..=b'9' => {
                    let at = usize::from(decimal.length) + zeros;
                    *decimal.digits.get_mut(at)? = byte - b'0';
                    decimal.length = u8::try_from(at + 1).ok()?;
                    zeros = 0;
                }
                _ => return None,
            }
        }
        decimal.point = point;
        if decimal.length == 0 {
            decimal.negative = false;
            decimal.point = 0;
        }
        Some(decimal)
    }

    pub(crate) fn from_integer(number: i64) -> Decimal {
        let mut decimal = Decimal { negative: number < 0, point: 0, length: 0, digits: [0; DIGITS_MAX] };
        let mut rest = number.unsigned_abs();
        let mut reversed = [0_u8; 20];
        let mut count = 0;
        for slot in &mut reversed {
            if rest == 0 {
                break;
            }
            *slot = u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            count += 1;
        }
        for (slot, digit) in decimal.digits.iter_mut().zip(reversed.iter().take(count).rev()) {
            *slot = *digit;
        }
        decimal.point = i64::try_from(count).unwrap_or_default();
        let significant = decimal.digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        decimal.length = u8::try_from(significant).unwrap_or_default();
        decimal
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        let magnitude = |d: &Decimal| (d.length > 0, d.point, d.digits);
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(self).cmp(&magnitude(other)),
            (true, true) => magnitude(other).cmp(&magnitude(self)),
        }
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent: i64 = digits.parse().ok()?;
    Some(if text.starts_with('-') { -exponent } else { exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn equal_numbers_have_one_form() {
        for (left, right) in [
            ("1", "1.0"),
            ("0", "-0.00"),
            ("10", "1e1"),
            ("0.1", ".1"),
            ("007", "7"),
            ("+5", "5."),
            ("1e-3", "0.001"),
            ("100", "1e2"),
        ] {
            assert_eq!(d(left), d(right), "{left} {right}");
        }
        for number in [0, 1, -1, 10, 1_000, i64::MAX, i64::MIN, 1_073_741_824] {
            assert_eq!(Decimal::from_integer(number), d(&number.to_string()));
        }
    }

    #[test]
    fn numbers_are_ordered() {
        let ordered =
            ["-1e9", "-10", "-9.5", "-0.1", "0", "0.000001", "0.1", "0.11", "1", "1.2", "9", "9.99", "10", "1e9"];
        for (i, left) in ordered.iter().enumerate() {
            for (j, right) in ordered.iter().enumerate() {
                assert_eq!(d(left).cmp(&d(right)), i.cmp(&j), "{left} {right}");
            }
        }
        assert!(d("9007199254740993") > d("9007199254740992"));
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in
            ["", "-", ".", "e1", "1e", "1e9999999999", "0x10", "1,5", " 1", "1 ", "NaN", "inf", "1.2.3", "--1", "١"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse(&"1".repeat(41)), None);
    }
}
