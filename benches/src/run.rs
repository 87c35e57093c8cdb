//! The runs: which servers, which works, in which order.
//!
//! `node` and `compare` are the same run with one server more, so that a comparison never measures less than what we measure of ourselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::arguments::{Common, Endpoint, Part};
use crate::callers;
use crate::fact::Fact;
use crate::failure::{Context, Failure, Result};
use crate::identities;
use crate::limits::Limits;
use crate::machine;
use crate::node::{self, Node, Program};
use crate::process::{Server, memory_bytes};
use crate::report::Report;
use crate::sign::Credentials;
use crate::target::{BARE_HYPER, Target};
use crate::upkeep;
use crate::work::{BUCKET, Kind, LISTED_BUCKET, Payload, Work, fill_listed, interleave, prepare};

/// Objects that gets of a size choose from.
const SMALL_OBJECTS: usize = 1000;
const MIDDLE_OBJECTS: usize = 64;
const LARGE_OBJECTS: usize = 4;
/// No server that syncs puts more 4 KiB objects a second and connection; at most this many in all.
const PUTS_A_SECOND_AND_CONNECTION: usize = 8_000;
const PUTS_A_SECOND_MAX: usize = 40_000;
/// Starts on an empty directory.
const EMPTY_STARTS: usize = 11;

/// Measures our node, and the other endpoint when there is one.
pub(crate) async fn run(common: &Common, other: Option<&Endpoint>) -> Result<Report> {
    let program = Program {
        path: common.bin.clone(),
        durability: common.durability.clone(),
        arguments: common.serve_arg.clone(),
        state: None,
    };
    let place = tempfile::tempdir_in(&common.turns.directory)
        .context(format!("a directory in {}", common.turns.directory.display()))?;
    let mut report = Report { about: about(common, &program)?, ..Report::default() };
    let wanted = |part| common.only.is_empty() || common.only.contains(&part);
    let small = works(common, wanted(Part::Small), wanted(Part::Large));

    let limits = Limits::new(place.path())?;
    if wanted(Part::Limits) {
        eprintln!("limits");
        report.facts.extend(limits.facts()?);
    }
    if wanted(Part::Start) {
        report.facts.extend(node::empty_starts(&program, place.path(), EMPTY_STARTS)?);
    }
    if !small.is_empty() {
        requests(common, &program, other, &small, &place.path().join("requests"), &limits, &mut report).await?;
    }
    if wanted(Part::Policies) {
        let state = place.path().join("state.json");
        callers::write_state(&state)?;
        let program = Program { state: Some(state), ..program.clone() };
        policies(common, &program, &place.path().join("policies"), &limits, &mut report).await?;
    }
    if wanted(Part::Identities) {
        let time = Duration::from_secs_f64(common.turns.seconds);
        let (measurements, facts) = identities::run(&program, place.path(), common.turns.rounds, time, &limits).await?;
        report.measurements.extend(measurements);
        report.facts.extend(facts);
    }
    if wanted(Part::List) || wanted(Part::Start) {
        let directory = place.path().join("filled");
        let (node, facts) = node::filled(&program, &directory, common.objects).await?;
        report.facts.extend(facts);
        if wanted(Part::List) {
            lists(common, &node, other, &limits, &mut report).await?;
        }
        if wanted(Part::Start) {
            let facts = node::restarts(&program, node, &directory, common.objects, common.turns.rounds).await?;
            report.facts.extend(facts);
        }
        node::remove(&directory)?;
    }
    if wanted(Part::Memory) {
        let bytes = common.stream_gibibytes << 30;
        report.facts.extend(node::streaming(&program, &place.path().join("stream"), bytes).await?);
    }
    if wanted(Part::Upkeep) {
        let (directory, time) = (place.path().join("upkeep"), Duration::from_secs_f64(common.turns.seconds));
        report.facts.extend(upkeep::beside_maintenance(&program, &directory, common.turns.rounds, time).await?);
        report.facts.extend(upkeep::sustained(&program, &place.path().join("sustained")).await?);
    }
    report.about.push(("load average at the end", machine::load_average()?));
    Ok(report)
}

