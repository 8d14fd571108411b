//! The binary format of PostgreSQL's `numeric`: groups of four decimal digits, aligned at the
//! decimal point (`numeric_send` in PostgreSQL's `numeric.c`).
//!
//! A value begins with four 16-bit numbers: the count of groups, the weight of the first group (its
//! power of 10000), the sign, and the scale (digits after the point). The groups follow, each 16
//! bits. Groups of zeros at either end are left out.

use arrow_buffer::i256;
use bytes::{BufMut, BytesMut};
use millrace_core::value::{Decimal, Value};

// Values of the sign field in `numeric.c`; zero means positive.
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// Maximum count of groups: 77 digits of an `i256` at any position around the point.
const GROUPS: usize = 24;

/// The absolute value of a number while it is split into groups: 64-bit limbs, the lowest first.
#[derive(Clone, Copy)]
struct Magnitude([u64; 4]);

impl Magnitude {
    /// Divides in place and returns the remainder. `by` must not exceed 10000.
    fn take(&mut self, by: u64) -> u16 {
        let mut remainder = 0u64;
        for limb in self.0.iter_mut().rev() {
            if *limb == 0 && remainder == 0 {
                continue;
            }
            let dividend = (u128::from(remainder) << 64) | u128::from(*limb);
            *limb = (dividend / u128::from(by)) as u64;
            remainder = (dividend % u128::from(by)) as u64;
        }
        remainder as u16
    }

    /// The value if it fits into one limb, for which plain division is faster.
    fn small(&self) -> Option<u64> {
        (self.0[1..] == [0, 0, 0]).then_some(self.0[0])
    }
}

/// Appends the field of `mantissa / 10^scale`: its length (32 bits), then the value.
pub(super) fn put_i128(out: &mut BytesMut, mantissa: i128, scale: u8) {
    let magnitude = mantissa.unsigned_abs();
    put(out, mantissa < 0, Magnitude([magnitude as u64, (magnitude >> 64) as u64, 0, 0]), scale);
}

/// The same for a wider number.
pub(super) fn put_i256(out: &mut BytesMut, mantissa: i256, scale: u8) {
    let (low, high) = mantissa.wrapping_abs().to_parts();
    let high = high as u128;
    let limbs = [low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64];
    put(out, mantissa < i256::ZERO, Magnitude(limbs), scale);
}

/// Appends the field of a number. Computes the groups from the last to the first, then drops the
/// zeros at both ends and writes them in reverse.
fn put(out: &mut BytesMut, negative: bool, mut magnitude: Magnitude, scale: u8) {
    // If the scale is no multiple of four, the last group has fewer digits and is padded with zeros
    // behind.
    let mut groups = [0u16; GROUPS];
    let mut count = 0;
    let after_point = usize::from(scale.div_ceil(4));
    let cut = u32::from(scale % 4);
    if cut > 0 {
        groups[0] = magnitude.take(10u64.pow(cut)) * 10u16.pow(4 - cut);
        count = 1;
    }
    while magnitude.0 != [0; 4] {
        if let Some(mut small) = magnitude.small() {
            while small > 0 {
                groups[count] = (small % 10_000) as u16;
                small /= 10_000;
                count += 1;
            }
            break;
        }
        groups[count] = magnitude.take(10_000);
        count += 1;
    }
    while count > 0 && groups[count - 1] == 0 {
        count -= 1;
    }
    let skip = groups[..count].iter().take_while(|group| **group == 0).count();
    let kept = count - skip;
    let weight = if kept == 0 { 0 } else { count as i16 - after_point as i16 - 1 };
    out.reserve(12 + 2 * kept);
    out.put_i32(8 + 2 * kept as i32);
    out.put_u16(kept as u16);
    out.put_i16(weight);
    out.put_u16(if negative && kept > 0 { NEGATIVE } else { 0 });
    out.put_u16(u16::from(scale));
    for group in groups[skip..count].iter().rev() {
        out.put_u16(*group);
    }
}

/// Decodes a number to a `Decimal`, or to text if it has more digits than a `Decimal` holds, or is
/// NaN or infinite. Returns `None` if the bytes are not a `numeric`.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(2 * at..2 * at + 2)?.try_into().ok()?));
    let (count, weight, sign, scale) = (usize::from(word(0)?), word(1)? as i16, word(2)?, word(3)?);
    let special = match sign {
        NAN => Some("NaN"),
        INFINITY => Some("Infinity"),
        MINUS_INFINITY => Some("-Infinity"),
        _ => None,
    };
    if let Some(special) = special {
        return Some(Value::text(special));
    }
    let groups = (4..4 + count).map(word).collect::<Option<Vec<u16>>>()?;
    let negative = sign == NEGATIVE;
    Some(match exact(&groups, weight, negative, scale) {
        Some(decimal) => Value::Decimal(decimal),
        None => Value::Text(digits(&groups, weight, negative, usize::from(scale))),
    })
}

