//! What was measured, as a table for people and JSON for programs.
//!
//! Medians of the rounds, and ratios taken within each round before their median: the only figures that mean something on a shared machine.

use serde_json::{Value, json};

use crate::fact::{Fact, median};
use crate::target::BARE_HYPER;
use crate::work::{Measurement, Window, microseconds};

/// All that a run found.
#[derive(Default)]
pub(crate) struct Report {
    /// What was run on what, in the order it is to be said.
    pub(crate) about: Vec<(&'static str, String)>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) facts: Vec<Fact>,
    /// What the reader must know to judge the numbers.
    pub(crate) remarks: Vec<String>,
}

impl Report {
    /// The table.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.about {
            text.push_str(&format!("{name}: {value}\n"));
        }
        if !self.measurements.is_empty() {
            text.push('\n');
            text.push_str(&table(&self.rows()));
        }
        if !self.facts.is_empty() {
            text.push('\n');
            let rows =
                self.facts.iter().map(|fact| vec![fact.name.clone(), number(Some(fact.value)), fact.unit.into()]);
            let header = ["", "value", "unit"].map(String::from).to_vec();
            text.push_str(&table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()));
        }
        for remark in &self.remarks {
            text.push_str(&format!("\n{remark}"));
        }
        text.push_str("\nMedians of the rounds. Ratios are those of each round's windows, then their median. \"of bare hyper\": work per second of the server's processor time, and per second, divided by bare hyper's. \"others\": cores that other processes and the kernel kept busy.\n");
        text
    }

    /// Everything, each round included.
    pub(crate) fn json(&self) -> Value {
        json!({
            "about": self.about.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>(),
            "measurements": self.measurements.iter().map(|measurement| self.measurement_json(measurement)).collect::<Vec<_>>(),
            "facts": self.facts.iter().map(|fact| json!({ "name": fact.name, "value": fact.value, "unit": fact.unit })).collect::<Vec<_>>(),
            "remarks": self.remarks,
        })
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let header = [
            "work",
            "conns",
            "server",
            "req/s",
            "MiB/s",
            "p50 us",
            "p99 us",
            "CPU us/req",
            "of bare hyper: per CPU-s",
            "per s",
            "syncs/req",
            "others",
        ];
        let mut rows = vec![header.map(String::from).to_vec()];
        for measurement in &self.measurements {
            let over = |value: fn(&Window) -> Option<f64>| number(median(measurement.windows.iter().filter_map(value)));
            rows.push(vec![
                measurement.work.name.to_owned(),
                measurement.work.connections.to_string(),
                measurement.target.clone(),
                over(|window| Some(window.rate())),
                over(|window| Some(window.mebibytes())),
                over(|window| Some(microseconds(window.tally.p50))),
                over(|window| Some(microseconds(window.tally.p99))),
                over(Window::processor_per_request),
                number(self.ratio(measurement, |ours, bare| {
                    Some(bare.processor_per_request()? / ours.processor_per_request()?)
                })),
                number(self.ratio(measurement, |ours, bare| Some(ours.rate() / bare.rate()))),
                over(Window::syncs_per_request),
                over(|window| window.others_cores),
            ]);
        }
        rows
    }

    fn measurement_json(&self, measurement: &Measurement) -> Value {
        let over = |value: fn(&Window) -> Option<f64>| {
            let rounds: Vec<f64> = measurement.windows.iter().filter_map(value).collect();
            json!({ "median": median(rounds.iter().copied()), "rounds": rounds })
        };
        json!({
            "work": measurement.work.name,
            "connections": measurement.work.connections,
            "server": measurement.target,
            "requestsPerSecond": over(|window| Some(window.rate())),
            "mebibytesPerSecond": over(|window| Some(window.mebibytes())),
            "p50Microseconds": over(|window| Some(microseconds(window.tally.p50))),
            "p99Microseconds": over(|window| Some(microseconds(window.tally.p99))),
            "maximumMicroseconds": over(|window| Some(microseconds(window.tally.longest))),
            "serverCpuMicrosecondsPerRequest": over(Window::processor_per_request),
            "generatorCpuMicrosecondsPerRequest": over(|window| Some(microseconds(window.generator) / window.tally.requests as f64)),
            "syncsPerRequest": over(Window::syncs_per_request),
            "recordsPerRequest": over(|window| Some(window.records? / window.tally.requests as f64)),
            "othersCores": over(|window| window.others_cores),
            "workPerCpuSecondOfBareHyper": self.ratio(measurement, |ours, bare| Some(bare.processor_per_request()? / ours.processor_per_request()?)),
            "workPerSecondOfBareHyper": self.ratio(measurement, |ours, bare| Some(ours.rate() / bare.rate())),
        })
    }

    /// A ratio to bare hyper's window of the same work and round; None for bare hyper itself and where it takes no part.
    fn ratio(&self, measurement: &Measurement, of: fn(&Window, &Window) -> Option<f64>) -> Option<f64> {
        let bare = self.measurements.iter().find(|other| {
            other.target == BARE_HYPER
                && (other.work.name, other.work.connections) == (measurement.work.name, measurement.work.connections)
        })?;
        if measurement.target == BARE_HYPER {
            return None;
        }
        median(measurement.windows.iter().zip(&bare.windows).filter_map(|(ours, bare)| of(ours, bare)))
    }
}

/// Three significant digits, thousands set apart.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return "-".into() };
    if value >= 100.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else if value >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

/// Columns set under each other, those of numbers at the right. The first row is the header.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let numeric: Vec<bool> = (0..columns)
        .map(|column| {
            let mut cells = rows.iter().skip(1).filter_map(|row| row.get(column));
            cells.all(|cell| cell.chars().all(|digit| digit.is_ascii_digit() || matches!(digit, ',' | '.' | '-')))
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).zip(&numeric).map(|((cell, &width), &numeric)| {
            if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_show_thousands() {
        let shown = [0.1234, 1.234, 12.34, 123.4, 1234.6, 1_234_567.0].map(|value| number(Some(value)));
        assert_eq!(shown, ["0.123", "1.23", "12.3", "123", "1,235", "1,234,567"]);
        assert_eq!(number(None), "-");
        assert_eq!(number(Some(f64::NAN)), "-");
    }
}
