//! What resources of statements can name in a bucket, where variables may have any value.
//!
//! Whoever asks what somebody can do names no object, so objects are made up that the statements themselves speak of.

use std::borrow::Cow;

use policy::{ConditionKey, Context, Lookup, Value};

use super::simulate::DERIVED;

/// A run of a character that no pattern writes, so long that only `*` covers it.
const FILL: &str = "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}";

/// An object that only patterns cover which name all objects.
pub(super) const ANY_KEY: &str = FILL;

/// A resource as a statement has it, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// A character.
    Literal(char),
    /// `?`
    One,
    /// `*`
    Run,
    /// `${*}`, `${?}` or `${$}`: the character.
    Escape(char),
    /// A variable, as it is written.
    Variable { text: String, key: ConditionKey },
}

impl Pattern {
    /// Reads a resource; without `variables` (documents of 2008), `${` is text.
    pub(super) fn new(text: &str, variables: bool) -> Pattern {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(first) = rest.chars().next() {
            let body = rest.strip_prefix("${").filter(|_| variables);
            let Some(body) = body else {
                parts.push(match first {
                    '*' => Part::Run,
                    '?' => Part::One,
                    other => Part::Literal(other),
                });
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            };
            let end = variable_end(body);
            let (inside, after) = (body.get(..end).unwrap_or_default(), body.get(end + 1..).unwrap_or_default());
            parts.push(match inside {
                "*" => Part::Escape('*'),
                "?" => Part::Escape('?'),
                "$" => Part::Escape('$'),
                _ => {
                    let name = inside.split(',').next().unwrap_or_default();
                    Part::Variable { text: format!("${{{inside}}}"), key: ConditionKey::new(name) }
                }
            });
            rest = after;
        }
        Pattern { parts }
    }

    /// Whether a variable has another value in each request, as far as `knows_caller` tells.
    pub(super) fn is_open(&self, knows_caller: bool) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Variable { key, .. } if !(knows_caller && is_known(key))))
    }

    /// Whether what it names depends on who calls.
    pub(super) fn has_variable(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Variable { .. }))
    }

    /// Whether a wildcard stands in front of other text.
    pub(super) fn has_inner_wildcard(&self, knows_caller: bool) -> bool {
        let is_wild = |part: &Part| match part {
            Part::Literal(_) | Part::Escape(_) => false,
            Part::One | Part::Run => true,
            Part::Variable { key, .. } => !(knows_caller && is_known(key)),
        };
        let before_last = self.parts.split_last().map_or(&[][..], |(_, before)| before);
        before_last.iter().any(is_wild) || matches!(self.parts.last(), Some(Part::One))
    }

    /// Its text with `*` for each variable that isn't known.
    pub(super) fn opened(&self, knows_caller: bool) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(character) => text.push(*character),
                Part::One => text.push('?'),
                Part::Run => text.push('*'),
                Part::Escape(character) => text.extend(['$', '{', *character, '}']),
                Part::Variable { text: variable, key } if knows_caller && is_known(key) => text.push_str(variable),
                Part::Variable { .. } => text.push('*'),
            }
        }
        text
    }

    /// Its variables replaced by what the context knows, and by `*` where it doesn't.
    fn resolved(&self, context: &dyn Context) -> Cow<'_, [Part]> {
        if !self.has_variable() {
            return Cow::Borrowed(&self.parts);
        }
        let mut parts = Vec::new();
        for part in &self.parts {
            match part {
                Part::Variable { key, .. } => match context.lookup(key) {
                    Lookup::One(Value::String(value)) if is_known(key) => {
                        parts.extend(value.chars().map(Part::Literal))
                    }
                    _ => parts.push(Part::Run),
                },
                other => parts.push(other.clone()),
            }
        }
        Cow::Owned(parts)
    }

    /// Whether it names the bucket or objects in it.
    pub(super) fn bears_on(&self, bucket: &str, context: &dyn Context) -> bool {
        let parts = self.resolved(context);
        let places = after(&parts, &format!("arn:aws:s3:::{bucket}"));
        places.iter().any(|place| {
            let rest = parts.get(*place..).unwrap_or_default();
            rest.iter().all(|part| matches!(part, Part::Run)) || !after(rest, "/").is_empty()
        })
    }

    /// Names of objects of the bucket that it covers: one with as little as possible for each `*`, and one with what no other pattern writes.
    pub(super) fn keys(&self, bucket: &str, context: &dyn Context) -> Vec<String> {
        let parts = self.resolved(context);
        let mut keys = Vec::new();
        for place in after(&parts, &format!("arn:aws:s3:::{bucket}/")) {
            for run in ["", FILL] {
                let key: String = parts.get(place..).unwrap_or_default().iter().fold(String::new(), |mut key, part| {
                    match part {
                        Part::Literal(character) | Part::Escape(character) => key.push(*character),
                        Part::One => key.push('\u{7f}'),
                        Part::Run | Part::Variable { .. } => key.push_str(run),
                    }
                    key
                });
                if !key.is_empty() && !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys
    }
}

/// Whether the value follows from who calls and from the bucket.
fn is_known(key: &ConditionKey) -> bool {
    DERIVED.contains(&key.canonical())
}

/// Where the brace stands that closes a variable; a default value in quotes may hold others.
fn variable_end(body: &str) -> usize {
    let mut quoted = false;
    for (at, character) in body.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '}' if !quoted => return at,
            _ => {}
        }
    }
    body.len()
}

