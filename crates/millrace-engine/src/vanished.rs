//! Columns that models read and that are gone from their stream. Loaded as NULL they would be published as if nothing were amiss, so the run
//! is held before anything of the stream is loaded.

use millrace_core::name::Ident;
use millrace_core::schema::StreamSchema;

use crate::catalog::Stream;
use crate::contract::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::state::LoadedStream;
use crate::sync::SyncContext;
use crate::warehouse::{QueryLimits, Statement};

/// Refuses a load that would leave a column without values which models read, and which had some. `observed` is what the source has now.
pub(crate) async fn refuse(
    stream: &Stream,
    before: Option<&LoadedStream>,
    target: &Target,
    observed: &StreamSchema,
    context: &SyncContext<'_>,
) -> Result<()> {
    let mut found = Vec::new();
    for (source, name) in gone(stream, before, target, observed, context) {
        let readers = context.models.iter().filter(|model| model.reads(&stream.name, &name));
        let readers: Vec<String> = readers.map(|model| format!("`{}`", model.name)).collect();
        if !readers.is_empty() && had_values(before, &name, context).await? {
            found.push((source, readers));
        }
    }
    let Some((first, readers)) = found.first() else { return Ok(()) };
    let (name, source) = (&stream.name, &stream.name.source);
    let word = if readers.len() == 1 { "model" } else { "models" };
    let message = format!(
        "column `{first}` of stream `{name}` is gone, and {word} {} would read NULL",
        readers.join(", ")
    );
    let known = |column: &str| {
        stream.captured.as_ref().is_some_and(|captured| captured.column(column).is_some())
            || columns(before).any(|(known, _)| known == column)
    };
    let new = observed.columns.iter().filter(|column| !known(&column.name));
    let new: Vec<String> = new.map(|column| format!("`{}`", column.name)).collect();
    let renamed = match new.as_slice() {
        [] => String::new(),
        new => format!(" New in the source: {}; was it renamed?", new.join(", ")),
    };
    let hint = format!(
        "Nothing was loaded of the stream.{renamed} Change what reads it, and accept what the source has now with `millrace capture {source}`."
    );
    let error = Error::new(ErrorKind::ColumnVanished, message).hint(hint);
    Err(found.iter().skip(1).fold(error, |error, (column, readers)| {
        error.caused_by(format!("column `{column}` is gone, too, which {} reads", readers.join(", ")))
    }))
}

/// Names of columns that are gone: the source's and the warehouse's. Without a captured schema what an earlier load has left is compared, where
/// its rows stay.
fn gone(
    stream: &Stream,
    before: Option<&LoadedStream>,
    target: &Target,
    observed: &StreamSchema,
    context: &SyncContext<'_>,
) -> Vec<(String, String)> {
    if stream.captured.is_some() {
        let name = |column: &String| (column.clone(), stream.options.column_name(context.naming, column));
        return target.gone.iter().map(name).collect();
    }
    if !stream.options.mode.keeps() || context.full_refresh || observed.columns.is_empty() {
        return Vec::new();
    }
    let left_out = stream.options.choice.left_out();
    columns(before)
        .filter(|(source, _)| observed.column(source).is_none() && !left_out.contains(source))
        .map(|(source, name)| (source.to_owned(), name.to_owned()))
        .collect()
}

/// The columns of an earlier load: the source's names and the warehouse's.
fn columns(before: Option<&LoadedStream>) -> impl Iterator<Item = (&str, &str)> {
    let columns = before.and_then(|before| before.columns.as_ref()).into_iter().flatten();
    columns.map(|column| (column.source.as_str(), column.name.as_str()))
}

/// Whether the last load has a value in a column. Where there was none, nothing is lost that anybody has seen.
async fn had_values(before: Option<&LoadedStream>, column: &str, context: &SyncContext<'_>) -> Result<bool> {
    let Some(before) = before else { return Ok(true) };
    if before.columns.as_ref().is_some_and(|columns| !columns.iter().any(|known| known.name == column)) {
        return Ok(true);
    }
    let sql =
        format!("select 1 as one from {} where {} is not null limit 1", before.table, Ident::new(column));
    let found = context.warehouse.query(&Statement::new(sql), QueryLimits::WORK).await?;
    Ok(!found.is_empty())
}
