use millrace_core::project::settings::Setting;
use proptest::prelude::*;

use crate::csv_files::Csv;
use crate::csv_files::settings::CsvSettings;
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

fn error(pairs: &[(&str, &str)], text: &str) -> String {
    let wanted = request(&["a text", "b text", "c text"]);
    let error = read(Csv, pairs, text.as_bytes(), &wanted, blocks(4)).expect_err("unreadable");
    format!("{error}; {}", error.to_diagnostic().hint.unwrap_or_default())
}

#[test]
fn a_quote_too_many_hides_no_record() {
    let columns = ["a text", "b text", "c text"];
    let many = |quote: &str, end: &str| {
        let lines = (3..40).map(|n| format!("{n},ok,{n}\n")).collect::<Vec<_>>().concat();
        format!("a,b,c\n1,x,1\n2,{quote}x,2\n{lines}40,{end},40\n41,\"a, b\",41\n42,x,42\n")
    };
    // What closes the quote is not meant as a quote.
    for end in ["5\" tube", "\"x\"", "\"x \"\"y\"\"\""] {
        let outcome = csv(&[], many("\"", end).as_bytes(), &columns);
        assert_eq!(
            (outcome.rows.len(), outcome.set_aside()),
            (41, vec!["3 broken-record 2,\"x,2".to_owned()]),
            "{end}"
        );
    }
    assert_eq!(
        csv(&[], many("\"", "5\" tube").as_bytes(), &columns).quarantined[0].reason,
        "something follows the quote that closes this one, 38 lines on"
    );
    // One more stray quote: the first one was not a quote, either.
    let outcome = csv(&[], many("\"", "\"x\" y").as_bytes(), &columns);
    assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (40, 2));
    // By RFC 4180 this is a whole record; nothing in the file says otherwise.
    let outcome = csv(&[], many("\"", "x\"").as_bytes(), &columns);
    assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (4, 0));
}

#[test]
fn where_a_text_ends_is_not_guessed() {
    let header = "a,b,c\n1,x,1\n";
    for (records, line) in [
        // The quotes within a text are not doubled.
        ("2,\"one\nthe \"two\"\nthree\",2\n", 3),
        ("2,\"one\nthe \"two\", as, they\nsay\",2\n3,x,3\n", 3),
        ("2,\"one \"two\"\nthree, four, five\nsix\",2\n", 3),
        ("2,\"one\n\ntwo, three\nfour \"five\" six\",2\n", 3),
        // A line of the text has as many fields as there are columns, and the text ends in a line
        // feed or a delimiter. The quote that closes it seems to open another text, which a later
        // quote closes, or which stays open.
        ("2,\"say \"hi\" there\nline two,x,y\n\",5\n3,\"x\",6\n", 3),
        ("2,\"say \"hi\" there\nline two,x,y\n\",5\n", 3),
        ("2,\"say \"hi\" there\nline two,x,y\n\"\n3,\"x\",6\n", 3),
        ("2,\"say \"hi\" there\nline two,x,y\n\"\r\n3,\"x\",6\r\n", 3),
        ("2,\"say \"hi\" there\nline two,x,\",5\n3,\"x\",6\n", 3),
        ("2,\"say \"hi\" there\nline two,x,\",5\n", 3),
        ("2,\"say \"hi\" there\nline two,x,y\n\"\"\",5\n3,\"x\",6\n", 3),
        // One of the lines up to the closing quote does not look like a record.
        ("2,\"x,2\n3,x,3\n4,x\n5,x,5\n6,5\" tube,6\n", 3),
    ] {
        let told = error(&[], &format!("{header}{records}"));
        assert!(told.contains(&format!("line {line}: something follows a closing quote")), "{told}");
        assert!(told.contains("Double the quotes"), "{told}");
    }
    // The text seems to end with its first line, because of a quote within it that is not doubled,
    // or of a stray one.
    for records in [
        "2,\"5\", wide, x\nline two,x,y\nend\",5\n3,x,6\n",
        "2,\"say \"\"hi\"\"\"\nline two,x,y\n\",5\n3,\"x\",6\n",
        "2,\"say \"\"hi\"\"\"\nline two,x,y\n\",5\n",
    ] {
        let told = error(&[], &format!("{header}{records}"));
        assert!(told.contains("line 3: a record with quotes has another number of fields"), "{told}");
    }
    // If there is one column, any line looks like a record.
    let told =
        read(Csv, &[], b"a\n\"x\ny\nz \"1\" z\n", &request(&["a text"]), blocks(4)).expect_err("unreadable");
    assert!(told.to_string().contains("line 2: something follows"), "{told}");
    // A broken quote that does not go beyond its line casts no doubt on others.
    let text = "a,b,c\n1,\"2\"3,4\n5,6\n7,5\" tube,8\n9,\"x\",10\n";
    let outcome = csv(&[], text.as_bytes(), &["a text", "b text", "c text"]);
    assert_eq!(outcome.lines(), ["7|5\" tube|8", "9|x|10"]);
    assert_eq!(outcome.set_aside(), ["2 broken-record 1,\"2\"3,4", "3 broken-record 5,6"]);
}

