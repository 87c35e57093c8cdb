//! "Matching" and "Variables": `*`, `?` and `${...}`.

use crate::case::{Found, Question, text_of};

/// One place of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// This character.
    Is(char),
    /// `?`
    One,
    /// `*`
    Run,
}

/// A pattern after substitution.
pub(crate) enum Filled {
    /// Every variable had a value.
    Tokens(Vec<Token>),
    /// A variable has no value and no default.
    NoValue,
    /// A variable's key could not be read.
    Unreadable,
}

/// A text in which `*` and `?` are wildcards and nothing else is special.
pub(crate) fn wildcards(text: &str) -> Vec<Token> {
    text.chars().map(wildcard).collect()
}

fn wildcard(character: char) -> Token {
    match character {
        '*' => Token::Run,
        '?' => Token::One,
        other => Token::Is(other),
    }
}

/// Puts values in, once, as literals. `wild`: whether `*` and `?` are wildcards here.
pub(crate) fn fill(text: &str, wild: bool, variables: bool, question: &Question) -> Filled {
    let plain = |character| if wild { wildcard(character) } else { Token::Is(character) };
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let Some(variable) = rest.strip_prefix("${").filter(|_| variables) else {
            tokens.push(plain(character));
            rest = &rest[character.len_utf8()..];
            continue;
        };
        // What can't be stored has no value in a simulation.
        let Some((inside, after)) = variable.split_once('}') else { return Filled::NoValue };
        rest = after;
        let (key, default) = match inside.split_once(',') {
            Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
            None => (inside, None),
        };
        let value = match (key, question.find(key)) {
            ("*" | "?" | "$", _) => key.to_owned(),
            (_, Found::Unreadable) => return Filled::Unreadable,
            (_, Found::One(value)) if value != "" => text_of(value),
            (_, _) => match default {
                Some(default) => default.to_owned(),
                None => return Filled::NoValue,
            },
        };
        tokens.extend(value.chars().map(Token::Is));
    }
    Filled::Tokens(tokens)
}

/// Whether a pattern matches a whole text: which beginnings of the text do the first tokens match, token by token.
pub(crate) fn matches(tokens: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        reached = (0..=text.len())
            .map(|end| match token {
                Token::Run => reached[..=end].contains(&true),
                Token::One => end > 0 && reached[end - 1],
                Token::Is(wanted) => end > 0 && reached[end - 1] && text[end - 1] == *wanted,
            })
            .collect();
    }
    reached[text.len()]
}

/// An ARN against a pattern: six fields, `*` and `?` crossing no colon in the first five. The colons that part the
/// pattern's fields are those of the filled pattern.
pub(crate) fn arn_matches(pattern: &[Token], arn: &str) -> bool {
    if pattern == [Token::Run] {
        return true;
    }
    let fields: Vec<&[Token]> = pattern.splitn(6, |token| *token == Token::Is(':')).collect();
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    fields.len() == 6 && parts.len() == 6 && fields.iter().zip(parts).all(|(field, part)| matches(field, part))
}
