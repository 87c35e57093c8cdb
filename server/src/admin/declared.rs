//! The node's state as a file: printed, and applied with a plan that can be looked at first. The operator's, since it spans all accounts.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::permissions;
use super::wire;
use crate::declare::{self, Applied, ApplyError, ApplyOptions, Author};
use crate::identity::plan::Mode;
use crate::identity::print;
use crate::protocol::request::Query;
use crate::state::State;

/// The header with the file's name, for messages.
const NAME_HEADER: &str = "x-strongroom-state-name";

/// The longest name of a file that is told again, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Changes that the audit log names of one file.
const CHANGES_NOTED_MAX: usize = 1_000;

/// `GET /state`
pub(super) async fn read(call: &Call) -> Result<Answer> {
    require_operator(call)?;
    Answer::ok(&state_of(&call.state))
}

/// `POST /state`: the body is the file.
pub(super) async fn apply(call: &Call) -> Result<Answer> {
    require_operator(call)?;
    let name = call.head.headers.get(NAME_HEADER).and_then(|name| name.to_str().ok()).unwrap_or("state");
    let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
    let author = if call.caller()?.kind() == "root" { Author::Root } else { Author::User };
    let switches = Switches::of(&call.query)?;
    let applied = apply_file(&call.state, name, &call.body, switches, author, call.by()?).await?;
    let changes = applied.changes.get(..CHANGES_NOTED_MAX).unwrap_or(&applied.changes);
    let (permissions, omitted) = permissions::audited(&call.snapshot(), &applied.deleted_permissions);
    let _ = call.noted.set(json!({
        "file": name,
        "dryRun": switches.dry_run,
        "prune": switches.prune,
        "changes": changes,
        "changesOmitted": applied.changes.len() - changes.len(),
        "deletedPermissions": permissions,
        "deletedPermissionsOmitted": omitted,
        "failed": applied.failed.as_ref().map(ToString::to_string),
    }));
    if let Some(error) = applied.failed {
        return Err(refusal(error));
    }
    Answer::ok(&switches.shown(applied))
}

/// How a state file is applied.
#[derive(Clone, Copy, Debug)]
struct Switches {
    /// What isn't declared is deleted.
    prune: bool,
    /// Nothing is changed.
    dry_run: bool,
}

impl Switches {
    /// Reads `prune` and `dryRun`. Neither is guessed: a `dryRun=True` that counted as false would change what its author only wanted to see.
    fn of(query: &Query) -> Result<Switches> {
        let switch = |name: &str| match query.value(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::invalid(name, "must be true or false")),
        };
        Ok(Switches { prune: switch("prune")?, dry_run: switch("dryRun")? })
    }

    /// What came of it.
    fn shown(self, applied: Applied) -> wire::Applied {
        wire::Applied { changes: applied.changes, notes: applied.notes, applied: !self.dry_run }
    }
}

/// The state of a node, without secrets.
fn state_of(state: &State) -> Value {
    let buckets = |account: &str| {
        let own = state.store.buckets().into_iter().filter(|bucket| bucket.owner == account);
        own.map(|bucket| declare::bucket_state(state, &bucket)).collect()
    };
    print::state_of(&state.identities.snapshot(), buckets)
}

/// Brings a node to the state that a file declares; a dry run only says what would change.
async fn apply_file(
    state: &Arc<State>,
    name: &str,
    file: &[u8],
    Switches { prune, dry_run }: Switches,
    author: Author,
    by: String,
) -> Result<Applied> {
    let text = std::str::from_utf8(file);
    let text = text.map_err(|_| refusal(ApplyError::Refused(format!("{name} is not UTF-8"))))?;
    let options = ApplyOptions { mode: Mode::Apply { prune }, dry_run, author, by: Some(by) };
    let applied = declare::apply(state, name, text, options).await;
    let applied = applied.map_err(refusal)?;
    if !dry_run && !applied.changes.is_empty() && applied.failed.is_none() {
        tracing::info!(file = %name, changes = applied.changes.len(), "state applied");
    }
    Ok(applied)
}

fn refusal(error: ApplyError) -> Refusal {
    match error {
        ApplyError::Refused(text) => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "InvalidState", text),
        ApplyError::Conflict(text) => Refusal::conflict("StateConflict", text),
        ApplyError::Denied(text) => Refusal::denied(text),
        ApplyError::Storage(text) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceNotReady", text),
    }
}

fn require_operator(call: &Call) -> Result<()> {
    call.require_operator("The node's state is the operator's account's to see and to apply.")
}
