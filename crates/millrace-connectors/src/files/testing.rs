//! Runs formats under test: the text of a file in, rows and quarantined rows out.

use arrow_array::{Array, RecordBatch};
use millrace_core::project::column_choice::LeftOut;
use millrace_core::project::settings::{Setting, Settings};
use millrace_core::project::source_file::ReadMode;
use millrace_core::quarantine::QuarantinedRow;
use millrace_core::schema::{Column, StreamSchema};
use millrace_engine::error::Result;
use millrace_engine::ports::batch::{BatchSender, batch_queue};
use millrace_engine::ports::source::{Drift, ReadRequest, StreamRequest};

pub(crate) use self::cell_text::cell;
use crate::files::Limits;
use crate::files::cell::{Cell, Refusal};
use crate::files::delivery::Place;
use crate::files::fields::{FieldNames, Loader, Records};
use crate::files::input::Input;
use crate::files::pieces::Shared;
use crate::files::profiler::Profiler;
use crate::files::source::{Format, Reading};
use crate::files::watch::Watch;

#[path = "../../tests/it/cell_text.rs"]
mod cell_text;

/// What a read delivered. Cells are texts, `None` for NULL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Vec<Option<String>>>,
    pub(crate) quarantined: Vec<QuarantinedRow>,
}

impl Outcome {
    /// Rows as `a|b`, NULL as `~`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |row: &Vec<Option<String>>| {
            row.iter().map(|cell| cell.as_deref().unwrap_or("~")).collect::<Vec<_>>().join("|")
        };
        self.rows.iter().map(line).collect()
    }

    /// Quarantined rows as `line code raw`, with the column before the code if there is one.
    pub(crate) fn set_aside(&self) -> Vec<String> {
        let show = |row: &QuarantinedRow| {
            let column = row.column.as_deref().map(|column| format!("{column}:")).unwrap_or_default();
            format!("{} {column}{} {}", row.line, row.code.as_str(), row.raw)
        };
        self.quarantined.iter().map(show).collect()
    }
}

/// Limits with blocks of `block` bytes and batches of three rows.
pub(crate) fn blocks(block: usize) -> Limits {
    Limits { block, batch_rows: 3, piece: block, threads: 1, ..Limits::default() }
}

/// Settings from texts: `true` and `false` are booleans, and `a=b` is a mapping.
pub(crate) fn settings(pairs: &[(&str, &str)]) -> Settings {
    Settings::new(pairs.iter().map(|&(key, value)| {
        let setting = match (value.split_once('='), value.parse()) {
            (_, Ok(flag)) => Setting::Bool(flag),
            (Some((name, text)), _) => Setting::Map([(name.to_owned(), text.to_owned())].into()),
            _ => Setting::Text(value.to_owned()),
        };
        (key.to_owned(), setting)
    }))
}

/// A request for columns, written `name type`, or `name type!` if they are not nullable.
pub(crate) fn request(columns: &[&str]) -> ReadRequest {
    let column = |text: &&str| {
        let (name, data_type) = text.split_once(' ').expect("`name type`");
        let nullable = !data_type.ends_with('!');
        let data_type = data_type.trim_end_matches('!').parse().expect("a type");
        Column { name: name.to_owned(), data_type, nullable }
    };
    ReadRequest {
        stream: StreamRequest {
            stream: "s".to_owned(),
            settings: Settings::default(),
            excluded: LeftOut::default(),
            masked: Vec::new(),
            key: Vec::new(),
            mode: ReadMode::Full,
        },
        columns: columns.iter().map(column).collect(),
        key: Vec::new(),
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        drift: Drift::default(),
        seen: None,
    }
}

/// A schema as `name type`, with `!` for a column that is not nullable.
pub(crate) fn shown(schema: &StreamSchema) -> Vec<String> {
    let show = |c: &Column| format!("{} {}{}", c.name, c.data_type, if c.nullable { "" } else { "!" });
    schema.columns.iter().map(show).collect()
}

/// Reads a text as if it were a file, into the sink `records`.
fn collected<F: Format, S: Shared>(
    format: F,
    pairs: &[(&str, &str)],
    text: &[u8],
    (wanted, excluded): (Option<&[Column]>, &LeftOut),
    limits: Limits,
    records: S,
) -> Result<S> {
    let bytes = std::io::Cursor::new(text.to_vec());
    let files = &mut std::iter::once(Input::of("f", Box::new(bytes), Watch::nothing("f")));
    let wanted = wanted.map(|columns| columns.iter().map(|column| column.name.clone()).collect());
    let settings = settings(pairs);
    let (records, walked) =
        format.collect(Reading { settings: &settings, excluded, wanted, limits, files }, records);
    walked.map(|_| records)
}

