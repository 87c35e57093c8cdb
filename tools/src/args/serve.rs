//! The command line of `serve`, `test` and `config`, whose flags are the settings.
//!
//! Settings are not spelt here a second time: their flags are made from the table in [`crate::settings`].

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command as Clap, FromArgMatches, Subcommand};

use crate::settings::{Kind, SETTINGS, Setting, Values};

pub(super) const SERVE_HELP: &str = "\
Each setting is also the variable STRONGROOM_NAME (STRONGROOM_TRUSTED_PROXY; several values separated by spaces) and a key of strongroom.toml (trusted-proxy = [\"10.0.0.1\"]). Flags win over variables, variables over the file. \
Root's keys and the master key are also read from the files that STRONGROOM_ROOT_ACCESS_KEY_FILE, STRONGROOM_ROOT_SECRET_KEY_FILE and STRONGROOM_MASTER_KEY_FILE name and from the systemd credentials root-access-key, root-secret-key and master-key. \
Sockets that systemd passes, named s3 and console by FileDescriptorName=, are used instead of binding those addresses.

Example: strongroom serve /srv/s3 --listen [::]:9000 --console [::]:9001 --tls-self-signed";

pub(super) const TEST_HELP: &str = "\
It listens on free ports of 127.0.0.1, keeps its data in a temporary directory and removes that at its end; writes are not synced unless --durability strict is given, and denials are explained. It takes neither STRONGROOM variables nor strongroom.toml.

Example: strongroom test --bucket uploads";
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Data directory; the same as --data
    #[arg(value_name = "DIR", id = "directory", conflicts_with = "data")]
    pub(crate) directory: Option<PathBuf>,
    /// Configuration file [default: ./strongroom.toml, else /etc/strongroom/strongroom.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: ServeSettings,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Create this bucket before the node is ready; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Vec<String>,
    /// Print `export AWS_...` lines for a shell instead of the ready line
    #[arg(long)]
    pub(crate) env: bool,
    #[command(flatten)]
    pub(crate) settings: TestSettings,
}
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting, its value and where that comes from
    #[command(after_help = "Example: strongroom config show --config strongroom.toml")]
    Show(ConfigArguments),
    /// Check the settings: exit 0 when serve would take them, else 2
    #[command(after_help = "Example: strongroom config check --config strongroom.toml")]
    Check(ConfigArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Configuration file [default: ./strongroom.toml, else /etc/strongroom/strongroom.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: ServeSettings,
}
/// Flags of all settings.
#[derive(Debug)]
pub(crate) struct ServeSettings(pub(crate) Values);

/// Flags of the settings that a throw-away node takes: all but the data directory.
#[derive(Debug)]
pub(crate) struct TestSettings(pub(crate) Values);

/// Defaults of `strongroom test` where they differ from the table's, for its help.
const TEST_DEFAULTS: &[(&str, &str)] = &[
    ("listen", "127.0.0.1:0"),
    ("console", "127.0.0.1:0"),
    ("durability", "relaxed"),
    ("audit-log", "off"),
    ("explain-denials", "true"),
];

fn serve_default(setting: &Setting) -> &'static str {
    setting.default
}

fn test_default(setting: &Setting) -> &'static str {
    TEST_DEFAULTS.iter().find(|(name, _)| *name == setting.name).map_or(setting.default, |(_, default)| default)
}

fn setting_flags(command: Clap, take: fn(&str) -> bool, default: fn(&Setting) -> &'static str) -> Clap {
    command.next_help_heading("Settings").args(SETTINGS.iter().filter(|setting| take(setting.name)).map(|setting| {
        let help = match default(setting) {
            "" | "false" => setting.help.to_owned(),
            default => format!("{} [default: {default}]", setting.help),
        };
        let flag = Arg::new(setting.name).long(setting.name).help(help);
        let flag = flag.value_parser(SettingParser { value: setting.value }).hide_possible_values(true);
        match setting.kind {
            Kind::One | Kind::Secret => flag.value_name(setting.value).action(ArgAction::Set),
            Kind::Many => flag.value_name(setting.value).action(ArgAction::Append),
            Kind::Switch => {
                flag.num_args(0..=1).require_equals(true).value_name("true|false").default_missing_value("true")
            }
        }
    }))
}

/// Takes any value, which is judged where those of the environment and the file are, and knows the words that completions offer.
#[derive(Clone, Debug)]
struct SettingParser {
    /// As the table writes it: `strict|relaxed`, or what kind of value it is.
    value: &'static str,
}

impl TypedValueParser for SettingParser {
    type Value = OsString;

    fn parse_ref(&self, _: &Clap, _: Option<&Arg>, value: &OsStr) -> Result<OsString, clap::Error> {
        Ok(value.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.value.contains('|').then(|| Box::new(self.value.split('|').map(PossibleValue::new)) as _)
    }
}

fn setting_values(matches: &ArgMatches, take: fn(&str) -> bool) -> Values {
    let taken = SETTINGS.iter().filter(|setting| take(setting.name));
    let values = taken.filter_map(|setting| {
        let values = matches.get_many::<OsString>(setting.name)?;
        Some((setting.name, values.cloned().collect()))
    });
    values.collect()
}

macro_rules! settings_as_args {
    ($type:ident, $take:expr, $default:expr) => {
        impl FromArgMatches for $type {
            fn from_arg_matches(matches: &ArgMatches) -> Result<$type, clap::Error> {
                Ok($type(setting_values(matches, $take)))
            }
            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = setting_values(matches, $take);
                Ok(())
            }
        }
        impl Args for $type {
            fn augment_args(command: Clap) -> Clap {
                setting_flags(command, $take, $default)
            }
            fn augment_args_for_update(command: Clap) -> Clap {
                setting_flags(command, $take, $default)
            }
        }
    };
}
settings_as_args!(ServeSettings, |_| true, serve_default);
settings_as_args!(TestSettings, |name| name != "data", test_default);
