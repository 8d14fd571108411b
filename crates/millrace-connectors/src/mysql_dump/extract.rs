//! Converts the rows of one table into batches of typed columns.
//!
//! Each row is checked for a repeated key, then its cells are converted one by one. A row that
//! cannot be loaded exactly goes to quarantine with its code and reason. If it is uncertain which
//! rows a server would have (REPLACE and INSERT IGNORE), the reading ends with an error instead.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_core::project::column_choice::LeftOut;
use millrace_core::quarantine::QuarantineCode;
use millrace_engine::error::Result;
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::source::{Conversion, ReadRequest};

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::delivery::{Delivery, Place};
use crate::files::row::RowWriter;
use crate::mysql_dump::column_value::{self, ColumnValue, Scratch};
use crate::mysql_dump::convert;
use crate::mysql_dump::index::DumpTable;
use crate::mysql_dump::keys::{KeyWatch, KeyedRow};
use crate::mysql_dump::literal::{Literal, LiteralKind};
use crate::mysql_dump::seen::Met;
use crate::mysql_dump::session::Session;
use crate::mysql_dump::table::Table;
use crate::mysql_types::stored::Pushed;
use crate::mysql_types::zero_dates::ZeroDates;

/// The reason if keys are unknown.
const CANNOT_COMPARE: &str =
    "REPLACE or INSERT IGNORE may meet a row whose key is there already, and the keys cannot be compared";

/// What a statement does with a row whose key exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// The statement fails.
    Insert,
    /// The statement skips the row (INSERT IGNORE), or replaces the existing one (REPLACE).
    ReplaceOrIgnore,
}

/// The destination of a value of a row.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// The column `index` of the batch; `number` is the index of the column in the table.
    Column { index: usize, number: usize },
    /// The value is not loaded: the column is excluded, generated or not requested.
    Ignored,
    /// The row is refused: the contract does not allow the column. The number is its index in the
    /// table.
    Refused(usize),
}

/// Receives the rows of one table and sends batches.
#[derive(Debug)]
pub(super) struct Extract {
    delivery: Delivery,
    excluded: LeftOut,
    /// Whether a column that is neither requested nor excluded puts its rows into quarantine.
    refuse_unknown: bool,
    zero_dates: ZeroDates,
    /// The keys of earlier rows. `None` if no statement of the table replaces or skips rows and the
    /// load keeps the rows of earlier loads, so that a repeated key is left to the load.
    keys: Option<KeyWatch>,
    statement: Option<Statement>,
    /// The destination of each value of the current statement's rows.
    slots: Vec<Slot>,
    /// The column and reason that refuse every row of the current statement: it leaves the column
    /// to a default.
    missing: Option<(usize, Refusal)>,
    scratch: Scratch,
}

/// How to read the rows of the current statement.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) table: Arc<Table>,
    pub(super) session: Arc<Session>,
    pub(super) verb: Verb,
}

impl Extract {
    /// Prepares a read of the table `found`. `request` names the columns and says what goes to
    /// quarantine.
    pub(super) fn new(
        found: &DumpTable,
        request: &ReadRequest,
        zero_dates_to_null: bool,
        sender: BatchSender,
        limits: Limits,
    ) -> Self {
        let writer = RowWriter::new(&request.columns, &request.key).refusing_nul(request.quarantine_nul);
        let watched = found.definition.as_ref().filter(|_| found.replaces || !request.stream.mode.keeps());
        Self {
            delivery: Delivery::new(writer, sender, limits),
            excluded: request.stream.excluded.clone(),
            refuse_unknown: request.quarantine_unknown_columns,
            zero_dates: ZeroDates::new(request.columns.len(), zero_dates_to_null),
            keys: watched.map(|table| KeyWatch::new(table, found.replaces)),
            statement: None,
            slots: Vec::new(),
            missing: None,
            scratch: Scratch::default(),
        }
    }

    /// Starts an INSERT. `columns` are the names in its column list; without a list, its rows have
    /// a value for each visible column. It is an error if the statement names an unknown column, or
    /// a column twice.
    pub(super) fn begin(&mut self, statement: Statement, columns: Option<&[String]>) -> Result<(), String> {
        let table = &statement.table;
        let numbers: Vec<usize> = match columns {
            None => (0..table.columns.len()).filter(|&number| !table.columns[number].invisible).collect(),
            Some(names) => {
                let number = |name: &String| {
                    let found =
                        table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
                    found.ok_or_else(|| format!("the statement names a column `{name}` that its table lacks"))
                };
                names.iter().map(number).collect::<Result<_, _>>()?
            }
        };
        if let Some(twice) = numbers.iter().enumerate().find(|(at, number)| numbers[..*at].contains(number)) {
            return Err(format!("the statement names the column `{}` twice", table.columns[*twice.1].name));
        }
        let writer = &self.delivery.gathered.writer;
        let slot = |&number: &usize| {
            let column = &table.columns[number];
            match writer.index(&column.name) {
                Some(index) if !column.generated => Slot::Column { index, number },
                None if self.refuse_unknown && !column.generated && !self.excluded.contains(&column.name) => {
                    Slot::Refused(number)
                }
                _ => Slot::Ignored,
            }
        };
        self.slots = numbers.iter().map(slot).collect();
        // A requested column that gets its default: only the server knows the value.
        self.missing = table.columns.iter().enumerate().find_map(|(number, column)| {
            let index =
                writer.index(&column.name).filter(|_| column.has_default && !numbers.contains(&number))?;
            let reason = "the statement leaves the column to its default";
            Some((index, Refusal::new(QuarantineCode::MissingValue, reason)))
        });
        if let Some(keys) = &mut self.keys {
            keys.begin(table, &numbers);
        }
        self.statement = Some(statement);
        Ok(())
    }

