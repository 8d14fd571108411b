//! What the numbers of a column need: digits before and after the point, exponents, or more than any type has.

use millrace_core::schema::DataType;
use millrace_engine::ports::seen::SeenNumbers;

use crate::files::number::{Number, Short, small_integer};

const I64_SAFE_DIGITS: i64 = 18;
const DECIMAL_DIGITS: i64 = 38;
const SHORT_DECIMAL_DIGITS: i64 = 18;
/// Digits of the widest decimal there is.
const MOST_DIGITS: i64 = 65;

/// What the numbers of a column need of the type that is guessed for it.
#[derive(Debug, Clone)]
pub(super) struct NumberProfile {
    pub(super) beyond_i64: bool,
    pub(super) whole_digits: i64,
    pub(super) scale: i64,
    /// An exponent that cannot be written out within 38 digits.
    pub(super) exponents: bool,
    /// Every value is what a double's shortest text says.
    pub(super) doubles: bool,
    /// A number has more digits than a decimal of any kind.
    pub(super) many_digits: bool,
    pub(super) for_any_column: AnyColumn,
}

/// What they need of a column of any other type that is to hold all of them, whatever their digits.
#[derive(Debug, Clone)]
pub(super) struct AnyColumn {
    /// Digits before the point of numbers that have an exponent and more than 38 digits.
    whole_digits: i64,
    /// Digits after the point that are no trailing zeros.
    scale: i64,
    range: Option<(i128, i128)>,
    /// Some have more digits than any decimal.
    beyond: bool,
    /// Every value is what a binary32's shortest text says.
    floats: bool,
}

impl Default for NumberProfile {
    fn default() -> Self {
        Self::with(AnyColumn { whole_digits: 0, scale: 0, range: None, beyond: false, floats: true })
    }
}

impl NumberProfile {
    /// One that is asked for a type only, not for [`Self::numbers`].
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

    pub(super) fn add(&mut self, other: &Self) {
        self.beyond_i64 |= other.beyond_i64;
        self.whole_digits = self.whole_digits.max(other.whole_digits);
        self.scale = self.scale.max(other.scale);
        self.exponents |= other.exponents;
        self.doubles &= other.doubles;
        self.many_digits |= other.many_digits;
        self.for_any_column.add(&other.for_any_column);
    }

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

    pub(super) fn see_short(&mut self, source: &[u8], number: Short) {
        let whole = i64::from(number.digits - number.fraction);
        // A zero before the point needs no room, unless there is nothing behind it.
        let is_zero = number.fraction > 0 && matches!(source, [b'0', ..] | [b'-', b'0', ..]);
        self.whole_digits = self.whole_digits.max(if is_zero { 0 } else { whole });
        self.scale = self.scale.max(i64::from(number.fraction));
        self.for_any_column.see_short(number);
        self.for_any_column.see_float(source);
        // Every decimal of up to 15 digits comes back from its nearest double.
        if number.digits > 15 {
            self.see_double(source);
        }
    }

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

    pub(super) fn see_double(&mut self, text: &[u8]) {
        self.doubles &= std::str::from_utf8(text)
            .ok()
            .and_then(|text| Number::parse(text.as_bytes())?.double(text))
            .is_some();
    }

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

    /// Whether a decimal may have the digits of a number, so many of them before the point.
    fn hold(number: &Number<'_>, whole: i64) -> bool {
        let decimals = number.decimals();
        whole + decimals <= MOST_DIGITS && decimals <= DECIMAL_DIGITS
    }

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

    pub(super) fn see_integer(&mut self, n: i128) {
        let (low, high) = self.range.unwrap_or((n, n));
        self.range = Some((low.min(n), high.max(n)));
    }

    pub(super) fn see_float(&mut self, text: &[u8]) {
        // Every decimal of up to six digits comes back from its nearest binary32, and every whole number of 24 bits.
        if !self.floats || text.len() <= 6 || small_integer(text).is_some_and(|n| n.unsigned_abs() <= 1 << 24)
        {
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
    fn whole_numbers_of_24_bits_are_floats() {
        for (text, floats) in [
            ("1234567", true),
            ("-16777215", true),
            ("16777216", true),
            ("16777217", false),
            ("16777218", true),
            ("33554433", false),
            ("1234567.01", false),
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

        /// A short number says the same of its column as the same text says that is taken apart.
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
    }
}
