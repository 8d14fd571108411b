//! The lock that a serving process holds, and the record that it publishes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::run::rfc3339;
use millrace_server::control::PROTOCOL;
use tokio::time::sleep;

use super::record::{FOLDER, Record, lock_of};
use super::{VERSION, whole};
use crate::exit;
use crate::failure::{Failure, cannot_write};

/// Pause between attempts to take the lock, and number of attempts: half a second in all. Commands
/// that look for a server hold the lock for a moment.
const TRY_EVERY: Duration = Duration::from_millis(25);
const TRIES: u32 = 20;

/// The exclusive right to serve an environment of a project. Dropping it, or the death of the
/// process, releases it.
pub(crate) struct Claim {
    record: PathBuf,
    _lock: File,
}

impl Claim {
    /// Takes the lock. `environment` is `None` for the project's first. Fails with
    /// `WarehouseLocked` if another process serves the environment.
    pub(crate) async fn take(project_dir: &Path, environment: Option<&str>) -> Result<Self, Failure> {
        let folder = project_dir.join(FOLDER);
        make_private(&folder).map_err(|error| cannot_write(&folder, &error))?;
        let record = folder.join(record_name(environment));
        let place = lock_of(&record);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&place);
        let lock = opened.map_err(|error| cannot_write(&place, &error))?;
        for _ in 0..TRIES {
            match lock.try_lock() {
                Ok(()) => {
                    // A dead server may have left its record.
                    let _ = fs::remove_file(&record);
                    return Ok(Self { record, _lock: lock });
                }
                Err(TryLockError::WouldBlock) => sleep(TRY_EVERY).await,
                Err(TryLockError::Error(error)) => return Err(cannot_write(&place, &error)),
            }
        }
        Err(taken(Record::read(&record), environment))
    }

    /// Writes the record, so that other commands can find this process.
    pub(crate) fn announce(&self, announced: &Announced<'_>) -> Result<(), Failure> {
        let record = Record {
            process: std::process::id(),
            started_at: rfc3339(Timestamp::now()),
            address: announced.address,
            token: announced.token.to_owned(),
            version: VERSION.to_owned(),
            protocol: PROTOCOL,
            environment: announced.environment.to_owned(),
            url: announced.url.to_owned(),
            file: announced.file.map(whole),
        };
        record.write(&self.record).map_err(|error| cannot_write(&self.record, &error))
    }

    /// Removes the record, so that no command finds this process any more. Keeps the lock.
    pub(crate) fn withdraw(&self) {
        // If it cannot be removed, it is recognised as stale once the lock is free.
        let _ = fs::remove_file(&self.record);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// What a server announces in its record.
pub(crate) struct Announced<'a> {
    /// Address of its control interface.
    pub(crate) address: SocketAddr,
    /// Token of its control interface.
    pub(crate) token: &'a str,
    /// Name of the environment.
    pub(crate) environment: &'a str,
    /// URL of its pages.
    pub(crate) url: &'a str,
    /// The warehouse's file, if the warehouse is one.
    pub(crate) file: Option<&'a Path>,
}

/// The file name of a record.
fn record_name(environment: Option<&str>) -> String {
    match environment {
        None => "server.json".to_owned(),
        Some(name) => format!("server.{}.json", plain(name)),
    }
}

/// The name of an environment as a part of a file name: replaces all but ASCII letters, digits, `_`
/// and `-`.
pub(crate) fn plain(environment: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    environment.chars().map(plain).collect()
}

/// Creates the folder with a `.gitignore` that excludes all of it.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let ignore = folder.join(".gitignore");
    if ignore.exists() { Ok(()) } else { fs::write(ignore, "*\n") }
}

/// The failure if the lock is taken. The record is missing while a server starts or ends.
fn taken(by: Option<Record>, environment: Option<&str>) -> Failure {
    let diagnostic = match by {
        Some(record) => {
            let message = format!(
                "process {} serves environment `{}` already, at {}",
                record.process, record.environment, record.url
            );
            Diagnostic::error(Code::WarehouseLocked, message)
                .hint(format!("Open {}, or stop that process (`kill {}`).", record.url, record.process))
        }
        None => {
            let of = environment.map(|name| format!(" `{name}`")).unwrap_or_default();
            let message = format!("another process is about to serve this environment{of}, or just ends");
            Diagnostic::error(Code::WarehouseLocked, message).hint("Try again in a moment.")
        }
    };
    Failure::new(diagnostic, exit::UNREACHABLE)
}
