//! Matching of `*` and `?` without backtracking.
//!
//! A text is cut at each `*` into pieces; the first and last piece are anchored, each other one is taken at its leftmost
//! place, which is always right because nothing but `*` lies between. Recursive matchers are exponential on `*a*a*a*b`.
//! A piece is looked for as it reads, place by place, for a bounded number of steps on average; texts that are made to cost more
//! are searched bit by bit for 64 places at once.

/// One element of a pattern, borrowed. Literals are never rescanned, so that a user called `*` is a literal asterisk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// This text and nothing else.
    Literal(&'a str),
    /// `?`: exactly one Unicode scalar value.
    One,
    /// `*`: any run of characters, also the empty one, also across `/` and line ends.
    Run,
}

/// A compiled pattern without variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// `*`
    Any,
    /// No wildcard at all.
    Exact(Box<str>),
    /// A literal and one trailing `*`.
    Prefix(Box<str>),
    /// Anything else, as the text of the pattern.
    General(Box<[Piece]>),
}

/// An owned [`Token`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(Box<str>),
    One,
    Run,
}

impl Pattern {
    /// Compiles `text`, in which every `*` and `?` is a wildcard.
    pub(crate) fn new(text: &str) -> Pattern {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        for c in text.chars() {
            if c != '*' && c != '?' {
                literal.push(c);
                continue;
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into_boxed_str()));
            }
            match c {
                '?' => pieces.push(Piece::One),
                // Two runs in a row say no more than one.
                _ if pieces.last() != Some(&Piece::Run) => pieces.push(Piece::Run),
                _ => {}
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into_boxed_str()));
        }
        Pattern::from_pieces(pieces)
    }

    /// Chooses the cheapest form that says the same.
    pub(crate) fn from_pieces(pieces: Vec<Piece>) -> Pattern {
        match pieces.as_slice() {
            [] => Pattern::Exact("".into()),
            [Piece::Run] => Pattern::Any,
            [Piece::Literal(text)] => Pattern::Exact(text.clone()),
            [Piece::Literal(text), Piece::Run] => Pattern::Prefix(text.clone()),
            _ => Pattern::General(pieces.into_boxed_slice()),
        }
    }

    /// The pattern as pieces, whatever its form.
    pub(crate) fn into_pieces(self) -> Vec<Piece> {
        match self {
            Pattern::Any => vec![Piece::Run],
            Pattern::Exact(text) if text.is_empty() => Vec::new(),
            Pattern::Exact(text) => vec![Piece::Literal(text)],
            Pattern::Prefix(text) => vec![Piece::Literal(text), Piece::Run],
            Pattern::General(pieces) => pieces.into_vec(),
        }
    }

    /// Whether the whole of `text` matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Exact(exact) => **exact == *text,
            Pattern::Prefix(prefix) => text.starts_with(&**prefix),
            Pattern::General(pieces) => matches_tokens(pieces, text),
        }
    }

    /// The text that every match begins with.
    pub(crate) fn literal_prefix(&self) -> &str {
        match self {
            Pattern::Any => "",
            Pattern::Exact(text) | Pattern::Prefix(text) => text,
            Pattern::General(pieces) => match pieces.first() {
                Some(Piece::Literal(text)) => text,
                _ => "",
            },
        }
    }
}

impl Pattern {
    /// The text that every match ends with.
    pub(crate) fn literal_suffix(&self) -> &str {
        match self {
            Pattern::Any | Pattern::Prefix(_) => "",
            Pattern::Exact(text) => text,
            Pattern::General(pieces) => match pieces.last() {
                Some(Piece::Literal(text)) => text,
                _ => "",
            },
        }
    }
}

/// What [`matches_tokens`] reads, so that owned and borrowed tokens need no copy.
pub(crate) trait AsToken {
    fn token(&self) -> Token<'_>;
}

