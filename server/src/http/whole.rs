//! Work that is carried out whole, whoever waits for it.
//!
//! When a client hangs up, hyper drops what it was still waiting for, wherever that is: behind a change that is durable and before the record of who made it, say.

use std::future::{Future, pending};
use std::panic::resume_unwind;

/// Does `work` on a task of its own, to its end, also when the caller goes away meanwhile.
pub(crate) async fn whole<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            // As if it had happened here.
            Ok(panic) => resume_unwind(panic),
            // The runtime ends, and with it whoever waits.
            Err(_) => pending().await,
        },
    }
}
