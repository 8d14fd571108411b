//! Decides which files of a stream a load has to read, and whether anything has to be read at all.
//! See ADR 0017.
//!
//! The checkpoint of the previous load lists each file with its size, hash and stamp. The present
//! files are compared with that list in the order of their names; a file is opened only if its
//! stamp cannot prove that it is unchanged. What happens with unchanged, changed and removed files
//! depends on the [`ReadMode`].

use std::path::Path;

use millrace_core::cursor::{Cursor, FileState};
use millrace_core::project::settings::Settings;
use millrace_core::project::source_file::ReadMode;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::source::SourceContext;

use crate::files::input::{blocking, state};
use crate::files::input_file::InputFile;
use crate::files::paths::{files, matching};

/// The files of one load.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The files to read, in the order of their names.
    pub(crate) read: Vec<InputFile>,
    /// The states of files that are not read, because their rows stay as they are.
    left: Vec<FileState>,
    mode: ReadMode,
}

impl Selection {
    /// Selects the files of a load that follows a load with the checkpoint `last`. Without a
    /// previous load, or in a mode that replaces all rows, selects all files.
    ///
    /// A merge must see rows as if all files were read in the order of their names, so it reads
    /// from the first file on that is new or has changed. An append must deliver each row once, so
    /// it reads new files only, and fails with `ContractBroken` if a file that was loaded before
    /// has changed.
    pub(crate) fn of(
        project_dir: &Path,
        settings: &Settings,
        mode: ReadMode,
        last: Option<&Cursor>,
    ) -> Result<Self> {
        let known = last.filter(|_| mode.keeps()).map_or(&[][..], loaded);
        let mut found = found(project_dir, settings, known)?;
        // Rows of removed files stay in the table, so their states stay in the checkpoint.
        let mut left: Vec<FileState> = gone(&found, known).cloned().collect();
        if mode == ReadMode::Append {
            let mut new = Vec::new();
            for file in found {
                match look_up(known, &file) {
                    Some(known) => left.push(unchanged(&file, known)?.ok_or_else(|| has_changed(&file))?),
                    None => new.push(file),
                }
            }
            return Ok(Self { read: new, left, mode });
        }
        let mut first = 0;
        while let Some(file) = found.get(first)
            && let Some(known) = look_up(known, file)
            && let Some(state) = unchanged(file, known)?
        {
            left.push(state);
            first += 1;
        }
        Ok(Self { read: found.split_off(first), left, mode })
    }

    /// Whether some files are skipped because an earlier load has read them.
    pub(crate) fn is_part(&self) -> bool {
        !self.left.is_empty()
    }

    /// The checkpoint of the load, given the states of the files that it has read.
    pub(crate) fn cursor(self, read: Vec<FileState>) -> Cursor {
        cursor([self.left, read].concat(), self.mode.keeps())
    }
}

/// The present position of a stream's files. It equals `last` if a load would find nothing to read.
/// It then also has the stamps that prove files unchanged without reading them, including stamps of
/// files that were too recently changed to have one when they were loaded.
pub(crate) async fn position(
    context: &SourceContext,
    settings: Settings,
    last: Cursor,
) -> Result<Option<Cursor>> {
    let project_dir = context.project_dir.clone();
    blocking(move || Ok(Some(present(&project_dir, &settings, &last)?))).await
}

/// The blocking part of [`position`]. Reads only files whose stamp does not prove that they are
/// unchanged.
fn present(project_dir: &Path, settings: &Settings, last: &Cursor) -> Result<Cursor> {
    let kept = matches!(last, Cursor::Files { kept: true, .. });
    let before = loaded(last);
    let found = found(project_dir, settings, if kept { before } else { &[] })?;
    let mut files: Vec<FileState> = if kept { gone(&found, before).cloned().collect() } else { Vec::new() };
    for file in found {
        let known = look_up(before, &file);
        let same = known.map(|known| unchanged(&file, known)).transpose()?.flatten();
        // A load reads changed files anyway. Until then it is enough that the state differs.
        files.push(same.unwrap_or(FileState { path: file.name, size: 0, hash: String::new(), stamp: None }));
    }
    Ok(cursor(files, kept))
}

/// Sorts the states by path, because lookups in a checkpoint use a binary search.
fn cursor(mut files: Vec<FileState>, kept: bool) -> Cursor {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Cursor::Files { files, kept }
}

/// The files of a checkpoint; none if it belongs to a table of a server.
fn loaded(cursor: &Cursor) -> &[FileState] {
    match cursor {
        Cursor::Files { files, .. } => files,
        Cursor::Column { .. } | Cursor::Ranges { .. } => &[],
    }
}

/// The state that a file had in the previous load, if it was loaded.
fn look_up<'a>(known: &'a [FileState], file: &InputFile) -> Option<&'a FileState> {
    let at = known.binary_search_by(|state| state.path.as_str().cmp(&file.name)).ok()?;
    known.get(at)
}

/// The present files. Fails if there are none, unless some were loaded before: whoever fills the
/// folder may empty it afterwards.
fn found(project_dir: &Path, settings: &Settings, loaded: &[FileState]) -> Result<Vec<InputFile>> {
    if loaded.is_empty() { files(project_dir, settings) } else { matching(project_dir, settings) }
}

/// States of files that were loaded and no longer exist.
fn gone<'a>(found: &[InputFile], known: &'a [FileState]) -> impl Iterator<Item = &'a FileState> {
    let there = |state: &FileState| found.binary_search_by(|file| file.name.cmp(&state.path)).is_ok();
    known.iter().filter(move |state| !there(state))
}

/// The state to remember of a file, if its content equals `known`; `None` if it has changed. Reads
/// the file if its stamp does not settle the question.
fn unchanged(file: &InputFile, known: &FileState) -> Result<Option<FileState>> {
    let now = state(file, known)?;
    Ok(now.is_same(known).then_some(now))
}

/// The error for an append stream whose loaded file has changed.
fn has_changed(file: &InputFile) -> Error {
    let message = format!(
        "file `{}` has changed since its rows were appended, and they cannot be told from others",
        file.name
    );
    Error::new(ErrorKind::ContractBroken, message).hint(
        "Put new rows into a file of another name and bring back the former one, or load anew all files that there are: `millrace run --full-refresh`.",
    )
}
