use millrace_engine::error::ErrorKind;
use millrace_engine::ports::source::{Drift, ReadRequest};
use proptest::prelude::*;

use crate::csv_files::Csv;
use crate::files::source::{Format, Glance, glance};
use crate::files::testing::{Outcome, blocks, discover, read, request, settings, shown};
use crate::files::window::Window;
use crate::json_files::{Json, Ndjson};

/// Guesses the columns from the first `bytes` bytes and reads with them. Returns the columns and
/// the rows, or `None` if there was no guess or the read disproved it.
fn at_once<F: Format>(format: F, text: &[u8], bytes: usize) -> Option<(Vec<String>, Outcome)> {
    at_once_by(&[], format, text, bytes)
}

/// The same for a stream with this key.
fn at_once_by<F: Format>(
    key: &[String],
    format: F,
    text: &[u8],
    bytes: usize,
) -> Option<(Vec<String>, Outcome)> {
    let limits = blocks(50);
    let mut window = Window::new("f", text, limits.block).expect("a window");
    let schema =
        glance(format, &mut window, Glance { settings: &settings(&[]), limits, bytes, key }).ok()??;
    let columns = shown(&schema);
    let drift = Drift { columns: true, guessed: true, ..Drift::default() };
    let wanted = request(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    let wanted = ReadRequest { drift, key: key.to_vec(), ..wanted };
    match read(format, &[], text, &wanted, limits) {
        Ok(outcome) => Some((columns, outcome)),
        Err(error) if error.kind() == ErrorKind::SchemaDrift => None,
        Err(error) => {
            assert!(discover(format, &[], text, limits).is_err(), "only this way is it unreadable: {error}");
            None
        }
    }
}

/// The same, with columns that were discovered from the whole text.
fn looked_through<F: Format>(format: F, text: &[u8]) -> (Vec<String>, Outcome) {
    let columns = shown(&discover(format, &[], text, blocks(50)).expect("readable"));
    let wanted = request(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    (columns, read(format, &[], text, &wanted, blocks(50)).expect("readable"))
}

fn lines(values: &[&str]) -> String {
    let line = |value: &&str| ["{\"a\": ", *value, "}\n"].concat();
    values.iter().map(line).collect()
}

#[test]
fn a_guess_holds_where_the_rest_is_alike() {
    for (first, rest) in [
        ("1", "-22"),
        ("1", "9223372036854775807"),
        ("1.5", "12345"),
        ("1.55", "2.5e1"),
        ("\"2024-01-01\"", "\"1999-12-31\""),
        ("\"2024-01-01T00:00:00\"", "\"2024-01-01 00:00:00.123456\""),
        ("\"a\"", "\"2024-01-01\""),
        ("{}", "[1]"),
        ("null", "null"),
    ] {
        let text = lines(&[[first; 10].as_slice(), &[rest]].concat());
        let found = at_once(Ndjson, text.as_bytes(), 20);
        let found = found.unwrap_or_else(|| panic!("{first} says what {rest} is"));
        assert_eq!(found.1.rows.len(), 11, "{first} {rest}");
    }
    // A few values of another kind do not change the type; they go to quarantine in either case.
    let mut values = vec!["7"; 60];
    values[50] = "\"seven\"";
    let (columns, outcome) = at_once(Ndjson, lines(&values).as_bytes(), 40).expect("it holds");
    assert_eq!((columns, outcome.rows.len()), (vec!["a int64!".to_owned()], 59));
    assert_eq!(outcome.set_aside(), ["51 a:wrong-type {\"a\": \"seven\"}"]);
}

#[test]
fn a_guess_is_given_up_where_the_rest_is_not_alike() {
    for (first, rest) in [
        ("1", "1.0"),
        ("1", "1e0"),
        ("1", "9223372036854775808"),
        ("1", "null"),
        ("1.5", "1.50"),
        ("1.5", "123456789012345678.5"),
        ("\"2024-01-01T00:00:00\"", "\"2024-01-01T00:00:00.1234567\""),
        ("\"a\"", "1, \"b\": 2"),
        ("\"a\"", "{}"),
        ("true", "\"a\""),
        ("1", "2}\n{\"b\": 2, \"b\": 3"),
        ("1", "2}\n{\"a\": \"x\"}\n{"),
    ] {
        let text = lines(&[[first; 10].as_slice(), &[rest]].concat());
        assert!(at_once(Ndjson, text.as_bytes(), 20).is_none(), "{first} does not say {rest}");
    }
}

#[test]
fn a_guess_at_a_key_holds_as_a_key() {
    let key = ["version".to_owned()];
    let text = |versions: &[&str]| {
        let lines = versions.iter().enumerate().map(|(n, version)| format!("{version},{n}\n"));
        format!("version,n\n{}", lines.collect::<String>())
    };
    for (versions, expected) in [
        (["1.9", "1.10", "1.11"], "version text!"),
        (["1.90", "1.10", "1.11"], "version decimal(18,2)!"),
        (["1", "2", "3"], "version int64!"),
        (["a", "b", "c"], "version text!"),
    ] {
        let text = text(&versions);
        let found = at_once_by(&key, Csv, text.as_bytes(), 1000);
        let (columns, outcome) = found.unwrap_or_else(|| panic!("{versions:?}"));
        assert_eq!(columns, [expected, "n int64!"]);
        assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (3, 0), "{versions:?}");
    }
    // The guess is given up if the texts of a key are written differently only later on.
    let late = [["1.20"; 30].as_slice(), &["1.3"]].concat();
    assert!(at_once_by(&key, Csv, text(&late).as_bytes(), 25).is_none());
    // A column outside of the key is still inferred as a number.
    assert!(at_once(Csv, text(&["1.9", "1.10", "1.11"]).as_bytes(), 1000).is_some());
}

fn cell() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "1",
        "-20",
        "1.0",
        "1.5",
        "2.25",
        "1e2",
        "9223372036854775808",
        "12345678901234567.5",
        "true",
        "null",
        "\"x\"",
        "\"\"",
        "\"2024-01-01\"",
        "\"2024-01-01T10:00:00\"",
        "\"2024-01-01T10:00:00.1234560\"",
        "\"2024-01-01T10:00:00Z\"",
        "{}",
        "[1, 2]",
        "1e300",
        "nul",
    ])
}

