//! Turns the settings' texts into the server's [`Config`], checking each.
//!
//! The server takes only typed values; every complaint about a text is made here, where the place that it came from is still known.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use server::config::{Config, Durability, Listen, LogRequests, Network, RootCredentials, StateSource, Tls};

use crate::failure::Failure;
use crate::input::{self, STATE_BYTES_MAX};
use crate::settings::{Given, Settings};

/// Form of the log on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The data directory when none is given.
pub(crate) const DATA_DEFAULT: &str = "./strongroom-data";

/// Lays what was given over `config`, which holds the defaults.
///
/// # Errors
/// The first value that is wrong, named by its place, with what is expected there.
pub(crate) fn configure(settings: &Settings, mut config: Config) -> Result<Config, Failure> {
    if let Some(data) = settings.find("data") {
        config.data = path(data, last(data)?)?;
    }
    if let Some(given) = settings.find("listen") {
        let addresses = many(given, |text| address(text, 9000))?;
        config.listen = addresses.into_iter().map(|address| Listen { address, required: true }).collect();
        if config.listen.is_empty() {
            return Err(wrong(given, "no address in it; give at least one, such as 127.0.0.1:9000"));
        }
    }
    if let Some(given) = settings.find("console") {
        config.console = Listen { address: one(given, |text| address(text, 9001))?, required: true };
    }
    if let Some(given) = settings.find("bootstrap") {
        let file = path(given, last(given)?)?;
        let text = input::read_text(&file, STATE_BYTES_MAX)
            .map_err(|error| wrong(given, format!("state file {}: {error}", file.display())))?;
        config.bootstrap = Some(StateSource { name: file.display().to_string(), text });
    }
    config.root_credentials = root_credentials(settings)?.or(config.root_credentials);
    if let Some(given) = settings.find("region") {
        config.region = one(given, region)?;
    }
    if let Some(given) = settings.find("domain") {
        config.domains = many(given, domain)?;
    }
    if let Some(given) = settings.find("external-url") {
        config.external_urls = many(given, external_url)?;
    }
    config.tls = tls(settings)?;
    if let Some(given) = settings.find("trusted-proxy") {
        config.trusted_proxies = many(given, cidr)?;
    }
    if let Some(given) = settings.find("network") {
        config.networks = many(given, network)?;
    }
    if let Some(given) = settings.find("sigv2") {
        config.sigv2 = one(given, |text| choice(text, &[("on", true), ("off", false)]))?;
    }
    if let Some(given) = settings.find("durability") {
        let choices = [("strict", Durability::Strict), ("relaxed", Durability::Relaxed)];
        config.durability = one(given, |text| choice(text, &choices))?;
    }
    if let Some(given) = settings.find("log-requests") {
        let choices = [("denied", LogRequests::Denied), ("all", LogRequests::All)];
        config.log_requests = one(given, |text| choice(text, &choices))?;
    }
    switch(settings, "explain-denials", &mut config.explain_denials)?;
    switch(settings, "metrics-public", &mut config.metrics_public)?;
    switch(settings, "allow-network-filesystem", &mut config.allow_network_filesystem)?;
    if let Some(given) = settings.find("connections-max") {
        config.limits.connections_max = one(given, |text| number(text, 1, 1_000_000))? as usize;
    }
    for (name, limit) in [
        ("head-timeout", &mut config.limits.head_timeout),
        ("body-idle-timeout", &mut config.limits.body_idle_timeout),
        ("drain-timeout", &mut config.limits.drain_timeout),
    ] {
        if let Some(given) = settings.find(name) {
            *limit = Duration::from_secs(one(given, |text| number(text, 1, 86_400))?);
        }
    }
    Ok(config)
}

/// `--log-format`, which is the program's own and not the node's.
pub(crate) fn log_format(settings: &Settings) -> Result<LogFormat, Failure> {
    let choices = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    settings.find("log-format").map_or(Ok(LogFormat::default()), |given| one(given, |text| choice(text, &choices)))
}

/// The data directory alone, for commands that speak to the node that runs on it.
pub(crate) fn data_directory(settings: &Settings) -> Result<PathBuf, Failure> {
    settings.find("data").map_or(Ok(DATA_DEFAULT.into()), |given| path(given, last(given)?))
}

/// What a console URL on this machine would be with these settings; for `health` without a URL.
pub(crate) fn console_address(settings: &Settings) -> Result<SocketAddr, Failure> {
    let default = Config::new(PathBuf::new()).console.address;
    settings.find("console").map_or(Ok(default), |given| one(given, |text| address(text, 9001)))
}

