use proptest::prelude::*;

use crate::files::testing::{Outcome, blocks, discover, read, request, shown};
use crate::json_files::{Json, Ndjson};

fn json(text: &str, columns: &[&str]) -> (Vec<String>, Vec<String>) {
    let outcomes: Vec<Outcome> = [1, 2, 7, 64, 1 << 20]
        .map(|block| read(Json, &[], text.as_bytes(), &request(columns), blocks(block)).expect("readable"))
        .into();
    assert!(
        outcomes.windows(2).all(|pair| pair[0] == pair[1]),
        "the size of blocks must not matter: {outcomes:#?}"
    );
    (outcomes[0].lines(), outcomes[0].set_aside())
}

fn ndjson(text: &str, columns: &[&str]) -> (Vec<String>, Vec<String>) {
    let outcomes: Vec<Outcome> = [1, 3, 1 << 20]
        .map(|block| read(Ndjson, &[], text.as_bytes(), &request(columns), blocks(block)).expect("readable"))
        .into();
    assert!(
        outcomes.windows(2).all(|pair| pair[0] == pair[1]),
        "the size of blocks must not matter: {outcomes:#?}"
    );
    (outcomes[0].lines(), outcomes[0].set_aside())
}

fn error(format: impl crate::files::source::Format, pairs: &[(&str, &str)], text: &str) -> String {
    let error =
        read(format, pairs, text.as_bytes(), &request(&["a int64"]), blocks(5)).expect_err("unreadable");
    let hint = error.to_diagnostic().hint.unwrap_or_default();
    format!("{error}; {hint}")
}

#[test]
fn arrays() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("[]", &[], &[]),
        ("\u{FEFF}[{\"a\":1},\r\n {\"a\":2}]\r\n", &["1", "2"], &[]),
        ("{\"a\":1}", &["1"], &[]),
        ("[{\"a\":null},{},{\"b\":1}]", &["~", "~", "~"], &[]),
        ("[{\"a\":1},\n{\"a\":\"x\"},\n{\"a\":3}]", &["1", "3"], &["2 a:wrong-type {\"a\":\"x\"}"]),
        (
            "[{\"a\":1}, 5, \"x\", [1, 2], null]",
            &["1"],
            &["1 broken-record 5", "1 broken-record \"x\"", "1 broken-record [1, 2]", "1 broken-record null"],
        ),
        ("[{\"a\":1,\"a\":2},{\"a\":3}]", &["3"], &["1 a:broken-record {\"a\":1,\"a\":2}"]),
        ("[{\"a\":1,\"\\u0061\":2}]", &[], &["1 a:broken-record {\"a\":1,\"\\u0061\":2}"]),
        // A record that is broken inside leaves its neighbours alone.
        ("[{\"a\":1},\n{\"a\":[1, 2x]},\n{\"a\":3}]", &["1", "3"], &["2 broken-record {\"a\":[1, 2x]}"]),
        ("[{\"a\":1},\n{\"a\":01},\n{\"a\":3}]", &["1", "3"], &["2 broken-record {\"a\":01}"]),
        ("[{\"a\":1 \"b\":2},{\"a\":3}]", &["3"], &["1 broken-record {\"a\":1 \"b\":2}"]),
        ("[{\"a\":1} {\"a\":2},{\"a\":3}]", &["1", "3"], &["1 broken-record {\"a\":2}"]),
        (
            "[,{\"a\":1},,{\"a\":2},]",
            &["1", "2"],
            &["1 broken-record ", "1 broken-record ", "1 broken-record "],
        ),
    ];
    for (text, rows, quarantined) in cases {
        let (found, set_aside) = json(text, &["a int64"]);
        assert_eq!((found, set_aside), (strings(rows), strings(quarantined)), "{text}");
    }
}

#[test]
fn a_file_that_is_cut_off_is_never_taken_for_a_whole_one() {
    for (text, expected) in [
        ("[{\"a\":1},\n{\"a\":2", "line 2: the file ends within a record"),
        ("[{\"a\":1},\n{\"a\":2}", "the file ends before the array does"),
        ("[{\"a\":1},\n", "the file ends before the array does"),
        ("[", "the file ends before the array does"),
        ("[{\"a\":1},{\"a\":\"x}]", "line 1: the file ends within a record"),
        ("[{\"a\":1}]\n]]", "line 2: something follows the end of the array"),
    ] {
        let message = error(Json, &[], text);
        assert!(message.contains(expected), "{text}: {message}");
    }
    let message = error(Json, &[("records", "$.a")], "{\"a\": [{\"a\":1},");
    assert!(message.contains("the file ends before the array does"), "{message}");
}

