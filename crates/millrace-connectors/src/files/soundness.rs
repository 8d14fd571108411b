//! Reads thousands of broken files, and checks that nothing in them is lost in silence.
//!
//! A file of known records is changed at random and read as the engine reads it, by one thread and
//! by several. The outcome is checked by a search for words in bytes, which shares no code with the
//! readers. Each record has three words of its own; each of them that the file still contains must
//! be in a row or in quarantine, or the read must have failed. No line of a text may be a row.
//! `MILLRACE_SOUNDNESS=seed,cases` sets another seed and number of cases.

mod made;
mod mutation;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::Array;
use millrace_core::project::settings::Settings;
use millrace_core::quarantine::QuarantinedRow;
use millrace_engine::ports::batch::batch_queue;
use millrace_engine::ports::source::{ReadRequest, Source, SourceContext};

use self::made::{Layout, Made, Record, Words};
use self::mutation::mutate;
use crate::csv_files::Csv;
use crate::files::Limits;
use crate::files::source::{FileSource, Format};
use crate::files::testing::{blocks, cell, request, settings};
use crate::json_files::{Json, Ndjson};

const COLUMNS: [&str; 4] = ["id text", "name text", "n int64", "note text"];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    rows: Vec<Vec<Option<String>>>,
    quarantined: Vec<QuarantinedRow>,
    notices: Vec<String>,
}

fn source<F: Format>(folder: &Path, settings: &Settings, format: F, limits: Limits) -> Arc<dyn Source> {
    let context = SourceContext { name: "s".to_owned(), project_dir: folder.to_owned() };
    FileSource::limited(context, settings, format, limits)
}

fn read(
    source: &dyn Source,
    request: ReadRequest,
    runtime: &tokio::runtime::Runtime,
) -> Result<Outcome, String> {
    let columns = request.columns.clone();
    let (sender, mut receiver) = batch_queue(1 << 30);
    runtime.block_on(async {
        let mut outcome = Outcome { rows: Vec::new(), quarantined: Vec::new(), notices: Vec::new() };
        let (ended, ()) = tokio::join!(source.read(request, sender), async {
            while let Some(batch) = receiver.recv().await {
                for row in 0..batch.rows.num_rows() {
                    let cells = batch.rows.columns().iter().zip(&columns);
                    let text = |(array, column): (&arrow_array::ArrayRef, &millrace_core::schema::Column)| {
                        (!array.is_null(row)).then(|| cell(array.as_ref(), column.data_type, row))
                    };
                    outcome.rows.push(cells.map(text).collect());
                }
                outcome.quarantined.extend(batch.quarantined);
            }
        });
        let ended = ended.map_err(|error| error.to_diagnostic().to_string())?;
        outcome.notices.extend(ended.notices.into_iter().map(|notice| notice.message));
        Ok(outcome)
    })
}

/// Runs the cases of one format.
fn go_through<F: Format>(format: F, layouts: &[Layout]) {
    let (seed, cases) = millrace_testkit::cases("MILLRACE_SOUNDNESS", 20_261_128, 2000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let mut read_to_the_end = 0;
    for case in 0..cases {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(case as u64));
        let layout = layouts[case % layouts.len()];
        let made = Made::new(layout, &mut random);
        // One in fifty files stays unchanged, and must load.
        let untouched = case % 50 == 0;
        let (bytes, packed) = if untouched { (made.bytes.clone(), None) } else { mutate(&made, &mut random) };
        let name = if packed.is_some() { "f.gz" } else { "f" };
        let mut pairs = vec![("path", name)];
        pairs.extend(layout.settings());
        std::fs::File::create(folder.path().join(name))
            .and_then(|mut file| file.write_all(packed.as_deref().unwrap_or(&bytes)))
            .expect("written");
        let settings = settings(&pairs);
        let mut wanted = request(&COLUMNS);
        wanted.quarantine_unknown_columns = true;
        let block = random.usize(1..=300);
        let with = |limits: Limits| {
            read(&*source(folder.path(), &settings, format, limits), wanted.clone(), &runtime)
        };
        let alone = with(blocks(block));
        let together = with(Limits { threads: 3, piece: random.usize(1..=1500), ..blocks(block) });
        let about = format!(
            "MILLRACE_SOUNDNESS={},1 ({layout:?})\n{}",
            seed.wrapping_add(case as u64),
            String::from_utf8_lossy(&bytes)
        );
        match (&alone, &together) {
            // Packed data may also end too early, so the two errors may differ.
            (Err(_), Err(_)) if packed.is_some() => {}
            _ => assert_eq!(alone, together, "one thread and several: {about}"),
        }
        let outcome = match alone {
            Ok(outcome) => outcome,
            Err(error) if untouched => panic!("{error}: {about}"),
            Err(_) => continue,
        };
        read_to_the_end += 1;
        check(&made, &bytes, &outcome, &about);
    }
    // Most changes break a file, but not all do.
    assert!(
        cases < 100 || read_to_the_end * 10 > cases,
        "{read_to_the_end} of {cases} were read to their end"
    );
}

