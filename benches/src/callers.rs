//! Callers with policies of many statements, to show what the decision takes of a request's processor time.
//!
//! All of them ask the same process in turn, root too, who needs no policy: what differs between them is the decision.

use std::path::Path;

use serde_json::{Value, json};

use crate::fact::{Fact, median};
use crate::failure::{Context, Result};
use crate::node::{ACCESS_KEY, CALLERS_SECRET_KEY, SECRET_KEY};
use crate::sign::Credentials;
use crate::target::Target;
use crate::work::{BUCKET, Measurement, Window};

/// Statements of each caller.
const STATEMENTS: [usize; 3] = [1, 100, 1000];
/// A permission of so many statements is well below the length that one may have.
const STATEMENTS_PER_PERMISSION: usize = 40;

/// Writes the state that a node with these callers begins with.
pub(crate) fn write_state(file: &Path) -> Result<()> {
    let mut permissions = Vec::new();
    let mut accounts = Vec::new();
    for count in STATEMENTS {
        let documents = documents(count);
        let names: Vec<String> = (0..documents.len()).map(|number| format!("{count}-{number}")).collect();
        accounts.push(json!({
            "name": access_key(count).to_lowercase(),
            "accessKey": access_key(count),
            "secretKey": CALLERS_SECRET_KEY,
            "permissions": names,
        }));
        permissions.extend(
            names.iter().zip(documents).map(
                |(name, document)| json!({ "name": name, "type": "policy", "dialect": "aws", "policy": document }),
            ),
        );
    }
    let account = json!({
        "name": "main",
        "accountId": "123456789012",
        "displayName": "Benchmark",
        "email": "benchmark@example.com",
        "root": { "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY },
        "permissions": permissions,
        "serviceAccounts": accounts,
    });
    let state = json!({ "accounts": [account] });
    std::fs::write(file, state.to_string()).context(format!("writing {}", file.display()))
}

/// The node as each caller sees it.
pub(crate) fn targets(node: &Target) -> Vec<Target> {
    let target = |count: usize| Target {
        name: caller_name(count),
        credentials: Credentials {
            access_key: access_key(count),
            secret_key: CALLERS_SECRET_KEY.into(),
            region: node.credentials.region.clone(),
        },
        ..node.clone()
    };
    STATEMENTS.into_iter().map(target).collect()
}

/// What each caller's requests take of processor time in relation to root's, round by round.
pub(crate) fn facts(measurements: &[Measurement], root: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    for measurement in measurements {
        if !STATEMENTS.into_iter().any(|count| caller_name(count) == measurement.target) {
            continue;
        }
        let of_root = measurements.iter().find(|other| {
            other.target == root
                && (other.work.name, other.work.connections) == (measurement.work.name, measurement.work.connections)
        });
        let Some(of_root) = of_root else { continue };
        let share = |(own, root): (&Window, &Window)| {
            Some(100.0 * (1.0 - root.processor_per_request()? / own.processor_per_request()?))
        };
        let share = median(measurement.windows.iter().zip(&of_root.windows).filter_map(share));
        let work = measurement.work;
        facts.extend(share.map(|share| {
            let name = format!("{} at {} connections: share of {}", work.name, work.connections, measurement.target);
            Fact::new(name, share, "% of processor time")
        }));
    }
    facts
}

fn caller_name(count: usize) -> String {
    if count == 1 { "1 statement".into() } else { format!("{count} statements") }
}

fn access_key(count: usize) -> String {
    format!("BENCHMARK{count}")
}

/// The last statement of the last document grants; all others are of prefixes beside.
fn documents(count: usize) -> Vec<Value> {
    let statement = |number: usize| {
        let prefix = if number + 1 == count { "get-*".into() } else { format!("team-{number:04}/*") };
        json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{BUCKET}/{prefix}") })
    };
    let statements: Vec<Value> = (0..count).map(statement).collect();
    let document = |statements: &[Value]| json!({ "Version": "2012-10-17", "Statement": statements });
    statements.chunks(STATEMENTS_PER_PERMISSION).map(document).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_as_many_statements_as_they_say_and_fit_into_permissions() {
        for count in STATEMENTS {
            let documents = documents(count);
            let statements = documents.iter().map(|document| document["Statement"].as_array().unwrap().len());
            assert_eq!(statements.sum::<usize>(), count);
            assert!(documents.iter().all(|document| document.to_string().len() < 6144));
        }
    }
}
