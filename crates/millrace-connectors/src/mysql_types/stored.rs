//! Decodes values in the form in which MySQL stores them: BIT, geometry, and decimals as text.

use std::borrow::Cow;

use crate::files::cell::Refusal;
use crate::files::column::{ColumnBuffer, Values};
use crate::files::number::{Number, small_integer};
use crate::files::numeric;

/// How the values of a column are stored, if their logical type does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the logical type says.
    Plain,
    /// BIT: an integer as bytes, most significant first.
    Bits,
    /// Geometry: four bytes with the number of the spatial reference system, then WKB.
    Geometry,
}

/// The result of appending a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Appended.
    Value,
    /// A zero or partial date. Nothing was appended; the caller decides what happens to the row.
    ZeroDate,
}

/// The number of a BIT value. Returns `None` for more than 64 bits.
pub(crate) fn bits(bytes: &[u8]) -> Option<u64> {
    let significant = &bytes[bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len())..];
    (significant.len() <= 8).then(|| significant.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

/// Appends a BIT value to a column of booleans or integers. Refuses a number that the column does
/// not hold.
pub(crate) fn push_bits(column: &mut ColumnBuffer, value: u64) -> Result<(), Refusal> {
    let fits = column.push_with(|values| match values {
        Values::Boolean(flags) if value <= 1 => {
            flags.append(value == 1);
            true
        }
        values => values.push_integer(i128::from(value)),
    });
    if fits { Ok(()) } else { Err(numeric::out_of_range(column.data_type())) }
}

/// The WKB of a stored geometry. Refuses fewer bytes than the number of the reference system has.
pub(crate) fn well_known_binary(stored: &[u8]) -> Result<&[u8], Refusal> {
    match stored.split_first_chunk::<4>() {
        Some((_reference_system, binary)) => Ok(binary),
        None => Err(Refusal::wrong_type("expected a geometry, found too few bytes")),
    }
}

/// Spells a number as JSON does: MySQL writes `+1`, `.5`, `5.` and, with ZEROFILL, `00042`. Text
/// that is no number is not recognized here; callers parse the result.
pub(crate) fn normalized(text: &[u8]) -> Cow<'_, [u8]> {
    if small_integer(text).is_some() || Number::parse(text).is_some() {
        return Cow::Borrowed(text);
    }
    let (sign, digits) = match text.split_first() {
        Some((b'-', rest)) => (&b"-"[..], rest),
        Some((b'+', rest)) => (&b""[..], rest),
        _ => (&b""[..], text),
    };
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    let digits = &digits[zeros..];
    let leading =
        if digits.first().is_some_and(u8::is_ascii_digit) || (zeros == 0 && digits.first() != Some(&b'.')) {
            &b""[..]
        } else {
            &b"0"[..]
        };
    let mut number = [sign, leading, digits].concat();
    let point = number.iter().position(|&byte| byte == b'.');
    if let Some(point) = point.filter(|&point| !number.get(point + 1).is_some_and(u8::is_ascii_digit)) {
        number.remove(point);
    }
    Cow::Owned(number)
}