#[test]
fn a_broken_record_hides_no_others() {
    for (text, expected) in [
        // A missing brace or bracket.
        (
            "[{\"a\":1},\n{\"a\":2,\n{\"a\":3},\n{\"a\":4}]",
            "line 2: the record is broken: expected a field name",
        ),
        ("[{\"a\":1},\n{\"a\":{\"b\":2},\n{\"a\":3},\n{\"a\":4}]", "line 2: the record is broken"),
        ("[{\"a\":1},\n{\"a\":[1, 2},\n{\"a\":3}]", "line 2: the record is broken"),
        ("[{\"a\":1},{\"a\":2,{\"a\":3},{\"a\":4}]", "line 1: the record is broken"),
        // A stray one: the rest of the record is not an element.
        (
            "[{\"a\":1},\n{\"a\":2},\"b\":3},\n{\"a\":4}]",
            "line 2: the record is broken: expected an object, found a text",
        ),
        ("[{\"a\":1},\n{\"a\":2},\"b\":3,\n{\"a\":4}]", "line 2: the record is broken"),
        ("[{\"a\":1},\n{\"a\":2\n}},\n{\"a\":4}]", "line 2: the record is broken"),
        ("[{\"a\":1},\n{\"a\":2}],\n{\"a\":4}]", "line 2: something follows the end of the array"),
        // A missing quote.
        ("[{\"a\":1},\n{\"a\":\"x},\n{\"a\":\"y\"},\n{\"a\":4}]", "line 2: the record is broken"),
        ("[{\"a\":1},{\"a\":\"x},{\"a\":\"y},{\"a\":4}]", "line 1: the record is broken"),
        ("[{\"a\":1},{\"a\":\"x},{\"a\":3}]", "line 1: the record is broken"),
    ] {
        let message = error(Json, &[], text);
        assert!(message.contains(expected), "{text}: {message}");
        assert_eq!(message.contains("Mend the record"), expected.contains("is broken"), "{message}");
    }
}

#[test]
fn what_is_set_aside_counts_what_may_be_in_it() {
    let (rows, set_aside) = ndjson(
        "{\"a\":1}{\"a\":2}{\"a\":3}\n{\"a\":4}\r{\"a\":5}\n{\"a\":6}\n[{\"a\":7},{\"a\":8}]\n{\"a\":[{\"a\":9},{}], x}\n",
        &["a int64"],
    );
    assert_eq!(rows, ["6"]);
    let lines: Vec<&str> = set_aside.iter().map(|row| &row[..1]).collect();
    assert_eq!(lines, ["1", "1", "1", "2", "2", "4", "4", "4", "5"]);
    assert_eq!(set_aside[2], "1 broken-record {\"a\":3}");
    let (rows, set_aside) = json("[{\"a\":1},\n[{\"a\":2},\n{\"a\":3}],\n{\"a\":4}]", &["a int64"]);
    assert_eq!(rows, ["1", "4"]);
    assert_eq!(set_aside[1..], ["2 broken-record {\"a\":2},\n", "3 broken-record {\"a\":3}]"]);
}

#[test]
fn a_field_that_stands_twice_changes_no_later_record() {
    let twice = "{\"b\":1,\"a\":2,\"b\":3}";
    let good = |numbers: std::ops::Range<i64>| numbers.map(|n| format!("{{\"a\":{n},\"b\":-{n}}}"));
    let mut lines: Vec<String> = good(1..2).collect();
    lines.push(twice.to_owned());
    lines.extend(good(2..6));
    lines.push(twice.to_owned());
    lines.extend(good(6..10));
    let expected: Vec<String> = (1..10).map(|n| format!("{n}|-{n}")).collect();
    let columns = ["a int64", "b int64"];
    assert_eq!(ndjson(&lines.join("\n"), &columns).0, expected);
    assert_eq!(json(&format!("[{}]", lines.join(",\n")), &columns).0, expected);
}

#[test]
fn objects_over_several_lines_are_no_lines() {
    for text in
        ["{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n", "\n \n{\"a\": 1,\n\"b\": {}}", "{\"a\": [\n1\n]}\n7\n"]
    {
        let message = error(Ndjson, &[], text);
        assert!(message.contains("the line ends before the object does"), "{message}");
        assert!(message.contains("go over several lines"), "{message}");
        discover(Ndjson, &[], text.as_bytes(), blocks(3)).expect_err("no lines");
    }
    // One of many elements that was cut in two.
    let (rows, set_aside) = ndjson("{\"a\":1,\n\"b\":2}\n{\"a\":3}\n", &["a int64"]);
    assert_eq!((rows.len(), set_aside.len()), (1, 2));
}

