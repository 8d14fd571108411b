//! Decimal numbers in texts, converted to binary ones without loss.
//!
//! [`Number`] holds any number of JSON's grammar (RFC 8259) by its digits and exponent. [`Short`]
//! is the fast form of nearly all numbers: at most 18 digits in an `i64`. A conversion returns the
//! exact value or a [`Misfit`]; it never rounds.

use arrow_buffer::i256;

/// A number of JSON's grammar, split into its parts: `-12.50e3`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    negative: bool,
    /// Digits before the point.
    whole: &'a [u8],
    /// Digits after the point.
    fraction: &'a [u8],
    /// The number after `e`; `None` without one. Cut at ±2^30, beyond which no value but zero fits
    /// any type.
    exponent: Option<i32>,
    /// Whether the exponent has a sign.
    signed_exponent: bool,
}

/// Why a type has no exact value for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Too many digits before the point.
    TooLarge,
    /// More digits after the point than the type has.
    TooManyDecimals,
}

/// Digits that an `i128` holds whatever they are.
const I128_DIGITS: i64 = 38;

/// The largest exponent that is kept, so that sums with it do not overflow.
const EXPONENT_LIMIT: i32 = 1 << 30;

impl<'a> Number<'a> {
    /// Parses a text that is a number by JSON's grammar from end to end: no plus sign, no leading
    /// zeros, digits on both sides of the point. Returns `None` for any other text.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, text),
        };
        let (whole, rest) = digits(rest);
        if whole.is_empty() || (whole.len() > 1 && whole.first() == Some(&b'0')) {
            return None;
        }
        let (fraction, rest) = match rest.split_first() {
            Some((b'.', rest)) => {
                let (fraction, rest) = digits(rest);
                if fraction.is_empty() {
                    return None;
                }
                (fraction, rest)
            }
            _ => (&[][..], rest),
        };
        let signed_exponent = matches!(rest.get(1), Some(b'+' | b'-'));
        let exponent = match rest.split_first() {
            None => None,
            Some((b'e' | b'E', rest)) => Some(exponent(rest)?),
            Some(_) => return None,
        };
        Some(Self { negative, whole, fraction, exponent, signed_exponent })
    }

    /// Whether it is written with an exponent.
    pub(crate) fn has_exponent(&self) -> bool {
        self.exponent.is_some()
    }

    /// Whether it is written like a code (`12E3`) and not like the floats that programs write,
    /// which have a point or a signed exponent (`1.2E4`, `1e+04`).
    pub(crate) fn is_code(&self) -> bool {
        self.exponent.is_some() && self.fraction.is_empty() && !self.signed_exponent
    }

    /// The number of digits after the point, if the value and this number give the text back.
    /// Returns `None` for a number with an exponent and for a zero with a sign.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn written_scale(&self) -> Option<usize> {
        let is_zero = self.digits().all(|digit| digit == b'0');
        (self.exponent.is_none() && !(self.negative && is_zero)).then_some(self.fraction.len())
    }

    /// Whether it is written with neither a point nor an exponent.
    pub(crate) fn is_plain_integer(&self) -> bool {
        self.fraction.is_empty() && self.exponent.is_none()
    }

    /// The number of digits before the point (without leading zeros) and after it (as written),
    /// once the exponent is applied.
    pub(crate) fn shape(&self) -> (i64, i64) {
        let Some(exponent) = self.exponent else {
            let whole = if self.whole == b"0" { 0 } else { self.whole.len() };
            return (whole as i64, self.fraction.len() as i64);
        };
        let scale = (self.fraction.len() as i64 - i64::from(exponent)).max(0);
        let leading = self.digits().take_while(|&digit| digit == b'0').count();
        let significant = (self.whole.len() + self.fraction.len() - leading) as i64;
        // A zero needs no digits before the point, whatever its exponent.
        if significant == 0 {
            return (0, scale.min(self.fraction.len() as i64));
        }
        ((significant + i64::from(exponent) - self.fraction.len() as i64).max(0), scale)
    }

    /// The number of digits after the point without trailing zeros, once the exponent is applied.
    pub(crate) fn decimals(&self) -> i64 {
        let zeros = self.digits().rev().take_while(|&digit| digit == b'0').count();
        if zeros == self.whole.len() + self.fraction.len() {
            return 0;
        }
        let written = self.fraction.len() as i64 - i64::from(self.exponent.unwrap_or(0));
        (written - zeros as i64).max(0)
    }

    /// All digits, without the point.
    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// The significant digits and a power: the value is `digits · 10^power`, without its sign. A
    /// zero has no digits.
    fn significant(&self) -> (Vec<u8>, i64) {
        let mut digits: Vec<u8> = self.digits().skip_while(|&digit| digit == b'0').collect();
        let mut power = i64::from(self.exponent.unwrap_or(0)) - self.fraction.len() as i64;
        while digits.last() == Some(&b'0') {
            digits.pop();
            power += 1;
        }
        (digits, power)
    }

    /// The value times `10^scale`, if that is a whole number of at most `precision` digits.
    /// `precision` is 38 at most.
    pub(crate) fn scaled(&self, precision: u8, scale: u8) -> Result<i128, Misfit> {
        let shift = i64::from(scale) + i64::from(self.exponent.unwrap_or(0)) - self.fraction.len() as i64;
        let total = self.whole.len() + self.fraction.len();
        // Nearly all numbers have at most eighteen digits, and a shift that keeps them within an
        // `i64`.
        if total <= 18
            && (0..=18 - total as i64).contains(&shift)
            && i64::from(precision) >= total as i64 + shift
        {
            let magnitude = self.digits().fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            let scaled = i128::from(magnitude) * POWERS[shift as usize];
            return Ok(if self.negative { -scaled } else { scaled });
        }
        let (digits, power) = self.fitting(precision, scale)?;
        let magnitude = digits.iter().fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let scaled = magnitude * 10i128.pow(power);
        Ok(if self.negative { -scaled } else { scaled })
    }

    /// The same for decimals with more than 38 digits.
    pub(crate) fn scaled_wide(&self, precision: u8, scale: u8) -> Result<i256, Misfit> {
        let (mut digits, power) = self.fitting(precision, scale)?;
        digits.resize(digits.len() + power as usize, b'0');
        let magnitude = digits.iter().fold(i256::ZERO, |sum, digit| {
            sum.wrapping_mul(i256::from(10i64)).wrapping_add(i256::from(i64::from(digit - b'0')))
        });
        Ok(if self.negative { magnitude.wrapping_neg() } else { magnitude })
    }

    /// The significant digits and the number of zeros that follow them in the value times
    /// `10^scale`, if that is a whole number of at most `precision` digits.
    fn fitting(&self, precision: u8, scale: u8) -> Result<(Vec<u8>, u32), Misfit> {
        let (digits, power) = self.significant();
        if digits.is_empty() {
            return Ok((digits, 0));
        }
        let power = power + i64::from(scale);
        if digits.len() as i64 + power > i64::from(precision) {
            return Err(Misfit::TooLarge);
        }
        Ok((digits, u32::try_from(power).map_err(|_| Misfit::TooManyDecimals)?))
    }

    /// The value as an integer of at most 38 digits.
    pub(crate) fn integer(&self) -> Result<i128, Misfit> {
        self.scaled(I128_DIGITS as u8, 0)
    }

    /// The double whose shortest text has this very value. Returns `None` if there is none, because
    /// of too many digits or the range. `text` is the text of this number.
    pub(crate) fn double(&self, text: &str) -> Option<f64> {
        let value: f64 = text.parse().ok()?;
        // Every decimal of up to 15 digits in the normal range survives the way to its nearest
        // double and back.
        let exact = self.is_short(15, 290) || self.equals(&format!("{value:e}"));
        (value.is_finite() && exact).then_some(value)
    }

    /// The same for a binary32, in which up to 6 digits survive.
    pub(crate) fn float(&self, text: &str) -> Option<f32> {
        let value: f32 = text.parse().ok()?;
        let exact = self.is_short(6, 30) || self.equals(&format!("{value:e}"));
        (value.is_finite() && exact).then_some(value)
    }

    /// Whether it has at most `digits` digits and an exponent far enough from the limits of the
    /// type's range (`power`) that its nearest float is a normal one.
    fn is_short(&self, digits: usize, power: i32) -> bool {
        let count = self.whole.len() + self.fraction.len();
        count <= digits && self.exponent.is_none_or(|exponent| (-power + 20..power - 20).contains(&exponent))
    }

    /// Whether another text has the same value. Signs are not compared.
    fn equals(&self, text: &str) -> bool {
        Number::parse(text.as_bytes()).is_some_and(|other| {
            let (digits, power) = self.significant();
            let (other_digits, other_power) = other.significant();
            digits == other_digits && (power == other_power || digits.is_empty())
        })
    }
}