impl AsToken for Piece {
    fn token(&self) -> Token<'_> {
        match self {
            Piece::Literal(text) => Token::Literal(text),
            Piece::One => Token::One,
            Piece::Run => Token::Run,
        }
    }
}

impl AsToken for Token<'_> {
    fn token(&self) -> Token<'_> {
        *self
    }
}

/// Whether the whole of `text` matches the tokens.
///
/// Time is linear in `text` and tokens when no piece between two `*` contains `?` or several literals; otherwise at most the length
/// of `text` times that of its longest piece, divided by 64. Nothing is allocated unless a text is made to be slow.
pub(crate) fn matches_tokens<T: AsToken>(tokens: &[T], text: &str) -> bool {
    let is_run = |token: &T| token.token() == Token::Run;
    let mut pieces = tokens.split(is_run);
    let first = pieces.next().unwrap_or_default();
    let Some(mut at) = match_here(first, text, 0, &mut 0) else { return false };
    if !tokens.iter().any(is_run) {
        return at == text.len();
    }
    // Every piece but the last floats; the last must end where the text ends.
    let mut pending = pieces.next();
    while let Some(piece) = pending {
        pending = pieces.next();
        if pending.is_none() {
            return match_at_end(piece, text, at);
        }
        match find(piece, text, at) {
            Some(end) => at = end,
            None => return false,
        }
    }
    true
}

/// Matches a piece without runs at byte `at`; the byte after it when it matches. `compared` grows by what was looked at.
fn match_here<T: AsToken>(piece: &[T], text: &str, mut at: usize, compared: &mut usize) -> Option<usize> {
    for token in piece {
        let rest = text.get(at..)?;
        *compared += 1;
        match token.token() {
            Token::Literal(literal) => {
                if !rest.starts_with(literal) {
                    *compared += literal.len();
                    return None;
                }
                *compared += literal.len();
                at += literal.len();
            }
            Token::One => at += rest.chars().next()?.len_utf8(),
            Token::Run => return None,
        }
    }
    Some(at)
}

/// Matches a piece at the end of `text`, not before byte `from`, walking backwards.
fn match_at_end<T: AsToken>(piece: &[T], text: &str, from: usize) -> bool {
    let Some(mut rest) = text.get(from..) else { return false };
    for token in piece.iter().rev() {
        match token.token() {
            Token::Literal(literal) => match rest.strip_suffix(literal) {
                Some(before) => rest = before,
                None => return false,
            },
            Token::One => {
                let mut chars = rest.chars();
                if chars.next_back().is_none() {
                    return false;
                }
                rest = chars.as_str();
            }
            Token::Run => return false,
        }
    }
    true
}

/// The leftmost place of a piece at or after `from`; the byte after it.
fn find<T: AsToken>(piece: &[T], text: &str, from: usize) -> Option<usize> {
    let Some(first) = piece.first() else { return Some(from) };
    if let [only] = piece
        && let Token::Literal(literal) = only.token()
    {
        let rest = text.get(from..)?;
        return find_literal(literal, rest).map(|at| from + at + literal.len());
    }
    let mut at = from;
    let mut steps = Steps::default();
    loop {
        let rest = text.get(at..)?;
        match first.token() {
            Token::Literal(literal) => at += find_literal(literal, rest)?,
            Token::One if rest.is_empty() => return None,
            _ => {}
        }
        let mut compared = 0;
        if let Some(end) = match_here(piece, text, at, &mut compared) {
            return Some(end);
        }
        if steps.are_too_many(compared, at - from) {
            return bits::find(piece, text, from);
        }
        at += text.get(at..)?.chars().next()?.len_utf8();
    }
}

