//! Streams that were captured when they had other numbers, or other spellings, than they have now: made at random, and held against plain code.

use std::fs;
use std::path::Path;

use fastrand::Rng;
use millrace_core::cursor::Cursor;
use millrace_core::name::{Naming, StreamName};
use millrace_core::project::column_choice::ColumnChoice;
use millrace_core::project::deletes::Deletes;
use millrace_core::project::settings::Settings;
use millrace_core::project::source_file::{Contract, OnChange, OnNul, ReadMode, StreamOptions};
use millrace_core::schema::{Column, StreamSchema};
use millrace_engine::compile::contract::{against, reconcile};
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::ports::batch::batch_queue;
use millrace_engine::ports::source::{Discovered, Drift, ReadRequest, Source, StreamRequest};

use crate::cell_text::cell;
use crate::reading::{discover, source, stream, wait};

/// By the seed of the variable, or the same each time.
#[expect(clippy::print_stdout, reason = "the seed of a test that fails")]
fn seeded(about: &str) -> Rng {
    let seed = std::env::var("MILLRACE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5EED_F11E);
    println!("{about}: MILLRACE_SEED={seed}");
    Rng::with_seed(seed)
}

fn digits(random: &mut Rng, n: usize) -> String {
    let digits: String = (0..n).map(|_| random.digit(10)).collect();
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        rest => rest.to_owned(),
    }
}

/// A number with so many digits before and after the point at most.
fn number(random: &mut Rng, whole: usize, decimals: usize, exponents: bool) -> String {
    let sign = if random.usize(..4) == 0 { "-" } else { "" };
    let length = random.usize(1..=whole);
    let mut text = format!("{sign}{}", digits(random, length));
    let decimals = random.usize(..=decimals);
    if decimals > 0 {
        text.push('.');
        (0..decimals).for_each(|_| text.push(random.digit(10)));
    }
    if exponents && random.usize(..6) == 0 {
        text.push_str(random.choice(["e3", "E-4", "e+12", "e0"]).expect("one at least"));
    }
    text
}