/// Asserts what holds for every file that was read to its end.
fn check(made: &Made, bytes: &[u8], outcome: &Outcome, about: &str) {
    let text = String::from_utf8_lossy(bytes);
    let raws = outcome.quarantined.iter().map(|row| format!("{}\n", row.raw)).collect::<Vec<_>>().concat();
    let cells =
        outcome.rows.iter().flatten().flatten().map(|cell| format!("{cell}\n")).collect::<Vec<_>>().concat();
    let loaded = Words::of(&cells);
    let set_aside = Words::of(&raws);
    for (word, count) in &Words::of(made.below_header(&text)).0 {
        let in_rows = loaded.0.get(word).copied().unwrap_or_default();
        assert!(
            in_rows >= *count || set_aside.0.contains_key(word),
            "`{word}` stands {count} times in the file and {in_rows} times in rows: {about}"
        );
    }
    // Each beginning of a record is in a row, or counts as a row in quarantine. One within a valid
    // text is in the row that has the text.
    let records = made.layout.beginnings(&text);
    let in_rows: usize =
        loaded.0.iter().filter(|(word, _)| word.starts_with('r')).map(|(_, count)| count).sum();
    assert!(
        in_rows + outcome.quarantined.len() >= records,
        "{records} records, {in_rows} in rows and {} in quarantine: {about}",
        outcome.quarantined.len()
    );
    // A record that no change has touched is loaded as it was written.
    let mut rows: BTreeMap<&str, Vec<&Vec<Option<String>>>> = BTreeMap::new();
    for row in &outcome.rows {
        rows.entry(row[0].as_deref().unwrap_or_default()).or_default().push(row);
    }
    let all = Words::of(&text);
    for record in &made.records {
        let is_alone = all.0.get(&record.id) == Some(&1);
        if is_alone && made.layout.stands_whole(&text, &record.text) {
            for row in rows.get(record.id.as_str()).into_iter().flatten() {
                assert_eq!(**row, record.cells, "{about}");
            }
            assert_invents_nothing(record, &all, outcome, about);
        }
    }
}

/// Asserts that no line within a text of this record was loaded as a record of its own.
fn assert_invents_nothing(record: &Record, all: &Words, outcome: &Outcome, about: &str) {
    for word in record.within.iter().filter(|word| all.0.get(*word) == Some(&1)) {
        let begins = |row: &Vec<Option<String>>| row[0].as_ref().is_some_and(|id| id.contains(word.as_str()));
        assert!(!outcome.rows.iter().any(begins), "the line of `{word}` is loaded as a record: {about}");
    }
}

/// Texts of several lines, from programs that do not double quotes within quotes: either the read
/// fails, or no line of a text is a row.
#[test]
fn texts_whose_quotes_are_not_doubled() {
    let (seed, cases) = millrace_testkit::cases("MILLRACE_SOUNDNESS", 20_261_129, 300);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let mut damaged = 0;
    for case in 0..cases {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(case as u64));
        let layout = Layout::Csv { windows: case % 2 == 1 };
        let made = Made::new(layout, &mut random);
        let pairs: Vec<_> = [("path", "f")].into_iter().chain(layout.settings()).collect();
        let is_candidate = |record: &&Record| !record.within.is_empty() && record.text.contains("\"\"");
        let Some(record) = random.choice(made.records.iter().filter(is_candidate).collect::<Vec<_>>()) else {
            continue;
        };
        damaged += 1;
        let whole = String::from_utf8(made.bytes.clone()).expect("text");
        let text = whole.replace(&record.text, &record.text.replace("\"\"", "\""));
        std::fs::write(folder.path().join("f"), &text).expect("written");
        let source = source(folder.path(), &settings(&pairs), Csv, blocks(random.usize(1..=300)));
        let about = format!("MILLRACE_SOUNDNESS={},1 ({layout:?})\n{text}", seed.wrapping_add(case as u64));
        if let Ok(outcome) = read(&*source, request(&COLUMNS), &runtime) {
            check(&made, text.as_bytes(), &outcome, &about);
            assert_invents_nothing(record, &Words::of(&text), &outcome, &about);
        }
    }
    assert!(cases < 100 || damaged * 2 > cases, "{damaged} of {cases} had such a text");
}

#[test]
fn csv() {
    go_through(Csv, &[Layout::Csv { windows: false }, Layout::Csv { windows: true }]);
}

#[test]
fn json() {
    go_through(Json, &[Layout::Lines, Layout::Pretty, Layout::OneLine]);
}

#[test]
fn ndjson() {
    go_through(Ndjson, &[Layout::Ndjson]);
}

#[test]
fn emptied_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let outcome = |name: &str, content: &[u8], ndjson: bool, csv: &[(&str, &str)]| {
        std::fs::write(folder.path().join(name), content).expect("written");
        let pairs: Vec<_> = csv.iter().copied().chain([("path", name)]).collect();
        let settings = settings(&pairs);
        let source = match (ndjson, csv.is_empty()) {
            (true, _) => source(folder.path(), &settings, Ndjson, Limits::default()),
            (_, true) => source(folder.path(), &settings, Json, Limits::default()),
            _ => source(folder.path(), &settings, Csv, Limits::default()),
        };
        read(&*source, request(&COLUMNS), &runtime).map(|outcome| outcome.rows.len())
    };
    let (header, none) = ([("header", "true")], [("header", "false")]);
    let nothing = mutation::gzip(b"");
    for (name, content) in [("f", &b""[..]), ("f", b"\r\n\n"), ("f", b"\xEF\xBB\xBF"), ("f.gz", &nothing)] {
        outcome(name, content, false, &[]).expect_err("no JSON");
        outcome(name, content, false, &header).expect_err("no header");
        assert_eq!(outcome(name, content, false, &none), Ok(0), "no records");
        assert_eq!(outcome(name, content, true, &[]), Ok(0), "no lines");
    }
    // Packed data have some bytes, even of an empty file.
    for name in ["f.gz", "f.zst"] {
        for (ndjson, csv) in [(false, &[][..]), (false, &header), (false, &none), (true, &[])] {
            let error = outcome(name, b"", ndjson, csv).expect_err("no packed file");
            assert!(error.contains("end too early"), "{error}");
        }
    }
    assert_eq!(outcome("f", b"[]", false, &[]), Ok(0));
    assert_eq!(outcome("f", b"id,name,n,note\n", false, &header), Ok(0));
}
