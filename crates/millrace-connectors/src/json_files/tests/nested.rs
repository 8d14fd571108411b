//! Tests of flattened objects, and of rows within records.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::files::cell::Refusal;
use crate::files::delivery::Place;
use crate::files::fields::Records;
use crate::files::profiler::Profiler;
use crate::files::testing::{blocks, discover, read, request, settings, shown};
use crate::json_files::children::Rows;
use crate::json_files::layout::Layout;
use crate::json_files::{Json, Ndjson, recovery};

const FLAT: &[(&str, &str)] = &[("nested", "flatten")];
const LINES: &[(&str, &str)] = &[("records", "$[*].lines"), ("parent", "order=id")];

fn flat(text: &str, columns: &[&str]) -> Vec<String> {
    read(Ndjson, FLAT, text.as_bytes(), &request(columns), blocks(7)).expect("readable").lines()
}

fn error(pairs: &[(&str, &str)], text: &str) -> String {
    discover(Ndjson, pairs, text.as_bytes(), blocks(7)).expect_err("unreadable").to_string()
}

#[test]
fn objects_become_columns() {
    let text = concat!(
        "{\"id\": 1, \"a\": null, \"b\": null}\n",
        "{\"id\": 2, \"a\": {\"city\": \"Zo\\u00e9\", \"geo\": {\"lat\": 1.5}, \"tags\": [1, {\"x\": 2}]}, \"b\": null}\n",
        "{\"id\": 3, \"a\": {}}\n",
        "{\"id\": 4, \"a\": {\"city\": null}}\n",
    );
    let schema = discover(Ndjson, FLAT, text.as_bytes(), blocks(7)).expect("readable");
    assert_eq!(
        shown(&schema),
        ["id int64!", "a_city text", "a_geo_lat decimal(18,1)", "a_tags json", "b text"]
    );
    assert_eq!(
        flat(text, &["id int64", "a_city text", "a_geo_lat decimal(18,1)", "a_tags json"]),
        ["1|~|~|~", "2|Zoé|1.5|[1, {\"x\": 2}]", "3|~|~|~", "4|~|~|~"]
    );
    let kept = discover(Ndjson, &[], text.as_bytes(), blocks(7)).expect("readable");
    assert_eq!(shown(&kept), ["id int64!", "a json", "b text"]);
}

#[test]
fn an_object_here_and_a_text_there_are_two_columns() {
    let text = "{\"a\": \"x\"}\n{\"a\": {\"b\": 1}}\n{\"a\": null}\n";
    let schema = discover(Ndjson, FLAT, text.as_bytes(), blocks(7)).expect("readable");
    assert_eq!(shown(&schema), ["a text", "a_b int64"]);
    assert_eq!(flat(text, &["a text", "a_b int64"]), ["x|~", "~|1", "~|~"]);
}

#[test]
fn an_object_that_is_absent_is_none_in_any_letter_case() {
    let columns = ["id int64!", "address_city text"];
    for (there, absent) in [("address", "Address"), ("Adresse_É", "ADRESSE_é")] {
        let text =
            format!("{{\"id\": 1, \"{there}\": {{\"city\": \"x\"}}}}\n{{\"id\": 2, \"{absent}\": null}}\n");
        for text in [text.clone(), text.lines().rev().collect::<Vec<_>>().join("\n")] {
            let schema = discover(Ndjson, FLAT, text.as_bytes(), blocks(7)).expect("readable");
            let column = format!("{there}_city text");
            assert_eq!(shown(&schema), ["id int64!", &column], "{text}");
        }
        let mut wanted = request(&["id int64", &format!("{there}_city text")]);
        wanted.quarantine_unknown_columns = true;
        let outcome = read(Ndjson, FLAT, text.as_bytes(), &wanted, blocks(7)).expect("readable");
        assert_eq!(
            (outcome.lines(), outcome.quarantined.len()),
            (vec!["1|x".to_owned(), "2|~".to_owned()], 0)
        );
    }
    let text = "{\"id\": 1, \"address\": {\"city\": \"x\"}}\n{\"id\": 2, \"ADDRESS\": null}\n";
    assert_eq!(flat(text, &columns), ["1|x", "2|~"]);
}

