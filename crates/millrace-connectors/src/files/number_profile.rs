//! What the numbers of a column need: digits before and after the point, exponents, or more than
//! any type has.
//!
//! Two questions are answered at once. [`NumberProfile`] infers the type of a column without a
//! schema, by its digits as they are written. [`AnyColumn`] tells whether a type that somebody else
//! has chosen holds every value.

use millrace_core::schema::DataType;
use millrace_engine::ports::seen::SeenNumbers;

use crate::files::number::{Number, Short, small_integer};

/// Digits that an `i64` holds whatever they are.
const I64_SAFE_DIGITS: i64 = 18;
/// Digits of the widest decimal that is inferred.
const DECIMAL_DIGITS: i64 = 38;
/// Digits of the narrowest decimal that is inferred.
const SHORT_DECIMAL_DIGITS: i64 = 18;
/// Digits of the widest decimal that a column may have.
const MOST_DIGITS: i64 = 65;

/// What the numbers of a column need of the type that is inferred for it.
#[derive(Debug, Clone)]
pub(super) struct NumberProfile {
    /// A whole number is out of the range of an `i64`.
    pub(super) beyond_i64: bool,
    /// The most digits before the point.
    pub(super) whole_digits: i64,
    /// The most digits after the point, as written.
    pub(super) scale: i64,
    /// A number has an exponent that cannot be written out within 38 digits.
    pub(super) exponents: bool,
    /// Every value is what the shortest text of some double says.
    pub(super) doubles: bool,
    /// A number has more digits than any decimal.
    pub(super) many_digits: bool,
    pub(super) for_any_column: AnyColumn,
}

/// What the numbers need of a column of another type that is to hold all of them, whatever digits
/// are written.
#[derive(Debug, Clone)]
pub(super) struct AnyColumn {
    /// The most digits before the point of numbers that [`NumberProfile::see`] was given; the
    /// others are only counted in [`NumberProfile`].
    whole_digits: i64,
    /// The most digits after the point, without trailing zeros.
    scale: i64,
    /// The least and the greatest whole number.
    range: Option<(i128, i128)>,
    /// A number has more digits than any decimal.
    beyond: bool,
    /// Every value is what the shortest text of some binary32 says.
    floats: bool,
}

impl Default for NumberProfile {
    fn default() -> Self {
        Self::with(AnyColumn { whole_digits: 0, scale: 0, range: None, beyond: false, floats: true })
    }
}

impl NumberProfile {
    /// A profile that is asked for a type only, and not for [`Self::numbers`]: it does not check
    /// whether values are floats.
    pub(super) fn of_types() -> Self {
        Self::with(AnyColumn { whole_digits: 0, scale: 0, range: None, beyond: false, floats: false })
    }

    fn with(for_any_column: AnyColumn) -> Self {
        Self {
            beyond_i64: false,
            whole_digits: 0,
            scale: 0,
            exponents: false,
            doubles: true,
            many_digits: false,
            for_any_column,
        }
    }

    /// Adds what another profile of the column has seen.
    pub(super) fn add(&mut self, other: &Self) {
        self.beyond_i64 |= other.beyond_i64;
        self.whole_digits = self.whole_digits.max(other.whole_digits);
        self.scale = self.scale.max(other.scale);
        self.exponents |= other.exponents;
        self.doubles &= other.doubles;
        self.many_digits |= other.many_digits;
        self.for_any_column.add(&other.for_any_column);
    }

    /// What the numbers need of a column of any type.
    pub(super) fn numbers(&self) -> SeenNumbers {
        let AnyColumn { whole_digits, scale, range, beyond, floats } = self.for_any_column;
        SeenNumbers {
            whole: self.whole_digits.max(whole_digits) as u8,
            scale: scale as u8,
            range: range.unwrap_or((0, 0)),
            beyond,
            doubles: self.doubles,
            floats,
        }
    }

    /// Counts a short number; `source` is its text.
    pub(super) fn see_short(&mut self, source: &[u8], number: Short) {
        let whole = i64::from(number.digits - number.fraction);
        // A zero before the point needs no digit, unless nothing follows it.
        let is_zero = number.fraction > 0 && matches!(source, [b'0', ..] | [b'-', b'0', ..]);
        self.whole_digits = self.whole_digits.max(if is_zero { 0 } else { whole });
        self.scale = self.scale.max(i64::from(number.fraction));
        self.for_any_column.see_short(number);
        self.for_any_column.see_float(source);
        // Every decimal of up to 15 digits survives the way to its nearest double and back.
        if number.digits > 15 {
            self.see_double(source);
        }
    }

    /// Counts any number. A text that is no number counts for nothing.
    pub(super) fn see(&mut self, text: &[u8]) {
        let Some(number) = Number::parse(text) else { return };
        let (whole, scale) = number.shape();
        self.for_any_column.see(&number, whole);
        self.for_any_column.see_float(text);
        if number.has_exponent() && whole + scale > DECIMAL_DIGITS {
            self.exponents = true;
        } else if self.for_any_column.beyond && !AnyColumn::hold(&number, whole) {
            self.many_digits = true;
        } else {
            self.whole_digits = self.whole_digits.max(whole);
            self.scale = self.scale.max(scale);
            self.beyond_i64 |= whole > I64_SAFE_DIGITS
                && scale == 0
                && number.integer().ok().and_then(|n| i64::try_from(n).ok()).is_none();
        }
        self.see_double(text);
    }

