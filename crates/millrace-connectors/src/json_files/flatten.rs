//! Turns the fields of objects within records into columns: `nested: flatten` (ADR 18).
//!
//! [`Flatten`] is put between the reader of a file and the receiver of its records, so types,
//! contracts and quarantine see plain columns. `address.city` becomes `address_city`, down to a
//! number of levels; arrays and deeper objects stay JSON. Two different paths that would be the
//! same column are an error. Null for an object means that its fields are empty: a name of which
//! only nulls are seen becomes a column, unless another record has an object there.

use std::collections::{BTreeSet, HashMap};

use millrace_core::project::column_choice::LeftOut;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::cell::{Cell, Refusal};
use crate::files::delivery::Place;
use crate::files::fields::{FieldNames, Met, Records};
use crate::files::pieces::Shared;
use crate::json_files::scan::{self, Field};
use crate::json_files::value;

/// Joins the name of an object and that of its field in the name of a column.
const JOINT: char = '_';
/// Joins them in a path: U+001F, a control character that field names hardly ever contain.
const STEP: char = '\u{1f}';

/// What was learned about the fields of the records so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Learned {
    /// The path of each column, by the number of the column; empty if it has not been seen.
    paths: Vec<String>,
    /// The names of objects whose fields became columns.
    objects: BTreeSet<String>,
    /// The names that were null somewhere: they become columns unless they turn out to be objects.
    nulls: BTreeSet<String>,
}

/// Hands records on with the fields of their objects as columns, down to `levels` levels.
#[derive(Debug)]
pub(super) struct Flatten<S> {
    /// The receiver, which sees columns only.
    inner: S,
    /// The top-level field names of the records in the file.
    names: FieldNames,
    levels: usize,
    /// The excluded columns. An object among them stays as it is, and is excluded as a whole.
    excluded: LeftOut,
    /// The requested columns. `None` during discovery, when the columns are still to be found.
    wanted: Option<Wanted>,
    learned: Learned,
    /// How many columns of the present record were handed on.
    place: usize,
    /// The first error in the present record. `cell` cannot return it, so `end_record` does.
    failed: Option<Error>,
}

/// The requested columns. Their names, and those of objects, are compared without letter case.
#[derive(Debug, Clone)]
struct Wanted {
    /// Their names, in lower case.
    columns: Vec<String>,
    /// For each name that was null: whether it is an object's, cached.
    objects: HashMap<String, bool>,
}

impl Wanted {
    fn new(columns: &[String]) -> Self {
        Self {
            columns: columns.iter().map(|column| column.to_lowercase()).collect(),
            objects: HashMap::new(),
        }
    }

    /// Whether a name is not that of a column, but of an object around requested columns.
    fn is_object(&mut self, name: &str) -> bool {
        if let Some(&is_object) = self.objects.get(name) {
            return is_object;
        }
        let folded = name.to_lowercase();
        let is_within =
            |column: &String| column.strip_prefix(&folded).is_some_and(|rest| rest.starts_with(JOINT));
        let is_object = !self.columns.contains(&folded) && self.columns.iter().any(is_within);
        self.objects.insert(name.to_owned(), is_object);
        is_object
    }
}

impl<S: Records> Flatten<S> {
    /// `wanted` holds the names of the requested columns; `None` during discovery.
    pub(super) fn new(inner: S, levels: usize, excluded: &LeftOut, wanted: Option<&[String]>) -> Self {
        let mut flatten = Self {
            inner,
            names: FieldNames::default(),
            levels,
            excluded: excluded.clone(),
            wanted: wanted.map(Wanted::new),
            learned: Learned::default(),
            place: 0,
            failed: None,
        };
        flatten.inner.names().next_record();
        flatten
    }

    /// Returns the receiver, after it was told of the columns in which only nulls were seen. Names
    /// that turned out to be objects are left out, in any letter case.
    pub(super) fn into_inner(mut self) -> (S, Result<()>) {
        let objects: BTreeSet<String> =
            self.learned.objects.iter().map(|object| object.to_lowercase()).collect();
        let mut nulls = self.learned.nulls.iter().filter(|name| !objects.contains(&name.to_lowercase()));
        let named = nulls.try_for_each(|name| self.inner.names().number(name.as_bytes()).map(|_| ()));
        (self.inner, named)
    }

    /// Hands on a field and everything within it. `name` is the name of the column, `path` the path
    /// of field names that leads to it, `level` the number of objects around it.
    fn field(&mut self, name: &mut String, path: &mut String, level: usize, cell: Cell<'_>) {
        if let Cell::Nested(object @ [b'{', ..]) = cell
            && level < self.levels
            && !self.excluded.contains_object(name)
            && self.object(name, path, level, object)
        {
            return;
        }
        if cell == Cell::Null && self.is_absent_object(name) {
            return;
        }
        if let Err(error) = self.column(name, path, cell) {
            self.failed.get_or_insert(error);
        }
    }