/// Whether the listeners speak TLS with these settings.
pub(crate) fn tls(settings: &Settings) -> Result<Option<Tls>, Failure> {
    let self_signed = settings.find("tls-self-signed");
    let mut on = false;
    switch(settings, "tls-self-signed", &mut on)?;
    let files = match (settings.find("tls-cert"), settings.find("tls-key")) {
        (None, None) => None,
        (Some(given), None) => return Err(wrong(given, "tls-key is missing; give certificate and key")),
        (None, Some(given)) => return Err(wrong(given, "tls-cert is missing; give certificate and key")),
        (Some(certificate), Some(key)) => {
            let tls = Tls::Files { certificate: path(certificate, last(certificate)?)?, key: path(key, last(key)?)? };
            Some((certificate, tls))
        }
    };
    Ok(match (self_signed.filter(|_| on), files) {
        (None, None) => None,
        (Some(_), None) => Some(Tls::SelfSigned),
        (None, Some((_, files))) => Some(files),
        (Some(switch), Some((certificate, files))) => match switch.layer.cmp(&certificate.layer) {
            std::cmp::Ordering::Less => Some(Tls::SelfSigned),
            std::cmp::Ordering::Greater => Some(files),
            std::cmp::Ordering::Equal => {
                let place = &certificate.place;
                return Err(wrong(switch, format!("{place} is given as well; keep either of them")));
            }
        },
    })
}

fn root_credentials(settings: &Settings) -> Result<Option<RootCredentials>, Failure> {
    let (access, secret) = match (settings.find("root-access-key"), settings.find("root-secret-key")) {
        (None, None) => return Ok(None),
        (Some(given), None) => return Err(wrong(given, "root-secret-key is missing; give both or neither")),
        (None, Some(given)) => return Err(wrong(given, "root-access-key is missing; give both or neither")),
        (Some(access), Some(secret)) => (access, secret),
    };
    let access_key = one(access, |text| {
        // `/`, `,` and `=` separate the parts of an Authorization header.
        let fit = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ',' | '=');
        let good = (3..=128).contains(&text.len()) && text.chars().all(fit);
        good.then(|| text.to_owned())
            .ok_or("an access key has 3 to 128 ASCII characters, none of them /, comma, = or a space")
    })?;
    let secret_key = one(secret, |text| {
        let good = (8..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        good.then(|| text.to_owned()).ok_or("a secret key has 8 to 128 characters")
    });
    // The text itself must not reach a terminal or a log.
    let secret_key = secret_key
        .map_err(|_| wrong(secret, "a secret key has 8 to 128 characters, none of them a control character"))?;
    Ok(Some(RootCredentials { access_key, secret_key }))
}

/// The value of a setting that takes one.
fn last(given: &Given) -> Result<&OsStr, Failure> {
    given.values.last().map(|value| value.as_os_str()).ok_or_else(|| wrong(given, "the value is missing"))
}

fn one<T, E: Into<String>>(given: &Given, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Failure> {
    parse_text(given, last(given)?, &parse)
}

fn many<T, E: Into<String>>(given: &Given, parse: impl Fn(&str) -> Result<T, E>) -> Result<Vec<T>, Failure> {
    given.values.iter().map(|value| parse_text(given, value, &parse)).collect()
}

fn parse_text<T, E: Into<String>>(
    given: &Given,
    value: &OsStr,
    parse: &impl Fn(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    let text = value.to_str().ok_or_else(|| wrong(given, "the value is not UTF-8"))?;
    parse(text).map_err(|error| {
        let error = error.into();
        wrong(given, if text.len() <= 200 { format!("\"{text}\": {error}") } else { error })
    })
}

fn path(given: &Given, value: &OsStr) -> Result<PathBuf, Failure> {
    if value.is_empty() {
        return Err(wrong(given, "the path is empty"));
    }
    Ok(given.base.as_ref().map_or_else(|| value.into(), |base| base.join(Path::new(value))))
}

fn switch(settings: &Settings, name: &str, value: &mut bool) -> Result<(), Failure> {
    if let Some(given) = settings.find(name) {
        let choices = [
            ("true", true),
            ("false", false),
            ("on", true),
            ("off", false),
            ("yes", true),
            ("no", false),
            ("1", true),
            ("0", false),
        ];
        *value = one(given, |text| {
            choices.iter().find(|(name, _)| *name == text).map(|(_, on)| *on).ok_or("write true or false")
        })?;
    }
    Ok(())
}

fn wrong(given: &Given, error: impl AsRef<str>) -> Failure {
    Failure::usage(format!("{}: {}", given.place, error.as_ref()))
}

fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("write {}", names.join(" or "))
    })
}

