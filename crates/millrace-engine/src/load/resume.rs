//! Which loads that an earlier run has left in parts a run goes on with.

use std::collections::BTreeSet;
use std::sync::Mutex;

use millrace_core::name::{Naming, StreamName};

use crate::compile::compiled::Compiled;
use crate::error::Result;
use crate::ports::warehouse::Statement;
use crate::state::State;
use crate::state::lease::Lease;
use crate::state::unfinished::Unfinished;

/// How long it makes sense to go on with a load, in microseconds: a day. What is older is loaded anew.
const KEPT: i64 = 24 * 60 * 60 * 1_000_000;

/// The streams with a load that this run can go on with. The others are forgotten, with what they have put into quarantine; their tables
/// go when the warehouse is next tidied. `now` is in microseconds since 1970 UTC.
pub(crate) async fn sort_out(
    state: &State<'_>,
    compiled: &Compiled,
    lease: &Lease,
    full_refresh: bool,
    now: i64,
) -> Result<Mutex<BTreeSet<StreamName>>> {
    let all = state.unfinished().await?;
    if all.is_empty() {
        return Ok(Mutex::default());
    }
    let there = state.relations(&compiled.schemas.raw).await?;
    let naming = compiled.project.manifest.naming;
    let goes_on = |load: &Unfinished| {
        !full_refresh
            && now - load.loaded_at < KEPT
            && there.iter().any(|(relation, _)| *relation == load.table)
            && is_same(compiled, naming, load)
    };
    let (kept, gone): (Vec<Unfinished>, Vec<Unfinished>) = all.into_iter().partition(goes_on);
    if !gone.is_empty() {
        let mut statements: Vec<Statement> =
            gone.iter().flat_map(|load| load.forgotten(state.tables())).collect();
        statements.push(lease.guard());
        state.warehouse().transact(&statements).await?;
    }
    Ok(Mutex::new(kept.into_iter().map(|load| load.name).collect()))
}

/// Whether the project still loads the stream as that load did.
fn is_same(compiled: &Compiled, naming: Naming, load: &Unfinished) -> bool {
    compiled.catalog.streams.get(&load.name).is_some_and(|stream| stream.fingerprint(naming) == load.spec)
}
