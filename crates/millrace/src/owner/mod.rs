//! Ownership of a warehouse's file: how a server announces it, and how other commands find the
//! server.
//!
//! A server holds an operating-system lock on `.millrace/server.lock` from before it opens the
//! warehouse until it has closed it. Beside the lock lies `server.json`, readable by its owner
//! only, with the address and the token of the control interface. The lock decides whether that
//! record is valid: if the lock is free, the process is dead, and whoever notices that removes the
//! record. An environment other than the project's first has files of its own, such as
//! `server.prod.json` and `server.prod.lock`.

mod claim;
mod record;

use std::path::{Path, PathBuf};

pub(crate) use claim::{Announced, Claim, make_private, plain};
use jiff::Timestamp;
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::error::{Error, ErrorKind};
use millrace_server::control::{Client, Hello, PROTOCOL};
pub(crate) use record::{FOLDER, Record};

use crate::exit;
use crate::failure::Failure;

/// This program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A running server of the same version, found by its record.
#[derive(Clone)]
pub(crate) struct Server {
    record: Record,
}

impl Server {
    /// The running server of this project that owns `file`; returns `None` if there is none. Fails
    /// if the server is another version of the program.
    pub(crate) fn find(project_dir: &Path, file: &Path) -> Result<Option<Self>, Failure> {
        let file = whole(file);
        Self::among(record::living(project_dir), |record| record.file.as_ref() == Some(&file))
    }

    /// The running server of an environment whose warehouse is not a file. Fails as `find` does.
    pub(crate) fn beside(project_dir: &Path, environment: &str) -> Result<Option<Self>, Failure> {
        let is_it = |record: &Record| record.file.is_none() && record.environment == environment;
        Self::among(record::living(project_dir), is_it)
    }

    /// The first record that matches, if its server speaks the same protocol.
    fn among(living: Vec<Record>, is_it: impl Fn(&Record) -> bool) -> Result<Option<Self>, Failure> {
        let Some(record) = living.into_iter().find(is_it) else { return Ok(None) };
        if record.protocol != PROTOCOL || record.version != VERSION {
            let message = format!(
                "the server that has the warehouse (process {}) is version {}, this program is {VERSION}",
                record.process, record.version
            );
            let hint = format!(
                "Stop it (`kill {}`) and start it with this program, or use the program that started it.",
                record.process
            );
            let diagnostic = Diagnostic::error(Code::ServerVersion, message).hint(hint);
            return Err(Failure::new(diagnostic, exit::UNREACHABLE));
        }
        Ok(Some(Self { record }))
    }

    /// A client for the server's control interface.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.record.address, &self.record.token, self.record.process)
    }

    /// Fails with `WarehouseLocked` if the server does not answer, or if another process answers at
    /// its address.
    pub(crate) async fn answers(&self) -> Result<(), Error> {
        let hello = self.client().hello().await;
        let is_it = |hello: &Hello| {
            hello.process == self.record.process && hello.environment == self.record.environment
        };
        match hello {
            Ok(hello) if is_it(&hello) => Ok(()),
            other => {
                let message = format!(
                    "the server (process {}) has the warehouse, but does not answer",
                    self.record.process
                );
                let error = Error::new(ErrorKind::WarehouseLocked, message);
                Err(match other {
                    Ok(hello) => error.caused_by(format!("process {} answers in its place", hello.process)),
                    Err(cause) => error.caused_by(cause),
                })
            }
        }
    }

    /// When the schedule starts the next run; returns `None` if the server keeps no schedule or
    /// does not answer.
    pub(crate) async fn next_run(&self) -> Option<Timestamp> {
        self.client().hello().await.ok()?.next_run
    }

    /// The server's process number.
    pub(crate) fn process(&self) -> u32 {
        self.record.process
    }

    /// The URL of the server's pages.
    pub(crate) fn url(&self) -> &str {
        &self.record.url
    }

    /// The name of the environment that it serves.
    pub(crate) fn environment(&self) -> &str {
        &self.record.environment
    }
}

/// A canonical path, equal for the same file however it is written. The file may not exist yet, and
/// neither may its folder.
pub(crate) fn whole(file: &Path) -> PathBuf {
    let of_folder = || Some(file.parent()?.canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize()
        .ok()
        .or_else(of_folder)
        .or_else(|| std::path::absolute(file).ok())
        .unwrap_or_else(|| file.to_owned())
}
