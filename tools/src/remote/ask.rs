//! Questions to the person at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Longest line that is typed.
const LINE_BYTES_MAX: u64 = 4096;

/// Asks whether to go on; `yes` answers without asking.
///
/// # Errors
/// There is nobody to ask, or they say no.
pub(super) fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(format!("{question} There is no terminal to ask on; pass --yes")));
    }
    let mut line = String::new();
    let asked = write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stderr().flush());
    asked
        .and_then(|()| io::stdin().lock().take(LINE_BYTES_MAX).read_line(&mut line))
        .map_err(|error| Failure::failed(format!("the terminal can't be read: {error}")))?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was changed")),
    }
}

/// Asks for a secret, which is not shown while it is typed; none without a terminal.
///
/// # Errors
/// The terminal can't be read, or nothing is typed.
pub(super) fn secret(what: &str) -> Result<Option<String>, Failure> {
    // The terminal itself, since standard input may be a file that is sent.
    let Ok(mut terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else { return Ok(None) };
    let failed = |error: io::Error| Failure::failed(format!("the terminal can't be read: {error}"));
    // Before the question is put, so that an answer is hidden however fast it comes.
    let before = hide(&terminal).map_err(failed)?;
    let interrupt = before.special_codes[SpecialCodeIndex::VINTR];
    let hidden = Hidden { terminal: terminal.try_clone().map_err(failed)?, before };
    restore_at_end(&hidden).map_err(failed)?;
    write!(terminal, "{what}: ").and_then(|()| terminal.flush()).map_err(failed)?;
    let read = read_line(&terminal, interrupt);
    drop(hidden);
    // The newline was not shown either.
    let line = writeln!(terminal).and_then(|()| read).map_err(failed)?;
    if interrupt != 0 && line.as_bytes().last() == Some(&interrupt) {
        // As the terminal would have ended this process, had it been left to it.
        let _ = kill_process(getpid(), Signal::INT);
        return Err(Failure::failed(format!("{what}: interrupted")));
    }
    let typed = line.trim_end_matches(['\n', '\r']);
    if typed.is_empty() {
        Err(Failure::usage(format!("{what}: nothing was typed")))
    } else {
        Ok(Some(typed.to_owned()))
    }
}

/// Shows again what is typed when a signal ends this process, which would leave the terminal as it is.
fn restore_at_end(hidden: &Hidden) -> io::Result<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let (terminal, before) = (hidden.terminal.try_clone()?, hidden.before.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    drop(entered);
    let watched = move || {
        let ended_by = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = hangup.recv() => SignalKind::hangup(),
                _ = quit.recv() => SignalKind::quit(),
            }
        });
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
        std::process::exit(128 + ended_by.as_raw_value());
    };
    std::thread::Builder::new().name("terminal".to_owned()).spawn(watched).map(drop)
}

/// Asks for a new secret, twice; none without a terminal.
///
/// # Errors
/// As [`secret`], or the two differ.
pub(super) fn new_secret(what: &str) -> Result<Option<String>, Failure> {
    let Some(first) = secret(what)? else { return Ok(None) };
    if secret("Again")?.as_deref() == Some(first.as_str()) {
        return Ok(Some(first));
    }
    Err(Failure::usage(format!("{what}: the two differ; nothing was changed")))
}

/// What is typed until the end of a line, which an interrupt is too.
fn read_line(mut terminal: &File, interrupt: u8) -> io::Result<String> {
    let mut line = Vec::new();
    let mut part = [0; 256];
    loop {
        let count = match terminal.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        line.extend_from_slice(&part[..count]);
        let ends = |byte: &u8| *byte == b'\n' || *byte == interrupt;
        if count == 0 || line.last().is_some_and(ends) || line.len() as u64 >= LINE_BYTES_MAX {
            return String::from_utf8(line).map_err(|_| io::Error::other("what was typed is not UTF-8"));
        }
    }
}

/// Shows no more what is typed; answers how the terminal was.
///
/// Ctrl-C ends the line instead of the process, which would leave a terminal that shows nothing to whoever comes next.
fn hide(terminal: &File) -> io::Result<Termios> {
    let before = tcgetattr(terminal)?;
    let mut modes = before.clone();
    modes.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    modes.special_codes[SpecialCodeIndex::VEOL] = before.special_codes[SpecialCodeIndex::VINTR];
    tcsetattr(terminal, OptionalActions::Flush, &modes)?;
    Ok(before)
}

/// A terminal that doesn't show what is typed, until this is dropped.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
