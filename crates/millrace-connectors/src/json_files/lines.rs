//! An object a line.

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

/// Lines that start with objects.
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

/// Whether the first thing in a file is an object.
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

/// Hands over each line that is not blank. `first`: whether the file starts here, where it may turn out to be an array.
pub(super) fn walk<R: Read, S: Records>(
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
    mut first: bool,
) -> Result<()> {
    let mut scratch = Scratch::default();
    let mut searched = 0;
    loop {
        let rest = window.rest();
        // An object that was scanned up to a line feed has had none before.
        let within = &rest[..rest.len().min(limits.record.saturating_add(1))];
        if let Some(length) = scratch.read(within, records, |after| line_end(after) > 0) {
            let raw = &rest[..length];
            records.end_record(Place { file: window.name(), line: window.line(), raw })?;
            window.consume_lines(length + line_end(&rest[length..]), 1);
            searched = 0;
            continue;
        }
        let length = match memchr::memchr(b'\n', &rest[searched..]) {
            Some(at) if searched + at <= limits.record => searched + at + 1,
            None if window.ended() && rest.len() <= limits.record => rest.len(),
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
        if first && is_array_file(window, length)? {
            return Err(is_array(window.name()));
        }
        let rest = window.rest();
        let ends = rest[length - 1] == b'\n';
        let line = trimmed(&rest[..length]);
        if !line.is_empty() {
            first = false;
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

/// Whether a text is how an array of objects begins.
fn begins_array(text: &[u8]) -> bool {
    text.strip_prefix(b"[").is_some_and(|within| trimmed(within).starts_with(b"{"))
}

/// Whether a file is an array, and not lines, by its first line of some bytes.
fn is_array_file<R: Read>(window: &mut Window<R>, length: usize) -> Result<bool> {
    let line = trimmed(&window.rest()[..length]);
    if !begins_array(line) {
        return Ok(line == b"[");
    }
    // With others behind it, it is a record that is none.
    while trimmed(&window.rest()[length..]).is_empty() {
        if !window.fill()? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_array(name: &str) -> Error {
    let message = format!("file `{name}` starts with an array, not with an object a line");
    Error::new(ErrorKind::SourceUnreadable, message).hint("Write `type: json` in the source.")
}

/// A line beyond the limit: quarantine keeps its beginning, the rest is passed over. An error where there may be more than one record on it.
fn too_long<R: Read, S: Records>(window: &mut Window<R>, limit: usize, records: &mut S) -> Result<()> {
    records.refuse(None, Refusal::broken("the line is longer than a record may be"));
    let rest = window.rest();
    let raw = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len()).min(limit)];
    let line = window.line();
    records.end_record(Place { file: window.name(), line, raw })?;
    let is_object = trimmed(raw).starts_with(b"{");
    let mut reach = Reach::default();
    let mut is_indent = true;
    loop {
        let rest = window.rest();
        let end = memchr::memchr(b'\n', rest);
        let mut part = &rest[..end.unwrap_or(rest.len())];
        if is_indent {
            // Brackets are counted from the object on.
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

/// Bytes at the beginning of a file in which an object that goes over several lines is looked for.
const BEGINNING: usize = 1 << 16;

/// An error where the first object of a file goes over several lines and no line near it is an object.
fn refuse_several_lines<R: Read>(window: &mut Window<R>) -> Result<()> {
    let object = |text: &[u8]| {
        if text.starts_with(b"{") { scan::object(text, &mut Vec::new()) } else { Err(Stop::Short) }
    };
    // Nearly always the first line is an object.
    loop {
        let rest = window.rest();
        let start = rest.iter().position(|&byte| !is_space(byte)).unwrap_or(rest.len());
        let line = memchr::memchr(b'\n', &rest[start..]).map(|length| &rest[start..start + length]);
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
    while window.rest().len() <= BEGINNING && window.fill()? {}
    let rest = window.rest();
    let is_all = rest.len() <= BEGINNING;
    let beginning = &rest[..rest.len().min(BEGINNING)];
    let start = beginning.iter().position(|&byte| !is_space(byte)).unwrap_or(beginning.len());
    let (spaces, beginning) = beginning.split_at(start);
    let mut lines = beginning.split(|&byte| byte == b'\n').map(trimmed);
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

/// The length of the end of a line that a text starts with; 0 where it starts with something else.
fn line_end(text: &[u8]) -> usize {
    match text {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&byte| !is_space(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|&byte| !is_space(byte)).map_or(start, |last| last + 1);
    &line[start..end]
}
