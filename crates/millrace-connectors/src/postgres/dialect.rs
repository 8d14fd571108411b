//! PostgreSQL's SQL where it differs, and its types as logical ones.

use millrace_core::schema::DataType;
use millrace_core::sql::dialect::Dialect;
use tokio_postgres::Column;
use tokio_postgres::types::{Kind, Type};

/// PostgreSQL's dialect.
pub(super) struct PostgresDialect;

impl Dialect for PostgresDialect {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn column_type(&self, data_type: DataType) -> String {
        match data_type {
            DataType::Boolean => "boolean".into(),
            // There is nothing smaller, and nothing unsigned: the next wider type holds them all.
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
            // Not `jsonb`: that drops all but the last of equal keys, and refuses `\u0000` and numbers beyond its range, which is
            // known only when the table is there. `json` keeps each text as it came; a model that wants `jsonb` casts.
            DataType::Json => "json".into(),
            DataType::Bytes => "bytea".into(),
        }
    }

    fn sha256(&self, text: &str) -> String {
        format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')")
    }

    fn folded(&self, text: &str) -> String {
        // Decomposed first: `É` is then an `E`, which every locale knows, and an accent. U+0300 to U+036F are the combining accents.
        // `normalize` fails in a database of another encoding, where it must not even be planned: of constants it is worked out before
        // the condition is. What is appended is no constant.
        format!(
            r"case when getdatabaseencoding() = 'UTF8' then lower(regexp_replace(normalize({text} || left(getdatabaseencoding(), 0), NFD), '[\u0300-\u036F]', '', 'g')) else lower({text}) end"
        )
    }
}

/// The logical type of a result's column; none for a type whose values are read as text.
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

/// What stands for `numeric` without bounds, as sums have it, before its values are seen.
pub(super) const WIDEST: DataType = DataType::Decimal { precision: 65, scale: 38 };

/// Precision and scale of a `numeric`, from its modifier (`numerictypmodin` in PostgreSQL's `numeric.c`); none where it has no
/// bounds, or such as no logical type has.
fn decimal(modifier: i32) -> Option<DataType> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let precision =
        u8::try_from((packed >> 16) & 0xffff).ok().filter(|precision| (1..=65).contains(precision))?;
    // Eleven bits, signed.
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
