//! One record, in the shape of AWS CloudTrail's, so that what reads those reads these.
//!
//! Nothing of a request's query, headers or body goes in but what is named here: signatures and secrets travel there.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;

use crate::clock;

/// The longest text that a client chose, in characters.
const TEXT_CHARACTERS_MAX: usize = 256;

/// A request that was answered ([CloudTrail's fields](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html)).
#[derive(Debug)]
pub struct Record {
    /// Nanoseconds since the epoch.
    pub at_nanoseconds: i64,
    /// `s3.amazonaws.com`, `sts.amazonaws.com` or `strongroom`.
    pub source: &'static str,
    /// The operation, such as `GetObject`.
    pub name: Cow<'static, str>,
    /// The node's region.
    pub region: String,
    /// Where it came from, as verified.
    pub address: IpAddr,
    /// What the client says that it is.
    pub user_agent: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
    /// Who sent it.
    pub identity: UserIdentity,
    /// The account whose audit it belongs to: the bucket's owner, or the caller's.
    pub account: Option<String>,
    /// What it was about.
    pub resources: Vec<Resource>,
    /// The answer's status.
    pub status: u16,
    /// The answer's error code.
    pub error_code: Option<&'static str>,
    /// How it was judged.
    pub authorization: Option<Authorization>,
    /// More of what was asked for, where that is worth keeping.
    pub parameters: Option<serde_json::Value>,
}

/// Who sent a request.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserIdentity {
    /// `Root`, `IAMUser` or `Anonymous`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `aws:userid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// The ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The access key that signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
}

impl UserIdentity {
    /// Nobody.
    pub fn anonymous() -> UserIdentity {
        UserIdentity { kind: "Anonymous", ..UserIdentity::default() }
    }
}

/// What a request was about.
#[derive(Clone, Debug, Serialize)]
pub struct Resource {
    /// Its name.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// `AWS::S3::Bucket`, `AWS::S3::Object` or `Strongroom`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// How a request was judged.
#[derive(Clone, Debug, Serialize)]
pub struct Authorization {
    /// `Allow`, `ExplicitDeny` or `ImplicitDeny`.
    pub decision: &'static str,
    /// The name of the policy whose statement decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The statement's Sid or position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What was asked, and why the decision is what it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Authorization {
    /// Of a text `POLICY/SID`, or one that says what is missing.
    pub fn new(decision: &'static str, by: &str, reason: String) -> Authorization {
        match by.split_once('/') {
            // Names of permissions have no slash.
            Some((policy, sid)) => {
                Authorization { decision, policy: Some(policy.to_owned()), sid: Some(sid.to_owned()), reason }
            }
            None if reason.is_empty() => Authorization { decision, policy: None, sid: None, reason: by.to_owned() },
            None => Authorization { decision, policy: None, sid: None, reason },
        }
    }
}

/// A record as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    event_version: &'static str,
    event_time: String,
    event_source: &'static str,
    event_name: &'a str,
    aws_region: &'a str,
    #[serde(rename = "sourceIPAddress")]
    source_address: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    user_identity: &'a UserIdentity,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_account_id: Option<&'a str>,
    resources: &'a [Resource],
    http_status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<&'a Authorization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_parameters: Option<&'a serde_json::Value>,
}

impl Record {
    /// The line that is written, with its end.
    ///
    /// # Errors
    /// It has no JSON form.
    pub(super) fn to_line(&self) -> std::io::Result<Vec<u8>> {
        let line = Line {
            event_version: "1.0",
            event_time: clock::iso_8601(self.at_nanoseconds),
            event_source: self.source,
            event_name: &self.name,
            aws_region: &self.region,
            source_address: self.address,
            user_agent: self.user_agent.as_ref().map(|text| text.chars().take(TEXT_CHARACTERS_MAX).collect()),
            request_id: self.request_id.as_deref(),
            user_identity: &self.identity,
            recipient_account_id: self.account.as_deref(),
            resources: &self.resources,
            http_status: self.status,
            error_code: self.error_code.filter(|code| !code.is_empty()),
            authorization: self.authorization.as_ref(),
            request_parameters: self.parameters.as_ref(),
        };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
