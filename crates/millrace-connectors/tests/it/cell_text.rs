//! Values of Arrow columns as texts, for comparing. Unit tests use this file too.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use millrace_core::schema::DataType;
use millrace_core::value::Value;

/// A value as a text.
pub(crate) fn cell(array: &dyn Array, data_type: DataType, row: usize) -> String {
    match data_type {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Decimal { precision, .. } if precision <= 38 => {
            array.as_primitive::<Decimal128Type>().value_as_string(row)
        }
        DataType::Decimal { .. } => array.as_primitive::<Decimal256Type>().value_as_string(row),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Date => Value::Date(array.as_primitive::<Date32Type>().value(row)).to_string(),
        DataType::Timestamp => {
            Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row)).to_string()
        }
        DataType::TimestampTz => {
            Value::TimestampTz(array.as_primitive::<TimestampMicrosecondType>().value(row)).to_string()
        }
        DataType::Interval => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            assert_eq!((value.months, value.days, value.nanoseconds % 1000), (0, 0, 0));
            format!("{}us", value.nanoseconds / 1000)
        }
        DataType::Text | DataType::Json => array.as_string::<i32>().value(row).to_owned(),
        DataType::Bytes => Value::Bytes(array.as_binary::<i32>().value(row).to_vec()).to_string(),
    }
}
