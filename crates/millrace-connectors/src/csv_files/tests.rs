use proptest::prelude::*;

use crate::csv_files::Csv;
use crate::files::testing::{Outcome, blocks, discover, read, request, shown};

fn csv(pairs: &[(&str, &str)], text: &[u8], columns: &[&str]) -> Outcome {
    let outcomes: Vec<Outcome> = [1, 2, 7, 1 << 20]
        .map(|block| read(Csv, pairs, text, &request(columns), blocks(block)).expect("readable"))
        .into();
    assert!(
        outcomes.windows(2).all(|pair| pair[0] == pair[1]),
        "the size of blocks must not matter: {outcomes:#?}"
    );
    outcomes.into_iter().next().expect("an outcome")
}

#[test]
fn a_quote_within_a_field_spoils_no_piece() {
    let text = "a,b\n5\" pipe,1\nx,\"two\nlines\"\n".to_owned()
        + &"y,\"one, \"\"two\"\"\n\"\n".repeat(30)
        + "6\",z\n";
    for block in [5, 64, 4096] {
        let outcome = read(Csv, &[], text.as_bytes(), &request(&["a text", "b text"]), blocks(block));
        let outcome = outcome.expect("readable");
        assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (33, 0));
        assert_eq!(outcome.rows[0], [Some("5\" pipe".to_owned()), Some("1".to_owned())]);
        assert_eq!(outcome.rows[31], [Some("y".to_owned()), Some("one, \"two\"\n".to_owned())]);
    }
}

#[test]
fn files() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("", &[], &[]),
        ("a,b\n", &[], &[]),
        ("a,b\n1,x\n2,y", &["1|x", "2|y"], &[]),
        ("\u{FEFF}a,b\r\n1,x\r\n\r\n2,y\r\n", &["1|x", "2|y"], &[]),
        ("b,a\n,\n\"\",3\n", &["~|~", "3|"], &[]),
        ("a,b\n1,\"x,\n\"\"y\"\"\"\n2,z\n3\n", &["1|x,\n\"y\"", "2|z"], &["5 broken-record 3"]),
        (
            "a,b\n1,2,3\n4,\"5\"6\nx,7\n8,9\n",
            &["8|9"],
            &["2 broken-record 1,2,3", "3 broken-record 4,\"5\"6", "4 a:wrong-type x,7"],
        ),
        ("a,b\n1,x\n2,\"y", &["1|x"], &["3 broken-record 2,\"y"]),
        ("a,b\n99999999999999999999,x\n", &[], &["2 a:out-of-range 99999999999999999999,x"]),
    ];
    for (text, rows, quarantined) in cases {
        let outcome = csv(&[], text.as_bytes(), &["a int64", "b text"]);
        assert_eq!(outcome.lines(), *rows, "{text:?}");
        assert_eq!(outcome.set_aside(), *quarantined, "{text:?}");
    }
    let ragged = csv(&[], b"a,b\n1\n", &["a int64"]);
    assert_eq!(ragged.quarantined[0].reason, "expected 2 fields, found 1");
}

#[test]
fn a_quote_that_swallows_lines_is_an_error() {
    let text = b"a,b\n1,x\n2,\"y\n3,z\n";
    let error = read(Csv, &[], text, &request(&["a int64", "b text"]), blocks(4)).expect_err("it is cut off");
    assert!(error.to_string().contains("line 3: a quote is not closed"), "{error}");
}

#[test]
fn settings() {
    let outcome = csv(
        &[("delimiter", ";"), ("quote", "'"), ("null", "NULL")],
        b"a;b\n'1;''2';NULL\n'NULL';\"\n",
        &["a text", "b text"],
    );
    assert_eq!(outcome.lines(), ["1;'2|~", "NULL|\""]);
    let outcome =
        csv(&[("delimiter", "\\t"), ("header", "false")], b"1\tx\n2\ty\n", &["c2 text", "c1 int64"]);
    assert_eq!(outcome.lines(), ["x|1", "y|2"]);
    let outcome =
        csv(&[("encoding", "latin-1")], b"a,b\n1,caf\xE9\n2,\"\xC9\"\"\"\n3,\x80\n", &["a int64", "b text"]);
    assert_eq!(outcome.lines(), ["1|café", "2|É\""]);
    assert_eq!(outcome.quarantined[0].code.as_str(), "bad-encoding");
    let outcome = csv(&[], b"a,b\n1,caf\xE9\n2,x\n", &["a int64", "b text"]);
    assert_eq!(
        (outcome.lines(), outcome.quarantined[0].code.as_str()),
        (vec!["2|x".to_owned()], "bad-encoding")
    );
}

