//! A look at a footer before the library reads it.
//!
//! The library follows a schema as deep as it goes, and makes room for as many things as a list says that it has. Where a damaged or
//! made-up footer asks for more than there can be, the program would end without a word; so it is refused first. The library takes a value for
//! what the format has at its place, whatever type is written there. So a value of another type is refused too: behind it the two would read
//! different things. The format is Thrift's compact
//! protocol, <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>, of the structures of
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use self::Kind::{Any, Boolean, Byte, Bytes, Double, Integer, List, Schema, Structure};

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
    match walk.structure(FOOTER, 0) {
        Some(()) => None,
        // What was not looked at may be anything.
        None => Some(walk.wrong.unwrap_or("its footer ends too early, or is damaged")),
    }
}

/// What the format has at a place.
#[derive(Clone, Copy)]
enum Kind {
    /// Nothing that the library reads. It is passed over by the type that is written there.
    Any,
    Boolean,
    Byte,
    /// Of 16, 32 or 64 bits, which are written alike.
    Integer,
    Double,
    Bytes,
    List(&'static Kind),
    /// The fields, by their numbers from 1 on.
    Structure(&'static [Kind]),
    /// The list of the schema's elements.
    Schema,
}

/// Types as they are written.
mod wire {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const INT16: u8 = 4;
    pub(super) const INT64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BYTES: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const STRUCTURE: u8 = 12;
}

impl Kind {
    fn is_written_as(self, written: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Boolean => matches!(written, wire::TRUE | wire::FALSE),
            Self::Byte => written == wire::BYTE,
            Self::Integer => (wire::INT16..=wire::INT64).contains(&written),
            Self::Double => written == wire::DOUBLE,
            Self::Bytes => written == wire::BYTES,
            Self::List(_) | Self::Schema => written == wire::LIST,
            Self::Structure(_) => written == wire::STRUCTURE,
        }
    }
}

/// `FileMetaData`.
const FOOTER: &[Kind] = &[
    Integer,
    Schema,
    Integer,
    List(&Structure(ROW_GROUP)),
    List(&Structure(KEY_VALUE)),
    Bytes,
    List(&Structure(COLUMN_ORDER)),
];
const SCHEMA_ELEMENT: &[Kind] =
    &[Integer, Integer, Integer, Bytes, Integer, Integer, Integer, Integer, Integer, Structure(LOGICAL_TYPE)];
/// The field of a [`SCHEMA_ELEMENT`] that says how many fields a group has.
const CHILDREN: i16 = 5;
const NOTHING: Kind = Structure(&[]);
const TIME: Kind = Structure(&[Boolean, Structure(&[NOTHING, NOTHING, NOTHING])]);
const LOGICAL_TYPE: &[Kind] = &[
    NOTHING,
    NOTHING,
    NOTHING,
    NOTHING,
    Structure(&[Integer, Integer]),
    NOTHING,
    TIME,
    TIME,
    Any,
    Structure(&[Byte, Boolean]),
    NOTHING,
    NOTHING,
    NOTHING,
    NOTHING,
    NOTHING,
    Structure(&[Byte]),
    Structure(&[Bytes]),
    Structure(&[Bytes, Integer]),
];
const KEY_VALUE: &[Kind] = &[Bytes, Bytes];
const COLUMN_ORDER: &[Kind] = &[NOTHING];
const ROW_GROUP: &[Kind] = &[
    List(&Structure(COLUMN_CHUNK)),
    Integer,
    Integer,
    List(&Structure(&[Integer, Boolean, Boolean])),
    Integer,
    Any,
    Integer,
];
const COLUMN_CHUNK: &[Kind] =
    &[Bytes, Integer, Structure(COLUMN_METADATA), Integer, Integer, Integer, Integer];
const COLUMN_METADATA: &[Kind] = &[
    Integer,
    List(&Integer),
    Any,
    Integer,
    Integer,
    Integer,
    Integer,
    Any,
    Integer,
    Integer,
    Integer,
    Structure(STATISTICS),
    List(&Structure(&[Integer, Integer, Integer])),
    Integer,
    Integer,
    Structure(&[Integer, List(&Integer), List(&Integer)]),
    Structure(&[Structure(BOUNDING_BOX), List(&Integer)]),
];
const STATISTICS: &[Kind] = &[Bytes, Bytes, Integer, Integer, Bytes, Bytes, Boolean, Boolean];
const BOUNDING_BOX: &[Kind] = &[Double, Double, Double, Double, Double, Double, Double, Double];

struct Walk<'a> {
    rest: &'a [u8],
    wrong: Option<&'static str>,
}

