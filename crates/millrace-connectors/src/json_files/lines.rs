//! Reads files with one object a line (NDJSON).
//!
//! A line is a record, whatever is on it. A broken line goes to quarantine, together with each
//! further object on it that may be a record of its own (ADR 28). Two mistakes in the settings are
//! errors for the whole file: a file that is an array, and objects that go over several lines.

use std::io::Read;

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::delivery::Place;
use crate::files::fields::Records;
use crate::files::pieces::Cut;
use crate::files::window::{Window, count_lines};
use crate::json_files::recovery::{self, Reach};
use crate::json_files::scan::{self, Stop, is_space};
use crate::json_files::{Scratch, array, hand_over};

/// The reader of a file whose first value is an object. Pieces end at line feeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines;

impl Cut for Lines {
    fn cut(&self, text: &[u8]) -> Option<usize> {
        memchr::memrchr(b'\n', text).map(|at| at + 1)
    }

    fn walk_piece<S: Records>(
        &self,
        piece: &mut Window<&[u8]>,
        limits: Limits,
        records: &mut S,
    ) -> Result<bool> {
        walk(piece, limits, records, false).map(|()| true)
    }

    fn walk_rest<R: Read, S: Records>(
        &self,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()> {
        walk(window, limits, records, false)
    }
}

/// Whether the first value in a file is an object. Returns an error if the file has one object over
/// several lines, instead of one on each line.
pub(super) fn starts_with_object<R: Read>(window: &mut Window<R>) -> Result<bool> {
    loop {
        let rest = window.rest();
        if let Some(at) = rest.iter().position(|&byte| !is_space(byte)) {
            if rest[at] != b'{' {
                return Ok(false);
            }
            return refuse_several_lines(window).map(|()| true);
        }
        if !window.fill()? {
            return Ok(false);
        }
    }
}

/// Hands over each line that is not blank. `first` says that the file starts here, so that it may
/// turn out to be an array; that is an error.
pub(super) fn walk<R: Read, S: Records>(
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
    mut first: bool,
) -> Result<()> {
    let mut scratch = Scratch::default();
    // How much of the rest is known to contain no line feed.
    let mut searched = 0;
    loop {
        let rest = window.rest();
        // The fast path needs no search for the line feed: an object of the known shape contains
        // none.
        let within = &rest[..rest.len().min(limits.record.saturating_add(1))];
        if let Some(length) = scratch.read(within, records, |after| line_end(after) > 0) {
            let raw = &rest[..length];
            records.end_record(Place { file: window.name(), line: window.line(), raw })?;
            window.consume_lines(length + line_end(&rest[length..]), 1);
            searched = 0;
            continue;
        }
        let length = match memchr::memchr(b'\n', &rest[searched..]) {
            // A whole line, with its line feed.
            Some(at) if searched + at <= limits.record => searched + at + 1,
            // The last line of the file, without a line feed.
            None if window.ended() && rest.len() <= limits.record => rest.len(),
            // The line is longer than a record may be, whether or not its end is in the window.
            found if found.is_some() || rest.len() > limits.record => {
                if first && begins_array(trimmed(rest)) {
                    return Err(is_array(window.name()));
                }
                first = false;
                too_long(window, limits.record, records)?;
                searched = 0;
                continue;
            }
            _ => {
                searched = rest.len();
                window.fill()?;
                continue;
            }
        };
        searched = 0;
        if length == 0 {
            return Ok(());
        }
        // Only the first line decides; from there on a line that is an array is a bad record.
        if first && is_array_file(window, length)? {
            return Err(is_array(window.name()));
        }
        let rest = window.rest();
        let ends = rest[length - 1] == b'\n';
        let line = trimmed(&rest[..length]);
        if !line.is_empty() {
            first = false;
            // A whole object that fills its line is a record; everything else says why it is not.
            let refusal = if line[0] == b'{' {
                match scratch.scan(line) {
                    Ok(end) if end == line.len() => None,
                    Ok(_) => Some(Refusal::broken("something follows the object on its line")),
                    Err(Stop::Short) => Some(Refusal::broken("the line ends before the object does")),
                    Err(Stop::Broken(refusal)) => Some(array::encoding_first(refusal, line, window)),
                }
            } else {
                Some(array::encoding_first(array::not_an_object(line), line, window))
            };
            let place = Place { file: window.name(), line: window.line(), raw: line };
            match refusal {
                None => {
                    hand_over(line, &mut scratch, records)?;
                    records.end_record(place)?;
                }
                Some(refusal) => {
                    records.refuse(None, refusal);
                    records.end_record(place)?;
                    recovery::set_aside_others(place, records)?;
                }
            }
        }
        if ends {
            window.consume_lines(length, 1);
        } else {
            window.consume(length);
        }
    }
}

/// Whether a text begins an array of objects.
fn begins_array(text: &[u8]) -> bool {
    text.strip_prefix(b"[").is_some_and(|within| trimmed(within).starts_with(b"{"))
}

/// Whether a file is an array instead of lines, judged by its first line. `length` is the length of
/// that line.
fn is_array_file<R: Read>(window: &mut Window<R>, length: usize) -> Result<bool> {
    let line = trimmed(&window.rest()[..length]);
    if !begins_array(line) {
        return Ok(line == b"[");
    }
    // If other lines follow, it is only a bad line.
    while trimmed(&window.rest()[length..]).is_empty() {
        if !window.fill()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The error about a file of `type: ndjson` that is an array.
fn is_array(name: &str) -> Error {
    let message = format!("file `{name}` starts with an array, not with an object a line");
    Error::new(ErrorKind::SourceUnreadable, message).hint("Write `type: json` in the source.")
}

/// Puts a line into quarantine that is longer than a record may be: keeps its beginning, and skips
/// the rest. Returns an error if more than one record may be on it.
fn too_long<R: Read, S: Records>(window: &mut Window<R>, limit: usize, records: &mut S) -> Result<()> {
    records.refuse(None, Refusal::broken("the line is longer than a record may be"));
    let rest = window.rest();
    let raw = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len()).min(limit)];
    let line = window.line();
    records.end_record(Place { file: window.name(), line, raw })?;
    // If the line is not an object, any brace on it may begin a record.
    let is_object = trimmed(raw).starts_with(b"{");
    let mut reach = Reach::default();
    let mut is_indent = true;
    loop {
        let rest = window.rest();
        let end = memchr::memchr(b'\n', rest);
        let mut part = &rest[..end.unwrap_or(rest.len())];
        if is_indent {
            // `Reach` counts brackets from the first byte of the object.
            part = part.trim_ascii_start();
            is_indent = part.is_empty();
        }
        if reach.feed(part).is_some() || (!is_object && part.contains(&b'{')) {
            let message = format!("file `{}` is not the NDJSON that was expected", window.name());
            return Err(Error::new(ErrorKind::SourceUnreadable, message)
                .caused_by(format!(
                    "line {line}: the line is longer than a record may be, and more than one may be on it"
                ))
                .hint("Write each object on a line of its own."));
        }
        if let Some(at) = end {
            window.consume(at + 1);
            return Ok(());
        }
        window.consume(rest.len());
        if !window.fill()? {
            return Ok(());
        }
    }
}

/// How many bytes at the beginning of a file are searched for an object over several lines.
const BEGINNING: usize = 1 << 16;

/// Returns an error if the first object of a file goes over several lines, and no line within the
/// first [`BEGINNING`] bytes is an object of its own.
fn refuse_several_lines<R: Read>(window: &mut Window<R>) -> Result<()> {
    let object = |text: &[u8]| {
        if text.starts_with(b"{") { scan::object(text, &mut Vec::new()) } else { Err(Stop::Short) }
    };
    // Nearly always the first line is a whole object, and nothing more has to be read.
    loop {
        let rest = window.rest();
        let start = rest.iter().position(|&byte| !is_space(byte)).unwrap_or(rest.len());
        let line = memchr::memchr(b'\n', &rest[start..]).map(|length| &rest[start..start + length]);
        // A first line that is broken is an ordinary bad record. Only one that ends too early may
        // go on below.
        let is_whole = line.map(|line| object(trimmed(line)) != Err(Stop::Short));
        match is_whole {
            Some(true) => return Ok(()),
            None if rest.len() <= BEGINNING => {}
            _ => break,
        }
        if !window.fill()? {
            break;
        }
    }
    // The first line is not a whole object, so look at more of the file before refusing it.
    while window.rest().len() <= BEGINNING && window.fill()? {}
    let rest = window.rest();
    let is_all = rest.len() <= BEGINNING;
    let beginning = &rest[..rest.len().min(BEGINNING)];
    let start = beginning.iter().position(|&byte| !is_space(byte)).unwrap_or(beginning.len());
    let (spaces, beginning) = beginning.split_at(start);
    let mut lines = beginning.split(|&byte| byte == b'\n').map(trimmed);
    // Whether the first object contains a line feed, or goes beyond what was read.
    let goes_on = match object(beginning) {
        Ok(length) => beginning[..length].contains(&b'\n'),
        Err(Stop::Short) => !is_all && beginning.contains(&b'\n'),
        Err(Stop::Broken(_)) => false,
    };
    if !goes_on || lines.any(|line| object(line) == Ok(line.len())) {
        return Ok(());
    }
    let line = window.line() + count_lines(spaces);
    let message = format!("file `{}` is not the NDJSON that was expected", window.name());
    Err(Error::new(ErrorKind::SourceUnreadable, message)
        .caused_by(format!("line {line}: the line ends before the object does"))
        .hint("Its objects go over several lines. Write each on one line, as `jq -c` does, or make an array of them and write `type: json`."))
}

/// The length of the line end at the start of a text; 0 if the text starts with anything else.
fn line_end(text: &[u8]) -> usize {
    match text {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

/// A line without the JSON white space around it.
fn trimmed(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&byte| !is_space(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|&byte| !is_space(byte)).map_or(start, |last| last + 1);
    &line[start..end]
}
