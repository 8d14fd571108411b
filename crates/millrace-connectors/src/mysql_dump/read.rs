//! Runs both passes over a dump: from files to an index, and from an index to the rows of one
//! table.
//!
//! The first pass opens all files in order and follows their statements. The resulting index is
//! cached for the streams of a source, and is valid as long as the files are unchanged. The second
//! pass reads the parts of the files that hold the rows of one table.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::Limits;
use crate::files::input::is_as_read;
use crate::files::input_file::InputFile;
use crate::files::paths::files;
use crate::files::window::Window;
use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::content::Content;
use crate::mysql_dump::extract::{Extract, Statement, Verb};
use crate::mysql_dump::follow::{Followed, Follower};
use crate::mysql_dump::index::{DumpTable, Index, Rows};
use crate::mysql_dump::insert::{self, column_list, skip_modifiers};
use crate::mysql_dump::literal::Literal;
use crate::mysql_dump::script::Script;
use crate::mysql_dump::session::{Variables, Written};
use crate::mysql_dump::table::Table;
use crate::mysql_dump::zone::{Zone, initial_zone};

/// The folder in the project for scratch files, which end with the process.
const SCRATCH: &str = ".millrace";
/// The maximum number of cached indexes. Each stream may name files of its own.
const KEPT: usize = 4;

/// A cached index, and the fingerprint of the settings for which it was built.
#[derive(Debug)]
pub(super) struct Cached {
    key: String,
    index: Arc<Index>,
}

/// Returns the index of the files that the settings name: a cached one if the files are unchanged,
/// otherwise a new one.
///
/// The cache key excludes the settings that do not affect the index: `table`, `database` and
/// `zero_dates`.
pub(super) fn indexed(
    cache: &Mutex<Vec<Cached>>,
    project_dir: &Path,
    settings: &Settings,
    limits: Limits,
) -> Result<Arc<Index>> {
    // The lock is held while the index is built, so that streams which ask at the same time wait
    // for it instead of building it again.
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    let key = settings.clone().without(&["table", "database", "zero_dates"]).fingerprint();
    let files = files(project_dir, settings)?;
    if let Some(at) = cache.iter().position(|cached| cached.key == key) {
        if is_same(&files, &cache[at].index)? {
            return Ok(Arc::clone(&cache[at].index));
        }
        cache.remove(at);
    }
    let index = Arc::new(make(&files, project_dir, settings, limits)?);
    // The oldest index is evicted.
    if cache.len() == KEPT {
        cache.remove(0);
    }
    cache.push(Cached { key, index: Arc::clone(&index) });
    Ok(index)
}

