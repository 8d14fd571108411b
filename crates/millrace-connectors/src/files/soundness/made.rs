//! Generates files of known records.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::mutation::one_in;

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Csv {
        windows: bool,
    },
    Ndjson,
    /// An array with one record a line.
    Lines,
    /// An array with one value a line.
    Pretty,
    /// An array without line feeds.
    OneLine,
}

/// A record: its cells, and its text without what separates it from others.
pub(super) struct Record {
    pub(super) id: String,
    pub(super) cells: Vec<Option<String>>,
    pub(super) text: String,
    /// The first words of lines within its texts that look like records.
    pub(super) within: Vec<String>,
}

/// A generated file.
pub(super) struct Made {
    pub(super) layout: Layout,
    pub(super) records: Vec<Record>,
    pub(super) bytes: Vec<u8>,
}

/// The words of records in a text (`r00017`, `v00017`, `w00017`, and `q00017`, `s00017` within
/// texts), with their counts.
pub(super) struct Words(pub(super) BTreeMap<String, usize>);

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut words = BTreeMap::new();
        for at in 0..bytes.len().saturating_sub(5) {
            let word = &bytes[at..at + 6];
            // `\r` is an escape and not the start of a word.
            let escaped = at > 0 && bytes[at - 1] == b'\\';
            if !escaped
                && matches!(word[0], b'r' | b'v' | b'w' | b'q' | b's')
                && word[1..].iter().all(u8::is_ascii_digit)
            {
                *words.entry(String::from_utf8_lossy(word).into_owned()).or_default() += 1;
            }
        }
        Self(words)
    }
}

/// Whether a text starts with the first word of a record.
fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 6 && bytes[0] == b'r' && bytes[1..6].iter().all(u8::is_ascii_digit)
}

impl Layout {
    /// The settings that a project needs for such a file.
    pub(super) fn settings(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Csv { windows: true } => vec![("delimiter", ";")],
            _ => Vec::new(),
        }
    }

    /// Counts the places in a text at which a record begins, whatever surrounds it: in CSV an id at
    /// the start of a line with a delimiter behind it, in JSON an object whose first field is the
    /// id of a record.
    pub(super) fn beginnings(self, text: &str) -> usize {
        match self {
            Self::Csv { windows } => {
                let delimiter = if windows { ';' } else { ',' };
                // A line with another number of fields cannot be told from the text that contains
                // it.
                let may_be_one = |line: &str| line.contains('"') || line.matches(delimiter).count() == 3;
                let begins =
                    |line: &&str| is_id(line) && line[6..].starts_with(delimiter) && may_be_one(line);
                text.split('\n').filter(begins).count()
            }
            _ => {
                let begins = |object: &str| {
                    let rest = object.trim_start().strip_prefix("\"id\":").map(str::trim_start);
                    rest.and_then(|rest| rest.strip_prefix('"')).is_some_and(is_id)
                };
                // After a colon an object is a value.
                let is_begun = |&(at, _): &(usize, &str)| {
                    begins(&text[at + 1..]) && !text[..at].trim_end().ends_with(':')
                };
                text.match_indices('{').filter(is_begun).count()
            }
        }
    }

    /// Whether a record stands in a text as it was written, with its separators.
    pub(super) fn stands_whole(self, text: &str, record: &str) -> bool {
        let Some(at) = text.find(record) else { return false };
        let (before, after) = (&text[..at], &text[at + record.len()..]);
        match self {
            Self::Csv { .. } => {
                before.ends_with('\n') && (after.starts_with('\n') || after.starts_with("\r\n"))
            }
            Self::Ndjson => before.ends_with('\n') && after.starts_with('\n'),
            _ => {
                let (before, after) = (before.trim_end(), after.trim_start());
                before.ends_with([',', '[']) && after.starts_with([',', ']'])
            }
        }
    }
}

