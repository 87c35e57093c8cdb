//! Whether the suites notice every seeded bug: each is switched on in turn, and something must fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{compaction, crash, damage, faults, full, model};
use crate::bugs::{Bug, seed};

/// Seeds that a bug may survive.
const SEEDS_MAX: u64 = 100;

/// The suites for one seed, quick ones first.
fn suites(number: u64) {
    if number == 0 {
        assert_ne!(crate::format::seed(&[1; 16], 1), crate::format::seed(&[1; 16], 2));
        faults::i6_after_a_failed_sync_nothing_is_acknowledged_until_the_store_was_reopened();
        full::a_full_disk_refuses_puts_loses_nothing_and_is_freed_by_deleting();
        damage::swap_bulk_segments(0);
    }
    for number in 6 * number..6 * number + 6 {
        faults::serve_an_unproven_record_and_cut_the_power(number);
        full::refuse_a_group_and_cut_the_power(number);
        faults::fail_a_sync_of_the_index(number);
        damage::flip_a_bit(number);
        damage::lose_a_segment(number);
        damage::overwrite_sectors(number);
        damage::misdirect_a_write(number);
        compaction::cut_the_power_in_a_compaction(number, number);
    }
    compaction::take_back_an_object_of_an_upload(number);
    compaction::empty_each_segment_alone(number as usize);
    model::conform(number);
    crash::schedule(number);
}

/// The seed at which a bug is noticed.
fn noticed_at(bug: Bug, suites: fn(u64), most: u64) -> Option<u64> {
    seed(Some(bug));
    let most = std::env::var("KILL_SEEDS").ok().and_then(|most| most.parse().ok()).unwrap_or(most);
    let noticed = (0..most).find(|number| catch_unwind(AssertUnwindSafe(|| suites(*number))).is_err());
    seed(None);
    noticed
}

/// Every `count`th bug from `first` on, so that tests can run beside one another.
fn kill(first: usize, count: usize) {
    kill_all(Bug::ALL.into_iter().skip(first).step_by(count), suites, SEEDS_MAX);
}

fn kill_all(bugs: impl Iterator<Item = Bug>, suites: fn(u64), most: u64) {
    // The failures are what is wanted, their messages are not.
    std::panic::set_hook(Box::new(|_| {}));
    let only = std::env::var("KILL_BUG").ok();
    let bugs = bugs.filter(|bug| only.as_ref().is_none_or(|only| format!("{bug:?}") == *only));
    let mut outcomes = Vec::new();
    for bug in bugs {
        let noticed = noticed_at(bug, suites, most);
        println!("{bug:?}: {noticed:?}");
        outcomes.push((bug, noticed));
    }
    drop(std::panic::take_hook());
    let survivors: Vec<_> = outcomes.iter().filter(|(_, noticed)| noticed.is_none()).collect();
    assert!(survivors.is_empty(), "not noticed: {survivors:?}");
}

#[test]
fn schedules_of_the_log_alone_notice_every_seeded_bug_of_log_and_recovery() {
    const OTHERS: [Bug; 11] = [
        // These need damage, a deleted bucket, or blocks that a crash does not touch.
        Bug::Unseeded,
        Bug::RotIsATornTail,
        Bug::NoDoubt,
        Bug::SkipBlockChecksum,
        Bug::KeepOrphanedParts,
        Bug::DropUnreadable,
        // These take more seeds: the last one a full disk, a group larger than a segment and a power cut right away.
        Bug::SkipDataChecksum,
        Bug::IgnoreGaps,
        Bug::NoSyncInPlace,
        Bug::FirstCopyWins,
        Bug::CutWithoutSync,
    ];
    let bugs = Bug::ALL.into_iter().filter(|bug| !OTHERS.contains(bug));
    kill_all(bugs, crash::schedule_of_the_log, 500);
}

#[test]
fn the_suites_notice_every_seeded_bug_first_third() {
    kill(0, 3);
}

#[test]
fn the_suites_notice_every_seeded_bug_second_third() {
    kill(1, 3);
}

#[test]
fn the_suites_notice_every_seeded_bug_last_third() {
    kill(2, 3);
}
