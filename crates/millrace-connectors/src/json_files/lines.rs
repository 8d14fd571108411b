//! An object a line.

use std::io::Read;

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::delivery::Place;
use crate::files::fields::Records;
use crate::files::pieces::Cut;
use crate::files::window::Window;
use crate::json_files::scan::{Stop, is_space};
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
            return Ok(rest[at] == b'{');
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
                    Err(Stop::Broken(refusal)) => Some(array::encoding_first(refusal, line)),
                }
            } else {
                Some(array::encoding_first(array::not_an_object(line), line))
            };
            match refusal {
                None => hand_over(line, &mut scratch, records)?,
                Some(refusal) => records.refuse(None, refusal),
            }
            records.end_record(Place { file: window.name(), line: window.line(), raw: line })?;
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

/// A line beyond the limit: quarantine keeps its beginning, the rest is passed over.
fn too_long<R: Read, S: Records>(window: &mut Window<R>, limit: usize, records: &mut S) -> Result<()> {
    records.refuse(None, Refusal::broken("the line is longer than a record may be"));
    let rest = window.rest();
    let raw = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len()).min(limit)];
    records.end_record(Place { file: window.name(), line: window.line(), raw })?;
    loop {
        let rest = window.rest();
        if let Some(at) = memchr::memchr(b'\n', rest) {
            window.consume(at + 1);
            return Ok(());
        }
        window.consume(rest.len());
        if !window.fill()? {
            return Ok(());
        }
    }
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
