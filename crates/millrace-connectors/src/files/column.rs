//! Arrow columns that grow value by value, and from which the last row can be removed.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{
    BooleanBufferBuilder, Buffer, IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer, i256,
};
use arrow_schema::ArrowError;
use millrace_core::schema::DataType;
use millrace_engine::ports::batch::arrow_type;

use crate::files::number::Short;

/// The values of one column, in the layout of its Arrow type.
#[derive(Debug)]
pub(crate) struct ColumnBuffer {
    data_type: DataType,
    values: Values,
    len: usize,
    /// Which values are not NULL; `None` as long as no value is NULL.
    validity: Option<BooleanBufferBuilder>,
}

/// The values of a column by their physical type. Types of 128 or 256 bits belong to decimals.
#[derive(Debug)]
pub(crate) enum Values {
    Boolean(BooleanBufferBuilder),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    UInt8(Vec<u8>),
    UInt16(Vec<u16>),
    UInt32(Vec<u32>),
    UInt64(Vec<u64>),
    /// Decimals of up to 38 digits, times ten to the scale.
    Decimal128(Vec<i128>),
    /// Decimals of more digits.
    Decimal256(Vec<i256>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Microseconds since 1970-01-01, for both kinds of timestamp.
    Micros(Vec<i64>),
    /// Lengths of time, all in the nanoseconds.
    Interval(Vec<IntervalMonthDayNano>),
    /// Texts and byte strings: where each ends, and all of them one after the other.
    Bytes(Vec<i32>, Vec<u8>),
}

/// Runs `$body` on whichever vector of numbers `$values` holds, bound to `$list`; `$for_flags` on a
/// bitmap and `$for_bytes` on texts.
macro_rules! each_number {
    ($values:expr, $list:ident => $body:expr, $flags:ident => $for_flags:expr, ($ends:ident, $bytes:ident) => $for_bytes:expr) => {
        match $values {
            Values::Boolean($flags) => $for_flags,
            Values::Int8($list) => $body,
            Values::Int16($list) => $body,
            Values::Int32($list) | Values::Date($list) => $body,
            Values::Int64($list) | Values::Micros($list) => $body,
            Values::UInt8($list) => $body,
            Values::UInt16($list) => $body,
            Values::UInt32($list) => $body,
            Values::UInt64($list) => $body,
            Values::Decimal128($list) => $body,
            Values::Decimal256($list) => $body,
            Values::Float32($list) => $body,
            Values::Float64($list) => $body,
            Values::Interval($list) => $body,
            Values::Bytes($ends, $bytes) => $for_bytes,
        }
    };
}

/// Appends the placeholder of a NULL.
fn push_default<T: Default>(list: &mut Vec<T>) {
    list.push(T::default());
}

impl ColumnBuffer {
    /// An empty column.
    pub(crate) fn new(data_type: DataType) -> Self {
        Self { data_type, values: Values::new(data_type, 0, 0), len: 0, validity: None }
    }