fn works(common: &Common, small: bool, large: bool) -> Vec<Work> {
    let mut works = Vec::new();
    if small {
        for connections in [1, 16, 64] {
            let kind = Kind::Get { bytes: 4 << 10, objects: SMALL_OBJECTS };
            works.push(Work { name: "get 4 KiB", connections, kind });
        }
        for connections in [1, 16, 64] {
            let rate = (PUTS_A_SECOND_AND_CONNECTION * connections).min(PUTS_A_SECOND_MAX);
            let objects_max = (rate as f64 * common.turns.seconds).ceil() as usize;
            let kind = Kind::Put { bytes: 4 << 10, objects_max, payload: Payload::Signed };
            works.push(Work { name: "put 4 KiB signed", connections, kind });
        }
    }
    if large {
        for connections in [1, 16] {
            let kind = Kind::Get { bytes: 1 << 20, objects: MIDDLE_OBJECTS };
            works.push(Work { name: "get 1 MiB", connections, kind });
        }
        for connections in [1, 16] {
            let kind = Kind::Put { bytes: 1 << 20, objects_max: 256, payload: Payload::Signed };
            works.push(Work { name: "put 1 MiB signed", connections, kind });
        }
        let get = Kind::Get { bytes: 64 << 20, objects: LARGE_OBJECTS };
        works.push(Work { name: "get 64 MiB", connections: 1, kind: get });
        for (name, payload) in
            [("put 64 MiB unsigned payload", Payload::Unsigned), ("put 64 MiB signed", Payload::Signed)]
        {
            let kind = Kind::Put { bytes: 64 << 20, objects_max: LARGE_OBJECTS, payload };
            works.push(Work { name, connections: 1, kind });
        }
    }
    works
}

/// Gets and puts against bare hyper, our node and the other endpoint.
async fn requests(
    common: &Common,
    program: &Program,
    other: Option<&Endpoint>,
    works: &[Work],
    directory: &Path,
    limits: &Limits,
    report: &mut Report,
) -> Result<()> {
    let bare = bare_hyper(directory)?;
    let loaded = program.serve(directory)?;
    prepare(works, &loaded.target).await?;
    // Gets are of objects that an earlier process wrote: its index answers, not what it still had in memory.
    loaded.server.stop()?;
    let node = program.serve(directory)?;
    let mut targets = vec![bare.target, node.target.clone()];
    if let Some(endpoint) = other {
        let target = target_of(endpoint)?;
        prepare(works, &target).await?;
        targets.push(target);
    }
    let time = Duration::from_secs_f64(common.turns.seconds);
    let (measurements, facts) = interleave(works, &targets, common.turns.rounds, time, limits).await?;
    report.measurements.extend(measurements);
    report.facts.extend(facts);
    if node.target.log_counters().await?.is_none() {
        report.remarks.push("/metrics has no strongroom_engine_syncs_total and strongroom_engine_records_total: syncs per put are not known.".into());
    }
    let peak = memory_bytes(node.server.id(), "VmHWM")? as f64 / f64::from(1 << 20);
    report.facts.push(Fact::new("peak memory through all gets and puts", peak, "MiB"));
    if other.is_some()
        && let Some(target) = targets.last()
    {
        target.remove_bucket(BUCKET).await?;
    }
    node.server.stop()?;
    bare.server.kill()?;
    node::remove(directory)
}

/// Gets by callers who differ in their policies only.
async fn policies(
    common: &Common,
    program: &Program,
    directory: &Path,
    limits: &Limits,
    report: &mut Report,
) -> Result<()> {
    let kind = Kind::Get { bytes: 4 << 10, objects: SMALL_OBJECTS };
    let works = [16, 64].map(|connections| Work { name: "get 4 KiB under policies", connections, kind });
    let loaded = program.serve(directory)?;
    prepare(&works, &loaded.target).await?;
    loaded.server.stop()?;
    let bare = bare_hyper(directory)?;
    let node = program.serve(directory)?;
    let root = Target { name: "root, no policy".into(), ..node.target.clone() };
    let mut targets = vec![bare.target, root.clone()];
    targets.extend(callers::targets(&node.target));
    let time = Duration::from_secs_f64(common.turns.seconds);
    let (measurements, facts) = interleave(&works, &targets, common.turns.rounds, time, limits).await?;
    report.facts.extend(facts);
    report.facts.extend(callers::facts(&measurements, &root.name));
    report.measurements.extend(measurements);
    node.server.stop()?;
    bare.server.kill()?;
    node::remove(directory)
}

