//! Streams that the project no longer has. What they left in the warehouse is removed, but not at
//! once. A stream may have been removed by mistake, or come back with a rollback of the project's
//! files; it then continues with its rows, some of which its source may no longer have.

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

/// What happens to a stream of the state, at a data version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The project has the stream: nothing happens.
    Stays,
    /// The project has the stream again: its mark is removed.
    IsBack,
    /// The project has just lost the stream: it is marked with the present data version.
    Leaves,
    /// The project lacks the stream, but kept publications were made when it had it.
    Waits,
    /// No kept publication was made when the project had the stream: it is forgotten.
    Goes,
}

/// Decides on a stream that was removed in data version `removed_in`, if at all; `present` is the
/// one that readers see.
fn fate(is_in_project: bool, removed_in: Option<u64>, present: u64) -> Fate {
    match (is_in_project, removed_in) {
        (true, None) => Fate::Stays,
        (true, Some(_)) => Fate::IsBack,
        (false, None) => Fate::Leaves,
        (false, Some(since)) if present + 1 < since + KEPT as u64 => Fate::Waits,
        (false, Some(_)) => Fate::Goes,
    }
}

/// Marks streams that the project no longer has, and forgets those that no kept publication needs;
/// `publish::tidy` then drops their tables. `present` is the data version that readers see: none of
/// its models reads the removed streams, although it may have been made when the project had them.
/// Returns whether it changed anything.
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
                // Rows in quarantine would be read again if the stream came back, so they need not
                // wait.
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

/// The statement that sets or removes the mark.
fn marked(tables: &Tables, stream: &LoadedStream, since: Value) -> Statement {
    let sql =
        format!("update {} set removed_in = $3 where source = $1 and stream = $2", tables.table("streams"));
    Statement::with(sql, stream.name.params().into_iter().chain([since]))
}

/// The statements that remove a stream from all tables of the state.
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
        // With version 5, versions 4 and 3 are kept; the first without the stream was 5.
        let at = |present| fate(false, Some(5), present);
        assert_eq!([5, 6, 7, 8].map(at), [Fate::Waits, Fate::Waits, Fate::Goes, Fate::Goes]);
    }
}
