//! Socket activation: listeners that systemd bound and passed to this process (sd_listen_fds(3)), used instead of binding.
//!
//! A port below 1024 then needs no capability, a start on the first request no polling, and a restart refuses nobody: what connects meanwhile waits in the socket that systemd holds.

use std::net::TcpListener;
use std::sync::Arc;

use rustix::net::sockopt;
use server::config::{Config, Inherited, Listen};

use crate::failure::Failure;

/// More listeners than this are a mistake.
const LISTENERS_MAX: u32 = 64;
const NAMES: &str = "name it s3 or console with FileDescriptorName= in the socket unit";

/// The listeners passed to this process, by the names that their units give them: `s3`, which one without a name is too, and `console`.
///
/// # Errors
/// One that isn't a listening TCP socket, or whose name is another one.
pub(crate) fn inherited() -> Result<Inherited, Failure> {
    let count = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    if count > LISTENERS_MAX {
        return Err(Failure::usage(format!(
            "LISTEN_FDS: {count} sockets are more than the {LISTENERS_MAX} that are taken"
        )));
    }
    let passed = sd_listen_fds::get()
        .map_err(|_| Failure::usage("LISTEN_PID or LISTEN_FDS is not a number; systemd sets both"))?;
    let mut inherited = Inherited::default();
    for (index, (name, descriptor)) in passed.into_iter().enumerate() {
        let name = name.filter(|name| !name.is_empty() && name != "unknown");
        let shown = name.as_deref().unwrap_or("without a name");
        let wrong = |message: &str| Failure::usage(format!("socket {index} passed by systemd ({shown}): {message}"));
        let listener = TcpListener::from(descriptor);
        let listens = sockopt::socket_acceptconn(&listener).is_ok_and(|listens| listens);
        if !listens || listener.local_addr().is_err() {
            return Err(wrong("is no listening TCP socket; use ListenStream= with a port"));
        }
        match name.as_deref() {
            None | Some("s3") => inherited.s3.push(Arc::new(listener)),
            Some("console") if inherited.console.is_some() => {
                return Err(wrong("there is a console already; pass one"));
            }
            Some("console") => inherited.console = Some(Arc::new(listener)),
            Some(_) => return Err(wrong(NAMES)),
        }
    }
    Ok(inherited)
}

/// Lays inherited listeners over what the settings say; answers which settings are then not used.
///
/// # Errors
/// The address of one can't be told.
pub(crate) fn adopt(inherited: Inherited, config: &mut Config) -> Result<Vec<&'static str>, Failure> {
    let mut unused = Vec::new();
    let listen = |listener: &Arc<TcpListener>| {
        let address = listener.local_addr();
        address
            .map(|address| Listen { address, required: true })
            .map_err(|error| Failure::failed(format!("a socket passed by systemd has no address: {error}")))
    };
    if !inherited.s3.is_empty() {
        config.listen = inherited.s3.iter().map(listen).collect::<Result<_, _>>()?;
        unused.push("listen");
    }
    if let Some(console) = &inherited.console {
        config.console = listen(console)?;
        unused.push("console");
    }
    config.inherited = inherited;
    Ok(unused)
}
