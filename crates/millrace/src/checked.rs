//! The last check before a run that found nothing wrong. What it depended on is kept as a digest in `.millrace/checked.ENVIRONMENT`, so that a
//! run of the same project does without the check.
//!
//! It saves time and decides nothing: where the file is missing, cannot be read, or is of another build, the project is checked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use millrace_engine::compile::check;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::ports::registry::Registry;

use crate::folder::{PRIVATE, replace};
use crate::owner::{FOLDER, VERSION, make_private, plain};

/// The last sound check of an environment, and what a check would be of now.
pub(crate) struct LastCheck {
    place: PathBuf,
    /// None where it cannot be told.
    now: Option<String>,
}

impl LastCheck {
    /// Of a project.
    pub(crate) async fn of(project_dir: &Path, compiled: &Compiled, registry: &Registry) -> Self {
        let place = project_dir.join(FOLDER).join(format!("checked.{}", plain(&compiled.environment)));
        let now = match program() {
            Some(program) => check::digest(compiled, registry, &program).await,
            None => None,
        };
        Self { place, now }
    }

    /// Whether nothing has changed since.
    pub(crate) fn still_holds(&self) -> bool {
        let before = fs::read_to_string(&self.place).ok();
        before.is_some() && before == self.now
    }

    /// The project is sound as it is. Where that cannot be written down, the next run checks it again.
    pub(crate) fn passed(&self) {
        let _ = self.write();
    }

    fn write(&self) -> io::Result<()> {
        let (Some(digest), Some(folder)) = (&self.now, self.place.parent()) else { return Ok(()) };
        make_private(folder)?;
        replace(&self.place, digest, PRIVATE)
    }
}

/// What tells this build of the program from others: two builds may be of one version.
fn program() -> Option<String> {
    let about = fs::metadata(std::env::current_exe().ok()?).ok()?;
    let built = about.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(format!("{VERSION} {} {}", about.len(), built.as_nanos()))
}