    /// Hands on the fields of an object. Returns `false` if the text is not an object after all.
    fn object(&mut self, name: &mut String, path: &mut String, level: usize, object: &[u8]) -> bool {
        let (mut fields, mut decoded) = (Vec::<Field>::new(), Vec::new());
        if scan::object(object, &mut fields).is_err() {
            return false;
        }
        if self.wanted.is_none() && !self.learned.objects.contains(name.as_str()) {
            self.learned.objects.insert(name.clone());
        }
        // Both are extended for each field and cut back afterwards, which saves a copy for each
        // level.
        let (name_end, path_end) = (name.len(), path.len());
        for field in &fields {
            let key = scan::string_text(&object[field.name.clone()], field.name_escaped, &mut decoded);
            let key = String::from_utf8_lossy(key);
            name.push(JOINT);
            name.push_str(&key);
            path.push(STEP);
            path.push_str(&key);
            drop(key);
            self.field(name, path, level + 1, value(object, field, &mut decoded));
            name.truncate(name_end);
            path.truncate(path_end);
        }
        true
    }

    /// Whether a null of that name stands for an object, so that its fields are empty.
    fn is_absent_object(&mut self, name: &str) -> bool {
        if self.levels == 0 {
            return false;
        }
        match &mut self.wanted {
            Some(wanted) => wanted.is_object(name),
            None => {
                if !self.learned.nulls.contains(name) {
                    self.learned.nulls.insert(name.to_owned());
                }
                // Whether this is a column is decided at the end (`into_inner`). That it may be
                // empty follows from its missing values.
                true
            }
        }
    }

    /// Hands on the value of a column. Refuses the record if it has the column twice, and returns
    /// an error if the column was seen under another path.
    fn column(&mut self, name: &str, path: &str, cell: Cell<'_>) -> Result<()> {
        let met = self.inner.names().meet(self.place, name.as_bytes())?;
        self.place += 1;
        let (Met::Field(number) | Met::Twice(number)) = met;
        self.learned.learn(number, name, path)?;
        match met {
            Met::Field(number) => self.inner.cell(number, cell),
            Met::Twice(number) => {
                self.inner.refuse(Some(number), Refusal::broken("the object has this field twice"));
            }
        }
        Ok(())
    }
}

impl Learned {
    /// Records the path of a column. Returns an error if the column has a different path already.
    fn learn(&mut self, number: usize, name: &str, path: &str) -> Result<()> {
        if self.paths.len() <= number {
            self.paths.resize(number + 1, String::new());
        }
        let known = &mut self.paths[number];
        if known.is_empty() {
            path.clone_into(known);
        }
        if known == path {
            return Ok(());
        }
        let shown = |path: &str| path.replace(STEP, ".");
        let message =
            format!("fields `{}` and `{}` would both be column `{name}`", shown(known), shown(path));
        Err(Error::new(ErrorKind::SourceUnreadable, message)
            .hint("Leave one out with `exclude_columns`, by the name of the object around it, or keep objects as they are: `nested: keep`."))
    }
}

impl<S: Records> Records for Flatten<S> {
    fn names(&mut self) -> &mut FieldNames {
        &mut self.names
    }

    fn cell(&mut self, field: usize, cell: Cell<'_>) {
        let mut name = self.names.name(field).to_owned();
        let mut path = name.clone();
        self.field(&mut name, &mut path, 0, cell);
    }

    fn refuse(&mut self, field: Option<usize>, refusal: Refusal) {
        // During discovery the field is not passed on: that would register its name as a column,
        // and it may be the name of an object.
        let known = field.filter(|_| self.wanted.is_some());
        let number =
            known.and_then(|field| self.inner.names().number(self.names.name(field).as_bytes()).ok());
        self.inner.refuse(number, refusal);
    }

    fn end_record(&mut self, place: Place<'_>) -> Result<bool> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let kept = self.inner.end_record(place)?;
        self.inner.names().next_record();
        self.place = 0;
        Ok(kept)
    }
}

impl<S: Shared> Shared for Flatten<S> {
    /// What the receiver has made; name and path of each column, because each helper numbers its
    /// columns in its own order; and what was learned about objects and nulls.
    type Made = (S::Made, Vec<(String, String)>, Learned);

    /// The helper starts with everything that was learned so far, so that fields of known records
    /// keep their numbers.
    fn helper(&self) -> Self {
        let mut helper = Self {
            inner: self.inner.helper(),
            names: self.names.clone(),
            levels: self.levels,
            excluded: self.excluded.clone(),
            wanted: self.wanted.clone(),
            learned: self.learned.clone(),
            place: 0,
            failed: None,
        };
        helper.inner.names().next_record();
        helper
    }

    fn made(&mut self) -> Result<Self::Made> {
        let names = self.inner.names();
        let paths = self.learned.paths.iter().enumerate().filter(|(_, path)| !path.is_empty());
        let paths = paths.map(|(number, path)| (names.name(number).to_owned(), path.clone())).collect();
        let made = self.inner.made()?;
        // The receiver may have started over, and has to be ready for the next record.
        self.inner.names().next_record();
        Ok((made, paths, self.learned.clone()))
    }

    /// Adds what a helper has learned. Returns an error if two pieces of a file have one column
    /// under different paths.
    fn take_up(&mut self, (made, paths, learned): Self::Made) -> Result<()> {
        self.inner.take_up(made)?;
        for (name, path) in paths {
            let number = self.inner.names().number(name.as_bytes())?;
            self.learned.learn(number, &name, &path)?;
        }
        self.learned.objects.extend(learned.objects);
        self.learned.nulls.extend(learned.nulls);
        Ok(())
    }
}
