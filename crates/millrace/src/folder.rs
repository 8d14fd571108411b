//! The project's folder: which files belong to the project, and how a file is replaced atomically.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use millrace_core::project::ProjectFile;

/// Folders below the project that hold project files.
const FOLDERS: [&str; 4] = ["sources", "models", "metrics", "dashboards"];
/// Largest nesting of folders. Deeper nesting is a symbolic link that forms a cycle, so it is not
/// followed.
const MAX_DEPTH: usize = 16;

/// Reads the files of a project, sorted by path. `millrace.yml` may be missing; the caller decides
/// what that means. `millrace.yaml` is read under the name `millrace.yml`, unless both are there:
/// then it keeps its own, and the project is refused.
pub(crate) fn read(dir: &Path) -> io::Result<Vec<ProjectFile>> {
    let mut files = Vec::new();
    for name in ["millrace.yml", "millrace.yaml"] {
        match std::fs::read(dir.join(name)) {
            Ok(bytes) => {
                let path = if files.is_empty() { "millrace.yml" } else { name };
                files.push(ProjectFile { path: path.to_owned(), bytes });
            }
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

/// Permissions of a file that every user may read.
pub(crate) const PUBLIC: u32 = 0o644;
/// Permissions of a file that only its owner may read.
pub(crate) const PRIVATE: u32 = 0o600;

/// Replaces a file atomically: writes a temporary file in the same folder and renames it. An
/// interrupted command leaves the former file.
pub(crate) fn replace(place: &Path, text: &str, permissions: u32) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let permissions = Permissions::from_mode(permissions);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(place).map_err(|error| error.error)?;
    Ok(())
}

/// Whether the file is Markdown, which may lie beside project files.
fn is_note(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md"))
}

/// Collects the files below a folder, recursively; `path` is the folder's path within the project.
/// A missing folder is empty.
fn walk(dir: &Path, path: &str, depth: usize, files: &mut Vec<ProjectFile>) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Skips temporary and backup files of editors, and notes.
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
