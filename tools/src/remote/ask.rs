//! Questions to the person at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use tokio::signal::unix::{SignalKind, signal};

use crate::ended;
use crate::failure::Failure;

/// Longest line that is typed.
const LINE_BYTES_MAX: u64 = 4096;

/// The terminal that doesn't show what is typed now, and how it was before. Whoever takes it out of here restores it.
static HIDDEN: Mutex<Option<(File, Termios)>> = Mutex::new(None);

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
    restore_at_end().map_err(failed)?;
    // Before the question is put, so that an answer is hidden however fast it comes.
    let (hidden, interrupt) = hide(&terminal).map_err(failed)?;
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
///
/// The signals are watched for ever from the first question on, since they can't be given back: where no question is put any more they end the process as if nobody watched, or leave that to whoever waits for the end.
fn restore_at_end() -> io::Result<()> {
    static WATCHED: Mutex<bool> = Mutex::new(false);
    let mut is_watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if *is_watched {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    drop(entered);
    let watched = move || loop {
        let ended_by = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = hangup.recv() => SignalKind::hangup(),
                _ = quit.recv() => SignalKind::quit(),
            }
        });
        if ended_by == SignalKind::terminate() && ended::is_watched() {
            continue;
        }
        show(&mut hidden());
        std::process::exit(128 + ended_by.as_raw_value());
    };
    std::thread::Builder::new().name("terminal".to_owned()).spawn(watched)?;
    *is_watched = true;
    Ok(())
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

/// Shows no more what is typed until the first of these is dropped; the second is the character of an interrupt.
///
/// Ctrl-C ends the line instead of the process, which would leave a terminal that shows nothing to whoever comes next.
fn hide(terminal: &File) -> io::Result<(Hidden, u8)> {
    // No signal ends this process between the change and the note of it.
    let mut hidden = hidden();
    let before = tcgetattr(terminal)?;
    let interrupt = before.special_codes[SpecialCodeIndex::VINTR];
    let mut modes = before.clone();
    modes.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    modes.special_codes[SpecialCodeIndex::VEOL] = interrupt;
    let kept = terminal.try_clone()?;
    tcsetattr(terminal, OptionalActions::Flush, &modes)?;
    *hidden = Some((kept, before));
    Ok((Hidden, interrupt))
}

fn hidden() -> MutexGuard<'static, Option<(File, Termios)>> {
    HIDDEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Restores the terminal, if there is one to be restored.
fn show(hidden: &mut Option<(File, Termios)>) {
    let Some((terminal, before)) = hidden.take() else { return };
    // Whoever has the terminal by now set it as they need it, and the system stops who changes it in the background.
    if tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp()) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}

/// A terminal that doesn't show what is typed, until this is dropped.
struct Hidden;

impl Drop for Hidden {
    fn drop(&mut self) {
        show(&mut hidden());
    }
}
