//! Signing in and out: tokens for programs, cookie sessions for the console, one-time links for who has no password yet.

use std::sync::Arc;

use http::{StatusCode, header};
use policy::Action;

use super::answer::{Answer, Claimant, Refusal, Result};
use super::call::Call;
use super::caller::{Caller, SESSION_COOKIE};
use super::password;
use super::wire;
use crate::identity::change::Change;
use crate::identity::rows::Record;
use crate::identity::sealed::SecretKey;
use crate::identity::snapshot::Snapshot;
use crate::identity::user::{Password, PasswordHash, Role, User};
use crate::sign_in::{Kind, LINK_SECONDS, Link, SESSION_SECONDS, Session, SignedIn};

/// `POST /auth/token`
pub(super) async fn token(call: &Call) -> Result<Answer> {
    let body: wire::SignInBody = call.json()?;
    if body.link.is_some() {
        return Err(Refusal::invalid("link", "opens a session: POST /auth/session"));
    }
    let signed_in = sign_in(call, &body).await?;
    let (token, _) = begin(call, signed_in, Kind::Bearer)?;
    Answer::created(&wire::Token { token, expiration_sec: SESSION_SECONDS })
}

/// `GET /auth/token`
pub(super) async fn token_time(call: &Call) -> Result<Answer> {
    let (_, session) = call.caller()?.session().ok_or_else(no_session)?;
    Answer::ok(&wire::TokenTime { expiration_sec: session.seconds_left(call.now) })
}

/// `DELETE /auth/token` and `DELETE /auth/session`
pub(super) async fn sign_out(call: &Call) -> Result<Answer> {
    let (token, _) = call.caller()?.session().ok_or_else(no_session)?;
    call.state.sign_ins.sessions.end(token);
    Ok(Answer::nothing().with(header::SET_COOKIE, cookie(call, "", 0)))
}

/// `POST /auth/session`
pub(super) async fn begin_session(call: &Call) -> Result<Answer> {
    require_json(call)?;
    let body: wire::SignInBody = call.json()?;
    let signed_in = match &body.link {
        Some(link) => open_link(call, link, &body).await?,
        None => sign_in(call, &body).await?,
    };
    let (token, session) = begin(call, signed_in, Kind::Cookie)?;
    let caller = Caller::of_new_session(&call.snapshot(), &token, session, call.now)?;
    let answer = Answer::created(&show(call, &caller)?)?;
    Ok(answer.with(header::SET_COOKIE, cookie(call, &token, SESSION_SECONDS)))
}

/// `GET /auth/session`
pub(super) async fn session(call: &Call) -> Result<Answer> {
    Answer::ok(&show(call, call.caller()?)?)
}

/// `PUT /auth/password`: one's own. All sessions of the user end with it.
pub(super) async fn change_password(call: &Call) -> Result<Answer> {
    let body: wire::PasswordBody = call.json()?;
    let user = call.caller()?.user().ok_or_else(|| Refusal::denied("Only users have passwords."))?.clone();
    let (old, new) = (Password::parse(&body.password), Password::parse(&body.new_password));
    let new = new.map_err(|invalid| Refusal::invalid("newPassword", invalid.reason))?;
    let name = user.arn();
    attempt(call, &name)?;
    // One that no password can be is wrong like any other.
    let is_right = match old {
        Ok(old) => password::verify(old, Some(user.password.clone())).await?,
        Err(_) => false,
    };
    if !is_right {
        return Err(failed());
    }
    succeeded(call, &name);
    let hash = password::hash(new).await?;
    let by = call.by()?;
    let make = |snapshot: &Snapshot| {
        let existing = snapshot.user(user.account_id.as_str(), user.name.as_str());
        let existing = existing.filter(|it| it.password == user.password).ok_or_else(failed)?;
        let next = User { password: hash.clone(), updated_at: call.time(), ..existing.as_ref().clone() };
        Ok::<_, Refusal>((vec![Change::Put(Record::User(next))], ()))
    };
    call.change_by(&by, make).await?;
    Ok(Answer::nothing())
}

