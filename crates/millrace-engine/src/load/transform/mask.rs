//! Masks columns between source and warehouse: of a masked column only the masks of its values are
//! passed on.
//!
//! The mask is computed from the text of a value, so that equal values have equal masks whatever
//! the types of their columns: the number 5, the decimal 5.00 and the text `5`. See ADR 0013.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::Schema;
use millrace_core::mask::Masker;
use millrace_core::schema::{Column, DataType};
use millrace_core::value::Value;

use crate::compile::catalog::Stream;
use crate::compile::masks::{Masks, masked_columns};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::batch::{Batch, BatchSender, arrow_schema};

/// Adds masking to a sender of batches with these columns. Fails with `ContractBroken` if columns
/// are to be masked and there is no salt.
pub(crate) fn masking(stream: &Stream, sender: BatchSender, columns: &[Column]) -> Result<BatchSender> {
    match &stream.masks {
        Some(masks) => {
            let mask = BatchMask::new(masks.clone(), columns);
            Ok(sender.through(Arc::new(move |batch| mask.apply(batch))))
        }
        None if stream.options.choice.masked.is_empty() => Ok(sender),
        None => {
            let message = format!("stream `{}` masks columns, and there is no `mask_salt`", stream.name);
            Err(Error::new(ErrorKind::ContractBroken, message)
                .hint("Set the variable that `mask_salt` in `millrace.yml` names."))
        }
    }
}

/// Masks the batches of one load.
#[derive(Debug)]
pub(crate) struct BatchMask {
    masker: Masker,
    /// Index and type of each masked column.
    masked: Vec<(usize, DataType)>,
    schema: Arc<Schema>,
}

impl BatchMask {
    /// A mask for batches of these columns.
    pub(crate) fn new(masks: Masks, columns: &[Column]) -> Self {
        let Masks { masker, choice } = masks;
        let masked = columns.iter().enumerate().filter(|(_, column)| choice.masks(&column.name));
        Self {
            masker,
            masked: masked.map(|(at, column)| (at, column.data_type)).collect(),
            schema: arrow_schema(&masked_columns(columns, &choice)),
        }
    }

    /// Replaces masked values by their masks. The text of a quarantined row is replaced as a whole,
    /// because it may contain masked values; without the salt nobody can find it by trying.
    pub(crate) fn apply(&self, batch: Batch) -> Result<Batch> {
        let Batch { rows, mut quarantined } = batch;
        for row in &mut quarantined {
            row.raw = self.masker.mask(&row.raw);
        }
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        for (at, data_type) in &self.masked {
            let column = columns.get_mut(*at).ok_or_else(|| mismatch("it has too few columns"))?;
            *column = self.column(column, *data_type)?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| mismatch("it does not fit").caused_by(error))?;
        Ok(Batch { rows, quarantined })
    }

    /// The masks of a column's values as texts; NULL stays NULL.
    fn column(&self, column: &ArrayRef, data_type: DataType) -> Result<ArrayRef> {
        let mut text = Vec::new();
        let mut masks: Vec<Option<String>> = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            if column.is_null(row) {
                masks.push(None);
                continue;
            }
            text.clear();
            write_text(column, data_type, row, &mut text)
                .ok_or_else(|| mismatch("a column is of another type"))?;
            masks.push(Some(self.masker.mask(&text)));
        }
        Ok(Arc::new(StringArray::from(masks)))
    }
}

/// A batch that does not have the expected columns is a bug.
fn mismatch(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("a batch cannot be masked: {what}"))
}

/// Appends the text of a value, which preserves the value but not its type: numbers as plain
/// decimal digits without trailing zeros after the point, timestamps in ISO 8601, texts and bytes
/// unchanged. Returns `None` if the array does not have the type.
fn write_text(array: &ArrayRef, data_type: DataType, row: usize, out: &mut Vec<u8>) -> Option<()> {
    macro_rules! value {
        ($type:ty) => {
            array.as_primitive_opt::<$type>()?.value(row)
        };
    }
    let text = match data_type {
        DataType::Boolean => array.as_boolean_opt()?.value(row).to_string(),
        DataType::Int8 => value!(Int8Type).to_string(),
        DataType::Int16 => value!(Int16Type).to_string(),
        DataType::Int32 => value!(Int32Type).to_string(),
        DataType::Int64 => value!(Int64Type).to_string(),
        DataType::UInt8 => value!(UInt8Type).to_string(),
        DataType::UInt16 => value!(UInt16Type).to_string(),
        DataType::UInt32 => value!(UInt32Type).to_string(),
        DataType::UInt64 => value!(UInt64Type).to_string(),
        DataType::Decimal { precision, .. } if precision <= 38 => {
            plain(&array.as_primitive_opt::<Decimal128Type>()?.value_as_string(row))
        }
        DataType::Decimal { .. } => plain(&array.as_primitive_opt::<Decimal256Type>()?.value_as_string(row)),
        // The shortest digits that read back to the same value, without an exponent.
        DataType::Float32 => plain(&value!(Float32Type).to_string()),
        DataType::Float64 => plain(&value!(Float64Type).to_string()),
        DataType::Date => Value::Date(value!(Date32Type)).to_string(),
        DataType::Timestamp => Value::Timestamp(value!(TimestampMicrosecondType)).to_string(),
        DataType::TimestampTz => Value::TimestampTz(value!(TimestampMicrosecondType)).to_string(),
        DataType::Interval => interval(value!(IntervalMonthDayNanoType).nanoseconds / 1_000),
        DataType::Text | DataType::Json => {
            out.extend_from_slice(array.as_string_opt::<i32>()?.value(row).as_bytes());
            return Some(());
        }
        DataType::Bytes => {
            out.extend_from_slice(array.as_binary_opt::<i32>()?.value(row));
            return Some(());
        }
    };
    out.extend_from_slice(text.as_bytes());
    Some(())
}

