//! Records like the one before: each value straight into its column, as soon as it is scanned.
//!
//! Most records of a file have the same fields in the same order, with values of which looking through the file would make the very columns
//! that they have. Nothing has to be known of such a record but that it was there. Where anything about it is otherwise it is forgotten, and
//! handed over again cell by cell, to who decides what becomes of it.

use millrace_core::schema::DataType;

use crate::files::cell::{Cell, Spelling};
use crate::files::column::ColumnBuffer;
use crate::files::convert;
use crate::files::guess::Guess;
use crate::files::infer;
use crate::files::number::Short;
use crate::files::row::RowWriter;
use crate::files::temporal;

/// Records that may be handed over again without a look at their share, which is a fourth at most.
const FEW: u64 = 100;

/// Where the values of records with the same fields go, and how many records went there.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    steps: Vec<Step>,
    /// Records that were kept since the last time that they were settled, and in all; and records that were forgotten.
    records: u64,
    kept: u64,
    forgotten: u64,
    /// Steps at which the present record has a null.
    nulls: Vec<usize>,
}

/// A field.
#[derive(Debug)]
struct Step {
    /// Its column; none where nobody wants it.
    column: Option<usize>,
    nulls: u64,
}

impl Plan {
    /// For records whose fields belong to these columns.
    pub(crate) fn new(columns: impl Iterator<Item = Option<usize>>) -> Self {
        let steps = columns.map(|column| Step { column, nulls: 0 }).collect();
        Self { steps, ..Self::default() }
    }

    /// Whether records can go this way.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.steps.is_empty() && self.forgotten <= FEW + self.kept / 3
    }

    /// Notes of each column that it was met, and in the guess how many values it has taken, of the records since the last call.
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

/// Takes the values of one record, in the order of its fields. Each method says whether it has taken the value; where one has not, the
/// record has to be forgotten.
pub(crate) struct Straight<'a> {
    plan: &'a mut Plan,
    writer: &'a mut RowWriter,
    guess: Option<&'a Guess>,
}

impl<'a> Straight<'a> {
    /// For a record whose fields the plan is for. The guess is what says whether a column may lack a value.
    #[inline]
    pub(crate) fn new(plan: &'a mut Plan, writer: &'a mut RowWriter, guess: Option<&'a Guess>) -> Self {
        Self { plan, writer, guess }
    }

    #[inline]
    fn column(&mut self, step: usize) -> Option<&mut ColumnBuffer> {
        self.plan.steps[step].column.map(|column| self.writer.column(column))
    }

    /// A number, `source` as it is written.
    #[inline]
    pub(crate) fn number(&mut self, step: usize, number: Option<Short>, source: &[u8]) -> bool {
        let Some(column) = self.column(step) else { return true };
        number.is_some_and(|number| column.push_short(number)) || put(column, Cell::Number(source))
    }

    /// A text without its escapes, `source` with them and its quotes.
    #[inline]
    pub(crate) fn text(&mut self, step: usize, text: &[u8], source: &[u8]) -> bool {
        let Some(column) = self.column(step) else { return true };
        match column.data_type() {
            DataType::Text if infer::text_type(text) == DataType::Text => column.push_bytes(text),
            DataType::Date => {
                let Some(days) = temporal::date(text) else { return false };
                column.push_days(days);
            }
            _ => return put(column, Cell::Text { text, source }),
        }
        true
    }

    /// Any other value.
    pub(crate) fn cell(&mut self, step: usize, cell: Cell<'_>) -> bool {
        let Some(column) = self.plan.steps[step].column else { return true };
        if cell != Cell::Null {
            return put(self.writer.column(column), cell);
        }
        self.plan.nulls.push(step);
        self.guess.is_none_or(|guess| guess.lacks(column)) && self.writer.push_null(column).is_ok()
    }

    /// All values of the record were taken.
    #[inline]
    pub(crate) fn keep(self) {
        let Plan { steps, records, kept, nulls, .. } = self.plan;
        *records += 1;
        *kept += 1;
        for step in nulls.drain(..) {
            steps[step].nulls += 1;
        }
    }

    /// They were not.
    pub(crate) fn forget(self) {
        self.writer.roll_back();
        self.plan.nulls.clear();
        self.plan.forgotten += 1;
    }
}

/// Appends a value where its column takes it, and it is one of the column's own.
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
