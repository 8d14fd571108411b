//! The fields of records by name, and what happens to each: it is profiled, or goes to a column.

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

/// Where the records of a file go.
pub(crate) trait Records {
    /// The names of fields; shared by all records of the stream.
    fn names(&mut self) -> &mut FieldNames;

    /// A cell of the present record. A field comes once at most.
    fn cell(&mut self, field: usize, cell: Cell<'_>);

    /// The present record is bad, as a whole or because of one field. The first word counts.
    fn refuse(&mut self, field: Option<usize>, refusal: Refusal);

    /// Ends the present record. False where it is bad.
    fn end_record(&mut self, place: Place<'_>) -> Result<bool>;

    /// The last record, which was good, went over so many lines from that one on, which is more than records mostly do. `alike` says that most
    /// of these lines look like records.
    fn long_record(&mut self, _file: &str, _line: u64, _lines: u64, _alike: bool) {}

    /// Records are to come that have these fields, in this order.
    fn expect(&mut self, _fields: &[usize]) {}

    /// What takes all values of such a record, in the place of [`Self::cell`]. None where each has to be looked at.
    fn straight(&mut self) -> Option<Straight<'_>> {
        None
    }
}

/// What becomes of a field when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Column(usize),
    /// The same, in other letters than the column's.
    Respelled(usize),
    /// Excluded, or not asked for.
    Ignored,
    /// Unknown, in a stream whose contract does not let it in.
    Refused,
    /// Unknown, and somebody has to decide on it.
    Drifted,
}

/// Puts the cells of records into columns.
#[derive(Debug)]
pub(crate) struct Loader {
    names: FieldNames,
    targets: Vec<Target>,
    delivery: Delivery,
    excluded: LeftOut,
    refuse_unknown: bool,
    drift: Drift,
    /// Whether a field is spelled in other letters than its column.
    respells: bool,
    /// What the columns are held against, where they were guessed.
    guess: Option<Guess>,
    /// For records like the one before.
    plan: Plan,
    /// Whether the stream has turned out to differ from what was asked for.
    drifted: bool,
    /// Which columns records had, and how many these were.
    met: Vec<bool>,
    records: u64,
    /// Which columns are numbers of the key: those of a format of texts have to give their texts back.
    verbatim: Vec<bool>,
    long: LongRecords,
    /// What was wrong with the present record first: the field or column, and why.
    refusal: Option<(Option<String>, Refusal)>,
    /// Of which columns the present record has shown a cell since then, where the columns were guessed.
    after_refusal: Vec<bool>,
    /// Whether the present record is bad by itself, whatever the columns are.
    broken: bool,
}

impl Loader {
    pub(crate) fn new(request: &ReadRequest, sender: BatchSender, limits: Limits) -> Self {
        let writer = RowWriter::new(&request.columns, &request.key).refusing_nul(request.quarantine_nul);
        Self {
            names: FieldNames::default(),
            targets: Vec::new(),
            delivery: Delivery::new(writer, sender, limits),
            excluded: request.stream.excluded.clone(),
            // Where the columns are only supposed, somebody has to look first.
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

    #[inline]
    fn target(&mut self, field: usize) -> Target {
        self.targets.get(field).copied().unwrap_or_else(|| self.new_target(field))
    }

    fn new_target(&mut self, field: usize) -> Target {
        // Fields get their numbers in the order in which they are first met, and some were met by who never had a cell of them.
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

    /// Takes the records into account that went straight into the columns.
    fn settle(&mut self) {
        self.plan.settle(&mut self.met, self.guess.as_mut());
    }

    /// Looks at a cell that is not loaded, where the columns were guessed.
    fn see_refused(&mut self, target: Target, cell: Cell<'_>) {
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

    /// Whether a record that is not loaded shows that the columns were guessed wrongly: it lacks a value where the beginning of the stream
    /// always had one or, where it is broken, has names that are no columns.
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

    /// Sends what is left. `is_part` says that rows of an earlier load are of the same stream: what these lack, those may have.
    /// Returns what there is to say of the records.
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

/// Whether a value was refused that is a number, by a column of numbers.
fn is_of_numbers(refusal: &Refusal, data_type: DataType) -> bool {
    data_type.is_numeric() && refusal.code == QuarantineCode::OutOfRange
}

fn drifted() -> Error {
    Error::new(ErrorKind::SchemaDrift, "the stream differs from its captured schema")
}

impl Shared for Loader {
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
            // The record goes to quarantine as it stands.
            self.see_refused(target, cell);
            return;
        }
        match target {
            Target::Column(index) | Target::Respelled(index)
                if self.respells && self.delivery.gathered.writer.has_cell(index) =>
            {
                // Somebody has to decide which of the two it is.
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
                // A part of the key that lacks is nothing new to the guess, but that is rare enough to look again.
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