#[test]
fn a_record_in_quarantine_counts_the_lines_that_it_may_hide() {
    let columns = ["a int64", "b text", "c int64"];
    // The unclosed quote swallows two whole records; the record goes to quarantine for its last
    // value.
    let outcome = csv(&[], b"a,b,c\n1,\"x,1\n2,x,2\n3,x,3\n4,x\",z\n5,x,5\n", &columns);
    assert_eq!(outcome.lines(), ["5|x|5"]);
    let lines: Vec<u64> = outcome.quarantined.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 3, 4, 5]);
    assert_eq!(outcome.quarantined[0].raw, "1,\"x,1\n2,x,2\n3,x,3\n4,x\",z");
    assert_eq!(outcome.quarantined[2].raw, "3,x,3");
    // The same with too many fields.
    let outcome = csv(&[], b"a,b,c\n1,\"x\n2,x,2\n3,x\",y,z\n", &columns);
    assert_eq!(outcome.quarantined.len(), 3);
    // A text of several lines is one value.
    let outcome = csv(&[], b"a,b,c\n1,\"1 High Street\nLyon\nFrance\",z\n", &columns);
    assert_eq!(outcome.quarantined.len(), 1);
    // Lines that end in a carriage return are one line to this format, but several to their author.
    let outcome = csv(&[], b"a,b,c\n1,x,1\r2,x,2\r3,x,3\r\n4,x,4\n", &columns);
    assert_eq!((outcome.lines(), outcome.quarantined.len()), (vec!["4|x|4".to_owned()], 3));
    let outcome = csv(&[], b"a\n1\r2\r3\n4\n", &["a text"]);
    assert_eq!((outcome.lines(), outcome.quarantined.len()), (vec!["4".to_owned()], 3));
}

#[test]
fn an_empty_file_has_no_header() {
    for text in ["", "\n\r\n", "\u{FEFF}"] {
        assert!(error(&[], text).contains("is empty, without even a header"), "{text:?}");
        discover(Csv, &[], text.as_bytes(), blocks(3)).expect_err("no header");
        assert_eq!(csv(&[("header", "false")], text.as_bytes(), &["c1 text"]), Outcome::default());
    }
    // An unclosed quote makes the records a part of the header.
    assert!(error(&[], "a,\"b\n1,x\n2,y\"\n3,z\n").contains("the header goes over 3 lines"));
    assert_eq!(csv(&[], b"a,\"b\nc\"\n1,x\n", &["b\nc text"]).lines(), ["x"]);
}

#[test]
fn a_line_of_excel_names_the_delimiter() {
    for text in ["sep=;\na;b\n1;x\n", "\u{FEFF}SEP=;\r\na;b\r\n1;x\r\n", "\"sep=;\"\na;b\n1;x\n"] {
        assert_eq!(csv(&[], text.as_bytes(), &["a int64", "b text"]).lines(), ["1|x"], "{text:?}");
        assert_eq!(csv(&[("delimiter", ";")], text.as_bytes(), &["a int64", "b text"]).lines(), ["1|x"]);
    }
    assert_eq!(csv(&[], b"sep=\t\na\tb\n1\tx\n", &["a int64", "b text"]).lines(), ["1|x"]);
    assert!(error(&[("delimiter", ",")], "sep=;\na;b\n").contains("names another delimiter"));
    assert_eq!(csv(&[], b"sep=x\n1\n", &["sep=x text"]).lines(), ["1"]);
}

