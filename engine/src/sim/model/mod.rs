//! Model conformance: every verb, with checkpoints, compaction, scrub, vacuum, reopening, power cuts and rebuilds in
//! between, must answer as plain maps do; and the index must be what a rebuild makes of the log.
//!
//! Each mutation is acknowledged before anything is cut off, so the reference knows exactly what must be there. A run
//! is made of one seed, `SIM_SEED` and `SIM_COUNT` choose which, and one that fails is shrunk to a short list of
//! transitions.

mod compare;
mod machine;
mod reference;
mod transition;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use machine::Machine;
use reference::{Answer, Reference, Setup};
use transition::Transition;

/// How many transitions a run has.
const TRANSITIONS: std::ops::RangeInclusive<usize> = 54..=60;
/// What shrinking may take: runs, of some milliseconds each.
const SHRINKS_MAX: u32 = 4000;

impl ReferenceStateMachine for Reference {
    type State = Reference;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Reference> {
        let setup = (select(&[4096, 8192, 32 << 10][..]), select(&[3, 20, 1000][..]), any::<u64>().no_shrink());
        let setup = setup.prop_map(|(segment_bytes, memtable_entries_max, disk_seed)| {
            Reference::new(Setup { segment_bytes, memtable_entries_max, disk_seed })
        });
        setup.boxed()
    }

    fn transitions(state: &Reference) -> BoxedStrategy<Transition> {
        transition::transitions(state)
    }

    fn preconditions(state: &Reference, transition: &Transition) -> bool {
        transition.is_possible(state)
    }

    fn apply(mut state: Reference, transition: &Transition) -> Reference {
        state.answer = state.take(transition).unwrap_or_else(Answer::Refused);
        state
    }
}

impl StateMachineTest for Machine {
    type SystemUnderTest = Machine;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> Machine {
        Machine::new(reference.setup)
    }

    fn apply(mut machine: Machine, reference: &Reference, transition: Transition) -> Machine {
        machine.take(&transition, reference);
        machine
    }

    fn teardown(machine: Machine, reference: Reference) {
        machine.store().compact().unwrap();
        machine.compare(machine.store(), &reference);
        machine.recount();
    }
}

/// How the store is set up, what happens, and how much of that did.
type Run = (Reference, Vec<Transition>, Option<Arc<AtomicUsize>>);

/// The runner of a seed, and the run that it makes.
fn run_of(seed: u64) -> (TestRunner, impl ValueTree<Value = Run>) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        ProptestConfig { failure_persistence: None, max_shrink_iters: SHRINKS_MAX, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let run = Reference::sequential_strategy(TRANSITIONS).new_tree(&mut runner).unwrap();
    (runner, run)
}

/// One run of a seed.
pub(super) fn conform(seed: u64) {
    let (runner, run) = run_of(seed);
    let (reference, transitions, seen) = run.current();
    Machine::test_sequential(runner.config().clone(), reference, transitions, seen);
}

/// The least that fails as the run of a seed does, and how it does.
fn shrunk(seed: u64) -> String {
    let (mut runner, run) = run_of(seed);
    let config = runner.config().clone();
    let outcome = runner.run_one(run, |(reference, transitions, seen)| {
        Machine::test_sequential(config.clone(), reference, transitions, seen);
        Ok(())
    });
    match outcome {
        Err(TestError::Fail(reason, (reference, transitions, _))) => {
            let list: String = transitions.iter().map(|transition| format!("  {transition:?}\n")).collect();
            format!("{reason}\nafter, with {:?},\n{list}", reference.setup)
        }
        outcome => format!("it does not fail again: {:?}", outcome.map(drop).map_err(|error| error.to_string())),
    }
}

#[test]
fn every_verb_answers_as_plain_maps_do_whatever_happens_in_between() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let (first, count): (u64, u64) = (number("SIM_SEED").unwrap_or(0), number("SIM_COUNT").unwrap_or(150));
    for seed in first..first + count {
        if catch_unwind(AssertUnwindSafe(|| conform(seed))).is_err() {
            // Each attempt that fails would print its message.
            std::panic::set_hook(Box::new(|_| {}));
            let least = shrunk(seed);
            drop(std::panic::take_hook());
            panic!("seed {seed} fails, and so does this: {least}");
        }
    }
}
