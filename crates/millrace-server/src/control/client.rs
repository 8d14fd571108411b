//! The client of the control interface, as the command line uses it.
//!
//! Each request opens a connection of its own; dropping the answer closes it. The server takes a
//! closed connection as the cancellation of a followed run.

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

/// A client of one server. Holds the token: does not implement `Debug`.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    token: Arc<str>,
    process: u32,
}

impl Client {
    /// A client for the server at `address`. `process` is its process number, for messages. Does
    /// not connect yet.
    pub fn new(address: SocketAddr, token: &str, process: u32) -> Self {
        Self { address, token: token.into(), process }
    }

    /// The server's process number.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Asks which server answers at the address.
    pub async fn hello(&self) -> Result<Hello> {
        self.ask(Method::GET, "hello", &()).await
    }

    /// Requests a run. Returns when the server has given it a ticket; the run may still wait for
    /// its turn.
    pub async fn run(&self, asked: &RunAsked) -> Result<RemoteRun> {
        let body = self.send(Method::POST, "runs", asked).await?;
        let mut run = RemoteRun { client: self.clone(), body, read: Vec::new(), ticket: 0 };
        match run.line().await? {
            RunLine::Ticket { ticket } => Ok(RemoteRun { ticket, ..run }),
            _ => Err(self.nonsense("a run that began without a ticket")),
        }
    }

    /// Restores an earlier publication or lifts a rollback; returns the publication that readers
    /// see.
    pub async fn rollback(&self, request: &RollbackRequest) -> Result<Publication> {
        self.ask(Method::POST, "rollback", &RollbackAsked::from(request)).await
    }

    /// Tells the server that another process has published from the same project.
    pub async fn published(&self) -> Result<()> {
        self.ask(Method::POST, "published", &()).await
    }

    /// Sends a request and decodes the whole answer.
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

    /// Sends a request and returns the body of a successful answer. Status 422 carries the server's
    /// error; any other status means that the two ends do not match.
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
        // The task drives the connection. It ends when the sender and the answer's body are
        // dropped.
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

    /// The error if the server cannot be reached or closes the connection.
    fn gone(&self, error: &dyn std::fmt::Display) -> Error {
        let message = format!("the server (process {}) does not answer", self.process);
        Error::new(ErrorKind::WarehouseUnreachable, message)
            .caused_by(error)
            .hint("It may have ended just now: try again.")
    }

    /// The error if the server's answer does not follow the protocol.
    fn nonsense(&self, what: impl std::fmt::Display) -> Error {
        let message =
            format!("the server (process {}) and this program do not understand each other", self.process);
        Error::new(ErrorKind::Internal, message).caused_by(what)
    }
}

/// A run in the server. Dropping it closes the connection, which cancels the run.
pub struct RemoteRun {
    client: Client,
    body: Incoming,
    /// Bytes that were received and not decoded yet.
    read: Vec<u8>,
    ticket: u64,
}

impl RemoteRun {
    /// A future that cancels the run while [`RemoteRun::follow`] holds the value. It resolves to
    /// false if the run has ended already.
    pub fn canceller(&self) -> impl Future<Output = Result<bool>> + Send + 'static {
        let (client, ticket) = (self.client.clone(), self.ticket);
        async move { client.ask(Method::POST, "runs/cancel", &CancelRequest { ticket }).await }
    }

    /// Passes events to `observer` until the run has ended.
    pub async fn follow(mut self, observer: &Observer) -> Result<RemoteEnd> {
        loop {
            match self.line().await?.event().map_err(|line| *line) {
                Ok(event) => observer(event),
                Err(RunLine::End(end)) => return Ok((*end).into()),
                Err(_) => return Err(self.client.nonsense("a run with two tickets")),
            }
        }
    }

    /// Reads the next line; fails if the connection is closed before the line is complete.
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
