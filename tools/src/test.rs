//! `strongroom test`: a throw-away node for integration tests.
//!
//! It takes nothing from the machine but free ports and a temporary directory, and leaves nothing behind.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value, json};
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
    let announce = if arguments.env { Announce::TestExports } else { Announce::TestLine };
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

/// Adds buckets to the first account of the given state, or declares one for them.
fn with_buckets(state: Option<StateSource>, names: &[String]) -> Result<Option<StateSource>, Failure> {
    if names.is_empty() {
        return Ok(state);
    }
    let mut document = state.as_ref().map_or_else(|| Ok(json!({})), parse)?;
    let name = state.map_or_else(|| "--bucket".to_owned(), |state| state.name);
    let shape = |what: &str| Failure::usage(format!("{name}: {what}; --bucket can't add to it"));
    let root = document.as_object_mut().ok_or_else(|| shape("the state is no object"))?;
    let accounts = root.entry("accounts").or_insert_with(|| json!([]));
    let accounts = accounts.as_array_mut().ok_or_else(|| shape("accounts is no array"))?;
    if accounts.is_empty() {
        accounts.push(json!({ "name": "main" }));
    }
    let account = accounts[0].as_object_mut().ok_or_else(|| shape("the first account is no object"))?;
    let buckets = account.entry("buckets").or_insert_with(|| json!([]));
    let buckets = buckets.as_array_mut().ok_or_else(|| shape("buckets is no array"))?;
    for bucket in names {
        if !buckets.iter().any(|present| present.get("name").and_then(Value::as_str) == Some(bucket)) {
            buckets.push(Value::Object(Map::from_iter([("name".to_owned(), json!(bucket))])));
        }
    }
    // The text is JSON from here on, whatever the file was.
    let name = name.strip_suffix(".toml").map_or(name.clone(), str::to_owned);
    Ok(Some(StateSource { name, text: document.to_string() }))
}

fn parse(state: &StateSource) -> Result<Value, Failure> {
    let wrong = |error: String| Failure::usage(format!("{}: {error}", state.name));
    if state.name.ends_with(".toml") {
        toml::from_str(&state.text).map_err(|error| wrong(error.message().to_owned()))
    } else {
        serde_json::from_str(&state.text).map_err(|error| wrong(error.to_string()))
    }
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
            buckets(None, &["a", "b"]),
            json!({"accounts": [{"name": "main", "buckets": [{"name": "a"}, {"name": "b"}]}]})
        );
        let state = r#"{"accounts": [{"name": "one", "accountId": "123456789012", "buckets": [{"name": "a"}]}, {"name": "two"}]}"#;
        let merged = buckets(Some(("s.json", state)), &["a", "b"]);
        assert_eq!(merged["accounts"][0]["buckets"], json!([{"name": "a"}, {"name": "b"}]));
        assert_eq!(merged["accounts"][1], json!({"name": "two"}));
        let toml = "[[accounts]]\nname = \"one\"\n";
        assert_eq!(
            buckets(Some(("s.toml", toml)), &["a"])["accounts"][0],
            json!({"name": "one", "buckets": [{"name": "a"}]})
        );
    }

    #[test]
    fn a_state_without_buckets_stays_byte_for_byte() {
        let state = StateSource { name: "s.toml".into(), text: "# a comment\n".into() };
        assert_eq!(with_buckets(Some(state), &[]).unwrap().unwrap().text, "# a comment\n");
        assert!(with_buckets(None, &[]).unwrap().is_none());
    }
}
