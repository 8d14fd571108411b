//! Cache of the check before a run: remembers that a project was found without errors.
//!
//! A digest of everything that the check depends on is kept in `.millrace/checked.ENVIRONMENT`, so
//! that a run of an unchanged project skips the check. The cache only saves time: if the file is
//! missing, cannot be read, or comes from another build of the program, the project is checked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use millrace_engine::compile::check;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::ports::registry::Registry;

use crate::folder::{PRIVATE, replace};
use crate::owner::{FOLDER, VERSION, make_private, plain};

/// The last check without errors of an environment, and the digest of the project as it is.
pub(crate) struct LastCheck {
    place: PathBuf,
    /// Digest of the project as it is; `None` if it cannot be computed.
    now: Option<String>,
}

impl LastCheck {
    /// Computes the digest of a project for its chosen environment.
    pub(crate) async fn of(project_dir: &Path, compiled: &Compiled, registry: &Registry) -> Self {
        let place = project_dir.join(FOLDER).join(format!("checked.{}", plain(&compiled.environment)));
        let now = match program() {
            Some(program) => check::digest(compiled, registry, &program).await,
            None => None,
        };
        Self { place, now }
    }

    /// Whether nothing has changed since the last check without errors.
    pub(crate) fn still_holds(&self) -> bool {
        let before = fs::read_to_string(&self.place).ok();
        before.is_some() && before == self.now
    }

    /// Records that the check found no errors. If the file cannot be written, the next run checks
    /// again.
    pub(crate) fn passed(&self) {
        let _ = self.write();
    }

    fn write(&self) -> io::Result<()> {
        let (Some(digest), Some(folder)) = (&self.now, self.place.parent()) else { return Ok(()) };
        make_private(folder)?;
        replace(&self.place, digest, PRIVATE)
    }
}

/// Identifies this build of the program by version, size and modification time, because two builds
/// may have the same version. Returns `None` if the system does not tell.
fn program() -> Option<String> {
    let about = fs::metadata(std::env::current_exe().ok()?).ok()?;
    let built = about.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(format!("{VERSION} {} {}", about.len(), built.as_nanos()))
}