#[test]
fn no_bytes_are_no_document() {
    for text in ["", " \n ", "\u{FEFF}"] {
        for pairs in [&[][..], &[("records", "$.a")]] {
            let message = error(Json, pairs, text);
            assert!(message.contains("is empty, and so no JSON document"), "{message}");
        }
    }
    assert_eq!(ndjson("\u{FEFF}", &["a int64"]).0.len(), 0);
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn bytes_that_are_no_text_go_to_quarantine() {
    let text = b"[{\"a\":1},{\"a\":\"\xFF\"},{\"a\":2}]";
    let outcome = read(Json, &[], text, &request(&["a text"]), blocks(4)).expect("readable");
    assert_eq!(outcome.lines(), ["1", "2"]);
    assert_eq!(outcome.set_aside(), ["1 bad-encoding {\"a\":\"\u{FFFD}\"}"]);
}

#[test]
fn lines() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("", &[], &[]),
        ("{\"a\":1}\n\n \r\n{\"a\":2}\r\n{\"a\":3}", &["1", "2", "3"], &[]),
        ("{\"a\":1}\n{\"a\":\n{\"a\":3}\n", &["1", "3"], &["2 broken-record {\"a\":"]),
        (
            "{\"a\":1}{\"a\":2}\n[1]\n7\n",
            &[],
            &[
                "1 broken-record {\"a\":1}{\"a\":2}",
                "1 broken-record {\"a\":2}",
                "2 broken-record [1]",
                "3 broken-record 7",
            ],
        ),
        ("[{\"a\":1}]\n{\"a\":2}", &["2"], &["1 broken-record [{\"a\":1}]", "1 broken-record {\"a\":1}]"]),
        ("[1]\n", &[], &["1 broken-record [1]"]),
        ("{\"a\":1}\n{\"a\":2", &["1"], &["2 broken-record {\"a\":2"]),
        // An opening bracket further down, where a piece may begin, is only a bad line.
        (
            "{\"a\":1}\n{\"a\":2222222222222222222222}\n[\n{\"a\":3}\n[\n",
            &["1", "3"],
            &["2 a:out-of-range {\"a\":2222222222222222222222}", "3 broken-record [", "5 broken-record ["],
        ),
    ];
    for (text, rows, quarantined) in cases {
        let (found, set_aside) = ndjson(text, &["a int64"]);
        assert_eq!((found, set_aside), (strings(rows), strings(quarantined)), "{text}");
    }
}

#[test]
fn an_array_is_cut_in_pieces_only_between_its_elements() {
    // Records contain what looks like the end of a record. The helper reads with pieces of any size
    // and compares the results.
    let nested = "[\n{\"a\": 1, \"b\": [{\"c\": 1},\n{\"c\": 2},\n{\"c\": 3}]},\n{\"a\": 2, \"b\": []},\n"
        .to_owned()
        + &"{\"a\": 3, \"b\": [{\"c\": 1},\n{\"c\": 2}]},\n".repeat(20)
        + "{\"a\": 4, \"b\": null}\n]";
    for block in [7, 64, 4096] {
        let outcome = read(Json, &[], nested.as_bytes(), &request(&["a int64", "b json"]), blocks(block));
        let outcome = outcome.expect("readable");
        assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (23, 0));
        assert_eq!(outcome.rows[22], [Some("4".to_owned()), None]);
    }
}

#[test]
fn a_line_beyond_the_limit_goes_to_quarantine() {
    let text = format!("{{\"a\":1}}\n{{\"a\":\"{}\"}}\n{{\"a\":3}}\n", "x".repeat(100));
    for block in [1, 10, 1000] {
        let limits = crate::files::Limits { record: 50, ..blocks(block) };
        let outcome = read(Ndjson, &[], text.as_bytes(), &request(&["a text"]), limits).expect("readable");
        assert_eq!(outcome.lines(), ["1", "3"], "block {block}");
        assert_eq!(outcome.quarantined.iter().map(|row| row.line).collect::<Vec<_>>(), [2]);
        let array = format!("[{}]", text.trim_end().replace('\n', ","));
        let told = read(Ndjson, &[], array.as_bytes(), &request(&["a text"]), limits).expect_err("no lines");
        assert!(told.to_string().contains("starts with an array"), "{told}");
        read(Json, &[], array.as_bytes(), &request(&["a text"]), limits).expect_err("too large for an array");
        let indented = text.replace("{\"a\":\"", " \t {\"a\":\"");
        let outcome =
            read(Ndjson, &[], indented.as_bytes(), &request(&["a text"]), limits).expect("readable");
        assert_eq!((outcome.lines(), outcome.quarantined.len()), (vec!["1".to_owned(), "3".to_owned()], 1));
    }
}

