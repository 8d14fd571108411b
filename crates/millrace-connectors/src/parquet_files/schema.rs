//! From Parquet's types to logical ones.

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

/// A top-level column of a file.
pub(super) fn column(file: &str, field: &Field, own: &Type) -> Result<Column> {
    let data_type = data_type(field, own).ok_or_else(|| {
        let message = format!("column `{}` of file `{file}` has a type that is not read", field.name());
        Error::new(ErrorKind::SourceUnreadable, message)
            .caused_by(field.data_type())
            .hint(format!("Leave it out: `exclude_columns: [{}]`.", written(field.name())))
    })?;
    Ok(Column { name: field.name().clone(), data_type, nullable: field.is_nullable() })
}

/// The logical type of a column; none for a type that is not read.
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

fn is(own: &Type, logical: &LogicalType, converted: ConvertedType) -> bool {
    let info = own.get_basic_info();
    info.logical_type_ref() == Some(logical) || info.converted_type() == converted
}

/// Whether sixteen bytes are a UUID.
pub(super) fn is_uuid(own: &Type) -> bool {
    own.get_basic_info().logical_type_ref() == Some(&LogicalType::Uuid)
}

/// Whether all that is nested in a column can be written as JSON. Moments of 96 bits cannot be told from what they overflow to there.
fn is_read(nested: &ArrowType, own: &Type) -> bool {
    fn known(data_type: &ArrowType) -> bool {
        match data_type {
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

/// Whether a column's moments have 96 bits, as Hive and Impala wrote them.
pub(super) fn is_int96(own: &Type) -> bool {
    own.is_primitive() && own.get_physical_type() == PhysicalType::INT96
}

/// What Arrow makes of such a moment, and what it has to for the microseconds.
pub(super) const NANOSECONDS: ArrowType = ArrowType::Timestamp(TimeUnit::Nanosecond, None);
/// See [`NANOSECONDS`].
pub(super) const MICROSECONDS: ArrowType = ArrowType::Timestamp(TimeUnit::Microsecond, None);

/// The same type with texts as bytes. Whether they are texts is then found out value by value, where the library gives up a whole page for one
/// of them (or, of those that are JSON, does not look).
pub(super) fn untyped(own: &Type) -> Result<Type, ParquetError> {
    match own {
        Type::GroupType { basic_info, fields } => {
            let fields = fields.iter().map(|field| untyped(field).map(Arc::new));
            Ok(Type::GroupType { basic_info: basic_info.clone(), fields: fields.collect::<Result<_, _>>()? })
        }
        Type::PrimitiveType { basic_info, .. }
            if own.get_physical_type() == PhysicalType::BYTE_ARRAY && is_text(own) =>
        {
            let id = basic_info.has_id().then(|| basic_info.id());
            Type::primitive_type_builder(own.name(), PhysicalType::BYTE_ARRAY)
                .with_repetition(basic_info.repetition())
                .with_id(id)
                .build()
        }
        Type::PrimitiveType { .. } => Ok(own.clone()),
    }
}

fn is_text(own: &Type) -> bool {
    is(own, &LogicalType::String, ConvertedType::UTF8) || is(own, &LogicalType::Json, ConvertedType::JSON)
}

/// The same type without groups that have no fields, which hold nothing and which the library leaves out of what it reads; none where
/// nothing is left.
pub(super) fn without_empty_groups(own: &Type) -> Result<Option<Type>, ParquetError> {
    let Type::GroupType { basic_info, fields } = own else { return Ok(Some(own.clone())) };
    let kept = fields.iter().map(|field| without_empty_groups(field).map(|kept| kept.map(Arc::new)));
    let fields: Vec<_> = kept.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    Ok((!fields.is_empty()).then(|| Type::GroupType { basic_info: basic_info.clone(), fields }))
}

/// An error where two columns of a file have one name, or two fields within a column that somebody wants.
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

fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

fn twice_within(own: &Type) -> Option<&str> {
    let Type::GroupType { fields, .. } = own else { return None };
    twice(fields.iter().map(|field| field.name()))
        .or_else(|| fields.iter().find_map(|field| twice_within(field)))
}
