//! Policy variables: `${key}`, `${key, 'default'}` and the escapes `${*}`, `${?}`, `${$}`.
//!
//! A value is substituted once, into a literal token: what a caller puts into a name or a tag is never read as a wildcard
//! or as another variable.

use std::borrow::Cow;

use crate::key::ConditionKey;
use crate::pattern::{self, AsToken, Pattern, Piece, Token};
use crate::value::{Context, Lookup};

/// A text with wildcards and, perhaps, variables.
#[derive(Debug, Clone)]
pub(crate) enum Template {
    /// No variable: compiled as far as it goes.
    Static(Pattern),
    /// With variables, which each request resolves.
    Dynamic(Box<[Part]>),
}

/// One part of a dynamic template.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Piece(Piece),
    Variable(Variable),
}

/// One `${...}`.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) key: ConditionKey,
    pub(crate) default: Option<Box<str>>,
    /// Not of the form that the language has: it never has a value. Stored documents can't contain one.
    pub(crate) broken: Option<&'static str>,
}

/// The result of matching a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matched {
    Yes,
    No,
    /// A variable has no value in this request.
    Unresolved,
    /// The value of a variable couldn't be read.
    Unreadable,
}

impl From<bool> for Matched {
    fn from(matched: bool) -> Matched {
        if matched { Matched::Yes } else { Matched::No }
    }
}

/// Tokens that are resolved on the stack; more of them are collected in a vector.
const TOKENS_ON_STACK: usize = 16;

