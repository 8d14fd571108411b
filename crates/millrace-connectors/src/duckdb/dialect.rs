//! DuckDB's SQL where it differs.

use millrace_core::schema::DataType;
use millrace_core::sql::dialect::Dialect;

/// DuckDB's dialect.
pub(super) struct DuckdbDialect;

impl Dialect for DuckdbDialect {
    fn name(&self) -> &'static str {
        "duckdb"
    }

    fn column_type(&self, data_type: DataType) -> String {
        match data_type {
            DataType::Boolean => "BOOLEAN".into(),
            DataType::Int8 => "TINYINT".into(),
            DataType::Int16 => "SMALLINT".into(),
            DataType::Int32 => "INTEGER".into(),
            DataType::Int64 => "BIGINT".into(),
            DataType::UInt8 => "UTINYINT".into(),
            DataType::UInt16 => "USMALLINT".into(),
            DataType::UInt32 => "UINTEGER".into(),
            DataType::UInt64 => "UBIGINT".into(),
            DataType::Decimal { precision, scale } if precision <= 38 => {
                format!("DECIMAL({precision},{scale})")
            }
            // No DuckDB number holds more than 38 digits; text keeps them all.
            DataType::Decimal { .. } | DataType::Text => "VARCHAR".into(),
            DataType::Float32 => "FLOAT".into(),
            DataType::Float64 => "DOUBLE".into(),
            DataType::Date => "DATE".into(),
            DataType::Timestamp => "TIMESTAMP".into(),
            DataType::TimestampTz => "TIMESTAMPTZ".into(),
            DataType::Interval => "INTERVAL".into(),
            DataType::Json => "JSON".into(),
            DataType::Bytes => "BLOB".into(),
        }
    }
}

/// The logical type of a type name as `DESCRIBE` prints it; none where there is no logical one.
pub(super) fn logical_type(name: &str) -> Option<DataType> {
    if let Some(digits) = name.strip_prefix("DECIMAL(").and_then(|rest| rest.strip_suffix(')')) {
        let (precision, scale) = digits.split_once(',')?;
        return Some(DataType::Decimal { precision: precision.parse().ok()?, scale: scale.parse().ok()? });
    }
    Some(match name {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" => DataType::Int8,
        "SMALLINT" => DataType::Int16,
        "INTEGER" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "UTINYINT" => DataType::UInt8,
        "USMALLINT" => DataType::UInt16,
        "UINTEGER" => DataType::UInt32,
        "UBIGINT" => DataType::UInt64,
        // Sums of integers; beyond 38 digits only for values that no sum of a table reaches.
        "HUGEINT" | "UHUGEINT" => DataType::Decimal { precision: 38, scale: 0 },
        "FLOAT" => DataType::Float32,
        "DOUBLE" => DataType::Float64,
        "DATE" => DataType::Date,
        "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS" => DataType::Timestamp,
        "TIMESTAMP WITH TIME ZONE" => DataType::TimestampTz,
        "INTERVAL" => DataType::Interval,
        "VARCHAR" | "UUID" => DataType::Text,
        "JSON" => DataType::Json,
        "BLOB" => DataType::Bytes,
        name if name.starts_with("ENUM") => DataType::Text,
        _ => return None,
    })
}
