//! Checks the footer of a file before the `parquet` library parses it.
//!
//! The library recurses as deep as a schema is nested, and allocates as many elements as a list
//! claims to have. A damaged or malicious footer could thus overflow the stack or exhaust memory
//! and abort the process, so it is refused first. The library also reads a value as the type that
//! the format defines at its place, whatever type is written there. A value of another type is
//! therefore refused too: behind it, this check and the library would read different things.
//!
//! The encoding is Thrift's compact protocol,
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>, the
//! structures are those of
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use self::Kind::{Any, Boolean, Byte, Bytes, Double, Integer, List, Schema, Structure};

/// The deepest nesting of groups that is accepted. The stack of a thread certainly suffices for it.
const DEEPEST_SCHEMA: usize = 200;
/// The deepest nesting of Thrift structures that is accepted. Parquet needs about a dozen.
const DEEPEST_STRUCTURE: usize = 64;

/// The number of bytes after a footer: its length (4) and the magic number `PAR1` (4).
pub(super) const END: usize = 8;

/// The length of a footer in bytes, from the last bytes of its file. Returns `None` if they are not
/// the end of a Parquet file with a plain footer (an encrypted one has another magic number).
pub(super) fn length(end: &[u8]) -> Option<usize> {
    let (length, mark) = end.last_chunk::<END>()?.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?);
    (mark == b"PAR1").then_some(length as usize)
}

/// Why a footer must not be passed to the library. Returns `None` if it may be.
pub(super) fn wrong(footer: &[u8]) -> Option<&'static str> {
    let mut walk = Walk { rest: footer, wrong: None };
    match walk.structure(FOOTER, 0) {
        Some(()) => None,
        // Without a specific reason the walk ended early, and the unread rest could be anything.
        None => Some(walk.wrong.unwrap_or("its footer ends too early, or is damaged")),
    }
}

/// The type that the Parquet format defines at a place.
#[derive(Clone, Copy)]
enum Kind {
    /// Ignored by the library. The value is skipped by the type that is written in front of it.
    Any,
    Boolean,
    Byte,
    /// Of 16, 32 or 64 bits, which share one encoding.
    Integer,
    Double,
    Bytes,
    List(&'static Kind),
    /// A structure, with the types of its fields by their ids, from 1 on.
    Structure(&'static [Kind]),
    /// The list of the elements of the schema, which is checked in a walk of its own.
    Schema,
}

/// The type codes of the compact protocol.
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
    /// Whether the type code `written` is a valid encoding of this type.
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

/// The structure `FileMetaData`.
const FOOTER: &[Kind] = &[
    Integer,
    Schema,
    Integer,
    List(&Structure(ROW_GROUP)),
    List(&Structure(KEY_VALUE)),
    Bytes,
    List(&Structure(COLUMN_ORDER)),
];
/// The structure `SchemaElement`: one node of the schema. A group is followed by its fields.
const SCHEMA_ELEMENT: &[Kind] =
    &[Integer, Integer, Integer, Bytes, Integer, Integer, Integer, Integer, Integer, Structure(LOGICAL_TYPE)];
/// The field of a [`SCHEMA_ELEMENT`] that says how many fields a group has.
const CHILDREN: i16 = 5;
/// A structure without fields, by which a union says only which of its cases it is.
const NOTHING: Kind = Structure(&[]);
/// `TimeType` and `TimestampType`: whether it is in UTC, and the unit.
const TIME: Kind = Structure(&[Boolean, Structure(&[NOTHING, NOTHING, NOTHING])]);
/// The union `LogicalType`: the field that is set says which type it is.
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
/// The structure `KeyValue`.
const KEY_VALUE: &[Kind] = &[Bytes, Bytes];
/// The union `ColumnOrder`.
const COLUMN_ORDER: &[Kind] = &[NOTHING];
/// The structure `RowGroup`.
const ROW_GROUP: &[Kind] = &[
    List(&Structure(COLUMN_CHUNK)),
    Integer,
    Integer,
    List(&Structure(&[Integer, Boolean, Boolean])),
    Integer,
    Any,
    Integer,
];
/// The structure `ColumnChunk`.
const COLUMN_CHUNK: &[Kind] =
    &[Bytes, Integer, Structure(COLUMN_METADATA), Integer, Integer, Integer, Integer];
/// The structure `ColumnMetaData`.
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
/// The structure `Statistics`.
const STATISTICS: &[Kind] = &[Bytes, Bytes, Integer, Integer, Bytes, Bytes, Boolean, Boolean];
/// The structure `BoundingBox`.
const BOUNDING_BOX: &[Kind] = &[Double, Double, Double, Double, Double, Double, Double, Double];

/// A walk over the bytes of a footer. Every method returns `None` as soon as something is wrong;
/// then the rest is not looked at.
struct Walk<'a> {
    rest: &'a [u8],
    /// The specific reason, if there is one beyond a damaged or truncated footer.
    wrong: Option<&'static str>,
}

impl Walk<'_> {
    /// Ends the walk for a specific reason.
    fn refuse<T>(&mut self, wrong: &'static str) -> Option<T> {
        self.wrong = Some(wrong);
        None
    }