fn number(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("write a whole number from {min} to {max}"))
}

fn address(text: &str, port: u16) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => format!("the port is missing; write {}", SocketAddr::new(address, port)),
        Err(_) => format!("write an IP address and a port, such as 127.0.0.1:{port} or [::]:{port}"),
    })
}

/// A network in CIDR form, or a single address. Host bits are ignored, as policies do.
fn cidr(text: &str) -> Result<IpNet, &'static str> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(|network| network.trunc()).ok_or("write a network such as 10.1.0.0/16 or an address")
}

fn network(text: &str) -> Result<Network, &'static str> {
    const FORM: &str = "write CIDR=VPC or CIDR=VPC,VPCE, such as 10.1.0.0/16=vpc-111bbb22";
    let (network, names) = text.split_once('=').ok_or(FORM)?;
    let (vpc, vpce) = match names.split_once(',') {
        Some((vpc, vpce)) => (vpc, Some(vpce)),
        None => (names, None),
    };
    let is_name = |name: &str| {
        (1..=255).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if !is_name(vpc) || !vpce.is_none_or(is_name) {
        return Err(FORM);
    }
    Ok(Network { cidr: cidr(network)?, vpc: vpc.into(), vpce: vpce.map(str::to_owned) })
}

fn region(text: &str) -> Result<String, &'static str> {
    let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = (1..=64).contains(&text.len()) && text.chars().all(fit);
    good.then(|| text.to_owned())
        .ok_or("a region has 1 to 64 lower-case letters, digits and hyphens, such as us-east-1")
}

/// A host name (RFC 1123), in lower case.
fn domain(text: &str) -> Result<String, &'static str> {
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(fit);
    let good = text.len() <= 253 && text.split('.').all(label);
    good.then(|| text.to_ascii_lowercase()).ok_or("write a host name without port, such as s3.example.com")
}

