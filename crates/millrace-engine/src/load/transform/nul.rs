//! Removes the character U+0000 from texts, which not every warehouse can store, if the stream asks
//! for it (`nul: strip`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use millrace_core::cursor::Cursor;
use millrace_core::schema::Column;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::source::Conversion;

/// Removes the character from the texts of one stream, and counts the affected rows by column.
#[derive(Debug)]
pub(crate) struct Stripped {
    /// The source's names of the columns.
    names: Vec<String>,
    rows: Mutex<Vec<u64>>,
}

impl Stripped {
    /// A counter for batches of these columns. A resumed load continues the counts of its mark.
    pub(crate) fn of(columns: &[Column], mark: Option<&Cursor>) -> Arc<Self> {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let before = |name: &String| match mark {
            Some(Cursor::Ranges { stripped, .. }) => stripped.get(name).copied().unwrap_or_default(),
            _ => 0,
        };
        let rows = Mutex::new(names.iter().map(before).collect());
        Arc::new(Self { names, rows })
    }

    /// Adds the counts so far to a mark, so that a resumed load can report the total.
    pub(crate) fn note(&self, mut mark: Cursor) -> Cursor {
        if let Cursor::Ranges { stripped, .. } = &mut mark {
            *stripped = self.met();
        }
        mark
    }

    /// Affected rows by column, without columns that have none.
    fn met(&self) -> BTreeMap<String, u64> {
        let rows = self.rows();
        let met = self.names.iter().zip(rows.iter()).filter(|(_, rows)| **rows > 0);
        met.map(|(name, &rows)| (name.clone(), rows)).collect()
    }

    fn rows(&self) -> MutexGuard<'_, Vec<u64>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same rows without the character.
    pub(crate) fn strip(&self, rows: RecordBatch) -> Result<RecordBatch> {
        // The usual case costs one scan and no copy.
        if !rows.columns().iter().any(has_nul) {
            return Ok(rows);
        }
        let mut counts = self.rows();
        let strip = |(column, count): (&ArrayRef, &mut u64)| -> ArrayRef {
            let Some(texts) = column.as_string_opt::<i32>().filter(|_| has_nul(column)) else {
                return Arc::clone(column);
            };
            *count += texts.iter().flatten().filter(|text| text.contains('\0')).count() as u64;
            let without = texts.iter().map(|text| text.map(|text| text.replace('\0', "")));
            Arc::new(without.collect::<StringArray>())
        };
        let columns = rows.columns().iter().zip(counts.iter_mut()).map(strip).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(rows.schema(), columns, &options)
            .map_err(|error| Error::new(ErrorKind::Internal, "a batch cannot be changed").caused_by(error))
    }

    /// The removals so far, as lossy conversions of the load.
    pub(crate) fn conversions(&self) -> Vec<Conversion> {
        let conversion = |(column, rows)| Conversion { column, what: "U+0000 taken out", rows };
        self.met().into_iter().map(conversion).collect()
    }
}

/// Whether a column consists of texts and its bytes contain the character.
fn has_nul(column: &ArrayRef) -> bool {
    column.as_string_opt::<i32>().is_some_and(|texts| {
        let (first, last) = (texts.value_offsets()[0], texts.value_offsets()[texts.len()]);
        texts.value_data()[first as usize..last as usize].contains(&0)
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::Int32Array;
    use millrace_core::schema::DataType;

    use super::*;
    use crate::ports::batch::arrow_schema;

    #[test]
    fn texts_lose_it_and_rows_are_counted() {
        let column = |name: &str, data_type| Column { name: name.into(), data_type, nullable: true };
        let columns =
            [column("n", DataType::Int32), column("a", DataType::Text), column("b", DataType::Text)];
        let stripped = Stripped::of(&columns, None);
        let batch = |a: [Option<&str>; 3], b: [Option<&str>; 3]| {
            let arrays: Vec<ArrayRef> = vec![
                Arc::new(Int32Array::from(vec![0, 256, 3])),
                Arc::new(StringArray::from(a.to_vec())),
                Arc::new(StringArray::from(b.to_vec())),
            ];
            RecordBatch::try_new(arrow_schema(&columns), arrays).expect("a batch")
        };
        let plain = batch([Some("x"), None, Some("")], [None, None, Some("é")]);
        assert_eq!(stripped.strip(plain.clone()).expect("nothing to do"), plain);
        let found = stripped.strip(batch([Some("\0x\0\0"), None, Some("\0")], [Some("0"), None, Some("é")]));
        let expected = batch([Some("x"), None, Some("")], [Some("0"), None, Some("é")]);
        assert_eq!(found.expect("it can be stripped"), expected);
        // A slice of a batch must only look at its own texts.
        let part = batch([Some("\0"), Some("y"), Some("z")], [None; 3]).slice(1, 2);
        stripped.strip(part).expect("nothing to do");
        let conversion = Conversion { column: "a".into(), what: "U+0000 taken out", rows: 2 };
        assert_eq!(stripped.conversions(), [conversion]);
        // A resumed load continues from the counts in the mark.
        let (left, converted) = (Vec::new(), BTreeMap::new());
        let mark = Cursor::Ranges { key: Vec::new(), left, end: None, converted, stripped: BTreeMap::new() };
        let again = Stripped::of(&columns, Some(&stripped.note(mark)));
        again.strip(batch([None; 3], [Some("\0"), Some("\0"), None])).expect("it can be stripped");
        let rows = |column: &str, rows| Conversion { column: column.into(), what: "U+0000 taken out", rows };
        assert_eq!(again.conversions(), [rows("a", 2), rows("b", 2)]);
    }
}
