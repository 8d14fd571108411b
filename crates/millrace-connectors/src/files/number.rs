//! Numbers as texts write them, turned into binary ones without loss.

use arrow_buffer::i256;

/// A number as JSON writes it, taken apart: `-12.50e3`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    negative: bool,
    /// Digits before the point.
    whole: &'a [u8],
    /// Digits after it.
    fraction: &'a [u8],
    /// What stands after `e`; none without one. Beyond ±2^30 it is cut to that, which fits no type either.
    exponent: Option<i32>,
    /// Whether a sign stands there.
    signed_exponent: bool,
}

/// Why a number has no exact place in a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Too many digits before the point.
    TooLarge,
    /// Digits after the point that the type has no room for.
    TooManyDecimals,
}

/// Digits that the integer types and decimals of 128 bits hold for certain.
const I128_DIGITS: i64 = 38;

const EXPONENT_LIMIT: i32 = 1 << 30;

impl<'a> Number<'a> {
    /// Takes a text apart that is a number by JSON's grammar (no plus sign, no leading zeros, digits on both sides of the
    /// point) from end to end. None for any other.
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

    /// Whether it is written as codes are (`12E3`), and not as programs write floats: those have a point or a sign (`1.2E4`, `1e+04`).
    pub(crate) fn is_code(&self) -> bool {
        self.exponent.is_some() && self.fraction.is_empty() && !self.signed_exponent
    }

    /// Digits after the point as it is written, where it stands for no other text of the same value: none with an exponent, and of a zero
    /// with a sign.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn written_scale(&self) -> Option<usize> {
        let is_zero = self.digits().all(|digit| digit == b'0');
        (self.exponent.is_none() && !(self.negative && is_zero)).then_some(self.fraction.len())
    }

    /// Whether it is written with neither a point nor an exponent.
    pub(crate) fn is_plain_integer(&self) -> bool {
        self.fraction.is_empty() && self.exponent.is_none()
    }

    /// Digits before the point (without leading zeros) and after it (as written) once the exponent is worked in.
    pub(crate) fn shape(&self) -> (i64, i64) {
        let Some(exponent) = self.exponent else {
            let whole = if self.whole == b"0" { 0 } else { self.whole.len() };
            return (whole as i64, self.fraction.len() as i64);
        };
        let scale = (self.fraction.len() as i64 - i64::from(exponent)).max(0);
        let leading = self.digits().take_while(|&digit| digit == b'0').count();
        let significant = (self.whole.len() + self.fraction.len() - leading) as i64;
        if significant == 0 {
            return (0, scale.min(self.fraction.len() as i64));
        }
        ((significant + i64::from(exponent) - self.fraction.len() as i64).max(0), scale)
    }

    /// Digits after the point, once the exponent is worked in, but for trailing zeros.
    pub(crate) fn decimals(&self) -> i64 {
        let zeros = self.digits().rev().take_while(|&digit| digit == b'0').count();
        if zeros == self.whole.len() + self.fraction.len() {
            return 0;
        }
        let written = self.fraction.len() as i64 - i64::from(self.exponent.unwrap_or(0));
        (written - zeros as i64).max(0)
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// The significant digits and how many digits follow them up to the point: the value is `digits · 10^power`.
    fn significant(&self) -> (Vec<u8>, i64) {
        let mut digits: Vec<u8> = self.digits().skip_while(|&digit| digit == b'0').collect();
        let mut power = i64::from(self.exponent.unwrap_or(0)) - self.fraction.len() as i64;
        while digits.last() == Some(&b'0') {
            digits.pop();
            power += 1;
        }
        (digits, power)
    }

    /// The value times `10^scale`, where that is a whole number of at most `precision` digits.
    pub(crate) fn scaled(&self, precision: u8, scale: u8) -> Result<i128, Misfit> {
        let shift = i64::from(scale) + i64::from(self.exponent.unwrap_or(0)) - self.fraction.len() as i64;
        let total = self.whole.len() + self.fraction.len();
        // Eighteen digits and a shift that keeps them within an i64: nearly all numbers.
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

    /// The same for decimals beyond 38 digits.
    pub(crate) fn scaled_wide(&self, precision: u8, scale: u8) -> Result<i256, Misfit> {
        let (mut digits, power) = self.fitting(precision, scale)?;
        digits.resize(digits.len() + power as usize, b'0');
        let magnitude = digits.iter().fold(i256::ZERO, |sum, digit| {
            sum.wrapping_mul(i256::from(10i64)).wrapping_add(i256::from(i64::from(digit - b'0')))
        });
        Ok(if self.negative { magnitude.wrapping_neg() } else { magnitude })
    }

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

    /// The double whose shortest text has this very value; none where there is none (too many digits, out of range).
    pub(crate) fn double(&self, text: &str) -> Option<f64> {
        let value: f64 = text.parse().ok()?;
        // Every decimal of up to 15 digits in the normal range comes back from its nearest double.
        let exact = self.is_short(15, 290) || self.equals(&format!("{value:e}"));
        (value.is_finite() && exact).then_some(value)
    }

    /// The same for a binary32.
    pub(crate) fn float(&self, text: &str) -> Option<f32> {
        let value: f32 = text.parse().ok()?;
        let exact = self.is_short(6, 30) || self.equals(&format!("{value:e}"));
        (value.is_finite() && exact).then_some(value)
    }

    fn is_short(&self, digits: usize, power: i32) -> bool {
        let count = self.whole.len() + self.fraction.len();
        count <= digits && self.exponent.is_none_or(|exponent| (-power + 20..power - 20).contains(&exponent))
    }

    fn equals(&self, text: &str) -> bool {
        Number::parse(text.as_bytes()).is_some_and(|other| {
            let (digits, power) = self.significant();
            let (other_digits, other_power) = other.significant();
            digits == other_digits && (power == other_power || digits.is_empty())
        })
    }
}

/// A plain integer of at most 18 digits by JSON's grammar: what nearly all integers are. None for all others.
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

/// The powers of ten that 128 bits hold.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// A number by JSON's grammar that has at most [`Self::DIGITS`] digits and no exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    /// All digits as one whole number, with the sign.
    pub(crate) value: i64,
    /// How many digits there are, a zero before the point counted.
    pub(crate) digits: u8,
    /// How many of them stand behind the point.
    pub(crate) fraction: u8,
}

