//! Principals as bucket policies name them.
//!
//! A name takes no partial wildcard, and an unknown kind of principal is refused: dropping it silently would change whom a
//! statement is about.

use crate::request::{Principal, Request};

/// One entry of a Principal or NotPrincipal element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PrincipalPattern {
    /// `*`, also `{"AWS": "*"}`.
    Everyone,
    /// An account: its id or the ARN of its root.
    Account(Box<str>),
    /// A user, a role, or a session, by its ARN.
    Arn(Box<str>),
    /// The canonical id of an account.
    CanonicalUser(Box<str>),
    /// A service or an identity provider; none of them calls here.
    Elsewhere(Box<str>),
}

/// How a principal is meant by an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meant {
    /// Not at all.
    No,
    /// As a member of an account.
    AsAccount,
    /// By the role whose session it is.
    AsRole,
    /// Itself, or everyone.
    Directly,
}

/// The kinds that a Principal object may have.
pub(crate) const PRINCIPAL_TYPES: [&str; 4] = ["AWS", "CanonicalUser", "Federated", "Service"];

impl PrincipalPattern {
    /// Reads one value of a principal type. `None` is a form that the language doesn't have.
    pub(crate) fn new(kind: &str, text: &str) -> Option<PrincipalPattern> {
        match kind {
            "AWS" if text == "*" => Some(PrincipalPattern::Everyone),
            "AWS" if is_account(text) => Some(PrincipalPattern::Account(text.into())),
            "AWS" => principal_arn(text),
            _ if text.is_empty() || text.contains(['*', '?']) => None,
            "CanonicalUser" if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Some(PrincipalPattern::CanonicalUser(text.into()))
            }
            "Federated" | "Service" => Some(PrincipalPattern::Elsewhere(text.into())),
            _ => None,
        }
    }

    /// How the caller is meant.
    pub(crate) fn means(&self, request: &Caller<'_>) -> Meant {
        let principal = request.principal;
        match self {
            PrincipalPattern::Everyone => Meant::Directly,
            PrincipalPattern::Account(account) => match principal {
                Principal::Root { account: own } if own == &**account => Meant::Directly,
                _ if principal.account() == Some(account) => Meant::AsAccount,
                _ => Meant::No,
            },
            PrincipalPattern::CanonicalUser(id) => match principal {
                _ if request.canonical_user != Some(id) => Meant::No,
                Principal::Root { .. } => Meant::Directly,
                _ => Meant::AsAccount,
            },
            PrincipalPattern::Arn(arn) => match principal {
                Principal::User { arn: own, .. } if own == &**arn => Meant::Directly,
                Principal::Session { session_arn, .. } if session_arn == &**arn => Meant::Directly,
                Principal::Session { role_arn, .. } if role_arn == &**arn => Meant::AsRole,
                _ => Meant::No,
            },
            PrincipalPattern::Elsewhere(_) => Meant::No,
        }
    }
}

/// The part of a request that principals are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) principal: Principal<'a>,
    pub(crate) canonical_user: Option<&'a str>,
}

impl<'a> From<&Request<'a>> for Caller<'a> {
    fn from(request: &Request<'a>) -> Caller<'a> {
        Caller { principal: request.principal, canonical_user: request.canonical_user }
    }
}

/// Whether a text is a 12-digit account id.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn principal_arn(text: &str) -> Option<PrincipalPattern> {
    let (fields, tail) = crate::resource::split_arn(text)?;
    let ["arn", partition, service, "", account] = fields else { return None };
    let known_partition = matches!(partition, "aws" | "aws-cn" | "aws-us-gov");
    if !known_partition || !is_account(account) || text.contains(['*', '?']) {
        return None;
    }
    let named = |prefix: &str| tail.strip_prefix(prefix).is_some_and(|name| !name.is_empty() && !name.ends_with('/'));
    match service {
        "iam" if tail == "root" => Some(PrincipalPattern::Account(account.into())),
        "iam" if named("user/") || named("role/") => Some(PrincipalPattern::Arn(text.into())),
        "sts" if named("federated-user/") => Some(PrincipalPattern::Arn(text.into())),
        "sts" if named("assumed-role/") && tail.matches('/').count() == 2 => Some(PrincipalPattern::Arn(text.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c11_every_form_is_read_and_partial_wildcards_are_refused() {
        let account = Some(PrincipalPattern::Account("123456789012".into()));
        assert_eq!(PrincipalPattern::new("AWS", "*"), Some(PrincipalPattern::Everyone));
        assert_eq!(PrincipalPattern::new("AWS", "123456789012"), account);
        assert_eq!(PrincipalPattern::new("AWS", "arn:aws:iam::123456789012:root"), account);
        for arn in [
            "arn:aws:iam::123456789012:user/a",
            "arn:aws:iam::123456789012:user/p/a",
            "arn:aws:iam::123456789012:role/r",
            "arn:aws:sts::123456789012:assumed-role/r/s",
            "arn:aws:sts::123456789012:federated-user/f",
        ] {
            assert_eq!(PrincipalPattern::new("AWS", arn), Some(PrincipalPattern::Arn(arn.into())), "{arn}");
        }
        for text in [
            "",
            "**",
            "12345678901",
            "12345678901a",
            "1234567890123",
            "alice",
            "arn:aws:iam::123456789012:user/*",
            "arn:aws:iam::*:root",
            "arn:aws:iam::123456789012:group/g",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:s3:::b",
            "arn:aws:iam::12:root",
            "arn:aws:sts::123456789012:assumed-role/r",
            "arn:aws:iam:us-east-1:123456789012:root",
        ] {
            assert_eq!(PrincipalPattern::new("AWS", text), None, "{text}");
        }
        assert!(PrincipalPattern::new("Service", "cloudtrail.amazonaws.com").is_some());
        assert!(PrincipalPattern::new("CanonicalUser", "79a5").is_some());
        assert!(PrincipalPattern::new("CanonicalUser", "*").is_none());
        for kind in ["Service", "Federated", "CanonicalUser"] {
            assert!(PrincipalPattern::new(kind, "").is_none() && PrincipalPattern::new(kind, "a*").is_none(), "{kind}");
        }
        assert!(PrincipalPattern::new("aws", "*").is_none());
    }
}