    /// The column's logical type.
    pub(crate) fn data_type(&self) -> DataType {
        self.data_type
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Counts a value that was appended.
    #[inline]
    fn count(&mut self) {
        self.len += 1;
        if let Some(validity) = &mut self.validity {
            validity.append(true);
        }
    }

    /// Appends a NULL. Arrow stores a placeholder value for it.
    pub(crate) fn push_null(&mut self) {
        each_number!(
            &mut self.values,
            list => push_default(list),
            flags => flags.append(false),
            (ends, bytes) => ends.push(bytes.len() as i32)
        );
        // The first NULL: all values before it are there.
        let validity = self.validity.get_or_insert_with(|| {
            let mut validity = BooleanBufferBuilder::new(self.len + 1);
            validity.append_n(self.len, true);
            validity
        });
        validity.append(false);
        self.len += 1;
    }

    /// Appends a value by `push`, which adds exactly one value to the vector of the column's type,
    /// or adds nothing and returns false. Returns what `push` returned.
    pub(crate) fn push_with(&mut self, push: impl FnOnce(&mut Values) -> bool) -> bool {
        let pushed = push(&mut self.values);
        if pushed {
            self.count();
        }
        pushed
    }

    /// Appends a number to a column of `int64` or of decimals with at most 38 digits, if discovery
    /// would infer the column's type from it. Otherwise returns false and adds nothing.
    #[inline]
    pub(crate) fn push_short(&mut self, number: Short) -> bool {
        match (&mut self.values, self.data_type) {
            (Values::Int64(list), _) if number.fraction == 0 => list.push(number.value),
            (Values::Decimal128(list), DataType::Decimal { precision, scale }) => {
                let Some(scaled) = number.scaled(precision, scale) else { return false };
                list.push(scaled);
            }
            _ => return false,
        }
        self.count();
        true
    }

    /// Appends a text or bytes to a column of texts, JSON or bytes. Does nothing on a column of
    /// another type.
    #[inline]
    pub(crate) fn push_bytes(&mut self, text: &[u8]) {
        if let Values::Bytes(ends, bytes) = &mut self.values {
            bytes.extend_from_slice(text);
            ends.push(bytes.len() as i32);
            self.count();
        }
    }

    /// The last text of a column of texts or JSON. Empty if it is NULL, or if the column has
    /// another type.
    pub(crate) fn last_text(&self) -> &[u8] {
        match &self.values {
            Values::Bytes(ends, bytes) if self.data_type != DataType::Bytes => {
                let start = ends.len().checked_sub(2).map_or(0, |at| ends[at] as usize);
                &bytes[start..]
            }
            _ => &[],
        }
    }

    /// Appends a truth value to a column of booleans. Does nothing on a column of another type.
    pub(crate) fn push_boolean(&mut self, value: bool) {
        if let Values::Boolean(flags) = &mut self.values {
            flags.append(value);
            self.count();
        }
    }

    /// Appends a day, counted from 1970-01-01, to a column of dates. Does nothing on a column of
    /// another type.
    pub(crate) fn push_days(&mut self, days: i32) {
        if let Values::Date(list) = &mut self.values {
            list.push(days);
            self.count();
        }
    }

    /// Appends microseconds to a column of timestamps or intervals. Does nothing on a column of
    /// another type.
    pub(crate) fn push_micros(&mut self, micros: i64) {
        match &mut self.values {
            Values::Micros(list) => list.push(micros),
            Values::Interval(list) => list.push(IntervalMonthDayNano::new(0, 0, micros * 1000)),
            _ => return,
        }
        self.count();
    }

    /// Removes all rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        if self.len() <= rows {
            return;
        }
        self.len = rows;
        if let Some(validity) = &mut self.validity {
            validity.truncate(rows);
        }
        each_number!(
            &mut self.values,
            list => list.truncate(rows),
            flags => flags.truncate(rows),
            (ends, bytes) => {
                // `ends` has one entry more than there are rows.
                ends.truncate(rows + 1);
                bytes.truncate(ends.last().map_or(0, |&end| end as usize));
            }
        );
    }

