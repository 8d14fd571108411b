//! Infers the type of a column in a format without types, from all of its values. See ADR 0005.

use millrace_core::schema::DataType;
use millrace_engine::ports::seen::SeenValues;

use crate::files::cell::Cell;
use crate::files::number::{Number, Short, small_integer};
use crate::files::number_profile::NumberProfile;
use crate::files::{json_text, temporal};

/// Values of the most frequent kind that a column needs before values of other kinds may be few.
const MAJORITY: u64 = 20;
/// At most one value in so many may be of another kind; its row goes to quarantine.
const MINORITY_SHARE: u64 = 20;

/// Counts of a column's values by kind, and what the values of each kind need.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    nulls: u64,
    /// Empty texts in quotes, which are NULL unless the column is of type text.
    empties: u64,
    booleans: u64,
    numbers: u64,
    dates: u64,
    moments: u64,
    instants: u64,
    texts: u64,
    nested: u64,
    of_numbers: NumberProfile,
    /// A text looked like a number, but a number would not give it back (`007`, `+1`, `1 000`).
    number_like: bool,
    /// A text was not JSON, or not a length of time.
    not_json: bool,
    not_interval: bool,
    written: Written,
}

/// How numbers are written in a format whose values are all texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Written {
    /// There were no numbers.
    #[default]
    Nothing,
    /// All have this many digits after the point, and each is the only text of its value.
    Alike(usize),
    Otherwise,
}

impl Written {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, known) | (known, Self::Nothing) => known,
            (Self::Alike(scale), Self::Alike(other)) if scale == other => self,
            _ => Self::Otherwise,
        }
    }
}

impl Profile {
    /// A profile that is asked for a type only, not for [`Self::values`]. It takes the findings
    /// that only those need as given, and so does not check for them.
    pub(crate) fn of_types() -> Self {
        Self { not_json: true, not_interval: true, of_numbers: NumberProfile::of_types(), ..Self::default() }
    }

    /// The number of values, including nulls.
    pub(crate) fn seen(&self) -> u64 {
        self.nulls + self.empties + self.filled()
    }

    /// Whether any value is NULL in a column of this type.
    pub(crate) fn has_nulls(&self, data_type: DataType) -> bool {
        self.nulls > 0 || (self.empties > 0 && data_type != DataType::Text)
    }

    fn filled(&self) -> u64 {
        self.booleans + self.numbers + self.dates + self.moments + self.instants + self.texts + self.nested
    }

    /// Adds what another profile of the column has seen.
    pub(crate) fn add(&mut self, other: &Self) {
        self.nulls += other.nulls;
        self.empties += other.empties;
        self.booleans += other.booleans;
        self.numbers += other.numbers;
        self.dates += other.dates;
        self.moments += other.moments;
        self.instants += other.instants;
        self.texts += other.texts;
        self.nested += other.nested;
        self.number_like |= other.number_like;
        self.not_json |= other.not_json;
        self.not_interval |= other.not_interval;
        self.written = self.written.and(other.written);
        self.of_numbers.add(&other.of_numbers);
    }

    /// The profile after `values` more values from which a column of this type is inferred.
    pub(crate) fn with(&self, values: u64, data_type: DataType) -> Self {
        let mut all = self.clone();
        if values == 0 {
            return all;
        }
        let of_values = match data_type {
            DataType::Decimal { precision, scale } => NumberProfile {
                beyond_i64: scale == 0,
                whole_digits: i64::from(precision - scale),
                scale: i64::from(scale),
                ..NumberProfile::default()
            },
            DataType::Float64 => NumberProfile { exponents: true, ..NumberProfile::default() },
            _ => NumberProfile::default(),
        };
        all.of_numbers.add(&of_values);
        *(match data_type {
            DataType::Boolean => &mut all.booleans,
            DataType::Date => &mut all.dates,
            DataType::Timestamp => &mut all.moments,
            DataType::TimestampTz => &mut all.instants,
            DataType::Json => &mut all.nested,
            DataType::Text => &mut all.texts,
            _ => &mut all.numbers,
        }) += values;
        all
    }

    /// Whether any value is of the kind of this type, or keeps the type from being inferred.
    pub(crate) fn has_kind_of(&self, data_type: DataType) -> bool {
        let kind = match data_type {
            DataType::Boolean => self.booleans,
            DataType::Date => self.dates,
            DataType::Timestamp => self.moments,
            DataType::TimestampTz => self.instants,
            DataType::Json => self.nested,
            DataType::Text => self.texts,
            _ if self.number_like => return true,
            _ => self.numbers,
        };
        kind > 0
    }