/// `POST /auth/link`
pub(super) async fn link(call: &Call) -> Result<Answer> {
    let body: wire::LinkBody = call.json()?;
    let (snapshot, account) = (call.snapshot(), call.account_id()?);
    let user = snapshot.user(account.as_str(), &body.user).ok_or_else(Refusal::user_not_found)?;
    let link = call.state.sign_ins.links.make(account, user.name.clone(), Some(user.password.clone()), call.now);
    let link = link.map_err(|error| Refusal::internal(&error))?;
    call.note_made(serde_json::json!({"user": user.name.as_str(), "role": user.role.as_str()}));
    let path = format!("/#link={link}");
    Answer::created(&wire::Link { link, path, expiration_sec: LINK_SECONDS })
}

/// Verifies what a caller signs in with. Whatever is wrong with it is answered alike.
async fn sign_in(call: &Call, body: &wire::SignInBody) -> Result<SignedIn> {
    match (&body.access_key, &body.secret, &body.user, &body.password) {
        (Some(access_key), Some(secret), None, None) => {
            let name = format!("key {access_key}");
            let snapshot = call.snapshot();
            if let Some(known) = snapshot.holder(access_key) {
                tried(call, Claimant::Key { access_key: access_key.clone(), holder: Some(known) });
            }
            attempt(call, &name)?;
            let found = snapshot.credential(access_key, call.time());
            let found = found.map_err(|refusal| failed().because(refusal.to_string()))?;
            let given = SecretKey::parse(secret).ok();
            if !given.is_some_and(|given| found.secret.matches(&given)) {
                return Err(failed().because("wrong secret"));
            }
            succeeded(call, &name);
            Ok(SignedIn::Key { access_key: found.access_key.clone(), fingerprint: *found.secret.fingerprint() })
        }
        (None, None, Some(user), Some(password)) => {
            let snapshot = call.snapshot();
            let account = match body.account.as_deref() {
                Some(account) => snapshot.account(account).or_else(|| snapshot.account_by_name(account)),
                None => snapshot.operator(),
            };
            let name = format!("user {} {user}", account.map_or("", |it| it.account_id.as_str()));
            tried(
                call,
                Claimant::User {
                    account: account.map(|it| it.account_id.clone()),
                    name: account.and_then(|it| Some(snapshot.user(it.account_id.as_str(), user)?.name.clone())),
                },
            );
            attempt(call, &name)?;
            let found = account.and_then(|it| snapshot.user(it.account_id.as_str(), user)).filter(|it| it.enabled);
            let hash = found.map(|it| it.password.clone());
            let is_right = match Password::parse(password) {
                Ok(password) => password::verify(password, hash.clone()).await?,
                Err(_) => false,
            };
            let (Some(found), Some(password), true) = (found, hash, is_right) else {
                let known = account.and_then(|it| snapshot.user(it.account_id.as_str(), user));
                return Err(failed().because(match known {
                    None => "unknown account or user",
                    Some(user) if !user.enabled => "the user is disabled",
                    Some(_) => "wrong password",
                }));
            };
            succeeded(call, &name);
            Ok(SignedIn::User { account: found.account_id.clone(), name: found.name.clone(), password })
        }
        _ => Err(Refusal::invalid("body", "must hold accessKey and secret, or user and password")),
    }
}

/// Takes a one-time link and sets the password that its holder chose.
async fn open_link(call: &Call, token: &str, body: &wire::SignInBody) -> Result<SignedIn> {
    let other = [&body.access_key, &body.secret, &body.user, &body.account];
    let (Some(password), true) = (&body.password, other.iter().all(|field| field.is_none())) else {
        return Err(Refusal::invalid("password", "is missing, or there is more than link and password"));
    };
    let password = Password::parse(password)?;
    attempt(call, "link")?;
    let hash = password::hash(password).await?;
    // Taken last: a link isn't used up by a password that is refused.
    let link = call.state.sign_ins.links.take(token, call.now);
    let link = link.ok_or_else(|| failed().because("the link is unknown, used or too old"))?;
    succeeded(call, "link");
    let make = |snapshot: &Snapshot| {
        let user = linked_user(call, snapshot, &link, &hash)?;
        Ok::<_, Refusal>((vec![Change::Put(Record::User(user))], ()))
    };
    let by = format!("arn:aws:iam::{}:user/console/{}", link.account, link.user);
    call.change_by(&by, make).await?;
    // It is a sign-in, and more than that.
    call.note_made(serde_json::json!({"link": true, "passwordChanged": true}));
    Ok(SignedIn::User { account: link.account, name: link.user, password: hash })
}

