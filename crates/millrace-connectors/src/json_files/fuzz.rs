//! Fuzz target: arbitrary bytes as NDJSON and as a JSON document.

use std::fmt;

use millrace_core::quarantine::QuarantineCode;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::files::testing::{Outcome, blocks, discover, read, request, shown};
use crate::fuzz::input::Input;
use crate::json_files::{Json, Ndjson};

/// Types whose values `same` compares.
const COLUMNS: [&str; 4] = ["a int64", "b text", "c json", "d decimal(20,3)"];

/// Checks these claims: the result does not depend on the sizes of blocks and pieces or on the
/// number of threads; each line is loaded or quarantined, exactly once; loaded values are those
/// that serde_json reads; and the types that discovery finds hold when the file is read.
///
/// The first byte chooses the format, the second the block size; the rest is the file.
///
/// # Panics
/// If a claim does not hold.
pub fn json(data: &[u8]) {
    let mut input = Input(data);
    let (way, block) = (input.byte(), 1 + usize::from(input.byte()));
    let text = input.0;
    if way & 1 == 0 {
        lines(text, block);
    } else {
        let path = [("records", "$.a")];
        let pairs = if way & 2 == 0 { &[][..] } else { &path[..] };
        let show = |block| {
            read(Json, pairs, text, &request(&COLUMNS), blocks(block)).map_err(|error| error.to_string())
        };
        assert_eq!(show(block), show(1 << 20), "blocks of {block}");
        if let Ok(schema) = discover(Json, pairs, text, blocks(block)) {
            let columns = shown(&schema);
            let columns: Vec<&str> =
                columns.iter().map(String::as_str).filter(|column| !column.contains('!')).collect();
            // This way of writing columns cannot express a name with a space.
            if columns.iter().all(|column| column.split(' ').count() == 2) {
                let found =
                    read(Json, pairs, text, &request(&columns), blocks(block)).expect("it was readable");
                // Only types and ranges were promised; records may still be broken.
                let misfits = found
                    .quarantined
                    .iter()
                    .filter(|row| matches!(row.code, QuarantineCode::WrongType | QuarantineCode::OutOfRange));
                assert_eq!(misfits.count(), 0, "types of discovery do not hold");
            }
        }
    }
}

/// Checks the claims about NDJSON.
fn lines(text: &[u8], block: usize) {
    let show =
        |block| read(Ndjson, &[], text, &request(&COLUMNS), blocks(block)).map_err(|error| error.to_string());
    let found = show(block);
    assert_eq!(found, show(1 << 20), "blocks of {block}");
    let Ok(Outcome { rows, mut quarantined }) = found else { return };
    // Beside a broken line, the objects that may be others on it are in quarantine too.
    quarantined.dedup_by_key(|row| row.line);
    // A file with a byte order mark of UTF-16 is decoded, so its lines are not those of these
    // bytes.
    if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") {
        return;
    }
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let written: Vec<(u64, &[u8])> = (1..)
        .zip(text.split(|byte| *byte == b'\n'))
        .filter(|(_, line)| line.iter().any(|byte| !b" \t\r".contains(byte)))
        .collect();
    assert_eq!(rows.len() + quarantined.len(), written.len(), "each line once");
    let mut rows = rows.into_iter();
    let mut aside = quarantined.into_iter().peekable();
    for (number, line) in written {
        let theirs = serde_json::from_slice::<Value>(line);
        if let Some(row) = aside.next_if(|row| row.line == number) {
            let names = serde_json::from_slice::<Names>(line);
            // An object that is valid JSON without repeated names must not be called broken.
            let sound = matches!(theirs, Ok(Value::Object(_))) && names.is_ok_and(Names::are_distinct);
            assert!(
                !sound || row.code != QuarantineCode::BrokenRecord,
                "line {number} is sound: {}",
                row.reason
            );
            continue;
        }
        let row = rows.next().expect("a row for each line that is not set aside");
        match theirs {
            Ok(theirs) => same(&row, &theirs, number),
            Err(error) => {
                // What serde_json cannot hold, and Millrace keeps as it is written.
                let beyond =
                    ["number out of range", "surrogate", "unexpected end of hex escape", "recursion limit"];
                assert!(
                    beyond.iter().any(|words| error.to_string().contains(words)),
                    "line {number} is broken: {error}"
                );
            }
        }
    }
}

/// Compares a loaded row with what serde_json reads.
fn same(row: &[Option<String>], theirs: &Value, line: u64) {
    let theirs = |name: &str| theirs.get(name).filter(|value| !value.is_null());
    let number = row[0].as_ref().map(|text| text.parse::<i64>().expect("an integer"));
    // serde_json reads a whole number such as `1e2` as a double.
    let as_int = |value: &Value| value.as_i64().or_else(|| value.as_f64().map(|float| float as i64));
    assert_eq!(number, theirs("a").and_then(as_int), "line {line}: `a`");
    match theirs("b") {
        Some(Value::String(text)) => assert_eq!(row[1].as_deref(), Some(text.as_str()), "line {line}: `b`"),
        other => assert_eq!(row[1].is_some(), other.is_some(), "line {line}: `b`"),
    }
    let ours = row[2].as_ref().map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
    assert_eq!(ours.as_ref(), theirs("c"), "line {line}: `c`");
    let ours = row[3].as_ref().map(|text| text.parse::<f64>().expect("a number"));
    if let (Some(ours), Some(theirs)) = (ours, theirs("d").and_then(Value::as_f64)) {
        assert!((ours - theirs).abs() <= theirs.abs() * 1e-12, "line {line}: `d`");
    }
}

/// The names of the fields of an object, with repetitions, which a map of serde_json would lose.
struct Names(Vec<String>);

impl Names {
    fn are_distinct(mut self) -> bool {
        let count = self.0.len();
        self.0.sort();
        self.0.dedup();
        self.0.len() == count
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