    /// Counts a value.
    pub(crate) fn see(&mut self, cell: Cell<'_>) {
        match cell {
            Cell::Null => self.nulls += 1,
            Cell::Empty => self.empties += 1,
            Cell::Boolean(_) => self.booleans += 1,
            Cell::Number(text) => self.see_number(text),
            Cell::Short { source, number } => {
                self.numbers += 1;
                self.of_numbers.see_short(source, number);
            }
            Cell::Text { text, .. } => {
                self.not_interval = self.not_interval || temporal::length_of_time(text).is_none();
                self.see_text(text);
            }
            Cell::Nested(_) => self.nested += 1,
            Cell::Plain(text) => self.see_plain(text),
        }
    }

    fn see_plain(&mut self, text: &[u8]) {
        if matches!(text, b"true" | b"false") {
            self.booleans += 1;
        } else if let Some(number) = Short::parse(text) {
            let written = number.written_scale(text).map_or(Written::Otherwise, Written::Alike);
            self.written = self.written.and(written);
            self.numbers += 1;
            self.of_numbers.see_short(text, number);
        } else if let Some(number) = Number::parse(text).filter(|number| !number.is_code()) {
            let written = number.written_scale().map_or(Written::Otherwise, Written::Alike);
            self.written = self.written.and(written);
            self.see_number(text);
        } else {
            self.number_like |= is_number_like(text);
            self.not_interval = self.not_interval || temporal::length_of_time(text).is_none();
            self.not_json = self.not_json || !json_text::is_json(text);
            self.see_text(text);
        }
    }

    fn see_number(&mut self, text: &[u8]) {
        self.numbers += 1;
        if let Some(n) = small_integer(text) {
            self.of_numbers.for_any_column.see_integer(n.into());
            self.of_numbers.for_any_column.see_float(text);
            // The digits of the longest one, in case the column has decimals too.
            let digits = text.len() - usize::from(text.first() == Some(&b'-'));
            self.of_numbers.whole_digits = self.of_numbers.whole_digits.max(digits as i64);
            if digits > 15 {
                self.of_numbers.see_double(text);
            }
            return;
        }
        self.of_numbers.see(text);
    }

    fn see_text(&mut self, text: &[u8]) {
        *(match text_type(text) {
            DataType::Date => &mut self.dates,
            DataType::Timestamp => &mut self.moments,
            DataType::TimestampTz => &mut self.instants,
            _ => &mut self.texts,
        }) += 1;
    }

    /// What the values need of a type that somebody else has chosen.
    pub(crate) fn values(&self) -> SeenValues {
        SeenValues {
            booleans: self.booleans > 0,
            dates: self.dates > 0,
            moments: self.moments > 0,
            instants: self.instants > 0,
            texts: self.texts > 0,
            nested: self.nested > 0,
            not_json: self.not_json,
            not_interval: self.not_interval,
            numbers: (self.numbers > 0).then(|| self.of_numbers.numbers()),
        }
    }

    /// The type in a key, where each value has to give its text back: `1.10` is not `1.1`.
    pub(crate) fn key_type(&self) -> DataType {
        match self.data_type() {
            data_type if data_type.is_numeric() && self.written == Written::Otherwise => DataType::Text,
            data_type => data_type,
        }
    }

    /// The type that holds the values. Mixed kinds make text, or JSON if any value is nested.
    pub(crate) fn data_type(&self) -> DataType {
        let kinds = [
            (self.texts, DataType::Text),
            (self.numbers, self.of_numbers.data_type()),
            (self.dates, DataType::Date),
            (self.moments, DataType::Timestamp),
            (self.instants, DataType::TimestampTz),
            (self.booleans, DataType::Boolean),
            (self.nested, DataType::Json),
        ];
        let filled = self.filled();
        let Some(&(most, data_type)) = kinds.iter().max_by_key(|(count, _)| *count).filter(|_| filled > 0)
        else {
            return DataType::Text;
        };
        if self.number_like && self.numbers == most {
            return DataType::Text;
        }
        let others = filled - most;
        if others == 0 || (most >= MAJORITY && others * MINORITY_SHARE <= filled) {
            return data_type;
        }
        if self.nested > 0 { DataType::Json } else { DataType::Text }
    }
}

