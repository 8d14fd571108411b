//! The record `server.json`: how a running server can be reached.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The folder of all files that are not the project's own texts.
pub(crate) const FOLDER: &str = ".millrace";

/// The content of a record. Holds the token: does not implement `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The server's process number.
    pub(crate) process: u32,
    /// When the server started to serve, RFC 3339.
    pub(crate) started_at: String,
    /// Address of the control interface, on the loopback interface.
    pub(crate) address: SocketAddr,
    /// Token of the control interface: 256 random bits in hexadecimal digits.
    pub(crate) token: String,
    /// Version of the program.
    pub(crate) version: String,
    /// Version of the control interface.
    pub(crate) protocol: u32,
    /// Name of the environment.
    pub(crate) environment: String,
    /// URL of the server's pages.
    pub(crate) url: String,
    /// Canonical path of the warehouse's file; `None` if the warehouse is not a file.
    pub(crate) file: Option<PathBuf>,
}

impl Record {
    /// Writes the record atomically, readable by its owner only.
    pub(super) fn write(&self, place: &Path) -> io::Result<()> {
        let folder = place.parent().unwrap_or(Path::new("."));
        let mut file =
            tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.persist(place).map_err(|error| error.error)?;
        Ok(())
    }

    /// Reads a record; returns `None` if there is none or this program cannot decode it.
    pub(super) fn read(place: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(place).ok()?).ok()
    }
}

/// The lock file that belongs to a record.
pub(super) fn lock_of(record: &Path) -> PathBuf {
    record.with_extension("lock")
}

/// The records of running servers. Removes those of dead ones.
pub(super) fn living(project_dir: &Path) -> Vec<Record> {
    let entries = fs::read_dir(project_dir.join(FOLDER)).into_iter().flatten().flatten();
    let is_record = |place: &PathBuf| {
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("server.") && place.extension().is_some_and(|ending| ending == "json")
    };
    let places = entries.map(|entry| entry.path()).filter(is_record);
    places.filter(|place| !remove_if_stale(place)).filter_map(|place| Record::read(&place)).collect()
}

/// Removes a record whose process is dead. Returns whether the record must be ignored.
fn remove_if_stale(record: &Path) -> bool {
    // A shared lock, so that commands that look at the same time do not take each other for a
    // server. While it is held, no server can start and write a record that would be removed here.
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(lock_of(record));
    // Without write access to the folder, no server of this user runs here.
    let Ok(lock) = opened else { return true };
    // The attempt fails if a server holds the lock, and on file systems without locks. Then the
    // record counts, and the server itself must answer.
    let free = lock.try_lock_shared().is_ok();
    if free {
        let _ = fs::remove_file(record);
    }
    free
}