impl Template {
    /// Reads a text. Without `variables`, `${` is literal; without `wildcards`, `*` and `?` are.
    pub(crate) fn new(text: &str, variables: bool, wildcards: bool) -> Template {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let start = if variables { rest.find("${") } else { None };
            let (plain, tail) = rest.split_at(start.unwrap_or(rest.len()));
            push_plain(&mut parts, plain, wildcards);
            let Some(body) = tail.strip_prefix("${") else { break };
            let (variable, after) = read_variable(body);
            match variable {
                Ok(literal) => push_literal(&mut parts, literal),
                Err(variable) => parts.push(Part::Variable(variable)),
            }
            rest = after;
        }
        Template::from_parts(parts)
    }

    fn from_parts(parts: Vec<Part>) -> Template {
        if parts.iter().any(|part| matches!(part, Part::Variable(_))) {
            return Template::Dynamic(parts.into_boxed_slice());
        }
        let pieces = parts.into_iter().filter_map(|part| match part {
            Part::Piece(piece) => Some(piece),
            Part::Variable(_) => None,
        });
        Template::Static(Pattern::from_pieces(pieces.collect()))
    }

    /// This template and then another one.
    pub(crate) fn followed_by(self, next: Template) -> Template {
        let mut parts = self.into_parts();
        for part in next.into_parts() {
            match part {
                Part::Piece(Piece::Literal(text)) => push_literal(&mut parts, &text),
                // Two runs in a row say no more than one.
                Part::Piece(Piece::Run) if matches!(parts.last(), Some(Part::Piece(Piece::Run))) => {}
                other => parts.push(other),
            }
        }
        Template::from_parts(parts)
    }

    fn into_parts(self) -> Vec<Part> {
        let pieces = match self {
            Template::Dynamic(parts) => return parts.into_vec(),
            Template::Static(pattern) => pattern.into_pieces(),
        };
        pieces.into_iter().map(Part::Piece).collect()
    }

    /// The variables in it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let parts: &[Part] = match self {
            Template::Static(_) => &[],
            Template::Dynamic(parts) => parts,
        };
        parts.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Piece(_) => None,
        })
    }

    /// The text that every match begins with.
    pub(crate) fn literal_prefix(&self) -> &str {
        match self {
            Template::Static(pattern) => pattern.literal_prefix(),
            Template::Dynamic(parts) => match parts.first() {
                Some(Part::Piece(Piece::Literal(text))) => text,
                _ => "",
            },
        }
    }

    /// The text that every match ends with.
    pub(crate) fn literal_suffix(&self) -> &str {
        match self {
            Template::Static(pattern) => pattern.literal_suffix(),
            Template::Dynamic(parts) => match parts.last() {
                Some(Part::Piece(Piece::Literal(text))) => text,
                _ => "",
            },
        }
    }

    /// Whether it matches every text.
    pub(crate) fn is_any(&self) -> bool {
        matches!(self, Template::Static(Pattern::Any))
    }

    /// Whether a match can be a bucket, and whether it can be an object: a slash decides, which a wildcard may stand for.
    pub(crate) fn reach(&self) -> (bool, bool) {
        let mut has_slash = false;
        let mut has_wildcard = false;
        let mut piece = |piece: &Piece| match piece {
            Piece::Literal(text) => has_slash |= text.contains('/'),
            Piece::One | Piece::Run => has_wildcard = true,
        };
        match self {
            Template::Static(Pattern::Any) => return (true, true),
            Template::Static(Pattern::Exact(text)) => piece(&Piece::Literal(text.clone())),
            Template::Static(Pattern::Prefix(text)) => {
                piece(&Piece::Literal(text.clone()));
                piece(&Piece::Run);
            }
            Template::Static(Pattern::General(pieces)) => pieces.iter().for_each(piece),
            Template::Dynamic(parts) => {
                for part in parts {
                    match part {
                        Part::Piece(known) => piece(known),
                        Part::Variable(_) => piece(&Piece::Run),
                    }
                }
            }
        }
        (!has_slash, has_slash || has_wildcard)
    }

    /// Whether the whole of `text` matches, with variables taken from `context`.
    pub(crate) fn matches(&self, text: &str, context: &dyn Context) -> Matched {
        match self {
            Template::Static(pattern) => pattern.matches(text).into(),
            Template::Dynamic(parts) => with_tokens(parts, context, |tokens| pattern::matches_tokens(tokens, text)),
        }
    }

    /// Asks about the tokens that the template has in this request.
    pub(crate) fn matches_by(&self, context: &dyn Context, matches: impl FnOnce(&[Token<'_>]) -> bool) -> Matched {
        match self {
            Template::Static(pattern) => {
                let pieces = pattern.clone().into_pieces();
                matches(&pieces.iter().map(AsToken::token).collect::<Vec<_>>()).into()
            }
            Template::Dynamic(parts) => with_tokens(parts, context, matches),
        }
    }

    /// What the text is in this request, its wildcards unchanged: `None` without variables, `Some(None)` when one has no value.
    pub(crate) fn resolved(&self, context: &dyn Context) -> Option<Option<String>> {
        let Template::Dynamic(parts) = self else { return None };
        let resolved = parts.iter().map(|part| match part {
            Part::Piece(Piece::Literal(text)) => Some(Cow::Borrowed(&**text)),
            Part::Piece(Piece::One) => Some(Cow::Borrowed("?")),
            Part::Piece(Piece::Run) => Some(Cow::Borrowed("*")),
            Part::Variable(variable) => variable.resolve(context).ok(),
        });
        Some(resolved.collect())
    }

    /// Whether `text` is the template's text but for case. Templates of this operator have no wildcards.
    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &dyn Context) -> Matched {
        let parts = match self {
            Template::Static(Pattern::Exact(exact)) => return equal_ignoring_case(exact, text).into(),
            // Compiled without wildcards, a template is exact or has variables.
            Template::Static(_) => return Matched::No,
            Template::Dynamic(parts) => parts,
        };
        let mut resolved = String::new();
        for part in parts {
            match part {
                Part::Piece(Piece::Literal(literal)) => resolved.push_str(literal),
                Part::Piece(_) => return Matched::No,
                Part::Variable(variable) => match variable.resolve(context) {
                    Ok(value) => resolved.push_str(&value),
                    Err(reason) => return reason,
                },
            }
        }
        equal_ignoring_case(&resolved, text).into()
    }
}

