//! Checks columns that were guessed from the beginning of a stream against the whole stream, while
//! it is loaded. See ADR 0022.
//!
//! Discovery costs as much as loading. So the columns are guessed from the first bytes of a stream,
//! and it is loaded at once under watch. The guess holds if discovery of the whole stream would
//! have inferred the same columns; only then do the rows count. Otherwise the read ends with
//! [`ErrorKind::SchemaDrift`](millrace_engine::error::ErrorKind::SchemaDrift), and the stream is
//! discovered.
//!
//! To be cheap, only values that are not of the column's own kind go through a [`Profile`]; all
//! others are counted.

use millrace_core::schema::{Column, DataType};

use crate::files::cell::{Cell, Spelling};
use crate::files::infer::Profile;
use crate::files::spelling;

/// Values of other kinds that a column may have before their share is checked.
const FEW_OTHERS: u64 = 1000;

/// What has been seen of the guessed columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guess {
    columns: Vec<Watched>,
}

/// One guessed column.
#[derive(Debug, Clone)]
struct Watched {
    data_type: DataType,
    nullable: bool,
    /// Whether it is part of the key, whose numbers have to give their texts back.
    is_key: bool,
    /// The number of values from which discovery would infer this very type.
    alike: u64,
    /// All other values.
    others: Profile,
}

impl Guess {
    /// A guess of these columns, of a stream with this key.
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

    /// The same guess, without anything seen.
    pub(crate) fn afresh(&self) -> Self {
        let afresh = |watched: &Watched| Watched { alike: 0, others: Profile::of_types(), ..*watched };
        Self { columns: self.columns.iter().map(afresh).collect() }
    }

    /// Adds what another thread has seen.
    pub(crate) fn add(&mut self, other: &Self) {
        for (watched, other) in self.columns.iter_mut().zip(&other.columns) {
            watched.alike += other.alike;
            watched.others.add(&other.others);
        }
    }

    /// Counts a value that its column has taken, by its spelling. Returns false if it disproves the
    /// guess.
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

    /// Counts `values` values from which discovery would infer the column's very type.
    pub(crate) fn took_alike(&mut self, index: usize, values: u64) {
        self.columns[index].alike += values;
    }

    /// Counts a value that its column has refused, or was not offered. Returns false if it
    /// disproves the guess.
    pub(crate) fn refused(&mut self, index: usize, cell: Cell<'_>) -> bool {
        let watched = &mut self.columns[index];
        if cell.is_null_in(watched.data_type) {
            return watched.lacks();
        }
        let mut one = Profile::of_types();
        one.see(cell);
        watched.others.add(&one);
        // The share is checked once there are many, so that a wrong guess does not read on to the
        // end.
        let hopeless = watched.others.seen() > FEW_OTHERS && !watched.holds();
        !hopeless && !one.has_kind_of(watched.data_type)
    }

    /// Whether a record without a value for this column agrees with the guess.
    pub(crate) fn lacks(&self, index: usize) -> bool {
        self.columns[index].lacks()
    }

    /// Whether discovery would have inferred these columns from all values that were seen.
    pub(crate) fn holds(&self) -> bool {
        self.columns.iter().all(Watched::holds)
    }
}

impl Watched {
    /// A column is nullable if the beginning had a record without a value; one more changes
    /// nothing.
    fn lacks(&self) -> bool {
        self.nullable
    }

    /// Infers the type from both counts, as discovery would, and compares.
    fn holds(&self) -> bool {
        let all = self.others.with(self.alike, self.data_type);
        let data_type = if self.is_key { all.key_type() } else { all.data_type() };
        data_type == self.data_type
    }
}

#[cfg(all(test, feature = "json", feature = "csv"))]
mod tests;