    /// Loads a row or puts it into quarantine. The inner error says that it is unknown which rows a
    /// server would have; the outer error is one of delivery.
    pub(super) fn row(&mut self, literals: &[Literal], place: Place<'_>) -> Result<Result<(), &'static str>> {
        let Some(Statement { table, session, verb }) = self.statement.clone() else { return Ok(Ok(())) };
        if literals.len() != self.slots.len() {
            let (expected, found) = (self.slots.len(), literals.len());
            return self.broken(format!("expected {expected} values, found {found}"), place);
        }
        let row = KeyedRow { literals, raw: place.raw, table: &table, session: &session };
        // The key is recorded even if a cell refuses the row below, because the server may have the
        // row.
        let keys = self.keys.as_mut();
        match (keys.map_or(Met::New, |keys| keys.row(verb, &row, &mut self.scratch)), verb) {
            (Met::Before, Verb::Insert) => {
                let reason = "a row with this key came before it, and a server has one of each";
                let refusal = Refusal::new(QuarantineCode::DuplicateKey, reason);
                return self.delivery.refuse(place, None, refusal).map(Ok);
            }
            (Met::Before, Verb::ReplaceOrIgnore) => {
                return Ok(Err("REPLACE or INSERT IGNORE meets a row whose key may be there already"));
            }
            (Met::Full, Verb::ReplaceOrIgnore) => return Ok(Err(CANNOT_COMPARE)),
            (Met::New, _) | (Met::Full, Verb::Insert) => {}
        }
        if let Some((index, refusal)) = &self.missing {
            return self.delivery.refuse(place, Some(*index), refusal.clone()).map(Ok);
        }
        self.zero_dates.begin_row();
        for (at, literal) in literals.iter().enumerate() {
            match self.slots[at] {
                Slot::Column { index, number } => {
                    if let Err(refusal) = self.cell(index, number, literal, place.raw, &table, &session) {
                        return self.delivery.refuse(place, Some(index), refusal).map(Ok);
                    }
                }
                Slot::Ignored => {}
                Slot::Refused(number) => {
                    let reason = "the stream's contract does not let this column in";
                    let refusal = Refusal::new(QuarantineCode::UnknownColumn, reason);
                    let column = table.columns[number].name.clone();
                    return self.delivery.refuse_field(place, Some(column), refusal).map(Ok);
                }
            }
        }
        if self.delivery.end_row(place)? {
            self.zero_dates.keep_row();
        }
        Ok(Ok(()))
    }

    /// Converts one value and appends it to its column. Refuses values that a server would replace:
    /// NULL or 0 in an `AUTO_INCREMENT` column, and NULL in some TIMESTAMP columns.
    fn cell(
        &mut self,
        index: usize,
        number: usize,
        literal: &Literal,
        row: &[u8],
        table: &Table,
        session: &Session,
    ) -> Result<(), Refusal> {
        let column = &table.columns[number];
        let writer = &mut self.delivery.gathered.writer;
        if literal.kind == LiteralKind::Null {
            if column.auto_increment {
                return Err(Refusal::new(QuarantineCode::MissingValue, "the server numbers the row itself"));
            }
            if column.null_differs {
                let reason = "the TIMESTAMP is declared without NULL: some servers keep the present moment";
                return Err(Refusal::new(QuarantineCode::MissingValue, reason));
            }
            return writer.push_null(index);
        }
        let value = column_value::read(literal, row, column, session, &mut self.scratch)?;
        if column.auto_increment && !session.keeps_zero && is_zero(&value) {
            let reason =
                "the server numbers a row itself that has 0 in this column (no NO_AUTO_VALUE_ON_ZERO)";
            return Err(Refusal::out_of_range(reason));
        }
        match convert::push(writer.column(index), &value, &column.rule)? {
            Pushed::Value => Ok(()),
            Pushed::ZeroDate => self.zero_dates.met(writer, index),
        }
    }

    /// Puts a row that cannot be parsed into quarantine. The inner error is as in [`Self::row`]: a
    /// server may have the row in place of another, or a later row may be skipped because of it.
    pub(super) fn broken(
        &mut self,
        reason: impl Into<Cow<'static, str>>,
        place: Place<'_>,
    ) -> Result<Result<(), &'static str>> {
        let verb = self.statement.as_ref().map_or(Verb::Insert, |statement| statement.verb);
        match self.keys.as_mut().map_or(Met::New, |keys| keys.unread(verb)) {
            Met::New => self.delivery.refuse(place, None, Refusal::broken(reason)).map(Ok),
            Met::Before | Met::Full => Ok(Err(CANNOT_COMPARE)),
        }
    }

    /// Records in quarantine that the file ends within the statement.
    pub(super) fn cut_off(&mut self, place: Place<'_>) -> Result<()> {
        self.delivery.refuse(place, None, Refusal::broken("the file ends before the statement does"))
    }

    /// Sends the remaining rows and returns how many zero dates became NULL, by column.
    pub(super) fn finish(self) -> Result<Vec<Conversion>> {
        let conversions = self.zero_dates.conversions(&self.delivery.gathered.writer);
        self.delivery.finish()?;
        Ok(conversions)
    }
}

/// Returns whether a value is the number zero.
fn is_zero(value: &ColumnValue<'_>) -> bool {
    matches!(value, ColumnValue::Number(text) if !text.iter().any(|byte| matches!(byte, b'1'..=b'9')))
}