/// Removes trailing zeros after the point, and the sign of zero.
fn plain(digits: &str) -> String {
    let short =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// An interval in microseconds as `[-]HH:MM:SS[.ffffff]`, with as many hours as needed.
fn interval(micros: i64) -> String {
    let (seconds, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let sign = if micros < 0 { "-" } else { "" };
    let mut text = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ".{}", format!("{fraction:06}").trim_end_matches('0'));
    }
    text
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        BinaryArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, UInt64Array,
    };
    use millrace_core::diagnostic::Span;
    use millrace_core::diagnostic::Spanned;
    use millrace_core::quarantine::{QuarantineCode, QuarantinedRow};

    use millrace_core::project::column_choice::ColumnChoice;

    use super::*;

    fn text(array: impl Array + 'static, data_type: &str) -> String {
        let (array, mut out): (ArrayRef, _) = (Arc::new(array), Vec::new());
        write_text(&array, data_type.parse().expect("a type"), 0, &mut out).expect("of that type");
        String::from_utf8(out).expect("a text")
    }

    #[test]
    fn equal_values_have_equal_texts_whatever_their_types() {
        let decimal = |value: i128, scale| {
            Decimal128Array::from(vec![value]).with_precision_and_scale(18, scale).expect("a decimal")
        };
        for five in [
            text(Int32Array::from(vec![5]), "int32"),
            text(UInt64Array::from(vec![5]), "uint64"),
            text(decimal(500, 2), "decimal(18,2)"),
            text(decimal(5, 0), "decimal(18,0)"),
            text(Float64Array::from(vec![5.0]), "float64"),
            text(StringArray::from(vec!["5"]), "text"),
            text(BinaryArray::from(vec![&b"5"[..]]), "bytes"),
        ] {
            assert_eq!(five, "5");
        }
        assert_eq!(text(decimal(-50, 2), "decimal(18,2)"), "-0.5");
        assert_eq!(text(decimal(1000, 0), "decimal(18,0)"), "1000");
        assert_eq!(text(Float64Array::from(vec![-0.0]), "float64"), "0");
        assert_eq!(text(Float64Array::from(vec![1e21]), "float64"), "1000000000000000000000");
        assert_eq!(text(Float32Array::from(vec![0.1]), "float32"), "0.1");
        assert_eq!(text(StringArray::from(vec![" 5.00 "]), "text"), " 5.00 ");
        assert_eq!(text(Date32Array::from(vec![0]), "date"), "1970-01-01");
        assert_eq!([interval(-3_020_399_500_000), interval(1_000_000)], ["-838:59:59.5", "00:00:01"]);
    }

    #[test]
    fn nothing_of_a_masked_column_goes_on() {
        let column = |name: &str, data_type| Column { name: name.to_owned(), data_type, nullable: true };
        let columns = [column("id", DataType::Int32), column("email", DataType::Text)];
        let email = Spanned { text: "email".to_owned(), span: Span::new(&"f".into(), 0..0) };
        let choice = ColumnChoice { masked: vec![email], ..ColumnChoice::default() };
        let (ids, emails) = (Int32Array::from(vec![1, 2]), StringArray::from(vec![Some("a@b.fr"), None]));
        let rows = RecordBatch::try_new(arrow_schema(&columns), vec![Arc::new(ids), Arc::new(emails)]);
        let refused = QuarantinedRow {
            file: "f".to_owned(),
            line: 1,
            column: None,
            code: QuarantineCode::BrokenRecord,
            reason: "broken".to_owned(),
            raw: "{\"email\": \"a@b.fr".to_owned(),
        };
        let batch = Batch { rows: rows.expect("rows"), quarantined: vec![refused] };
        let masker = Masker::new("0123456789abcdef");
        let masks = Masks { masker: masker.clone(), choice };
        let masked = BatchMask::new(masks, &columns).apply(batch).expect("it fits");
        let emails = masked.rows.column(1).as_string::<i32>();
        assert_eq!((emails.value(0), emails.is_null(1)), (masker.mask("a@b.fr").as_str(), true));
        assert!(!format!("{masked:?}").contains("a@b"), "{masked:?}");
    }
}