/// Parses a plain integer of at most 18 digits by JSON's grammar, as nearly all integers are.
/// Returns `None` for all others.
pub(crate) fn small_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 || (digits.len() > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    let mut value = 0i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// The powers of ten that an `i128` holds.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// A number of JSON's grammar with at most [`Self::DIGITS`] digits and no exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    /// All digits as one whole number, with the sign.
    pub(crate) value: i64,
    /// The number of digits, including a zero before the point.
    pub(crate) digits: u8,
    /// How many of them are after the point.
    pub(crate) fraction: u8,
}

impl Short {
    /// Digits that an `i64` holds whatever they are.
    pub(crate) const DIGITS: usize = 18;

    /// Parses a text from end to end. Returns `None` for any other number or text.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, text),
        };
        if digits.len() > Self::DIGITS + 1 {
            return None;
        }
        let (mut value, mut point) = (0i64, None);
        for (at, &byte) in digits.iter().enumerate() {
            // The length is checked above, so wrapping only happens to texts that are refused
            // below.
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            } else if byte == b'.' && point.is_none() {
                point = Some(at);
            } else {
                return None;
            }
        }
        let (whole, fraction) = point.map_or((digits.len(), 0), |point| (point, digits.len() - point - 1));
        let leads_with_zero = whole > 1 && digits.first() == Some(&b'0');
        let count = whole + fraction;
        if whole == 0 || leads_with_zero || (point.is_some() && fraction == 0) || count > Self::DIGITS {
            return None;
        }
        let value = if negative { -value } else { value };
        Some(Self { value, digits: count as u8, fraction: fraction as u8 })
    }

    /// What [`Number::written_scale`] returns for `text`, from which this was parsed.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn written_scale(self, text: &[u8]) -> Option<usize> {
        let is_negative_zero = self.value == 0 && text.first() == Some(&b'-');
        (!is_negative_zero).then_some(self.fraction.into())
    }

    /// What [`Number::scaled`] returns for the same number. Returns `None` if the number has more
    /// digits after the point than `scale`, or may have too many in all; the caller then asks
    /// `Number`.
    #[inline]
    pub(crate) fn scaled(self, precision: u8, scale: u8) -> Option<i128> {
        let shift = scale.checked_sub(self.fraction)?;
        if self.digits + shift > precision {
            return None;
        }
        POWERS.get(usize::from(shift)).map(|power| i128::from(self.value) * power)
    }
}

