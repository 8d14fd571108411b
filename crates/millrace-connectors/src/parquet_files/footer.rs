//! A look at a footer before the library reads it.
//!
//! The library follows a schema as deep as it goes, and makes room for as many things as a list says that it has. Where a damaged or
//! made-up footer asks for more than there can be, the program would end without a word; so it is refused first. The format is Thrift's compact
//! protocol, <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>, of the structures of
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

/// Levels of groups within groups, as deep as the stack of a thread goes for certain.
const DEEPEST_SCHEMA: usize = 200;
/// Levels of structures within structures, of which Parquet has a dozen.
const DEEPEST_STRUCTURE: usize = 64;

/// Bytes behind a footer: its length and the format's mark.
pub(super) const END: usize = 8;

/// The length of a footer, by the last bytes of its file; none where these are no end of a file of Parquet with a footer that anybody may
/// read.
pub(super) fn length(end: &[u8]) -> Option<usize> {
    let (length, mark) = end.last_chunk::<END>()?.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?);
    (mark == b"PAR1").then_some(length as usize)
}

/// What is wrong with a footer, such that the library must not see it.
pub(super) fn wrong(footer: &[u8]) -> Option<&'static str> {
    let mut walk = Walk { rest: footer, wrong: None };
    // What ends too early, or is of no kind that is known, the library refuses by itself.
    let _whole = walk.structure(0, Structure::Footer);
    walk.wrong
}

/// A structure in which there is something to look at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Structure {
    Footer,
    Other,
}

struct Walk<'a> {
    rest: &'a [u8],
    wrong: Option<&'static str>,
}

impl Walk<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number whose sign is its last bit.
    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The number of a field and its type; none at the end of a structure.
    #[expect(clippy::option_option, reason = "the outer one says whether the bytes are a footer at all")]
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let header = self.byte()?;
        if header == 0 {
            return Some(None);
        }
        let id = if header >> 4 == 0 { self.signed()? } else { last + i64::from(header >> 4) };
        Some(Some((id, header & 0x0F)))
    }

    /// How many elements a list has, and their type.
    fn list(&mut self) -> Option<(usize, u8)> {
        let header = self.byte()?;
        let size = if header >> 4 == 15 { self.number()? } else { u64::from(header >> 4) };
        // Each is a byte at least.
        if size > self.rest.len() as u64 {
            self.wrong = Some("a list in its footer is said to have more elements than there are bytes");
            return None;
        }
        Some((size as usize, header & 0x0F))
    }

    fn structure(&mut self, depth: usize, which: Structure) -> Option<()> {
        let mut last = 0;
        while let Some((id, kind)) = self.field(last)? {
            last = id;
            if which == Structure::Footer && id == 2 && kind == 9 {
                self.schema()?;
            } else if !matches!(kind, 1 | 2) {
                self.value(kind, depth)?;
            }
        }
        Some(())
    }

    /// A value that is not looked at. As a field, a truth value has no byte of its own.
    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST_STRUCTURE {
            self.wrong = Some("the structures of its footer are nested too deep");
            return None;
        }
        match kind {
            1..=3 => self.byte().map(|_| ()),
            4..=6 => self.number().map(|_| ()),
            7 => self.skip(8),
            8 => {
                let length = self.number()?;
                self.skip(usize::try_from(length).ok()?)
            }
            9 | 10 => {
                let (size, kind) = self.list()?;
                (0..size).try_for_each(|_| self.value(kind, depth + 1))
            }
            12 => self.structure(depth + 1, Structure::Other),
            _ => None,
        }
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    /// The elements of the schema, each group before what is within it.
    fn schema(&mut self) -> Option<()> {
        let (size, _) = self.list()?;
        // How many elements each open group still has.
        let mut open: Vec<i64> = Vec::new();
        for _ in 0..size {
            let (mut last, mut children) = (0, 0);
            while let Some((id, kind)) = self.field(last)? {
                last = id;
                match (id, kind) {
                    (5, 5) => children = self.signed()?,
                    (_, 1 | 2) => {}
                    _ => self.value(kind, 1)?,
                }
            }
            if children < 0 || children > size as i64 {
                self.wrong = Some("a group of its schema is said to have more fields than there are");
                return None;
            }
            while open.pop_if(|left| *left == 0).is_some() {}
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            if open.len() > DEEPEST_SCHEMA {
                self.wrong =
                    Some("its columns are nested too deep: groups within groups, more than 200 levels");
                return None;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer whose schema has so many levels.
    fn nested(levels: usize) -> Vec<u8> {
        let mut footer = vec![0x15, 2, 0x19, 0xFC];
        let mut size = levels + 1;
        while size > 0x7F {
            footer.push((size & 0x7F) as u8 | 0x80);
            size >>= 7;
        }
        footer.push(size as u8);
        for _ in 0..levels {
            // A name of one letter, and one child.
            footer.extend([0x48, 1, b'a', 0x15, 2, 0]);
        }
        footer.extend([0x15, 2, 0x38, 1, b'v', 0, 0]);
        footer
    }

    #[test]
    fn what_no_footer_can_be_is_told() {
        assert_eq!(wrong(&nested(3)), None);
        assert_eq!(wrong(&nested(DEEPEST_SCHEMA)), None);
        assert!(wrong(&nested(DEEPEST_SCHEMA + 1)).is_some_and(|what| what.contains("nested too deep")));
        assert!(wrong(&nested(200_000)).is_some_and(|what| what.contains("nested too deep")));
        // A list of two thousand million elements.
        let long = [0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0];
        assert!(wrong(&long).is_some_and(|what| what.contains("more elements")));
        // A structure in a structure in a structure …
        assert!(wrong(&vec![0x4C; 100_000]).is_some_and(|what| what.contains("too deep")));
        for broken in [&[][..], &[0x19], &[0x15, 0x80], &[0x1B, 1], &[0xFF; 40]] {
            assert_eq!(wrong(broken), None, "{broken:?}: the library says so");
        }
        assert_eq!(
            (length(b"....\x05\0\0\0PAR1"), length(b"PAR1"), length(b"\x05\0\0\0PARE")),
            (Some(5), None, None)
        );
    }
}
