//! Exact numbers into columns.

use millrace_core::schema::DataType;

use crate::files::cell::Refusal;
use crate::files::column::{ColumnBuffer, Values};
use crate::files::number::{Misfit, Number, small_integer};

/// Appends a number to a column of integers or decimals. None where the text is no number by JSON's grammar. A refusal leaves
/// the column as it was.
pub(crate) fn push(column: &mut ColumnBuffer, text: &[u8]) -> Option<Result<(), Refusal>> {
    let data_type = column.data_type();
    let pushed = match data_type {
        DataType::Decimal { precision, scale } if precision <= 38 => {
            Number::parse(text)?.scaled(precision, scale).map(|scaled| {
                column.push_with(|values| {
                    let Values::Decimal128(list) = values else { return false };
                    list.push(scaled);
                    true
                })
            })
        }
        DataType::Decimal { precision, scale } => {
            Number::parse(text)?.scaled_wide(precision, scale).map(|scaled| {
                column.push_with(|values| {
                    let Values::Decimal256(list) = values else { return false };
                    list.push(scaled);
                    true
                })
            })
        }
        _ => {
            let integer = match small_integer(text) {
                Some(n) => Ok(i128::from(n)),
                None => Number::parse(text)?.integer(),
            };
            integer.map(|n| column.push_with(|values| values.push_integer(n)))
        }
    };
    Some(match pushed {
        Ok(true) => Ok(()),
        Ok(false) => Err(out_of_range(data_type)),
        Err(Misfit::TooLarge) => {
            Err(Refusal::out_of_range(format!("the number is too large for {data_type}")))
        }
        Err(Misfit::TooManyDecimals) => {
            Err(Refusal::out_of_range(format!("the number has more decimals than {data_type}")))
        }
    })
}

/// A value that its type does not hold.
pub(crate) fn out_of_range(data_type: DataType) -> Refusal {
    Refusal::out_of_range(format!("the value is not exactly a {data_type}"))
}
