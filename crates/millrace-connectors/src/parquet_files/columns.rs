//! Merges the columns of several files into those of one stream.
//!
//! A column takes a type that holds the values of all files; the order of the files does not
//! matter. Whether a column that is an integer in some files and a float in others is a float
//! cannot be told from types: such columns are listed as [`Mixed`], and their values decide.

use std::collections::{BTreeSet, HashMap};

use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::StreamName;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::schema::{Column, DataType};
use millrace_engine::compile::contract::wider;

use crate::files::spelling;

/// A column of a file.
#[derive(Debug)]
pub(super) struct FileColumn {
    /// Name and type, as the file has them.
    pub(super) column: Column,
    /// Whether its type is Null. Some programs write that type if all values are missing.
    pub(super) is_null: bool,
}

/// A field of one of several files: the place of the file, and that of the field in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileField {
    pub(super) file: usize,
    pub(super) field: usize,
}

/// A column that some files have as integers and others as floats.
#[derive(Debug)]
pub(super) struct Mixed {
    /// Its place among the merged columns.
    pub(super) column: usize,
    /// Its type if all floats are whole numbers.
    pub(super) whole: DataType,
    /// The fields in which it is a float, in the order of the files.
    pub(super) floats: Vec<FileField>,
}

/// The merged columns of the files that were added so far.
#[derive(Debug, Default)]
pub(super) struct Columns {
    all: Vec<Merged>,
    names: Names,
    /// How many files were added.
    files: usize,
    /// The other spellings of columns that a notice was made for.
    respelled: BTreeSet<(usize, String)>,
    notices: Vec<Diagnostic>,
}

/// A column, merged over the files that have it.
#[derive(Debug)]
struct Merged {
    /// Whether it is nullable in any of the files.
    nullable: bool,
    types: Types,
    /// How many files have it.
    files: usize,
}

/// The types of a column in several files, separately for exact numbers, floats and all others, so
/// that the order of the files does not matter.
#[derive(Debug, Default)]
struct Types {
    /// The type that holds all exact numbers, integers and decimals.
    exact: Option<DataType>,
    has_decimals: bool,
    float: Option<DataType>,
    /// The type that holds all other values.
    other: Option<DataType>,
    /// The fields in which it is a float.
    floats: Vec<FileField>,
}

impl Types {
    /// Adds the type of the column in one more file.
    fn add(&mut self, data_type: DataType, at: FileField) {
        if matches!(data_type, DataType::Float32 | DataType::Float64) {
            self.float = Some(self.float.and_then(|known| wider(known, data_type)).unwrap_or(data_type));
            self.floats.push(at);
        } else if data_type.is_numeric() {
            self.has_decimals |= matches!(data_type, DataType::Decimal { .. });
            let Some(known) = self.exact else {
                self.exact = Some(data_type);
                return;
            };
            match wider(known, data_type) {
                Some(wider) => self.exact = Some(wider),
                None => self.add_other(DataType::Text),
            }
        } else {
            self.add_other(data_type);
        }
    }

    /// Adds a type that is not a number. Two different ones become text, or JSON if one of them is.
    fn add_other(&mut self, data_type: DataType) {
        self.other = Some(match self.other {
            None => data_type,
            Some(known) if known == data_type => known,
            Some(DataType::Json) => DataType::Json,
            Some(_) if data_type == DataType::Json => DataType::Json,
            // Also dates and timestamps: they write the same moment as different texts, so neither
            // includes the other.
            Some(_) => DataType::Text,
        });
    }

    /// The type that holds all values, as far as types tell.
    fn data_type(&self) -> DataType {
        match (self.exact, self.float, self.other) {
            (None, None, Some(only)) | (None, Some(only), None) | (Some(only), None, None) => only,
            (_, _, Some(DataType::Json)) => DataType::Json,
            // A float unless its values turn out to be whole. Beside decimals a float is not exact,
            // so that column becomes text.
            (Some(_), Some(_), None) if !self.has_decimals => DataType::Float64,
            _ => DataType::Text,
        }
    }

    /// The type of a column of integers and floats if all floats are whole. Returns `None` for a
    /// column of any other types.
    fn whole(&self) -> Option<DataType> {
        let (Some(exact), Some(_), None, false) = (self.exact, self.float, self.other, self.has_decimals)
        else {
            return None;
        };
        Some(match exact {
            DataType::UInt64 | DataType::Decimal { .. } => DataType::Decimal { precision: 20, scale: 0 },
            _ => DataType::Int64,
        })
    }
}

