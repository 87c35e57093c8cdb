//! Every setting of a node, and where its value comes from: flags, then the environment, then `strongroom.toml`.
//!
//! One table names each setting once; flags, variables, file keys and help are made from it, so that they can't drift apart. Values stay text here, with the place they came from, so that an error can name it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, nearest};
use crate::input::{self, SETTINGS_FILE_BYTES_MAX};

/// One setting: the flag `--name`, the variable `STRONGROOM_NAME` and the key `name` of `strongroom.toml`.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// What stands for the value in the help; empty for a switch.
    pub(crate) value: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    /// How the help names the default of `serve`; empty when there is none.
    pub(crate) default: &'static str,
}

/// How many values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    One,
    /// One value that may also come from a file named by `..._FILE` or from a systemd credential.
    Secret,
    /// A repeatable flag, an array in the file; in the environment separated by white space.
    Many,
    /// A flag without a value, or with `=true` and `=false`.
    Switch,
}

/// The settings of a node, in the order of the help.
pub(crate) const SETTINGS: &[Setting] = &[
    one("data", "DIR", "Data directory, created when absent", "./strongroom-data"),
    many("listen", "ADDR", "Address and port of S3; port 0 takes a free one", "127.0.0.1:9000 [::1]:9000"),
    one("console", "ADDR", "Address and port of admin API, health and metrics", "127.0.0.1:9001"),
    one(
        "bootstrap",
        "STATE",
        "State file (JSON or TOML): at every start, create what it declares and the node lacks",
        "",
    ),
    secret("root-access-key", "KEY", "Root's access key; with --root-secret-key overrides the stored one"),
    secret("root-secret-key", "SECRET", "Root's secret key; a flag is seen by everyone on the machine"),
    secret(
        "master-key",
        "HEX",
        "Key that seals secret keys, 64 hexadecimal digits, when it isn't to lie in secret.key of the data directory; a flag is seen by everyone on the machine",
    ),
    one("region", "REGION", "Region that clients sign for", "us-east-1"),
    many("domain", "NAME", "Domain under which BUCKET.NAME is a bucket, beside localhost", ""),
    many("external-url", "URL", "URL that clients use in front of a proxy", ""),
    one("tls-cert", "FILE", "Certificate chain in PEM, read again on SIGHUP and when it changes", ""),
    one("tls-key", "FILE", "Private key in PEM", ""),
    switch(
        "tls-self-signed",
        "Serve HTTPS with a certificate of the node's own, kept in tls-self-signed.pem of the data directory",
    ),
    many("trusted-proxy", "CIDR", "Proxy whose X-Forwarded-For is believed", ""),
    many("network", "CIDR=VPC[,VPCE]", "Network that counts as this VPC (aws:SourceVpc) and endpoint", ""),
    one("sigv2", "on|off", "Accept Signature Version 2", "on"),
    one(
        "durability",
        "strict|relaxed",
        "strict: an acknowledged write survives power loss; relaxed: for throw-away data",
        "strict",
    ),
    one("log-format", "text|json", "Form of the log on standard error", "text"),
    one("log-requests", "denied|all", "Log denied and failed requests, or all", "denied"),
    one("audit-log", "FILE", "File of the audit log, or off", "audit.log in the data directory"),
    switch("explain-denials", "Name the deciding statement in x-strongroom-denied-by, and what nearly allowed it"),
    switch("metrics-public", "Serve /metrics to everyone who reaches the console's address"),
    switch("allow-network-filesystem", "Accept a network or FUSE file system for the data directory"),
    one("scrub-interval", "DAYS", "Read all that is stored and compare checksums this often; 0 never", "30"),
    one(
        "maintenance-rate",
        "MIB",
        "How fast compaction copies, a scrub reads and a backup copies, in MiB a second; 0 without a bound",
        "256",
    ),
    one(
        "compaction-bytes-per-second",
        "SIZE",
        "How fast compaction copies, where it is to differ from --maintenance-rate, such as 64MiB; 0 without a bound",
        "",
    ),
    one("scrub-bytes-per-second", "SIZE", "How fast a scrub reads, likewise", ""),
    one(
        "backup-bytes-per-second",
        "SIZE",
        "How fast a backup copies, likewise; files that are linked take no time",
        "",
    ),
    one("connections-max", "N", "Connections open at once", "4096"),
    one("head-timeout", "SECONDS", "Time to send a request's head", "30"),
    one("body-idle-timeout", "SECONDS", "Time a body may stand still", "60"),
    one("drain-timeout", "SECONDS", "Time for requests in flight after SIGTERM", "30"),
];

