//! PostgreSQL's SQL where it differs from other warehouses, and its types as logical types.

use millrace_core::schema::DataType;
use millrace_core::sql::dialect::Dialect;
use tokio_postgres::Column;
use tokio_postgres::types::{Kind, Type};

/// The dialect of PostgreSQL.
pub(super) struct PostgresDialect;

impl Dialect for PostgresDialect {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn column_type(&self, data_type: DataType) -> String {
        match data_type {
            DataType::Boolean => "boolean".into(),
            // PostgreSQL has no smaller and no unsigned integers, so the next wider type is used,
            // which holds all values.
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".into(),
            DataType::Int32 | DataType::UInt16 => "integer".into(),
            DataType::Int64 | DataType::UInt32 => "bigint".into(),
            DataType::UInt64 => "numeric(20,0)".into(),
            DataType::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
            DataType::Float32 => "real".into(),
            DataType::Float64 => "double precision".into(),
            DataType::Date => "date".into(),
            DataType::Timestamp => "timestamp".into(),
            DataType::TimestampTz => "timestamptz".into(),
            DataType::Interval => "interval".into(),
            DataType::Text => "text".into(),
            // Not `jsonb`: it keeps only the last of equal keys, and it refuses `\u0000` and
            // numbers beyond its range, which would show only after the table was created. `json`
            // keeps each text as it came; a model that needs `jsonb` casts.
            DataType::Json => "json".into(),
            DataType::Bytes => "bytea".into(),
        }
    }

    fn sha256(&self, text: &str) -> String {
        format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')")
    }

    fn folded(&self, text: &str) -> String {
        // The text is decomposed first: `É` becomes an `E`, which every locale knows, and an
        // accent. U+0300 to U+036F are the combining accents. `normalize` fails in a database with
        // another encoding, and there it must not even be planned: for constants the planner would
        // evaluate it before the condition. Appending `left(…, 0)` makes the argument no constant.
        format!(
            r"case when getdatabaseencoding() = 'UTF8' then lower(regexp_replace(normalize({text} || left(getdatabaseencoding(), 0), NFD), '[\u0300-\u036F]', '', 'g')) else lower({text}) end"
        )
    }
}

/// The logical type of a result's column; `None` for a type whose values are read as text.
pub(super) fn logical_type(column: &Column) -> Option<DataType> {
    Some(match *column.type_() {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::OID => DataType::UInt32,
        Type::NUMERIC => decimal(column.type_modifier()).unwrap_or(WIDEST),
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::DATE => DataType::Date,
        Type::TIMESTAMP => DataType::Timestamp,
        Type::TIMESTAMPTZ => DataType::TimestampTz,
        Type::INTERVAL => DataType::Interval,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UUID | Type::UNKNOWN => DataType::Text,
        Type::JSON | Type::JSONB => DataType::Json,
        Type::BYTEA => DataType::Bytes,
        _ if matches!(column.type_().kind(), Kind::Enum(_)) => DataType::Text,
        _ => return None,
    })
}

/// Stands for a `numeric` without bounds, such as that of a sum, until its values are known.
pub(super) const WIDEST: DataType = DataType::Decimal { precision: 65, scale: 38 };

/// Precision and scale of a `numeric` from its type modifier (`numerictypmodin` in PostgreSQL's
/// `numeric.c`). `None` if the type has no bounds, or bounds that no logical type has.
fn decimal(modifier: i32) -> Option<DataType> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let precision =
        u8::try_from((packed >> 16) & 0xffff).ok().filter(|precision| (1..=65).contains(precision))?;
    // The scale is a signed number of eleven bits.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    let scale = u8::try_from(scale).ok().filter(|scale| *scale <= 38 && *scale <= precision)?;
    Some(DataType::Decimal { precision, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_of_numeric() {
        let packed = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(decimal(packed(12, 2)), Some(DataType::Decimal { precision: 12, scale: 2 }));
        assert_eq!(decimal(packed(65, 30)), Some(DataType::Decimal { precision: 65, scale: 30 }));
        for none in [-1, packed(1000, 2), packed(5, -2), packed(2, 5)] {
            assert_eq!(decimal(none), None, "{none}");
        }
    }
}
