//! Secrets that a state file names instead of holding: `secretKeyFile`, `secretKeyEnvironment`, `secretKeyCredential`, and the same of `accessKey` and `password`.
//!
//! A declared node is to be made again from a file that can lie in a repository. The names mean files and variables of whoever runs the command, so they are looked up here and never by the node, which would read its own files for whoever may apply a state. What else the file says stays as it is, byte for byte and line by line: policies are kept as they were written, and errors name their lines.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::input;

/// Lists of an account whose items have secrets: how errors call an item, the list, and the fields that a name may stand for.
const LISTS: [(&str, &str, &[&str]); 2] =
    [("service account", "serviceAccounts", &["accessKey", "secretKey"]), ("user", "users", &["password"])];
const ROOT_FIELDS: &[&str] = &["accessKey", "secretKey"];

/// What a name is the name of, by the end of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A file whose first line is meant; a relative path starts from the state file's directory.
    File,
    /// A variable of the environment.
    Environment,
    /// A credential that systemd gave the service (`LoadCredential=`).
    Credential,
}

const KINDS: [(&str, Kind); 3] =
    [("File", Kind::File), ("Environment", Kind::Environment), ("Credential", Kind::Credential)];

/// Where names are looked up; a value, so that tests need not change the process.
struct Surroundings<'a> {
    /// What relative paths start from.
    directory: &'a Path,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    credentials: Option<PathBuf>,
}

/// A step from a value to one in it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Item(usize),
}

/// A field that names a secret, and what stands for it.
struct Found {
    /// To the object that has the field.
    path: Vec<Step>,
    /// The field as it is written, and as the node knows it.
    written: String,
    field: &'static str,
    secret: String,
}

/// A state file's text with what it names put in place of the names; `name` is the file's in errors. A text that isn't understood stays as it is, but for a byte order mark, for the node says best what is wrong with it.
///
/// # Errors
/// The first name that stands for nothing: in which file, of whom, which field, and why.
pub(crate) fn resolve(name: &str, file: &Path, text: String) -> Result<String, Failure> {
    let surroundings = Surroundings {
        directory: file.parent().unwrap_or(Path::new("")),
        variable: &|name| std::env::var_os(name),
        credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
    };
    resolve_in(&surroundings, name, text)
}

fn resolve_in(surroundings: &Surroundings<'_>, name: &str, text: String) -> Result<String, Failure> {
    let is_toml = name.to_ascii_lowercase().ends_with(".toml");
    // Windows' editors put a mark before the first character, which is none of the state.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let state: Option<Value> = if is_toml { toml::from_str(&text).ok() } else { serde_json::from_str(&text).ok() };
    let Some(state) = state else { return Ok(text) };
    let found =
        find(surroundings, &state).map_err(|(place, message)| Failure::usage(format!("{name}: {place}: {message}")))?;
    if found.is_empty() {
        return Ok(text);
    }
    let replaced = if is_toml { in_toml(&text, &found) } else { in_json(&text, &found) };
    replaced.map_err(|message| Failure::usage(format!("{name}: {message}")))
}

