//! Lines that differ between two texts, as people read changes: what went with `-`, what came with `+`.

/// Lines of either text beyond which they are not compared line by line: the table of the comparison grows with their product.
const LINES_MAX: usize = 2_000;

/// The lines of both texts in order, each with `-`, `+` or a space before it; empty when they are the same.
pub(super) fn lines(old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut text = String::new();
    let mut add = |sign: char, line: &str| {
        text.push(sign);
        text.push_str(line);
        text.push('\n');
    };
    if old.len() > LINES_MAX || new.len() > LINES_MAX {
        old.iter().for_each(|line| add('-', line));
        new.iter().for_each(|line| add('+', line));
        return text;
    }
    // longest[i][j]: the longest common subsequence of old[i..] and new[j..].
    let width = new.len() + 1;
    let mut longest = vec![0u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i * width + j] = if old[i] == new[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            add(' ', old[i]);
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
            add('-', old[i]);
            i += 1;
        } else {
            add('+', new[j]);
            j += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_went_and_came_are_marked_and_the_others_kept() {
        assert_eq!(lines("a\nb\nc", "a\nx\nc\nd"), " a\n-b\n+x\n c\n+d\n");
        assert_eq!(lines("", "a"), "+a\n");
        assert_eq!(lines("a", "a"), "");
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(lines(&long, "y").lines().count(), LINES_MAX + 2);
    }
}
