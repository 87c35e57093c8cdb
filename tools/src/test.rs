//! `strongroom test`: a throw-away node for integration tests.
//!
//! It takes nothing from the machine but free ports and a temporary directory, and leaves nothing behind.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use engine::BucketName;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use server::bucket_name::is_reserved;
use server::config::{Config, Durability, Listen, StateSource};

use crate::args;
use crate::configure;
use crate::failure::Failure;
use crate::logging;
use crate::serve::{Announce, run};
use crate::settings::Settings;

/// Runs a node on a new directory until standard input ends or a signal comes; then removes the directory.
pub(crate) fn test(arguments: args::Test) -> Result<ExitCode, Failure> {
    let settings = Settings::from_flags(&arguments.settings.0);
    let directory = tempfile::Builder::new()
        .prefix("strongroom-test-")
        .tempdir()
        .map_err(|error| Failure::failed(format!("no temporary directory; set TMPDIR to one: {error}")))?;
    let mut config = configure::configure(&settings, defaults(directory.path()))?;
    config.bootstrap = with_buckets(config.bootstrap, &arguments.bucket)?;
    logging::start(configure::log_format(&settings)?);
    let declared = config.bootstrap.as_ref().and_then(declared_root);
    let announce = Announce::Test { exports: arguments.env, declared };
    let done = run(config, announce, standard_input_ended());
    let path = directory.path().to_path_buf();
    let removed = directory.close();
    let code = done?;
    removed.map_err(|error| Failure::failed(format!("{} can't be removed: {error}", path.display())))?;
    Ok(code)
}

/// A node that nobody else reaches, that doesn't wait for the disk, and that says why it denies.
fn defaults(data: &Path) -> Config {
    let free = Listen { address: ([127, 0, 0, 1], 0).into(), required: true };
    let mut config = Config::new(data.to_path_buf());
    config.listen = vec![free];
    config.console = free;
    config.durability = Durability::Relaxed;
    config.explain_denials = true;
    config.audit_log = server::config::AuditLog::Off;
    config.allow_network_filesystem = true;
    config
}

/// Resolves when standard input ends. A thread waits for it: tokio's own would keep the runtime from ending.
async fn standard_input_ended() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let waiting = std::thread::Builder::new().name("standard-input".into()).spawn(move || {
        let mut buffer = [0; 4096];
        let mut input = std::io::stdin().lock();
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => break,
                Ok(_) | Err(_) => (),
            }
        }
        drop(end);
    });
    match waiting {
        // The sender is dropped, never used: an error is the end that is waited for.
        Ok(_) => drop(ended.await),
        Err(error) => tracing::error!("no thread to watch standard input: {error}"),
    }
}

/// A JSON object whose members keep their bytes: policies in a state file are kept as they were written, so they must not be printed anew.
type RawObject = BTreeMap<String, Box<RawValue>>;

