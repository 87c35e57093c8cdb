//! One record, in the shape of AWS CloudTrail's, so that what reads those reads these.
//!
//! Nothing of a request's query, headers or body goes in but what is named here: signatures and secrets travel there. All of it is borrowed, and written where the request is answered, so that nothing is copied but into the line itself.

use std::cell::Cell;
use std::net::IpAddr;

use super::json::{Object, escape};

/// The longest text that a client chose, in characters.
const TEXT_CHARACTERS_MAX: usize = 256;
/// The longest reason, in characters.
const REASON_CHARACTERS_MAX: usize = 1_024;

/// A request that was answered ([CloudTrail's fields](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html)).
#[derive(Debug)]
pub struct Record<'a> {
    /// Nanoseconds since the epoch.
    pub at_nanoseconds: i64,
    /// `s3.amazonaws.com`, `sts.amazonaws.com` or `strongroom`.
    pub source: &'static str,
    /// The operation, such as `GetObject`.
    pub name: &'a str,
    /// The node's region.
    pub region: &'a str,
    /// Where it came from, as verified.
    pub address: IpAddr,
    /// What the client says that it is.
    pub user_agent: Option<&'a str>,
    /// The request's id.
    pub request_id: Option<&'a str>,
    /// Who sent it.
    pub identity: UserIdentity<'a>,
    /// The account whose audit it belongs to: the bucket's owner, or the caller's.
    pub account: Option<&'a str>,
    /// What it was about.
    pub resources: [Option<Resource<'a>>; 2],
    /// The answer's status.
    pub status: u16,
    /// The answer's error code.
    pub error_code: Option<&'a str>,
    /// How it was judged.
    pub authorization: Option<Authorization<'a>>,
    /// More of what was asked for, where that is worth keeping.
    pub parameters: Option<&'a serde_json::Value>,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserIdentity<'a> {
    /// `Root`, `IAMUser`, `ConsoleUser`, `Anonymous`, or `Unverified` for whom a request that proved nothing said it was from.
    pub kind: &'static str,
    /// `aws:userid`.
    pub principal_id: Option<&'a str>,
    /// The ARN.
    pub arn: Option<&'a str>,
    /// The account.
    pub account_id: Option<&'a str>,
    /// The access key that signed.
    pub access_key_id: Option<&'a str>,
    /// The name.
    pub user_name: Option<&'a str>,
}

impl<'a> UserIdentity<'a> {
    /// Nobody.
    pub fn anonymous() -> UserIdentity<'a> {
        UserIdentity { kind: "Anonymous", ..UserIdentity::default() }
    }

    /// Somebody who said who they are and didn't prove it.
    pub fn unverified() -> UserIdentity<'a> {
        UserIdentity { kind: "Unverified", ..UserIdentity::default() }
    }
}

/// What a request was about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A bucket.
    Bucket(&'a str),
    /// An object: its bucket and key.
    Object(&'a str, &'a str),
    /// A path below the admin API.
    Call(&'a str),
}

/// How a request was judged.
#[derive(Clone, Copy, Debug)]
pub struct Authorization<'a> {
    /// `Allow`, `ExplicitDeny` or `ImplicitDeny`.
    pub decision: &'static str,
    /// The name of the policy whose statement decided.
    pub policy: Option<&'a str>,
    /// The statement's Sid or position.
    pub sid: Option<&'a str>,
    /// What was asked, and why the decision is what it is.
    pub reason: &'a str,
}

