//! Where a distant node is and who signs in: flags, then the profile, then the environment, then a question.
//!
//! Secrets are never flags, since everyone on a machine sees the command lines of all; and a file that holds them is read only when nobody else can.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ask, secret};
use crate::args::Connection;
use crate::failure::Failure;
use crate::input::{self, SETTINGS_FILE_BYTES_MAX};

const FILE: &str = "strongroom/profiles.toml";

/// A text that isn't shown by mistake.
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A distant node and who signs in there.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) endpoint: String,
    pub(super) ca: Option<PathBuf>,
    pub(super) identity: Identity,
}

/// Who signs in.
#[derive(Debug)]
pub(super) enum Identity {
    /// Signs its calls: the secret is never sent.
    AccessKey { access_key: String, secret: Secret, region: String },
    /// Has signed in already.
    Token(Secret),
    /// Signs in.
    User { account: Option<String>, user: String, password: Secret },
}

/// One table of the file of profiles.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Profile {
    endpoint: Option<String>,
    ca: Option<PathBuf>,
    region: Option<String>,
    access_key: Option<String>,
    secret_key: Option<String>,
    secret_key_file: Option<PathBuf>,
    user: Option<String>,
    account: Option<String>,
    password: Option<String>,
    password_file: Option<PathBuf>,
}

/// Where the node is and who signs in; none when the node of this machine is meant.
///
/// # Errors
/// The profile is missing, wrong or open to others, or nothing says where or who.
pub(super) fn access(connection: &Connection) -> Result<Option<Access>, Failure> {
    let is_local = connection.data.is_some() || connection.config.is_some();
    let (mut endpoint, mut name) = (connection.endpoint.clone(), connection.profile.clone());
    if !is_local && endpoint.is_none() && name.is_none() {
        endpoint = variable("STRONGROOM_ENDPOINT")?;
        name = variable("STRONGROOM_PROFILE")?;
    }
    if endpoint.is_none() && name.is_none() {
        let flags = [
            ("--ca", connection.ca.is_some()),
            ("--access-key", connection.access_key.is_some()),
            ("--user", connection.user.is_some()),
        ];
        return match flags.iter().find(|(_, given)| *given) {
            None => Ok(None),
            Some((flag, _)) => Err(Failure::usage(format!(
                "{flag} goes with --endpoint or --profile: through the socket of a data directory nobody signs in"
            ))),
        };
    }
    let profile = name.as_deref().map(read_profile).transpose()?.unwrap_or_default();
    let endpoint = endpoint.or_else(|| profile.endpoint.clone()).ok_or_else(|| {
        Failure::usage(format!("profile {}: it names no endpoint; pass --endpoint", name.unwrap_or_default()))
    })?;
    let ca = connection.ca.clone().or_else(|| profile.ca.clone());
    Ok(Some(Access { endpoint, ca, identity: identity(connection, profile)? }))
}

fn identity(connection: &Connection, profile: Profile) -> Result<Identity, Failure> {
    let flagged = connection.access_key.is_some() || connection.user.is_some();
    let region = profile.region.clone();
    // Another name than the profile's has another secret.
    let profile = if flagged { Profile { region, ..Profile::default() } } else { profile };
    let profiled = profile.access_key.is_some() || profile.user.is_some();
    let from_environment = |name: &str| if flagged || profiled { Ok(None) } else { variable(name) };
    if let Some(token) = from_environment("STRONGROOM_TOKEN")? {
        let token = of_header("the token in STRONGROOM_TOKEN", token)?;
        return Ok(Identity::Token(Secret(token)));
    }
    let user = connection.user.clone().or(profile.user);
    let given = connection.access_key.clone().or(profile.access_key);
    let access_key = if user.is_some() { given } else { given.or(from_environment("STRONGROOM_ACCESS_KEY")?) };
    if let Some(access_key) = access_key {
        let access_key = of_header("the access key", access_key)?;
        let asked = format!("Secret of access key {access_key}");
        let own = (profile.secret_key, profile.secret_key_file);
        let secret = secret_of(own, "STRONGROOM_SECRET_KEY", &asked)?;
        return Ok(Identity::AccessKey { access_key, secret, region: region_of(profile.region)? });
    }
    let user = user.or(from_environment("STRONGROOM_USER")?);
    let aws = (from_environment("AWS_ACCESS_KEY_ID")?, from_environment("AWS_SECRET_ACCESS_KEY")?);
    if let (None, (Some(access_key), Some(secret))) = (&user, aws) {
        let access_key = of_header("the access key in AWS_ACCESS_KEY_ID", access_key)?;
        return Ok(Identity::AccessKey { access_key, secret: Secret(secret), region: region_of(profile.region)? });
    }
    let user = user.ok_or_else(|| {
        Failure::usage("nobody is named to sign in: pass --access-key or --user, or put either into the profile")
    })?;
    let (account, user) = match user.split_once('/') {
        Some((account, name)) if account.is_empty() || name.is_empty() => {
            return Err(Failure::usage(format!(
                "user {user}: write NAME, or ACCOUNT/NAME of another account than the operator's"
            )));
        }
        Some((account, user)) => (Some(account.to_owned()), user.to_owned()),
        None => (profile.account, user),
    };
    let password =
        secret_of((profile.password, profile.password_file), "STRONGROOM_PASSWORD", &format!("Password of {user}"))?;
    Ok(Identity::User { account, user, password })
}

/// A text that goes into a header as it is, where another line would be another header.
fn of_header(what: &str, text: String) -> Result<String, Failure> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(Failure::usage(format!(
        "{what} has characters that none has: spaces, line ends, or others than those of ASCII"
    )))
}

