//! Which node a command administers, and as whom: the flags that all nouns share.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// How a node is reached: by the socket in its data directory, else by the URL of its console.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Node")]
pub(crate) struct Connection {
    /// Data directory of a node on this machine [default: that of the settings, ./strongroom-data]
    #[arg(long, global = true, value_name = "DIR", conflicts_with_all = ["endpoint", "profile"])]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file with that node's settings
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["endpoint", "profile"])]
    pub(crate) config: Option<PathBuf>,
    /// URL of a node's console, such as https://nas.example:9001 [env: STRONGROOM_ENDPOINT]
    #[arg(long, global = true, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) endpoint: Option<String>,
    /// Profile in strongroom/profiles.toml of the user's configuration directory [env: STRONGROOM_PROFILE]
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) profile: Option<String>,
    /// Certificates in PEM that the endpoint's must lead to [default: those that the system trusts]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Sign with root's access key [env: STRONGROOM_ACCESS_KEY, else AWS_ACCESS_KEY_ID]; the secret comes from the profile, STRONGROOM_SECRET_KEY, the file STRONGROOM_SECRET_KEY_FILE, or is asked for, and is never sent
    #[arg(long, global = true, value_name = "KEY", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "sign_in_user")]
    pub(crate) access_key: Option<String>,
    /// Sign in as this user [env: STRONGROOM_USER]; the password comes from the profile, STRONGROOM_PASSWORD, the file STRONGROOM_PASSWORD_FILE, or is asked for
    #[arg(long = "user", id = "sign_in_user", global = true, value_name = "[ACCOUNT/]NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) user: Option<String>,
    /// Account that the command is about, by name or id; for the operator [default: one's own]
    #[arg(long, global = true, value_name = "ACCOUNT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) account: Option<String>,
}

impl Connection {
    /// The first flag that says which node is meant, for commands that ask none.
    pub(crate) fn flag(&self) -> Option<&'static str> {
        let flags = [
            ("--data", self.data.is_some()),
            ("--config", self.config.is_some()),
            ("--endpoint", self.endpoint.is_some()),
            ("--profile", self.profile.is_some()),
            ("--ca", self.ca.is_some()),
            ("--access-key", self.access_key.is_some()),
            ("--user", self.user.is_some()),
            ("--account", self.account.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }
}