#[test]
fn headers_that_cannot_be() {
    for (pairs, text, expected) in [
        (&[][..], &b"a,a\n"[..], "two columns have the name `a`"),
        (&[], b"a,,b\n", "column 2 has no name"),
        (&[], b"a,b\r1,2\r", "carriage return"),
        (&[], b"\"a,b\n1,2\n", "not closed"),
        (&[], b"a,\xE9\n", "not all bytes"),
        (&[("encoding", "latin-1")], b"\xEF\xBB\xBFa\n", "mark of UTF-8"),
        (&[("delimiter", "::")], b"a\n", "one character"),
        (&[], b"a;b\n1;2\n", "its header is one field, with `;` in it"),
        (&[], b"a\tb\n1\t2\n", "with `\\t` in it"),
        (&[("delimiter", "\"")], b"a\n", "the same character"),
    ] {
        let error = discover(Csv, pairs, text, blocks(3)).expect_err("unreadable").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_header_may_be_one_field() {
    let names = |pairs, text: &[u8]| shown(&discover(Csv, pairs, text, blocks(3)).expect("readable"));
    assert_eq!(names(&[("delimiter", ",")], b"a;b\n1\n"), ["a;b int64!"]);
    assert_eq!(names(&[], b"\"a;b\"\n1\n"), ["a;b int64!"]);
    assert_eq!(names(&[("header", "false")], b"a;b\n"), ["c1 text!"]);
    let quoted = discover(Csv, &[], b"\"a\";\"b\"\n", blocks(3)).expect_err("another delimiter");
    let text = quoted.to_diagnostic().hint.unwrap_or_default();
    assert_eq!(text, "Write `delimiter: \";\"` if that is what is between the fields.");
}

#[test]
fn columns_are_told_from_all_records() {
    let text = b"id,zip,price,day,empty,ok\n1,01234,22.99,2024-01-31,,true\n2,75001,50.0,2024-02-29,,false\n";
    let schema = discover(Csv, &[], text, blocks(9)).expect("readable");
    assert_eq!(
        shown(&schema),
        ["id int64!", "zip text!", "price decimal(18,2)!", "day date!", "empty text", "ok boolean!"]
    );
    assert_eq!(shown(&discover(Csv, &[], b"a,b\n", blocks(9)).expect("readable")), ["a text", "b text"]);
    assert_eq!(
        shown(&discover(Csv, &[("header", "false")], b"1,x\n", blocks(9)).expect("readable")),
        ["c1 int64!", "c2 text!"]
    );
}

#[test]
fn unknown_columns_and_missing_ones() {
    let mut wanted = request(&["a int64", "c text"]);
    let outcome = read(Csv, &[], b"a,b\n1,2\n", &wanted, blocks(3)).expect("readable");
    assert_eq!(outcome.lines(), ["1|~"]);
    wanted.quarantine_unknown_columns = true;
    let outcome = read(Csv, &[], b"a,b\n1,2\n", &wanted, blocks(3)).expect("readable");
    assert_eq!(outcome.set_aside(), ["2 b:unknown-column 1,2"]);
    wanted.stream.excluded = vec!["b".to_owned()].into();
    let outcome = read(Csv, &[], b"a,b\n1,2\n", &wanted, blocks(3)).expect("readable");
    assert_eq!(outcome.lines(), ["1|~"]);
}

fn written(cell: Option<&str>) -> String {
    match cell {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains(['"', ',', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_back(
        rows in prop::collection::vec(prop::collection::vec(prop::option::of("[a-c\",\n\r é]{0,5}"), 3), 0..12),
        block in 1usize..40,
        windows in any::<bool>(),
    ) {
        let end = if windows { "\r\n" } else { "\n" };
        let mut text = format!("a,b,c{end}");
        for row in &rows {
            text += &row.iter().map(|cell| written(cell.as_deref())).collect::<Vec<_>>().join(",");
            text += end;
        }
        let outcome = read(Csv, &[], text.as_bytes(), &request(&["a text", "b text", "c text"]), blocks(block)).expect("readable");
        prop_assert_eq!(outcome.quarantined, []);
        prop_assert_eq!(outcome.rows, rows);
    }

    /// Each line of a file without quotes is a row or a quarantined row, and none is both.
    #[test]
    fn each_record_once(lines in prop::collection::vec("[1-9a,]{1,6}", 0..20), block in 1usize..40) {
        let text = format!("a,b\n{}\n", lines.join("\n"));
        let outcome = read(Csv, &[], text.as_bytes(), &request(&["a int64!", "b int64"]), blocks(block)).expect("readable");
        prop_assert_eq!(outcome.rows.len() + outcome.quarantined.len(), lines.len());
        for row in &outcome.quarantined {
            prop_assert_eq!(&row.raw, &lines[row.line as usize - 2]);
        }
    }

    #[test]
    fn any_bytes(
        text in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[ab1\",\n\r]{0,40}".prop_map(String::into_bytes),
        ],
        block in 1usize..40,
        header in any::<bool>(),
    ) {
        let header = header.to_string();
        for pairs in [&[("header", header.as_str())][..], &[("encoding", "latin-1"), ("null", "1")]] {
            let wanted = request(&["a int64!", "b text", "c1 text"]);
            let show = |block| read(Csv, pairs, &text, &wanted, blocks(block)).map_err(|error| error.to_string());
            prop_assert_eq!(show(block), show(1 << 20));
            let _ = discover(Csv, pairs, &text, blocks(block));
        }
    }
}
