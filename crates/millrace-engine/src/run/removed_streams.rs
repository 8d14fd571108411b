//! Streams that the project has no longer. What they left behind goes, but not at once: a stream that was taken out by mistake, or that a
//! rollback of the project's files brings back, goes on with the rows that it had, of which its source may have some no more.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::value::Value;

use crate::compile::compiled::Compiled;
use crate::error::Result;
use crate::event::{Event, Observer};
use crate::ports::warehouse::Statement;
use crate::run::publish::KEPT;
use crate::state::lease::Lease;
use crate::state::{LoadedStream, State, Tables, quarantine};

/// What becomes of a stream that the state knows, at a data version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The project has it.
    Stays,
    /// The project has it again.
    IsBack,
    /// The project has it no longer.
    Leaves,
    /// Publications are kept that were made when the project had it.
    Waits,
    /// None is.
    Goes,
}

fn fate(is_in_project: bool, removed_in: Option<u64>, present: u64) -> Fate {
    match (is_in_project, removed_in) {
        (true, None) => Fate::Stays,
        (true, Some(_)) => Fate::IsBack,
        (false, None) => Fate::Leaves,
        (false, Some(since)) if present + 1 < since + KEPT as u64 => Fate::Waits,
        (false, Some(_)) => Fate::Goes,
    }
}

/// Puts on record which streams the project has no longer, and forgets those of which nothing is needed any more; then `publish::tidy` drops
/// their tables. `present` is the data version that readers see: no model of it reads them, though it may have been made when the project had
/// them. Returns whether there was anything to do.
pub(crate) async fn sort_out(
    state: &State<'_>,
    compiled: &Compiled,
    lease: &Lease,
    present: u64,
    observer: &Observer,
) -> Result<bool> {
    let tables = state.tables();
    let mut statements = Vec::new();
    for stream in state.streams().await? {
        let is_in_project = compiled.catalog.streams.contains_key(&stream.name);
        match fate(is_in_project, stream.removed_in, present) {
            Fate::Stays | Fate::Waits => {}
            Fate::IsBack => statements.push(marked(tables, &stream, Value::Null)),
            Fate::Leaves => {
                statements.push(marked(tables, &stream, Value::Int(present.into())));
                if stream.is_read_whole() {
                    statements.push(quarantine::replaced(&stream.name, tables));
                }
                observer(Event::Notice(Box::new(notice(&stream, present))));
            }
            Fate::Goes => statements.extend(forgotten(tables, &stream)),
        }
    }
    if statements.is_empty() {
        return Ok(false);
    }
    statements.push(lease.guard());
    state.warehouse().transact(&statements).await?;
    Ok(true)
}

fn marked(tables: &Tables, stream: &LoadedStream, since: Value) -> Statement {
    let sql =
        format!("update {} set removed_in = $3 where source = $1 and stream = $2", tables.table("streams"));
    Statement::with(sql, stream.name.params().into_iter().chain([since]))
}

fn forgotten<'a>(tables: &'a Tables, stream: &'a LoadedStream) -> impl Iterator<Item = Statement> + 'a {
    ["streams", "quarantine", "key_comparisons", "unfinished"].into_iter().map(|table| {
        let sql = format!("delete from {} where source = $1 and stream = $2", tables.table(table));
        Statement::with(sql, stream.name.params())
    })
}

fn notice(stream: &LoadedStream, present: u64) -> Diagnostic {
    let message =
        format!("stream `{}` is no longer in the project; its raw table is still kept", stream.name);
    let hint = format!(
        "It is dropped after data version {}. Until then the stream goes on where it was when it is put back.",
        present + KEPT as u64 - 1
    );
    Diagnostic::warning(Code::StreamRemoved, message).hint(hint).of_stream(&stream.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_goes_with_the_last_publication_that_was_made_with_it() {
        assert_eq!(fate(true, None, 9), Fate::Stays);
        assert_eq!(fate(true, Some(3), 9), Fate::IsBack);
        assert_eq!(fate(false, None, 9), Fate::Leaves);
        // Kept beside 5 are 4 and 3; the first without the stream was 5.
        let at = |present| fate(false, Some(5), present);
        assert_eq!([5, 6, 7, 8].map(at), [Fate::Waits, Fate::Waits, Fate::Goes, Fate::Goes]);
    }
}
