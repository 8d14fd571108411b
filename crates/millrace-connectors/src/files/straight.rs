//! The fast path for records like the one before: each value goes straight into its column while it
//! is scanned.
//!
//! Most records of a file have the same fields in the same order, with values from which discovery
//! would infer the very types that the columns have. Such a record only has to be counted. If
//! anything about a record is different, the cells that it has added are removed, and the format
//! hands it over again, cell by cell, by [`Records::cell`](crate::files::fields::Records::cell).

use millrace_core::schema::DataType;

use crate::files::cell::{Cell, Spelling};
use crate::files::column::ColumnBuffer;
use crate::files::convert;
use crate::files::guess::Guess;
use crate::files::infer;
use crate::files::number::Short;
use crate::files::row::RowWriter;
use crate::files::temporal;

/// Records that may be handed over again before their share is checked, which may be a fourth.
const FEW: u64 = 100;

/// The columns of records with the same fields, and counts of the records that took this path.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// One step for each field, in the order of the record.
    steps: Vec<Step>,
    /// Records kept since the last [`Plan::settle`], records kept in all, and records handed over
    /// again.
    records: u64,
    kept: u64,
    forgotten: u64,
    /// Steps at which the current record has a null.
    nulls: Vec<usize>,
}

/// A field of the records.
#[derive(Debug)]
struct Step {
    /// Its column; `None` if the field is not loaded.
    column: Option<usize>,
    /// Nulls since the last [`Plan::settle`].
    nulls: u64,
}

impl Plan {
    /// A plan for records whose fields belong to these columns.
    pub(crate) fn new(columns: impl Iterator<Item = Option<usize>>) -> Self {
        let steps = columns.map(|column| Step { column, nulls: 0 }).collect();
        Self { steps, ..Self::default() }
    }

    /// Whether records may take this path. It closes if too many of them had to be handed over
    /// again, because each of those is scanned twice.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.steps.is_empty() && self.forgotten <= FEW + self.kept / 3
    }

    /// Accounts for the records since the last call: marks each column as met, and adds its values
    /// to the guess. Done once for many records, because both are the same for each of them.
    pub(crate) fn settle(&mut self, met: &mut [bool], mut guess: Option<&mut Guess>) {
        let records = std::mem::take(&mut self.records);
        if records == 0 {
            return;
        }
        for step in &mut self.steps {
            let nulls = std::mem::take(&mut step.nulls);
            let Some(column) = step.column else { continue };
            met[column] = true;
            if let Some(guess) = &mut guess {
                guess.took_alike(column, records - nulls);
            }
        }
    }
}

/// Takes the values of one record, in the order of its fields. Each method returns whether it has
/// taken the value. After a false the caller must call [`Self::forget`].
pub(crate) struct Straight<'a> {
    plan: &'a mut Plan,
    writer: &'a mut RowWriter,
    guess: Option<&'a Guess>,
}

impl<'a> Straight<'a> {
    /// Begins a record whose fields are those of the plan. The guess tells whether a column may
    /// have nulls.
    #[inline]
    pub(crate) fn new(plan: &'a mut Plan, writer: &'a mut RowWriter, guess: Option<&'a Guess>) -> Self {
        Self { plan, writer, guess }
    }

    /// The column of a step; `None` if its values are dropped.
    #[inline]
    fn column(&mut self, step: usize) -> Option<&mut ColumnBuffer> {
        self.plan.steps[step].column.map(|column| self.writer.column(column))
    }

    /// Takes a number; `source` is its text.
    #[inline]
    pub(crate) fn number(&mut self, step: usize, number: Option<Short>, source: &[u8]) -> bool {
        let Some(column) = self.column(step) else { return true };
        number.is_some_and(|number| column.push_short(number)) || put(column, Cell::Number(source))
    }

    /// Takes a text without escapes; `source` is the JSON string with escapes and quotes.
    #[inline]
    pub(crate) fn text(&mut self, step: usize, text: &[u8], source: &[u8]) -> bool {
        let Some(column) = self.column(step) else { return true };
        match column.data_type() {
            // A text that looks like a date counts as one in a profile, so it takes the other path.
            DataType::Text if infer::text_type(text) == DataType::Text => column.push_bytes(text),
            DataType::Date => {
                let Some(days) = temporal::date(text) else { return false };
                column.push_days(days);
            }
            _ => return put(column, Cell::Text { text, source }),
        }
        true
    }