/// The type of a column of texts like this one.
#[inline]
pub(crate) fn text_type(text: &[u8]) -> DataType {
    // Nearly all texts fail on their length or their first byte.
    if text.len() < 10 || !text[0].is_ascii_digit() {
        return DataType::Text;
    }
    if temporal::date(text).is_some() {
        return DataType::Date;
    }
    match temporal::date_time(text).filter(|moment| moment.exact) {
        Some(moment) if moment.zoned => DataType::TimestampTz,
        Some(_) => DataType::Timestamp,
        None => DataType::Text,
    }
}

/// Whether a text without spaces, sign and leading zeros would be a number.
fn is_number_like(text: &[u8]) -> bool {
    if !text.last().is_some_and(|byte| byte.is_ascii_digit() || *byte == b' ') {
        return false;
    }
    let compact: Vec<u8> = text.iter().copied().filter(|&byte| byte != b' ').collect();
    let unsigned = match compact.split_first() {
        Some((b'+' | b'-', rest)) => rest,
        _ => &compact[..],
    };
    let zeros = unsigned.iter().take_while(|&&byte| byte == b'0').count();
    // The last zero stays if nothing but zeros, or the point, follows.
    let from =
        if unsigned.get(zeros).is_some_and(u8::is_ascii_digit) { zeros } else { zeros.saturating_sub(1) };
    Number::parse(&unsigned[from..]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::number::Short;

    fn json(values: &[&str]) -> String {
        let mut profile = Profile::default();
        for value in values {
            let bytes = value.as_bytes();
            profile.see(match bytes {
                b"null" => Cell::Null,
                b"true" | b"false" => Cell::Boolean(true),
                [b'"', text @ .., b'"'] => Cell::Text { text, source: bytes },
                [b'{' | b'[', ..] => Cell::Nested(bytes),
                _ => match Short::parse(bytes) {
                    Some(number) => Cell::Short { source: bytes, number },
                    None => Cell::Number(bytes),
                },
            });
        }
        profile.data_type().to_string()
    }

    fn csv(values: &[&str]) -> String {
        let mut profile = Profile::default();
        for value in values {
            profile.see(Cell::Plain(value.as_bytes()));
        }
        profile.data_type().to_string()
    }

    #[test]
    fn types_of_json_columns() {
        for (values, expected) in [
            (&[][..], "text"),
            (&["null"], "text"),
            (&["true", "null", "false"], "boolean"),
            (&["1", "-2"], "int64"),
            (&["9223372036854775807", "-9223372036854775808"], "int64"),
            (&["9223372036854775808"], "decimal(38,0)"),
            (&["123456789012345678901234567890123456789"], "text"),
            (&["1.5", "2.25"], "decimal(18,2)"),
            (&["1", "2.5"], "decimal(18,1)"),
            (&["12345678901234567.55"], "decimal(38,2)"),
            (&["123456789012345678", "0.5"], "decimal(38,1)"),
            (&["1.5e3", "2"], "int64"),
            (&["1.5e-3"], "decimal(18,4)"),
            (&["1e300", "2.5"], "float64"),
            (&["1e300", "0.12345678901234567890"], "text"),
            (&["1e300", "9007199254740993"], "text"),
            (&["1e-30", "100000000000"], "text"),
            (&["1e400"], "text"),
            (&["\"2024-02-29\""], "date"),
            (&["\"2023-02-29\""], "text"),
            (&["\"2024-02-29T10:00:00\""], "timestamp"),
            (&["\"2024-02-29T10:00:00Z\"", "\"2024-02-29T10:00:00+02:00\""], "timestamptz"),
            (&["\"2024-02-29T10:00:00.1234567\""], "text"),
            (&["\"2024-02-29T10:00:00.1234560\"", "\"2024-02-29 10:00:00.0000000\""], "timestamp"),
            (&["\"2024-02-29T10:00:00.1234560+02:00\""], "timestamptz"),
            (&["\"2024-02-29\"", "\"2024-02-29T10:00:00\""], "text"),
            (&["{\"a\":1}", "[1]"], "json"),
            (&["1", "\"a\""], "text"),
            (&["1", "{}"], "json"),
            (&["\"1\""], "text"),
        ] {
            assert_eq!(json(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_profile_of_types_tells_the_same_types() {
        let values = [
            "1",
            "-0",
            "1.5",
            "16777217",
            "12345678.25",
            "1e300",
            "123456789012345678901234567890123456789",
            "12E3",
            "007",
            "true",
            "2024-02-29",
            "2024-02-29T10:00:00Z",
            "01:02:03",
            "{}",
            "x",
            "",
        ];
        for a in values {
            for b in values {
                let (mut full, mut of_types) = (Profile::default(), Profile::of_types());
                for value in [a, b] {
                    full.see(Cell::Plain(value.as_bytes()));
                    of_types.see(Cell::Plain(value.as_bytes()));
                }
                assert_eq!(of_types.data_type(), full.data_type(), "{a} {b}");
                assert_eq!(of_types.key_type(), full.key_type(), "{a} {b}");
                assert_eq!(of_types.seen(), full.seen(), "{a} {b}");
                // Findings that nobody asks for are taken as given, so that no text is checked for
                // them.
                assert!(
                    of_types.not_json
                        && of_types.not_interval
                        && !of_types.values().numbers.is_some_and(|n| n.floats)
                );
            }
        }
    }

    #[test]
    fn texts_are_json_where_a_column_of_json_takes_them() {
        for text in ["[1]", "{\"a\": 1e999}", "null", " {} ", "12E3", "[1", "x", "01", "[\"\\ud800\"]", "1."]
        {
            let mut profile = Profile::default();
            profile.see(Cell::Plain(text.as_bytes()));
            let held = json_text::check(text.as_bytes()).is_ok();
            assert_eq!(profile.values().not_json, !held, "{text}");
        }
    }

    #[test]
    fn numbers_of_a_key_give_their_texts_back() {
        for (values, expected) in [
            (&["1", "20"][..], "int64"),
            (&["1", "-0"], "text"),
            (&["1.10", "2.50"], "decimal(18,2)"),
            (&["-0.10", "2.50"], "decimal(18,2)"),
            (&["1.10", "1.1"], "text"),
            (&["1", "1.0"], "text"),
            (&["-0.0", "1.0"], "text"),
            (&["1.5e-05"], "text"),
            (&["1.5e300"], "text"),
            (&["2024-01-01"], "date"),
            (&["a"], "text"),
        ] {
            let mut profiles = [Profile::default(), Profile::default()];
            for (at, value) in values.iter().enumerate() {
                profiles[at % 2].see(Cell::Plain(value.as_bytes()));
            }
            let [mut one, other] = profiles;
            one.add(&other);
            assert_eq!(one.key_type().to_string(), expected, "{values:?}");
        }
    }

    #[test]
    fn empty_texts_are_nulls_among_others() {
        let mut profile = Profile::default();
        profile.see(Cell::Empty);
        assert_eq!(profile.data_type(), DataType::Text);
        assert!(!profile.has_nulls(DataType::Text));
        profile.see(Cell::Plain(b"2024-02-29"));
        assert_eq!((profile.data_type(), profile.seen()), (DataType::Date, 2));
        assert!(profile.has_nulls(DataType::Date));
    }

    #[test]
    fn a_few_strangers_do_not_spoil_a_column() {
        let mut values = vec!["1"; 19];
        values.push("\"a\"");
        assert_eq!(json(&values), "text", "19 are too few");
        values.insert(0, "2");
        assert_eq!(json(&values), "int64", "1 of 21 is less than 5 %");
        values.push("\"b\"");
        assert_eq!(json(&values), "text", "2 of 22 are more");
        let mut values = vec!["{}"; 40];
        values.push("1");
        assert_eq!(json(&values), "json");
    }

    #[test]
    fn texts_of_csv_tell_less() {
        for (values, expected) in [
            (&["1", "2"][..], "int64"),
            (&["22.99", "50.0"], "decimal(18,2)"),
            (&["007"], "text"),
            (&["true", "false"], "boolean"),
            (&["True"], "text"),
            (&["2024-01-01"], "date"),
            (&[".5"], "text"),
            (&["12E3"], "text"),
            (&["1.5e-05", "2e-06", "1E+02"], "decimal(18,6)"),
            (&["1.5e300", "0.5"], "float64"),
            (&["1.5e300", "1e3"], "text"),
        ] {
            assert_eq!(csv(values), expected, "{values:?}");
        }
        for like in ["007", "+1", "1 000", " 12", "00", "-01", "000.5", "12E3", "1e5", "713752e1"] {
            let mut values = vec!["5"; 1000];
            values.push(like);
            assert_eq!(csv(&values), "text", "{like}");
        }
        for unlike in ["n/a", "12A", "+", "-", "1,5"] {
            let mut values = vec!["5"; 1000];
            values.push(unlike);
            assert_eq!(csv(&values), "int64", "{unlike}");
        }
    }
}
