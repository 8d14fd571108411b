//! Objects within records as columns. See ADR 0018.

use std::collections::{BTreeSet, HashMap};

use millrace_core::project::column_choice::LeftOut;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::cell::{Cell, Refusal};
use crate::files::delivery::Place;
use crate::files::fields::{FieldNames, Met, Records};
use crate::files::pieces::Shared;
use crate::json_files::scan::{self, Field};
use crate::json_files::value;

/// Between the names of an object and its field in the name of a column.
const JOINT: char = '_';
/// Between them in a path, since no field has it in its name for long.
const STEP: char = '\u{1f}';

/// What has been learned of the records' fields.
#[derive(Debug, Clone, Default)]
pub(super) struct Learned {
    /// The path of each column, by its number.
    paths: Vec<String>,
    /// Names of objects that columns were made of.
    objects: BTreeSet<String>,
    /// Names of which nothing but null was seen: columns, unless they turn out to be objects.
    nulls: BTreeSet<String>,
}

/// Records whose objects become columns, down to some level.
#[derive(Debug)]
pub(super) struct Flatten<S> {
    inner: S,
    /// The fields of the records as they are.
    names: FieldNames,
    levels: usize,
    /// Columns that nobody wants. Objects among them stay as they are, and are left out as such.
    excluded: LeftOut,
    /// The columns that are asked for; none where they are to be found out.
    wanted: Option<Wanted>,
    learned: Learned,
    /// Columns of the present record so far.
    place: usize,
    failed: Option<Error>,
}

/// The columns that are asked for. Their names, as those of objects, are taken for the same in any letter case.
#[derive(Debug, Clone)]
struct Wanted {
    /// In lower case.
    columns: Vec<String>,
    /// Of names that were null: whether columns are made of the objects of that name.
    objects: HashMap<String, bool>,
}

impl Wanted {
    fn new(columns: &[String]) -> Self {
        Self {
            columns: columns.iter().map(|column| column.to_lowercase()).collect(),
            objects: HashMap::new(),
        }
    }

    /// Whether a name is that of no column, but of an object around some.
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

    /// The records, with the columns of which nothing but null was seen.
    pub(super) fn into_inner(mut self) -> (S, Result<()>) {
        let objects: BTreeSet<String> =
            self.learned.objects.iter().map(|object| object.to_lowercase()).collect();
        let mut nulls = self.learned.nulls.iter().filter(|name| !objects.contains(&name.to_lowercase()));
        let named = nulls.try_for_each(|name| self.inner.names().number(name.as_bytes()).map(|_| ()));
        (self.inner, named)
    }

    /// A field of an object or of the record, and what is within it. `name` is the column's, `path` the names that lead to it.
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

    /// False where the text turns out to be no object.
    fn object(&mut self, name: &mut String, path: &mut String, level: usize, object: &[u8]) -> bool {
        let (mut fields, mut decoded) = (Vec::<Field>::new(), Vec::new());
        if scan::object(object, &mut fields).is_err() {
            return false;
        }
        if self.wanted.is_none() && !self.learned.objects.contains(name.as_str()) {
            self.learned.objects.insert(name.clone());
        }
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

    /// Whether a null of that name stands for an object, whose fields are empty then.
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
                // Whether there is such a column is decided at the end; that it may be empty follows from what is missing.
                true
            }
        }
    }

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
    /// Takes the path of a column into account. An error where it has another one.
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
        // A field that is bad wherever it stands need not be a column.
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
    type Made = (S::Made, Vec<(String, String)>, Learned);

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
        // The inner one may have begun anew.
        self.inner.names().next_record();
        Ok((made, paths, self.learned.clone()))
    }

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
