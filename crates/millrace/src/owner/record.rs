//! `server.json`.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The folder of everything that is not the project's text.
pub(crate) const FOLDER: &str = ".millrace";

/// What a server writes down. Holds the token: no Debug.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Process number.
    pub(crate) process: u32,
    /// When it began to serve, RFC 3339.
    pub(crate) started_at: String,
    /// Where its control interface listens; a loopback address.
    pub(crate) address: SocketAddr,
    /// What the control interface wants to be told: 256 random bits in hexadecimal digits.
    pub(crate) token: String,
    /// Version of the program.
    pub(crate) version: String,
    /// Version of the control interface.
    pub(crate) protocol: u32,
    /// Name of the environment.
    pub(crate) environment: String,
    /// Where its pages are.
    pub(crate) url: String,
    /// The warehouse's file; none for a warehouse that is no file.
    pub(crate) file: Option<PathBuf>,
}

impl Record {
    /// Writes it as a whole, readable by its owner only.
    pub(super) fn write(&self, place: &Path) -> io::Result<()> {
        let folder = place.parent().unwrap_or(Path::new("."));
        let mut file =
            tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.persist(place).map_err(|error| error.error)?;
        Ok(())
    }

    /// None where there is none, or one that this program cannot read.
    pub(super) fn read(place: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(place).ok()?).ok()
    }
}

/// The lock that belongs to a record.
pub(super) fn lock_of(record: &Path) -> PathBuf {
    record.with_extension("lock")
}

/// The records of servers that live. Those of dead ones are removed.
pub(super) fn living(project_dir: &Path) -> Vec<Record> {
    let entries = fs::read_dir(project_dir.join(FOLDER)).into_iter().flatten().flatten();
    let is_record = |place: &PathBuf| {
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("server.") && place.extension().is_some_and(|ending| ending == "json")
    };
    let places = entries.map(|entry| entry.path()).filter(is_record);
    places.filter(|place| !remove_if_stale(place)).filter_map(|place| Record::read(&place)).collect()
}

/// Whether the record's process is dead.
fn remove_if_stale(record: &Path) -> bool {
    // Shared, so that those who look at the same time do not take each other for a server. While it is held, no server can begin,
    // and so write a record that would be removed.
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(lock_of(record));
    // A folder in which nothing can be written: no server of ours is there.
    let Ok(lock) = opened else { return true };
    // A lock that is held, and a file system that has none: then the server itself says whether it is there.
    let free = lock.try_lock_shared().is_ok();
    if free {
        let _ = fs::remove_file(record);
    }
    free
}