impl<'a> Authorization<'a> {
    /// Of a text `POLICY/SID`, or one that says what is missing.
    pub fn new(decision: &'static str, by: &'a str, reason: &'a str) -> Authorization<'a> {
        match by.split_once('/') {
            // Names of permissions have no slash.
            Some((policy, sid)) => Authorization { decision, policy: Some(policy), sid: Some(sid), reason },
            None if reason.is_empty() => Authorization { decision, policy: None, sid: None, reason: by },
            None => Authorization { decision, policy: None, sid: None, reason },
        }
    }
}

impl Record<'_> {
    /// Appends the line that is written, with its end.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut line = Object::begin(out);
        line.text("eventVersion", "1.0");
        write_time(line.field("eventTime"), self.at_nanoseconds);
        line.text("eventSource", self.source);
        line.text("eventName", self.name);
        line.text("awsRegion", self.region);
        line.shown("sourceIPAddress", self.address, "\"");
        line.text_if("userAgent", self.user_agent.map(|text| clipped(text, TEXT_CHARACTERS_MAX)));
        line.text_if("requestID", self.request_id);
        self.identity.write(line.field("userIdentity"));
        line.text_if("recipientAccountId", self.account);
        let resources = line.field("resources");
        resources.push(b'[');
        for (place, resource) in self.resources.iter().flatten().enumerate() {
            if place > 0 {
                resources.push(b',');
            }
            resource.write(resources);
        }
        resources.push(b']');
        line.shown("httpStatus", self.status, "");
        line.text_if("errorCode", self.error_code.filter(|code| !code.is_empty()));
        if let Some(authorization) = &self.authorization {
            authorization.write(line.field("authorization"));
        }
        if let Some(parameters) = self.parameters {
            let field = line.field("requestParameters");
            let begin = field.len();
            if serde_json::to_writer(&mut *field, parameters).is_err() {
                field.truncate(begin);
                field.extend_from_slice(b"null");
            }
        }
        line.end();
        out.push(b'\n');
    }
}

impl UserIdentity<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut identity = Object::begin(out);
        identity.text("type", self.kind);
        identity.text_if("principalId", self.principal_id);
        identity.text_if("arn", self.arn);
        identity.text_if("accountId", self.account_id);
        identity.text_if("accessKeyId", self.access_key_id);
        identity.text_if("userName", self.user_name);
        identity.end();
    }
}

impl Resource<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let (kind, parts) = match self {
            Resource::Bucket(bucket) => ("AWS::S3::Bucket", ["arn:aws:s3:::", bucket, "", ""]),
            Resource::Object(bucket, key) => ("AWS::S3::Object", ["arn:aws:s3:::", bucket, "/", key]),
            Resource::Call(path) => ("Strongroom", ["arn:strongroom:::", path, "", ""]),
        };
        let mut resource = Object::begin(out);
        let arn = resource.field("ARN");
        arn.push(b'"');
        for part in parts {
            escape(arn, part);
        }
        arn.push(b'"');
        resource.text("type", kind);
        resource.end();
    }
}

impl Authorization<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut authorization = Object::begin(out);
        authorization.text("decision", self.decision);
        authorization.text_if("policy", self.policy);
        authorization.text_if("sid", self.sid);
        if !self.reason.is_empty() {
            authorization.text("reason", clipped(self.reason, REASON_CHARACTERS_MAX));
        }
        authorization.end();
    }
}

/// The beginning of a text, of at most so many characters.
fn clipped(text: &str, characters_max: usize) -> &str {
    if text.len() <= characters_max {
        return text;
    }
    text.char_indices().nth(characters_max).map_or(text, |(end, _)| &text[..end])
}

thread_local! {
    /// The second that this thread wrote last, and how it is written: requests come many a second.
    static SECOND: Cell<(i64, [u8; 20])> = const { Cell::new((i64::MIN, [b'0'; 20])) };
}

/// Appends a time as `"2026-11-21T21:17:00.000Z"`.
fn write_time(out: &mut Vec<u8>, nanoseconds: i64) {
    let second = nanoseconds.div_euclid(1_000_000_000);
    let (last, mut text) = SECOND.get();
    if last != second {
        let shown = crate::clock::iso_8601(second.saturating_mul(1_000_000_000));
        // Years beyond 9999 don't fit; the node's clock counts nanoseconds in 63 bits, which end in 2262.
        if let Some(begin) = shown.as_bytes().first_chunk::<20>() {
            text = *begin;
        }
        SECOND.set((second, text));
    }
    let milliseconds = nanoseconds.rem_euclid(1_000_000_000) / 1_000_000;
    let digit = |unit: i64| b'0' + u8::try_from(milliseconds / unit % 10).unwrap_or(0);
    out.push(b'"');
    out.extend_from_slice(&text);
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b'Z', b'"']);
}