impl Made {
    /// A file of ten to forty records.
    pub(super) fn new(layout: Layout, random: &mut Rng) -> Self {
        let first = random.usize(..10_000);
        let records: Vec<Record> =
            (0..random.usize(10..40)).map(|number| record(layout, first + number, random)).collect();
        let texts = || records.iter().map(|record| record.text.as_str());
        let text = match layout {
            Layout::Csv { windows } => {
                let (delimiter, end) = if windows { (";", "\r\n") } else { (",", "\n") };
                let header = ["id", "name", "n", "note"].join(delimiter);
                [header.as_str()]
                    .into_iter()
                    .chain(texts())
                    .map(|line| format!("{line}{end}"))
                    .collect::<Vec<_>>()
                    .concat()
            }
            Layout::Ndjson => texts().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat(),
            Layout::Lines => format!("[\n{}\n]\n", texts().collect::<Vec<_>>().join(",\n")),
            Layout::Pretty => format!("[\n  {}\n]\n", texts().collect::<Vec<_>>().join(",\n  ")),
            Layout::OneLine => format!("[{}]", texts().collect::<Vec<_>>().join(",")),
        };
        Self { layout, records, bytes: text.into_bytes() }
    }

    /// The text without the header.
    pub(super) fn below_header<'t>(&self, text: &'t str) -> &'t str {
        match self.layout {
            Layout::Csv { .. } => {
                let text = text.trim_start_matches(['\u{FEFF}', '\n', '\r']);
                let Some((header, below)) = text.split_once('\n') else { return "" };
                // A text that a change has moved into the header ends before the next record at the
                // latest.
                let goes_on: usize =
                    below.split_inclusive('\n').take_while(|line| !is_id(line)).map(str::len).sum();
                if header.contains('"') { &below[goes_on..] } else { below }
            }
            _ => text,
        }
    }
}

/// A record with this number, whose texts may have quotes, delimiters and line feeds in them.
fn record(layout: Layout, number: usize, random: &mut Rng) -> Record {
    let id = format!("r{number:05}");
    let (v, w) = (format!("v{number:05}"), format!("w{number:05}"));
    let n = (!one_in(random, 5)).then(|| random.usize(..1000).to_string());
    if let Layout::Csv { windows } = layout {
        let delimiter = if windows { ';' } else { ',' };
        let (name, name_text) = csv_text(&v, delimiter, random);
        let (note, note_text) = csv_text(&w, delimiter, random);
        let number = n.clone().unwrap_or_default();
        let text = [id.as_str(), &name_text, &number, &note_text].join(&delimiter.to_string());
        let within =
            [line_within(&v), line_within(&w)].into_iter().filter(|word| text.contains(word)).collect();
        return Record { cells: vec![Some(id.clone()), Some(name), n, Some(note)], id, text, within };
    }
    let name = match random.usize(..4) {
        0 => format!("a \"{v}\" {{"),
        1 => format!("{v}, [é]"),
        _ => v,
    };
    let quoted = serde_json::to_string(&name).expect("a text");
    let number = n.clone().unwrap_or_else(|| "null".to_owned());
    let fields = [
        format!("\"id\":\"{id}\""),
        format!("\"name\":{quoted}"),
        format!("\"n\":{number}"),
        format!("\"note\":\"{w}\""),
    ];
    let text = match layout {
        Layout::Pretty => format!("{{\n    {}\n  }}", fields.join(",\n    ")),
        _ => format!("{{{}}}", fields.join(",")),
    };
    Record { cells: vec![Some(id.clone()), Some(name), n, Some(w)], id, text, within: Vec::new() }
}

/// The word with which a line within the text of another word begins.
fn line_within(word: &str) -> String {
    let (kind, number) = word.split_at(1);
    format!("{}{number}", if kind == "v" { "q" } else { "s" })
}

/// A text that contains the word, and how CSV writes it.
fn csv_text(word: &str, delimiter: char, random: &mut Rng) -> (String, String) {
    let quoted = |text: String| {
        let written = format!("\"{}\"", text.replace('"', "\"\""));
        (text, written)
    };
    let like_a_record = ["", "b", "5", "c"].join(&delimiter.to_string());
    let like_a_record = format!("{}{like_a_record}", line_within(word));
    match random.usize(..14) {
        0 => quoted(format!("{word}{delimiter} b")),
        1 => quoted(format!("the \"{word}\"")),
        2 => quoted(format!("one\n{word}\nthree")),
        3 => quoted(word.to_owned()),
        4 => {
            let text = format!("5\" {word}");
            (text.clone(), text)
        }
        5 => quoted(format!("{word}\n")),
        6 => quoted(format!("one\n{like_a_record}\nthree {word}")),
        7 => quoted(format!("say \"{word}\" there\n{like_a_record}\n")),
        8 => quoted(format!("5\"{delimiter} {word}\n{like_a_record}\nend")),
        _ => (word.to_owned(), word.to_owned()),
    }
}
