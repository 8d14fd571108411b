//! Columns and their logical types: one set of types for all sources and warehouses.

use std::fmt;
use std::str::FromStr;

/// The logical type of a column. The reference page `types.md` lists how each source and warehouse
/// maps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// True or false.
    Boolean,
    /// Signed 8-bit integer.
    Int8,
    /// Signed 16-bit integer.
    Int16,
    /// Signed 32-bit integer.
    Int32,
    /// Signed 64-bit integer.
    Int64,
    /// Unsigned 8-bit integer.
    UInt8,
    /// Unsigned 16-bit integer.
    UInt16,
    /// Unsigned 32-bit integer.
    UInt32,
    /// Unsigned 64-bit integer.
    UInt64,
    /// Exact number with `precision` digits in total (1 to 65), `scale` of them after the point (0
    /// to 38).
    Decimal {
        /// Total number of digits.
        precision: u8,
        /// Number of digits after the point; at most `precision`.
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
    /// A point in time, in microseconds of UTC.
    TimestampTz,
    /// A duration in microseconds. MySQL's TIME maps to it, because it can exceed one day.
    Interval,
    /// Text in UTF-8.
    Text,
    /// Text that holds one JSON value.
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

    /// Whether values are dates or timestamps.
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

/// The type names that [`DataType::from_str`] accepts, as shown in messages.
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

/// The error of [`DataType::from_str`]: the text is not a logical type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAType;

impl FromStr for DataType {
    type Err = NotAType;

    /// Parses a name of [`TYPE_NAMES`]; the inverse of `Display`. Refuses a decimal whose precision
    /// or scale is out of bounds.
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
    /// Name as the source spells it.
    pub name: String,
    /// Logical type.
    pub data_type: DataType,
    /// Whether the source may deliver NULL or omit the value. If not, such a row goes to
    /// quarantine.
    pub nullable: bool,
}

/// The columns of a stream, in the order of the source, and the primary key that the source
/// declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamSchema {
    /// The columns; their names are unique.
    pub columns: Vec<Column>,
    /// Column names of the primary key; empty if the source declares none.
    pub primary_key: Vec<String>,
}

impl StreamSchema {
    /// The column with this name, in the spelling of the source.
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
