//! The types that operators compare, read from text. `None` is a value that is not of the type.

use std::cmp::Ordering;
use std::net::IpAddr;

/// A decimal: sign, digits before the point without leading zeros, digits behind it without trailing zeros.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    whole: String,
    fraction: String,
}

pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    // JSON writes numbers with exponents too.
    let (text, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || !is_number(exponent.trim_start_matches(['+', '-'])) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
    for _ in 0..exponent {
        whole.push(if fraction.is_empty() { '0' } else { fraction.remove(0) });
    }
    for _ in exponent..0 {
        fraction.insert(0, whole.pop().unwrap_or('0'));
    }
    let (whole, fraction) = (whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned());
    let zero = whole.is_empty() && fraction.is_empty();
    Some(Decimal { negative: negative && !zero, whole, fraction })
}

impl Decimal {
    pub(crate) fn compare(&self, other: &Decimal) -> Ordering {
        let size = |one: &Decimal, two: &Decimal| {
            let whole = one.whole.len().cmp(&two.whole.len()).then_with(|| one.whole.cmp(&two.whole));
            whole.then_with(|| one.fraction.cmp(&two.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => size(self, other),
            (true, true) => size(other, self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// Nanoseconds since 1970: seconds as digits, or a date of ISO 8601 as the W3C profiles it. Four digits are a year.
pub(crate) fn date(text: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    let number = |text: &str, digits: usize| match text.len() == digits && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<i64>().ok(),
        false => None,
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |unsigned| (-1, unsigned));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    if digits(whole) && digits(fraction) && !(text.len() == 4 && digits(text)) {
        let (whole, fraction) = (whole.parse::<i64>().ok()?, number(&nanoseconds_of(fraction), 9)?);
        return Some(sign * (i128::from(whole) * SECOND + i128::from(fraction)));
    }
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let fields: Vec<&str> = day.split('-').collect();
    let year = number(fields.first()?, 4)?;
    let month = fields.get(1).map_or(Some(1), |text| number(text, 2)).filter(|month| (1..=12).contains(month))?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_index = usize::try_from(month - 1).ok()?;
    let day = fields.get(2).map_or(Some(1), |text| number(text, 2));
    let day = day.filter(|day| (1..=lengths[month_index]).contains(day))?;
    if fields.len() > 3 || (time.is_some() && fields.len() != 3) {
        return None;
    }
    let years_before = year - 1;
    let days = years_before * 365 + years_before / 4 - years_before / 100 + years_before / 400;
    let days = days + lengths[..month_index].iter().sum::<i64>() + day - 1 - 719_162;
    let nanoseconds = i128::from(days) * 86_400 * SECOND;
    let Some(time) = time else { return Some(nanoseconds) };
    let (clock, offset_minutes) = match (time.strip_suffix('Z'), time.find(['+', '-'])) {
        (Some(clock), _) => (clock, 0),
        (None, Some(at)) => {
            let (hours, minutes) = time[at + 1..].split_once(':')?;
            let minutes =
                number(hours, 2).filter(|hours| *hours < 24)? * 60 + number(minutes, 2).filter(|m| *m < 60)?;
            (&time[..at], if time[at..].starts_with('-') { -minutes } else { minutes })
        }
        (None, None) => (time, 0),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let (whole, fraction) = match parts.get(2) {
        Some(seconds) => seconds.split_once('.').unwrap_or((seconds, "0")),
        None => ("00", "0"),
    };
    if !(2..=3).contains(&parts.len()) || !digits(fraction) {
        return None;
    }
    let hours = number(parts[0], 2).filter(|hours| *hours < 24)?;
    let minutes = number(parts[1], 2).filter(|minutes| *minutes < 60)?;
    let seconds = number(whole, 2).filter(|seconds| *seconds < 60)?;
    let fraction = i128::from(number(&nanoseconds_of(fraction), 9)?);
    Some(nanoseconds + i128::from((hours * 60 + minutes - offset_minutes) * 60 + seconds) * SECOND + fraction)
}

/// The first nine digits of a fraction; the profile allows any number of them.
fn nanoseconds_of(fraction: &str) -> String {
    format!("{fraction:0<9}").chars().take(9).collect()
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The bytes of padded base64.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for digit in digits.bytes() {
        let value = DIGITS.iter().position(|candidate| *candidate == digit)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    let bytes = bits.chunks_exact(8);
    match bytes.remainder().contains(&true) {
        true => None,
        false => Some(bytes.map(|byte| byte.iter().fold(0, |value, bit| value << 1 | u8::from(*bit))).collect()),
    }
}

/// An address, unmapped.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A network as its bits: the version's length and the bits in front of the prefix's end.
pub(crate) fn network(text: &str) -> Option<(usize, String)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let written: IpAddr = address.parse().ok()?;
    let width = bits(written).len();
    let mut prefix = match prefix {
        Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => prefix.parse().ok()?,
        Some(_) => return None,
        None => width,
    };
    if prefix > width {
        return None;
    }
    let mut unmapped = written;
    if written.to_canonical() != written && prefix >= 96 {
        unmapped = written.to_canonical();
        prefix -= 96;
    }
    let bits = bits(unmapped);
    Some((bits.len(), bits[..prefix].to_owned()))
}

pub(crate) fn network_contains(network: &(usize, String), address: IpAddr) -> bool {
    let bits = bits(address);
    bits.len() == network.0 && bits.starts_with(&network.1)
}

fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:032b}", address.to_bits()),
        IpAddr::V6(address) => format!("{:0128b}", address.to_bits()),
    }
}

/// The name of a resource or principal: `arn` and five more fields.
pub(crate) fn arn(text: &str) -> Option<&str> {
    (text.starts_with("arn:") && text.split(':').count() >= 6).then_some(text)
}
