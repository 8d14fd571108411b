//! One process owns a warehouse's file: how a server says that it does, and how other commands find it.
//!
//! A server holds the lock of the operating system on `.millrace/server.lock` from before it opens the warehouse until it has closed it.
//! Beside it stands `server.json`, readable by its owner only, with where and by what token the server can be asked. The lock tells
//! whether that file is true: where the lock is free, the process is dead, and whoever sees it removes the file. An environment other than
//! the project's first has files of its own, `server.prod.json` and `server.prod.lock`.

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

/// A living server of the same version, found by what it wrote down.
#[derive(Clone)]
pub(crate) struct Server {
    record: Record,
}

impl Server {
    /// The living server that has that file; none where no server of this project does. Fails where it is another version.
    pub(crate) fn find(project_dir: &Path, file: &Path) -> Result<Option<Self>, Failure> {
        let file = whole(file);
        Self::among(record::living(project_dir), |record| record.file.as_ref() == Some(&file))
    }

    /// The living server of an environment whose warehouse is no file.
    pub(crate) fn beside(project_dir: &Path, environment: &str) -> Result<Option<Self>, Failure> {
        let is_it = |record: &Record| record.file.is_none() && record.environment == environment;
        Self::among(record::living(project_dir), is_it)
    }

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

    /// How to talk to it.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.record.address, &self.record.token, self.record.process)
    }

    /// Fails with `WarehouseLocked` where it does not answer, or somebody else does at its address.
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

    /// When its schedule starts the next run; none where it keeps none, or does not answer.
    pub(crate) async fn next_run(&self) -> Option<Timestamp> {
        self.client().hello().await.ok()?.next_run
    }

    /// Its process number.
    pub(crate) fn process(&self) -> u32 {
        self.record.process
    }

    /// Where its pages are.
    pub(crate) fn url(&self) -> &str {
        &self.record.url
    }

    /// The environment that it serves.
    pub(crate) fn environment(&self) -> &str {
        &self.record.environment
    }
}

/// The same text for the same file, whichever way leads there. The file itself may not be there yet, nor its folder.
pub(crate) fn whole(file: &Path) -> PathBuf {
    let of_folder = || Some(file.parent()?.canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize()
        .ok()
        .or_else(of_folder)
        .or_else(|| std::path::absolute(file).ok())
        .unwrap_or_else(|| file.to_owned())
}