/// Every name in a state with what it stands for, or the place and message of the first that stands for nothing.
fn find(surroundings: &Surroundings<'_>, state: &Value) -> Result<Vec<Found>, (String, String)> {
    let mut found = Vec::new();
    for (index, account) in items(state, "accounts") {
        let path = [Step::Field("accounts".into()), Step::Item(index)];
        let place = place_of("account", "accounts", index, account);
        if let Some(root) = account.get("root") {
            let path = [&path[..], &[Step::Field("root".into())]].concat();
            find_in(surroundings, root, path, &format!("{place}, root"), ROOT_FIELDS, &mut found)?;
        }
        for (noun, list, fields) in LISTS {
            for (index, item) in items(account, list) {
                let path = [&path[..], &[Step::Field(list.into()), Step::Item(index)]].concat();
                let place = format!("{place}, {}", place_of(noun, list, index, item));
                find_in(surroundings, item, path, &place, fields, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn find_in(
    surroundings: &Surroundings<'_>,
    object: &Value,
    path: Vec<Step>,
    place: &str,
    fields: &[&'static str],
    found: &mut Vec<Found>,
) -> Result<(), (String, String)> {
    for &field in fields {
        let mut given = object.get(field).map(|_| field.to_owned());
        for (end, kind) in KINDS {
            let written = format!("{field}{end}");
            let Some(named) = object.get(&written) else { continue };
            let wrong = |message: String| (place.to_owned(), format!("{written} {message}"));
            if let Some(other) = given.replace(written.clone()) {
                return Err(wrong(format!("is given beside {other}; keep one of them")));
            }
            let named = named.as_str().filter(|named| !named.is_empty());
            let named = named.ok_or_else(|| wrong("must be a text that isn't empty".into()))?;
            let secret = look_up(surroundings, kind, named).map_err(wrong)?;
            found.push(Found { path: path.clone(), written: written.clone(), field, secret });
        }
    }
    Ok(())
}

fn look_up(surroundings: &Surroundings<'_>, kind: Kind, named: &str) -> Result<String, String> {
    let read = |path: &Path| {
        input::read_secret(path).map_err(|error| format!("names the file {}, which {error}", path.display()))
    };
    match kind {
        Kind::File => read(&surroundings.directory.join(named)),
        Kind::Environment => {
            // A variable's name with an equals sign or a zero byte can't be.
            let is_name = !named.contains(['=', '\0']);
            let value = if is_name { (surroundings.variable)(named) } else { None };
            match value.filter(|value| !value.is_empty()).map(OsString::into_string) {
                Some(Ok(value)) => Ok(value),
                Some(Err(_)) => Err(format!("names the variable {named}, which is not UTF-8")),
                None => Err(format!("names the variable {named}, which is not set; set it for this command")),
            }
        }
        Kind::Credential => {
            let Some(directory) = &surroundings.credentials else {
                return Err(format!(
                    "names the credential {named}, but systemd gave this process none; run it as a service with LoadCredential={named}:FILE"
                ));
            };
            // As in systemd.exec(5): a credential's name is a file's name.
            if named.contains('/') || matches!(named, "." | "..") {
                return Err(format!("names the credential {named}, but a credential's name is a file name without /"));
            }
            read(&directory.join(named))
        }
    }
}

/// The items of a list, with their positions.
fn items<'a>(object: &'a Value, list: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    object.get(list).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// An item as the node's errors name it.
fn place_of(noun: &str, list: &str, index: usize, item: &Value) -> String {
    match item.get("name").and_then(Value::as_str).filter(|name| name.len() <= 128) {
        Some(name) => format!("{noun} {name:?}"),
        None => format!("{list}[{index}]"),
    }
}

/// Field names and values are replaced where they stand; nothing else moves.
fn in_json(text: &str, found: &[Found]) -> Result<String, String> {
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    serde_json::from_str(text).ok().and_then(|raw| locate(text, raw, 0, found, &mut changes)).ok_or(
        "a field that names a secret stands where it can't be replaced; write its name without escapes, and once",
    )?;
    changes.sort_by_key(|(place, _)| place.start);
    let (mut replaced, mut end) = (String::with_capacity(text.len()), 0);
    for (place, by) in changes {
        replaced.push_str(&text[end..place.start]);
        replaced.push_str(&by);
        end = place.end;
    }
    replaced.push_str(&text[end..]);
    Ok(replaced)
}

/// Adds what is to be replaced in `raw`, a part of `text` to which the paths of `found` lead in `depth` steps. Each part is read once, however many lie in it.
fn locate(
    text: &str,
    raw: &RawValue,
    depth: usize,
    found: &[Found],
    changes: &mut Vec<(Range<usize>, String)>,
) -> Option<()> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    for group in found.chunk_by(|a, b| a.path.get(depth) == b.path.get(depth)) {
        match group.first().and_then(|first| first.path.get(depth)) {
            Some(Step::Field(field)) => locate(text, fields.get(field)?, depth + 1, group, changes)?,
            Some(Step::Item(index)) => locate(text, items.get(*index)?, depth + 1, group, changes)?,
            None => {
                for Found { written, field, secret, .. } in group {
                    let raw = fields.get(written)?.get();
                    let value = (raw.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
                    let before = text.get(..value)?.trim_end().strip_suffix(':')?.trim_end();
                    let name = before.strip_suffix(&format!("\"{written}\""))?;
                    changes.push((name.len()..before.len(), format!("\"{field}\"")));
                    changes.push((value..value + raw.len(), Value::from(secret.as_str()).to_string()));
                }
            }
        }
    }
    Some(())
}

/// TOML has no bytes of policies to keep but in its strings.
fn in_toml(text: &str, found: &[Found]) -> Result<String, String> {
    let broken = |written: &str| format!("{written} stands where it can't be replaced");
    let mut state: toml::Value = toml::from_str(text).map_err(|_| "is not TOML".to_owned())?;
    for Found { path, written, field, secret } in found {
        let mut object = &mut state;
        for step in path {
            object = match step {
                Step::Field(field) => object.get_mut(field.as_str()),
                Step::Item(index) => object.get_mut(*index),
            }
            .ok_or_else(|| broken(written))?;
        }
        let table = object.as_table_mut().ok_or_else(|| broken(written))?;
        table.remove(written);
        table.insert((*field).to_owned(), toml::Value::String(secret.clone()));
    }
    toml::to_string(&state).map_err(|error| format!("has no TOML form with its secrets: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves with a file `worker.secret`, a variable `EVE` and a credential `root-key`.
    fn resolved(name: &str, text: &str) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("worker.secret"), "of \"worker\"\nsecond line\n").unwrap();
        std::fs::write(directory.path().join("root-key"), "of root\n").unwrap();
        std::fs::write(directory.path().join("empty"), "\n").unwrap();
        let surroundings = Surroundings {
            directory: directory.path(),
            variable: &|name| (name == "EVE").then(|| "of eve".into()),
            credentials: Some(directory.path().to_owned()),
        };
        resolve_in(&surroundings, name, text.to_owned())
            .map_err(|failure| failure.to_string().replace(directory.path().to_str().unwrap(), "DIR"))
    }

    fn worker(fields: &str) -> String {
        format!(r#"{{"accounts": [{{"name": "main", "serviceAccounts": [{{"name": "worker", {fields}}}]}}]}}"#)
    }

    #[test]
    fn names_are_replaced_and_nothing_else_moves() {
        let text = "{\"accounts\": [{\"name\": \"main\",\n  \"root\": {\"accessKey\": \"AK\", \"secretKeyCredential\"\n :  \"root-key\"},\n \"permissions\": [{\"policy\": {  \"secretKeyFile\":1 }}],\n \"serviceAccounts\": [{\"name\": \"worker\", \"secretKeyFile\": \"worker.secret\", \"x\": 1}],\n \"users\": [{\"name\": \"eve\", \"passwordEnvironment\": \"EVE\"}]}]}";
        let expected = "{\"accounts\": [{\"name\": \"main\",\n  \"root\": {\"accessKey\": \"AK\", \"secretKey\"\n :  \"of root\"},\n \"permissions\": [{\"policy\": {  \"secretKeyFile\":1 }}],\n \"serviceAccounts\": [{\"name\": \"worker\", \"secretKey\": \"of \\\"worker\\\"\", \"x\": 1}],\n \"users\": [{\"name\": \"eve\", \"password\": \"of eve\"}]}]}";
        assert_eq!(resolved("s.json", text).as_deref(), Ok(expected));
        assert_eq!(resolved("s.json", &format!("\u{feff}{text}")).as_deref(), Ok(expected));
    }

    #[test]
    fn a_text_without_names_or_sense_stays_as_it_is() {
        for text in ["{\"accounts\" :  [ ]}", "{\"accounts\": [", "", "[]", "{\"accounts\": {\"root\": 1}}"] {
            assert_eq!(resolved("s.json", text).as_deref(), Ok(text));
            assert_eq!(resolved("s.json", &format!("\u{feff}{text}")).as_deref(), Ok(text));
        }
    }

    #[test]
    fn toml_takes_names_too() {
        let text = "[[accounts]]\nname = \"main\"\n[[accounts.serviceAccounts]]\nname = \"worker\"\nsecretKeyFile = \"worker.secret\"\npermissions = [\"p\"]\n";
        let state: Value = toml::from_str(&resolved("s.TOML", text).unwrap()).unwrap();
        let worker = &state["accounts"][0]["serviceAccounts"][0];
        assert_eq!((&worker["secretKey"], worker.get("secretKeyFile")), (&"of \"worker\"".into(), None));
    }

    #[test]
    fn a_name_of_nothing_is_told_with_its_place_and_without_a_secret() {
        for (fields, expected) in [
            (r#""secretKeyFile": "nix""#, "secretKeyFile names the file DIR/nix, which does not exist; check the path"),
            (
                r#""secretKeyFile": "empty""#,
                "secretKeyFile names the file DIR/empty, which has an empty first line; put the secret there",
            ),
            (
                r#""secretKeyEnvironment": "NIX""#,
                "secretKeyEnvironment names the variable NIX, which is not set; set it for this command",
            ),
            (
                r#""accessKeyCredential": "../root-key""#,
                "accessKeyCredential names the credential ../root-key, but a credential's name is a file name without /",
            ),
            (r#""secretKeyFile": 7"#, "secretKeyFile must be a text that isn't empty"),
            (
                r#""secretKey": "hush-hush", "secretKeyFile": "worker.secret""#,
                "secretKeyFile is given beside secretKey; keep one of them",
            ),
            (
                r#""secretKeyEnvironment": "EVE", "secretKeyFile": "worker.secret""#,
                "secretKeyEnvironment is given beside secretKeyFile; keep one of them",
            ),
        ] {
            let expected = format!("s.json: account \"main\", service account \"worker\": {expected}");
            assert_eq!(resolved("s.json", &worker(fields)), Err(expected));
        }
        let escaped = resolved("s.json", &worker(r#""secretKe\u0079File": "worker.secret""#)).unwrap_err();
        assert!(
            escaped.starts_with("s.json: a field that names a secret stands where it can't be replaced"),
            "{escaped}"
        );
    }
}