const fn one(name: &'static str, value: &'static str, help: &'static str, default: &'static str) -> Setting {
    Setting { name, value, kind: Kind::One, help, default }
}
const fn many(name: &'static str, value: &'static str, help: &'static str, default: &'static str) -> Setting {
    Setting { name, value, kind: Kind::Many, help, default }
}
const fn secret(name: &'static str, value: &'static str, help: &'static str) -> Setting {
    Setting { name, value, kind: Kind::Secret, help, default: "" }
}
const fn switch(name: &'static str, help: &'static str) -> Setting {
    Setting { name, value: "", kind: Kind::Switch, help, default: "false" }
}

impl Setting {
    /// `STRONGROOM_TRUSTED_PROXY` for `trusted-proxy`.
    pub(crate) fn variable(&self) -> String {
        variable_of(self.name)
    }
}

fn variable_of(name: &str) -> String {
    format!("STRONGROOM_{}", name.to_uppercase().replace('-', "_"))
}

/// Where a value came from; the smaller one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Flag,
    Environment,
    Credential,
    File,
}

/// The text of one setting and the place that it came from.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) values: Vec<OsString>,
    pub(crate) layer: Layer,
    /// How an error names the place: `--listen`, `STRONGROOM_LISTEN`, `./strongroom.toml:3: listen`.
    pub(crate) place: String,
    /// What relative paths start from: the configuration file's directory, else the working directory.
    pub(crate) base: Option<PathBuf>,
}

/// Values may be secrets, so that only the place is shown.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Values by setting name, as given on a command line.
pub(crate) type Values = BTreeMap<&'static str, Vec<OsString>>;

/// The environment of the process as far as settings come from it; a value, so that tests need not change the process.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// Variables `STRONGROOM_*`.
    pub(crate) variables: BTreeMap<String, OsString>,
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials_directory: Option<PathBuf>,
    /// Configuration files to look for when none is named; the first that exists is read.
    pub(crate) configuration_files: Vec<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_process() -> Surroundings {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Surroundings {
            // An empty variable counts as unset: compose files and units pass them so.
            variables: variables.filter(|(name, value)| name.starts_with("STRONGROOM_") && !value.is_empty()).collect(),
            credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            configuration_files: vec!["./strongroom.toml".into(), "/etc/strongroom/strongroom.toml".into()],
        }
    }
}

