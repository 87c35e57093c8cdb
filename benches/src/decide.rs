//! What a decision costs, by itself.
//!
//! A request pays for its decision once, in a few hundred nanoseconds that drown in the noise of a socket; here they are measured alone, shapes in turn.

use std::hint::black_box;
use std::time::{Duration, Instant};

use policy::{AttachedPolicy, Request};
use serde_json::{Value, json};

use crate::arguments::Decide;
use crate::fact::median;
use crate::failure::{Context, Failure, Result};
use crate::machine;
use crate::report::{number, table};
use crate::shape::{Shape, shapes};

/// A batch is long enough that reading the clock doesn't count.
const BATCH_NANOSECONDS: f64 = 5_000.0;
const BATCH_DECISIONS_MAX: usize = 64;

/// What a shape cost, a value a round: nanoseconds for a decision.
#[derive(Default)]
struct Costs {
    mean: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    allocations: f64,
}

/// Measures every shape and prints the table.
pub(crate) fn run(arguments: &Decide) -> Result<()> {
    let load_before = machine::load_average()?;
    let shapes = shapes()?;
    let mut costs = Vec::new();
    for shape in &shapes {
        answers_as_known(shape)?;
        costs.push(Costs { allocations: allocations(shape), ..Costs::default() });
    }
    let time = Duration::from_secs_f64(arguments.seconds);
    for _ in 0..arguments.rounds {
        for (shape, costs) in shapes.iter().zip(&mut costs) {
            turn(shape, time, costs)?;
        }
    }
    println!("machine: {}", machine::line()?);
    println!("rounds: {} of {} s each, shapes in turn", arguments.rounds, arguments.seconds);
    println!("load average: {load_before} before, {} after\n", machine::load_average()?);
    print!("{}", table(&rows(&shapes, &costs)));
    println!(
        "\nMedians of the rounds, for one decision. p50 and p99 are of batches of up to {BATCH_DECISIONS_MAX} decisions; the mean has what else the machine did in it."
    );
    if let Some(path) = &arguments.json {
        let text = format!("{:#}\n", json(&shapes, &costs));
        std::fs::write(path, text).context(format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// A measurement of wrong answers says nothing.
fn answers_as_known(shape: &Shape) -> Result<()> {
    for request in shape.requests() {
        let outcome = policy::decide(attached(shape), &request).outcome;
        if outcome != shape.outcome {
            let Shape { name, asked, outcome: known, .. } = shape;
            return Err(Failure::new(format!("{name}, {asked}: {request:?} is {outcome:?} instead of {known:?}")));
        }
    }
    Ok(())
}

/// Allocations of a decision.
fn allocations(shape: &Shape) -> f64 {
    let requests = shape.requests();
    let counted = allocation_counter::measure(|| {
        for request in &requests {
            decide(shape, request);
        }
    });
    counted.count_total as f64 / requests.len() as f64
}

/// One turn of a shape.
fn turn(shape: &Shape, time: Duration, costs: &mut Costs) -> Result<()> {
    let requests = shape.requests();
    let batch = |decisions: usize| {
        let start = Instant::now();
        for request in requests.iter().cycle().take(decisions) {
            decide(shape, request);
        }
        start.elapsed().as_secs_f64() * 1e9 / decisions as f64
    };
    // The first ones bring the policies into the caches and say how long a batch is.
    let guess = median((0..16).map(|_| batch(4))).unwrap_or(1.0);
    let decisions = ((BATCH_NANOSECONDS / guess.max(1.0)) as usize).clamp(1, BATCH_DECISIONS_MAX);
    let (start, mut batches) = (Instant::now(), Vec::new());
    while start.elapsed() < time || batches.is_empty() {
        batches.push(batch(decisions));
    }
    batches.sort_by(f64::total_cmp);
    let at = |share: f64| batches.get(((batches.len() - 1) as f64 * share) as usize).copied();
    costs.mean.push(batches.iter().sum::<f64>() / batches.len() as f64);
    costs.p50.push(at(0.5).context("a turn without a batch")?);
    costs.p99.push(at(0.99).context("a turn without a batch")?);
    Ok(())
}

fn decide(shape: &Shape, request: &Request<'_>) {
    black_box(policy::decide(attached(black_box(shape)), black_box(request)));
}

fn attached(shape: &Shape) -> impl Iterator<Item = AttachedPolicy<'_>> {
    shape.policies.iter().map(|policy| AttachedPolicy::new(policy, "policy"))
}

fn rows(shapes: &[Shape], costs: &[Costs]) -> Vec<Vec<String>> {
    let header = ["shape", "asked", "policies", "statements", "p50 ns", "p99 ns", "p99/p50", "mean ns", "allocations"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for (shape, costs) in shapes.iter().zip(costs) {
        let middle = |values: &[f64]| median(values.iter().copied());
        let spread = costs.p99.iter().zip(&costs.p50).map(|(p99, p50)| p99 / p50);
        rows.push(vec![
            shape.name.to_owned(),
            shape.asked.to_owned(),
            shape.policies.len().to_string(),
            shape.statements().to_string(),
            number(middle(&costs.p50)),
            number(middle(&costs.p99)),
            number(median(spread)),
            number(middle(&costs.mean)),
            number(Some(costs.allocations)),
        ]);
    }
    rows
}

fn json(shapes: &[Shape], costs: &[Costs]) -> Value {
    let row = |(shape, costs): (&Shape, &Costs)| {
        let over = |rounds: &[f64]| json!({ "median": median(rounds.iter().copied()), "rounds": rounds });
        json!({
            "shape": shape.name,
            "asked": shape.asked,
            "policies": shape.policies.len(),
            "statements": shape.statements(),
            "nanoseconds": over(&costs.mean),
            "p50Nanoseconds": over(&costs.p50),
            "p99Nanoseconds": over(&costs.p99),
            "allocations": costs.allocations,
        })
    };
    json!({ "decisions": shapes.iter().zip(costs).map(row).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_answered_as_it_says() {
        for shape in shapes().unwrap() {
            answers_as_known(&shape).unwrap();
        }
    }
}