impl Short {
    /// As many as a whole number of 64 bits holds, whichever they are.
    pub(crate) const DIGITS: usize = 18;

    /// Reads a text from end to end.
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

    /// What [`Number::written_scale`] gives for the text that it was read from.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn written_scale(self, text: &[u8]) -> Option<usize> {
        let is_negative_zero = self.value == 0 && text.first() == Some(&b'-');
        (!is_negative_zero).then_some(self.fraction.into())
    }

    /// What [`Number::scaled`] gives; none where there are more digits after the point than that, or perhaps too many in all.
    #[inline]
    pub(crate) fn scaled(self, precision: u8, scale: u8) -> Option<i128> {
        let shift = scale.checked_sub(self.fraction)?;
        if self.digits + shift > precision {
            return None;
        }
        POWERS.get(usize::from(shift)).map(|power| i128::from(self.value) * power)
    }
}

/// Passes over the digits that stand in a text from a place on, and appends them to a number, which overflows where it has more than
/// [`Short::DIGITS`] digits. Returns where they end.
#[inline]
pub(crate) fn read_digits(text: &[u8], mut at: usize, number: &mut i64) -> usize {
    const TENS: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    // Eight bytes at a time: most numbers need no second look, and how long they are no branch.
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let values = u64::from_le_bytes(*chunk) ^ (ONES * 0x30);
        // A byte below ten is a digit; of any other the highest bit is set here, and only of others above the first of them by a carry.
        let others = (values.wrapping_add(ONES * 0x76) | values) & (ONES * 0x80);
        let count = others.trailing_zeros() as usize / 8;
        if count > 0 {
            // In front of the digits there are zeros then.
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

/// A one in each byte: times a byte, that byte eight times.
pub(crate) const ONES: u64 = u64::from_le_bytes([1; 8]);

/// The number whose digits are the eight bytes, from the lowest to the highest: pairs, then fours, then all of them.
fn eight_digits(digits: u64) -> i64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF) as i64
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

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
