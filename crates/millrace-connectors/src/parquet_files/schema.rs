//! Maps Parquet's types to logical types, and prepares schemas for reading.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field, TimeUnit};
use millrace_core::project::column_choice::LeftOut;
use millrace_core::project::yaml::written;
use millrace_core::schema::{Column, DataType};
use millrace_engine::error::{Error, ErrorKind, Result};
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::schema::types::Type;

/// The column of a top-level field. Returns an error if its type cannot be read.
pub(super) fn column(file: &str, field: &Field, own: &Type) -> Result<Column> {
    let data_type = data_type(field, own).ok_or_else(|| {
        let message = format!("column `{}` of file `{file}` has a type that is not read", field.name());
        Error::new(ErrorKind::SourceUnreadable, message)
            .caused_by(field.data_type())
            .hint(format!("Leave it out: `exclude_columns: [{}]`.", written(field.name())))
    })?;
    Ok(Column { name: field.name().clone(), data_type, nullable: field.is_nullable() })
}

/// The logical type of a field. Returns `None` if its type cannot be read. A decimal that no
/// logical type holds (more than 65 digits, or a scale outside of 0 to 38) is text.
fn data_type(field: &Field, own: &Type) -> Option<DataType> {
    Some(match field.data_type() {
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Int8 => DataType::Int8,
        ArrowType::Int16 => DataType::Int16,
        ArrowType::Int32 => DataType::Int32,
        ArrowType::Int64 => DataType::Int64,
        ArrowType::UInt8 => DataType::UInt8,
        ArrowType::UInt16 => DataType::UInt16,
        ArrowType::UInt32 => DataType::UInt32,
        ArrowType::UInt64 => DataType::UInt64,
        // There is no logical type of 16 bits; 32 bits hold all its values.
        ArrowType::Float16 | ArrowType::Float32 => DataType::Float32,
        ArrowType::Float64 => DataType::Float64,
        ArrowType::Decimal128(precision, scale) | ArrowType::Decimal256(precision, scale) => {
            match u8::try_from(*scale) {
                Ok(scale) if *precision <= 65 && scale <= 38 => {
                    DataType::Decimal { precision: *precision, scale }
                }
                _ => DataType::Text,
            }
        }
        ArrowType::Date32 => DataType::Date,
        ArrowType::Time32(_) | ArrowType::Time64(_) => DataType::Interval,
        ArrowType::Timestamp(_, None) => DataType::Timestamp,
        ArrowType::Timestamp(_, Some(_)) => DataType::TimestampTz,
        ArrowType::Utf8 if is(own, &LogicalType::Json, ConvertedType::JSON) => DataType::Json,
        // A column of type Null has no values, so any type would do.
        ArrowType::Utf8 | ArrowType::Null => DataType::Text,
        ArrowType::Binary if is(own, &LogicalType::Enum, ConvertedType::ENUM) => DataType::Text,
        ArrowType::FixedSizeBinary(16) if is_uuid(own) => DataType::Text,
        ArrowType::Binary | ArrowType::FixedSizeBinary(_) => DataType::Bytes,
        nested @ (ArrowType::List(_) | ArrowType::Struct(_) | ArrowType::Map(..)) if is_read(nested, own) => {
            DataType::Json
        }
        _ => return None,
    })
}

/// Whether a type has an annotation, in its present form or in the older one (`ConvertedType`).
fn is(own: &Type, logical: &LogicalType, converted: ConvertedType) -> bool {
    let info = own.get_basic_info();
    info.logical_type_ref() == Some(logical) || info.converted_type() == converted
}

/// Whether a field of sixteen bytes is annotated as a UUID.
pub(super) fn is_uuid(own: &Type) -> bool {
    own.get_basic_info().logical_type_ref() == Some(&LogicalType::Uuid)
}

/// Whether everything that is nested in a column can be written as JSON. INT96 timestamps cannot:
/// the values to which they overflow would not be noticed there.
fn is_read(nested: &ArrowType, own: &Type) -> bool {
    fn known(data_type: &ArrowType) -> bool {
        match data_type {
            // `json::write` has no form for an interval.
            ArrowType::Interval(_) => false,
            ArrowType::List(item) | ArrowType::Map(item, _) => known(item.data_type()),
            ArrowType::Struct(fields) => fields.iter().all(|field| known(field.data_type())),
            _ => true,
        }
    }
    fn has_int96(own: &Type) -> bool {
        match own {
            Type::GroupType { fields, .. } => fields.iter().any(|field| has_int96(field)),
            Type::PrimitiveType { .. } => own.get_physical_type() == PhysicalType::INT96,
        }
    }
    known(nested) && !has_int96(own)
}

