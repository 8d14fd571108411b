//! Appends the texts of numbers to columns of integers and decimals, exactly or not at all.

use millrace_core::schema::DataType;

use crate::files::cell::{Refusal, Spelling};
use crate::files::column::{ColumnBuffer, Values};
use crate::files::number::{Misfit, Number, Short, small_integer};

/// Appends a number to a column of integers or decimals. Returns `None` if the text is no number by
/// JSON's grammar. A refusal leaves the column as it was.
pub(crate) fn push(column: &mut ColumnBuffer, text: &[u8]) -> Option<Result<(), Refusal>> {
    put(column, text).map(|put| put.map(|_spelling| ()))
}

/// Does the same, and reports how the number is written.
pub(crate) fn put(column: &mut ColumnBuffer, text: &[u8]) -> Option<Result<Spelling, Refusal>> {
    put_where(column, text, |_number| true)
}

/// Does the same for a format that writes all values as texts, in which `12E3` is a code and no
/// number.
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) fn put_plain(column: &mut ColumnBuffer, text: &[u8]) -> Option<Result<Spelling, Refusal>> {
    put_where(column, text, |number| !number.is_code())
}

/// Does the same if `is_number` accepts the number. A short number without an exponent is not asked
/// about. The spelling is the column's own if discovery would infer the type from it: no point in a
/// whole number, and no more decimals than the column has.
fn put_where(
    column: &mut ColumnBuffer,
    text: &[u8],
    is_number: impl Fn(&Number<'_>) -> bool,
) -> Option<Result<Spelling, Refusal>> {
    let data_type = column.data_type();
    // `pushed` is false if the value is out of the column's range.
    let (pushed, is_own) = match data_type {
        DataType::Decimal { precision, scale } if precision <= 38 => {
            let push = |column: &mut ColumnBuffer, scaled| {
                column.push_with(|values| {
                    let Values::Decimal128(list) = values else { return false };
                    list.push(scaled);
                    true
                })
            };
            // Nearly all numbers take this way, without an allocation.
            if let Some(scaled) = Short::parse(text).and_then(|short| short.scaled(precision, scale)) {
                (Ok(push(column, scaled)), true)
            } else {
                let number = Number::parse(text).filter(&is_number)?;
                let scaled = number.scaled(precision, scale).map(|scaled| push(column, scaled));
                (scaled, number.shape().1 <= i64::from(scale))
            }
        }
        // Decimals with more than 38 digits need 256 bits.
        DataType::Decimal { precision, scale } => {
            let number = Number::parse(text).filter(&is_number)?;
            let scaled = number.scaled_wide(precision, scale).map(|scaled| {
                column.push_with(|values| {
                    let Values::Decimal256(list) = values else { return false };
                    list.push(scaled);
                    true
                })
            });
            (scaled, number.shape().1 <= i64::from(scale))
        }
        // Integers of all widths go through an `i128`, which holds the range of each.
        _ => {
            let (integer, is_own) = match small_integer(text) {
                Some(n) => (Ok(i128::from(n)), true),
                None => {
                    let number = Number::parse(text).filter(&is_number)?;
                    (number.integer(), number.is_plain_integer())
                }
            };
            (integer.map(|n| column.push_with(|values| values.push_integer(n))), is_own)
        }
    };
    Some(match pushed {
        Ok(true) => Ok(if is_own { Spelling::Own } else { Spelling::Other }),
        Ok(false) => Err(out_of_range(data_type)),
        Err(Misfit::TooLarge) => {
            Err(Refusal::out_of_range(format!("the number is too large for {data_type}")))
        }
        Err(Misfit::TooManyDecimals) => {
            Err(Refusal::out_of_range(format!("the number has more decimals than {data_type}")))
        }
    })
}

/// The refusal of a value that its type does not hold.
pub(crate) fn out_of_range(data_type: DataType) -> Refusal {
    Refusal::out_of_range(format!("the value does not fit exactly into {data_type}"))
}
