//! Discovers the columns of a stream from its records.
//!
//! Each field gets a [`Profile`] of its values. Afterwards the profiles of fields that differ in
//! letter case only are united, and each becomes a column.

use millrace_core::name::StreamName;
use millrace_core::schema::{Column, StreamSchema};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::source::Discovered;

use crate::files::cell::{Cell, Refusal};
use crate::files::delivery::Place;
use crate::files::fields::{FieldNames, Records};
use crate::files::infer::Profile;
use crate::files::pieces::Shared;
use crate::files::spelling;

/// A sink for records that profiles the values of each field.
#[derive(Debug, Default)]
pub(crate) struct Profiler {
    names: FieldNames,
    /// The profile of each field, by its number.
    profiles: Vec<Profile>,
    /// The number of good records.
    records: u64,
    /// Whether the current record is bad.
    bad: bool,
    /// How many good records are enough; `None` profiles all.
    enough: Option<u64>,
    /// The columns of the key.
    key: Vec<String>,
}

impl Records for Profiler {
    fn names(&mut self) -> &mut FieldNames {
        &mut self.names
    }

    fn cell(&mut self, field: usize, cell: Cell<'_>) {
        self.make_room();
        self.profiles[field].see(cell);
    }

    fn refuse(&mut self, _field: Option<usize>, _refusal: Refusal) {
        self.bad = true;
    }

    fn end_record(&mut self, _place: Place<'_>) -> Result<bool> {
        let good = !std::mem::take(&mut self.bad);
        self.records += u64::from(good);
        if self.has_enough() {
            // Only an error ends a walk; `has_enough` tells it from a failure.
            return Err(Error::new(ErrorKind::Cancelled, "enough records were seen"));
        }
        Ok(good)
    }
}

impl Shared for Profiler {
    type Made = Self;

    fn helper(&self) -> Self {
        Self { names: self.names.clone(), ..Self::default() }
    }

    fn made(&mut self) -> Result<Self> {
        // A field that only bad records have is a column too, as with one thread.
        self.make_room();
        let fresh = self.helper();
        Ok(std::mem::replace(self, fresh))
    }

    fn take_up(&mut self, made: Self) -> Result<()> {
        self.records += made.records;
        for (other, (name, profile)) in made.names.all().iter().zip(&made.profiles).enumerate() {
            let field = self.names.number(name.as_bytes())?;
            self.names.add(field, &made.names, other);
            self.make_room();
            self.profiles[field].add(profile);
        }
        Ok(())
    }
}

impl Profiler {
    /// A profiler that ends the walk with an error once it has seen `records` good records.
    pub(crate) fn sampling(records: u64) -> Self {
        Self { enough: Some(records), ..Self::default() }
    }

    /// The same profiler, for a stream with this key.
    pub(crate) fn with_key(self, key: &[String]) -> Self {
        Self { key: key.to_vec(), ..self }
    }

    /// Whether it has ended the walk.
    pub(crate) fn has_enough(&self) -> bool {
        self.enough.is_some_and(|enough| self.records >= enough)
    }

    /// Adds empty profiles for fields that were named since the last call.
    fn make_room(&mut self) {
        let fields = self.names.all().len();
        if self.profiles.len() < fields {
            self.profiles.resize_with(fields, Profile::default);
        }
    }

    /// The columns. Their order is that of the first occurrence of each field.
    pub(crate) fn schema(mut self) -> StreamSchema {
        self.unite_spellings();
        StreamSchema { columns: self.columns().map(|(column, _)| column).collect(), primary_key: Vec::new() }
    }

    /// Whether a column belongs to the key, in any letter case.
    fn is_of_key(&self, name: &str) -> bool {
        self.key.iter().any(|key| spelling::are_alike(key, name))
    }

    /// Makes one column of fields whose names differ in letter case only, if no record has both,
    /// because neither a warehouse nor a person tells them apart. Returns each field that is
    /// another spelling, with the field that it joined.
    fn unite_spellings(&mut self) -> Vec<(usize, usize)> {
        // A CSV header names columns that no record needs to have.
        self.make_room();
        let fields = 0..self.profiles.len();
        let others: Vec<_> =
            fields.filter_map(|field| Some((field, self.names.other_spelling(field)?))).collect();
        for &(field, first) in &others {
            let profile = std::mem::take(&mut self.profiles[field]);
            self.profiles[first].add(&profile);
        }
        others
    }

    /// The columns with their profiles. Called after spellings are united.
    fn columns(&self) -> impl Iterator<Item = (Column, &Profile)> {
        let fields = self.names.all().iter().zip(&self.profiles).enumerate();
        let own = fields.filter(|(field, _)| self.names.other_spelling(*field).is_none());
        own.map(|(_, (name, profile))| {
            let data_type = if self.is_of_key(name) { profile.key_type() } else { profile.data_type() };
            // A sample proves nothing about the other records, so its columns are nullable.
            let nullable = profile.has_nulls(data_type)
                || profile.seen() < self.records
                || self.records == 0
                || self.enough.is_some();
            (Column { name: name.clone(), data_type, nullable }, profile)
        })
    }

    /// The columns of a stream, what their values are, and warnings about their spellings.
    pub(crate) fn discovered(mut self, stream: &StreamName) -> Discovered {
        let others = self.unite_spellings();
        let name = |field: usize| self.names.name(field);
        let notices = others.iter().map(|&(field, first)| spelling::notice(stream, name(first), name(field)));
        let records = Some(self.records);
        let mut discovered = Discovered { notices: notices.collect(), records, ..Discovered::default() };
        for (column, profile) in self.columns() {
            discovered.seen.insert(column.name.clone(), profile.values());
            discovered.schema.columns.push(column);
        }
        discovered
    }
}