impl Walk<'_> {
    fn refuse<T>(&mut self, wrong: &'static str) -> Option<T> {
        self.wrong = Some(wrong);
        None
    }

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

    /// The number of a field and its type; none at the end of a structure. Numbers have 16 bits.
    #[expect(clippy::option_option, reason = "the outer one says whether the bytes are a footer at all")]
    fn field(&mut self, last: i16) -> Option<Option<(i16, u8)>> {
        let header = self.byte()?;
        let (step, written) = (header >> 4, header & 0x0F);
        if written == 0 {
            return Some(None);
        }
        let id = if step == 0 { i16::try_from(self.signed()?).ok()? } else { last.checked_add(step.into())? };
        Some(Some((id, written)))
    }

    /// How many elements a list has, and their type.
    fn list_header(&mut self) -> Option<(usize, u8)> {
        let header = self.byte()?;
        let size = if header >> 4 == 15 { self.number()? } else { u64::from(header >> 4) };
        // Each is a byte at least.
        if size > self.rest.len() as u64 {
            return self.refuse("a list in its footer is said to have more elements than there are bytes");
        }
        Some((size as usize, header & 0x0F))
    }

    fn structure(&mut self, fields: &[Kind], depth: usize) -> Option<()> {
        let mut last = 0;
        while let Some((id, written)) = self.field(last)? {
            last = id;
            self.member(fields, id, written, depth)?;
        }
        Some(())
    }

    /// A field of a structure.
    fn member(&mut self, fields: &[Kind], id: i16, written: u8, depth: usize) -> Option<()> {
        let at = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let kind = at.and_then(|at| fields.get(at)).copied().unwrap_or(Any);
        // As a field, a truth value has no byte of its own.
        if kind.is_written_as(written) && Boolean.is_written_as(written) {
            return Some(());
        }
        self.value(kind, written, depth)
    }

    fn value(&mut self, kind: Kind, written: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST_STRUCTURE {
            return self.refuse("the structures of its footer are nested too deep");
        }
        if !kind.is_written_as(written) {
            return self.refuse("a value in its footer is of another type than Parquet has there");
        }
        match (kind, written) {
            (Schema, _) => self.schema(depth),
            (Structure(fields), _) => self.structure(fields, depth + 1),
            (List(element), _) => self.list(*element, depth),
            (_, wire::BYTE) => self.byte().map(|_| ()),
            (_, wire::INT16..=wire::INT64) => self.number().map(|_| ()),
            (_, wire::DOUBLE) => self.skip(8),
            (_, wire::BYTES) => {
                let length = self.number()?;
                self.skip(usize::try_from(length).ok()?)
            }
            (_, wire::LIST | wire::SET) => self.list(Any, depth),
            (_, wire::STRUCTURE) => self.structure(&[], depth + 1),
            // Truth values in lists too: of how many bytes they are there, programs do not agree.
            _ => None,
        }
    }

    fn list(&mut self, element: Kind, depth: usize) -> Option<()> {
        let (size, written) = self.list_header()?;
        (0..size).try_for_each(|_| self.value(element, written, depth + 1))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    /// The elements of the schema, each group before what is within it.
    fn schema(&mut self, depth: usize) -> Option<()> {
        let (size, written) = self.list_header()?;
        if size > 0 && written != wire::STRUCTURE {
            return self.refuse("its schema is of another type than Parquet has there");
        }
        // How many elements each open group still has.
        let mut open: Vec<i64> = Vec::new();
        for _ in 0..size {
            let (mut last, mut children) = (0, 0);
            while let Some((id, written)) = self.field(last)? {
                last = id;
                if id == CHILDREN && Integer.is_written_as(written) {
                    children = self.signed()?;
                } else {
                    self.member(SCHEMA_ELEMENT, id, written, depth + 1)?;
                }
            }
            if children < 0 || children > size as i64 {
                return self.refuse("a group of its schema is said to have more fields than there are");
            }
            while open.pop_if(|left| *left == 0).is_some() {}
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            if open.len() > DEEPEST_SCHEMA {
                return self
                    .refuse("its columns are nested too deep: groups within groups, more than 200 levels");
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
        nested_behind(&[0x15, 2, 0x19], levels, 0x15)
    }

    /// The same with other bytes before the schema's list, and another first byte of the number of a group's fields.
    fn nested_behind(start: &[u8], levels: usize, children: u8) -> Vec<u8> {
        let mut footer = [start, &[0xFC]].concat();
        let mut size = levels + 1;
        while size > 0x7F {
            footer.push((size & 0x7F) as u8 | 0x80);
            size >>= 7;
        }
        footer.push(size as u8);
        for _ in 0..levels {
            // A name of one letter, and one child.
            footer.extend([0x48, 1, b'a', children, 2, 0]);
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
        let long = [0x15, 2, 0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0];
        assert!(wrong(&long).is_some_and(|what| what.contains("more elements")));
        // A structure in a structure in a structure …
        assert!(wrong(&vec![0xFC; 100_000]).is_some_and(|what| what.contains("too deep")));
        // Nobody knows what follows: a value that is cut off, a number that never ends, a type that there is not.
        for broken in [&[][..], &[0x19], &[0x15, 0x80], &[0x15, 0x80, 0x80, 0, 0x1B, 1], &[0xFF; 40]] {
            assert!(wrong(broken).is_some(), "{broken:?}");
        }
        assert_eq!(wrong(&[0]), None, "what lacks the library says");
        assert_eq!(
            (length(b"....\x05\0\0\0PAR1"), length(b"PAR1"), length(b"\x05\0\0\0PARE")),
            (Some(5), None, None)
        );
    }

    /// What the library takes for a deep schema must not be taken for something else here.
    #[test]
    fn a_schema_cannot_be_hidden() {
        const DEEP: usize = DEEPEST_SCHEMA + 1;
        let told = |about: &str, footer: &[u8], what: &str| {
            assert!(wrong(footer).is_some_and(|told| told.contains(what)), "{about}: {:?}", wrong(footer));
        };
        // The number of fields as one of 64 or 16 bits.
        told("i64", &nested_behind(&[0x15, 2, 0x19], DEEP, 0x16), "nested too deep");
        told("i16", &nested_behind(&[0x15, 2, 0x19], DEEP, 0x14), "nested too deep");
        // The number 65538 is 2 in 16 bits.
        told("long number", &nested_behind(&[0x15, 2, 0x09, 0x84, 0x80, 0x08], DEEP, 0x15), "damaged");
        // The greatest number of 64 bits, and one more; and the same of 16.
        let greatest = [0x05, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 0x15, 2, 0];
        told("no number", &greatest, "damaged");
        told("no number of 16 bits", &[0x05, 0xFE, 0xFF, 3, 2, 0x15, 2, 0], "damaged");
        // The schema as a set, or as a number.
        told("a set", &nested_behind(&[0x15, 2, 0x1A], DEEP, 0x15), "another type");
        told("a number", &nested_behind(&[0x15, 2, 0x15], DEEP, 0x15), "another type");
        // The version as a text, which has the rest in it, or as a map, of which nobody knows where it ends.
        told("a text", &nested_behind(&[0x18, 0x7F, 0x19], DEEP, 0x15), "another type");
        told("a map", &nested_behind(&[0x1B, 2, 0x19], DEEP, 0x15), "another type");
        // A list of truth values, which are a byte each for some and nothing for others.
        let list = [0x15, 2, 0xF9, 0x21, 1, 1];
        assert!(wrong(&[&list[..], &nested(DEEP)].concat()).is_some(), "truth values");
    }
}
