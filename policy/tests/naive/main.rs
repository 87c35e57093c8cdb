//! A second evaluator, slow and plain, that reads as `LANGUAGE.md` does, against the crate on random policies and requests.
//!
//! It works on the JSON itself and shares no code with the crate, so that a mistake has to be made twice to stay. Each of
//! its files is a table of the language: `text`, `value`, `condition`, `statement`, `decision`.
//!
//! The usual run is 100,000 pairs of one seed. A longer one, of another:
//!
//! ```sh
//! NAIVE_PAIRS=5000000 NAIVE_SEED=7 cargo test --release -p policy --test naive -- --nocapture
//! ```

mod case;
mod condition;
mod decision;
mod generate;
mod library;
mod random;
mod shrink;
mod statement;
mod text;
mod value;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};

use policy::{Action, Outcome};
use serde_json::{Value, json};

use crate::case::Question;
use crate::library::Compiled;
use crate::random::Random;

/// Requests that are put to each set of policies.
const REQUESTS: usize = 4;
/// One set of policies in so many also goes through `explain` and the JSON of the command line.
const FURTHER: usize = 8;

#[test]
fn random_policies_and_requests_are_decided_as_the_naive_evaluator_decides() {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().expect("a whole number"));
    let (pairs, seed) = (number("NAIVE_PAIRS", 100_000), number("NAIVE_SEED", 1));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let sets = usize::try_from(pairs).expect("a number of pairs").div_ceil(REQUESTS * threads);
    let counts: Vec<[usize; 3]> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..threads as u64).map(|stream| scope.spawn(move || compare(seed, stream, sets))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let count = |index: usize| counts.iter().map(|count| count[index]).sum::<usize>();
    let all = count(0) + count(1) + count(2);
    println!(
        "{all} pairs of seed {seed}: {} allowed, {} denied explicitly, {} implicitly",
        count(0),
        count(1),
        count(2)
    );
    for (index, outcome) in ["Allow", "ExplicitDeny", "ImplicitDeny"].iter().enumerate() {
        assert!(count(index) * 10 >= all, "fewer than one in ten is {outcome}");
    }
}

/// Compares on some sets of policies; counts what was allowed, denied explicitly and implicitly.
fn compare(seed: u64, stream: u64, sets: usize) -> [usize; 3] {
    let mut random = Random::new(seed, stream);
    let mut counts = [0; 3];
    for set in 0..sets {
        let mut case = generate::case(&mut random);
        let compiled = library::compile(&case).unwrap_or_else(|error| panic!("{error}\n{case:#}"));
        for _ in 0..REQUESTS {
            let further = set % FURTHER == 0;
            if let Some(difference) = difference(&compiled, &case, further) {
                report(&case, &difference);
            }
            let applied = decision::applied(&case);
            counts[decision::decide(&case, &applied) as usize] += 1;
            generate::ask_again(&mut case, &mut random);
        }
    }
    counts
}

/// In what the two evaluators differ on a case.
fn difference(compiled: &Compiled, case: &Value, further: bool) -> Option<String> {
    let applied = decision::applied(case);
    let outcome = decision::decide(case, &applied);
    let fits = |policy: usize, name: &str| {
        let named = applied.iter().find(|applied| applied.policy == policy && applied.name == name);
        named.is_some_and(|named| named.deny == (outcome == Outcome::ExplicitDeny))
    };
    // Names that are not in the table of actions can only be asked for in JSON.
    let known = Action::from_name(Question::of(case).action()).is_some();
    if known {
        let Ok(answer) = catch_unwind(AssertUnwindSafe(|| library::decide(compiled, case, further))) else {
            return Some("the crate panicked".to_owned());
        };
        if answer.outcome != outcome {
            return Some(format!("the crate says {:?}, the naive evaluator {outcome:?}", answer.outcome));
        }
        match answer.deciding {
            Some((policy, name)) if !fits(policy, &name) => {
                return Some(format!("{name} of policy {policy} doesn't apply"));
            }
            None if outcome == Outcome::ExplicitDeny => return Some("an explicit Deny names no statement".to_owned()),
            _ => {}
        }
    }
    if (further || !known) && library::is_expressible(case) {
        let spoken = library::eval(case);
        if spoken["decision"] != json!(outcome) {
            return Some(format!("eval says {spoken}, the naive evaluator {outcome:?}"));
        }
        if let (Some(policy), Some(name)) = (spoken["policy"].as_u64(), spoken["sid"].as_str())
            && !fits(usize::try_from(policy).unwrap_or(usize::MAX), name)
        {
            return Some(format!("eval says {spoken}, and that statement doesn't apply"));
        }
    }
    None
}

/// Fails with the smallest case that still shows the difference.
fn report(case: &Value, difference: &str) -> ! {
    let smallest = shrink::shrink(case, |case| differs(case).is_some());
    let now = differs(&smallest).unwrap_or_else(|| difference.to_owned());
    panic!("{now}\n[{smallest:#}]\n");
}

fn differs(case: &Value) -> Option<String> {
    let request = &case["request"];
    let context = request["context"].as_object()?;
    request["principal"].as_str().zip(request["action"].as_str()).zip(request["resource"].as_str())?;
    let compiled = library::compile(case).ok()?;
    context.values().all(|value| !value.is_null()).then(|| difference(&compiled, case, true))?
}