/// Discovers the columns of a text, by one thread and by several.
pub(crate) fn discover<F: Format>(
    format: F,
    pairs: &[(&str, &str)],
    text: &[u8],
    limits: Limits,
) -> Result<StreamSchema> {
    either_way(limits, |limits| {
        Ok(collected(format, pairs, text, (None, &LeftOut::default()), limits, Profiler::default())?.schema())
    })
}

/// Reads a text by one thread and by several, on the fast path and cell by cell, and asserts that
/// all outcomes are equal.
pub(crate) fn read<F: Format>(
    format: F,
    pairs: &[(&str, &str)],
    text: &[u8],
    request: &ReadRequest,
    limits: Limits,
) -> Result<Outcome> {
    let about = (Some(&request.columns[..]), &request.stream.excluded);
    either_way(limits, |limits| {
        let straight = collect(&request.columns, |sender| {
            let loader = Loader::new(request, sender, limits);
            collected(format, pairs, text, about, limits, loader)?.finish(false).map(|_notices| ())
        });
        let by_cell = collect(&request.columns, |sender| {
            let loader = ByCell(Loader::new(request, sender, limits));
            collected(format, pairs, text, about, limits, loader)?.0.finish(false).map(|_notices| ())
        });
        assert_eq!(
            outcome(&straight),
            outcome(&by_cell),
            "what goes straight into columns, and cell by cell"
        );
        straight
    })
}

fn outcome<T: std::fmt::Debug>(walked: &Result<T>) -> String {
    match walked {
        Ok(walked) => format!("{walked:?}"),
        Err(error) => error.to_diagnostic().to_string(),
    }
}

/// A loader without the fast path, because it keeps the default of `Records::straight`.
struct ByCell(Loader);

impl Records for ByCell {
    fn names(&mut self) -> &mut FieldNames {
        self.0.names()
    }

    fn cell(&mut self, field: usize, cell: Cell<'_>) {
        self.0.cell(field, cell);
    }

    fn refuse(&mut self, field: Option<usize>, refusal: Refusal) {
        self.0.refuse(field, refusal);
    }

    fn end_record(&mut self, place: Place<'_>) -> Result<bool> {
        self.0.end_record(place)
    }

    fn long_record(&mut self, file: &str, line: u64, lines: u64, alike: bool) {
        self.0.long_record(file, line, lines, alike);
    }
}

impl Shared for ByCell {
    type Made = <Loader as Shared>::Made;

    fn helper(&self) -> Self {
        Self(self.0.helper())
    }

    fn made(&mut self) -> Result<Self::Made> {
        self.0.made()
    }

    fn take_up(&mut self, made: Self::Made) -> Result<()> {
        self.0.take_up(made)
    }
}

/// Asserts that several threads have the outcome of one thread, with pieces of two sizes.
pub(crate) fn either_way<T: std::fmt::Debug>(
    limits: Limits,
    walk: impl Fn(Limits) -> Result<T>,
) -> Result<T> {
    let alone = walk(limits);
    for piece in [limits.piece, 40] {
        let together = walk(Limits { threads: 3, piece, ..limits });
        assert_eq!(outcome(&alone), outcome(&together), "pieces of {piece} bytes");
    }
    alone
}

/// Runs `work` with a sender, and returns what was sent.
pub(crate) fn collect(columns: &[Column], work: impl FnOnce(BatchSender) -> Result<()>) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (sender, mut receiver) = batch_queue(1 << 40);
    {
        let _inside = runtime.enter();
        work(sender)?;
    }
    let mut outcome = Outcome::default();
    while let Some(batch) = receiver.blocking_recv() {
        outcome.rows.extend((0..batch.rows.num_rows()).map(|row| cells(&batch.rows, columns, row)));
        outcome.quarantined.extend(batch.quarantined);
    }
    Ok(outcome)
}

fn cells(rows: &RecordBatch, columns: &[Column], row: usize) -> Vec<Option<String>> {
    let cell = |(array, column): (&arrow_array::ArrayRef, &Column)| {
        (!array.is_null(row)).then(|| cell(array.as_ref(), column.data_type, row))
    };
    rows.columns().iter().zip(columns).map(cell).collect()
}
