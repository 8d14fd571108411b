use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Number<'_> {
    Number::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
}

#[test]
fn decimals_are_digits_after_the_point_without_trailing_zeros() {
    for (text, decimals) in [
        ("12.500", 1),
        ("100", 0),
        ("0.00", 0),
        ("-0.010", 2),
        ("12E3", 0),
        ("1000e-2", 0),
        ("1.500e-2", 3),
        ("1e-5", 5),
        ("100.0e-1", 0),
    ] {
        assert_eq!(number(text).decimals(), decimals, "{text}");
    }
}

#[test]
fn grammar_is_that_of_json() {
    for bad in ["", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1 ", " 1", "0x1", "NaN", "1.2.3", "--1"]
    {
        assert!(Number::parse(bad.as_bytes()).is_none(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn digits_are_read_up_to_the_first_other_byte(
        before in 0i64..1000,
        lead in prop::collection::vec(any::<u8>(), 0..3),
        text in "[0-9]{0,18}",
        tail in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let digits = text.len() + tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let all = [lead.as_slice(), text.as_bytes(), &tail].concat();
        let expected = all[lead.len()..lead.len() + digits]
            .iter()
            .fold(before, |sum, byte| sum.wrapping_mul(10).wrapping_add(i64::from(byte - b'0')));
        let mut number = before;
        prop_assert_eq!(read_digits(&all, lead.len(), &mut number), lead.len() + digits);
        prop_assert_eq!(number, expected);
    }
}

#[test]
fn shapes() {
    for (text, shape) in [
        ("0", (0, 0)),
        ("-12", (2, 0)),
        ("0.50", (0, 2)),
        ("1.50", (1, 2)),
        ("15e1", (3, 0)),
        ("1.5e3", (4, 0)),
        ("1.5e-3", (0, 4)),
        ("0.001e2", (0, 1)),
        ("0.0e99", (0, 0)),
        ("1e400", (401, 0)),
    ] {
        assert_eq!(number(text).shape(), shape, "{text}");
    }
}

#[test]
fn scales_exactly_or_not_at_all() {
    for (text, precision, scale, expected) in [
        ("1.50", 18, 1, Ok(15)),
        ("1.55", 18, 1, Err(Misfit::TooManyDecimals)),
        ("-22.99", 18, 2, Ok(-2299)),
        ("99.99", 3, 2, Err(Misfit::TooLarge)),
        ("1e2", 3, 0, Ok(100)),
        ("1e3", 3, 0, Err(Misfit::TooLarge)),
        ("100e-2", 3, 0, Ok(1)),
        ("0e99999999999", 1, 0, Ok(0)),
        ("1e-99999999999", 38, 38, Err(Misfit::TooManyDecimals)),
        (
            "99999999999999999999999999999999999999",
            38,
            0,
            Ok(99_999_999_999_999_999_999_999_999_999_999_999_999),
        ),
        ("0.0000", 1, 0, Ok(0)),
    ] {
        assert_eq!(number(text).scaled(precision, scale), expected, "{text}");
    }
    let wide = "12345678901234567890123456789012345.123456789012345678901234567890";
    assert_eq!(number(wide).scaled_wide(65, 30).map(|n| n.to_string()), Ok(wide.replace('.', "")));
}

#[test]
fn most_decimals_are_short() {
    for (text, precision, scale, expected) in [
        ("0", 1, 0, Some(0)),
        ("-22.99", 18, 2, Some(-2299)),
        ("123456789012345678", 18, 0, Some(123_456_789_012_345_678)),
        ("0.5", 38, 37, Some(5 * 10i128.pow(36))),
        ("5", 38, 38, None),
        ("1.55", 18, 1, None),
        ("01", 18, 1, None),
        ("1.", 18, 1, None),
        (".5", 18, 1, None),
        ("1.2.3", 18, 4, None),
        ("1e2", 18, 1, None),
        ("", 18, 1, None),
        ("-", 18, 1, None),
    ] {
        let short = Short::parse(text.as_bytes()).and_then(|short| short.scaled(precision, scale));
        assert_eq!(short, expected, "{text}");
    }
}

#[test]
fn floats_round_trip_or_are_refused() {
    for (text, exact) in [
        ("0.1", true),
        ("1e400", false),
        ("1e-400", false),
        ("1e22", true),
        ("0e5", true),
        ("1.7976931348623157e308", true),
        ("0.1000000000000000055511151231257827", false),
        ("9007199254740993", false),
        ("9007199254740992", true),
        ("5e-324", true),
        ("4e-324", false),
    ] {
        assert_eq!(number(text).double(text).is_some(), exact, "{text}");
    }
    assert_eq!(number("0.1").float("0.1"), Some(0.1));
    assert_eq!(number("16777217").float("16777217"), None);
}

proptest! {
    #[test]
    fn integers_of_all_sizes(n in any::<i128>()) {
        let text = n.to_string();
        let expected = if n.unsigned_abs() < 10u128.pow(38) { Ok(n) } else { Err(Misfit::TooLarge) };
        prop_assert_eq!(number(&text).integer(), expected);
    }

    #[test]
    fn short_decimals_agree(
        text in "-?[0-9]{0,12}(\\.[0-9]{0,8})?(e1)?",
        (precision, scale) in (1u8..=38).prop_flat_map(|precision| (Just(precision), 0..=precision)),
    ) {
        if let Some(short) = Short::parse(text.as_bytes()).and_then(|short| short.scaled(precision, scale)) {
            prop_assert_eq!(number(&text).scaled(precision, scale), Ok(short));
        }
    }

    #[test]
    fn doubles_come_back(bits in any::<u64>()) {
        let x = f64::from_bits(bits);
        prop_assume!(x.is_finite());
        let text = format!("{x:e}");
        prop_assert_eq!(number(&text).double(&text), Some(x));
    }

    #[test]
    fn small_integers_agree(n in any::<i64>()) {
        let text = n.to_string();
        if let Some(small) = small_integer(text.as_bytes()) {
            prop_assert_eq!(small, n);
        }
    }
}