fn linked_user(call: &Call, snapshot: &Snapshot, link: &Link, password: &PasswordHash) -> Result<User> {
    let password = password.clone();
    match (snapshot.user(link.account.as_str(), link.user.as_str()), &link.password) {
        (Some(user), Some(before)) if user.enabled && user.password == *before => {
            Ok(User { password, updated_at: call.time(), ..user.as_ref().clone() })
        }
        (None, None) => Ok(User {
            account_id: link.account.clone(),
            name: link.user.clone(),
            role: Role::Admin,
            password,
            enabled: true,
            created_by: None,
            revision: 1,
            created_at: call.time(),
            updated_at: call.time(),
        }),
        _ => Err(failed().because("the link's user was changed since it was made")),
    }
}

/// Begins a session of whoever was just verified, unless they have been shut out meanwhile.
fn begin(call: &Call, signed_in: SignedIn, kind: Kind) -> Result<(String, Session)> {
    let begun = call.state.sign_ins.sessions.begin(signed_in, kind, call.now);
    let (token, session) = begun.map_err(|error| Refusal::internal(&error))?;
    let snapshot = call.snapshot();
    if session.signed_in.is_current(&snapshot, call.time()) {
        let caller = Caller::of_new_session(&snapshot, &token, session.clone(), call.now)?;
        // Each call begins one session.
        let _ = call.signed_in.set(Arc::new(caller));
        return Ok((token, session));
    }
    call.state.sign_ins.sessions.end(&token);
    Err(failed())
}

/// Refuses what a form of another site could send: it would sign a browser in as somebody whom its user doesn't know of.
fn require_json(call: &Call) -> Result<()> {
    let kind = call.head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    // Browsers say from where a form comes; who calls without one isn't carried off to another's session.
    if kind.eq_ignore_ascii_case("application/json") || !call.head.headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let message = "From a page, a session begins with a body of Content-Type application/json.";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message))
}

fn tried(call: &Call, claimant: Claimant) {
    // Each call tries one sign-in.
    let _ = call.claimant.set(claimant);
}

fn attempt(call: &Call, name: &str) -> Result<()> {
    call.state.sign_ins.limit.attempt(name, call.peer.address, call.now).map_err(|too_many| {
        let seconds = too_many.retry_after_seconds;
        let message = format!("Too many sign-ins failed: try again in {seconds} seconds.");
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
            .with(header::RETRY_AFTER, seconds.to_string())
    })
}

fn succeeded(call: &Call, name: &str) {
    call.state.sign_ins.limit.succeeded(name, call.peer.address);
}

fn failed() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "AuthenticationFailed", "Authentication failed.")
}

fn no_session() -> Refusal {
    Refusal::not_found("NoSession", "There is no session: each request is signed by itself.")
}

/// The session cookie. It isn't marked for TLS only where the console is served without it, on loopback for most.
fn cookie(call: &Call, token: &str, seconds: i64) -> String {
    let secure = if call.peer.secure || call.peer.secure_before_proxy { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn show(call: &Call, caller: &Caller) -> Result<wire::Session> {
    let account = caller.account();
    let console = Action::all().filter(|action| action.name().starts_with("strongroom:"));
    let circumstances = call.circumstances();
    let allowed = console.filter(|action| caller.require(&circumstances, *action).is_ok());
    let session = caller.session().map(|(_, session)| session);
    Ok(wire::Session {
        name: caller.name().to_owned(),
        kind: caller.kind(),
        arn: caller.arn().to_owned(),
        role: caller.user().map(|user| user.role.as_str()),
        account: wire::Reference { id: account.account_id.to_string(), name: account.name.to_string() },
        operator: account.operator,
        actions: allowed.map(Action::name).collect(),
        csrf_token: session.filter(|it| it.kind == Kind::Cookie).map(|it| it.csrf_token().to_owned()),
        expiration_sec: session.map(|it| it.seconds_left(call.now)),
    })
}
