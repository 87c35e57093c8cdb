//! Amazon resource names, compared field by field.

use crate::pattern::Pattern;
use crate::resource::split_arn;
use crate::value::Context;
use crate::variable::{Matched, Template, Variable};

/// A pattern of ARNs. `*` doesn't cross a colon in the first five fields.
#[derive(Debug, Clone)]
pub(crate) enum ArnTemplate {
    /// `*`
    Everything,
    /// Six fields, each with wildcards and variables.
    Fields(Box<[Template; 6]>),
    /// A pattern without variables in its first five fields, by far the most.
    Plain(Box<[Pattern; 5]>, Template),
    /// Fewer than six fields: no ARN is like it.
    Nothing,
}

impl ArnTemplate {
    pub(crate) fn new(text: &str, variables: bool) -> ArnTemplate {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return ArnTemplate::Everything;
        }
        // A colon inside `${aws:username}` separates no fields.
        let Some(fields) = split_outside_variables(text, variables) else { return ArnTemplate::Nothing };
        let [a, b, c, d, e, last] = fields.map(|field| Template::new(field, variables, true));
        match [a, b, c, d, e] {
            [
                Template::Static(a),
                Template::Static(b),
                Template::Static(c),
                Template::Static(d),
                Template::Static(e),
            ] => ArnTemplate::Plain(Box::new([a, b, c, d, e]), last),
            [a, b, c, d, e] => ArnTemplate::Fields(Box::new([a, b, c, d, e, last])),
        }
    }

    pub(crate) fn variables(&self) -> Box<dyn Iterator<Item = &Variable> + '_> {
        match self {
            ArnTemplate::Everything | ArnTemplate::Nothing => Box::new(std::iter::empty()),
            ArnTemplate::Plain(_, last) => Box::new(last.variables()),
            ArnTemplate::Fields(fields) => Box::new(fields.iter().flat_map(Template::variables)),
        }
    }

    /// Compares an ARN, already split.
    pub(crate) fn matches(&self, fields: &[&str; 5], last: &str, context: &dyn Context) -> Matched {
        match self {
            ArnTemplate::Everything => Matched::Yes,
            ArnTemplate::Nothing => Matched::No,
            ArnTemplate::Plain(patterns, template) => {
                if patterns.iter().zip(fields).all(|(pattern, field)| pattern.matches(field)) {
                    template.matches(last, context)
                } else {
                    Matched::No
                }
            }
            ArnTemplate::Fields(templates) => {
                for (template, field) in templates.iter().zip(fields.iter().chain([&last])) {
                    match template.matches(field, context) {
                        Matched::Yes => {}
                        other => return other,
                    }
                }
                Matched::Yes
            }
        }
    }
}

/// Splits a value of a context; `None` when it is no ARN.
pub(crate) fn split_value(text: &str) -> Option<([&str; 5], &str)> {
    split_arn(text).filter(|(fields, _)| fields[0] == "arn")
}

fn split_outside_variables(text: &str, variables: bool) -> Option<[&str; 6]> {
    let mut fields = [""; 6];
    let mut start = 0;
    let mut at = 0;
    for slot in fields.iter_mut().take(5) {
        loop {
            let rest = text.get(at..)?;
            if variables && rest.starts_with("${") {
                at += rest.find('}')? + 1;
                continue;
            }
            match rest.chars().next()? {
                ':' => break,
                c => at += c.len_utf8(),
            }
        }
        *slot = text.get(start..at)?;
        at += 1;
        start = at;
    }
    fields[5] = text.get(start..)?;
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::MapContext;

    fn m(pattern: &str, arn: &str) -> bool {
        let (fields, last) = split_value(arn).unwrap();
        let context = MapContext::new().with("aws:username", "alice");
        ArnTemplate::new(pattern, true).matches(&fields, last, &context) == Matched::Yes
    }

    #[test]
    fn wildcards_stay_inside_the_first_five_fields() {
        let user = "arn:aws:iam::123456789012:user/a:b";
        assert!(m("arn:aws:iam::123456789012:user/*", user));
        assert!(m("arn:aws:iam::1234567890??:*", user) && m("*:*:*:*:*:*", user) && m("*", user));
        assert!(!m("arn:*:user/*", user) && !m("arn:aws:*", user));
        assert!(!m("arn:*:123456789012:user/a:b", user));
        assert!(m("arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/alice"));
        assert!(m("arn:aws:iam:${aws:username}:*:x", "arn:aws:iam:alice:1:x"));
        assert!(!m("arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/bob"));
        assert!(!m("arn:aws:s3::*:user/${aws:username}", "arn:aws:iam::1:user/alice"));
        assert!(!m("arn:aws:iam:${aws:username}:*:x", "arn:aws:iam:bob:1:x"));
    }
}
