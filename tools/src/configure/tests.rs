//! Which source wins, and what is said of each wrong value.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::*;
use crate::settings::SETTINGS;

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
    let all =
        place().file(file).variable("STRONGROOM_REGION", "env-1").variable("STRONGROOM_LISTEN", "127.0.0.1:3  [::1]:4");
    let config = all.configure(&[("region", &["flag-1"])]).unwrap();
    assert_eq!(config.region, "flag-1");
    assert_eq!(addresses(&config), ["127.0.0.1:3", "[::1]:4"], "a list of a stronger source replaces the weaker one");
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
    assert!(error.starts_with("STRONGROOM_ROOT_SECRET_KEY: a secret key has 8 to 128") && !error.contains("hunter2"));
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
        ("console", "here", "--console: \"here\": write an IP address and a port, such as 127.0.0.1:9001 or [::]:9001"),
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

#[test]
fn a_rate_of_one_s_own_leaves_the_common_one_to_the_others() {
    let rates = |flags: &[(&'static str, &str)]| {
        let flags: Values = flags.iter().map(|(name, value)| (*name, vec![(*value).into()])).collect();
        let config = configure(&Settings::from_flags(&flags), Config::new("x".into())).unwrap();
        (config.maintenance_bytes_per_second, config.scrub_bytes_per_second, config.backup_bytes_per_second)
    };
    assert_eq!(rates(&[]), (Some(256 << 20), None, None));
    assert_eq!(rates(&[("maintenance-rate", "0")]), (None, None, None));
    assert_eq!(rates(&[("scrub-bytes-per-second", "64MiB")]), (Some(256 << 20), Some(64 << 20), None));
    assert_eq!(rates(&[("backup-bytes-per-second", "0")]), (Some(256 << 20), None, Some(0)));
    let compaction = ("compaction-bytes-per-second", "1000");
    assert_eq!(rates(&[compaction]), (Some(1_000), Some(256 << 20), Some(256 << 20)));
    assert_eq!(
        rates(&[compaction, ("maintenance-rate", "0"), ("scrub-bytes-per-second", "1kb")]),
        (Some(1_000), Some(1_000), Some(0))
    );
}

/// The commented file of the package, as somebody has it who takes all `#` away.
#[test]
fn packaged_file_has_every_setting_with_its_default() {
    let packaged = include_str!("../../package/strongroom.toml");
    let is_setting = |line: &str| {
        let name = line.strip_prefix('#').unwrap_or(line).split_once(" = ").map(|(name, _)| name);
        name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '2')
        })
    };
    let on: Vec<&str> = packaged.lines().filter(|line| is_setting(line)).collect();
    let mut named: Vec<&str> = Vec::new();
    for line in &on {
        let (name, _) = line.trim_start_matches('#').split_once(" = ").unwrap();
        let setting = SETTINGS.iter().find(|it| it.name == name || Some(it.name) == name.strip_suffix("-file"));
        let setting = setting.unwrap_or_else(|| panic!("{name} is no setting"));
        named.push(setting.name);
        let text = line.trim_start_matches('#').replace("/etc/strongroom/root-", "root-");
        let place = place().file(&text.replace("/etc/strongroom/master-", "master-"));
        for secret in ["root-secret-key", "master-key"] {
            std::fs::write(place.directory.path().join(secret), "a-secret-of-one's-own\n").unwrap();
        }
        let settings = Settings::load(&Values::new(), None, &place.surroundings).unwrap_or_else(|e| panic!("{e}"));
        let values: Vec<&str> =
            settings.find(setting.name).unwrap().values.iter().map(|v| v.to_str().unwrap()).collect();
        if setting.name == "data" {
            // The one that a service must have otherwise.
            assert_eq!((line.starts_with('#'), values.as_slice()), (false, ["/var/lib/strongroom"].as_slice()));
        } else if setting.name == "audit-log" {
            // Its default is a file of the data directory.
            assert_eq!(
                (line.starts_with('#'), values.as_slice()),
                (true, ["/var/lib/strongroom/audit.log"].as_slice())
            );
        } else {
            assert!(line.starts_with('#'), "{line} is in force");
            assert!(setting.default.is_empty() || values.join(" ") == setting.default, "{line} is not the default");
        }
    }
    for setting in SETTINGS {
        assert!(named.contains(&setting.name), "{} is missing", setting.name);
    }
    // As it is installed, it is a node with its data elsewhere.
    let config = place().file(packaged).configure(&[]).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::new("/var/lib/strongroom".into())));
}