#[cfg(test)]
impl<'a> Record<'a> {
    /// An operation of nobody's that went well.
    pub(super) fn named(name: &'a str) -> Record<'a> {
        Record {
            at_nanoseconds: 1_795_295_820_123_456_789,
            source: "s3.amazonaws.com",
            name,
            region: "us-east-1",
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            user_agent: None,
            request_id: Some("00000000000000FF"),
            identity: UserIdentity::anonymous(),
            account: None,
            resources: [None, None],
            status: 200,
            error_code: None,
            authorization: None,
            parameters: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record() -> Record<'static> {
        Record::named("GetObject")
    }

    fn written(record: &Record<'_>) -> Value {
        let mut line = Vec::new();
        record.write(&mut line);
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert_eq!(line.last(), Some(&b'\n'));
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let expected = json!({
            "eventVersion": "1.0", "eventTime": "2026-11-21T21:17:00.123Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
            "awsRegion": "us-east-1", "sourceIPAddress": "127.0.0.1", "requestID": "00000000000000FF",
            "userIdentity": {"type": "Anonymous"}, "resources": [], "httpStatus": 200,
        });
        assert_eq!(written(&record()), expected);
    }

    #[test]
    fn what_is_known_has_the_names_of_cloudtrail() {
        let parameters = json!({"name": "p"});
        let record = Record {
            user_agent: Some("a \"client\"\n"),
            identity: UserIdentity {
                kind: "IAMUser",
                principal_id: Some("AIDA1"),
                arn: Some("arn:aws:iam::1:user/u"),
                account_id: Some("1"),
                access_key_id: Some("AK"),
                user_name: Some("u"),
            },
            account: Some("1"),
            resources: [Some(Resource::Object("b", "k\\\u{1}ä")), Some(Resource::Bucket("c"))],
            status: 403,
            error_code: Some("AccessDenied"),
            authorization: Some(Authorization::new("ExplicitDeny", "p/0 (Sid)", "because")),
            parameters: Some(&parameters),
            ..record()
        };
        let found = written(&record);
        assert_eq!(found["userAgent"], "a \"client\"\n");
        let identity = json!({"type": "IAMUser", "principalId": "AIDA1", "arn": "arn:aws:iam::1:user/u", "accountId": "1",
            "accessKeyId": "AK", "userName": "u"});
        assert_eq!(found["userIdentity"], identity);
        assert_eq!(found["recipientAccountId"], "1");
        let resources = json!([{"ARN": "arn:aws:s3:::b/k\\\u{1}ä", "type": "AWS::S3::Object"}, {"ARN": "arn:aws:s3:::c", "type": "AWS::S3::Bucket"}]);
        assert_eq!(found["resources"], resources);
        assert_eq!((&found["httpStatus"], &found["errorCode"]), (&json!(403), &json!("AccessDenied")));
        let authorization = json!({"decision": "ExplicitDeny", "policy": "p", "sid": "0 (Sid)", "reason": "because"});
        assert_eq!(found["authorization"], authorization);
        assert_eq!(found["requestParameters"], parameters);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(2_000);
        let authorization = Some(Authorization::new("ImplicitDeny", "", &long));
        let found = written(&Record { user_agent: Some(&long), authorization, ..record() });
        assert_eq!(found["userAgent"], "ä".repeat(256));
        assert_eq!(found["authorization"]["reason"], "ä".repeat(1_024));
    }

    #[test]
    fn times_are_right_in_any_order_of_seconds() {
        for at in [0, 1_795_295_820_999_999_999, 999_000_000, 1_795_295_821_000_000_000, 1_795_295_820_001_000_000] {
            let mut out = Vec::new();
            write_time(&mut out, at);
            let expected = crate::clock::iso_8601(at - at % 1_000_000);
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{expected}\""));
        }
    }
}