/// A number's sign, its digits without zeros around them, and the power of ten that they stand at: equal for equal numbers.
fn value(text: &str) -> (bool, String, i64) {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let lower = rest.to_lowercase();
    let (digits, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let exponent =
        exponent.trim_start_matches('+').parse::<i64>().expect("an exponent") - fraction.len() as i64;
    let significant = all.trim_start_matches('0').trim_end_matches('0').to_owned();
    if significant.is_empty() {
        return (false, significant, 0);
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    (negative, significant, exponent + zeros as i64)
}

fn options() -> StreamOptions {
    StreamOptions {
        description: None,
        allow_empty: false,
        max_shrink: None,
        key: vec![],
        mode: ReadMode::Full,
        choice: ColumnChoice::default(),
        rename: vec![],
        types: vec![],
        deletes: Deletes::Unsaid,
        contract: Contract { columns: OnChange::Evolve, types: OnChange::Evolve },
        nul: OnNul::Error,
        max_quarantine: None,
        settings: Settings::default(),
    }
}

/// What was read: the rows' cells, and how many rows were set aside.
type Read = (Vec<Vec<Option<String>>>, usize);

fn read(
    source: &dyn Source,
    stream: &StreamRequest,
    columns: &[Column],
    drift: Drift,
    seen: Option<Cursor>,
) -> Result<Read> {
    let request = ReadRequest {
        stream: stream.clone(),
        columns: columns.to_vec(),
        key: vec![],
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        drift,
        seen,
    };
    let (sender, mut receiver) = batch_queue(1 << 20);
    let (outcome, read) = wait(async {
        tokio::join!(source.read(request, sender), async {
            let (mut rows, mut aside) = (Vec::new(), 0);
            while let Some(batch) = receiver.recv().await {
                aside += batch.quarantined.len();
                for row in 0..batch.rows.num_rows() {
                    let cells = batch.rows.columns().iter().zip(columns).map(|(array, column)| {
                        (!array.is_null(row)).then(|| cell(array.as_ref(), column.data_type, row))
                    });
                    rows.push(cells.collect());
                }
            }
            (rows, aside)
        })
    });
    outcome.map(|_| read)
}

/// Reads a captured stream as a run does: with what was captured, and where that does not hold all numbers, with what does.
fn run(source: &dyn Source, stream: &StreamRequest, captured: &StreamSchema) -> (Read, Vec<Column>) {
    let drift = Drift { columns: true, numbers: true, ..Drift::default() };
    match read(source, stream, &captured.columns, drift, None) {
        Ok(read) => return (read, captured.columns.clone()),
        Err(error) => assert_eq!(error.kind(), ErrorKind::SchemaDrift, "{error}"),
    }
    let discovered = discover(source, stream).expect("readable");
    let observed = against(&discovered, Some(captured));
    let mut notes = Vec::new();
    let name = StreamName::new("src", "s");
    let target = reconcile(&name, &options(), Some(captured), &observed, Naming::SnakeCase, &mut notes)
        .expect("its contract lets it grow");
    assert!(!notes.is_empty(), "what grows is said");
    let Discovered { position, .. } = discovered;
    let read = read(source, stream, &target.source_columns, Drift::default(), position).expect("readable");
    (read, target.source_columns)
}

fn write(dir: &Path, kind: &str, rows: &[(String, String)]) {
    let mut text = if kind == "csv" { "id,v\n".to_owned() } else { String::new() };
    for (id, v) in rows {
        let line = match kind {
            "csv" => format!("{id},{v}\n"),
            _ if v.starts_with('x') => format!("{{\"id\":{id},\"v\":\"{v}\"}}\n"),
            _ => format!("{{\"id\":{id},\"v\":{v}}}\n"),
        };
        text.push_str(&line);
    }
    fs::write(dir.join("s.data"), text).expect("written");
}

#[test]
fn no_number_is_lost_where_a_wider_type_holds_it() {
    let mut random = seeded("numbers that grow");
    let dir = tempfile::tempdir().expect("a folder");
    for round in 0..150 {
        let kind = random.choice(["csv", "ndjson"]).expect("one at least");
        let exponents = kind == "ndjson";
        let (source, stream) = (source(kind, dir.path(), &[]), stream("s", &[("path", "s.data")]));
        let (whole, decimals) = (random.usize(1..=9), random.usize(..3));
        let mut rows: Vec<(String, String)> = (0..random.usize(20..50))
            .map(|id| (id.to_string(), number(&mut random, whole, decimals, false)))
            .collect();
        write(dir.path(), kind, &rows);
        let captured = discover(source.as_ref(), &stream).expect("readable").schema;
        assert!(captured.columns[1].data_type.is_numeric(), "{captured:?}");
        // More rows, of other numbers; now and then one that is none.
        let (whole, decimals) = (random.usize(1..=24), random.usize(..13));
        let mut strange = 0;
        for id in 0..random.usize(..40) {
            let is_strange = random.usize(..30) == 0;
            strange += usize::from(is_strange);
            let v = if is_strange { "x".to_owned() } else { number(&mut random, whole, decimals, exponents) };
            rows.push((format!("{}", 1000 + id), v));
        }
        write(dir.path(), kind, &rows);
        let ((loaded, aside), columns) = run(source.as_ref(), &stream, &captured);
        let about =
            format!("round {round}, {kind}: {} then {}", captured.columns[1].data_type, columns[1].data_type);
        assert_eq!(aside, strange, "{about}");
        let numbers = rows.iter().filter(|(_, v)| v != "x");
        let expected: Vec<_> = numbers.map(|(id, v)| (id.clone(), value(v))).collect();
        let found: Vec<_> = loaded
            .into_iter()
            .map(|mut row| {
                let v = row.pop().flatten().expect("a number");
                (row.pop().flatten().expect("an id"), value(&v))
            })
            .collect();
        assert_eq!(found, expected, "{about}");
    }
}

#[test]
fn a_type_that_a_person_chose_holds_or_sets_aside() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows = ["1.10", "007", "-3", "1e5"].map(|v| ("1".to_owned(), v.to_owned()));
    write(dir.path(), "csv", &rows);
    let (source, stream) = (source("csv", dir.path(), &[]), stream("s", &[("path", "s.data")]));
    let schema = discover(source.as_ref(), &stream).expect("readable").schema;
    let read_as = |data_type: &str| {
        let mut columns = schema.columns.clone();
        columns[1].data_type = data_type.parse().expect("a type");
        let (rows, aside) =
            read(source.as_ref(), &stream, &columns, Drift::default(), None).expect("readable");
        (rows.into_iter().filter_map(|mut row| row.pop().flatten()).collect::<Vec<_>>(), aside)
    };
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(read_as("text"), (owned(&["1.10", "007", "-3", "1e5"]), 0));
    // `1e5` is as codes are written, and no number.
    assert_eq!(read_as("int32"), (owned(&["-3"]), 3));
    assert_eq!(read_as("decimal(18,1)"), (owned(&["1.1", "-3.0"]), 2));
}

/// A name with some of its letters in other case.
fn respelled(random: &mut Rng, name: &str) -> String {
    let spelled = name.chars().map(|letter| {
        if random.usize(..3) == 0 { letter.to_uppercase().collect() } else { letter.to_string() }
    });
    spelled.collect()
}

#[test]
fn a_column_that_files_spell_in_several_ways_is_one() {
    const NAMES: [&str; 4] = ["id", "montant", "été", "note_a"];
    let mut random = seeded("headers in several spellings");
    for round in 0..50 {
        let dir = tempfile::tempdir().expect("a folder");
        let kind = random.choice(["csv", "ndjson"]).expect("one at least");
        let mut expected: Vec<Vec<String>> = Vec::new();
        for file in 0..random.usize(2..6) {
            let mut order: Vec<usize> = (0..NAMES.len()).collect();
            random.shuffle(&mut order);
            let names: Vec<String> = order.iter().map(|&at| respelled(&mut random, NAMES[at])).collect();
            let mut text = if kind == "csv" { format!("{}\n", names.join(",")) } else { String::new() };
            for row in 0..=random.usize(..30) {
                let cells: Vec<String> = order.iter().map(|at| format!("1{at}{file}{row}7")).collect();
                let fields: Vec<String> =
                    names.iter().zip(&cells).map(|(name, cell)| format!("\"{name}\":{cell}")).collect();
                text += &if kind == "csv" {
                    cells.join(",") + "\n"
                } else {
                    format!("{{{}}}\n", fields.join(","))
                };
                let mut by_column: Vec<(usize, String)> = order.iter().copied().zip(cells).collect();
                by_column.sort();
                expected.push(by_column.into_iter().map(|(_, cell)| value(&cell).1).collect());
            }
            fs::write(dir.path().join(format!("{file}.{kind}")), text).expect("written");
        }
        let path = format!("*.{kind}");
        let (source, stream) = (source(kind, dir.path(), &[]), stream("s", &[("path", path.as_str())]));
        let discovered = discover(source.as_ref(), &stream).expect("readable");
        let columns = &discovered.schema.columns;
        assert_eq!(columns.len(), NAMES.len(), "round {round}: {columns:?}");
        let drifts = [Drift::default(), Drift { columns: true, numbers: true, ..Drift::default() }];
        for drift in drifts {
            let (rows, aside) = read(source.as_ref(), &stream, columns, drift, None).expect("readable");
            assert_eq!(aside, 0, "round {round}");
            let place = |name: &str| columns.iter().position(|column| column.name.to_lowercase() == name);
            let places = NAMES.map(|name| place(name).expect("a column"));
            let found: Vec<Vec<String>> = rows
                .iter()
                .map(|row| places.iter().map(|&at| value(row[at].as_deref().expect("no NULL")).1).collect())
                .collect();
            assert_eq!(found, expected, "round {round}");
        }
    }
}

#[test]
fn a_record_that_has_both_spellings_is_not_read_as_one() {
    let dir = tempfile::tempdir().expect("a folder");
    for (kind, text) in [
        ("csv", "id,ID\n1,2\n"),
        ("ndjson", "{\"id\":1}\n{\"ID\":2}\n{\"ID\":1,\"id\":2}\n"),
        ("json", "[{\"id\":1},{\"ID\":2},{\"ID\":1,\"id\":2}]"),
    ] {
        fs::write(dir.path().join("s.data"), text).expect("written");
        let (source, stream) = (source(kind, dir.path(), &[]), stream("s", &[("path", "s.data")]));
        let discovered = discover(source.as_ref(), &stream).expect("readable");
        let names: Vec<&str> = discovered.schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "ID"], "{kind}");
        let refused = reconcile(
            &StreamName::new("src", "s"),
            &options(),
            None,
            &discovered.schema,
            Naming::Source,
            &mut Vec::new(),
        );
        let refused = refused.expect_err("they would have one name").to_diagnostic();
        assert_eq!(refused.hint.as_deref(), Some("Give one another name: `rename: {ID: ID_2}`."));
        // A run with what was captured before finds out.
        let drift = Drift { columns: true, ..Drift::default() };
        let read = |drift| read(source.as_ref(), &stream, &discovered.schema.columns[..1], drift, None);
        assert_eq!(read(drift).expect_err("both").kind(), ErrorKind::SchemaDrift, "{kind}");
        let (rows, aside) = read(Drift::default()).expect("readable");
        assert_eq!((rows.len(), aside), (if kind == "csv" { 0 } else { 2 }, 1), "{kind}");
    }
}
