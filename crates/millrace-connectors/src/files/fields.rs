//! Maps the fields of records to columns by name.
//!
//! A format hands each record to a [`Records`] sink cell by cell. There are two: the profiler
//! (`profiler.rs`) infers types, and the [`Loader`] here converts each cell into its column or
//! quarantines the record.
//!
//! The [`Loader`] also detects schema drift. Which differences from the requested columns end the
//! read, [`Drift`] says; the read then fails with `SchemaDrift`, and nothing of it is committed. If
//! the columns were guessed, each cell is also counted in a [`Guess`], and the read fails unless
//! the whole stream confirms the guess.

use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::DataType;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::{Batch, BatchSender};
use millrace_engine::ports::source::{Drift, ReadRequest};

use crate::files::cell::{Cell, Refusal, Spelling};
use crate::files::delivery::{Delivery, Place};

pub(crate) use crate::files::field_names::{FieldNames, Met};
use crate::files::guess::Guess;
use crate::files::long::LongRecords;
use crate::files::pieces::Shared;
use crate::files::row::RowWriter;
use crate::files::straight::{Plan, Straight};
use crate::files::{Limits, convert};

/// A sink for the records of a file.
pub(crate) trait Records {
    /// The numbers of field names, shared by all records of the stream.
    fn names(&mut self) -> &mut FieldNames;

    /// Takes a cell of the current record. A field comes at most once a record.
    fn cell(&mut self, field: usize, cell: Cell<'_>);

    /// Marks the current record as bad, as a whole or because of one field. The first reason of a
    /// record is kept.
    fn refuse(&mut self, field: Option<usize>, refusal: Refusal);

    /// Ends the current record. Returns false if it is bad.
    fn end_record(&mut self, place: Place<'_>) -> Result<bool>;

    /// Reports that the last good record started on line `line` and spans `lines` lines, which is
    /// more than records usually have. `alike` says that most of these lines look like records.
    fn long_record(&mut self, _file: &str, _line: u64, _lines: u64, _alike: bool) {}

    /// Announces records with these fields in this order.
    fn expect(&mut self, _fields: &[usize]) {}

    /// The fast path for one record with the announced fields, in place of [`Self::cell`]. Returns
    /// `None` if each cell has to be handed over.
    fn straight(&mut self) -> Option<Straight<'_>> {
        None
    }
}

/// What happens to the cells of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// They go to this column.
    Column(usize),
    /// They go to this column, whose name differs from the field's in letter case.
    Respelled(usize),
    /// They are dropped: the field is excluded or not requested.
    Ignored,
    /// They refuse their record: the stream's contract does not let the unknown field in.
    Refused,
    /// They end the read: the field is unknown, and somebody has to decide about it.
    Drifted,
}

/// Converts the cells of records into typed columns.
#[derive(Debug)]
pub(crate) struct Loader {
    names: FieldNames,
    /// What happens to each field, by the field's number.
    targets: Vec<Target>,
    delivery: Delivery,
    excluded: LeftOut,
    // With provisional columns the read ends with drift instead, so that somebody can decide.
    refuse_unknown: bool,
    drift: Drift,
    /// Whether any field is spelled in another letter case than its column.
    respells: bool,
    /// What has been seen of guessed columns; `None` if the columns were not guessed.
    guess: Option<Guess>,
    /// The fast path for records like the one before.
    plan: Plan,
    /// Whether the stream differs from the requested columns in a way that ends the read.
    drifted: bool,
    /// Which columns occurred in any record, and the number of records.
    met: Vec<bool>,
    records: u64,
    /// Which columns are numbers of the key. In a format that writes all values as texts they have
    /// to give their texts back.
    verbatim: Vec<bool>,
    /// Records that span unusually many lines.
    long: LongRecords,
    /// The first fault of the current record: the field or column, and the reason.
    refusal: Option<(Option<String>, Refusal)>,
    /// Columns that had a cell in the current record after its first fault. Only kept if the
    /// columns were guessed.
    after_refusal: Vec<bool>,
    /// Whether the current record is bad for any columns, because of its syntax or a repeated
    /// field.
    broken: bool,
}

impl Loader {
    /// A loader for one read, which sends its batches to `sender`.
    pub(crate) fn new(request: &ReadRequest, sender: BatchSender, limits: Limits) -> Self {
        let writer = RowWriter::new(&request.columns, &request.key).refusing_nul(request.quarantine_nul);
        Self {
            names: FieldNames::default(),
            targets: Vec::new(),
            delivery: Delivery::new(writer, sender, limits),
            excluded: request.stream.excluded.clone(),
            // Provisional columns let the read end with drift first, so that somebody can decide.
            refuse_unknown: request.quarantine_unknown_columns && !request.drift.columns,
            drift: request.drift,
            respells: false,
            guess: request.drift.guessed.then(|| Guess::new(&request.columns, &request.key)),
            plan: Plan::default(),
            drifted: false,
            met: vec![false; request.columns.len()],
            records: 0,
            verbatim: request
                .columns
                .iter()
                .map(|column| request.key.contains(&column.name) && column.data_type.is_numeric())
                .collect(),
            long: LongRecords::default(),
            refusal: None,
            after_refusal: vec![false; request.columns.len()],
            broken: false,
        }
    }