/// Returns whether the files are those of the index, in the same order and unchanged.
fn is_same(files: &[InputFile], index: &Index) -> Result<bool> {
    if files.len() != index.states.len() {
        return Ok(false);
    }
    for (file, state) in files.iter().zip(&index.states) {
        if file.name != state.path || !is_as_read(file, state)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Builds the index of the files: the first pass.
fn make(files: &[InputFile], project_dir: &Path, settings: &Settings, limits: Limits) -> Result<Index> {
    let zone = initial_zone(settings)?;
    let encoding = match settings.text("encoding") {
        Some("latin-1" | "windows-1252") => Some(Charset::Latin1),
        Some(_) => Some(Charset::Utf8),
        None => None,
    };
    let mut building = Building::new(zone, encoding, limits);
    for file in files {
        let opened = Content::open(file, &project_dir.join(SCRATCH))?;
        let (state, content) = building.file(&file.name, opened)?.finish()?;
        building.states.push(state);
        building.contents.push(content);
    }
    Ok(building.finish())
}

/// The state of the first pass over all files.
pub(super) struct Building {
    zone: Zone,
    /// The charset that the setting `encoding` names.
    encoding: Option<Charset>,
    limits: Limits,
    follower: Follower,
    pub(super) states: Vec<millrace_core::cursor::FileState>,
    pub(super) contents: Vec<Content>,
    /// Whether any file says that a dump program wrote it.
    by_a_program: bool,
    /// Whether any file announces rows of a table.
    announces_rows: bool,
}

impl Building {
    pub(super) fn new(zone: Zone, encoding: Option<Charset>, limits: Limits) -> Self {
        let follower = Follower::new(Variables::new(zone.clone(), encoding));
        let (states, contents) = (Vec::new(), Vec::new());
        Self {
            zone,
            encoding,
            limits,
            follower,
            states,
            contents,
            by_a_program: false,
            announces_rows: false,
        }
    }

    /// Follows the next file and returns its reader. A file without a statement is an error,
    /// because that is what a failed dump leaves.
    pub(super) fn file<R: Read>(&mut self, name: &str, reader: R) -> Result<R> {
        let mut window = Window::new(name, reader, self.limits.block)?;
        what_else(name, &mut window)?;
        let mut script = Script::new(&mut window, self.limits.record);
        let before = self.follower.statements;
        let variables = Variables::new(self.zone.clone(), self.encoding);
        self.follower.follow(self.contents.len(), variables, &mut script)?;
        self.by_a_program |= script.by_a_program;
        self.announces_rows |= script.announces_rows;
        if self.follower.statements == before {
            return Err(Error::new(
                ErrorKind::SourceUnreadable,
                format!("file `{name}` is empty: it has no statement of SQL"),
            )
            .hint("Make the dump again, and see that mysqldump ends without an error."));
        }
        Ok(window.into_reader())
    }

    /// Completes the first pass. Definitions without any sign of rows mean that the dump was made
    /// with `--no-data`.
    pub(super) fn finish(self) -> Index {
        let Followed { tables, cut, locks } = self.follower.finish();
        let has_rows = tables.iter().any(|table| !table.rows.is_empty());
        let definitions_only =
            self.by_a_program && !self.announces_rows && !locks && !has_rows && !tables.is_empty();
        Index { files: self.contents, states: self.states, tables, cut, definitions_only }
    }
}

/// Refuses a file that is not SQL, by the first bytes of known formats.
fn what_else<R: Read>(name: &str, window: &mut Window<R>) -> Result<()> {
    const UNPACK: &str = "Unpack it, or pack it by gzip or Zstandard, which are read as they are.";
    // The longest of the signatures has 16 bytes.
    while window.rest().len() < 16 && window.fill()? {}
    let (what, hint) = match window.rest() {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => ("is a ZIP archive", UNPACK),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => ("is packed by xz", UNPACK),
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => ("is packed by 7-Zip", UNPACK),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => ("is packed by bzip2", UNPACK),
        [b'R', b'a', b'r', b'!', ..] => ("is packed by RAR", UNPACK),
        rest if rest.starts_with(b"SQLite format 3\0") => {
            ("is a database of SQLite", "A dump of MySQL or MariaDB is a text with statements of SQL.")
        }
        rest if rest.starts_with(b"PGDMP") => {
            ("is a dump of PostgreSQL", "A dump of MySQL or MariaDB is a text with statements of SQL.")
        }
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` {what}")).hint(hint))
}

/// Passes all rows of a table to `extract`: the second pass.
///
/// `definition` is the one at the end of the dump. A part of the rows is read with the definition
/// that was in effect at its place, if the dump had one by then.
pub(super) fn rows(
    index: &Index,
    found: &DumpTable,
    definition: &Arc<Table>,
    extract: &mut Extract,
    limits: Limits,
) -> Result<()> {
    let mut literals = Vec::new();
    for part in &found.rows {
        let (Some(content), name) =
            (index.files.get(part.file), index.states.get(part.file).map_or("", |state| state.path.as_str()))
        else {
            return Err(Error::new(ErrorKind::Internal, "rows are in a file that was not read"));
        };
        let bytes = content.part(part.start.offset, part.end)?;
        // A short part needs no large buffer.
        let length = usize::try_from(part.end - part.start.offset).unwrap_or(usize::MAX);
        let block = limits.block.min(length);
        let mut window = Window::within(name, bytes, block, part.start.offset, part.start.line);
        let mut script = Script::new(&mut window, limits.record);
        script.mode = part.session.mode;
        if part.session.written == Written::Latin1 {
            script.charset = Charset::Latin1;
        }
        // A part without a definition of its own came before the definition, in an earlier file.
        let table = part.table.as_ref().unwrap_or(definition);
        while script.next_statement()? {
            statement(&mut script, part, table, extract, &mut literals)?;
        }
    }
    Ok(())
}

/// Passes the rows of one statement to `extract`. A part also contains statements of other tables,
/// and others between them; they are skipped.
fn statement<R: Read>(
    script: &mut Script<'_, R>,
    part: &Rows,
    table: &Arc<Table>,
    extract: &mut Extract,
    literals: &mut Vec<Literal>,
) -> Result<()> {
    let verb = script.next()?;
    // Statements between DELIMITER commands insert no rows that are read.
    if script.in_block() || !verb.is_any(&["INSERT", "REPLACE"]) {
        return script.skip_statement();
    }
    let ignores = skip_modifiers(script)?;
    let named = script.qualified_name()?;
    // The same name may mean another table elsewhere in the dump, so only the names of this part
    // count.
    if !part.names.contains(&named) {
        return script.skip_statement();
    }
    let columns = column_list(script)?;
    if !(script.take("VALUES")? || script.take("VALUE")?) {
        return Err(script.unreadable("an INSERT without VALUES cannot be read"));
    }
    let verb = if ignores || verb.is("REPLACE") { Verb::ReplaceOrIgnore } else { Verb::Insert };
    let session = Arc::clone(&part.session);
    let statement = Statement { table: Arc::clone(table), session, verb };
    extract.begin(statement, columns.as_deref()).map_err(|what| script.unreadable(&what))?;
    insert::rows(script, extract, literals)
}

/// Builds an index from texts in place of files.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn given(
    files: &[(&str, &[u8])],
    settings: (Zone, Option<Charset>),
    limits: Limits,
) -> Result<Index> {
    let mut building = Building::new(settings.0, settings.1, limits);
    for (name, text) in files {
        building.file(name, *text)?;
        let (path, hash) = ((*name).to_owned(), String::new());
        building.states.push(millrace_core::cursor::FileState { path, size: 0, hash, stamp: None });
        building.contents.push(Content::Given(text.to_vec()));
    }
    Ok(building.finish())
}

/// Reads the rows of a table from an index of [`given`] texts.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn read_given(
    index: &Index,
    wanted: &crate::mysql_dump::index::Wanted,
    request: &millrace_engine::ports::source::ReadRequest,
    zero_dates_to_null: bool,
    sender: millrace_engine::ports::batch::BatchSender,
    limits: Limits,
) -> Result<Vec<millrace_engine::ports::source::Conversion>> {
    let (found, definition) = index.table(wanted)?;
    index.check(found, definition, |name| crate::mysql_dump::is_asked_for(request, name))?;
    let mut extract = Extract::new(found, request, zero_dates_to_null, sender, limits);
    rows(index, found, definition, &mut extract, limits)?;
    extract.finish()
}
