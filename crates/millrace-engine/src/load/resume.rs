//! Decides which incomplete loads of earlier runs a run resumes.

use std::collections::BTreeSet;
use std::sync::Mutex;

use millrace_core::name::{Naming, StreamName};

use crate::compile::compiled::Compiled;
use crate::error::Result;
use crate::ports::warehouse::Statement;
use crate::state::State;
use crate::state::lease::Lease;
use crate::state::unfinished::Unfinished;

/// How old an incomplete load may be to be resumed, in microseconds: one day.
const KEPT: i64 = 24 * 60 * 60 * 1_000_000;

/// The streams with an incomplete load that this run can resume: recent, with its table still
/// there, and with unchanged settings. The records of other loads are removed together with their
/// rows in quarantine; `publish::tidy` drops their tables later. `now` is in microseconds since
/// 1970 UTC.
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

/// Whether the project loads the stream with the same settings as that load.
fn is_same(compiled: &Compiled, naming: Naming, load: &Unfinished) -> bool {
    compiled.catalog.streams.get(&load.name).is_some_and(|stream| stream.fingerprint(naming) == load.spec)
}
