//! The request of a case: method, path and query that ask for its action, and what gives each condition key its value.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};
use tests::node::ACCOUNT_ID;

use super::carry::{GUEST_ACCOUNT_ID, Reason, Sender, account};
use super::text;

/// The networks that the node counts as VPCs: CIDR, an address inside, VPC, endpoint.
pub(super) const NETWORKS: &[(&str, &str, &str, Option<&str>)] = &[
    ("10.1.0.0/16", "10.1.0.9", "vpc-111bbb22", None),
    ("10.1.7.0/24", "10.1.7.9", "vpc-111bbb22", Some("vpce-1a2b3c4d")),
    ("10.2.0.0/16", "10.2.0.9", "vpc-999ccc99", None),
];
/// What is sent, before it is signed.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) method: &'static str,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) is_presigned: bool,
}

/// What a case says of one key, as text.
enum Given {
    Missing,
    One(String),
    Many(Vec<String>),
}

pub(super) struct Keys<'a> {
    pub(super) context: BTreeMap<String, (&'a str, &'a Value)>,
}

impl Keys<'_> {
    fn given(&self, key: &str) -> Given {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self.context.get(&key.to_ascii_lowercase()) {
            None => Given::Missing,
            Some((_, Value::Array(values))) => Given::Many(values.iter().map(text).collect()),
            Some((_, value)) => Given::One(text(value)),
        }
    }

    fn one(&self, key: &str) -> Option<String> {
        match self.given(key) {
            Given::One(value) => Some(value),
            Given::Missing | Given::Many(_) => None,
        }
    }

    /// Keys of the case that begin like this, without the beginning, as they are spelt.
    pub(super) fn below(&self, prefix: &str) -> Vec<(String, String)> {
        let prefix = prefix.to_ascii_lowercase();
        let below = |(lower, (key, _)): (&String, &(&str, &Value))| {
            lower.starts_with(&prefix).then(|| (key[prefix.len()..].to_owned(), self.one(lower).unwrap_or_default()))
        };
        self.context.iter().filter_map(below).collect()
    }
}

/// Method, path and query that ask for this action.
pub(super) fn target(action: &str, resource: &str, keys: &Keys<'_>) -> Result<Wire, Reason> {
    let name = resource.strip_prefix("arn:aws:s3:::").expect("an ARN of S3");
    let (bucket, key) = name.split_once('/').unwrap_or((name, ""));
    let version = || vec![("versionId".to_owned(), keys.one("s3:VersionId").unwrap_or_else(|| "null".into()))];
    let with = |name: &str| vec![(name.to_owned(), String::new())];
    let upload = || vec![("uploadId".to_owned(), "none".to_owned())];
    let (method, query) = match action.strip_prefix("s3:").expect("an action of S3") {
        "GetObject" => ("GET", vec![]),
        "GetObjectVersion" => ("GET", version()),
        "GetObjectTagging" => ("GET", with("tagging")),
        "GetObjectVersionTagging" => ("GET", [with("tagging"), version()].concat()),
        "PutObject" if keys.one("s3:ObjectCreationOperation").as_deref() == Some("false") => {
            ("PUT", [vec![("partNumber".to_owned(), "1".to_owned())], upload()].concat())
        }
        "PutObject" | "CreateBucket" => ("PUT", vec![]),
        "PutObjectTagging" => ("PUT", with("tagging")),
        "PutObjectRetention" => ("PUT", with("retention")),
        "GetObjectAcl" => ("GET", with("acl")),
        "DeleteObject" | "DeleteBucket" => ("DELETE", vec![]),
        "DeleteObjectTagging" => ("DELETE", with("tagging")),
        "DeleteObjectVersion" => ("DELETE", version()),
        "AbortMultipartUpload" => ("DELETE", upload()),
        "ListMultipartUploadParts" => ("GET", upload()),
        "ListBucket" => ("GET", vec![("list-type".to_owned(), "2".to_owned())]),
        "ListBucketVersions" => ("GET", with("versions")),
        "ListBucketMultipartUploads" => ("GET", with("uploads")),
        "ListAllMyBuckets" => return Ok(Wire { method: "GET", ..Wire::default() }),
        "GetBucketPolicy" => ("GET", with("policy")),
        "PutBucketPolicy" => ("PUT", with("policy")),
        "DeleteBucketPolicy" => ("DELETE", with("policy")),
        "GetBucketPolicyStatus" => ("GET", with("policyStatus")),
        "DeleteBucketWebsite" => ("DELETE", with("website")),
        "BypassGovernanceRetention" => return Err("an action that no request asks for alone"),
        _ => return Err("an action without a request in this table"),
    };
    let body = match action {
        "s3:PutBucketPolicy" => {
            json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": {"AWS": GUEST_ACCOUNT_ID},
            "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/*")}})
            .to_string()
        }
        "s3:PutObjectTagging" => tagging_body(keys),
        "s3:PutObject" => "body".to_owned(),
        _ => String::new(),
    };
    let mut headers = Vec::new();
    if action == "s3:PutBucketPolicy" {
        // Without it the node refuses, rightly, a policy that would keep the caller from changing it again.
        headers.push(("x-amz-confirm-remove-self-bucket-access".to_owned(), "true".to_owned()));
    }
    Ok(Wire { method, bucket: bucket.into(), key: key.into(), query, headers, body, is_presigned: false })
}