/// Reads the digits of a text from `at` on, and appends them to `number`, which wraps around if it
/// gets more than [`Short::DIGITS`] digits. Returns the place after the last digit.
#[inline]
pub(crate) fn read_digits(text: &[u8], mut at: usize, number: &mut i64) -> usize {
    const TENS: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    // Eight bytes at a time, without a branch on the number of digits: most numbers fit into one
    // word.
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let values = u64::from_le_bytes(*chunk) ^ (ONES * 0x30);
        // Marks the bytes that are no digits by their highest bit. Adding 0x76 sets that bit of any
        // byte from 10 to 0x7F; bytes from 0x80 on have it. A carry can only reach bytes above the
        // first mark, so the lowest mark is right.
        let others = (values.wrapping_add(ONES * 0x76) | values) & (ONES * 0x80);
        let count = others.trailing_zeros() as usize / 8;
        if count > 0 {
            // Shifts the digits up, so that zeros stand in front of them.
            let digits = values << (64 - 8 * count);
            *number = number.wrapping_mul(TENS[count]).wrapping_add(eight_digits(digits));
        }
        at += count;
        if count < 8 {
            return at;
        }
    }
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        *number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    at
}

/// A one in each byte. Times a byte, it is that byte eight times.
pub(crate) const ONES: u64 = u64::from_le_bytes([1; 8]);

/// The number whose decimal digits are the eight bytes, from the lowest to the highest. Joins them
/// to pairs, then to fours, then to all eight.
fn eight_digits(digits: u64) -> i64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF) as i64
}

/// Splits a text after its leading digits.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Parses what follows the `e`: an optional sign and digits to the end of the text.
fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, rest) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let (digits, rest) = digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let magnitude = digits
        .iter()
        .fold(0i32, |sum, digit| sum.saturating_mul(10).saturating_add(i32::from(digit - b'0')))
        .min(EXPONENT_LIMIT);
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests;