/// The leftmost place of a literal. The standard library's search is linear but prepares itself for longer than most keys take.
fn find_literal(literal: &str, text: &str) -> Option<usize> {
    let (needle, hay) = (literal.as_bytes(), text.as_bytes());
    let Some(first) = needle.first() else { return Some(0) };
    let last = hay.len().checked_sub(needle.len())?;
    let mut steps = Steps::default();
    let mut at = 0;
    while at <= last {
        at += hay.get(at..=last)?.iter().position(|byte| byte == first)?;
        let equal = hay.get(at..)?.iter().zip(needle).take_while(|(left, right)| left == right).count();
        if equal == needle.len() {
            return Some(at);
        }
        if steps.are_too_many(equal, at) {
            return text.find(literal);
        }
        at += 1;
    }
    None
}

/// The steps of a search that compares place by place, so that it can be given up for one that is slower to start.
#[derive(Default)]
struct Steps(usize);

impl Steps {
    /// Counts those of one place; whether there are more than eight for each byte that was passed, and for the first 32.
    fn are_too_many(&mut self, steps: usize, passed: usize) -> bool {
        self.0 += steps;
        #[cfg(test)]
        tests::count(steps + 1);
        self.0 > 8 * (passed + 32)
    }
}

/// Search of a piece with `?` in one pass: bit `i` of the state says that the first `i + 1` characters match up to here.
///
/// Baeza-Yates and Gonnet, "A new approach to text searching" (1992), for pieces of any length.
mod bits {
    use std::collections::HashMap;

    use super::{AsToken, Token};

    const WORD_BITS: usize = 64;

    /// As [`find`](super::find).
    pub(super) fn find<T: AsToken>(piece: &[T], text: &str, from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        let mut length = 0;
        for token in piece {
            length += match token.token() {
                Token::Literal(literal) => literal.chars().count(),
                Token::One => 1,
                Token::Run => return None,
            };
        }
        // A piece that is longer than the text can't be in it; so all below is bounded by the text.
        if length > rest.chars().count() {
            return None;
        }
        let words = length.div_ceil(WORD_BITS);
        let mut any = vec![0_u64; words];
        let mut of: HashMap<char, Vec<u64>> = HashMap::new();
        let mut at = 0;
        for token in piece {
            match token.token() {
                Token::Literal(literal) => {
                    for c in literal.chars() {
                        set(of.entry(c).or_insert_with(|| vec![0; words]), at);
                        at += 1;
                    }
                }
                _ => {
                    set(&mut any, at);
                    at += 1;
                }
            }
        }
        let last = 1 << ((length - 1) % WORD_BITS);
        let mut state = vec![0_u64; words];
        for (offset, c) in rest.char_indices() {
            let mask = of.get(&c);
            let mut carry = 1;
            for (word, slot) in state.iter_mut().enumerate() {
                let allowed =
                    any.get(word).copied().unwrap_or(0) | mask.and_then(|mask| mask.get(word)).copied().unwrap_or(0);
                let shifted = (*slot << 1) | carry;
                carry = *slot >> (WORD_BITS - 1);
                *slot = shifted & allowed;
            }
            #[cfg(test)]
            super::tests::count(words);
            if state.last().is_some_and(|word| word & last != 0) {
                return Some(from + offset + c.len_utf8());
            }
        }
        None
    }

