//! A fault of this program itself, told as every other error: one line, and an exit code that is promised.
//!
//! A damaged file may drive a library into a state that it only panics about; whoever looks for damage must not get a stack trace for it.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;

/// What the last panic said, and where.
static SAID: Mutex<Option<String>> = Mutex::new(None);

/// Runs a command of which a panic is a failure, told with what to do. What a library panics about and the engine takes back is not shown at all.
///
/// # Errors
/// As `work`, or what a panic said.
pub(crate) fn guarded<T>(advice: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    panic::set_hook(Box::new(|info| *SAID.lock().unwrap_or_else(PoisonError::into_inner) = Some(said(info))));
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    let _ours = panic::take_hook();
    done.unwrap_or_else(|_| {
        let said = SAID.lock().unwrap_or_else(PoisonError::into_inner).take();
        let said = said.unwrap_or_else(|| "for no reason that was told".to_owned());
        Err(Failure::failed(format!("strongroom gave up, which is a fault of its own: {said}: {advice}")))
    })
}

fn said(info: &PanicHookInfo<'_>) -> String {
    let text = info.payload_as_str().unwrap_or("no text");
    match info.location() {
        Some(place) => format!("{text} ({}:{})", place.file(), place.line()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line() {
        let failure = guarded::<()>("do this", || panic!("range end\nindex 7")).unwrap_err();
        let line = failure.to_string();
        assert!(
            line.contains("range end index 7 (") && line.contains("broken.rs:") && line.ends_with("do this"),
            "{line}"
        );
        assert_eq!(guarded("", || Ok(7)).unwrap(), 7);
    }
}
