//! A profile of a column's values, for sources without types of their own: from it follows which
//! types hold all values exactly.

use millrace_core::schema::DataType;

/// The most digits of a decimal, and the most of them after the point.
const MOST_DIGITS: (u8, u8) = (65, 38);

/// Which kinds of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeenValues {
    /// Booleans.
    pub booleans: bool,
    /// Dates.
    pub dates: bool,
    /// Timestamps without a time zone.
    pub moments: bool,
    /// Timestamps with a time zone.
    pub instants: bool,
    /// Texts of none of the kinds above.
    pub texts: bool,
    /// Objects and arrays.
    pub nested: bool,
    /// At least one text is not valid JSON.
    pub not_json: bool,
    /// At least one text is not an interval.
    pub not_interval: bool,
    /// The profile of the numbers; `None` if there are no numbers.
    pub numbers: Option<SeenNumbers>,
}

/// A profile of a column's numbers. Digits and range cover only the numbers that a decimal can
/// hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenNumbers {
    /// The most digits before the point.
    pub whole: u8,
    /// The most digits after the point, without trailing zeros.
    pub scale: u8,
    /// The least and the greatest of the numbers without digits after the point.
    pub range: (i128, i128),
    /// Some numbers have too many digits for any decimal.
    pub beyond: bool,
    /// Each number equals the shortest text of some binary64.
    pub doubles: bool,
    /// Each number equals the shortest text of some binary32.
    pub floats: bool,
}

impl SeenValues {
    /// Whether there is any value other than NULL.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether the type holds every value exactly.
    pub fn are_held_by(&self, data_type: DataType) -> bool {
        let Self { booleans, dates, moments, instants, texts, nested, .. } = *self;
        let only = |others: &[bool]| !others.contains(&true) && self.numbers.is_none();
        match data_type {
            DataType::Text => !nested,
            DataType::Json => !self.not_json,
            DataType::Boolean => only(&[dates, moments, instants, texts, nested]),
            DataType::Date => only(&[booleans, moments, instants, texts, nested]),
            DataType::Timestamp => only(&[booleans, dates, instants, texts, nested]),
            DataType::TimestampTz => only(&[booleans, dates, moments, texts, nested]),
            DataType::Interval => {
                only(&[booleans, dates, moments, instants, nested]) && !(texts && self.not_interval)
            }
            DataType::Bytes => !self.any(),
            number => {
                ![booleans, dates, moments, instants, texts, nested].contains(&true)
                    && self.numbers.is_none_or(|numbers| !numbers.beyond && numbers.fit(number))
            }
        }
    }
}

impl SeenNumbers {
    /// Whether a numeric type holds all numbers exactly. For types other than floats, numbers too
    /// long for any decimal are not considered; see `beyond`.
    pub fn fit(&self, data_type: DataType) -> bool {
        let within = |low: i128, high: i128| {
            self.scale == 0 && self.whole <= 38 && self.range.0 >= low && self.range.1 <= high
        };
        match data_type {
            DataType::Int8 => within(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => within(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => within(i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => within(i64::MIN.into(), i64::MAX.into()),
            DataType::UInt8 => within(0, u8::MAX.into()),
            DataType::UInt16 => within(0, u16::MAX.into()),
            DataType::UInt32 => within(0, u32::MAX.into()),
            DataType::UInt64 => within(0, u64::MAX.into()),
            DataType::Decimal { precision, scale } => self.scale <= scale && self.whole <= precision - scale,
            DataType::Float64 => self.doubles,
            DataType::Float32 => self.floats,
            _ => false,
        }
    }

    /// The type that these numbers contribute to a column of type `by`, as input of
    /// [`crate::compile::contract::wider`]: `by` itself if it fits, otherwise the smallest of
    /// `int64`, `decimal(18)`, `decimal(38)` and the exact precision, or `float64` if `by` is a
    /// float. Returns `None` if no type holds them.
    pub fn needed(&self, by: DataType) -> Option<DataType> {
        if self.fit(by) {
            return Some(by);
        }
        if matches!(by, DataType::Float32 | DataType::Float64) {
            return self.doubles.then_some(DataType::Float64);
        }
        if self.fit(DataType::Int64) {
            return Some(DataType::Int64);
        }
        let digits = self.whole + self.scale;
        let precision = match digits {
            0..=18 => 18,
            19..=38 => 38,
            _ => digits,
        };
        let (most, most_scale) = MOST_DIGITS;
        (precision <= most && self.scale <= most_scale)
            .then_some(DataType::Decimal { precision, scale: self.scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(whole: u8, scale: u8, range: (i128, i128)) -> SeenNumbers {
        SeenNumbers { whole, scale, range, beyond: false, doubles: true, floats: false }
    }

    #[test]
    fn numbers_need_what_they_are() {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        for (seen, by, expected) in [
            (numbers(2, 0, (0, 99)), DataType::Int8, Some(DataType::Int8)),
            (numbers(3, 0, (0, 200)), DataType::Int8, Some(DataType::Int64)),
            (numbers(3, 0, (0, 200)), DataType::UInt8, Some(DataType::UInt8)),
            (numbers(3, 2, (0, 200)), DataType::Int32, Some(decimal(18, 2))),
            (numbers(3, 1, (0, 0)), decimal(18, 1), Some(decimal(18, 1))),
            (numbers(30, 12, (0, 0)), decimal(18, 1), Some(decimal(42, 12))),
            (numbers(40, 30, (0, 0)), decimal(18, 1), None),
            (numbers(3, 2, (0, 0)), DataType::Float32, Some(DataType::Float64)),
        ] {
            assert_eq!(seen.needed(by), expected, "{seen:?} {by}");
        }
    }

    #[test]
    fn a_type_holds_all_values_or_does_not() {
        let texts = SeenValues { texts: true, not_json: true, not_interval: true, ..SeenValues::default() };
        let nested = SeenValues { nested: true, ..SeenValues::default() };
        let ints = SeenValues { numbers: Some(numbers(2, 0, (0, 9))), ..SeenValues::default() };
        let dates = SeenValues { dates: true, not_json: true, not_interval: true, ..SeenValues::default() };
        for (seen, data_type, expected) in [
            (texts, DataType::Text, true),
            (texts, DataType::Int64, false),
            (texts, DataType::Interval, false),
            (texts, DataType::Json, false),
            (nested, DataType::Text, false),
            (nested, DataType::Json, true),
            (ints, DataType::Text, true),
            (ints, DataType::Int8, true),
            (ints, DataType::Float64, true),
            (ints, DataType::Date, false),
            (dates, DataType::Date, true),
            (dates, DataType::Timestamp, false),
            (SeenValues::default(), DataType::Bytes, true),
        ] {
            assert_eq!(seen.are_held_by(data_type), expected, "{seen:?} {data_type}");
        }
    }
}