#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let columns =
        |levels: usize| shown(&discover(Ndjson, FLAT, deep(levels).as_bytes(), blocks(9)).expect("readable"));
    assert_eq!(columns(9), ["a_a_a_a_a_a_a_a_a int64!"]);
    assert_eq!(columns(11), ["a_a_a_a_a_a_a_a_a json!"]);
}

#[test]
fn two_fields_of_one_column_are_an_error() {
    for text in [
        "{\"a\": {\"b\": 1}, \"a_b\": 2}\n",
        "{\"a_b\": 2}\n{\"a\": {\"b\": 1}}\n",
        "{\"x\": {\"a_b\": 2}}\n{\"x\": {\"a\": {\"b\": 1}}}\n",
    ] {
        assert!(error(FLAT, text).contains("would both be column"), "{text}");
    }
    let twice = read(Ndjson, FLAT, b"{\"a\": {\"b\": 1, \"b\": 2}}\n", &request(&["a_b int64"]), blocks(7));
    let twice = twice.expect("readable");
    assert_eq!((twice.rows.len(), twice.quarantined[0].code.as_str()), (0, "broken-record"));
}

#[test]
fn what_nobody_wants_is_left_out_with_all_that_is_in_it() {
    let mut wanted = request(&["id int64"]);
    wanted.stream.excluded = vec!["a".to_owned(), "b_x".to_owned()].into();
    wanted.quarantine_unknown_columns = true;
    let text = b"{\"id\": 1, \"a\": {\"s\": 1}, \"b\": {\"x\": 2}}\n{\"id\": 2, \"b\": {\"y\": 1}}\n";
    let outcome = read(Ndjson, FLAT, text, &wanted, blocks(7)).expect("readable");
    assert_eq!(outcome.lines(), ["1"]);
    assert_eq!(outcome.set_aside(), ["2 b_y:unknown-column {\"id\": 2, \"b\": {\"y\": 1}}"]);
}

#[test]
fn rows_within_records() {
    let text = concat!(
        "[{\"id\": \"o1\", \"lines\": [{\"sku\": \"a\", \"n\": 2},\n {\"sku\": \"b\"}]},\n",
        " {\"id\": \"o2\", \"lines\": []}, {\"id\": \"o3\"}, {\"id\": \"o4\", \"lines\": null},\n",
        " {\"lines\": [{\"sku\": \"c\", \"n\": 1}, 7,\n {\"sku\": \"d\", \"n\": \"x\"}]},\n",
        " {\"id\": \"o6\", \"lines\": {\"sku\": \"e\"}}]\n",
    );
    let columns = ["order text", "index int64", "sku text", "n int64"];
    let outcome = read(Json, LINES, text.as_bytes(), &request(&columns), blocks(7)).expect("readable");
    assert_eq!(outcome.lines(), ["o1|1|a|2", "o1|2|b|~", "~|1|c|1"]);
    assert_eq!(
        outcome.set_aside(),
        [
            "4 broken-record 7",
            "5 n:wrong-type {\"sku\": \"d\", \"n\": \"x\"}",
            "6 wrong-type {\"id\": \"o6\", \"lines\": {\"sku\": \"e\"}}",
        ]
    );
    let good = text.replace("7,", "").replace("\"x\"", "3");
    let schema = discover(Json, LINES, good.as_bytes(), blocks(7)).expect("readable");
    assert_eq!(shown(&schema), ["order text", "index int64!", "sku text!", "n int64"]);
}

