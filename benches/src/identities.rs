//! A node with ten thousand permissions and service accounts beside one with a single one of each.
//!
//! What is kept for others must cost whoever asks nothing: starts, gets and changes are measured at both nodes in turns, lists at the full one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::content::Content;
use crate::fact::{Fact, median};
use crate::failure::{Context, Failure, Result};
use crate::http::{Connection, Sink};
use crate::limits::Limits;
use crate::load::{Answer, Heads, Plan, drive};
use crate::node::{ACCESS_KEY, CALLERS_SECRET_KEY, Node, Program, SECRET_KEY, remove};
use crate::process::{memory_bytes, quiet};
use crate::sign::{Credentials, EMPTY_SHA256, Request, Signer};
use crate::target::Target;
use crate::work::{BUCKET, Kind, Measurement, Window, Work, get_key, interleave, prepare};

/// Permissions, and service accounts, of the full node.
const MANY: usize = 10_000;
const OBJECT_BYTES: u64 = 4 << 10;
const OBJECTS: usize = 1000;
/// The calls that answer lists, each with a query that makes it work hard.
const LISTS: [(&str, &[(&str, &str)]); 9] = [
    ("/api/v1/permissions", &[]),
    ("/api/v1/permissions", &[("limit", "1000"), ("order", "desc"), ("sort", "name")]),
    ("/api/v1/permissions", &[("limit", "1000"), ("order", "desc"), ("sort", "serviceAccounts")]),
    ("/api/v1/permissions", &[("limit", "1000"), ("q", "e-0099")]),
    ("/api/v1/service-accounts", &[]),
    ("/api/v1/service-accounts", &[("limit", "1000"), ("order", "desc"), ("sort", "name")]),
    ("/api/v1/service-accounts", &[("limit", "1000"), ("order", "desc"), ("sort", "createTime")]),
    ("/api/v1/service-accounts", &[("limit", "1000"), ("q", "e-0099")]),
    ("/api/v1/buckets/strongroom-benchmark/access", &[]),
];

/// The two nodes' numbers, and the gets' measurements.
pub(crate) async fn run(
    program: &Program,
    parent: &Path,
    rounds: usize,
    time: Duration,
    limits: &Limits,
) -> Result<(Vec<Measurement>, Vec<Fact>)> {
    eprintln!("{MANY} permissions and service accounts");
    let kind = Kind::Get { bytes: OBJECT_BYTES, objects: OBJECTS };
    let works = [16, 64].map(|connections| Work { name: "get 4 KiB, service account", connections, kind });
    let mut directories = Vec::new();
    for count in [1, MANY] {
        let directory = parent.join(format!("identities-{count}"));
        let state = directory.with_extension("json");
        write_state(&state, count)?;
        let node = Program { state: Some(state), ..program.clone() }.serve(&directory)?;
        prepare(&works, &node.target).await?;
        node.server.stop()?;
        directories.push(directory);
    }
    let mut facts = starts(program, &directories, rounds).await?;

    let nodes = [program.serve(&directories[0])?, program.serve(&directories[1])?];
    let targets = [caller("1 of each", &nodes[0]), caller("10,000 of each", &nodes[1])];
    let (measurements, bounds) = interleave(&works, &targets, rounds, time, limits).await?;
    facts.extend(bounds);
    for pair in measurements.chunks_exact(2) {
        let cost = |(few, many): (&Window, &Window)| Some(many.processor_per_request()? / few.processor_per_request()?);
        let ratio = median(pair[0].windows.iter().zip(&pair[1].windows).filter_map(cost));
        let name = format!("CPU of a get at {} connections: {MANY} of each / 1", pair[0].work.connections);
        facts.extend(ratio.map(|ratio| Fact::new(name, ratio, "ratio")));
    }
    for (count, node) in [1, MANY].into_iter().zip(&nodes) {
        let median = changes(node, rounds * 20).await?;
        let name = format!("permission disabled and enabled, each seen by the next get, {count} of each");
        facts.extend(median.map(|value| Fact::new(name, value, "ms")));
    }
    facts.extend(lists(&nodes[1], time / 4).await?);
    for node in nodes {
        node.server.stop()?;
    }
    for directory in directories {
        remove(&directory)?;
    }
    Ok((measurements, facts))
}

/// Writes the state of so many permissions, each of two statements, and as many service accounts, each with one of them.
fn write_state(file: &Path, count: usize) -> Result<()> {
    let permission = |number: usize| {
        let objects = format!("arn:aws:s3:::{BUCKET}/*");
        let others = format!("arn:aws:s3:::team-{number:05}/*");
        json!({ "name": format!("permission-of-one-{number:05}"), "description": "What one of many may do", "type": "policy", "dialect": "aws", "policy": {
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": others },
                { "Effect": "Allow", "Action": "s3:GetObject", "Resource": objects },
            ],
        }})
    };
    let service_account = |number: usize| {
        json!({
            "name": format!("service-account-of-one-{number:05}"),
            "accessKey": access_key(number),
            "secretKey": CALLERS_SECRET_KEY,
            "permissions": [format!("permission-of-one-{number:05}")],
        })
    };
    let account = json!({
        "name": "main",
        "root": { "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY },
        "permissions": (0..count).map(permission).collect::<Vec<_>>(),
        "serviceAccounts": (0..count).map(service_account).collect::<Vec<_>>(),
    });
    std::fs::write(file, json!({ "accounts": [account] }).to_string()).context(format!("writing {}", file.display()))
}

fn access_key(number: usize) -> String {
    format!("BENCHMARK{number:05}")
}