#[test]
fn documents() {
    let text = r#"{"x": [{"a": 9}], "da\u0074a": {"n": 1.5, "orders": [{"a": 1}, {"a": "]"}, {"a": 2}], "z": "}"}, "y": {}}"#;
    for block in [1, 3, 1000] {
        let path = [("records", "$.data.orders")];
        let outcome =
            read(Json, &path, text.as_bytes(), &request(&["a int64"]), blocks(block)).expect("readable");
        assert_eq!(outcome.lines(), ["1", "2"]);
        assert_eq!(outcome.set_aside(), ["1 a:wrong-type {\"a\": \"]\"}"]);
    }
    for (path, text, expected) in [
        ("$.b", "{\"a\": []}", "has no `b`"),
        ("$.a", "{\"a\": {}}", "not an array"),
        ("$.a.b", "{\"a\": []}", "not an object"),
        ("$.a", "{\"a\": [], \"a\": []}", "stands twice"),
        ("$.a", "{\"a\": []", "ends too early"),
        ("$.a", "{\"a\": []} x", "follows the end"),
        ("$.a", "[]", "neither"),
        ("a", "[]", "no path"),
        ("$.a[0]", "[]", "no path"),
        ("$", "5", "neither"),
        ("$", "{\"a\":1}\n{\"a\":2}\n", "type: ndjson"),
        ("$", "{\"a\":1", "not a whole one"),
    ] {
        let message = error(Json, &[("records", path)], text);
        assert!(message.contains(expected), "{path} {text}: {message}");
    }
    for array in ["[\n{\"a\":1}\n]", "[{\"a\":1},{\"a\":2}]", "\n [ {\"a\":1},\r\n", "[{\"a\":1}]\n\n \n"] {
        assert!(error(Ndjson, &[], array).contains("type: json"), "{array}");
    }
}

#[test]
fn columns_are_told_from_all_records() {
    let text = r#"[{"id":1,"p":22.99,"t":"a","d":"2024-01-31","n":null,"o":{"x":[1, 2]},"big":123456789012345678901234},
        {"id":2,"p":5,"t":"b","d":"2024-02-29","o":[],"big":1,"late":true}, {"id":"dup","id":1}]"#;
    let schema = discover(Json, &[], text.as_bytes(), blocks(11)).expect("readable");
    assert_eq!(
        shown(&schema),
        [
            "id int64!",
            "p decimal(18,2)!",
            "t text!",
            "d date!",
            "n text",
            "o json!",
            "big decimal(38,0)!",
            "late boolean"
        ]
    );
    let columns: Vec<String> = shown(&schema);
    let outcome = read(
        Json,
        &[],
        text.as_bytes(),
        &request(&columns.iter().map(String::as_str).collect::<Vec<_>>()),
        blocks(9),
    );
    let outcome = outcome.expect("readable");
    assert_eq!(
        outcome.lines(),
        [
            "1|22.99|a|2024-01-31|~|{\"x\":[1, 2]}|123456789012345678901234|~",
            "2|5.00|b|2024-02-29|~|[]|1|true"
        ]
    );
    assert_eq!(outcome.quarantined.len(), 1);
    assert_eq!(shown(&discover(Json, &[], b"[]", blocks(9)).expect("readable")), [""; 0]);
    // Also a field that no good record has, whichever thread walks the piece with it.
    let bad = b"[{\"a\":0,\"a\":0},\n{\"b\":1},\n{\"b\":2}]";
    assert_eq!(shown(&discover(Json, &[], bad, blocks(16)).expect("readable")), ["a text", "b int64!"]);
}