    /// Checks whether a number is what the shortest text of some double says.
    pub(super) fn see_double(&mut self, text: &[u8]) {
        self.doubles &= std::str::from_utf8(text)
            .ok()
            .and_then(|text| Number::parse(text.as_bytes())?.double(text))
            .is_some();
    }

    /// The type that holds all numbers: the narrowest of `int64`, `decimal(18,s)` and
    /// `decimal(38,s)`, `float64` if there are exponents and every number is a double, and text
    /// otherwise.
    pub(super) fn data_type(&self) -> DataType {
        let decimal =
            |precision: i64| DataType::Decimal { precision: precision as u8, scale: self.scale as u8 };
        if self.exponents {
            return if self.doubles { DataType::Float64 } else { DataType::Text };
        }
        if self.many_digits {
            return DataType::Text;
        }
        let digits = self.whole_digits + self.scale;
        match self.scale {
            0 if !self.beyond_i64 => DataType::Int64,
            1.. if digits <= SHORT_DECIMAL_DIGITS => decimal(SHORT_DECIMAL_DIGITS),
            _ if digits <= DECIMAL_DIGITS => decimal(DECIMAL_DIGITS),
            _ => DataType::Text,
        }
    }
}

impl AnyColumn {
    /// Adds what another profile of the column has seen.
    pub(super) fn add(&mut self, other: &Self) {
        self.whole_digits = self.whole_digits.max(other.whole_digits);
        self.scale = self.scale.max(other.scale);
        self.beyond |= other.beyond;
        self.floats &= other.floats;
        if let Some((low, high)) = other.range {
            self.see_integer(low);
            self.see_integer(high);
        }
    }

    /// Whether some decimal has room for a number with `whole` digits before the point.
    fn hold(number: &Number<'_>, whole: i64) -> bool {
        let decimals = number.decimals();
        whole + decimals <= MOST_DIGITS && decimals <= DECIMAL_DIGITS
    }

    /// Counts a number with `whole` digits before the point.
    pub(super) fn see(&mut self, number: &Number<'_>, whole: i64) {
        if !Self::hold(number, whole) {
            self.beyond = true;
            return;
        }
        self.whole_digits = self.whole_digits.max(whole);
        self.scale = self.scale.max(number.decimals());
        if let Ok(n) = number.integer() {
            self.see_integer(n);
        }
    }

    /// Counts a short number. Its digits before the point are counted in [`NumberProfile`].
    pub(super) fn see_short(&mut self, number: Short) {
        let (mut value, mut decimals) = (number.value, number.fraction);
        while decimals > 0 && value % 10 == 0 {
            value /= 10;
            decimals -= 1;
        }
        self.scale = self.scale.max(decimals.into());
        if decimals == 0 {
            self.see_integer(value.into());
        }
    }

    /// Widens the range to a whole number.
    pub(super) fn see_integer(&mut self, n: i128) {
        let (low, high) = self.range.unwrap_or((n, n));
        self.range = Some((low.min(n), high.max(n)));
    }

    /// Checks whether a number is what the shortest text of some binary32 says, unless one is known
    /// not to be.
    pub(super) fn see_float(&mut self, text: &[u8]) {
        // Every decimal of up to six digits survives the way to its nearest binary32 and back, and
        // so does every whole number of 24 bits. An exponent may lead out of what a binary32 holds.
        let is_short = text.len() <= 6 && !text.iter().any(|byte| matches!(byte, b'e' | b'E'));
        if !self.floats || is_short || small_integer(text).is_some_and(|n| n.unsigned_abs() <= 1 << 24) {
            return;
        }
        let number =
            std::str::from_utf8(text).ok().and_then(|text| Number::parse(text.as_bytes())?.float(text));
        self.floats = number.is_some();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_hold_whole_numbers_of_24_bits_and_small_exponents() {
        for (text, floats) in [
            ("1234567", true),
            ("-16777215", true),
            ("16777216", true),
            ("16777217", false),
            ("16777218", true),
            ("33554433", false),
            ("1234567.01", false),
            ("1e99", false),
            ("9E38", false),
            ("2e-45", false),
            ("1e10", true),
        ] {
            let mut profile = NumberProfile::default();
            profile.see(text.as_bytes());
            assert_eq!(profile.numbers().floats, floats, "{text}");
            assert_eq!(
                Number::parse(text.as_bytes()).is_some_and(|number| number.float(text).is_some()),
                floats,
                "{text}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// A short number counts the same as its text does in the general form.
        #[test]
        fn short_numbers_are_numbers(
            texts in prop::collection::vec("-?([1-9][0-9]{0,9}(\\.[0-9]{1,8})?|0\\.[0-9]{1,8})", 1..5),
        ) {
            let (mut short, mut whole) = (NumberProfile::default(), NumberProfile::default());
            for text in &texts {
                short.see_short(text.as_bytes(), Short::parse(text.as_bytes()).expect("a short number"));
                whole.see(text.as_bytes());
            }
            prop_assert_eq!(short.numbers(), whole.numbers());
            prop_assert_eq!(short.data_type(), whole.data_type());
        }

        /// A number that no binary32 holds is told, however short its text is.
        #[test]
        fn floats_are_what_a_binary32_holds(
            text in "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?",
        ) {
            let mut profile = NumberProfile::default();
            profile.see(text.as_bytes());
            let is_held = Number::parse(text.as_bytes()).is_some_and(|number| number.float(&text).is_some());
            prop_assert_eq!(profile.numbers().floats, is_held, "{}", text);
        }
    }
}
