//! Finds the `strongroom` binary under test, and runs it as a command.
//!
//! The binary belongs to another package, so cargo doesn't build it for these tests; a stale one would test yesterday's code and pass.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The binary under test: `$STRONGROOM_BIN`, else `strongroom` in the target directory of the running test.
///
/// # Panics
/// When it is absent, or older than a source file that it was built from (as its dep-info file lists them): build it with `cargo build -p tools`.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("STRONGROOM_BIN") {
            return PathBuf::from(path);
        }
        let test = std::env::current_exe().expect("a running test has a path");
        let profile = test.parent().and_then(Path::parent).expect("tests run from target/PROFILE/deps");
        let binary = profile.join("strongroom");
        assert!(binary.exists(), "{} is absent: run `cargo build -p tools` first", binary.display());
        if let Some(newer) = newer_source(&binary) {
            panic!("{} is older than {newer}: run `cargo build -p tools` first", binary.display());
        }
        binary
    })
}

/// A source file that changed after the binary was built.
fn newer_source(binary: &Path) -> Option<String> {
    let modified = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let built: SystemTime = modified(binary)?;
    let listing = std::fs::read_to_string(binary.with_extension("d")).ok()?;
    let (_, sources) = listing.split_once(": ")?;
    let sources = sources.trim_end().replace("\\ ", "\0");
    sources.split(' ').map(|s| s.replace('\0', " ")).find(|s| modified(Path::new(s)).is_some_and(|m| m > built))
}

/// Runs a subcommand to its end.
pub fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("the binary starts")
}

/// The binary as a command.
pub fn command() -> Command {
    clean(path())
}

/// A program with nothing of the caller's configuration in its environment.
pub(crate) fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STRONGROOM_") {
            command.env_remove(name);
        }
    }
    command.stdin(std::process::Stdio::null());
    command
}