/// `http://HOST[:PORT][/PATH]`, without its last slash.
fn external_url(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "write a URL such as https://s3.example.com";
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or(FORM)?;
    let fit = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '"' | '<' | '>');
    let good = text.len() <= 2048 && !rest.is_empty() && !rest.starts_with(['/', ':']) && rest.chars().all(fit);
    good.then(|| text.trim_end_matches('/').to_owned()).ok_or(FORM)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    use super::*;
    use crate::settings::{SETTINGS, Surroundings, Values};

    struct Place {
        directory: tempfile::TempDir,
        surroundings: Surroundings,
    }

    fn place() -> Place {
        Place { directory: tempfile::tempdir().unwrap(), surroundings: Surroundings::default() }
    }

    impl Place {
        fn file(mut self, text: &str) -> Place {
            let path = self.directory.path().join("strongroom.toml");
            std::fs::write(&path, text).unwrap();
            self.surroundings.configuration_files = vec![self.directory.path().join("absent.toml"), path];
            self
        }

        fn variable(mut self, name: &str, value: &str) -> Place {
            self.surroundings.variables.insert(name.into(), value.into());
            self
        }

        fn configure(&self, flags: &[(&'static str, &[&str])]) -> Result<Config, String> {
            let flags: Values = flags
                .iter()
                .map(|(name, values)| (*name, values.iter().map(OsString::from).collect()))
                .collect::<BTreeMap<_, _>>();
            Settings::load(&flags, None, &self.surroundings)
                .and_then(|settings| configure(&settings, Config::new(DATA_DEFAULT.into())))
                .map_err(|failure| {
                    assert_eq!(failure.exit, crate::failure::Exit::Usage);
                    failure.to_string().replace(self.directory.path().to_str().unwrap(), "DIR")
                })
        }

        fn error(&self, flags: &[(&'static str, &[&str])]) -> String {
            self.configure(flags).map(|config| panic!("accepted: {config:?}")).unwrap_err()
        }
    }

    fn addresses(config: &Config) -> Vec<String> {
        config.listen.iter().map(|listen| listen.address.to_string()).collect()
    }

    #[test]
    fn nothing_given_is_the_documented_default() {
        let config = place().configure(&[]).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::new("./strongroom-data".into())));
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = "region = \"file-1\"\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\ndomain = \"file.test\"\n";
        let all = place()
            .file(file)
            .variable("STRONGROOM_REGION", "env-1")
            .variable("STRONGROOM_LISTEN", "127.0.0.1:3  [::1]:4");
        let config = all.configure(&[("region", &["flag-1"])]).unwrap();
        assert_eq!(config.region, "flag-1");
        assert_eq!(
            addresses(&config),
            ["127.0.0.1:3", "[::1]:4"],
            "a list of a stronger source replaces the weaker one"
        );
        assert_eq!(config.domains, ["file.test"]);
        assert_eq!(all.configure(&[]).unwrap().region, "env-1");
        let config = place().file(file).configure(&[]).unwrap();
        assert_eq!((config.region.as_str(), addresses(&config).len()), ("file-1", 2));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one_and_its_line() {
        let error = place().file("region = \"x\"\n\nlistn = \"127.0.0.1:1\"\n").error(&[]);
        assert_eq!(error, "DIR/strongroom.toml:3: unknown key \"listn\"; did you mean \"listen\"?");
        let error = place().file("tls_self_signed = true").error(&[]);
        assert_eq!(error, "DIR/strongroom.toml:1: unknown key \"tls_self_signed\"; did you mean \"tls-self-signed\"?");
        let error = place().file("[server]\nregion = \"x\"").error(&[]);
        assert!(error.starts_with("DIR/strongroom.toml:1: unknown key \"server\"; did you mean \""), "{error}");
    }

    #[test]
    fn wrong_toml_and_wrong_types_are_named_with_their_line() {
        let error = place().file("region = \"x\"\nlisten = [").error(&[]);
        assert!(error.starts_with("DIR/strongroom.toml:2: not TOML: "), "{error}");
        let error = place().file("listen = 9000").error(&[]);
        assert_eq!(error, "DIR/strongroom.toml:1: listen: the value must be a string or an array of strings");
        let error = place().file("explain-denials = \"true\"").error(&[]);
        assert_eq!(error, "DIR/strongroom.toml:1: explain-denials: the value must be true or false");
    }

    #[test]
    fn a_misspelt_variable_is_a_warning_and_a_foreign_one_is_not() {
        let place = place().variable("STRONGROOM_LISTN", "x").variable("STRONGROOM_SERVICE_HOST", "10.0.0.1");
        let settings = Settings::load(&Values::new(), None, &place.surroundings).unwrap();
        assert_eq!(settings.warnings, ["the variable STRONGROOM_LISTN is no setting; did you mean STRONGROOM_LISTEN?"]);
    }

    #[test]
    fn paths_in_the_file_start_from_its_directory() {
        let place = place().file("data = \"store\"\ntls-cert = \"c.pem\"\ntls-key = \"/k.pem\"");
        let config = place.configure(&[]).unwrap();
        assert_eq!(config.data, place.directory.path().join("store"));
        let certificate = place.directory.path().join("c.pem");
        assert_eq!(config.tls, Some(Tls::Files { certificate, key: "/k.pem".into() }));
    }

    #[test]
    fn secrets_come_from_variables_files_and_credentials_and_never_into_messages() {
        let keys = |place: &Place| {
            let root = place.configure(&[]).unwrap().root_credentials.unwrap();
            (root.access_key, root.secret_key)
        };
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("root-secret-key");
        std::fs::write(&secret, "from-a-file\n").unwrap();
        let path = secret.to_str().unwrap();

        let by_file =
            place().variable("STRONGROOM_ROOT_ACCESS_KEY", "ROOT").variable("STRONGROOM_ROOT_SECRET_KEY_FILE", path);
        assert_eq!(keys(&by_file), ("ROOT".into(), "from-a-file".into()));
        let mut by_credential = place().variable("STRONGROOM_ROOT_ACCESS_KEY", "ROOT");
        by_credential.surroundings.credentials_directory = Some(directory.path().into());
        assert_eq!(keys(&by_credential), ("ROOT".into(), "from-a-file".into()));
        let over_credential = Place { ..by_credential }.variable("STRONGROOM_ROOT_SECRET_KEY", "from-environment");
        assert_eq!(keys(&over_credential).1, "from-environment");
        let by_toml = place().file(&format!("root-access-key = \"ROOT\"\nroot-secret-key-file = \"{path}\""));
        assert_eq!(keys(&by_toml).1, "from-a-file");

        let both = by_file.variable("STRONGROOM_ROOT_SECRET_KEY", "another-one");
        assert!(both.error(&[]).contains("are both set; keep one of them"));
        let short =
            place().variable("STRONGROOM_ROOT_ACCESS_KEY", "ROOT").variable("STRONGROOM_ROOT_SECRET_KEY", "hunter2");
        let error = short.error(&[]);
        assert!(
            error.starts_with("STRONGROOM_ROOT_SECRET_KEY: a secret key has 8 to 128") && !error.contains("hunter2")
        );
        let alone = place().variable("STRONGROOM_ROOT_ACCESS_KEY", "ROOT").error(&[]);
        assert_eq!(alone, "STRONGROOM_ROOT_ACCESS_KEY: root-secret-key is missing; give both or neither");
        let twice = place().file(&format!(
            "root-access-key = \"ROOT\"\nroot-secret-key = \"12345678\"\nroot-secret-key-file = \"{path}\""
        ));
        assert!(twice.error(&[]).contains("root-secret-key and root-secret-key-file are both given"));
    }

    #[test]
    fn networks_proxies_and_limits_are_typed() {
        let config = place()
            .configure(&[
                ("network", &["10.1.2.3/16=vpc-111bbb22,vpce-9", "127.0.21.0/24=vpc-local"]),
                ("trusted-proxy", &["192.0.2.7", "2001:db8::/32"]),
                ("drain-timeout", &["5"]),
                ("connections-max", &["10"]),
                ("durability", &["relaxed"]),
                ("sigv2", &["off"]),
                ("explain-denials", &["true"]),
                ("external-url", &["https://s3.example.com/"]),
            ])
            .unwrap();
        let network = &config.networks[0];
        assert_eq!((network.cidr.to_string().as_str(), network.vpc.as_str()), ("10.1.0.0/16", "vpc-111bbb22"));
        assert_eq!(network.vpce.as_deref(), Some("vpce-9"));
        assert_eq!(config.networks[1].vpce, None);
        let proxies: Vec<String> = config.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["192.0.2.7/32", "2001:db8::/32"]);
        assert_eq!((config.limits.drain_timeout.as_secs(), config.limits.connections_max), (5, 10));
        assert!(!config.sigv2 && config.explain_denials && config.durability == Durability::Relaxed);
        assert_eq!(config.external_urls, ["https://s3.example.com"]);
    }

    #[test]
    fn a_wrong_value_names_its_place_and_what_to_write() {
        for (name, value, expected) in [
            ("listen", "0.0.0.0", "--listen: \"0.0.0.0\": the port is missing; write 0.0.0.0:9000"),
            ("listen", "[::]", "--listen: \"[::]\": the port is missing; write [::]:9000"),
            (
                "console",
                "here",
                "--console: \"here\": write an IP address and a port, such as 127.0.0.1:9001 or [::]:9001",
            ),
            ("durability", "fast", "--durability: \"fast\": write strict or relaxed"),
            (
                "network",
                "10.0.0.0/8",
                "--network: \"10.0.0.0/8\": write CIDR=VPC or CIDR=VPC,VPCE, such as 10.1.0.0/16=vpc-111bbb22",
            ),
            (
                "trusted-proxy",
                "10.0.0.0/33",
                "--trusted-proxy: \"10.0.0.0/33\": write a network such as 10.1.0.0/16 or an address",
            ),
            ("drain-timeout", "0", "--drain-timeout: \"0\": write a whole number from 1 to 86400"),
            ("tls-cert", "c.pem", "--tls-cert: tls-key is missing; give certificate and key"),
            (
                "bootstrap",
                "/nowhere/state.json",
                "--bootstrap: state file /nowhere/state.json: does not exist; check the path",
            ),
            (
                "external-url",
                "s3.example.com",
                "--external-url: \"s3.example.com\": write a URL such as https://s3.example.com",
            ),
        ] {
            assert_eq!(place().error(&[(name, &[value])]), expected);
        }
    }

    #[test]
    fn a_flag_for_one_kind_of_certificate_replaces_the_file_s_other_kind() {
        let place = place().file("tls-cert = \"c.pem\"\ntls-key = \"k.pem\"");
        assert_eq!(place.configure(&[("tls-self-signed", &["true"])]).unwrap().tls, Some(Tls::SelfSigned));
        let flags: &[(&'static str, &[&str])] =
            &[("tls-self-signed", &["true"]), ("tls-cert", &["a"]), ("tls-key", &["b"])];
        assert_eq!(place.error(flags), "--tls-self-signed: --tls-cert is given as well; keep either of them");
    }

    #[test]
    fn every_setting_has_a_name_that_is_flag_variable_and_key() {
        for setting in SETTINGS {
            assert!(setting.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        }
    }
}
