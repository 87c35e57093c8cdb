//! Matching of `*` and `?` without backtracking.
//!
//! A text is cut at each `*` into pieces; the first and last piece are anchored, each other one is taken at its leftmost
//! place, which is always right because nothing but `*` lies between. Recursive matchers are exponential on `*a*a*a*b`.

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
/// Time is linear in `text` when no piece between two `*` contains `?` or several literals, and otherwise at most the
/// length of `text` times that of the longest piece. Nothing is allocated.
pub(crate) fn matches_tokens<T: AsToken>(tokens: &[T], text: &str) -> bool {
    let is_run = |token: &T| token.token() == Token::Run;
    let mut pieces = tokens.split(is_run);
    let first = pieces.next().unwrap_or_default();
    let Some(mut at) = match_here(first, text, 0) else { return false };
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

/// Matches a piece without runs at byte `at`; the byte after it when it matches.
fn match_here<T: AsToken>(piece: &[T], text: &str, mut at: usize) -> Option<usize> {
    for token in piece {
        let rest = text.get(at..)?;
        match token.token() {
            Token::Literal(literal) => {
                if !rest.starts_with(literal) {
                    return None;
                }
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
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        match first.token() {
            Token::Literal(literal) => at += rest.find(literal)?,
            Token::One if rest.is_empty() => return None,
            _ => {}
        }
        if let Some(end) = match_here(piece, text, at) {
            return Some(end);
        }
        at += text.get(at..)?.chars().next()?.len_utf8();
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

    #[test]
    fn many_runs_stay_linear() {
        let pattern = Pattern::new(&format!("{}b", "*a".repeat(500)));
        let text = "a".repeat(200_000);
        let start = std::time::Instant::now();
        assert!(!pattern.matches(&text));
        assert!(Pattern::new(&"*a".repeat(500)).matches(&text));
        assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
    }
}