/// Whether an action is asked for on an object that is there: what the test must put first.
pub(super) fn has_object(action: &str) -> bool {
    action.starts_with("s3:GetObject") || matches!(action, "s3:PutObjectTagging" | "s3:DeleteObjectTagging")
}

/// The tags that a case says are sent.
fn request_tags(keys: &Keys<'_>) -> Vec<(String, String)> {
    let values = keys.below("s3:RequestObjectTag/");
    match keys.given("s3:RequestObjectTagKeys") {
        Given::Many(names) => names
            .into_iter()
            .map(|name| {
                let value = values.iter().find(|(key, _)| *key == name).map_or("x", |(_, value)| value).to_owned();
                (name, value)
            })
            .collect(),
        Given::One(_) | Given::Missing => values,
    }
}

fn tagging_body(keys: &Keys<'_>) -> String {
    let mut tags = request_tags(keys);
    if tags.is_empty() {
        tags.push(("unrelated".into(), "x".into()));
    }
    let tags: String = tags.iter().map(|(k, v)| format!("<Tag><Key>{k}</Key><Value>{v}</Value></Tag>")).collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

/// The address that the request comes from, when it is another one than the test's own.
pub(super) fn address(keys: &Keys<'_>) -> Result<Option<String>, Reason> {
    if let Some(address) = keys.one("aws:SourceIp") {
        if address.parse::<IpAddr>().is_err() {
            return Err("every request has a verified address");
        }
        return Ok((address != "127.0.0.1").then_some(address));
    }
    let (vpc, endpoint) = (keys.one("aws:SourceVpc"), keys.one("aws:SourceVpce"));
    if vpc.is_none() && endpoint.is_none() {
        return Ok(None);
    }
    let network = NETWORKS.iter().find(|network| {
        vpc.as_deref().is_none_or(|vpc| vpc == network.2) && (endpoint.is_none() || endpoint.as_deref() == network.3)
    });
    network.map(|network| Some(network.1.to_owned())).ok_or("a network that the node doesn't have")
}

/// Gives the request what makes this key what the case says, or says why that can't be.
pub(super) fn place(
    key: &str,
    keys: &Keys<'_>,
    request: &Value,
    sender: &Sender,
    wire: &mut Wire,
) -> Result<(), Reason> {
    let action = text(request, "action");
    let principal = text(request, "principal");
    let value = match keys.given(key) {
        Given::Missing => None,
        Given::One(value) => Some(value),
        Given::Many(_) if matches!(key, "s3:requestobjecttagkeys" | "aws:tagkeys") => None,
        Given::Many(_) => return Err("a set in a key that has one value"),
    };
    let must_be = |expected: Option<&str>, reason: Reason| {
        if value.as_deref() == expected { Ok(()) } else { Err(reason) }
    };
    let is_object_write = action == "s3:PutObject";
    match key {
        "aws:sourceip" => value.map(drop).ok_or("every request has a verified address"),
        "aws:sourcevpc" | "aws:sourcevpce" => {
            let address = wire.headers.iter().find(|(name, _)| name == "x-forwarded-for").map(|(_, v)| v.as_str());
            let network = NETWORKS.iter().find(|network| address == Some(network.1));
            let is_vpc = key == "aws:sourcevpc";
            let computed = network.and_then(|network| if is_vpc { Some(network.2) } else { network.3 });
            must_be(computed, "a network that the node doesn't have")
        }
        "aws:useragent" => header(wire, "user-agent", value),
        "aws:referer" => header(wire, "referer", value),
        "aws:securetransport" => must_be(Some("false"), "the node of the test has no TLS"),
        "aws:viaawsservice" | "aws:principalisawsservice" => must_be(Some("false"), "no service calls here"),
        "aws:principalarn" => {
            let arn = (*sender != Sender::Anonymous).then_some(principal);
            must_be(arn, "the node knows who calls")
        }
        "aws:principalaccount" => must_be(account(principal), "the node knows who calls"),
        "aws:username" => {
            let name = if let Sender::User { name, .. } = sender { Some(name.as_str()) } else { None };
            must_be(name, "the node knows who calls")
        }
        "aws:principaltype" => {
            let kind = match sender {
                Sender::Anonymous => "Anonymous",
                Sender::Root | Sender::GuestRoot => "Account",
                Sender::User { .. } => "User",
            };
            must_be(Some(kind), "the node knows who calls")
        }
        "aws:requestedregion" => must_be(Some("us-east-1"), "the node has one region"),
        "aws:userid" => Err("the node makes ids"),
        "aws:resourceaccount" | "s3:resourceaccount" => must_be(Some(ACCOUNT_ID), "the node knows whose the bucket is"),
        // Whether the present time decides alike was asked before.
        "aws:currenttime" | "aws:epochtime" => Ok(()),
        "s3:signatureage" => Err("a signature of the test is as old as it is"),
        "s3:tlsversion" => must_be(None, "the node of the test has no TLS"),
        "s3:signatureversion" => {
            let version = (*sender != Sender::Anonymous).then_some("AWS4-HMAC-SHA256");
            must_be(version, "requests of the test have Signature Version 4")
        }
        "s3:authtype" if value.as_deref() == Some("REST-QUERY-STRING") => {
            wire.is_presigned = true;
            Ok(())
        }
        "s3:authtype" => must_be(
            (*sender != Sender::Anonymous).then_some("REST-HEADER"),
            "requests of the test are signed in headers or presigned",
        ),
        "s3:prefix" | "s3:delimiter" | "s3:max-keys" => {
            if !matches!(action, "s3:ListBucket" | "s3:ListBucketVersions") {
                return value.map_or(Ok(()), |_| Err("a parameter that the operation doesn't have"));
            }
            let Some(value) = value else { return Ok(()) };
            if key == "s3:max-keys" && value.parse::<u16>().is_err() {
                return Err("a listing that is refused before it is judged");
            }
            wire.query.push((key["s3:".len()..].to_owned(), value));
            Ok(())
        }
        "s3:versionid" if action.contains("Version") => value.map(drop).ok_or("a version has an id"),
        "s3:requestobjecttagkeys" | "aws:tagkeys" => tag_keys(keys, action, wire),
        _ if key.starts_with("s3:requestobjecttag/") => tag_keys(keys, action, wire),
        _ if key.starts_with("s3:existingobjecttag/") => {
            if has_object(action) {
                Ok(())
            } else {
                Err("an object's tags are asked for where there is an object")
            }
        }
        "s3:objectcreationoperation" if is_object_write => value.map(drop).ok_or("a write creates an object or not"),
        "s3:if-none-match" | "s3:if-match" if is_object_write => header(wire, &key["s3:".len()..], value),
        "s3:x-amz-content-sha256" if is_object_write => {
            value.as_ref().ok_or("every request of the test says what its payload is")?;
            header(wire, "x-amz-content-sha256", value)
        }
        _ if key.starts_with("s3:x-amz-") && is_object_write => header(wire, &key["s3:".len()..], value),
        "s3:locationconstraint" if action == "s3:CreateBucket" => {
            let body = |place| {
                let constraint = format!("<LocationConstraint>{place}</LocationConstraint>");
                format!("<CreateBucketConfiguration>{constraint}</CreateBucketConfiguration>")
            };
            wire.body = value.map(body).unwrap_or_default();
            Ok(())
        }
        _ => must_be(None, "a key that no request to this operation has"),
    }
}

fn header(wire: &mut Wire, name: &str, value: Option<String>) -> Result<(), Reason> {
    match value {
        Some(value) if name == "x-amz-copy-source" => {
            wire.body.clear();
            wire.headers.push((name.into(), value));
        }
        Some(value) => wire.headers.push((name.into(), value)),
        None => {}
    }
    Ok(())
}

fn tag_keys(keys: &Keys<'_>, action: &str, wire: &mut Wire) -> Result<(), Reason> {
    let tags = request_tags(keys);
    match action {
        "s3:PutObjectTagging" if tags.is_empty() => Err("a body of tags has tags"),
        "s3:PutObjectTagging" => Ok(()),
        "s3:PutObject" => {
            wire.headers.retain(|(name, _)| name != "x-amz-tagging");
            let tags: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
            header(wire, "x-amz-tagging", (!tags.is_empty()).then(|| tags.join("&")))
        }
        _ if tags.is_empty() => Ok(()),
        _ => Err("an operation that sends no tags"),
    }
}
