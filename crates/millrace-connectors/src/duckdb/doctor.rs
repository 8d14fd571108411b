//! The checks of `doctor` for a DuckDB file and its directory. Opening the file would tell who
//! holds it and what it contains; these checks do not open the database.

use std::path::{Path, PathBuf};

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind};
use millrace_engine::ports::diagnosis::{Diagnosis, Layer};

use crate::size::shown;

/// If less space than this is free, a run may fail half-way.
const ROOM: u64 = 1 << 30;

/// Checks that the file can be written, or does not exist yet, and that its disk has free space.
pub(super) fn diagnose(project_dir: &Path, settings: &Settings) -> Diagnosis {
    let mut found = Diagnosis::default();
    let path = settings.text("path").unwrap_or(":memory:");
    if path == ":memory:" {
        found.doubtful(
            Layer::Files,
            "in memory: nothing is kept",
            "Write `path: .millrace/warehouse.duckdb`, say.",
        );
        return found;
    }
    let file = project_dir.join(path);
    let failed = |message: String| Error::new(ErrorKind::WarehouseUnreachable, message);
    match std::fs::metadata(&file) {
        Ok(known) if known.is_dir() => {
            let error = failed(format!("`{path}` is a folder"));
            found.failed(Layer::Files, &error.hint("Name a file: `path: .millrace/warehouse.duckdb`, say."));
        }
        Ok(known) => {
            // DuckDB keeps committed changes in a write-ahead log beside the file until a
            // checkpoint.
            let beside = std::fs::metadata(format!("{}.wal", file.display())).map_or(0, |wal| wal.len());
            // Opening for writing, without changing the file, tells whether the user may write it.
            match std::fs::OpenOptions::new().read(true).write(true).open(&file) {
                Ok(_) => found.good(Layer::Files, format!("`{path}`, {}", shown(known.len() + beside))),
                Err(error) => found.failed(
                    Layer::Files,
                    &failed(format!("`{path}` cannot be written"))
                        .caused_by(error)
                        .hint("Does it belong to another user?"),
                ),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            found.good(Layer::Files, format!("`{path}` is not there yet: the first run makes it"));
        }
        Err(error) => {
            found.failed(Layer::Files, &failed(format!("`{path}` cannot be looked at")).caused_by(error));
        }
    }
    if let Some(room) = room(&file) {
        if room < ROOM {
            found.doubtful(Layer::Files, format!("{} are free on its disk", shown(room)), "Free some.");
        } else {
            found.good(Layer::Files, format!("{} are free on its disk", shown(room)));
        }
    }
    found
}

/// Free bytes on the disk of the file. If the file or its directory does not exist yet, the nearest
/// existing directory counts.
fn room(file: &Path) -> Option<u64> {
    let folder: PathBuf = file.ancestors().skip(1).find(|folder| folder.is_dir())?.to_owned();
    let disk = rustix::fs::statvfs(&folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
