//! `strongroom config show` and `config check`: which value a setting has and where it came from.

use std::process::ExitCode;

use serde::Serialize;
use server::config::Config;
use unicode_width::UnicodeWidthStr;

use crate::args::ConfigCommand;
use crate::configure::{self, DATA_DEFAULT};
use crate::failure::Failure;
use crate::output;
use crate::settings::{Kind, SETTINGS, Setting, Settings, Surroundings};
use crate::text::{padded, visible_line};

/// Widest that values make their column; a longer one moves what is behind it.
const VALUE_WIDTH_MAX: usize = 60;

/// One setting as it holds, for JSON and the table.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    /// Absent when the setting has no value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
    /// `default`, or the flag, variable or line that gave it.
    from: String,
}

/// Loads the settings as `serve` would; both commands refuse what `serve` would refuse.
pub(crate) fn config(command: ConfigCommand, json: bool) -> Result<ExitCode, Failure> {
    let (arguments, show) = match command {
        ConfigCommand::Show(arguments) => (arguments, true),
        ConfigCommand::Check(arguments) => (arguments, false),
    };
    let settings = Settings::load(&arguments.settings.0, arguments.config.as_deref(), &Surroundings::of_process())?;
    configure::configure(&settings, Config::new(DATA_DEFAULT.into()))?;
    configure::log_format(&settings)?;
    for warning in &settings.warnings {
        output::warn(warning);
    }
    if show {
        let rows: Vec<Row> = SETTINGS.iter().map(|setting| row(setting, &settings)).collect();
        if json { output::print_json(&rows)? } else { output::print(&table(&rows))? }
    } else if json {
        output::print_json(
            &serde_json::json!({ "valid": true, "file": settings.file, "warnings": settings.warnings }),
        )?;
    } else {
        let file = settings.file.as_ref().map_or("no configuration file".into(), |file| file.display().to_string());
        output::print(&format!("ok: {file}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(setting: &Setting, settings: &Settings) -> Row {
    let (values, from) = match settings.find(setting.name) {
        None if setting.default.is_empty() => (Vec::new(), "default".to_owned()),
        None => (setting.default.split_whitespace().map(str::to_owned).collect(), "default".to_owned()),
        // A secret is named by its place and never shown.
        Some(given) if setting.kind == Kind::Secret => (vec!["(secret)".to_owned()], given.place.clone()),
        Some(given) => {
            (given.values.iter().map(|value| value.to_string_lossy().into_owned()).collect(), given.place.clone())
        }
    };
    Row { name: setting.name, values, from }
}

fn table(rows: &[Row]) -> String {
    let values: Vec<String> = rows.iter().map(|row| visible_line(&row.values.join(" "))).collect();
    let name_width = rows.iter().map(|row| row.name.width()).max().unwrap_or(0);
    let value_width = values.iter().map(|text| text.width()).max().unwrap_or(0).min(VALUE_WIDTH_MAX);
    let mut table = String::new();
    for (row, values) in rows.iter().zip(&values) {
        let (name, values) = (padded(row.name, name_width), padded(values, value_width));
        table.push_str(&format!("{name}  {values}  {}\n", visible_line(&row.from)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Values;

    #[test]
    fn a_row_names_the_winning_place_and_hides_secrets() {
        let mut flags = Values::new();
        flags.insert("region", vec!["eu-1".into()]);
        flags.insert("root-secret-key", vec!["do-not-show".into()]);
        let settings = Settings::from_flags(&flags);
        let rows: Vec<Row> = SETTINGS.iter().map(|setting| row(setting, &settings)).collect();
        let text = table(&rows);
        let line = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("region"), "region eu-1 --region");
        assert_eq!(line("root-secret-key"), "root-secret-key (secret) --root-secret-key");
        assert_eq!(line("durability"), "durability strict default");
        assert_eq!(line("tls-cert"), "tls-cert default");
        assert!(!text.contains("do-not-show") && !serde_json::to_string(&rows).unwrap().contains("do-not-show"));
    }
}
