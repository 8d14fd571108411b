//! Recognizes records with the same fields, in the same order and with the same white space, as the
//! record before. Their field names need not be scanned or looked up again.

use crate::files::cell::Cell;
use crate::files::straight::Straight;
use crate::files::window::count_lines;
use crate::json_files::scan::{self, Field, Scan, Value};

/// The text around the values of a record, and the numbers of its fields.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// For each value: the text before it, from the end of the value before, and its field number.
    steps: Vec<(Lead, usize)>,
    /// The text after the last value.
    tail: Lead,
    /// The number of line feeds in all these texts.
    lines: u64,
}

/// An expected text. Up to sixteen bytes of it are compared in one step, as a masked integer.
#[derive(Debug, Default)]
struct Lead {
    text: Vec<u8>,
    first: u128,
    mask: u128,
}

impl Lead {
    /// Bytes that are compared in one step.
    const WIDTH: usize = size_of::<u128>();

    fn new(text: &[u8]) -> Self {
        let short = text.len().min(Self::WIDTH);
        let mut first = [0; Self::WIDTH];
        first[..short].copy_from_slice(&text[..short]);
        let mut mask = [0; Self::WIDTH];
        mask[..short].fill(0xFF);
        Self { text: text.to_vec(), first: u128::from_le_bytes(first), mask: u128::from_le_bytes(mask) }
    }

    /// Where this text ends, if `text` has it at `at`.
    #[inline]
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        let rest = text.get(at..)?;
        // Near the end of the text there may be fewer than sixteen bytes; then the bytes are
        // compared.
        let starts = match rest.first_chunk::<{ Self::WIDTH }>() {
            Some(chunk) if u128::from_le_bytes(*chunk) & self.mask != self.first => false,
            Some(_) if self.text.len() <= Self::WIDTH => true,
            _ => rest.starts_with(&self.text),
        };
        starts.then_some(at + self.text.len())
    }
}

impl Shape {
    /// Scans an object of exactly this shape and lists its fields without their names. Returns its
    /// length, or `None` for an object of any other shape.
    pub(super) fn scan(&self, text: &[u8], fields: &mut Vec<Field>) -> Option<usize> {
        if self.steps.is_empty() {
            return None;
        }
        fields.clear();
        let mut at = 0;
        for (lead, _) in &self.steps {
            at = lead.end(text, at)?;
            let (end, kind) = scan::value(text, at, 1).ok()?;
            fields.push(Field { name: 0..0, name_escaped: false, kind, value: at..end });
            at = end;
        }
        self.tail.end(text, at)
    }

    /// Hands over the values of an object of exactly this shape while it is scanned. Returns its
    /// length, or `None` if the shape differs or a value is not taken; the record has to be
    /// forgotten then.
    pub(super) fn read(
        &self,
        text: &[u8],
        decoded: &mut Vec<u8>,
        values: &mut Straight<'_>,
    ) -> Option<usize> {
        let mut at = 0;
        for (step, (lead, _)) in self.steps.iter().enumerate() {
            at = lead.end(text, at)?;
            at = read_value(text, at, step, decoded, values)?;
        }
        self.tail.end(text, at)
    }

    /// The number of line feeds in any object that [`Self::read`] has read.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// The field numbers, in the order of the values.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().map(|(_, number)| *number)
    }

    /// Learns the shape of an object. `numbers` are the numbers of its fields.
    pub(super) fn learn(&mut self, object: &[u8], fields: &[Field], numbers: &[usize]) {
        self.steps.clear();
        let mut at = 0;
        for (field, &number) in fields.iter().zip(numbers) {
            self.steps.push((Lead::new(&object[at..field.value.start]), number));
            at = field.value.end;
        }
        self.tail = Lead::new(&object[at..]);
        let leads = self.steps.iter().map(|(lead, _)| lead).chain([&self.tail]);
        self.lines = leads.map(|lead| count_lines(&lead.text)).sum();
    }
}

/// Scans the value at `start` and hands it over. Returns where it ends, or `None` if it is broken
/// or is not taken.
#[inline]
fn read_value(
    text: &[u8],
    start: usize,
    step: usize,
    decoded: &mut Vec<u8>,
    values: &mut Straight<'_>,
) -> Option<usize> {
    let (end, kind) = scan::value(text, start, 1).ok()?;
    let source = &text[start..end];
    let taken = match kind {
        Value::Number(number) => values.number(step, number, source),
        Value::Text { escaped } => {
            let inner = &source[1..source.len() - 1];
            values.text(step, scan::string_text(inner, escaped, decoded), source)
        }
        Value::Boolean(value) => values.cell(step, Cell::Boolean(value)),
        Value::Null => values.cell(step, Cell::Null),
        // `lines` counts only the text between values, so a nested value with line feeds is not
        // taken.
        Value::Nested => count_lines(source) == 0 && values.cell(step, Cell::Nested(source)),
    };
    taken.then_some(end)
}

/// The result of scanning an object.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// Its fields.
    pub(super) fields: Vec<Field>,
    /// Whether it has the known shape, so that its fields lack their names.
    pub(super) is_known: bool,
}

impl Scanned {
    /// Scans the object at the start of a text, comparing it with the known shape first. Returns
    /// its length.
    pub(super) fn object(&mut self, text: &[u8], shape: &Shape) -> Scan<usize> {
        if let Some(length) = shape.scan(text, &mut self.fields) {
            self.is_known = true;
            return Ok(length);
        }
        self.is_known = false;
        scan::object(text, &mut self.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_files::scan::Stop;

    #[test]
    fn only_the_very_same_shape_is_known() {
        let first = br#"{"a": 1, "b" :"x"}"#;
        let (mut shape, mut scanned) = (Shape::default(), Scanned::default());
        assert_eq!(scanned.object(first, &shape), Ok(first.len()));
        assert!(!scanned.is_known);
        shape.learn(first, &scanned.fields, &[7, 3]);
        for (text, known) in [
            (&br#"{"a": -2.5e3, "b" :null}"#[..], true),
            (br#"{"a": [1, {"c": 2}], "b" :"\""}"#, true),
            (br#"{"a":1, "b" :"x"}"#, false),
            (br#"{"a": 1, "b" :"x", "c": 2}"#, false),
            (br#"{"b": 1, "a" :"x"}"#, false),
            (br#"{"a": 1}"#, false),
            (br"{}", false),
        ] {
            assert_eq!(scanned.object(text, &shape), Ok(text.len()), "{}", String::from_utf8_lossy(text));
            assert_eq!(scanned.is_known, known, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(shape.numbers().collect::<Vec<_>>(), [7, 3]);
        // What follows the object does not belong to it.
        assert_eq!(scanned.object(br#"{"a": 1, "b" :2}, {"a": 3"#, &shape), Ok(16));
        assert_eq!(scanned.object(br#"{"a": 1, "b" :2"#, &shape), Err(Stop::Short));
    }
}