#[test]
fn requests_are_kept_to() {
    let text =
        br#"[{"id":1,"x":1,"y":2},{"x":1},{"id":null},{"id":4,"x":null},{"id":5,"new":1},{"id":6,"x":6}]"#;
    let mut wanted = request(&["x int64", "id int64"]);
    wanted.key = vec!["id".to_owned()];
    wanted.stream.excluded = vec!["y".to_owned()].into();
    wanted.quarantine_unknown_columns = true;
    let outcome = read(Json, &[], text, &wanted, blocks(8)).expect("readable");
    assert_eq!(outcome.lines(), ["1|1", "~|4", "6|6"]);
    assert_eq!(
        outcome.set_aside(),
        [
            "1 id:missing-value {\"x\":1}",
            "1 id:missing-value {\"id\":null}",
            "1 new:unknown-column {\"id\":5,\"new\":1}"
        ]
    );
    assert!(outcome.quarantined.iter().all(|row| row.file == "f"));
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC{0,6}".prop_map(Into::into),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Into::into),
    ]
}

/// Bytes that are often JSON, and often almost JSON.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"a\":",
        "\"b\":",
        "{\"a\":1}",
        "{\"a\":1},",
        "1",
        "\"x\"",
        "\"",
        "\\",
        "\n",
        " ",
        "null",
        "1.5",
        "é",
        "{\"a\":",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(token, 0..25).prop_map(|tokens| tokens.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Rows written by another library come back, each once, however the file is cut into blocks.
    #[test]
    fn rows_come_back(
        rows in prop::collection::vec(prop::collection::vec(value(), 3), 0..12),
        block in 1usize..80,
        pretty in any::<bool>(),
    ) {
        let names = ["a", "b\"é", ""];
        let objects: Vec<serde_json::Value> = rows.iter()
            .map(|row| serde_json::Value::Object(names.iter().map(|n| (*n).to_owned()).zip(row.iter().cloned()).collect()))
            .collect();
        let array = if pretty { serde_json::to_string_pretty(&objects) } else { serde_json::to_string(&objects) }.expect("JSON");
        let lines = objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let wanted = request(&[&format!("{} json", names[0]), &format!("{} json", names[1]), " json"]);
        let expected: Vec<Vec<Option<serde_json::Value>>> = rows.iter()
            .map(|row| row.iter().map(|v| (!v.is_null()).then(|| v.clone())).collect())
            .collect();
        let parsed = |outcome: Outcome| -> Vec<Vec<Option<serde_json::Value>>> {
            assert_eq!(outcome.quarantined, []);
            outcome.rows.iter()
                .map(|row| row.iter().map(|c| c.as_ref().map(|t| serde_json::from_str(t).expect("JSON"))).collect())
                .collect()
        };
        prop_assert_eq!(&parsed(read(Json, &[], array.as_bytes(), &wanted, blocks(block)).expect("readable")), &expected);
        prop_assert_eq!(&parsed(read(Ndjson, &[], lines.as_bytes(), &wanted, blocks(block)).expect("readable")), &expected);
    }

    /// The types that discovery finds hold when the file is read: nothing goes to quarantine.
    #[test]
    fn discovered_types_fit(rows in prop::collection::vec(prop::collection::vec(value(), 2), 0..15)) {
        let objects: Vec<serde_json::Value> = rows.iter().map(|row| serde_json::json!({"a": row[0], "b": row[1]})).collect();
        let text = serde_json::to_string(&objects).expect("JSON");
        let schema = discover(Json, &[], text.as_bytes(), blocks(50)).expect("readable");
        let columns = shown(&schema);
        let wanted = request(&columns.iter().map(String::as_str).collect::<Vec<_>>());
        let outcome = read(Json, &[], text.as_bytes(), &wanted, blocks(50)).expect("readable");
        prop_assert_eq!(outcome.rows.len(), rows.len());
    }

    /// No bytes make the reader panic, and the block size does not matter.
    #[test]
    fn any_bytes(text in near_json(), block in 1usize..40) {
        let wanted = request(&["a int64!", "b text"]);
        for pairs in [&[][..], &[("records", "$.a")]] {
            let show = |outcome: millrace_engine::error::Result<Outcome>| outcome.map_err(|error| error.to_string());
            prop_assert_eq!(
                show(read(Json, pairs, &text, &wanted, blocks(block))),
                show(read(Json, pairs, &text, &wanted, blocks(1 << 20)))
            );
            let _ = discover(Json, pairs, &text, blocks(block));
        }
        let by_line = |block| read(Ndjson, &[], &text, &wanted, blocks(block)).map_err(|error| error.to_string());
        prop_assert_eq!(by_line(block), by_line(1 << 20));
        let _ = discover(Ndjson, &[], &text, blocks(block));
    }
}

mod nested;
