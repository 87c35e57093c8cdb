//! Patterns of resources.
//!
//! A pattern is compared with the whole ARN, in which `*` stands for any run of characters, colons and slashes included. Nearly
//! all patterns write out what S3's ARNs begin with; then only bucket and key are left to compare, byte for byte: `..`, `//`
//! and `%2F` are text.

use crate::pattern::Pattern;
use crate::request::Resource;
use crate::value::Context;
use crate::variable::{Matched, Template, Variable};

/// What the ARNs of buckets and objects begin with.
const S3_ARN_START: &str = "arn:aws:s3:::";

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
    /// It begins as S3's ARNs do; the template is bucket and key.
    S3(Template),
    /// Anything else: the template is of the whole ARN.
    Whole {
        whole: Template,
        /// The template of bucket and key where the first five fields, each for itself, can be S3's.
        s3_tail: Option<Template>,
        /// Whether it has the six fields of an ARN.
        is_arn: bool,
    },
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
        !matches!(self.form, Form::Whole { is_arn: false, .. })
    }

    /// The template of bucket and key, when it can name one.
    pub(crate) fn s3_tail(&self) -> Option<&Template> {
        match &self.form {
            Form::Everything => None,
            Form::S3(tail) => Some(tail),
            Form::Whole { s3_tail, .. } => s3_tail.as_ref(),
        }
    }

    /// Whether the resource begins and ends with the literal text in front of the first and behind the last wildcard or
    /// variable, so that some value of the variables could make it match.
    pub(crate) fn can_name(&self, target: &Target<'_>) -> bool {
        let between = |text: &str, template: &Template| {
            text.starts_with(template.literal_prefix()) && text.ends_with(template.literal_suffix())
        };
        match &self.form {
            Form::Everything => true,
            Form::S3(template) => target.s3_tail.is_some_and(|tail| between(tail, template)),
            Form::Whole { whole, .. } => between(target.arn, whole),
        }
    }

    /// The texts that every bucket or object it names begins and ends with, both empty where it can name any; `None` when it can
    /// name none at all.
    pub(crate) fn s3_affixes(&self) -> Option<(&str, &str)> {
        match &self.form {
            Form::Everything => Some(("", "")),
            Form::S3(tail) => Some((tail.literal_prefix(), tail.literal_suffix())),
            Form::Whole { whole, .. } => S3_ARN_START.starts_with(whole.literal_prefix()).then_some(("", "")),
        }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let template = match &self.form {
            Form::Everything => None,
            Form::S3(template) | Form::Whole { whole: template, .. } => Some(template),
        };
        template.into_iter().flat_map(Template::variables)
    }

    pub(crate) fn matches(&self, target: &Target<'_>, context: &dyn Context) -> Matched {
        match &self.form {
            Form::Everything => Matched::Yes,
            Form::S3(template) => target.s3_tail.map_or(Matched::No, |tail| template.matches(tail, context)),
            Form::Whole { whole, .. } => whole.matches(target.arn, context),
        }
    }
}

impl Form {
    fn new(text: &str, variables: bool) -> Form {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return Form::Everything;
        }
        if let Some(tail) = text.strip_prefix(S3_ARN_START) {
            return Form::S3(Template::new(tail, variables, true));
        }
        let Some((fields, tail)) = split_arn(text) else {
            return Form::Whole { whole: Template::new(text, false, true), s3_tail: None, is_arn: false };
        };
        let can_be_s3 =
            fields.iter().zip(["arn", "aws", "s3", "", ""]).all(|(field, s3)| Pattern::new(field).matches(s3));
        Form::Whole {
            // Variables live behind the fifth colon.
            whole: Template::new(text.strip_suffix(tail).unwrap_or_default(), false, true)
                .followed_by(Template::new(tail, variables, true)),
            s3_tail: can_be_s3.then(|| Template::new(tail, variables, true)),
            is_arn: true,
        }
    }
}

/// The resource of a request in the form that patterns are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The whole ARN.
    arn: &'a str,
    /// Bucket, bucket and key joined by `/`, or `*` for the service; `None` of what isn't S3's.
    s3_tail: Option<&'a str>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(arn: &'a str) -> Target<'a> {
        Target { arn, s3_tail: arn.strip_prefix(S3_ARN_START) }
    }

    /// Bucket, bucket and key joined by `/`, or `*` for the service; `None` of what isn't S3's.
    pub(crate) fn s3_tail(&self) -> Option<&'a str> {
        self.s3_tail
    }
}

/// Room for the ARN of an object with the longest key; longer ones go to the heap.
const ARN_BYTES_MAX: usize = S3_ARN_START.len() + 63 + 1 + 1024;

/// Writes the ARN on the stack and hands it on.
pub(crate) fn with_target<R>(resource: &Resource<'_>, f: impl FnOnce(Target<'_>) -> R) -> R {
    let parts = match resource {
        Resource::Service { .. } => [S3_ARN_START, "*", "", ""],
        Resource::Bucket { bucket, .. } => [S3_ARN_START, bucket, "", ""],
        Resource::Object { bucket, key, .. } => [S3_ARN_START, bucket, "/", key],
        Resource::Arn { arn, .. } => return f(Target::new(arn)),
    };
    let mut buffer = [0_u8; ARN_BYTES_MAX];
    match join(parts, &mut buffer) {
        Some(arn) => f(Target::new(arn)),
        None => f(Target::new(&parts.concat())),
    }
}

/// Joins texts in a buffer; `None` when it is too small.
fn join<'b>(parts: [&str; 4], buffer: &'b mut [u8]) -> Option<&'b str> {
    let mut length = 0;
    for part in parts {
        let end = length + part.len();
        buffer.get_mut(length..end)?.copy_from_slice(part.as_bytes());
        length = end;
    }
    std::str::from_utf8(buffer.get(..length)?).ok()
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
        for pattern in
            ["arn:aws:s3:*", "arn:*", "arn:aws:s3::*", "a*b", "arn:aws:s3*b", "*s3:::?", "arn:*:b", "arn:aws:s3::*:*b"]
        {
            assert!(m(pattern, "arn:aws:s3:::b"), "{pattern}");
        }
        for pattern in ["arn:aws:s3", "arn:aws:s3:", "arn:aws:kms:*", "arn:aws:s3:*c", "arn:aws:s3::*:*:*b"] {
            assert!(!m(pattern, "arn:aws:s3:::b"), "{pattern}");
        }
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