/// The node as its first service account sees it.
fn caller(name: &str, node: &Node) -> Target {
    let credentials = Credentials {
        access_key: access_key(0),
        secret_key: CALLERS_SECRET_KEY.into(),
        region: node.target.credentials.region.clone(),
    };
    Target { name: name.into(), credentials, ..node.target.clone() }
}

/// Starts of both nodes, in turns, each until one of its service accounts has got an object.
async fn starts(program: &Program, directories: &[PathBuf], rounds: usize) -> Result<Vec<Fact>> {
    let mut took = [Vec::new(), Vec::new()];
    let mut memory = [Vec::new(), Vec::new()];
    let mut first = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (which, directory) in directories.iter().enumerate() {
            let begun = Instant::now();
            let node = program.serve(directory)?;
            took[which].push(node.server.start_time.as_secs_f64() * 1e3);
            let read = read_of(&caller("caller", &node));
            let mut client = Connection::open(node.target.address).await?;
            let answer = client.exchange(read.as_bytes(), &Content::empty(), Sink::Discard).await?;
            first[which].push(begun.elapsed().as_secs_f64() * 1e3);
            answer.expect(200).context("the first get")?;
            memory[which].push(memory_bytes(node.server.id(), "VmRSS")? as f64 / f64::from(1 << 20));
            node.server.stop()?;
        }
    }
    let mut facts = Vec::new();
    for (values, what, unit) in [
        (took, "exec to ready", "ms"),
        (first, "exec to the first get", "ms"),
        (memory, "resident memory after the first get", "MiB"),
    ] {
        let [one, many] = &values;
        let ratios: Vec<f64> = one.iter().zip(many).map(|(one, many)| many / one).collect();
        let ratio = median(ratios).filter(|_| unit == "ms");
        facts.extend(ratio.map(|ratio| Fact::new(format!("{what}: {MANY} of each / 1"), ratio, "ratio")));
        for (count, values) in [1, MANY].into_iter().zip(values) {
            facts.extend(median(values).map(|value| Fact::new(format!("{what}, {count} of each"), value, unit)));
        }
    }
    Ok(facts)
}

/// A get of an object, signed by a caller.
fn read_of(caller: &Target) -> String {
    let path = format!("/{BUCKET}/{}", get_key(OBJECT_BYTES, 0));
    let request = Request { method: "GET", path: &path, query: &[], payload: EMPTY_SHA256, body_bytes: 0 };
    caller.signer().head(&request)
}

/// How long it takes from asking for a change to the answer of the first request that it holds for, in milliseconds.
async fn changes(node: &Node, times: usize) -> Result<Option<f64>> {
    let (console, signer) = operator(node)?;
    let mut admin = Connection::open(console).await?;
    let caller = caller("caller", node);
    let mut client = Connection::open(caller.address).await?;
    let read = read_of(&caller);
    quiet(node.server.id()).await?;
    let mut took = Vec::new();
    for _ in 0..times {
        for (method, changed, seen) in [("DELETE", 204, 403), ("PUT", 200, 200)] {
            let path = "/api/v1/permissions/permission-of-one-00000/enabled";
            let change = signer.head(&Request { method, path, query: &[], payload: EMPTY_SHA256, body_bytes: 0 });
            let started = Instant::now();
            let answer = admin.exchange(change.as_bytes(), &Content::empty(), Sink::Discard).await?;
            answer.expect(changed).context("changing a permission")?;
            let answer = client.exchange(read.as_bytes(), &Content::empty(), Sink::Discard).await?;
            took.push(started.elapsed().as_secs_f64() * 1e3);
            answer.expect(seen).context("reading right after a change")?;
        }
    }
    Ok(median(took))
}

/// Each list call, again and again on one connection.
async fn lists(node: &Node, time: Duration) -> Result<Vec<Fact>> {
    let (console, signer) = operator(node)?;
    let mut facts = Vec::new();
    for (path, query) in LISTS {
        let mut heads = Heads::default();
        heads.push(&signer.head(&Request { method: "GET", path, query, payload: EMPTY_SHA256, body_bytes: 0 }));
        let plan = Plan {
            heads,
            body: Content::empty(),
            answer: Answer::Status(200),
            again: true,
            connections: 1,
            time_max: time,
        };
        let tally = drive(console, plan).await.context(format!("listing {path}"))?;
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let call = format!("{path}?{}", query.join("&"));
        facts.push(Fact::new(format!("{call}: p50"), tally.p50.as_secs_f64() * 1e3, "ms"));
        facts.push(Fact::new(format!("{call}: longest"), tally.longest.as_secs_f64() * 1e3, "ms"));
    }
    Ok(facts)
}

/// Where the admin API is, and who signs for the operator there.
fn operator(node: &Node) -> Result<(std::net::SocketAddr, Signer)> {
    let console = node.target.console.ok_or_else(|| Failure::new("a node without a console"))?;
    Ok((console, Signer::of_service(&node.target.credentials, &console.to_string(), "strongroom")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_a_permission_for_each_service_account() {
        let file = tempfile::NamedTempFile::new().unwrap();
        write_state(file.path(), 3).unwrap();
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        let account = &state["accounts"][0];
        assert_eq!(account["permissions"].as_array().unwrap().len(), 3);
        for (service_account, permission) in
            account["serviceAccounts"].as_array().unwrap().iter().zip(account["permissions"].as_array().unwrap())
        {
            assert_eq!(service_account["permissions"][0], permission["name"]);
        }
    }
}