/// The number as a `Decimal` of the same scale; `None` if the mantissa exceeds 128 bits or the
/// scale 255.
fn exact(groups: &[u16], weight: i16, negative: bool, scale: u16) -> Option<Decimal> {
    let scale = u8::try_from(scale).ok()?;
    let mut mantissa = 0i128;
    // The last group has the weight 10^power relative to the last digit of the scale. A negative
    // power means that the group extends beyond the scale by that many digits, which are zeros.
    let power = 4 * (i32::from(weight) - groups.len() as i32 + 1) + i32::from(scale);
    let cut = power.min(0).unsigned_abs();
    for (at, group) in groups.iter().enumerate() {
        let group = i128::from(*group);
        let (digits, group) = if at + 1 == groups.len() && cut > 0 {
            (4u32.checked_sub(cut)?, group / 10i128.checked_pow(cut)?)
        } else {
            (4, group)
        };
        mantissa = mantissa.checked_mul(10i128.pow(digits))?.checked_add(group)?;
    }
    if mantissa != 0 && power > 0 {
        mantissa = mantissa.checked_mul(10i128.checked_pow(power.unsigned_abs())?)?;
    }
    Some(Decimal { mantissa: if negative { -mantissa } else { mantissa }, scale })
}

/// The number in decimal notation, with `scale` digits after the point. Works for any length.
fn digits(groups: &[u16], weight: i16, negative: bool, scale: usize) -> String {
    let group = |place: i32| {
        let at = i32::from(weight) - place;
        usize::try_from(at).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0)
    };
    let padded = |place: i32| format!("{:04}", group(place));
    let whole = (0..=i32::from(weight)).rev().map(padded).collect::<Vec<_>>().concat();
    let whole = whole.trim_start_matches('0');
    let after = (scale.div_ceil(4)) as i32;
    let mut fraction = (1..=after).map(|place| padded(-place)).collect::<Vec<_>>().concat();
    fraction.truncate(scale);
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(mantissa: &str, scale: u8) -> BytesMut {
        let mut out = BytesMut::new();
        put_i256(&mut out, i256::from_string(mantissa).expect("a number"), scale);
        if let Ok(small) = mantissa.parse() {
            let mut same = BytesMut::new();
            put_i128(&mut same, small, scale);
            assert_eq!(same, out);
        }
        out
    }

    /// The number as PostgreSQL prints it, computed by text operations alone.
    fn text(mantissa: &str, scale: usize) -> String {
        let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    #[test]
    fn bytes_are_postgres_own() {
        // `select encode(numeric_send(…), 'hex')` on PostgreSQL 15.
        for (mantissa, scale, hex) in [
            ("0", 0, "0000000000000000"),
            ("0", 2, "0000000000000002"),
            ("1", 0, "00010000000000000001"),
            ("10000", 0, "00010001000000000001"),
            ("-1234567", 3, "000200004000000304d21626"),
            ("1000000001", 9, "000400000000000900010000000003e8"),
            ("1234", 8, "0001fffe0000000804d2"),
        ] {
            let found = Value::Bytes(written(mantissa, scale)[4..].to_vec()).to_string();
            assert_eq!(found, format!("\\x{hex}"), "{mantissa} {scale}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(mantissa in "-?[1-9][0-9]{0,64}|0|-?[1-9]0{1,20}[1-9]0{0,20}", scale in 0u8..=38) {
            let out = written(&mantissa, scale);
            prop_assert_eq!(out.len(), 4 + i32::from_be_bytes(out[..4].try_into().expect("four")) as usize);
            let value = read(&out[4..]).expect("a number");
            prop_assert_eq!(value.to_string(), text(&mantissa, usize::from(scale)));
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0, 9, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(read(&[0, 0, 0, 0, 0xC0, 0, 0, 0]), Some(Value::text("NaN")));
        assert_eq!(read(&[0, 0, 0, 0, 0xF0, 0, 0, 0x20]), Some(Value::text("-Infinity")));
    }
}