impl Variable {
    /// Why no request gives it a value.
    pub(crate) fn never_has_a_value(&self) -> Option<&'static str> {
        match self.key.known() {
            _ if self.key.as_str().is_empty() => Some("has an empty variable"),
            None => Some("has a variable of an unknown key"),
            Some(_) if self.key.tag_key() == Some("") => Some("has a variable of a tag without a name"),
            Some(known) if known.is_multivalued() => Some("has a variable of a key with several values"),
            Some(_) => None,
        }
    }

    /// The value in this request, or why there is none.
    fn resolve<'v>(&'v self, context: &'v dyn Context) -> Result<Cow<'v, str>, Matched> {
        let missing = || self.default.as_deref().map(Cow::Borrowed).ok_or(Matched::Unresolved);
        if self.broken.is_some() {
            return Err(Matched::Unresolved);
        }
        match context.lookup(&self.key) {
            Lookup::Unreadable => Err(Matched::Unreadable),
            Lookup::Absent | Lookup::Many(_) => missing(),
            Lookup::One(value) => {
                let text = match value {
                    crate::value::Value::String(text) => text,
                    other => Cow::Owned(other.to_text(&self.key).into_owned()),
                };
                if text.is_empty() { missing() } else { Ok(text) }
            }
        }
    }
}

