//! `strongroom usage`: what an account's buckets hold, and what they held over the months.

use std::process::ExitCode;

use serde::Deserialize;

use super::node::{Call, Node, parse};
use super::table::table;
use crate::args::{NounArguments, UsageCommand};
use crate::failure::Failure;
use crate::output;
use crate::text::size;

/// What an account holds now.
#[derive(Deserialize)]
struct Current {
    objects: u64,
    bytes: u64,
    buckets: Vec<Held>,
}

#[derive(Deserialize)]
struct Held {
    name: String,
    objects: u64,
    bytes: u64,
}

/// What an account's buckets held in a month.
#[derive(Deserialize)]
struct Month {
    year: i16,
    month: i8,
    buckets: Vec<HeldInMonth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldInMonth {
    name: String,
    /// Older nodes don't say.
    #[serde(default)]
    deleted: bool,
    bytes_average: u64,
    bytes_max: u64,
    objects_max: u64,
}

/// Runs one verb.
pub(crate) fn usage(arguments: &NounArguments<UsageCommand>, json: bool) -> Result<ExitCode, Failure> {
    let node = Node::open(&arguments.connection)?;
    let call = match &arguments.command {
        UsageCommand::Current => Call::new("GET", "/usage/current", "usage"),
        UsageCommand::Monthly { from, to } => {
            let mut call = Call::new("GET", "/usage/monthly", "usage").by_flags(&[("from", "--from"), ("to", "--to")]);
            for (name, month) in [("from", from), ("to", to)] {
                if let Some(month) = month {
                    call = call.query(name, month);
                }
            }
            call
        }
    };
    let body = node.text(call)?;
    let shown = match &arguments.command {
        _ if json => body,
        UsageCommand::Current => current(&parse(&body)?),
        UsageCommand::Monthly { .. } => monthly(&parse::<Vec<Month>>(&body)?),
    };
    output::print(&shown)?;
    Ok(ExitCode::SUCCESS)
}

fn current(it: &Current) -> String {
    let row = |name: &str, objects: u64, bytes: u64| vec![name.to_owned(), objects.to_string(), size(bytes)];
    let mut rows: Vec<Vec<String>> = it.buckets.iter().map(|it| row(&it.name, it.objects, it.bytes)).collect();
    // No bucket has a name with parentheses.
    rows.push(row("(all)", it.objects, it.bytes));
    table(&["BUCKET", "OBJECTS", "SIZE"], &rows)
}

fn monthly(months: &[Month]) -> String {
    let mut rows = Vec::new();
    for Month { year, month, buckets } in months {
        for it in buckets {
            let (average, most) = (size(it.bytes_average), size(it.bytes_max));
            // No bucket has a name with parentheses.
            let name = if it.deleted { format!("{} (deleted)", it.name) } else { it.name.clone() };
            rows.push(vec![format!("{year}-{month:02}"), name, average, most, it.objects_max.to_string()]);
        }
    }
    if rows.is_empty() {
        return "none".to_owned();
    }
    table(&["MONTH", "BUCKET", "SIZE ON AVERAGE", "SIZE AT MOST", "OBJECTS AT MOST"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_sums_are_rows() {
        let now = r#"{"objects": 3, "bytes": 2048, "buckets": [{"name": "lake", "objects": 3, "bytes": 2048}]}"#;
        let text = current(&serde_json::from_str(now).unwrap());
        assert_eq!(text, "BUCKET  OBJECTS  SIZE\nlake    3        2.0 KiB\n(all)   3        2.0 KiB\n");
        let held = r#"[{"year": 2026, "month": 9, "buckets": []}, {"year": 2026, "month": 10, "buckets":
            [{"name": "lake", "createTime": null, "deleted": true, "bytesAverage": 1024, "bytesMax": 2048, "objectsMax": 3},
             {"name": "lake", "bytesAverage": 0, "bytesMax": 0, "objectsMax": 0}]}]"#;
        let text = monthly(&serde_json::from_str::<Vec<Month>>(held).unwrap());
        let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["2026-10", "lake", "(deleted)", "1.0", "KiB", "2.0", "KiB", "3"]);
        assert_eq!(lines[1], ["2026-10", "lake", "0", "bytes", "0", "bytes", "0"]);
        assert_eq!(monthly(&[]), "none");
    }
}