    fn set(words: &mut [u64], at: usize) {
        if let Some(word) = words.get_mut(at / WORD_BITS) {
            *word |= 1 << (at % WORD_BITS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn m(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).matches(text)
    }

    #[test]
    fn wildcards_match_as_the_language_says() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "a/b\nc"),
            ("a*c", "abcc"),
            ("a*c", "ac"),
            ("?", "é"),
            ("a?c", "a/c"),
            ("**", "x"),
            ("*a*", "bab"),
            ("*abc*", "abc"),
            ("*c*", "abc"),
            ("*/", "a/"),
            ("a*b*c", "a1b2b3c"),
            ("*.jpg", "x.jpg.jpg"),
            ("?*?", "ab"),
            ("*?a", "aa"),
            ("x*ab?d*", "xabababcd!"),
            ("public/*", "public/../private"),
            ("*aab", "aaab"),
            ("a*a", "aa"),
        ] {
            assert!(m(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("?", "ab"),
            ("a", "A"),
            ("a*a", "a"),
            ("*ab*", "ba"),
            ("a?c", "ac"),
            ("a/*", "a"),
            ("?*?", "a"),
            ("a*b", "abc"),
            ("*?a", "a"),
            ("ab*ba", "aba"),
        ] {
            assert!(!m(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn literal_tokens_are_never_rescanned() {
        assert!(matches_tokens(&[Token::Literal("a"), Token::Literal("*")], "a*"));
        assert!(!matches_tokens(&[Token::Literal("a"), Token::Literal("*")], "ab"));
    }

    thread_local! {
        static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// Counts what the matcher does, so that its bounds are tested without a clock.
    pub(super) fn count(steps: usize) {
        STEPS.with(|all| all.set(all.get() + steps));
    }

    fn steps(pattern: &str, text: &str) -> usize {
        STEPS.with(|all| all.set(0));
        let pattern = Pattern::new(pattern);
        std::hint::black_box(pattern.matches(text));
        STEPS.with(std::cell::Cell::get)
    }

    /// The language's matching, said as simply as can be: by dynamic programming over characters.
    fn naive(pattern: &str, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut row = vec![false; text.len() + 1];
        row[0] = true;
        for c in pattern.chars() {
            let mut next = vec![false; text.len() + 1];
            next[0] = c == '*' && row[0];
            for (at, t) in text.iter().enumerate() {
                next[at + 1] = match c {
                    '*' => row[at + 1] || next[at],
                    '?' => row[at],
                    c => row[at] && c == *t,
                };
            }
            row = next;
        }
        row[text.len()]
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 2_000, ..Default::default() })]

        #[test]
        fn every_search_agrees_with_the_definition(pattern in "[aé?*]{0,12}(a{1,80}[?b]{0,3}a{0,9}[*?]){0,2}[ab]?", text in "[abé]{0,12}a{0,200}[abé]{0,6}") {
            proptest::prop_assert_eq!(m(&pattern, &text), naive(&pattern, &text));
        }

        #[test]
        fn the_search_by_bits_finds_the_leftmost_place(piece in "[aé?]{1,90}", text in "[aé]{0,200}") {
            let pattern = Pattern::new(&format!("*{piece}*"));
            let pieces = match &pattern {
                Pattern::General(pieces) => pieces.iter().filter(|piece| **piece != Piece::Run).cloned().collect(),
                _ => Vec::new(),
            };
            if !pieces.is_empty() {
                let leftmost = (0..=text.len()).find_map(|at| match_here(&pieces, text.get(at..)?, 0, &mut 0).map(|end| at + end));
                proptest::prop_assert_eq!(bits::find(&pieces, &text, 0), leftmost);
            }
        }
    }

    #[test]
    fn no_text_and_pattern_take_more_steps_than_the_bound() {
        let a = "a".repeat(20_000);
        for (pattern, what) in [
            (format!("{}b", "*a".repeat(500)), "runs"),
            (format!("*{}b*", "a".repeat(500)), "one long literal"),
            (format!("*{}b*", "a".repeat(50)).repeat(20), "long literals"),
        ] {
            let steps = steps(&pattern, &a);
            assert!(steps <= 10 * (a.len() + pattern.len()), "{what}: {steps}");
        }
        for (pattern, longest, what) in [
            (format!("*{}b*", "a?".repeat(500)), 1_001, "one long piece"),
            (format!("*{}b*", "a?".repeat(50)).repeat(20), 101, "long pieces"),
            (format!("*?{}b*", "a".repeat(900)), 902, "a leading question mark"),
            (format!("*{}b*", "?".repeat(900)), 901, "question marks"),
        ] {
            let steps = steps(&pattern, &a);
            assert!(steps <= (10 + longest / 32) * (a.len() + pattern.len()), "{what}: {steps}");
        }
        assert!(m(&"*a".repeat(500), &a) && !m(&format!("{}b", "*a".repeat(500)), &a));
    }
}