#[test]
fn rows_deep_within_records_and_documents() {
    let pairs = [
        ("records", "$.data[*].delivery.parcels"),
        ("parent", "id=id"),
        ("index", "no"),
        ("nested", "flatten"),
    ];
    let text = "{\"data\": [{\"id\": 1, \"delivery\": {\"parcels\": [{\"size\": {\"w\": 1}}, {\"size\": {\"w\": 2}}]}}, {\"id\": 2, \"delivery\": null}]}";
    let outcome =
        read(Json, &pairs, text.as_bytes(), &request(&["id int64", "no int64", "size_w int64"]), blocks(7));
    assert_eq!(outcome.expect("readable").lines(), ["1|1|1", "1|2|2"]);
    let broken = text.replace("\"id\": 1", "\"id\": 1x");
    let outcome =
        read(Json, &pairs, broken.as_bytes(), &request(&["id int64", "no int64", "size_w int64"]), blocks(7));
    let set_aside = outcome.expect("readable").quarantined;
    let raws: Vec<usize> = set_aside.iter().map(|row| row.raw.len()).collect();
    assert_eq!(raws.len(), 6, "the record that holds them, and each object in it: {set_aside:#?}");
}

#[test]
fn rows_are_found_in_any_letter_case() {
    let text = concat!(
        "{\"id\": 1, \"lines\": [{\"v\": 1}]}\n",
        "{\"ID\": 2, \"Lines\": [{\"v\": 2}]}\n",
        "{\"Id\": 9, \"id\": 3, \"LINES\": [{\"v\": 9}], \"lines\": [{\"v\": 3}]}\n",
    );
    let columns = ["order int64", "index int64", "v int64"];
    let outcome = read(Ndjson, LINES, text.as_bytes(), &request(&columns), blocks(7)).expect("readable");
    assert_eq!(outcome.lines(), ["1|1|1", "2|1|2", "3|1|3"]);
    assert_eq!(outcome.quarantined, []);
    // Two fields match, and it cannot be decided which one is meant.
    for text in [
        "{\"id\": 1, \"Lines\": [{\"v\": 1}], \"LINES\": [{\"v\": 2}]}\n",
        "{\"Id\": 1, \"ID\": 2, \"lines\": [{\"v\": 1}, {\"v\": 2}]}\n",
    ] {
        let outcome = read(Ndjson, LINES, text.as_bytes(), &request(&columns), blocks(7)).expect("readable");
        assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (0, 3), "{text}");
    }
    let deep = [("records", "$[*].a.lines"), ("parent", "order=id")];
    let text = "{\"id\": 1, \"a\": {\"lines\": [{\"v\": 1}], \"lines\": [{\"v\": 2}]}}\n";
    let outcome = read(Ndjson, &deep, text.as_bytes(), &request(&columns), blocks(7)).expect("readable");
    assert_eq!(outcome.rows.len(), 0, "neither of the two arrays is lost in silence");
    assert!(outcome.quarantined[0].reason.contains("`lines` twice"), "{:?}", outcome.quarantined);
}

#[test]
fn only_what_may_be_rows_is_set_aside_beside_a_record() {
    let columns = ["order int64", "index int64", "v int64"];
    for (lines, expected) in [
        ("\"none\"", 1),
        ("\"{{{\"", 1),
        ("7", 1),
        ("{\"v\": 1}", 1),
        ("{\"1\": {\"v\": 1}, \"2\": {\"v\": 2}}", 3),
    ] {
        let text = format!("{{\"id\": 1, \"lines\": {lines}, \"customer\": {{\"address\": {{}}}}}}\n");
        let outcome = read(Ndjson, LINES, text.as_bytes(), &request(&columns), blocks(7)).expect("readable");
        assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (0, expected), "{text}");
    }
}