#[test]
fn lines_may_end_in_a_delimiter() {
    let columns = ["a int64", "b text"];
    let outcome = csv(&[("delimiter", ";")], b"a;b;;\n1;x;;\n2;y;\n3;z\n4;u;v;\n5;u;;;\n6\n", &columns);
    assert_eq!(outcome.lines(), ["1|x", "2|y", "3|z"]);
    assert_eq!(
        outcome.set_aside(),
        ["5 broken-record 4;u;v;", "6 broken-record 5;u;;;", "7 broken-record 6"]
    );
    assert_eq!(outcome.quarantined[0].reason, "a value stands in a field for which the header has no name");
    let schema = discover(Csv, &[], b"a,b,\n1,x,\n", blocks(3)).expect("readable");
    assert_eq!(shown(&schema), ["a int64!", "b text!"]);
    assert!(error(&[], "a,,b\n").contains("column 2 has no name"));
}

#[test]
fn nulls() {
    let columns = ["a int64", "b text", "c date", "d boolean"];
    let text = b"a,b,c,d\n\"\",\"\",\"\",\"\"\n-,NA,NULL,\"NA\"\n1,\"NA\",2024-02-29,true\n";
    let lists = |nulls: &[&str]| {
        let nulls = nulls.iter().map(|&null| null.to_owned()).collect();
        let settings = crate::files::testing::settings(&[]).with("null", Setting::List(nulls));
        CsvSettings::new(&settings).expect("settings")
    };
    assert_eq!(lists(&["NULL", "", "-"]).nulls, [b"NULL".to_vec(), b"-".to_vec()]);
    assert!(lists(&["NULL", ""]).null_in_quotes && !lists(&["NULL"]).null_in_quotes);
    assert_eq!(csv(&[], text, &columns).lines(), ["~||~|~", "1|NA|2024-02-29|true"]);
    assert_eq!(csv(&[("null", "")], text, &columns).lines(), ["~|~|~|~", "1|NA|2024-02-29|true"]);
    let outcome = csv(&[("null", "NA")], b"a,b\nNA,\"NA\"\nNULL,\n", &["a int64", "b text"]);
    assert_eq!((outcome.lines(), outcome.quarantined.len()), (vec!["~|NA".to_owned()], 1));
    // The key column must not be NULL.
    let mut wanted = request(&["a int64", "b text"]);
    wanted.key = vec!["a".to_owned()];
    let outcome = read(Csv, &[], b"a,b\n\"\",x\n1,\"\"\n", &wanted, blocks(3)).expect("readable");
    assert_eq!(
        (outcome.lines(), outcome.set_aside()),
        (vec!["1|".to_owned()], vec!["2 a:missing-value \"\",x".to_owned()])
    );
    let schema =
        discover(Csv, &[], b"a,b,c\n\"1\",\"\",\"\"\n\"\",\"x\",\"\"\n", blocks(3)).expect("readable");
    assert_eq!(shown(&schema), ["a int64", "b text!", "c text!"]);
}

#[test]
fn numbers_of_a_key_are_what_is_written() {
    let mut wanted = request(&["a decimal(18,1)", "b decimal(18,1)"]);
    wanted.key = vec!["a".to_owned()];
    let outcome = read(Csv, &[], b"a,b\n1.1,1.10\n1.10,1\n1,1\n-0.0,1\n-1.5,1\n", &wanted, blocks(3));
    let outcome = outcome.expect("readable");
    assert_eq!(outcome.lines(), ["1.1|1.1", "-1.5|1.0"]);
    assert_eq!(outcome.quarantined.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4, 5]);
    wanted.columns = request(&["a int64", "b int64"]).columns;
    let outcome =
        read(Csv, &[], b"a,b\n1,1\n1.0,1\n-0,1\n12345678901234567890,1\n2,1E3\n", &wanted, blocks(3));
    assert_eq!(outcome.expect("readable").lines(), ["1|1"]);
}

#[test]
fn a_reason_speaks_of_the_encoding_that_is_said() {
    let reason =
        |pairs: &[(&str, &str)], text: &[u8]| csv(pairs, text, &["a text"]).quarantined[0].reason.clone();
    assert!(reason(&[], b"a\n\xE9\n").contains("UTF-8"));
    assert_eq!(
        reason(&[("encoding", "latin-1")], b"a\n\x80\n"),
        "not all bytes are characters of latin-1; is it `encoding: windows-1252`?"
    );
    assert!(reason(&[("encoding", "windows-1252")], b"a\n\x81\n").contains("characters of windows-1252,"));
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
