//! "Did you mean": the nearest known name.

/// Longest text that is compared; longer ones are no misspelling of anything known.
const LENGTH_MAX: usize = 96;

/// The candidate nearest to `text`, unless all are far away.
pub(crate) fn nearest<'c>(text: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let wanted: Vec<char> = text.chars().flat_map(char::to_lowercase).take(LENGTH_MAX + 1).collect();
    if wanted.is_empty() || wanted.len() > LENGTH_MAX {
        return None;
    }
    let limit = (wanted.len() / 4).clamp(1, 4);
    candidates
        .map(|candidate| (distance(&wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(wanted: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
    let width = candidate.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (i, a) in wanted.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, b) in candidate.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == candidate[j - 1] && wanted[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_their_word_and_strangers_none() {
        let names = ["s3:PutObject", "s3:GetObject", "s3:ListBucket"];
        assert_eq!(nearest("s3:PuObject", names.into_iter()), Some("s3:PutObject"));
        assert_eq!(nearest("S3:LISTBUKCET", names.into_iter()), Some("s3:ListBucket"));
        assert_eq!(nearest("kms:Decrypt", names.into_iter()), None);
        assert_eq!(nearest("", names.into_iter()), None);
        assert_eq!(nearest(&"x".repeat(100_000), names.into_iter()), None);
    }
}
