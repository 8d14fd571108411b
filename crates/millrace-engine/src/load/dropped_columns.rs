//! Columns that models read and that have vanished from their stream. Loading them as NULL would
//! publish wrong figures without a warning, so the run is held before anything of the stream is
//! loaded.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::Ident;
use millrace_core::project::source_file::ReadMode;

use crate::compile::catalog::Stream;
use crate::compile::contract::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::load::sync::LoadContext;
use crate::ports::source::Discovered;
use crate::ports::warehouse::{QueryLimits, Statement};
use crate::state::LoadedStream;

/// A vanished column.
struct Gone {
    /// The source's name.
    source: String,
    /// The models that read it, each in backticks.
    readers: Vec<String>,
}

/// Fails with `ColumnVanished` if the load would leave a column without values that models read and
/// that had values. Only warns if the column never had values, or if the rows with its values stay.
/// `discovered` is what the source has at present.
pub(crate) async fn refuse(
    stream: &Stream,
    before: Option<&LoadedStream>,
    target: &Target,
    discovered: &Discovered,
    context: &LoadContext<'_>,
) -> Result<()> {
    let (mut lost, mut told) = (Vec::new(), Vec::new());
    for (source, name) in gone(stream, before, target, discovered, context) {
        let readers = context.models.iter().filter(|model| model.reads(&stream.name, &name));
        let readers: Vec<String> = readers.map(|model| format!("`{}`", model.name)).collect();
        if readers.is_empty() {
            continue;
        }
        let holds =
            !rows_stay(stream, before, context) && had_values(before, (&source, &name), context).await?;
        if holds { &mut lost } else { &mut told }.push(Gone { source, readers });
    }
    if let Some(error) = held(stream, before, &lost, discovered) {
        return Err(error);
    }
    let stay = rows_stay(stream, before, context);
    for column in &told {
        (context.observer)(Event::Notice(Box::new(notice(stream, column, stay))));
    }
    Ok(())
}

/// Whether new rows are appended and earlier rows keep their values. Columns of files that were
/// moved away are unknown; if those files still exist, a column that only they have has not
/// vanished.
fn rows_stay(stream: &Stream, before: Option<&LoadedStream>, context: &LoadContext<'_>) -> bool {
    stream.options.mode == ReadMode::Append
        && !context.full_refresh
        && before.is_some_and(|before| before.rows > 0)
}

/// The error for vanished columns; `None` if there are none. The hint names columns that are new in
/// the source, because the column may have been renamed.
fn held(
    stream: &Stream,
    before: Option<&LoadedStream>,
    lost: &[Gone],
    discovered: &Discovered,
) -> Option<Error> {
    let (Gone { source: column, readers }, others) = lost.split_first()?;
    let (name, source) = (&stream.name, &stream.name.source);
    let message =
        format!("column `{column}` of stream `{name}` is gone, and {} would read NULL", models(readers));
    let known = |column: &str| {
        stream.captured.as_ref().is_some_and(|captured| captured.column(column).is_some())
            || columns(before).any(|(known, _)| known == column)
    };
    let new = discovered.schema.columns.iter().filter(|column| !known(&column.name));
    let new: Vec<String> = new.map(|column| format!("`{}`", column.name)).collect();
    let renamed = match new.as_slice() {
        [] => String::new(),
        new => format!(" New in the source: {}; was it renamed?", new.join(", ")),
    };
    let hint = format!(
        "Nothing was loaded of the stream.{renamed} Change what reads it, and accept what the source has now with `millrace capture {source}`."
    );
    let error = Error::new(ErrorKind::ColumnVanished, message).hint(hint);
    Some(others.iter().fold(error, |error, Gone { source, readers }| {
        error.caused_by(format!("column `{source}` is gone, too, which {} reads", readers.join(", ")))
    }))
}

/// The warning for a vanished column that does not hold the run.
fn notice(stream: &Stream, Gone { source: column, readers }: &Gone, rows_stay: bool) -> Diagnostic {
    let (name, models) = (&stream.name, models(readers));
    let message = if rows_stay {
        format!(
            "column `{column}` of stream `{name}` is in no file that is there, and {models} will read NULL of it in new rows"
        )
    } else {
        format!(
            "column `{column}` of stream `{name}` is gone, and {models} will read NULL; nothing that was loaded before had a value of it"
        )
    };
    let hint = format!(
        "Where it was renamed, name the new one in what reads it; `millrace capture {}` writes down what the source has now.",
        stream.name.source
    );
    Diagnostic::warning(Code::ColumnVanished, message).hint(hint)
}

/// ``model `a` `` or ``models `a`, `b` ``.
fn models(readers: &[String]) -> String {
    format!("{} {}", if readers.len() == 1 { "model" } else { "models" }, readers.join(", "))
}

/// Vanished columns as (source's name, warehouse's name). Without a captured schema, the columns of
/// the last load are compared, if its rows stay.
fn gone(
    stream: &Stream,
    before: Option<&LoadedStream>,
    target: &Target,
    discovered: &Discovered,
    context: &LoadContext<'_>,
) -> Vec<(String, String)> {
    if stream.captured.is_some() {
        let name = |column: &String| (column.clone(), stream.options.column_name(context.naming, column));
        return target.gone.iter().map(name).collect();
    }
    // An empty discovery shows no column, so none is known to have vanished.
    if !stream.options.mode.keeps() || context.full_refresh || discovered.is_empty() {
        return Vec::new();
    }
    let left_out = stream.options.choice.left_out();
    columns(before)
        .filter(|(source, _)| discovered.schema.column(source).is_none() && !left_out.contains(source))
        .map(|(source, name)| (source.to_owned(), name.to_owned()))
        .collect()
}

/// The columns of a load as (source's name, warehouse's name).
fn columns(before: Option<&LoadedStream>) -> impl Iterator<Item = (&str, &str)> {
    let columns = before.and_then(|before| before.columns.as_ref()).into_iter().flatten();
    columns.map(|column| (column.source.as_str(), column.name.as_str()))
}

/// Whether the last load has a value in a column. If there was no load, or none with this column,
/// no value is lost.
async fn had_values(
    before: Option<&LoadedStream>,
    (source, name): (&str, &str),
    context: &LoadContext<'_>,
) -> Result<bool> {
    let Some(before) = before else { return Ok(false) };
    // The column may have had another name in the warehouse.
    let known = before.columns.as_ref().map(|known| known.iter().find(|column| column.source == source));
    let name = match known {
        Some(None) => return Ok(false),
        Some(Some(column)) => &column.name,
        None => name,
    };
    let sql = format!("select 1 as one from {} where {} is not null limit 1", before.table, Ident::new(name));
    let found = context.warehouse.query(&Statement::new(sql), QueryLimits::WORK).await?;
    Ok(!found.is_empty())
}
