//! The commit queue under loom: every order in which callers, the committer and whoever closes the store can meet there,
//! up to a number of preemptions.
//!
//! The committer is the real one, on a simulated disk. loom sees the queue, the outcomes and how threads sleep and are
//! woken; whatever else a mutation does is over before another thread goes on. The store has no other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread::{self, JoinHandle};

use super::fixture::{self, key};
use super::{Faults, SimClock, SimDisk};
use crate::bugs::{Bug, seed};
use crate::index::plain;
use crate::*;

const PREEMPTIONS_MAX: usize = 5;
/// Opening a store takes more than loom gives a thread.
const STACK_BYTES: usize = 1 << 20;

/// Runs a model in every order; answers how many there were.
fn check(model: impl Fn() + Send + Sync + 'static) -> usize {
    let orders = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.max_branches = 10_000;
    let (model, counted) = (Arc::new(model), Arc::clone(&orders));
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let model = Arc::clone(&model);
        spawn(move || model()).join().unwrap();
    });
    orders.load(Ordering::Relaxed)
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap()
}

/// A store with a bucket, whose committer runs on a thread of loom's.
struct World {
    disk: Arc<SimDisk>,
    store: Store,
    bucket: BucketId,
    committer: JoinHandle<()>,
}

impl World {
    fn new() -> World {
        let disk = SimDisk::new(0);
        let _plain = plain::choose();
        let vfs = Arc::new(Arc::clone(&disk));
        let (store, mut committer) =
            Store::open_unstarted(vfs, Arc::new(SimClock::default()), fixture::options()).unwrap();
        let core = Arc::clone(&store.core);
        let bucket = {
            let new = NewBucket {
                name: BucketName::parse("bucket").unwrap(),
                owner: String::new(),
                versioning: Versioning::Unversioned,
                attributes: Bytes::new(),
            };
            let mut creating = std::pin::pin!(store.create_bucket(new));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(creating.as_mut().poll(&mut context).is_pending());
            assert!(committer.step(&core, false));
            match creating.as_mut().poll(&mut context) {
                std::task::Poll::Ready(bucket) => bucket.unwrap().id,
                std::task::Poll::Pending => panic!("a bucket that was committed is not answered"),
            }
        };
        let committer = spawn(move || while committer.step(&core, true) {});
        World { disk, store, bucket, committer }
    }

    fn put(&self, name: &'static str) -> Commit<Stored> {
        self.store.put(Put {
            bucket: self.bucket,
            key: key(name),
            body: Body::Inline(Bytes::from_static(b"body")),
            etag: ETag::of_body([7; 16]),
            attributes: Attributes::default(),
            precondition: Precondition::default(),
        })
    }

    /// Puts on a thread of its own.
    fn caller(&self, name: &'static str) -> JoinHandle<Result<Stored, Error>> {
        let put = self.put(name);
        spawn(move || put.wait())
    }

    fn holds(&self, name: &str) -> bool {
        self.store.head(self.bucket, &key(name), None, Wait::Allowed).is_ok()
    }

    /// Nothing of what was answered is left to be lost.
    fn is_durable(&self) {
        assert_eq!(self.disk.unsynced("log/"), None, "acknowledged before it was synced");
    }

    fn end(self) {
        self.store.core.queue.close();
        self.committer.join().unwrap();
        let _ = self.store.close();
    }
}

fn two_callers_are_answered() -> usize {
    check(|| {
        let world = World::new();
        let other = world.caller("a");
        world.put("b").wait().unwrap();
        other.join().unwrap().unwrap();
        world.is_durable();
        assert!(world.holds("a") && world.holds("b"));
        world.end();
    })
}

#[test]
fn every_caller_is_answered_after_the_sync_of_its_group() {
    let orders = two_callers_are_answered();
    assert!(orders > 5000, "{orders}");
}

#[test]
fn what_is_queued_when_the_store_closes_is_committed_or_refused_and_always_answered() {
    check(|| {
        let world = World::new();
        let caller = world.caller("a");
        world.store.core.queue.close();
        match caller.join().unwrap() {
            Ok(_) => {
                world.is_durable();
                assert!(world.holds("a"));
            }
            Err(Error::Closed) => assert!(!world.holds("a")),
            Err(error) => panic!("{error}"),
        }
        world.end();
    });
}

#[test]
fn i6_after_a_failed_sync_every_caller_is_refused_and_none_waits_for_ever() {
    check(|| {
        let world = World::new();
        let sync_fails_at = Some(world.disk.effects());
        world.disk.set_faults(Faults { sync_fails_at, ..Faults::default() });
        let other = world.caller("a");
        let one = world.put("b").wait();
        for outcome in [one, other.join().unwrap()] {
            assert!(matches!(outcome, Err(Error::ReadOnly { .. })), "{outcome:?}");
        }
        assert!(!world.holds("a") && !world.holds("b"));
        world.end();
    });
}

/// Who polls first and waits later, on another thread, is woken where it waits.
#[test]
fn the_waker_that_was_given_last_is_woken() {
    check(|| {
        let world = World::new();
        let mut put = world.put("a");
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let polled = std::pin::Pin::new(&mut put).poll(&mut context);
        match polled {
            std::task::Poll::Ready(stored) => _ = stored.unwrap(),
            std::task::Poll::Pending => _ = spawn(move || put.wait()).join().unwrap().unwrap(),
        }
        world.is_durable();
        world.end();
    });
}

#[test]
fn a_caller_that_went_away_holds_nobody_up() {
    check(|| {
        let world = World::new();
        let mut abandoned = world.put("a");
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = std::pin::Pin::new(&mut abandoned).poll(&mut context);
        drop(abandoned);
        // Of the same key, so it waits until the first one's record is published.
        world.put("a").wait().unwrap();
        world.is_durable();
        world.end();
    });
}

#[test]
fn a_committer_that_panics_leaves_nobody_waiting() {
    check(|| {
        let world = World::new();
        let caller = world.caller("a");
        let abandoned = world.put("b");
        // What the guard of the committer's thread does.
        world.store.core.queue.abandon();
        for outcome in [caller.join().unwrap(), abandoned.wait()] {
            assert!(matches!(outcome, Ok(_) | Err(Error::Closed)), "{outcome:?}");
        }
        world.end();
    });
}

#[test]
#[should_panic(expected = "acknowledged before it was synced")]
fn the_model_notices_an_acknowledgement_before_the_sync() {
    seed(Some(Bug::AcknowledgeBeforeSync));
    two_callers_are_answered();
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_model_notices_a_committer_that_sleeps_without_another_look() {
    seed(Some(Bug::SleepUnlooked));
    two_callers_are_answered();
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_model_notices_a_caller_that_registers_late() {
    seed(Some(Bug::RegisterLate));
    two_callers_are_answered();
}