    /// Takes the column as an Arrow array, and leaves it empty. Fails if a text is not UTF-8, which
    /// formats have to prevent.
    pub(crate) fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        // The next batch has about as many values, so its buffers are allocated at once.
        let bytes = if let Values::Bytes(_, bytes) = &self.values { bytes.len() } else { 0 };
        let next = Values::new(self.data_type, self.len + self.len / 16, bytes + bytes / 16);
        let values = std::mem::replace(&mut self.values, next);
        self.len = 0;
        let nulls = self.validity.take().map(|mut validity| NullBuffer::new(validity.finish()));
        // After a roll-back the bitmap may have no NULL left.
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        Ok(match values {
            Values::Boolean(mut flags) => Arc::new(BooleanArray::new(flags.finish(), nulls)),
            Values::Int8(list) => self.numbers::<Int8Type>(list, nulls)?,
            Values::Int16(list) => self.numbers::<Int16Type>(list, nulls)?,
            Values::Int32(list) => self.numbers::<Int32Type>(list, nulls)?,
            Values::Int64(list) => self.numbers::<Int64Type>(list, nulls)?,
            Values::UInt8(list) => self.numbers::<UInt8Type>(list, nulls)?,
            Values::UInt16(list) => self.numbers::<UInt16Type>(list, nulls)?,
            Values::UInt32(list) => self.numbers::<UInt32Type>(list, nulls)?,
            Values::UInt64(list) => self.numbers::<UInt64Type>(list, nulls)?,
            Values::Decimal128(list) => self.numbers::<Decimal128Type>(list, nulls)?,
            Values::Decimal256(list) => self.numbers::<Decimal256Type>(list, nulls)?,
            Values::Float32(list) => self.numbers::<Float32Type>(list, nulls)?,
            Values::Float64(list) => self.numbers::<Float64Type>(list, nulls)?,
            Values::Date(list) => self.numbers::<Date32Type>(list, nulls)?,
            Values::Micros(list) => self.numbers::<TimestampMicrosecondType>(list, nulls)?,
            Values::Interval(list) => self.numbers::<IntervalMonthDayNanoType>(list, nulls)?,
            Values::Bytes(ends, bytes) => {
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                let bytes = Buffer::from_vec(bytes);
                if self.data_type == DataType::Bytes {
                    Arc::new(BinaryArray::try_new(ends, bytes, nulls)?)
                } else {
                    Arc::new(StringArray::try_new(ends, bytes, nulls)?)
                }
            }
        })
    }

    /// An array of fixed-width values. Decimals and timestamps get their precision and zone from
    /// the logical type.
    fn numbers<T: ArrowPrimitiveType>(
        &self,
        list: Vec<T::Native>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        let array = PrimitiveArray::<T>::try_new(ScalarBuffer::from(list), nulls)?;
        Ok(Arc::new(array.with_data_type(arrow_type(self.data_type))))
    }
}

impl Values {
    /// An empty vector with room for `rows` values and, for texts, `bytes` bytes.
    fn new(data_type: DataType, rows: usize, bytes: usize) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBufferBuilder::new(rows)),
            DataType::Int8 => Self::Int8(Vec::with_capacity(rows)),
            DataType::Int16 => Self::Int16(Vec::with_capacity(rows)),
            DataType::Int32 => Self::Int32(Vec::with_capacity(rows)),
            DataType::Int64 => Self::Int64(Vec::with_capacity(rows)),
            DataType::UInt8 => Self::UInt8(Vec::with_capacity(rows)),
            DataType::UInt16 => Self::UInt16(Vec::with_capacity(rows)),
            DataType::UInt32 => Self::UInt32(Vec::with_capacity(rows)),
            DataType::UInt64 => Self::UInt64(Vec::with_capacity(rows)),
            DataType::Decimal { precision, .. } if precision <= 38 => {
                Self::Decimal128(Vec::with_capacity(rows))
            }
            DataType::Decimal { .. } => Self::Decimal256(Vec::with_capacity(rows)),
            DataType::Float32 => Self::Float32(Vec::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Vec::with_capacity(rows)),
            DataType::Date => Self::Date(Vec::with_capacity(rows)),
            // Both kinds are microseconds; the zone is added with the Arrow type.
            DataType::Timestamp | DataType::TimestampTz => Self::Micros(Vec::with_capacity(rows)),
            DataType::Interval => Self::Interval(Vec::with_capacity(rows)),
            DataType::Text | DataType::Json | DataType::Bytes => {
                // Offsets begin with 0, as Arrow's do.
                let mut ends = Vec::with_capacity(rows + 1);
                ends.push(0);
                Self::Bytes(ends, Vec::with_capacity(bytes))
            }
        }
    }

    /// Appends an integer and returns true, if this is a vector of integers in whose range it is.
    pub(crate) fn push_integer(&mut self, n: i128) -> bool {
        // The conversion fails if the integer is out of the type's range.
        fn push<T: TryFrom<i128>>(list: &mut Vec<T>, n: i128) -> bool {
            T::try_from(n).map(|n| list.push(n)).is_ok()
        }
        match self {
            Self::Int8(list) => push(list, n),
            Self::Int16(list) => push(list, n),
            Self::Int32(list) => push(list, n),
            Self::Int64(list) => push(list, n),
            Self::UInt8(list) => push(list, n),
            Self::UInt16(list) => push(list, n),
            Self::UInt32(list) => push(list, n),
            Self::UInt64(list) => push(list, n),
            _ => false,
        }
    }
}
