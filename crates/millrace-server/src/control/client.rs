//! The command line's end. A connection for each request; dropping the answer closes it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::event::Observer;
use millrace_engine::state::Publication;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::wire::{CancelRequest, Failed, Hello, RemoteEnd, RollbackAsked, RunAsked, RunLine};
use crate::runs::RollbackRequest;

/// A server's control interface, seen from another process. Holds the token: no Debug.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    token: Arc<str>,
    process: u32,
}

impl Client {
    /// Of the server with that process number, for messages. Connects to nothing yet.
    pub fn new(address: SocketAddr, token: &str, process: u32) -> Self {
        Self { address, token: token.into(), process }
    }

    /// The server's process number.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Who answers.
    pub async fn hello(&self) -> Result<Hello> {
        self.ask(Method::GET, "hello", &()).await
    }

    /// Starts a run.
    pub async fn run(&self, asked: &RunAsked) -> Result<RemoteRun> {
        let body = self.send(Method::POST, "runs", asked).await?;
        let mut run = RemoteRun { client: self.clone(), body, read: Vec::new(), ticket: 0 };
        match run.line().await? {
            RunLine::Ticket { ticket } => Ok(RemoteRun { ticket, ..run }),
            _ => Err(self.nonsense("a run that began without a ticket")),
        }
    }

    /// Brings an earlier publication back, or lets runs publish again.
    pub async fn rollback(&self, request: &RollbackRequest) -> Result<Publication> {
        self.ask(Method::POST, "rollback", &RollbackAsked::from(request)).await
    }

    /// Tells the server that somebody else has published, from the same project.
    pub async fn published(&self) -> Result<()> {
        self.ask(Method::POST, "published", &()).await
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T> {
        let answer = self.send(method, path, body).await?;
        let bytes = answer.collect().await.map_err(|error| self.gone(&error))?.to_bytes();
        serde_json::from_slice(&bytes).map_err(|error| self.nonsense(error))
    }

    /// Asks, and returns the body of an answer that is a success.
    async fn send(&self, method: Method, path: &str, body: &(impl Serialize + Sync)) -> Result<Incoming> {
        let json = serde_json::to_vec(body).map_err(|error| self.nonsense(error))?;
        let request = Request::builder()
            .method(method)
            .uri(format!("/control/v1/{path}"))
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(json)))
            .map_err(|error| self.nonsense(error))?;
        let stream = TcpStream::connect(self.address).await.map_err(|error| self.gone(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.gone(&error))?;
        // Ends with the sender and the answer's body.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|error| self.gone(&error))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            StatusCode::UNPROCESSABLE_ENTITY => {
                let body = answer.into_body().collect().await.map_err(|error| self.gone(&error))?;
                let failed: Failed =
                    serde_json::from_slice(&body.to_bytes()).map_err(|error| self.nonsense(error))?;
                Err(failed.error)
            }
            status => Err(self.nonsense(status)),
        }
    }

    /// The server cannot be reached any more.
    fn gone(&self, error: &dyn std::fmt::Display) -> Error {
        let message = format!("the server (process {}) does not answer", self.process);
        Error::new(ErrorKind::WarehouseUnreachable, message)
            .caused_by(error)
            .hint("It may have ended just now: try again.")
    }

    fn nonsense(&self, what: impl std::fmt::Display) -> Error {
        let message =
            format!("the server (process {}) and this program do not understand each other", self.process);
        Error::new(ErrorKind::Internal, message).caused_by(what)
    }
}

/// A run in the server. Dropping it cancels the run.
pub struct RemoteRun {
    client: Client,
    body: Incoming,
    read: Vec<u8>,
    ticket: u64,
}

impl RemoteRun {
    /// What is needed to cancel it while it is being followed.
    pub fn canceller(&self) -> impl Future<Output = Result<bool>> + Send + 'static {
        let (client, ticket) = (self.client.clone(), self.ticket);
        async move { client.ask(Method::POST, "runs/cancel", &CancelRequest { ticket }).await }
    }

    /// Passes events on until the run has ended.
    pub async fn follow(mut self, observer: &Observer) -> Result<RemoteEnd> {
        loop {
            match self.line().await?.event().map_err(|line| *line) {
                Ok(event) => observer(event),
                Err(RunLine::End(end)) => return Ok((*end).into()),
                Err(_) => return Err(self.client.nonsense("a run with two tickets")),
            }
        }
    }

    async fn line(&mut self) -> Result<RunLine> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(|error| self.client.nonsense(error));
            }
            let frame = self.body.frame().await;
            let frame = frame.ok_or_else(|| self.client.gone(&"the connection was closed"))?;
            let frame = frame.map_err(|error| self.client.gone(&error))?;
            self.read.extend(frame.into_data().unwrap_or_default());
        }
    }
}
