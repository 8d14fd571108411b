//! DuckDB's SQL where it differs from other warehouses, and its types as logical types.

use duckdb::core::{LogicalTypeHandle, LogicalTypeId};
use millrace_core::schema::DataType;
use millrace_core::sql::dialect::Dialect;

/// The dialect of DuckDB.
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
            // DuckDB's decimals hold at most 38 digits; text keeps all of them.
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

    fn sha256(&self, text: &str) -> String {
        format!("sha256({text})")
    }

    fn folded(&self, text: &str) -> String {
        format!("lower(strip_accents({text}))")
    }
}

/// The logical type for a type name as `DESCRIBE` prints it; `None` if there is none.
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
        // Sums of integers have these types. Only values that no sum of a table reaches exceed 38
        // digits.
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

/// The logical type of a result's column; `None` for a type whose values are read as text.
pub(super) fn result_type(found: &LogicalTypeHandle) -> Option<DataType> {
    Some(match found.id() {
        LogicalTypeId::Boolean => DataType::Boolean,
        LogicalTypeId::Tinyint => DataType::Int8,
        LogicalTypeId::Smallint => DataType::Int16,
        LogicalTypeId::Integer => DataType::Int32,
        LogicalTypeId::Bigint => DataType::Int64,
        LogicalTypeId::UTinyint => DataType::UInt8,
        LogicalTypeId::USmallint => DataType::UInt16,
        LogicalTypeId::UInteger => DataType::UInt32,
        LogicalTypeId::UBigint => DataType::UInt64,
        LogicalTypeId::Hugeint => DataType::Decimal { precision: 38, scale: 0 },
        LogicalTypeId::Decimal => {
            DataType::Decimal { precision: found.decimal_width(), scale: found.decimal_scale() }
        }
        LogicalTypeId::Float => DataType::Float32,
        LogicalTypeId::Double => DataType::Float64,
        LogicalTypeId::Date => DataType::Date,
        LogicalTypeId::Timestamp
        | LogicalTypeId::TimestampS
        | LogicalTypeId::TimestampMs
        | LogicalTypeId::TimestampNs => DataType::Timestamp,
        LogicalTypeId::TimestampTZ => DataType::TimestampTz,
        LogicalTypeId::Varchar => DataType::Text,
        LogicalTypeId::Blob => DataType::Bytes,
        _ => return None,
    })
}