    /// What happens to a field's cells. Decided once, when the field is first met.
    #[inline]
    fn target(&mut self, field: usize) -> Target {
        self.targets.get(field).copied().unwrap_or_else(|| self.new_target(field))
    }

    /// Decides what happens to a field and to all fields with lower numbers. An exact name goes
    /// before another spelling, and an exclusion before a mere other spelling of a column.
    fn new_target(&mut self, field: usize) -> Target {
        // Numbers are given in the order of first occurrence, and some fields were met without a
        // cell.
        while self.targets.len() <= field {
            let name = self.names.name(self.targets.len());
            let writer = &self.delivery.gathered.writer;
            let other_spelling = || writer.index_in_any_case(name).filter(|_| !self.excluded.names(name));
            let target = match writer
                .index(name)
                .map(Target::Column)
                .or_else(|| other_spelling().map(Target::Respelled))
            {
                Some(target) => {
                    self.respells |= matches!(target, Target::Respelled(_));
                    target
                }
                None if self.excluded.contains(name) || self.excluded.names_in_any_case(name) => {
                    Target::Ignored
                }
                None if self.drift.columns => Target::Drifted,
                None if self.refuse_unknown => Target::Refused,
                None => Target::Ignored,
            };
            self.targets.push(target);
        }
        self.targets[field]
    }

    /// Accounts for the records that took the fast path.
    fn settle(&mut self) {
        self.plan.settle(&mut self.met, self.guess.as_mut());
    }

    /// Counts a cell of a record that is not loaded in the guess, because discovery counts it too.
    fn see_refused(&mut self, target: Target, cell: Cell<'_>) {
        // The guess may check shares here, so its counts have to be complete.
        self.settle();
        match (target, &mut self.guess) {
            (Target::Column(index) | Target::Respelled(index), Some(guess)) => {
                self.after_refusal[index] = true;
                self.drifted |= !guess.refused(index, cell);
            }
            (Target::Drifted, _) => self.drifted = true,
            _ => {}
        }
    }

    /// Whether a record that is not loaded disproves the guess: it lacks a value that every record
    /// at the beginning of the stream had or, if it is broken, has fields that are no columns.
    fn refused_shows_more(&mut self) -> bool {
        let broken = std::mem::take(&mut self.broken);
        if self.guess.is_none() {
            return false;
        }
        if broken {
            self.after_refusal.fill(false);
            if let Some(last) = self.names.all().len().checked_sub(1) {
                self.target(last);
            }
            return self.targets.contains(&Target::Drifted);
        }
        let Self { guess: Some(guess), after_refusal, delivery, .. } = self else { return false };
        let writer = &delivery.gathered.writer;
        let had = |index: usize| after_refusal[index] || writer.has_cell(index);
        let lacks = (0..after_refusal.len()).any(|index| !had(index) && !guess.lacks(index));
        after_refusal.fill(false);
        lacks
    }

    /// Sends the remaining rows and returns warnings about the records. Fails with `SchemaDrift` if
    /// a column occurred in no record or the guess does not hold. `is_part` says that earlier loads
    /// have rows of the same stream, which may have the columns that these records lack.
    pub(crate) fn finish(mut self, is_part: bool) -> Result<Vec<Diagnostic>> {
        self.settle();
        let watched = self.drift.columns || self.drift.gone;
        if watched && !is_part && self.records > 0 && !self.met.iter().all(|met| *met) {
            return Err(drifted());
        }
        if self.guess.is_some_and(|guess| !guess.holds()) {
            return Err(drifted());
        }
        self.delivery.finish()?;
        Ok(self.long.notice(self.records).into_iter().collect())
    }
}

/// Whether a column of numbers refused a number that a wider type may hold.
fn is_of_numbers(refusal: &Refusal, data_type: DataType) -> bool {
    data_type.is_numeric() && refusal.code == QuarantineCode::OutOfRange
}

/// The error that ends a read whose stream differs from the requested columns.
fn drifted() -> Error {
    Error::new(ErrorKind::SchemaDrift, "the stream differs from its captured schema")
}

impl Shared for Loader {
    /// Batches, columns that occurred, number of records, what was seen of the guess, and long
    /// records.
    type Made = (Vec<Batch>, Vec<bool>, u64, Option<Guess>, LongRecords);

    fn helper(&self) -> Self {
        Self {
            names: self.names.clone(),
            targets: self.targets.clone(),
            delivery: self.delivery.helper(),
            excluded: self.excluded.clone(),
            refuse_unknown: self.refuse_unknown,
            drift: self.drift,
            respells: self.respells,
            guess: self.guess.as_ref().map(Guess::afresh),
            plan: Plan::default(),
            drifted: false,
            met: vec![false; self.met.len()],
            records: 0,
            verbatim: self.verbatim.clone(),
            long: LongRecords::default(),
            refusal: None,
            after_refusal: vec![false; self.met.len()],
            broken: false,
        }
    }

