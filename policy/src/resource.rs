//! Patterns of resources.
//!
//! An ARN has six fields; a pattern is compared field by field, and the first five of S3's own are compared once, when the
//! policy is compiled. What is left is the bucket and key, taken byte for byte: `..`, `//` and `%2F` are text.

use crate::pattern::Pattern;
use crate::request::Resource;
use crate::value::Context;
use crate::variable::{Matched, Template, Variable};

/// One entry of a Resource or NotResource list.
#[derive(Debug, Clone)]
pub(crate) struct ResourcePattern {
    form: Form,
    /// As the document writes it, for explanations.
    text: Box<str>,
}

#[derive(Debug, Clone)]
enum Form {
    /// `*`
    Everything,
    /// Not an ARN: it names nothing.
    Nothing,
    /// The first five fields name S3 here; the template is bucket and key.
    S3(Template),
    /// Anything else; it can't name a bucket or an object.
    Other(Box<[Pattern; 5]>, Template),
}

impl ResourcePattern {
    pub(crate) fn new(text: &str, variables: bool) -> ResourcePattern {
        ResourcePattern { form: Form::new(text, variables), text: text.into() }
    }

    /// The pattern as the document writes it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is `*`.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(self.form, Form::Everything)
    }

    /// Whether it is an ARN or `*`.
    pub(crate) fn is_well_formed(&self) -> bool {
        !matches!(self.form, Form::Nothing)
    }

    /// The template of bucket and key, when it can name one.
    pub(crate) fn s3_tail(&self) -> Option<&Template> {
        match &self.form {
            Form::S3(tail) => Some(tail),
            _ => None,
        }
    }

    /// Whether the resource begins and ends with the literal text in front of the first and behind the last wildcard or
    /// variable, so that some value of the variables could make it match.
    pub(crate) fn can_name(&self, target: &Target<'_>) -> bool {
        match (&self.form, target) {
            (Form::S3(template), Target::S3(tail)) => {
                tail.starts_with(template.literal_prefix()) && tail.ends_with(template.literal_suffix())
            }
            _ => true,
        }
    }

    /// The texts that every bucket or object it names begins and ends with, both empty where it can name any; `None` when it can
    /// name none at all.
    pub(crate) fn s3_affixes(&self) -> Option<(&str, &str)> {
        match &self.form {
            Form::Everything => Some(("", "")),
            Form::S3(tail) => Some((tail.literal_prefix(), tail.literal_suffix())),
            Form::Nothing | Form::Other(..) => None,
        }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let template = match &self.form {
            Form::S3(tail) | Form::Other(_, tail) => Some(tail),
            Form::Everything | Form::Nothing => None,
        };
        template.into_iter().flat_map(Template::variables)
    }

    pub(crate) fn matches(&self, target: &Target<'_>, context: &dyn Context) -> Matched {
        match (&self.form, target) {
            (Form::Everything, _) => Matched::Yes,
            (Form::S3(template), Target::S3(tail)) => template.matches(tail, context),
            (Form::Other(patterns, template), Target::Other(arn)) => match split_arn(arn) {
                Some((fields, tail)) if patterns.iter().zip(fields).all(|(pattern, field)| pattern.matches(field)) => {
                    template.matches(tail, context)
                }
                _ => Matched::No,
            },
            // Patterns such as `arn:*:*:*:*:x` name S3 and more.
            (Form::S3(_), Target::Other(_)) | (Form::Other(..), Target::S3(_)) | (Form::Nothing, _) => Matched::No,
        }
    }
}

impl Form {
    fn new(text: &str, variables: bool) -> Form {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return Form::Everything;
        }
        let Some((fields, tail)) = split_arn(text) else { return Form::Nothing };
        let patterns = fields.map(Pattern::new);
        let tail = Template::new(tail, variables, true);
        let is_s3 = patterns.iter().zip(["arn", "aws", "s3", "", ""]).all(|(pattern, field)| pattern.matches(field));
        if is_s3 { Form::S3(tail) } else { Form::Other(Box::new(patterns), tail) }
    }
}

