//! Access to the warehouse: opened by this process, or through the server that owns its file.
//!
//! A DuckDB file belongs to one process at a time. If a server has it, commands go through the
//! server. If another command has it, they wait as long as `--wait` allows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::ports::warehouse::Warehouse;
use millrace_server::control::RemoteWarehouse;
use tokio::time::sleep;

use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::owner::Server;
use crate::terminal;
use crate::workspace::Workspace;

/// Pause between attempts while another process has the file.
const LOOK: Duration = Duration::from_millis(100);

/// Where the warehouse is open.
pub(crate) enum Reached {
    /// Open in this process.
    Here(Arc<dyn Warehouse>),
    /// In a running server.
    There(Server),
}

impl Workspace {
    /// The environment's warehouse for reading, here or through a server. Waits for at most `wait`
    /// for another process that has its file.
    pub(crate) async fn warehouse(&self, wait: Duration) -> Result<Arc<dyn Warehouse>, Failure> {
        match (self.reach(wait).await?, self.owned_file()) {
            (Reached::There(server), Some(owned)) => {
                Ok(Arc::new(RemoteWarehouse::new(server.client(), owned.dialect)))
            }
            (Reached::Here(warehouse), _) => Ok(warehouse),
            (Reached::There(_), None) => {
                let diagnostic =
                    Diagnostic::error(Code::Internal, "a server has a warehouse that is no file");
                Err(Failure::new(diagnostic, exit::BUG))
            }
        }
    }

    /// Finds the server that owns the warehouse's file, or opens the warehouse. Waits for at most
    /// `wait`.
    pub(crate) async fn reach(&self, wait: Duration) -> Result<Reached, Failure> {
        let mut waiting = Waiting::new(Some(wait));
        loop {
            if let Some(server) = self.server()? {
                match server.answers().await {
                    Ok(()) => return Ok(Reached::There(server)),
                    // The server may be ending; then the file is free in a moment.
                    Err(error) => waiting.again(error.into()).await?,
                }
                continue;
            }
            match self.open().await {
                Ok(warehouse) => return Ok(Reached::Here(warehouse)),
                Err(failure) => waiting.again(failure).await?,
            }
        }
    }

    /// Opens the warehouse for a process that holds the claim to serve it. Waits without limit for
    /// a command that still has the file.
    pub(crate) async fn own_warehouse(&self) -> Result<Arc<dyn Warehouse>, Failure> {
        let mut waiting = Waiting::new(None);
        loop {
            match self.open().await {
                Ok(warehouse) => return Ok(warehouse),
                Err(failure) => waiting.again(failure).await?,
            }
        }
    }

    /// The running server that owns the warehouse's file.
    pub(crate) fn server(&self) -> Result<Option<Server>, Failure> {
        self.owned_file().map_or(Ok(None), |owned| Server::find(&self.dir, &owned.path))
    }

    /// Opens the warehouse in a blocking thread, because connectors connect and open files there.
    async fn open(&self) -> Result<Arc<dyn Warehouse>, Failure> {
        let (compiled, registry) = (Arc::clone(&self.compiled), Arc::clone(&self.registry));
        let opened = tokio::task::spawn_blocking(move || compiled.open_warehouse(&registry)).await;
        let opened = opened.unwrap_or_else(|error| {
            Err(vec![
                Diagnostic::error(Code::Internal, "the warehouse could not be opened")
                    .caused_by(error.to_string()),
            ])
        });
        opened.map_err(|diagnostics| {
            let exit = Exit::of(&diagnostics);
            Failure { diagnostics, texts: self.compiled.project.texts.clone(), exit }
        })
    }
}

/// The wait of a command for another process that has the warehouse.
struct Waiting {
    began: Instant,
    /// `None` waits without limit.
    limit: Option<Duration>,
    /// Whether the user was told that the command waits.
    told: bool,
}

impl Waiting {
    fn new(limit: Option<Duration>) -> Self {
        Self { began: Instant::now(), limit, told: false }
    }

    /// Pauses if the failure is a locked warehouse and time is left; otherwise returns the failure.
    async fn again(&mut self, failure: Failure) -> Result<(), Failure> {
        let passes = |d: &Diagnostic| d.code == Code::WarehouseLocked;
        let left = self.limit.is_none_or(|limit| self.began.elapsed() < limit);
        let Some(locked) = failure.diagnostics.iter().find(|d| passes(d)).filter(|_| left) else {
            return Err(failure);
        };
        if !self.told {
            terminal::note(&format!("waiting: {}", locked.message));
            self.told = true;
        }
        sleep(LOOK).await;
        Ok(())
    }
}
