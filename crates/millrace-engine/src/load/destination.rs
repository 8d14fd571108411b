//! The table that a load writes to: a new one, or the one of earlier loads.

use millrace_core::cursor::Cursor;
use millrace_core::name::Relation;
use millrace_core::project::source_file::ReadMode;

use crate::compile::catalog::Stream;
use crate::compile::contract::Target;
use crate::compile::table_names;
use crate::error::{Error, ErrorKind, Result};
use crate::load::merge::{Merged, columns_of, merged};
use crate::load::sync::LoadContext;
use crate::ports::warehouse::{Former, LoadMode, Merge};
use crate::state::LoadedStream;
use crate::state::raw_column::RawColumn;

/// The target of a load.
pub(crate) struct Destination {
    pub(crate) table: Relation,
    /// All columns of the table, including those that arriving rows lack.
    pub(crate) columns: Vec<RawColumn>,
    pub(crate) mode: LoadMode,
    /// Whether rows of earlier loads stay in the result.
    pub(crate) continues: bool,
}

impl Destination {
    /// A new table that holds only the arriving rows.
    pub(crate) fn fresh(stream: &Stream, target: &Target, context: &LoadContext<'_>) -> Self {
        let merges = stream.options.mode.merges();
        let merge =
            Merge { key: target.key.clone(), columns: target.warehouse_columns.clone(), former: None };
        Self {
            table: table_names::of_stream(context.raw_schema, &stream.name, context.lease.fence()),
            columns: columns_of(target, merges, stream.masks.as_ref()),
            mode: if merges { LoadMode::Upsert(merge) } else { LoadMode::Create },
            continues: false,
        }
    }

    /// The target of a load that adds to earlier rows: the table of the last load if its columns
    /// suffice, otherwise a new table that takes over its rows. Falls back to a fresh table if the
    /// source can deliver all rows again. Fails with `ContractBroken` if earlier rows can neither
    /// be merged nor be read again.
    pub(crate) fn joining(
        stream: &Stream,
        before: &LoadedStream,
        target: &Target,
        spec: &str,
        context: &LoadContext<'_>,
    ) -> Result<Self> {
        let merges = stream.options.mode.merges();
        let arriving = columns_of(target, merges, stream.masks.as_ref());
        // An incremental source still has all rows. With other settings, earlier rows may have
        // other values, so everything is read again.
        let rereads = stream.options.mode == ReadMode::Incremental;
        if rereads && before.spec != spec {
            return Ok(Self::fresh(stream, target, context));
        }
        let known = match &before.columns {
            // Appended rows may have duplicate keys, and the source may no longer have their files.
            Some(known) if merges && appended(before, known) => {
                let message =
                    format!("stream `{}` was appended to, so its rows cannot be merged by key", stream.name);
                return Err(Error::new(ErrorKind::ContractBroken, message).hint(
                    "Go back to `mode: append`, or begin anew with what the source has now: `millrace run --full-refresh`.",
                ));
            }
            // The earlier rows have no key, and the source still has all of them.
            Some(known) if merges && !has_key(known) => {
                return Ok(Self::fresh(stream, target, context));
            }
            Some(known) => known.clone(),
            None if before.spec == spec => arriving.clone(),
            None => {
                let name = &stream.name;
                let message = format!(
                    "the settings of stream `{name}` have changed, and an earlier version of this program, which kept no list of columns, loaded it"
                );
                return Err(Error::new(ErrorKind::ContractBroken, message)
                    .hint("`millrace run --full-refresh` begins anew with what the source has now."));
            }
        };
        let merged = match merged(&stream.name, &known, arriving, &stream.options.choice.left_out()) {
            Err(_) if rereads => return Ok(Self::fresh(stream, target, context)),
            merged => merged?,
        };
        // The table can be reused only if every column keeps its name and type, and none comes or
        // goes.
        let fits =
            |merged: &Merged| merged.from.as_ref().is_some_and(|old| old.column() == merged.column.column());
        let same_table = merged.len() == known.len() && merged.iter().all(fits);
        if rereads && !same_table {
            return Ok(Self::fresh(stream, target, context));
        }
        let former = (!same_table).then(|| Former {
            table: before.table.clone(),
            columns: merged
                .iter()
                .filter_map(|merged| Some((merged.from.as_ref()?.column(), merged.column.name.clone())))
                .collect(),
        });
        let columns: Vec<RawColumn> = merged.into_iter().map(|merged| merged.column).collect();
        let merge = Merge {
            key: if merges { target.key.clone() } else { Vec::new() },
            columns: columns.iter().map(RawColumn::column).collect(),
            former,
        };
        let table = if same_table {
            before.table.clone()
        } else {
            table_names::of_stream(context.raw_schema, &stream.name, context.lease.fence())
        };
        Ok(Self {
            table,
            columns,
            mode: if merges { LoadMode::Upsert(merge) } else { LoadMode::Append(merge) },
            continues: true,
        })
    }
}

/// Whether the table was merged by a key.
fn has_key(columns: &[RawColumn]) -> bool {
    columns.iter().any(|column| column.key)
}

/// Whether the rows of the load were appended without a key.
fn appended(before: &LoadedStream, columns: &[RawColumn]) -> bool {
    matches!(before.position, Some(Cursor::Files { kept: true, .. })) && !has_key(columns)
}
