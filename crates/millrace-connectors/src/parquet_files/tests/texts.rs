//! Tests of bytes that are not UTF-8 in columns of texts.

use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type as ParquetInt32};

use super::*;

/// How a file stores its texts.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Plain,
    Dictionary,
    Lengths,
    Prefixes,
}

const KEPT: [Kept; 4] = [Kept::Plain, Kept::Dictionary, Kept::Lengths, Kept::Prefixes];

/// A file of one group, of an `id` from 1 on, and of texts, each in a column of type `inner`.
fn write_texts(dir: &Path, kept: Kept, inner: &str, texts: &[Option<&[u8]>]) {
    let message = format!("message m {{ required int32 id; {inner} }}");
    let schema = Arc::new(parse_message_type(&message).expect("a schema"));
    let properties = WriterProperties::builder().set_dictionary_enabled(matches!(kept, Kept::Dictionary));
    let properties = match kept {
        Kept::Plain => properties.set_encoding(Encoding::PLAIN),
        Kept::Dictionary => properties,
        Kept::Lengths => properties.set_encoding(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        Kept::Prefixes => properties.set_encoding(Encoding::DELTA_BYTE_ARRAY),
    };
    let properties = properties.set_column_encoding("id".into(), Encoding::PLAIN).build();
    let file = std::fs::File::create(dir.join("t.parquet")).expect("made");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let mut column = group.next_column().expect("a column").expect("a column");
    let ids: Vec<i32> = (1..=texts.len() as i32).collect();
    column.typed::<ParquetInt32>().write_batch(&ids, None, None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("a column");
    let values: Vec<ByteArray> = texts.iter().flatten().map(|text| text.to_vec().into()).collect();
    let most = column.typed::<ByteArrayType>().get_descriptor().max_def_level();
    let levels: Vec<i16> = texts.iter().map(|text| if text.is_some() { most } else { 0 }).collect();
    let each_in_its_row = vec![0; texts.len()];
    column
        .typed::<ByteArrayType>()
        .write_batch(&values, Some(&levels), Some(&each_in_its_row))
        .expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
}

const BROKEN: &[Option<&[u8]>] = &[
    Some(b"one"),
    Some(b"caf\xE9"),
    None,
    Some("caf\u{e9}".as_bytes()),
    Some(b"\xA9 of a pair"),
    Some(b"two"),
];

#[test]
fn a_text_that_is_not_utf8_takes_its_row_aside_and_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    for kept in KEPT {
        write_texts(dir.path(), kept, "optional binary t (UTF8);", BROKEN);
        assert_eq!(shown(&discover(dir.path(), "t.parquet").expect("readable")), ["id int32!", "t text"]);
        let outcome = read(dir.path(), "t.parquet", request(&["id int32", "t text"])).expect("readable");
        assert_eq!(outcome.lines(), ["1|one", "3|~", "4|café", "6|two"], "{kept:?}");
        let aside = [
            "2 t:bad-encoding {\"id\":2,\"t\":\"caf\u{fffd}\"}",
            "5 t:bad-encoding {\"id\":5,\"t\":\"\u{fffd} of a pair\"}",
        ];
        assert_eq!(outcome.set_aside(), aside, "{kept:?}");
        assert!(outcome.quarantined.iter().all(|row| !row.reason.contains("caf")), "no value");
    }
}

#[test]
fn two_halves_of_a_character_are_no_character() {
    let dir = tempfile::tempdir().expect("a folder");
    // Together the two would be one character.
    write_texts(dir.path(), Kept::Lengths, "optional binary t (UTF8);", &[Some(b"\xC3"), Some(b"\xA9")]);
    let outcome = read(dir.path(), "t.parquet", request(&["t text"])).expect("readable");
    assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (0, 2));
}

#[test]
fn documents_and_what_is_nested_are_held_to_it_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let json: &[Option<&[u8]>] = &[Some(b"{\"a\":\"\xE9\"}"), Some(b"[1]"), Some(b"{"), None];
    for kept in KEPT {
        write_texts(dir.path(), kept, "optional binary t (JSON);", json);
        let outcome = read(dir.path(), "t.parquet", request(&["id int32", "t json"])).expect("readable");
        assert_eq!(outcome.lines(), ["2|[1]", "4|~"], "{kept:?}");
        let aside: Vec<_> = outcome.quarantined.iter().map(|row| (row.line, row.code.as_str())).collect();
        assert_eq!(aside, [(1, "bad-encoding"), (3, "wrong-type")], "{kept:?}");
    }
    let list = "optional group l (LIST) { repeated group list { optional binary element (UTF8); } }";
    let group = "optional group l { optional binary t (UTF8); }";
    for (inner, good) in [(list, "[\"one\"]"), (group, "{\"t\":\"one\"}")] {
        write_texts(dir.path(), Kept::Plain, inner, BROKEN);
        let outcome = read(dir.path(), "t.parquet", request(&["id int32", "l json"])).expect("readable");
        assert_eq!(outcome.lines()[0], format!("1|{good}"));
        assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (4, 2), "{inner}");
        assert!(outcome.quarantined.iter().all(|row| row.code.as_str() == "bad-encoding"), "{inner}");
    }
}

#[test]
fn texts_are_no_bytes_and_bytes_may_be_texts() {
    let dir = tempfile::tempdir().expect("a folder");
    write_texts(dir.path(), Kept::Plain, "optional binary t (UTF8);", BROKEN);
    let outcome = read(dir.path(), "t.parquet", request(&["id int32", "t bytes"])).expect("readable");
    assert_eq!(outcome.lines(), ["3|~"], "a type that was captured is kept to");
    write_texts(dir.path(), Kept::Plain, "optional binary t;", BROKEN);
    let outcome = read(dir.path(), "t.parquet", request(&["id int32", "t bytes"])).expect("readable");
    assert_eq!(outcome.rows.len(), BROKEN.len());
    let outcome = read(dir.path(), "t.parquet", request(&["id int32", "t text"])).expect("readable");
    assert_eq!(outcome.lines(), ["1|one", "3|~", "4|café", "6|two"]);
    write_texts(dir.path(), Kept::Dictionary, "optional binary t (ENUM);", BROKEN);
    assert_eq!(shown(&discover(dir.path(), "t.parquet").expect("readable")), ["id int32!", "t text"]);
    let outcome = read(dir.path(), "t.parquet", request(&["id int32", "t text"])).expect("readable");
    assert_eq!(outcome.quarantined.len(), 2);
}
