//! The project's folder: which of its files belong to the project, and how one is written.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use millrace_core::project::ProjectFile;

/// Folders below the project that hold project files.
const FOLDERS: [&str; 4] = ["sources", "models", "metrics", "dashboards"];
/// Folders may stand in each other this deep; more is a link that leads back.
const MAX_DEPTH: usize = 16;

/// Reads the files of a project, in the order of their paths. A folder without `millrace.yml` gives whatever is there.
pub(crate) fn read(dir: &Path) -> io::Result<Vec<ProjectFile>> {
    let mut files = Vec::new();
    for name in ["millrace.yml", "millrace.yaml"] {
        match std::fs::read(dir.join(name)) {
            Ok(bytes) => files.push(ProjectFile { path: "millrace.yml".to_owned(), bytes }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    for folder in FOLDERS {
        walk(&dir.join(folder), folder, 0, &mut files)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Permissions of a file that everybody may read.
pub(crate) const PUBLIC: u32 = 0o644;
/// Permissions of a file that only its owner may read.
pub(crate) const PRIVATE: u32 = 0o600;

/// Puts a whole file with these permissions in the place of another, so that a command that is cut short leaves the former one.
pub(crate) fn replace(place: &Path, text: &str, permissions: u32) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let permissions = Permissions::from_mode(permissions);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(place).map_err(|error| error.error)?;
    Ok(())
}

fn is_note(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md"))
}

fn walk(dir: &Path, path: &str, depth: usize, files: &mut Vec<ProjectFile>) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Editors leave such files; notes beside models are welcome.
        if name.starts_with(['.', '#']) || name.ends_with('~') || is_note(&name) {
            continue;
        }
        let path = format!("{path}/{name}");
        let place = entry.path();
        if place.is_dir() {
            if depth < MAX_DEPTH {
                walk(&place, &path, depth + 1, files)?;
            }
        } else {
            files.push(ProjectFile { path, bytes: std::fs::read(&place)? });
        }
    }
    Ok(())
}