/// Pages of lists at our node and the other endpoint.
async fn lists(
    common: &Common,
    node: &Node,
    other: Option<&Endpoint>,
    limits: &Limits,
    report: &mut Report,
) -> Result<()> {
    let keys = common.objects;
    let page = Work { name: "list 1,000 keys", connections: 1, kind: Kind::ListPage { keys } };
    let mut works = vec![page];
    // One page holds a thousand prefixes.
    if keys <= 1_000_000 {
        works.push(Work { name: "list prefixes", connections: 1, kind: Kind::ListPrefixes { keys } });
    }
    let mut targets = vec![node.target.clone()];
    if let Some(endpoint) = other {
        let target = target_of(endpoint)?;
        fill_listed(keys, &target).await?;
        targets.push(target);
    }
    report.remarks.push(format!("Lists are of a bucket of {keys} keys, a thousand to a prefix."));
    let time = Duration::from_secs_f64(common.turns.seconds);
    let (measurements, facts) = interleave(&works, &targets, common.turns.rounds, time, limits).await?;
    report.measurements.extend(measurements);
    report.facts.extend(facts);
    if other.is_some()
        && let Some(target) = targets.last()
    {
        target.remove_bucket(LISTED_BUCKET).await?;
    }
    Ok(())
}

/// This binary again, as the server that sets the limit.
fn bare_hyper(directory: &Path) -> Result<Node> {
    let program = std::env::current_exe().context("finding this program")?;
    let server = Server::start(Command::new(program).arg("bare"), &directory.with_extension("bare.log"))?;
    let url = server.ready["s3"].as_str().context("bare hyper's ready line names no address")?;
    let (host, address) = Target::locate(url)?;
    let credentials = Credentials { access_key: "BARE".into(), secret_key: "bare".into(), region: "us-east-1".into() };
    let process = Some(server.id());
    let target = Target { name: BARE_HYPER.into(), address, host, credentials, process, console: None, stores: false };
    Ok(Node { server, target })
}

fn target_of(endpoint: &Endpoint) -> Result<Target> {
    let (host, address) = Target::locate(&endpoint.endpoint)?;
    if endpoint.name == BARE_HYPER || endpoint.name.starts_with("strongroom ") {
        return Err(Failure::new(format!("--name {}: one of our own servers has this name", endpoint.name)));
    }
    Ok(Target {
        name: endpoint.name.clone(),
        address,
        host,
        credentials: Credentials {
            access_key: endpoint.access_key.clone(),
            secret_key: endpoint.secret_key.clone(),
            region: endpoint.region.clone(),
        },
        process: endpoint.pid,
        console: None,
        stores: true,
    })
}

fn about(common: &Common, program: &Program) -> Result<Vec<(&'static str, String)>> {
    let kind = machine::file_system(&common.turns.directory)?;
    let forgets = if machine::is_volatile(&kind) { ", where a sync costs nothing" } else { "" };
    let meaning = match common.durability.as_str() {
        "strict" => "strict: a put is synced before its answer",
        _ => "relaxed: nothing is synced",
    };
    Ok(vec![
        ("strongroom", format!("{}, {}", program.version()?, absolute(&common.bin).display())),
        ("arguments", if common.serve_arg.is_empty() { "none".into() } else { common.serve_arg.join(" ") }),
        ("durability", meaning.into()),
        ("hyper", hyper_version().to_owned()),
        ("machine", machine::line()?),
        ("data on", format!("{kind}{forgets}")),
        ("rounds", format!("{} of {} s each, servers in turn", common.turns.rounds, common.turns.seconds)),
        ("load average at the start", machine::load_average()?),
    ])
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The version in the workspace's lock file, which is the one this program is built with.
fn hyper_version() -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let version = lock.split("name = \"hyper\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    version.unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_hyper_is_the_locked_one() {
        assert!(hyper_version().starts_with("1."), "{}", hyper_version());
    }
}