#[test]
fn the_master_key_comes_like_other_secrets_and_is_never_shown() {
    let key = "5f".repeat(32);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("master-key"), format!("{key}\n")).unwrap();
    let given = |place: Place| place.configure(&[]).unwrap().master_key.map(|key| key.0);
    assert_eq!(given(place()), None);
    assert_eq!(given(place().variable("STRONGROOM_MASTER_KEY", &key)), Some(key.clone()));
    let path = directory.path().join("master-key");
    assert_eq!(given(place().variable("STRONGROOM_MASTER_KEY_FILE", path.to_str().unwrap())), Some(key.clone()));
    let mut by_credential = place();
    by_credential.surroundings.credentials_directory = Some(directory.path().into());
    assert_eq!(given(by_credential), Some(key.clone()));
    let shown = format!("{:?}", place().variable("STRONGROOM_MASTER_KEY", &key).configure(&[]).unwrap());
    assert!(shown.contains("MasterKeyText(..)") && !shown.contains("5f5f"), "{shown}");
    for wrong in ["5f5f", &key[1..], &format!("{key}5f"), &key.replace("5f", "5g")] {
        let refused = place().variable("STRONGROOM_MASTER_KEY", wrong).configure(&[]).unwrap_err().to_string();
        assert_eq!(refused, "STRONGROOM_MASTER_KEY: master-key must hold 64 hexadecimal digits, as secret.key does");
    }
}

#[test]
fn a_secret_that_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let key = "5f".repeat(32);
    let warnings = |name: &str, mode: u32, by_variable: bool| {
        let file = format!("{name}-file = \"{name}\"\n");
        let mut place = if by_variable { place() } else { place().file(&file) };
        let path = place.directory.path().join(name);
        std::fs::write(&path, format!("{key}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        if by_variable {
            let variable = format!("STRONGROOM_{}_FILE", name.to_uppercase().replace('-', "_"));
            place = place.variable(&variable, path.to_str().unwrap());
        }
        let settings = Settings::load(&Values::new(), None, &place.surroundings).unwrap();
        assert!(settings.find(name).is_some());
        settings.warnings.join("\n").replace(place.directory.path().to_str().unwrap(), "DIR")
    };
    let open = "DIR/master-key: others may read it (mode 0644): let nobody but the node's user read it";
    assert_eq!(warnings("master-key", 0o644, true), format!("STRONGROOM_MASTER_KEY_FILE: {open}"));
    assert_eq!(warnings("master-key", 0o644, false), format!("DIR/strongroom.toml:1: master-key-file: {open}"));
    assert!(warnings("root-secret-key", 0o444, true).contains("(mode 0444)"));
    // The group of a service is its own, and an access key is no secret.
    for (name, mode) in [("master-key", 0o640), ("master-key", 0o400), ("root-access-key", 0o644)] {
        assert_eq!((warnings(name, mode, true), warnings(name, mode, false)), (String::new(), String::new()));
    }
    // In the file of settings itself.
    for (name, mode, is_told) in
        [("master-key", 0o644, true), ("master-key", 0o600, false), ("root-access-key", 0o644, false)]
    {
        let place = place().file(&format!("{name} = \"{key}\"\n"));
        let path = place.directory.path().join("strongroom.toml");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let settings = Settings::load(&Values::new(), None, &place.surroundings).unwrap();
        let path = path.to_str().unwrap();
        let told =
            format!("{path}:1: {name}: {path}: others may read it (mode 0644): let nobody but the node's user read it");
        assert_eq!(settings.warnings, if is_told { vec![told] } else { Vec::new() });
    }
}

#[test]
fn a_node_that_listens_everywhere_is_asked_on_loopback() {
    let url = |name: &'static str, value: &str| {
        let flags = Values::from([(name, vec![value.into()])]);
        console_url(&Settings::from_flags(&flags)).unwrap()
    };
    assert_eq!(url("console", "0.0.0.0:7"), "http://127.0.0.1:7");
    assert_eq!(url("console", "[::]:7"), "http://[::1]:7");
    assert_eq!(url("tls-self-signed", "true"), "https://127.0.0.1:9001");
}