/// The places of a pattern where a match of its beginning with all of `text` can go on.
fn after(parts: &[Part], text: &str) -> Vec<usize> {
    // Nearly all patterns write out their beginning, which has one place only.
    let mut written = 0;
    let mut rest = text;
    while let (Some(Part::Literal(it)), Some(character)) = (parts.get(written), rest.chars().next()) {
        if *it != character {
            return Vec::new();
        }
        written += 1;
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    let parts = parts.get(written..).unwrap_or_default();
    let mut places = vec![false; parts.len() + 1];
    let pass_runs = |places: &mut Vec<bool>| {
        for (at, part) in parts.iter().enumerate() {
            if places[at] && matches!(part, Part::Run) {
                places[at + 1] = true;
            }
        }
    };
    places[0] = true;
    pass_runs(&mut places);
    for character in rest.chars() {
        let mut next = vec![false; parts.len() + 1];
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| places[*at]) {
            match part {
                Part::Run | Part::Variable { .. } => next[at] = true,
                Part::One => next[at + 1] = true,
                Part::Literal(it) | Part::Escape(it) => next[at + 1] |= *it == character,
            }
        }
        pass_runs(&mut next);
        places = next;
    }
    (0..=parts.len()).filter(|at| places[*at]).map(|at| written + at).collect()
}

#[cfg(test)]
mod tests {
    use policy::{EmptyContext, MapContext};

    use super::*;

    fn keys(text: &str) -> Vec<String> {
        let context = MapContext::new().with("aws:username", "eve*");
        let keys = Pattern::new(&format!("arn:aws:s3:::{text}"), true).keys("box", &context);
        keys.into_iter().map(|key| key.replace(FILL, "<>").replace('\u{7f}', "<?>")).collect()
    }

    #[test]
    fn objects_are_made_up_for_every_way_in_which_a_pattern_can_name_the_bucket() {
        assert_eq!(keys("box/a/*"), ["a/", "a/<>"]);
        assert_eq!(keys("box/*"), ["<>"]);
        assert_eq!(keys("b*x/a?"), ["x/a<?>", "<>x/a<?>", "a<?>"]);
        assert_eq!(keys("box*.jpg"), [".jpg", "<>.jpg"]);
        assert_eq!(keys("box/${aws:username}/*"), ["eve*/", "eve*/<>"]);
        assert_eq!(keys("box/${aws:PrincipalTag/team, 'a}b'}/x"), ["/x", "<>/x"]);
        assert_eq!(keys("box/${*}"), ["*"]);
        for elsewhere in ["other/a", "box", "bo/x/a", "${aws:username}/a"] {
            assert!(keys(elsewhere).is_empty(), "{elsewhere}");
        }
    }

    #[test]
    fn a_resource_bears_on_a_bucket_that_it_names_whole_or_in_part() {
        let bears = |text: &str| Pattern::new(text, true).bears_on("box", &EmptyContext);
        for text in ["*", "arn:aws:s3:::box", "arn:aws:s3:::box/a", "arn:aws:s3:::b*", "arn:*:box", "arn:aws:s3:::${x}"]
        {
            assert!(bears(text), "{text}");
        }
        for text in ["arn:aws:s3:::boxes", "arn:aws:s3:::bo", "arn:aws:s3:::boxes/*", "arn:aws:kms:::box", ""] {
            assert!(!bears(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_opened_and_what_is_stays() {
        let pattern = Pattern::new("arn:aws:s3:::b/${aws:username}/${*}/${aws:PrincipalTag/x}", true);
        assert_eq!(pattern.opened(true), "arn:aws:s3:::b/${aws:username}/${*}/*");
        assert_eq!(pattern.opened(false), "arn:aws:s3:::b/*/${*}/*");
        assert!(pattern.is_open(true));
        assert!(!Pattern::new("arn:aws:s3:::b/${aws:username}", true).is_open(true));
        assert!(!Pattern::new("arn:aws:s3:::b/${aws:username}", false).has_variable());
    }
}
