//! Which of a stream's files a load has to read, and whether it has to read any. See ADR 0017.

use std::path::Path;

use millrace_core::cursor::{Cursor, FileState};
use millrace_core::project::settings::Settings;
use millrace_core::project::source_file::ReadMode;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::source::SourceContext;

use crate::files::input::{blocking, state};
use crate::files::input_file::InputFile;
use crate::files::paths::{files, matching};

/// The files of a load.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Those to read, in the order of their names.
    pub(crate) read: Vec<InputFile>,
    /// What is known of those whose rows stay as they are.
    left: Vec<FileState>,
    mode: ReadMode,
}

impl Selection {
    /// The files of a load that comes after another, which ended at `last`; all that there are where there was none.
    ///
    /// Rows that are merged come as if all files were read in the order of their names: so from the first file on that is new or has
    /// changed. What is appended must come once, so it comes from new files only.
    pub(crate) fn of(
        project_dir: &Path,
        settings: &Settings,
        mode: ReadMode,
        last: Option<&Cursor>,
    ) -> Result<Self> {
        let known = last.filter(|_| mode.keeps()).map_or(&[][..], loaded);
        let mut found = found(project_dir, settings, known)?;
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

    /// Whether some files are left out.
    pub(crate) fn is_part(&self) -> bool {
        !self.left.is_empty()
    }

    /// Where the load ends that has read these files.
    pub(crate) fn cursor(self, read: Vec<FileState>) -> Cursor {
        cursor([self.left, read].concat(), self.mode.keeps())
    }
}

/// What the files of a stream with these settings are now. At `last` where a load would find nothing new; then it has the stamps by which
/// they need not be read again, also of those that were too young for one when they were loaded.
pub(crate) async fn position(
    context: &SourceContext,
    settings: Settings,
    last: Cursor,
) -> Result<Option<Cursor>> {
    let project_dir = context.project_dir.clone();
    blocking(move || Ok(Some(present(&project_dir, &settings, &last)?))).await
}

fn present(project_dir: &Path, settings: &Settings, last: &Cursor) -> Result<Cursor> {
    let kept = matches!(last, Cursor::Files { kept: true, .. });
    let before = loaded(last);
    let found = found(project_dir, settings, if kept { before } else { &[] })?;
    let mut files: Vec<FileState> = if kept { gone(&found, before).cloned().collect() } else { Vec::new() };
    for file in found {
        let known = look_up(before, &file);
        let same = known.map(|known| unchanged(&file, known)).transpose()?.flatten();
        // A load will read what has changed. Until then it is enough to know that it is another one.
        files.push(same.unwrap_or(FileState { path: file.name, size: 0, hash: String::new(), stamp: None }));
    }
    Ok(cursor(files, kept))
}

fn cursor(mut files: Vec<FileState>, kept: bool) -> Cursor {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Cursor::Files { files, kept }
}

fn loaded(cursor: &Cursor) -> &[FileState] {
    match cursor {
        Cursor::Files { files, .. } => files,
        Cursor::Column { .. } | Cursor::Ranges { .. } => &[],
    }
}

fn look_up<'a>(known: &'a [FileState], file: &InputFile) -> Option<&'a FileState> {
    let at = known.binary_search_by(|state| state.path.as_str().cmp(&file.name)).ok()?;
    known.get(at)
}

/// Files that there are. Where some were loaded there may be none now: whoever fills the folder may empty it.
fn found(project_dir: &Path, settings: &Settings, loaded: &[FileState]) -> Result<Vec<InputFile>> {
    if loaded.is_empty() { files(project_dir, settings) } else { matching(project_dir, settings) }
}

fn gone<'a>(found: &[InputFile], known: &'a [FileState]) -> impl Iterator<Item = &'a FileState> {
    let there = |state: &FileState| found.binary_search_by(|file| file.name.cmp(&state.path)).is_ok();
    known.iter().filter(move |state| !there(state))
}

/// What is to be remembered of a file whose content is what it was; none where it is not.
fn unchanged(file: &InputFile, known: &FileState) -> Result<Option<FileState>> {
    let now = state(file, known)?;
    Ok(now.is_same(known).then_some(now))
}

fn has_changed(file: &InputFile) -> Error {
    let message = format!(
        "file `{}` has changed since its rows were appended, and they cannot be told from others",
        file.name
    );
    Error::new(ErrorKind::ContractBroken, message).hint(
        "Put new rows into a file of another name and bring back the former one, or load anew all files that there are: `millrace run --full-refresh`.",
    )
}