impl Columns {
    /// Adds the columns of one more file, in the order of its fields. A name in another letter case
    /// is the same column, unless the file has both. The first spelling is kept, and each other one
    /// is reported once.
    pub(super) fn add(&mut self, stream: &StreamName, of_file: Vec<FileColumn>) {
        let file = self.files;
        let names = Names::of(of_file.iter().map(|of_file| of_file.column.name.as_str()));
        for (field, FileColumn { column, is_null }) in of_file.into_iter().enumerate() {
            let at = self.names.place(&column.name, &names).unwrap_or_else(|| {
                self.names.push(&column.name);
                self.all.push(Merged { nullable: false, types: Types::default(), files: 0 });
                self.all.len() - 1
            });
            let first = self.names.name(at);
            if first != column.name && self.respelled.insert((at, column.name.clone())) {
                self.notices.push(spelling::notice(stream, first, &column.name));
            }
            let merged = &mut self.all[at];
            merged.nullable |= column.nullable;
            merged.files += 1;
            if !is_null {
                merged.types.add(column.data_type, FileField { file, field });
            }
        }
        self.files += 1;
    }

    /// The columns that some files have as integers and others as floats, without the excluded
    /// ones.
    pub(super) fn mixed(&self, excluded: &LeftOut) -> Vec<Mixed> {
        let wanted = self.all.iter().enumerate().filter(|(at, _)| !excluded.contains(self.names.name(*at)));
        let mixed = wanted.filter_map(|(column, merged)| {
            let floats = merged.types.floats.clone();
            merged.types.whole().map(|whole| Mixed { column, whole, floats })
        });
        mixed.collect()
    }

    /// The merged columns and the notices about them. A column that a file lacks is nullable.
    pub(super) fn into_parts(self) -> (Vec<Column>, Vec<Diagnostic>) {
        let Self { all, names, files, notices, .. } = self;
        let column = |(name, merged): (String, Merged)| Column {
            name,
            data_type: merged.types.data_type(),
            nullable: merged.nullable || merged.files < files,
        };
        (names.all.into_iter().zip(all).map(column).collect(), notices)
    }
}

/// Names of columns, which can be found in any letter case.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// In the order in which they were added.
    all: Vec<String>,
    /// The place of each exact name.
    by_name: HashMap<String, usize>,
    /// The places of all names that are equal in lower case.
    by_folded: HashMap<String, Vec<usize>>,
}

impl Names {
    /// Collects names, in their order.
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let mut all = Self::default();
        names.for_each(|name| all.push(name));
        all
    }

    fn push(&mut self, name: &str) {
        let at = self.all.len();
        self.by_name.entry(name.to_owned()).or_insert(at);
        self.by_folded.entry(name.to_lowercase()).or_default().push(at);
        self.all.push(name.to_owned());
    }

    fn name(&self, at: usize) -> &str {
        &self.all[at]
    }

    /// The place of a field of a file among these names. An exact match counts first. Otherwise the
    /// name that is equal in lower case counts, if it is the only such name here and the field is
    /// the only such field in its file (`of_file`).
    pub(super) fn place(&self, field: &str, of_file: &Self) -> Option<usize> {
        if let Some(&at) = self.by_name.get(field) {
            return Some(at);
        }
        let folded = field.to_lowercase();
        let is_alone = of_file.by_folded.get(&folded).is_some_and(|fields| fields.len() == 1);
        match self.by_folded.get(&folded)?.as_slice() {
            &[only] if is_alone => Some(only),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(types: &[&str]) -> (String, Option<String>) {
        let mut all = Types::default();
        for (file, data_type) in types.iter().enumerate() {
            all.add(data_type.parse().expect("a type"), FileField { file, field: 0 });
        }
        (all.data_type().to_string(), all.whole().map(|whole| whole.to_string()))
    }

    #[test]
    fn the_order_of_files_says_nothing() {
        for (types, expected, whole) in [
            (["int64", "float64", "text"], "text", None),
            (["int64", "float64", "decimal(10,2)"], "text", None),
            (["int64", "float64", "json"], "json", None),
            (["int64", "float64", "float32"], "float64", Some("int64")),
            (["int8", "float32", "int8"], "float64", Some("int64")),
            (["uint64", "float64", "int64"], "float64", Some("decimal(20,0)")),
            (["uint64", "float64", "uint8"], "float64", Some("decimal(20,0)")),
            (["float32", "float64", "float32"], "float64", None),
            (["int32", "int64", "decimal(10,2)"], "decimal(21,2)", None),
            (["date", "timestamp", "date"], "text", None),
            (["date", "json", "int8"], "json", None),
            (["boolean", "boolean", "boolean"], "boolean", None),
        ] {
            for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let types = [types[a], types[b], types[c]];
                assert_eq!(merged(&types), (expected.to_owned(), whole.map(str::to_owned)), "{types:?}");
            }
        }
    }

    #[test]
    fn many_columns_take_no_time() {
        let start = std::time::Instant::now();
        let column = |name: String| FileColumn {
            column: Column { name, data_type: DataType::Int8, nullable: false },
            is_null: false,
        };
        let mut columns = Columns::default();
        for file in 0..20 {
            // Each name differs in letter case from the file before.
            let name = |n: usize| match file % 2 {
                0 => format!("Column_{n}"),
                _ => format!("COLUMN_{n}"),
            };
            columns.add(&StreamName::new("s", "t"), (0..10_000).map(|n| column(name(n))).collect());
        }
        let (columns, notices) = columns.into_parts();
        assert_eq!((columns.len(), notices.len()), (10_000, 10_000));
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    }
}
