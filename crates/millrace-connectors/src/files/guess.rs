//! Columns that were told from the beginning of a stream, held against all of it while it is read.
//!
//! Looking a stream through before it is loaded costs as much as loading it. So its columns are guessed from its first bytes and it is
//! loaded at once, under watch: the guess holds where looking through all of it would have come to the same columns, and only then do
//! the rows count. Otherwise the read ends with [`ErrorKind::SchemaDrift`](millrace_engine::error::ErrorKind::SchemaDrift), and the stream is looked through.

use millrace_core::schema::{Column, DataType};

use crate::files::cell::{Cell, Spelling};
use crate::files::infer::Profile;
use crate::files::spelling;

/// Values beside those of its kind that a column may have before their share is looked at.
const FEW_OTHERS: u64 = 1000;

/// What has been seen of the columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guess {
    columns: Vec<Watched>,
}

#[derive(Debug, Clone)]
struct Watched {
    data_type: DataType,
    nullable: bool,
    /// Whether it is part of the key, whose numbers have to give their texts back.
    is_key: bool,
    /// Values of the column's kind, of which looking through would make this very type.
    alike: u64,
    /// All others.
    others: Profile,
}

impl Guess {
    /// A guess at these columns, of a stream with such a key.
    pub(crate) fn new(columns: &[Column], key: &[String]) -> Self {
        let watched = |column: &Column| Watched {
            data_type: column.data_type,
            nullable: column.nullable,
            is_key: key.iter().any(|name| spelling::are_alike(name, &column.name)),
            alike: 0,
            others: Profile::of_types(),
        };
        Self { columns: columns.iter().map(watched).collect() }
    }

    /// The same guess, of which nothing has been seen.
    pub(crate) fn afresh(&self) -> Self {
        let afresh = |watched: &Watched| Watched { alike: 0, others: Profile::of_types(), ..*watched };
        Self { columns: self.columns.iter().map(afresh).collect() }
    }

    /// Takes what another thread has seen into account.
    pub(crate) fn add(&mut self, other: &Self) {
        for (watched, other) in self.columns.iter_mut().zip(&other.columns) {
            watched.alike += other.alike;
            watched.others.add(&other.others);
        }
    }

    /// Takes a value into account that its column has taken, written in that way. False where the guess is wrong.
    pub(crate) fn took(&mut self, index: usize, cell: Cell<'_>, spelling: Spelling) -> bool {
        let watched = &mut self.columns[index];
        match (spelling, cell) {
            (Spelling::Own, _) => watched.alike += 1,
            (Spelling::Other, _) => return false,
            (Spelling::Any, cell) if cell.is_null_in(watched.data_type) => return watched.lacks(),
            (Spelling::Any, cell) => watched.others.see(cell),
        }
        true
    }

    /// The same for so many values that looking through would make the column's very type of.
    pub(crate) fn took_alike(&mut self, index: usize, values: u64) {
        self.columns[index].alike += values;
    }

    /// The same for one that its column has refused, or was not offered.
    pub(crate) fn refused(&mut self, index: usize, cell: Cell<'_>) -> bool {
        let watched = &mut self.columns[index];
        if cell.is_null_in(watched.data_type) {
            return watched.lacks();
        }
        let mut one = Profile::of_types();
        one.see(cell);
        watched.others.add(&one);
        let hopeless = watched.others.seen() > FEW_OTHERS && !watched.holds();
        !hopeless && !one.has_kind_of(watched.data_type)
    }

    /// Takes into account that a record lacks a value. False where the guess is wrong.
    pub(crate) fn lacks(&self, index: usize) -> bool {
        self.columns[index].lacks()
    }

    /// Whether looking through all that was seen would have come to these columns.
    pub(crate) fn holds(&self) -> bool {
        self.columns.iter().all(Watched::holds)
    }
}

impl Watched {
    /// The beginning had a record without a value too where the column may lack them; one more changes nothing.
    fn lacks(&self) -> bool {
        self.nullable
    }

    fn holds(&self) -> bool {
        let all = self.others.with(self.alike, self.data_type);
        let data_type = if self.is_key { all.key_type() } else { all.data_type() };
        data_type == self.data_type
    }
}

#[cfg(all(test, feature = "json", feature = "csv"))]
mod tests;