/// Adds buckets to the first account of the given state, or declares one for them.
fn with_buckets(state: Option<StateSource>, names: &[String]) -> Result<Option<StateSource>, Failure> {
    if names.is_empty() {
        return Ok(state);
    }
    let refused = |name: &&String| BucketName::parse(name).is_err() || is_reserved(name);
    if let Some(name) = names.iter().find(refused) {
        return Err(Failure::usage(format!(
            "--bucket {name}: a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, and is none that S3 reserves"
        )));
    }
    let state = state.map_or_else(
        || Ok(StateSource { name: "--bucket".into(), text: r#"{"accounts": [{"name": "main"}]}"#.into() }),
        as_json,
    )?;
    let wrong = |error: serde_json::Error| Failure::usage(format!("{}: {error}", state.name));
    let mut document: RawObject = serde_json::from_str(&state.text).map_err(wrong)?;
    let mut accounts: Vec<Box<RawValue>> = member(&document, "accounts").map_err(wrong)?;
    let first = accounts.first().map_or(r#"{"name": "main"}"#, |account| account.get());
    let mut account: RawObject = serde_json::from_str(first).map_err(wrong)?;
    let mut buckets: Vec<Value> = member(&account, "buckets").map_err(wrong)?;
    for name in names {
        if !buckets.iter().any(|present| present.get("name").unwrap_or(present).as_str() == Some(name)) {
            buckets.push(json!({ "name": name }));
        }
    }
    account.insert("buckets".into(), to_raw_value(&buckets).map_err(wrong)?);
    let account = to_raw_value(&account).map_err(wrong)?;
    match accounts.first_mut() {
        Some(first) => *first = account,
        None => accounts.push(account),
    }
    document.insert("accounts".into(), to_raw_value(&accounts).map_err(wrong)?);
    let text = serde_json::to_string(&document).map_err(wrong)?;
    Ok(Some(StateSource { name: state.name, text }))
}

/// The root key that a bootstrap state declares for the operator's account, which is its first.
fn declared_root(state: &StateSource) -> Option<(String, String)> {
    // What is wrong with the state is for the node to say.
    let state = as_json(StateSource { name: state.name.clone(), text: state.text.clone() }).ok()?;
    let document: Value = serde_json::from_str(&state.text).ok()?;
    let root = document.get("accounts")?.get(0)?.get("root")?;
    let text = |name: &str| root.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((text("accessKey")?, text("secretKey")?))
}

/// A state file as JSON; a name that ended in `.toml` says so no longer.
fn as_json(state: StateSource) -> Result<StateSource, Failure> {
    let Some(name) = state.name.strip_suffix(".toml") else { return Ok(state) };
    let document: Value =
        toml::from_str(&state.text).map_err(|error| Failure::usage(format!("{}: {}", state.name, error.message())))?;
    Ok(StateSource { name: name.to_owned(), text: document.to_string() })
}

/// An array member of an object; empty when it is absent.
fn member<T: DeserializeOwned>(object: &RawObject, name: &str) -> Result<Vec<T>, serde_json::Error> {
    object.get(name).map_or_else(|| Ok(Vec::new()), |raw| serde_json::from_str(raw.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(state: Option<(&str, &str)>, names: &[&str]) -> Value {
        let state = state.map(|(name, text)| StateSource { name: name.into(), text: text.into() });
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let state = with_buckets(state, &names).unwrap().unwrap();
        assert!(!state.name.ends_with(".toml"));
        serde_json::from_str(&state.text).unwrap()
    }

    #[test]
    fn buckets_are_declared_in_the_first_account() {
        assert_eq!(
            buckets(None, &["aaa", "bbb"]),
            json!({"accounts": [{"name": "main", "buckets": [{"name": "aaa"}, {"name": "bbb"}]}]})
        );
        let state = r#"{"accounts": [{"name": "one", "accountId": "123456789012", "buckets": [{"name": "aaa"}]}, {"name": "two"}]}"#;
        let merged = buckets(Some(("s.json", state)), &["aaa", "bbb"]);
        assert_eq!(merged["accounts"][0]["buckets"], json!([{"name": "aaa"}, {"name": "bbb"}]));
        assert_eq!(merged["accounts"][1], json!({"name": "two"}));
        let toml = "[[accounts]]\nname = \"one\"\n";
        assert_eq!(
            buckets(Some(("s.toml", toml)), &["aaa"])["accounts"][0],
            json!({"name": "one", "buckets": [{"name": "aaa"}]})
        );
    }

    #[test]
    fn a_bucket_that_none_can_be_called_is_wrong_usage() {
        for name in ["UPPER", "a", "..", "xn--abc", "a\nb"] {
            let refused = with_buckets(None, &["lake".into(), name.into()]).unwrap_err();
            assert_eq!(refused.exit, crate::failure::Exit::Usage);
            assert!(refused.to_string().starts_with("--bucket "), "{refused}");
        }
    }

    #[test]
    fn policies_of_a_state_keep_their_bytes() {
        let policy = r#"{ "Version":"2012-10-17",  "Version": "2012-10-17", "Statement": [ ] }"#;
        let text = format!(r#"{{"accounts": [{{"name": "one", "permissions": [{{"policy": {policy}}}]}}]}}"#);
        let state = with_buckets(Some(StateSource { name: "s".into(), text }), &["aaa".into()]).unwrap().unwrap();
        assert!(state.text.contains(policy), "{}", state.text);
    }

    #[test]
    fn the_declared_root_is_the_first_account_s() {
        let state = |name: &str, text: &str| StateSource { name: name.into(), text: text.into() };
        let text = r#"{"accounts": [{"root": {"accessKey": "AK1", "secretKey": "s1"}}, {"root": {"accessKey": "AK2", "secretKey": "s2"}}]}"#;
        assert_eq!(declared_root(&state("s.json", text)), Some(("AK1".into(), "s1".into())));
        let text = "[[accounts]]\n[accounts.root]\naccessKey = \"AK3\"\nsecretKey = \"s3\"\n";
        assert_eq!(declared_root(&state("s.toml", text)), Some(("AK3".into(), "s3".into())));
        assert_eq!(declared_root(&state("s.json", r#"{"accounts": [{"name": "x"}]}"#)), None);
        assert_eq!(declared_root(&state("s.json", "nonsense")), None);
    }

    #[test]
    fn a_state_without_buckets_stays_byte_for_byte() {
        let state = StateSource { name: "s.toml".into(), text: "# a comment\n".into() };
        assert_eq!(with_buckets(Some(state), &[]).unwrap().unwrap().text, "# a comment\n");
        assert!(with_buckets(None, &[]).unwrap().is_none());
    }
}
