//! Whether a bucket policy is public, as S3's guide to Block Public Access defines it.
//!
//! A policy is public unless each of its Allows is limited to fixed values: of principals, networks, or of keys that say
//! where a request comes from. A wildcard, a variable, or an operator that a missing key satisfies fixes nothing.

use ipnet::IpNet;

use crate::condition::operator::{Family, Qualifier};
use crate::condition::{Condition, Values, address};
use crate::effect::Effect;
use crate::key::KnownKey;
use crate::policy::{Policy, PolicyKind, StatementRef};
use crate::principal::PrincipalPattern;
use crate::statement::Statement;

impl Policy {
    /// Whether the policy grants to the public; only bucket policies can.
    ///
    /// Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "The meaning of public".
    pub fn is_public(&self) -> bool {
        self.public_statements().next().is_some()
    }

    /// The statements that grant to the public.
    pub fn public_statements(&self) -> impl Iterator<Item = StatementRef<'_>> {
        let is_bucket = self.kind == PolicyKind::Bucket;
        let statements = self.statements.iter().filter(move |statement| is_bucket && is_public(statement));
        statements.map(|statement| StatementRef { statement })
    }
}

pub(crate) fn is_public(statement: &Statement) -> bool {
    if statement.effect == Effect::Deny {
        return false;
    }
    let everyone = statement
        .principals
        .as_ref()
        .is_some_and(|principals| principals.inverted || principals.entries.contains(&PrincipalPattern::Everyone));
    everyone && !statement.conditions.iter().any(fixes_callers)
}

/// Whether a condition limits the callers to fixed values.
fn fixes_callers(condition: &Condition) -> bool {
    let operator = condition.operator;
    let limits = matches!(
        condition.key.known(),
        Some(
            KnownKey::SourceIp
                | KnownKey::SourceVpc
                | KnownKey::SourceVpce
                | KnownKey::SourceArn
                | KnownKey::SourceAccount
                | KnownKey::SourceOrgId
                | KnownKey::UserId
                | KnownKey::PrincipalArn
                | KnownKey::PrincipalAccount
                | KnownKey::PrincipalOrgId
                | KnownKey::DataAccessPointArn
                | KnownKey::DataAccessPointAccount
                | KnownKey::XAmzServerSideEncryptionAwsKmsKeyId
        )
    );
    if !limits || operator.negated || operator.if_exists || operator.qualifier == Qualifier::ForAllValues {
        return false;
    }
    match (&condition.values, operator.family) {
        (Values::Networks(networks), _) => networks.iter().flatten().all(is_narrow),
        (_, Family::String { .. } | Family::Arn) => {
            condition.texts.iter().all(|text| !text.contains(['*', '?']) && !text.contains("${"))
        }
        _ => false,
    }
}

/// Networks broader than /8 (IPv4) or /32 (IPv6) fix nothing, unless they are private.
fn is_narrow(network: &IpNet) -> bool {
    let prefix_min = match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 32,
    };
    network.prefix_len() >= prefix_min || address::is_private(network)
}

#[cfg(test)]
mod tests {
    use crate::parse::{ParseOptions, parse};

    fn is_public(effect: &str, principal: &str, condition: &str) -> bool {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Principal": {principal}, "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*", "Condition": {condition}}}}}"#
        );
        parse(document.as_bytes(), ParseOptions::bucket("b")).unwrap().is_public()
    }

    #[test]
    fn a_grant_to_everyone_is_public_unless_fixed_values_limit_it() {
        assert!(is_public("Allow", "\"*\"", "{}"));
        assert!(is_public("Allow", "{\"AWS\": [\"123456789012\", \"*\"]}", "{}"));
        assert!(!is_public("Allow", "{\"AWS\": \"123456789012\"}", "{}"));
        assert!(!is_public("Deny", "\"*\"", "{}"));
        for condition in [
            r#"{"IpAddress": {"aws:SourceIp": "21.21.21.0/24"}}"#,
            r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
            r#"{"StringEquals": {"aws:SourceVpc": "vpc-111bbb22"}}"#,
            r#"{"StringLike": {"aws:SourceVpce": "vpce-1"}, "Bool": {"aws:SecureTransport": "true"}}"#,
            r#"{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:user/a"}}"#,
        ] {
            assert!(!is_public("Allow", "\"*\"", condition), "{condition}");
        }
        for condition in [
            r#"{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#,
            r#"{"IpAddress": {"aws:SourceIp": ["21.21.21.0/24", "128.0.0.0/1"]}}"#,
            r#"{"IpAddress": {"aws:SourceIp": "2001::/16"}}"#,
            r#"{"NotIpAddress": {"aws:SourceIp": "21.21.21.0/24"}}"#,
            r#"{"IpAddressIfExists": {"aws:SourceIp": "21.21.21.0/24"}}"#,
            r#"{"StringLike": {"aws:SourceVpc": "vpc-*"}}"#,
            r#"{"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}"#,
            r#"{"Bool": {"aws:SecureTransport": "true"}}"#,
            r#"{"StringEquals": {"aws:Referer": "https://example.com"}}"#,
            r#"{"StringEquals": {"aws:userid": "${aws:userid}"}}"#,
        ] {
            assert!(is_public("Allow", "\"*\"", condition), "{condition}");
        }
    }
}
