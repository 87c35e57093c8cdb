//! The audit log over the API: searched by who may view it, set by the admin alone.

use http::{HeaderName, header};
use policy::Action;

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::page::searched;
use super::wire;
use crate::audit::{AuditSettings, Cursor, Requests, Search};
use crate::identity::timestamp::parse_timestamp;
use crate::protocol::error::S3Error;
use crate::s3::receive::blocking;

/// Records on a page unless the caller says, and at most.
const LIMITS: (usize, usize) = (100, 1_000);
/// What may be kept of the log, in bytes: 64 MiB to 1 TiB.
const KEPT_BYTES: std::ops::RangeInclusive<u64> = 64 << 20..=1 << 40;

/// `GET /audit`: newest first, or with `after` what was recorded since, oldest first; who may change accounts sees the records of all, others those of their own.
pub(super) async fn search(call: &Call) -> Result<Answer> {
    let Some(path) = call.state.audit.path().map(ToOwned::to_owned) else {
        return Err(Refusal::not_found("AuditOff", "The audit log is off: start the node without --audit-log off."));
    };
    let text = |name: &str| call.query.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let time = |name: &'static str| text(name).map(|text| parse_timestamp(name, &text)).transpose();
    let (from, to) = (time("from")?, time("to")?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Refusal::new(http::StatusCode::BAD_REQUEST, "InvalidTimeRange", "Invalid time range."));
    }
    let refused = match call.query.value("refused") {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(Refusal::invalid("refused", "must be true or false")),
    };
    let limit = match text("limit").map(|text| text.parse()) {
        None => LIMITS.0,
        Some(Ok(limit)) if (1..=LIMITS.1).contains(&limit) => limit,
        Some(_) => return Err(Refusal::invalid("limit", format!("must be a number from 1 to {}", LIMITS.1))),
    };
    let cursor = text("cursor").map(|text| read_cursor("cursor", &text)).transpose()?;
    let after = text("after");
    if let Some(after) = &after {
        if cursor.is_some() {
            return Err(Refusal::invalid("after", "can't be given with cursor"));
        }
        // By this the search tells records of its own kind.
        let _ = call.noted.set(serde_json::json!({"after": after}));
    }
    let place = after.as_deref().filter(|after| *after != "end").map(|text| read_cursor("after", text)).transpose()?;
    let (account, own) = (call.account()?, call.caller()?.account());
    let spans_accounts = own.operator && call.require(Action::StrongroomUpdateAccount).is_ok();
    let search = Search {
        // Who may change accounts and names no other sees everything, what nobody signed too.
        account: (!spans_accounts || account.account_id != own.account_id).then(|| account.account_id.to_string()),
        from,
        to,
        event: text("event"),
        user: text("user"),
        bucket: text("bucket"),
        refused,
        text: searched(&call.query)?,
    };
    let state = call.state.clone();
    let searched = move || {
        // Who asks right after a request looks for it.
        state.audit.flush();
        match (after, place) {
            (None, _) => search.run(&path, cursor, limit),
            (Some(_), None) => Cursor::end(&path).map(|end| (Vec::new(), Some(end))),
            (Some(_), Some(place)) => search.after(&path, place, limit).map(|(found, place)| (found, Some(place))),
        }
    };
    let found = blocking(searched).await?;
    let (records, next) = found.map_err(|error| Refusal::internal(&error))?;
    let answer = Answer::ok(&records)?;
    Ok(match next {
        None => answer,
        Some(Cursor { file, before }) => {
            answer.with(HeaderName::from_static("x-next-cursor"), format!("{file}-{before}"))
        }
    })
}

/// `GET /audit/settings`: they and what is counted are the whole node's.
pub(super) async fn read_settings(call: &Call) -> Result<Answer> {
    call.require_operator("The settings of the node are its operator's account's to see.")?;
    Ok(Answer::ok(&show(call))?.with(header::ETAG, etag(call)))
}

/// `PUT /audit/settings`
pub(super) async fn change_settings(call: &Call) -> Result<Answer> {
    call.require_operator("The settings of the node are its operator's account's to change.")?;
    let body: wire::AuditSettingsBody = call.json()?;
    let choice = |text: &str| {
        let found = Requests::CHOICES.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| Refusal::invalid("requests", "must be all, denied or none"))
    };
    let wanted = body.requests.as_deref().map(choice).transpose()?;
    if body.kept_bytes.is_some_and(|bytes| !KEPT_BYTES.contains(&bytes)) {
        return Err(Refusal::invalid("keptBytes", format!("must be {} to {}", KEPT_BYTES.start(), KEPT_BYTES.end())));
    }
    let _turn = call.state.settings_turn.lock().await;
    call.require_match(&etag(call))?;
    let (requests, kept_bytes) = call.state.audit.settings();
    let (requests, kept_bytes) = (wanted.unwrap_or(requests), body.kept_bytes.unwrap_or(kept_bytes));
    AuditSettings::store(&call.state.store, requests, kept_bytes).await.map_err(S3Error::from)?;
    call.state.audit.set(requests, kept_bytes);
    Ok(Answer::ok(&show(call))?.with(header::ETAG, etag(call)))
}

/// What stands for the settings; not for what is counted.
fn etag(call: &Call) -> String {
    let (requests, kept_bytes) = call.state.audit.settings();
    format!("\"{}-{kept_bytes}\"", requests.as_str())
}

fn show(call: &Call) -> wire::AuditSettings {
    let audit = &call.state.audit;
    let (requests, kept_bytes) = audit.settings();
    wire::AuditSettings {
        requests: requests.as_str(),
        kept_bytes,
        on: audit.is_on(),
        written: audit.written(),
        dropped: audit.dropped(),
    }
}

fn read_cursor(field: &'static str, text: &str) -> Result<Cursor> {
    let parts = text.split_once('-').and_then(|(file, before)| Some((file.parse().ok()?, before.parse().ok()?)));
    let (file, before) = parts.ok_or_else(|| Refusal::invalid(field, "is not one that X-Next-Cursor gave"))?;
    Ok(Cursor { file, before })
}