fn push_plain(parts: &mut Vec<Part>, plain: &str, wildcards: bool) {
    if !wildcards {
        push_literal(parts, plain);
        return;
    }
    let mut rest = plain;
    while let Some(at) = rest.find(['*', '?']) {
        let (literal, tail) = rest.split_at(at);
        push_literal(parts, literal);
        if tail.starts_with('?') {
            parts.push(Part::Piece(Piece::One));
        } else if !matches!(parts.last(), Some(Part::Piece(Piece::Run))) {
            parts.push(Part::Piece(Piece::Run));
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    push_literal(parts, rest);
}

/// Appends a literal to the one before it, so that an escape doesn't cut a text into pieces.
fn push_literal(parts: &mut Vec<Part>, literal: &str) {
    if literal.is_empty() {
        return;
    }
    if let Some(Part::Piece(Piece::Literal(before))) = parts.last_mut() {
        *before = format!("{before}{literal}").into();
        return;
    }
    parts.push(Part::Piece(Piece::Literal(literal.into())));
}

/// Reads what follows `${`: an escape's literal or a variable, and the text behind it.
fn read_variable(body: &str) -> (Result<&str, Variable>, &str) {
    let broken = |why, after| (Err(Variable { key: ConditionKey::new(""), default: None, broken: Some(why) }), after);
    for escape in ["*", "?", "$"] {
        if let Some(after) = body.strip_prefix(escape).and_then(|rest| rest.strip_prefix('}')) {
            return (Ok(escape), after);
        }
    }
    let Some(name_end) = body.find(['}', ',']) else { return broken("has a variable without a closing brace", "") };
    let (name, tail) = body.split_at(name_end);
    let mut default = None;
    let after = if let Some(after) = tail.strip_prefix('}') {
        after
    } else {
        let tail = tail.get(1..).unwrap_or_default().trim_start_matches(' ');
        let Some(quoted) = tail.strip_prefix('\'') else {
            let after = tail.split_once('}').map_or("", |(_, after)| after);
            return broken("has a variable whose default value is not in single quotes", after);
        };
        let Some((text, tail)) = quoted.split_once('\'') else {
            return broken("has a variable whose default value lacks its closing quote", "");
        };
        default = Some(text.into());
        match tail.trim_start_matches(' ').strip_prefix('}') {
            Some(after) => after,
            None => {
                return broken(
                    "has a variable without a closing brace",
                    tail.split_once('}').map_or("", |(_, after)| after),
                );
            }
        }
    };
    if name.is_empty() {
        return broken("has an empty variable", after);
    }
    // Names of tags may contain spaces; the rest of a key may not.
    let plain_name = name.split('/').next().unwrap_or_default();
    if plain_name.contains(char::is_whitespace) || name.ends_with(' ') {
        return broken("has a variable with a space in its key", after);
    }
    if plain_name.contains(['$', '{']) {
        return broken("has a variable inside another one", after);
    }
    (Err(Variable { key: ConditionKey::new(name), default, broken: None }), after)
}

/// Puts in the values of variables and asks `matches` about the result; without a value, says why there is none.
fn with_tokens(parts: &[Part], context: &dyn Context, matches: impl FnOnce(&[Token<'_>]) -> bool) -> Matched {
    let mut values: [Cow<'_, str>; TOKENS_ON_STACK] = std::array::from_fn(|_| Cow::Borrowed(""));
    let mut many_values = Vec::new();
    let small = parts.len() <= TOKENS_ON_STACK;
    if !small {
        many_values.resize(parts.len(), Cow::Borrowed(""));
    }
    let values: &mut [Cow<'_, str>] = if small { &mut values } else { &mut many_values };
    let mut unresolved = Matched::Yes;
    for (slot, part) in values.iter_mut().zip(parts) {
        if let Part::Variable(variable) = part {
            match variable.resolve(context) {
                Ok(value) => *slot = value,
                // An unreadable value is the graver reason: it makes a Deny apply.
                Err(reason) if unresolved != Matched::Unreadable => unresolved = reason,
                Err(_) => {}
            }
        }
    }
    if unresolved != Matched::Yes {
        return unresolved;
    }
    let mut tokens = [Token::Literal(""); TOKENS_ON_STACK];
    let mut many_tokens = Vec::new();
    if !small {
        many_tokens.resize(parts.len(), Token::Literal(""));
    }
    let tokens: &mut [Token<'_>] =
        if small { tokens.get_mut(..parts.len()).unwrap_or_default() } else { &mut many_tokens };
    for ((slot, part), value) in tokens.iter_mut().zip(parts).zip(values.iter()) {
        *slot = match part {
            Part::Piece(Piece::Literal(literal)) => Token::Literal(literal),
            Part::Piece(Piece::One) => Token::One,
            Part::Piece(Piece::Run) => Token::Run,
            Part::Variable(_) => Token::Literal(value),
        };
    }
    matches(tokens).into()
}

fn equal_ignoring_case(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.chars().map(fold).eq(right.chars().map(fold))
}

/// One letter for all its cases: by way of upper case, where letters with two lower-case forms (σ and ς) meet. A letter whose
/// other case is several letters (ß) stays itself, so that no two texts of different lengths are equal.
fn fold(letter: char) -> char {
    let upper = single(letter.to_uppercase()).unwrap_or(letter);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut letters: impl Iterator<Item = char>) -> Option<char> {
    letters.next().filter(|_| letters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::MapContext;

    fn m(template: &str, text: &str, context: &MapContext) -> Matched {
        Template::new(template, true, true).matches(text, context)
    }

    #[test]
    fn c15_values_are_literal_and_never_rescanned() {
        let context = MapContext::new().with("aws:username", "*").with("aws:PrincipalTag/team", "${aws:username}");
        assert_eq!(m("home/${aws:username}/*", "home/*/x", &context), Matched::Yes);
        assert_eq!(m("home/${aws:username}/*", "home/alice/x", &context), Matched::No);
        assert_eq!(m("${aws:PrincipalTag/team}", "${aws:username}", &context), Matched::Yes);
        assert_eq!(m("${aws:PrincipalTag/team}", "*", &context), Matched::No);
    }

    #[test]
    fn defaults_and_escapes() {
        let context = MapContext::new().with("aws:username", "alice").with("aws:Referer", "");
        assert_eq!(m("a${*}b${?}${$}{x}", "a*b?${x}", &context), Matched::Yes);
        assert_eq!(m("a${*}b", "axb", &context), Matched::No);
        assert_eq!(m("${aws:userid, 'anonymous'}/*", "anonymous/x", &context), Matched::Yes);
        assert_eq!(m("${aws:username, 'anonymous'}/*", "alice/x", &context), Matched::Yes);
        assert_eq!(m("${aws:Referer, 'none'}", "none", &context), Matched::Yes);
        assert_eq!(m("${aws:Referer}", "", &context), Matched::Unresolved);
        assert_eq!(m("${aws:userid}", "x", &context), Matched::Unresolved);
    }

    #[test]
    fn broken_variables_never_have_a_value() {
        let context = MapContext::new().with("aws:username", "alice");
        for template in
            ["${aws:username", "${}", "${ aws:username}", "${aws:username, alice}", "${aws:x, 'y}", "${aws:x, 'y' z}"]
        {
            assert_eq!(m(template, template, &context), Matched::Unresolved, "{template}");
        }
    }

    #[test]
    fn more_variables_than_fit_on_the_stack() {
        let context = MapContext::new().with("aws:username", "a");
        assert_eq!(m(&"${aws:username}/".repeat(40), &"a/".repeat(40), &context), Matched::Yes);
        assert_eq!(m(&"${aws:username}/".repeat(40), &"a/".repeat(39), &context), Matched::No);
    }
}