/// A column of mostly one value, with a few others and missing ones.
fn column() -> impl Strategy<Value = Vec<Option<&'static str>>> {
    let cells = prop::collection::vec((0u8..30, cell()), 0..60);
    (cell(), cell(), cells).prop_map(|(most, second, cells)| {
        let chosen = |(chance, other): (u8, &'static str)| match chance {
            0 => None,
            1 => Some(other),
            2..=4 => Some(second),
            _ => Some(most),
        };
        cells.into_iter().map(chosen).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A read with guessed columns has the columns, rows and quarantined rows of a read after
    /// discovery, or it is given up.
    #[test]
    fn at_once_or_given_up(a in column(), b in column(), bytes in 1usize..1200) {
        let record = |(a, b): (Option<&str>, Option<&str>)| {
            let field = |name: &str, value: Option<&str>| value.map(|value| format!("\"{name}\": {value}"));
            format!("{{{}}}", [field("a", a), field("b", b)].into_iter().flatten().collect::<Vec<_>>().join(", "))
        };
        let records: Vec<String> = a.iter().copied().zip(b.iter().copied()).map(record).collect();
        let text = records.join("\n");
        if let Some(found) = at_once(Ndjson, text.as_bytes(), bytes) {
            prop_assert_eq!(&found, &looked_through(Ndjson, text.as_bytes()));
        }
        let text = format!("[{}]", records.join(",\n"));
        if let Some(found) = at_once(Json, text.as_bytes(), bytes) {
            prop_assert_eq!(&found, &looked_through(Json, text.as_bytes()));
        }
    }

    #[test]
    fn so_with_csv(a in column(), b in column(), bytes in 1usize..1200) {
        let plain = |value: Option<&'static str>| match value {
            None | Some("null") => "",
            // A text like a number that no number would give back.
            Some("{}") => "007",
            Some("[1, 2]") => "only one field",
            Some(value) => value.trim_matches('"'),
        };
        let record = |(a, b): (Option<&'static str>, Option<&'static str>)| match (plain(a), plain(b)) {
            ("only one field", _) => "x\n".to_owned(),
            (a, b) => format!("{a},{b}\n"),
        };
        let text = format!("a,b\n{}", a.iter().copied().zip(b.iter().copied()).map(record).collect::<String>());
        if let Some(found) = at_once(Csv, text.as_bytes(), bytes) {
            prop_assert_eq!(&found, &looked_through(Csv, text.as_bytes()));
        }
    }
}