    /// Takes any other value.
    pub(crate) fn cell(&mut self, step: usize, cell: Cell<'_>) -> bool {
        let Some(column) = self.plan.steps[step].column else { return true };
        if cell != Cell::Null {
            return put(self.writer.column(column), cell);
        }
        self.plan.nulls.push(step);
        // A null in a column that had none at the beginning of the stream disproves the guess.
        self.guess.is_none_or(|guess| guess.lacks(column)) && self.writer.push_null(column).is_ok()
    }

    /// Ends a record whose values were all taken.
    #[inline]
    pub(crate) fn keep(self) {
        let Plan { steps, records, kept, nulls, .. } = self.plan;
        *records += 1;
        *kept += 1;
        for step in nulls.drain(..) {
            steps[step].nulls += 1;
        }
    }

    /// Removes a record with a value that was not taken.
    pub(crate) fn forget(self) {
        self.writer.roll_back();
        self.plan.nulls.clear();
        self.plan.forgotten += 1;
    }
}

/// Appends a value if its column takes it and would have been inferred from it.
fn put(column: &mut ColumnBuffer, cell: Cell<'_>) -> bool {
    convert::put(column, cell) == Ok(Spelling::Own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::{cell, request};

    #[test]
    fn only_what_is_a_columns_own_is_taken() {
        let wanted = request(&["a int64!", "b text", "c decimal(18,2)", "d date", "e boolean"]).columns;
        let mut writer = RowWriter::new(&wanted, &[]);
        let mut plan = Plan::new([Some(0), None, Some(1), Some(2), Some(3), Some(4)].into_iter());
        let guess = Guess::new(&wanted, &[]);
        let mut record = |a: &str, b: &str, c: &str, d: &str, e: Cell<'_>| {
            let mut values = Straight::new(&mut plan, &mut writer, Some(&guess));
            let text = |text: &str| format!("\"{text}\"");
            let taken = values.number(0, Short::parse(a.as_bytes()), a.as_bytes())
                && values.cell(1, Cell::Nested(b"{}"))
                && values.text(2, b.as_bytes(), text(b).as_bytes())
                && values.number(3, Short::parse(c.as_bytes()), c.as_bytes())
                && values.text(4, d.as_bytes(), text(d).as_bytes())
                && values.cell(5, e);
            if taken {
                values.keep();
                writer.end_row().expect("a whole row");
            } else {
                values.forget();
            }
            taken
        };
        let yes = Cell::Boolean(true);
        assert!(record("1", "x", "2.50", "2024-02-29", yes));
        assert!(record("-20", "2024-02-30", "7", "0001-01-01", Cell::Null));
        for (a, b, c, d, e) in [
            ("1.0", "x", "2.50", "2024-02-29", yes),
            ("9223372036854775808", "x", "2.50", "2024-02-29", yes),
            ("1", "2024-02-29", "2.50", "2024-02-29", yes),
            ("1", "2024-02-29T00:00:00Z", "2.50", "2024-02-29", yes),
            ("1", "x", "2.505", "2024-02-29", yes),
            ("1", "x", "2.50", "2023-02-29", yes),
            ("1", "x", "2.50", "2024-02-29", Cell::Number(b"1")),
        ] {
            assert!(!record(a, b, c, d, e), "{a} {b} {c} {d} {e:?}");
        }
        let mut met = vec![false; 5];
        plan.settle(&mut met, None);
        assert!(met.iter().all(|met| *met));
        let rows = writer.take().expect("a batch");
        let texts = |row: usize| {
            let columns = rows.columns().iter().zip(&wanted);
            columns.map(|(array, column)| cell(array.as_ref(), column.data_type, row)).collect::<Vec<_>>()
        };
        assert_eq!(rows.num_rows(), 2);
        assert_eq!(texts(0), ["1", "x", "2.50", "2024-02-29", "true"]);
        assert_eq!(texts(1)[..4], ["-20", "2024-02-30", "7.00", "0001-01-01"]);
    }

    #[test]
    fn a_way_that_few_records_can_go_is_given_up() {
        let mut writer = RowWriter::new(&request(&["a int64"]).columns, &[]);
        let mut plan = Plan::new([Some(0)].into_iter());
        for n in 0..=FEW {
            assert!(plan.is_open(), "{n}");
            Straight::new(&mut plan, &mut writer, None).forget();
        }
        assert!(!plan.is_open());
        assert!(!Plan::default().is_open(), "nobody has said where values go");
    }
}