/// The winning value of each setting that was given anywhere.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    given: BTreeMap<&'static str, Given>,
    /// The configuration file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Variables that look like a misspelt setting, and files of secrets that others may read. Neither can be an error: Kubernetes adds `STRONGROOM_SERVICE_HOST` and the like by itself, and mounts secrets with mode 0444.
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// Flags alone: what `strongroom test` takes, so that neither a file nor a variable can point a throw-away node at real data.
    pub(crate) fn from_flags(flags: &Values) -> Settings {
        let mut settings = Settings::default();
        for (name, values) in flags {
            let place = format!("--{name}");
            settings.add(name, Given { values: values.clone(), layer: Layer::Flag, place, base: None });
        }
        settings
    }

    /// Flags over environment over systemd credentials over the configuration file.
    ///
    /// # Errors
    /// A file that was named and can't be read, a file that isn't TOML, an unknown or wrongly typed key, a variable given twice.
    pub(crate) fn load(
        flags: &Values,
        configuration: Option<&Path>,
        surroundings: &Surroundings,
    ) -> Result<Settings, Failure> {
        let mut settings = Settings::from_flags(flags);
        for setting in SETTINGS {
            settings.add_from_environment(setting, surroundings)?;
        }
        settings.warn_of_misspelt_variables(surroundings);
        let named = configuration.map(Path::to_path_buf);
        let named = named.or_else(|| surroundings.variables.get("STRONGROOM_CONFIG").map(PathBuf::from));
        let found = || surroundings.configuration_files.iter().find(|path| path.exists()).cloned();
        if let Some(path) = named.or_else(found) {
            settings.add_file(&path)?;
        }
        Ok(settings)
    }

    /// The winning value of a setting.
    pub(crate) fn find(&self, name: &str) -> Option<&Given> {
        debug_assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name} is a setting");
        self.given.get(name)
    }

    fn add(&mut self, name: &'static str, given: Given) {
        if self.given.get(name).is_none_or(|present| given.layer < present.layer) {
            self.given.insert(name, given);
        }
    }

    fn add_from_environment(&mut self, setting: &'static Setting, surroundings: &Surroundings) -> Result<(), Failure> {
        let variable = setting.variable();
        let value = surroundings.variables.get(&variable);
        if setting.kind == Kind::Secret {
            let file_variable = format!("{variable}_FILE");
            let file = surroundings.variables.get(&file_variable);
            if value.is_some() && file.is_some() {
                return Err(Failure::usage(format!("{variable} and {file_variable} are both set; keep one of them")));
            }
            if let Some(path) = file {
                let values = vec![self.read_secret_file(setting, &file_variable, Path::new(path))?];
                self.add(setting.name, Given { values, layer: Layer::Environment, place: file_variable, base: None });
            }
            let credential = surroundings.credentials_directory.as_ref().map(|dir| dir.join(setting.name));
            if let Some(path) = credential.filter(|path| path.exists()) {
                let place = format!("systemd credential {}", setting.name);
                let values = vec![read_secret(&place, &path)?];
                self.add(setting.name, Given { values, layer: Layer::Credential, place, base: None });
            }
        }
        if let Some(value) = value {
            let values = match setting.kind {
                Kind::Many => split(&variable, value)?,
                Kind::One | Kind::Secret | Kind::Switch => vec![value.clone()],
            };
            self.add(setting.name, Given { values, layer: Layer::Environment, place: variable, base: None });
        }
        Ok(())
    }

    fn warn_of_misspelt_variables(&mut self, surroundings: &Surroundings) {
        let mut known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        let secrets = SETTINGS.iter().filter(|setting| setting.kind == Kind::Secret);
        known.extend(secrets.map(|setting| format!("{}_FILE", setting.variable())));
        known.push("STRONGROOM_CONFIG".into());
        for variable in surroundings.variables.keys().filter(|variable| !known.contains(variable)) {
            if let Some((near, 1..=2)) = nearest(variable, known.iter().map(String::as_str)) {
                self.warnings.push(format!("the variable {variable} is no setting; did you mean {near}?"));
            }
        }
    }

    /// Reads a file that was named for a secret, which nobody but the node should be able to do.
    fn read_secret_file(&mut self, setting: &Setting, place: &str, path: &Path) -> Result<OsString, Failure> {
        let secret = read_secret(place, path)?;
        self.warn_of_readers(setting, place, path);
        Ok(secret)
    }

    /// Warns where others than the node may read the file that holds a secret.
    fn warn_of_readers(&mut self, setting: &Setting, place: &str, path: &Path) {
        // An access key is no secret. A group may be the node's own.
        if let (true, Some(mode)) = (setting.name != "root-access-key", input::mode_open_to_all(path)) {
            let path = path.display();
            self.warnings.push(format!(
                "{place}: {path}: others may read it (mode {mode:04o}): let nobody but the node's user read it"
            ));
        }
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Failure> {
        let text = input::read_text(path, SETTINGS_FILE_BYTES_MAX)
            .map_err(|error| Failure::usage(format!("configuration file {}: {error}", path.display())))?;
        let at = |offset: usize| {
            let line = text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("{}:{line}", path.display())
        };
        let table = toml::de::DeTable::parse(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            Failure::usage(format!("{}: not TOML: {}", at(start), error.message()))
        })?;
        let base = path.parent().map(Path::to_path_buf);
        for (key, value) in table.get_ref() {
            let (line, key) = (at(key.span().start), key.get_ref().as_ref());
            let secret_file = key.strip_suffix("-file").unwrap_or(key);
            let setting = SETTINGS
                .iter()
                .find(|setting| setting.name == key || setting.kind == Kind::Secret && setting.name == secret_file);
            let Some(setting) = setting else {
                let (near, _) = nearest(key, SETTINGS.iter().map(|setting| setting.name)).expect("the table has rows");
                return Err(Failure::usage(format!("{line}: unknown key \"{key}\"; did you mean \"{near}\"?")));
            };
            let place = format!("{line}: {key}");
            let mut values = texts_of(value.get_ref(), setting, &place)?;
            if setting.name != key {
                let file = PathBuf::from(values.remove(0));
                let file = base.as_ref().map_or(file.clone(), |base| base.join(&file));
                values = vec![self.read_secret_file(setting, &place, &file)?];
            } else if setting.kind == Kind::Secret {
                self.warn_of_readers(setting, &place, path);
            }
            if setting.kind == Kind::Secret
                && table.get_ref().iter().any(|(other, _)| is_other_form(other.get_ref(), key, setting.name))
            {
                let name = setting.name;
                return Err(Failure::usage(format!("{line}: {name} and {name}-file are both given; keep one of them")));
            }
            self.add(setting.name, Given { values, layer: Layer::File, place, base: base.clone() });
        }
        self.file = Some(path.to_path_buf());
        Ok(())
    }
}