/// What is done once for each part of a record must not look at the whole record again: with a
/// record of some megabytes that would take minutes.
#[test]
fn large_records_take_no_longer_than_many_small_ones() {
    const BUDGET: Duration = Duration::from_secs(15);
    let row = format!("{{\"v\": \"{}\"}}", "x".repeat(20));
    let rows = vec![row.as_str(); 200_000];
    let layout = Layout::of_lines(&settings(LINES)).expect("a layout");
    let in_time = |about: &str, work: &dyn Fn()| {
        let start = Instant::now();
        work();
        assert!(start.elapsed() < BUDGET, "{about}: {:?}", start.elapsed());
    };
    let lines = rows.join("\r");
    in_time("objects on a line", &|| {
        let place = Place { file: "f", line: 1, raw: lines.as_bytes() };
        recovery::set_aside_others(place, &mut Profiler::default()).expect("set aside");
    });
    let record = format!("{{\"id\": 1, \"lines\": [{}]}}", rows.join(","));
    let place = Place { file: "f", line: 1, raw: record.as_bytes() };
    in_time("rows within a record", &|| {
        let mut inner = Rows::new(Profiler::default(), layout.children.clone());
        assert!(inner.end_record(place).expect("a record"));
    });
    in_time("rows within a record that is set aside", &|| {
        let mut inner = Rows::new(Profiler::default(), layout.children.clone());
        inner.refuse(None, Refusal::broken("broken"));
        assert!(!inner.end_record(place).expect("set aside"));
    });
}

#[test]
fn what_is_said_of_rows_within_records_has_to_fit() {
    for (pairs, expected) in [
        (&[("records", "$[*].lines")][..], "need a `parent`"),
        (&[("parent", "order=id")], "`parent` is for rows"),
        (&[("index", "no")], "`index` is for rows"),
        (&[("records", "$[*].lines"), ("parent", "index=id")], "the `index` too"),
        (&[("records", "$[*].lines"), ("parent", "sku=id")], "have a field `sku`"),
        (&[("records", "$.data")], "each line is a record"),
        (&[("records", "lines")], "is no path"),
    ] {
        let error = error(pairs, "{\"id\": 1, \"lines\": [{\"sku\": 1}]}\n");
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Each element is a row or a quarantined row, exactly once, whatever the others are.
    #[test]
    fn each_element_once(
        records in prop::collection::vec(prop::collection::vec(prop::sample::select(vec!["{\"v\":1}", "{\"v\":\"x\"}", "7", "{}", "[]"]), 0..4), 0..8),
        block in 1usize..60,
    ) {
        let lines = records.iter().enumerate().map(|(id, elements)| format!("{{\"id\":{id},\"lines\":[{}]}}\n", elements.join(",")));
        let text: String = lines.collect();
        let columns = ["order int64", "index int64", "v int64"];
        let outcome = read(Ndjson, LINES, text.as_bytes(), &request(&columns), blocks(block)).expect("readable");
        let mut expected = Vec::new();
        let mut bad = Vec::new();
        for (id, elements) in records.iter().enumerate() {
            for (at, element) in elements.iter().enumerate() {
                match *element {
                    "{\"v\":1}" => expected.push(format!("{id}|{}|1", at + 1)),
                    "{}" => expected.push(format!("{id}|{}|~", at + 1)),
                    other => bad.push((id as u64 + 1, other.to_owned())),
                }
            }
        }
        prop_assert_eq!(outcome.lines(), expected);
        let found: Vec<(u64, String)> = outcome.quarantined.iter().map(|row| (row.line, row.raw.clone())).collect();
        prop_assert_eq!(found, bad);
    }

    #[test]
    fn flattened_values_come_back(
        rows in prop::collection::vec((any::<i64>(), prop::option::of("\\PC{0,6}"), prop::option::of(any::<bool>())), 0..10),
        block in 1usize..60,
    ) {
        let mut lines = String::new();
        for (n, text, flag) in &rows {
            let value = serde_json::json!({"a": {"n": n, "b": {"t": text, "f": flag}}});
            lines += &format!("{value}\n");
        }
        let outcome = read(Ndjson, FLAT, lines.as_bytes(), &request(&["a_n int64", "a_b_t text", "a_b_f boolean"]), blocks(block)).expect("readable");
        let expected: Vec<Vec<Option<String>>> = rows
            .iter()
            .map(|(n, text, flag)| vec![Some(n.to_string()), text.clone(), flag.map(|flag| flag.to_string())])
            .collect();
        prop_assert_eq!(outcome.rows, expected);
        prop_assert_eq!(outcome.quarantined, []);
    }
}