    /// Consumes one byte.
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Reads a varint: seven bits a byte, the lowest first; the high bit says that more follow.
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

    /// Reads a zigzag number, whose lowest bit is the sign.
    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// Reads the header of a field: its id, of 16 bits, and its type code. Returns `Some(None)` at
    /// the end of a structure. `last` is the id of the field before, which short headers count
    /// from.
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

    /// Reads the header of a list: the number of elements, and their type code.
    fn list_header(&mut self) -> Option<(usize, u8)> {
        let header = self.byte()?;
        let size = if header >> 4 == 15 { self.number()? } else { u64::from(header >> 4) };
        // Each element takes at least one byte, so this bounds what the library allocates.
        if size > self.rest.len() as u64 {
            return self.refuse("a list in its footer is said to have more elements than there are bytes");
        }
        Some((size as usize, header & 0x0F))
    }

    /// Checks a structure, field by field, to its end.
    fn structure(&mut self, fields: &[Kind], depth: usize) -> Option<()> {
        let mut last = 0;
        while let Some((id, written)) = self.field(last)? {
            last = id;
            self.member(fields, id, written, depth)?;
        }
        Some(())
    }

    /// Checks the value of one field of a structure. A field that the format does not define is
    /// skipped.
    fn member(&mut self, fields: &[Kind], id: i16, written: u8, depth: usize) -> Option<()> {
        let at = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let kind = at.and_then(|at| fields.get(at)).copied().unwrap_or(Any);
        // The type code of a boolean field is its value; no byte follows.
        if kind.is_written_as(written) && Boolean.is_written_as(written) {
            return Some(());
        }
        self.value(kind, written, depth)
    }

    /// Checks one value. `kind` is its type by the format, `written` the type code that the file
    /// has.
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
            // Maps and unknown types, and booleans in lists: programs disagree about how many bytes
            // those take.
            _ => None,
        }
    }

    /// Checks a list whose elements are of one type.
    fn list(&mut self, element: Kind, depth: usize) -> Option<()> {
        let (size, written) = self.list_header()?;
        (0..size).try_for_each(|_| self.value(element, written, depth + 1))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    /// Checks the list of schema elements. It is a tree in preorder: a group says how many fields
    /// it has, and they follow it. Refuses a tree that is too deep, and a group with an impossible
    /// number of fields.
    fn schema(&mut self, depth: usize) -> Option<()> {
        let (size, written) = self.list_header()?;
        if size > 0 && written != wire::STRUCTURE {
            return self.refuse("its schema is of another type than Parquet has there");
        }
        // For each open group, the number of fields that are still to come.
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
            // A group whose fields have all come is complete, which may complete the one around it.
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

    /// A footer whose schema has this many levels.
    fn nested(levels: usize) -> Vec<u8> {
        nested_behind(&[0x15, 2, 0x19], levels, 0x15)
    }

    /// The same with other bytes before the list of the schema, and another first byte of the field
    /// that has the number of a group's fields.
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
        // A list of two billion elements.
        let long = [0x15, 2, 0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0];
        assert!(wrong(&long).is_some_and(|what| what.contains("more elements")));
        // A structure in a structure in a structure …
        assert!(wrong(&vec![0xFC; 100_000]).is_some_and(|what| what.contains("too deep")));
        // What follows is unknown: a truncated value, a number without an end, an undefined type.
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
        // The version as a text that contains the rest, or as a map, whose end is unknown.
        told("a text", &nested_behind(&[0x18, 0x7F, 0x19], DEEP, 0x15), "another type");
        told("a map", &nested_behind(&[0x1B, 2, 0x19], DEEP, 0x15), "another type");
        // A list of booleans, which take a byte each for some programs and none for others.
        let list = [0x15, 2, 0xF9, 0x21, 1, 1];
        assert!(wrong(&[&list[..], &nested(DEEP)].concat()).is_some(), "truth values");
    }
}