/// Whether `other` is the second spelling (`name` or `name-file`) of the secret that `key` gives.
fn is_other_form(other: &str, key: &str, name: &str) -> bool {
    other != key && other.strip_suffix("-file").unwrap_or(other) == name
}

/// A TOML value as the texts that a flag would have had.
fn texts_of(value: &toml::de::DeValue<'_>, setting: &Setting, place: &str) -> Result<Vec<OsString>, Failure> {
    use toml::de::DeValue;
    let wanted = match setting.kind {
        Kind::Many => "a string or an array of strings",
        Kind::Switch => "true or false",
        Kind::One => "a string or a number",
        // A number would lose its leading zeros.
        Kind::Secret => "a string, in quotes",
    };
    let wrong = || Failure::usage(format!("{place}: the value must be {wanted}"));
    match (value, setting.kind) {
        (DeValue::Array(items), Kind::Many) => {
            let text = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::String(text) => Ok(OsString::from(text.as_ref())),
                _ => Err(wrong()),
            };
            items.iter().map(text).collect()
        }
        (DeValue::String(text), Kind::One | Kind::Secret | Kind::Many) => Ok(vec![text.as_ref().into()]),
        (DeValue::Integer(number), Kind::One) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| wrong())?;
            Ok(vec![number.to_string().into()])
        }
        (DeValue::Boolean(on), Kind::Switch) => Ok(vec![if *on { "true" } else { "false" }.into()]),
        // `sigv2 = true` is what a TOML user writes for on.
        (DeValue::Boolean(on), Kind::One) if setting.value == "on|off" => {
            Ok(vec![if *on { "on" } else { "off" }.into()])
        }
        _ => Err(wrong()),
    }
}

/// White space separates several values in one variable: none of them contains any, while networks contain commas.
fn split(variable: &str, value: &OsStr) -> Result<Vec<OsString>, Failure> {
    let text = value.to_str().ok_or_else(|| Failure::usage(format!("{variable} is not UTF-8")))?;
    Ok(text.split_whitespace().map(OsString::from).collect())
}

fn read_secret(place: &str, path: &Path) -> Result<OsString, Failure> {
    let secret = input::read_secret(path);
    secret.map(Into::into).map_err(|error| Failure::usage(format!("{place}: {} {error}", path.display())))
}
