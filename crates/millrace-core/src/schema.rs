//! Columns and their logical types: one list for every source and warehouse.

use std::fmt;
use std::str::FromStr;

/// The logical type of a column. What each source and warehouse makes of it stands in the reference, `types.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// True or false.
    Boolean,
    /// Signed integer of 8 bits.
    Int8,
    /// Signed integer of 16 bits.
    Int16,
    /// Signed integer of 32 bits.
    Int32,
    /// Signed integer of 64 bits.
    Int64,
    /// Unsigned integer of 8 bits.
    UInt8,
    /// Unsigned integer of 16 bits.
    UInt16,
    /// Unsigned integer of 32 bits.
    UInt32,
    /// Unsigned integer of 64 bits.
    UInt64,
    /// Exact number: `precision` digits in all (1 to 65), `scale` of them after the point (0 to 38).
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point; at most `precision`.
        scale: u8,
    },
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// A day of the proleptic Gregorian calendar.
    Date,
    /// Date and time without a zone, in microseconds.
    Timestamp,
    /// An instant, in microseconds of UTC.
    TimestampTz,
    /// A length of time in microseconds (MySQL's TIME, which goes beyond a day).
    Interval,
    /// Text in UTF-8.
    Text,
    /// Text that is one JSON value.
    Json,
    /// Bytes.
    Bytes,
}

impl DataType {
    /// Whether values are numbers.
    pub fn is_numeric(self) -> bool {
        use DataType::{Decimal, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
        matches!(
            self,
            Int8 | Int16
                | Int32
                | Int64
                | UInt8
                | UInt16
                | UInt32
                | UInt64
                | Decimal { .. }
                | Float32
                | Float64
        )
    }

    /// Whether values lie on a time line.
    pub fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt8 => "uint8",
            Self::UInt16 => "uint16",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Interval => "interval",
            Self::Text => "text",
            Self::Json => "json",
            Self::Bytes => "bytes",
        })
    }
}

/// The names that [`DataType::from_str`] takes, as messages list them.
pub const TYPE_NAMES: [&str; 19] = [
    "boolean",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "decimal(18,2)",
    "float32",
    "float64",
    "date",
    "timestamp",
    "timestamptz",
    "interval",
    "text",
    "json",
    "bytes",
];

/// The text is no logical type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAType;

impl FromStr for DataType {
    type Err = NotAType;

    fn from_str(text: &str) -> Result<Self, NotAType> {
        if let Some(digits) = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
            let (precision, scale) = digits.split_once(',').ok_or(NotAType)?;
            let precision = precision.trim().parse().map_err(|_| NotAType)?;
            let scale = scale.trim().parse().map_err(|_| NotAType)?;
            let valid = (1..=65).contains(&precision) && scale <= 38 && scale <= precision;
            return if valid { Ok(Self::Decimal { precision, scale }) } else { Err(NotAType) };
        }
        Ok(match text {
            "boolean" => Self::Boolean,
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "uint8" => Self::UInt8,
            "uint16" => Self::UInt16,
            "uint32" => Self::UInt32,
            "uint64" => Self::UInt64,
            "float32" => Self::Float32,
            "float64" => Self::Float64,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::TimestampTz,
            "interval" => Self::Interval,
            "text" => Self::Text,
            "json" => Self::Json,
            "bytes" => Self::Bytes,
            _ => return Err(NotAType),
        })
    }
}

/// One column of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As the source spells it.
    pub name: String,
    /// Logical type.
    pub data_type: DataType,
    /// Whether the source may deliver NULL or leave the value out. A row that does so in a column where it may not is bad.
    pub nullable: bool,
}

/// The columns of a stream, in the source's order, with the key that the source itself declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamSchema {
    /// Columns; names are distinct.
    pub columns: Vec<Column>,
    /// Names of the primary key's columns; empty where the source has none.
    pub primary_key: Vec<String>,
}

impl StreamSchema {
    /// The column of that name, spelled as in the source.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_read_back() {
        for name in TYPE_NAMES {
            assert_eq!(name.parse::<DataType>().map(|t| t.to_string()), Ok(name.to_owned()));
        }
        for bad in ["decimal(0,0)", "decimal(2,3)", "decimal(66,2)", "int", "", "decimal(2)", "Decimal(2,2)"]
        {
            assert_eq!(bad.parse::<DataType>(), Err(NotAType), "{bad}");
        }
    }
}
