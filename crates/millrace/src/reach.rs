//! Reaching the warehouse: opened by this process, or asked through the server that has its file.

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

/// How often somebody who waits for a file looks again.
const LOOK: Duration = Duration::from_millis(100);

/// Where the warehouse is.
pub(crate) enum Reached {
    /// Open in this process.
    Here(Arc<dyn Warehouse>),
    /// In a server.
    There(Server),
}

impl Workspace {
    /// The warehouse of the environment, wherever it is, to read it. Waits that long for another process that has its file.
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

    /// Finds the server that has the warehouse, or opens it.
    pub(crate) async fn reach(&self, wait: Duration) -> Result<Reached, Failure> {
        let mut waiting = Waiting::new(Some(wait));
        loop {
            if let Some(server) = self.server()? {
                match server.answers().await {
                    Ok(()) => return Ok(Reached::There(server)),
                    // It may be ending just now; then the file is free in a moment.
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

    /// Opens the warehouse for a process that has the right to own it; waits for another one as long as it takes.
    pub(crate) async fn own_warehouse(&self) -> Result<Arc<dyn Warehouse>, Failure> {
        let mut waiting = Waiting::new(None);
        loop {
            match self.open().await {
                Ok(warehouse) => return Ok(warehouse),
                Err(failure) => waiting.again(failure).await?,
            }
        }
    }

    /// The living server that has the warehouse's file.
    pub(crate) fn server(&self) -> Result<Option<Server>, Failure> {
        self.owned_file().map_or(Ok(None), |owned| Server::find(&self.dir, &owned.path))
    }

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

/// The patience of a command whose warehouse somebody else has.
struct Waiting {
    began: Instant,
    /// None for ever.
    limit: Option<Duration>,
    told: bool,
}

impl Waiting {
    fn new(limit: Option<Duration>) -> Self {
        Self { began: Instant::now(), limit, told: false }
    }

    /// Waits a moment where that may help and there is time left; else the failure is the end.
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
