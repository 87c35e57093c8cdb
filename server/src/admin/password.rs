//! Passwords hashed and verified: slow on purpose, so never on a thread that serves requests, and few at a time.
//!
//! Each takes 19 MiB and tens of milliseconds; a crowd of sign-ins waits in line instead of taking memory and cores from everybody else.

use std::sync::LazyLock;

use tokio::sync::{Semaphore, oneshot};

use super::answer::{Refusal, Result};
use crate::identity::user::{Password, PasswordHash};

/// Passwords that are hashed at once.
const AT_ONCE_MAX: usize = 2;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE_MAX);

/// What is verified against where there is no such user, so that the answer takes as long.
static NOBODY: LazyLock<Option<PasswordHash>> =
    LazyLock::new(|| PasswordHash::new(&Password::parse("nobody has this password").ok()?).ok());

/// Hashes a password.
pub(super) async fn hash(password: Password) -> Result<PasswordHash> {
    in_turn(move || PasswordHash::new(&password)).await?.map_err(|error| Refusal::internal(&error))
}

/// Whether a password is the one of a hash; without a hash it isn't, after the same time.
pub(super) async fn verify(password: Password, hash: Option<PasswordHash>) -> Result<bool> {
    in_turn(move || match (hash, &*NOBODY) {
        (Some(hash), _) => hash.verify(&password),
        (None, nobody) => {
            // The time is what counts; nobody signs in by it.
            let _ = nobody.as_ref().is_some_and(|hash| hash.verify(&password));
            false
        }
    })
    .await
}

/// Does the work on a thread of its own, when it is its turn.
///
/// The allocator keeps for each thread what that has used and freed: threads of the blocking pool, of which there may be hundreds, would keep 19 MiB each. A thread that ends hands its share on to the next.
async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let _turn = TURNS.acquire().await.map_err(|error| Refusal::internal(&error))?;
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("password".to_owned());
    // Whoever waited for it may have gone away.
    let begun = thread.spawn(move || drop(sender.send(work())));
    begun.map_err(|error| Refusal::internal(&error))?;
    receiver.await.map_err(|error| Refusal::internal(&error))
}