/// The region that calls are signed for, which must be the node's.
fn region_of(profiled: Option<String>) -> Result<String, Failure> {
    let mut region = profiled;
    for name in ["STRONGROOM_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"] {
        region = region.or(variable(name)?);
    }
    of_header("the region", region.unwrap_or_else(|| "us-east-1".to_owned()))
}

/// A secret of the profile, else of a variable, else of the file that one names, else as it is typed.
fn secret_of(profiled: (Option<String>, Option<PathBuf>), name: &str, asked: &str) -> Result<Secret, Failure> {
    if let Some(secret) = profiled.0 {
        return Ok(Secret(secret));
    }
    if let Some(file) = profiled.1 {
        return secret::read(&file).map(Secret);
    }
    if let Some(secret) = variable(name)? {
        return Ok(Secret(secret));
    }
    if let Some(file) = variable(&format!("{name}_FILE"))? {
        return secret::read(Path::new(&file)).map(Secret);
    }
    ask::secret(asked)?.map(Secret).ok_or_else(|| {
        Failure::usage(format!("there is no terminal to ask on: set {name} or {name}_FILE, or use a profile"))
    })
}

/// A variable of the environment; an empty one counts as unset.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name} is not UTF-8"))),
    }
}

fn read_profile(name: &str) -> Result<Profile, Failure> {
    let directory = std::env::var_os("XDG_CONFIG_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").filter(|it| !it.is_empty()).map(|home| PathBuf::from(home).join(".config"));
    let directory = directory
        .or_else(home)
        .ok_or_else(|| Failure::usage(format!("profile {name}: neither HOME nor XDG_CONFIG_HOME is set")))?;
    let file = directory.join(FILE);
    let text = input::read_text(&file, SETTINGS_FILE_BYTES_MAX)
        .map_err(|error| Failure::usage(format!("profile {name}: {} {error}", file.display())))?;
    let mode = std::fs::metadata(&file)
        .map_err(|error| Failure::usage(format!("profile {name}: {}: {error}", file.display())))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        let file = file.display();
        return Err(Failure::usage(format!("{file}: others may read it (mode {:o}): chmod 600 {file}", mode & 0o7777)));
    }
    let mut profile = find(&text, name, &file)?;
    let base = file.parent().unwrap_or(Path::new("."));
    for path in [&mut profile.ca, &mut profile.secret_key_file, &mut profile.password_file] {
        *path = path.take().map(|path| base.join(path));
    }
    Ok(profile)
}

fn find(text: &str, name: &str, file: &Path) -> Result<Profile, Failure> {
    let file = file.display();
    // What stands on a line may be a secret: only the line's number is told.
    let mut profiles: BTreeMap<String, Profile> = toml::from_str(text).map_err(|error| {
        let line = text.as_bytes()[..error.span().map_or(0, |span| span.start.min(text.len()))]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        // Of a value that is no text this message shows the value.
        let is_of_value = ["invalid type: ", "invalid value: "].iter().any(|it| error.message().starts_with(it));
        let message =
            if is_of_value { "a profile is a table, and what stands in it a text in quotes" } else { error.message() };
        Failure::usage(format!("{file}:{}: {message}", line + 1))
    })?;
    let profile = profiles.remove(name).ok_or_else(|| {
        let names: Vec<String> = profiles.into_keys().collect();
        Failure::usage(format!("{file} has no profile [{name}]; it has: {}", names.join(", ")))
    })?;
    if profile.access_key.is_some() && profile.user.is_some() {
        return Err(Failure::usage(format!("{file}: [{name}] has access-key and user; keep one of them")));
    }
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_by_its_name_and_a_mistake_by_its_line() {
        let file = Path::new("p.toml");
        let text = "[a]\nendpoint = \"https://a\"\n[b]\nuser = \"eve\"\npassword = \"hush-hush\"\n";
        assert_eq!(find(text, "a", file).ok().and_then(|it| it.endpoint).as_deref(), Some("https://a"));
        let told = |text: &str, name: &str| find(text, name, file).map(drop).unwrap_err().to_string();
        assert_eq!(told(text, "c"), "p.toml has no profile [c]; it has: a, b");
        let wrong = told("[a]\nendpoint = \"x\"\nsecret = \"hush-hush\"\n", "a");
        assert!(wrong.starts_with("p.toml:3: unknown field `secret`") && !wrong.contains("hush"), "{wrong}");
        for wrong in [
            "[a]\npassword = 1234567",
            "[a]\npassword = [\n\"1234567\"]",
            "\na = \"1234567\"\n",
            "[a]\npassword = 1234567x",
        ] {
            let told = told(wrong, "a");
            assert!(told.starts_with("p.toml:2: ") && told.contains("quote") && !told.contains("1234567"), "{told}");
        }
        let both = told("[a]\nuser = \"u\"\naccess-key = \"k\"\n", "a");
        assert!(both.contains("keep one of them"), "{both}");
    }

    #[test]
    fn what_goes_into_a_header_adds_none() {
        assert_eq!(of_header("the token", "aZ09-_".into()).ok().as_deref(), Some("aZ09-_"));
        for text in ["hush\r\nx-y: z", "hush\n", "hu sh", "hüsh", "hu\0sh"] {
            let told = of_header("the token", text.into()).unwrap_err().to_string();
            assert!(told.starts_with("the token has characters") && !told.contains("sh"), "{told}");
        }
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let identity = Identity::Token(Secret("hush-hush".into()));
        assert!(!format!("{identity:?}").contains("hush"));
    }
}