    fn made(&mut self) -> Result<Self::Made> {
        self.settle();
        let afresh = self.guess.as_ref().map(Guess::afresh);
        let seen = std::mem::replace(&mut self.guess, afresh);
        let (records, long) = (std::mem::take(&mut self.records), std::mem::take(&mut self.long));
        Ok((self.delivery.made()?, self.met.clone(), records, seen, long))
    }

    fn take_up(&mut self, (batches, met, records, seen, long): Self::Made) -> Result<()> {
        self.long.add(long);
        self.met.iter_mut().zip(met).for_each(|(all, met)| *all |= met);
        self.records += records;
        if let (Some(guess), Some(seen)) = (&mut self.guess, &seen) {
            guess.add(seen);
        }
        self.delivery.take_up(batches)
    }
}

impl Records for Loader {
    fn names(&mut self) -> &mut FieldNames {
        &mut self.names
    }

    #[inline]
    fn cell(&mut self, field: usize, cell: Cell<'_>) {
        let target = self.target(field);
        if self.refusal.is_some() {
            // The record goes to quarantine as a whole, but the guess counts its cells.
            self.see_refused(target, cell);
            return;
        }
        match target {
            Target::Column(index) | Target::Respelled(index)
                if self.respells && self.delivery.gathered.writer.has_cell(index) =>
            {
                // Both spellings name the same column, so somebody has to decide what they mean.
                self.drifted |= self.drift.columns;
                let refusal = Refusal::broken("the record has this field twice, in different letter case");
                self.refusal = Some((Some(self.names.name(field).to_owned()), refusal));
                self.broken = true;
            }
            Target::Column(index) | Target::Respelled(index) => {
                self.met[index] = true;
                let writer = &mut self.delivery.gathered.writer;
                let put = match cell {
                    Cell::Null => writer.push_null(index).map(|()| Spelling::Any),
                    Cell::Empty if cell.is_null_in(writer.column(index).data_type()) => {
                        writer.push_null(index).map(|()| Spelling::Any)
                    }
                    Cell::Plain(text) if self.verbatim[index] => {
                        convert::put_verbatim(writer.column(index), text)
                    }
                    cell => convert::put(writer.column(index), cell),
                };
                match put {
                    Ok(spelling) => {
                        if let Some(guess) = &mut self.guess {
                            self.drifted |= !guess.took(index, cell, spelling);
                        }
                    }
                    Err(refusal) => {
                        self.drifted |= self.drift.types
                            || (self.drift.numbers
                                && is_of_numbers(&refusal, writer.column(index).data_type()));
                        self.refusal =
                            Some((Some(self.delivery.gathered.writer.name(index).to_owned()), refusal));
                        self.see_refused(target, cell);
                    }
                }
            }
            Target::Ignored => {}
            Target::Drifted => self.drifted = true,
            Target::Refused => {
                let refusal = Refusal::new(
                    QuarantineCode::UnknownColumn,
                    "the stream's contract does not let this field in",
                );
                self.refusal = Some((Some(self.names.name(field).to_owned()), refusal));
            }
        }
    }

    fn refuse(&mut self, field: Option<usize>, refusal: Refusal) {
        self.broken = true;
        self.refusal.get_or_insert((field.map(|field| self.names.name(field).to_owned()), refusal));
    }

    fn end_record(&mut self, place: Place<'_>) -> Result<bool> {
        if self.drifted {
            return Err(drifted());
        }
        self.records += 1;
        match self.refusal.take() {
            None => {
                let kept = self.delivery.end_row(place)?;
                // A missing key value adds nothing to the guess, but it is rare enough to discover
                // again.
                if kept || !(self.drift.missing || self.drift.guessed) { Ok(kept) } else { Err(drifted()) }
            }
            Some((column, refusal)) => {
                if self.refused_shows_more() {
                    return Err(drifted());
                }
                self.delivery.refuse_field(place, column, refusal)?;
                Ok(false)
            }
        }
    }

    fn long_record(&mut self, file: &str, line: u64, lines: u64, alike: bool) {
        self.long.saw(file, line, lines, alike);
    }

    /// Builds the plan of the fast path. It stays closed if a field is refused or unknown, or if
    /// two fields go to one column.
    fn expect(&mut self, fields: &[usize]) {
        self.settle();
        let targets: Vec<Target> = fields.iter().map(|&field| self.target(field)).collect();
        let mut columns = Vec::with_capacity(targets.len());
        let mut known = true;
        for target in targets {
            match target {
                Target::Column(index) | Target::Respelled(index) => {
                    known &= !(self.respells && columns.contains(&Some(index)));
                    columns.push(Some(index));
                }
                Target::Ignored => columns.push(None),
                Target::Refused | Target::Drifted => known = false,
            }
        }
        self.plan = Plan::new(columns.into_iter().filter(|_| known));
    }

    #[inline]
    fn straight(&mut self) -> Option<Straight<'_>> {
        let Self { plan, guess, delivery, .. } = self;
        plan.is_open().then(|| Straight::new(plan, &mut delivery.gathered.writer, guess.as_ref()))
    }
}
