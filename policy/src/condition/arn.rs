//! Amazon resource names, compared field by field.

use crate::pattern::{Pattern, Token, matches_tokens};
use crate::resource::split_arn;
use crate::value::Context;
use crate::variable::{Matched, Template, Variable};

/// A pattern of ARNs. `*` doesn't cross a colon in the first five fields.
#[derive(Debug, Clone)]
pub(crate) enum ArnTemplate {
    /// `*`
    Everything,
    /// A pattern without variables in its first five fields, by far the most.
    Plain(Box<[Pattern; 5]>, Template),
    /// A pattern whose fields are known only when the values of its variables are: one value may be a whole ARN.
    Filled(Template),
    /// Fewer than six fields: no ARN is like it.
    Nothing,
}

impl ArnTemplate {
    pub(crate) fn new(text: &str, variables: bool) -> ArnTemplate {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return ArnTemplate::Everything;
        }
        match split_arn(text) {
            Some((fields, last)) if !variables || fields.iter().all(|field| !field.contains("${")) => {
                ArnTemplate::Plain(Box::new(fields.map(Pattern::new)), Template::new(last, variables, true))
            }
            _ if variables && text.contains("${") => ArnTemplate::Filled(Template::new(text, true, true)),
            _ => ArnTemplate::Nothing,
        }
    }

    pub(crate) fn variables(&self) -> Box<dyn Iterator<Item = &Variable> + '_> {
        match self {
            ArnTemplate::Everything | ArnTemplate::Nothing => Box::new(std::iter::empty()),
            ArnTemplate::Plain(_, template) | ArnTemplate::Filled(template) => Box::new(template.variables()),
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
            ArnTemplate::Filled(template) => template.matches_by(context, |tokens| {
                let wanted = split_tokens(tokens);
                let found = fields.iter().copied().chain([last]);
                wanted.len() == 6 && wanted.iter().zip(found).all(|(tokens, field)| matches_tokens(tokens, field))
            }),
        }
    }
}

/// Splits tokens at the first five colons of their literals.
fn split_tokens<'t>(tokens: &[Token<'t>]) -> Vec<Vec<Token<'t>>> {
    let mut fields = Vec::new();
    let mut field = Vec::new();
    for token in tokens {
        let mut token = *token;
        while fields.len() < 5
            && let Token::Literal(text) = token
            && let Some((before, after)) = text.split_once(':')
        {
            field.push(Token::Literal(before));
            fields.push(std::mem::take(&mut field));
            token = Token::Literal(after);
        }
        field.push(token);
    }
    fields.push(field);
    fields
}

/// Splits a value of a context; `None` when it is no ARN.
pub(crate) fn split_value(text: &str) -> Option<([&str; 5], &str)> {
    split_arn(text).filter(|(fields, _)| fields[0] == "arn")
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

    #[test]
    fn a_variable_may_hold_a_whole_arn_or_some_of_its_fields() {
        let user = "arn:aws:iam::123456789012:user/a:*";
        let context = MapContext::new().with("aws:PrincipalArn", user).with("aws:userid", "iam::123456789012");
        let m = |pattern: &str, arn: &str| {
            let (fields, last) = split_value(arn).unwrap();
            ArnTemplate::new(pattern, true).matches(&fields, last, &context)
        };
        assert_eq!(m("${aws:PrincipalArn}", user), Matched::Yes);
        assert_eq!(m("${aws:PrincipalArn}", "arn:aws:iam::123456789012:user/a:b"), Matched::No);
        assert_eq!(m("${aws:PrincipalArn}?", &format!("{user}x")), Matched::Yes);
        assert_eq!(m("arn:*:${aws:userid}:user/*", user), Matched::Yes);
        assert_eq!(m("arn:${aws:userid}:user/*", user), Matched::No);
        assert_eq!(m("${aws:Referer}", user), Matched::Unresolved);
        assert_eq!(m("${aws:userid}", user), Matched::No);
    }
}
