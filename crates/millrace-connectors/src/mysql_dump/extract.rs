//! The rows of one table, out of a dump into columns.

use millrace_core::project::column_choice::LeftOut;
use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::DataType;
use millrace_engine::batch::BatchSender;
use millrace_engine::error::Result;
use millrace_engine::source::{Conversion, ReadRequest};

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::delivery::{Delivery, Place};
use crate::files::row::RowWriter;
use crate::mysql_dump::convert;
use crate::mysql_dump::literal::{Literal, LiteralKind};
use crate::mysql_dump::table::Table;
use crate::mysql_types::stored::{Form, Pushed};
use crate::mysql_types::zero_dates::ZeroDates;

/// Which table is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// Whether the name has to be spelled so. The name of a stream need not; that of the setting `table` has to.
    pub(super) exact: bool,
}

impl Wanted {
    /// Whether a table of that name is the wanted one.
    pub(super) fn is(&self, name: &str) -> bool {
        if self.exact { self.name == name } else { self.name.eq_ignore_ascii_case(name) }
    }
}

/// Where a value of a row goes.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Column {
        index: usize,
        form: Form,
    },
    /// Excluded, generated or not asked for.
    Ignored,
    /// A column that the contract does not let in, by its number in the table.
    Refused(usize),
}

/// Takes the rows of the wanted table.
#[derive(Debug)]
pub(super) struct Extract {
    pub(super) wanted: Wanted,
    delivery: Delivery,
    excluded: LeftOut,
    refuse_unknown: bool,
    zero_dates: ZeroDates,
    /// The table whose rows were taken: its database, and its name as it is spelled there.
    pub(super) taken: Option<(Option<String>, String)>,
    slots: Vec<Slot>,
    /// What refuses every row of the present statement: a column that it leaves to a default.
    missing: Option<(usize, Refusal)>,
    names: Vec<String>,
    scratch: Vec<u8>,
}

impl Extract {
    pub(super) fn new(
        wanted: Wanted,
        request: &ReadRequest,
        zero_dates_to_null: bool,
        sender: BatchSender,
        limits: Limits,
    ) -> Self {
        let writer = RowWriter::new(&request.columns, &request.key).refusing_nul(request.quarantine_nul);
        Self {
            wanted,
            delivery: Delivery::new(writer, sender, limits),
            excluded: request.stream.excluded.clone(),
            refuse_unknown: request.quarantine_unknown_columns,
            zero_dates: ZeroDates::new(request.columns.len(), zero_dates_to_null),
            taken: None,
            slots: Vec::new(),
            missing: None,
            names: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Starts an INSERT: `columns` are the names that it gives, none for all visible columns. True where the wanted columns
    /// include a TIMESTAMP. An error says what the statement names and the table lacks.
    pub(super) fn begin(&mut self, table: &Table, columns: Option<&[String]>) -> Result<bool, String> {
        self.taken.get_or_insert_with(|| (table.database.clone(), table.name.clone()));
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
        let writer = &self.delivery.gathered.writer;
        let slot = |&number: &usize| {
            let column = &table.columns[number];
            match writer.index(&column.name) {
                Some(index) if !column.generated => Slot::Column { index, form: column.form },
                None if self.refuse_unknown && !column.generated && !self.excluded.contains(&column.name) => {
                    Slot::Refused(number)
                }
                _ => Slot::Ignored,
            }
        };
        self.slots = numbers.iter().map(slot).collect();
        self.missing = table.columns.iter().enumerate().find_map(|(number, column)| {
            let index =
                writer.index(&column.name).filter(|_| column.has_default && !numbers.contains(&number))?;
            let reason = "the statement leaves the column to its default";
            Some((index, Refusal::new(QuarantineCode::MissingValue, reason)))
        });
        self.names = table.columns.iter().map(|column| column.name.clone()).collect();
        Ok(table.columns.iter().any(|column| {
            column.data_type == DataType::TimestampTz
                && writer.index(&column.name).is_some()
                && !column.generated
        }))
    }

    /// Takes a row.
    pub(super) fn row(&mut self, literals: &[Literal], place: Place<'_>) -> Result<()> {
        if literals.len() != self.slots.len() {
            let (expected, found) = (self.slots.len(), literals.len());
            let refusal = Refusal::broken(format!("expected {expected} values, found {found}"));
            return self.delivery.refuse(place, None, refusal);
        }
        if let Some((index, refusal)) = &self.missing {
            return self.delivery.refuse(place, Some(*index), refusal.clone());
        }
        self.zero_dates.begin_row();
        for (at, literal) in literals.iter().enumerate() {
            match self.slots[at] {
                Slot::Column { index, form } => {
                    if let Err(refusal) = self.cell(index, form, literal, place.raw) {
                        return self.delivery.refuse(place, Some(index), refusal);
                    }
                }
                Slot::Ignored => {}
                Slot::Refused(number) => {
                    let reason = "the stream's contract does not let this column in";
                    let refusal = Refusal::new(QuarantineCode::UnknownColumn, reason);
                    return self.delivery.refuse_field(place, Some(self.names[number].clone()), refusal);
                }
            }
        }
        if self.delivery.end_row(place)? {
            self.zero_dates.keep_row();
        }
        Ok(())
    }

    fn cell(&mut self, index: usize, form: Form, literal: &Literal, row: &[u8]) -> Result<(), Refusal> {
        if literal.kind == LiteralKind::Null {
            return self.delivery.gathered.writer.push_null(index);
        }
        let writer = &mut self.delivery.gathered.writer;
        match convert::push(writer.column(index), literal, row, form, &mut self.scratch)? {
            Pushed::Value => Ok(()),
            Pushed::ZeroDate => self.zero_dates.met(writer, index),
        }
    }

    /// A row that cannot be read.
    pub(super) fn broken(&mut self, reason: &'static str, place: Place<'_>) -> Result<()> {
        self.delivery.refuse(place, None, Refusal::broken(reason))
    }

    /// Sends what is left, and says which zero dates became NULL.
    pub(super) fn finish(self) -> Result<Vec<Conversion>> {
        let conversions = self.zero_dates.conversions(&self.delivery.gathered.writer);
        self.delivery.finish()?;
        Ok(conversions)
    }
}