/// The resource of a request in the form that patterns are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// Bucket, bucket and key joined by `/`, or `*` for the service.
    S3(&'a str),
    /// A whole ARN of something else.
    Other(&'a str),
}

/// Room for a bucket's name, a slash and the longest key; longer ones go to the heap.
const TAIL_BYTES_MAX: usize = 63 + 1 + 1024;

/// Joins bucket and key on the stack and hands the result on.
pub(crate) fn with_target<R>(resource: &Resource<'_>, f: impl FnOnce(Target<'_>) -> R) -> R {
    match resource {
        Resource::Service { .. } => f(Target::S3("*")),
        Resource::Bucket { bucket, .. } => f(Target::S3(bucket)),
        Resource::Arn { arn, .. } => f(Target::Other(arn)),
        Resource::Object { bucket, key, .. } => {
            let mut buffer = [0_u8; TAIL_BYTES_MAX];
            let length = bucket.len() + 1 + key.len();
            let joined = buffer.get_mut(..length).and_then(|joined| {
                let (head, rest) = joined.split_at_mut_checked(bucket.len())?;
                let (slash, tail) = rest.split_first_mut()?;
                head.copy_from_slice(bucket.as_bytes());
                *slash = b'/';
                tail.copy_from_slice(key.as_bytes());
                std::str::from_utf8(joined).ok()
            });
            match joined {
                Some(joined) => f(Target::S3(joined)),
                None => f(Target::S3(&format!("{bucket}/{key}"))),
            }
        }
    }
}

/// Splits a text at its first five colons.
pub(crate) fn split_arn(text: &str) -> Option<([&str; 5], &str)> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next();
    let fields = [next()?, next()?, next()?, next()?, next()?];
    Some((fields, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::EmptyContext;

    fn m(pattern: &str, arn: &str) -> bool {
        let resource = Resource::from_arn(arn, "123456789012");
        with_target(&resource, |target| ResourcePattern::new(pattern, true).matches(&target, &EmptyContext))
            == Matched::Yes
    }

    #[test]
    fn bucket_and_object_arns_never_mix() {
        assert!(m("arn:aws:s3:::b", "arn:aws:s3:::b"));
        assert!(!m("arn:aws:s3:::b", "arn:aws:s3:::b/k"));
        assert!(!m("arn:aws:s3:::b/*", "arn:aws:s3:::b"));
        assert!(m("arn:aws:s3:::b/*", "arn:aws:s3:::b/"));
        assert!(m("arn:aws:s3:::b*", "arn:aws:s3:::b/k"));
        assert!(m("arn:aws:s3:::*", "arn:aws:s3:::*"));
        assert!(!m("arn:aws:s3:::b*", "arn:aws:s3:::*"));
    }

    #[test]
    fn keys_are_text_and_not_paths() {
        assert!(m("arn:aws:s3:::b/public/*", "arn:aws:s3:::b/public/../private"));
        assert!(!m("arn:aws:s3:::b/private", "arn:aws:s3:::b/public/../private"));
        assert!(!m("arn:aws:s3:::b/a%2Fb", "arn:aws:s3:::b/a/b"));
        assert!(!m("arn:aws:s3:::b/A", "arn:aws:s3:::b/a"));
        assert!(m("arn:aws:s3:::b/a:b:*", "arn:aws:s3:::b/a:b:c:d"));
    }

    #[test]
    fn first_five_fields_are_compared_one_by_one() {
        assert!(m("arn:aws:s3::*:b", "arn:aws:s3:::b"));
        assert!(m("arn:*:s?:::b", "arn:aws:s3:::b"));
        assert!(!m("arn:aws:s3:us-east-1::b", "arn:aws:s3:::b"));
        assert!(!m("arn:aws:s3:*", "arn:aws:s3:::b"));
        assert!(!m("b", "arn:aws:s3:::b"));
        assert!(m("*", "arn:aws:kms:r:a:key/1"));
        assert!(m("arn:aws:kms:*:*:key/*", "arn:aws:kms:r:a:key/1"));
    }

    #[test]
    fn keys_longer_than_the_buffer_are_matched_whole() {
        let key = "k".repeat(5_000);
        assert!(m("arn:aws:s3:::b/*k", &format!("arn:aws:s3:::b/{key}")));
        assert!(!m(&format!("arn:aws:s3:::b/{key}"), &format!("arn:aws:s3:::b/{key}k")));
    }
}