/// Whether a column has timestamps of type INT96, as Hive and Impala wrote them.
pub(super) fn is_int96(own: &Type) -> bool {
    own.is_primitive() && own.get_physical_type() == PhysicalType::INT96
}

/// The Arrow type that the library gives an INT96 timestamp.
pub(super) const NANOSECONDS: ArrowType = ArrowType::Timestamp(TimeUnit::Nanosecond, None);
/// The Arrow type that it is told to use, to read the milliseconds of an INT96 timestamp: 64 bits
/// hold those of every day that INT96 can name.
pub(super) const MILLISECONDS: ArrowType = ArrowType::Timestamp(TimeUnit::Millisecond, None);

/// The same type with bytes in the place of texts. Each value is then checked here. The library
/// would give up a whole page for one value that is not UTF-8, and does not check JSON at all.
pub(super) fn untyped(own: &Type) -> Result<Type, ParquetError> {
    match own {
        Type::GroupType { basic_info, fields } => {
            let fields = fields.iter().map(|field| untyped(field).map(Arc::new));
            Ok(Type::GroupType { basic_info: basic_info.clone(), fields: fields.collect::<Result<_, _>>()? })
        }
        Type::PrimitiveType { basic_info, .. }
            if own.get_physical_type() == PhysicalType::BYTE_ARRAY && is_text(own) =>
        {
            // Everything is kept except for the annotations.
            let id = basic_info.has_id().then(|| basic_info.id());
            Type::primitive_type_builder(own.name(), PhysicalType::BYTE_ARRAY)
                .with_repetition(basic_info.repetition())
                .with_id(id)
                .build()
        }
        Type::PrimitiveType { .. } => Ok(own.clone()),
    }
}

/// Whether a type is annotated as text or JSON.
fn is_text(own: &Type) -> bool {
    is(own, &LogicalType::String, ConvertedType::UTF8) || is(own, &LogicalType::Json, ConvertedType::JSON)
}

/// The same type without groups that have no fields: they hold nothing, and the library drops them
/// from what it reads. Returns `None` if nothing is left.
pub(super) fn without_empty_groups(own: &Type) -> Result<Option<Type>, ParquetError> {
    let Type::GroupType { basic_info, fields } = own else { return Ok(Some(own.clone())) };
    let kept = fields.iter().map(|field| without_empty_groups(field).map(|kept| kept.map(Arc::new)));
    let fields: Vec<_> = kept.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    Ok((!fields.is_empty()).then(|| Type::GroupType { basic_info: basic_info.clone(), fields }))
}

/// Returns an error if two columns of a file have the same name, or two fields within a column.
/// Excluded columns do not count.
pub(super) fn assert_distinct(file: &str, root: &Type, excluded: &LeftOut) -> Result<()> {
    let refused = |what: String| {
        Error::new(ErrorKind::SourceUnreadable, format!("{what} of file `{file}` have the same name"))
            .hint("Have the file written with one of them under another name.")
    };
    let wanted: Vec<&Arc<Type>> =
        root.get_fields().iter().filter(|field| !excluded.contains(field.name())).collect();
    if let Some(twice) = twice(wanted.iter().map(|field| field.name())) {
        return Err(refused(format!("two columns `{twice}`")));
    }
    match wanted.iter().find_map(|field| twice_within(field).map(|twice| (field.name(), twice))) {
        Some((column, twice)) => Err(refused(format!("two fields `{twice}` within column `{column}`"))),
        None => Ok(()),
    }
}

/// The first name that occurs a second time.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// The first name that two fields of one group have, at any depth within a type.
fn twice_within(own: &Type) -> Option<&str> {
    let Type::GroupType { fields, .. } = own else { return None };
    twice(fields.iter().map(|field| field.name()))
        .or_else(|| fields.iter().find_map(|field| twice_within(field)))
}
