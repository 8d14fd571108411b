//! Files on other machines: `https://` and `s3://`. See ADR 0019.
//!
//! Nothing here is asynchronous, because files are read on threads that may block. A file that ends
//! early must not pass for a complete one: an answer without a length or chunks is refused, and an
//! interrupted download continues only if the server can prove that it still has the same version.

mod bucket;
mod download;
mod web;

#[cfg(feature = "parquet")]
use std::io::Read as _;
use std::sync::Arc;

use millrace_core::cursor::FileState;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec, MapSpec};
use millrace_engine::error::{Error, ErrorKind, Result};

pub(crate) use self::download::Download;
use crate::files::remote::bucket::Store;
use crate::files::remote::web::{Answer, Ask, WebAddress};

/// The key `headers` of sources and streams: HTTP headers that the server asks for.
pub(crate) const HEADERS: KeySpec = KeySpec::optional(
    "headers",
    KeyKind::MapOf(&KeyKind::Text),
    "Of a `path` that starts with `https://`: headers of the requests, such as `{Authorization: \"Bearer ${TOKEN}\"}`. They are not sent to another server where the first one leads there.",
);

/// The key `s3` of sources and streams: how their bucket is reached.
pub(crate) const S3: KeySpec = KeySpec::optional(
    "s3",
    KeyKind::Map(&BUCKET),
    "Of a `path` that starts with `s3://`: where the bucket is, and who asks.",
);

/// The keys within `s3`.
static BUCKET: MapSpec = MapSpec {
    doc: "How a bucket of S3, or of a server that speaks its language, is reached.",
    keys: &[
        KeySpec::optional("region", KeyKind::Text, "The bucket's region (`us-east-1` by default)."),
        KeySpec::optional(
            "endpoint",
            KeyKind::Text,
            "Address of the server: `https://minio.example.com`. By default Amazon's of the region.",
        ),
        KeySpec::optional(
            "access_key",
            KeyKind::Text,
            "Name of the key, from `${NAME}`. Without one the bucket has to be public.",
        ),
        KeySpec::optional("secret_key", KeyKind::Text, "The secret that belongs to the key, from `${NAME}`."),
        KeySpec::optional(
            "session_token",
            KeyKind::Text,
            "Of keys that pass: the token that belongs to them.",
        ),
    ],
};

/// Keys that say how files are reached or sampled, not what is loaded.
pub(crate) const CONNECTION_KEYS: &[&str] = &["headers", "s3", "sample"];

/// Whether a `path` names files of another machine.
pub(crate) fn is_remote(path: &str) -> bool {
    ["https://", "http://", "s3://"].iter().any(|scheme| path.starts_with(scheme))
}

/// The files that a remote path names, in no particular order. Lists the bucket if the path is a
/// pattern; otherwise asks no server.
pub(crate) fn matching(path: &str, settings: &Settings) -> Result<Vec<Object>> {
    Ok(match path.strip_prefix("s3://") {
        Some(rest) => bucket::matching(path, rest, settings)?,
        None => {
            let address = WebAddress::of(path, settings)?;
            vec![Object { name: address.shown(), origin: Origin::Web(address), listed: None }]
        }
    })
}

/// One file of another machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// Its address without anything that may be secret.
    name: String,
    origin: Origin,
    /// The entity tag and the size, if a listing of the bucket named them.
    listed: Option<(String, u64)>,
}

/// How the file is requested.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// By its address, with the project's headers.
    Web(WebAddress),
    /// By its key within a bucket.
    Bucket { store: Arc<Store>, key: String },
}

/// The last bytes of an object.
#[cfg(feature = "parquet")]
pub(crate) struct Tail {
    pub(crate) bytes: Vec<u8>,
    /// Size of the whole object in bytes.
    pub(crate) size: u64,
    pub(crate) etag: Option<String>,
}

impl Object {
    /// Its address without anything that may be secret.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Starts a download of the whole file. Returns the entity tag of the version that is sent, if
    /// the server names one.
    pub(crate) fn open(self: &Arc<Self>) -> Result<(Download, Option<String>)> {
        let Answer { status: 200, body: Some(body), etag, length, .. } = self.ask(&Ask::All)? else {
            return Err(self.unreachable("the server answers with something else than the file"));
        };
        Ok((Download::new(Arc::clone(self), body, etag.clone(), length), etag))
    }

    /// Fetches the last `bytes` bytes, or all if the object has fewer. Returns `None` if the server
    /// does not serve ranges.
    #[cfg(feature = "parquet")]
    pub(crate) fn end(&self, bytes: u64) -> Result<Option<Tail>> {
        let answer = self.ask(&Ask::End(bytes))?;
        let Answer { status: 206, body: Some(body), etag, start: Some(start), length: Some(length) } = answer
        else {
            return Ok(None);
        };
        let mut end = Vec::new();
        body.take(bytes).read_to_end(&mut end).map_err(|error| self.unreachable(&error.to_string()))?;
        // A connection that closes early must not pass for a complete part.
        if end.len() as u64 == length {
            return Ok(Some(Tail { bytes: end, size: start + length, etag }));
        }
        Err(self.unreachable("the connection ended before the part did"))
    }

    /// Whether the server says that the file equals `known`; false if it does not say. A listing
    /// answers without a request.
    pub(crate) fn is_unchanged(&self, known: &FileState) -> Result<bool> {
        let Some(stamp) = &known.stamp else { return Ok(false) };
        if let Some((etag, size)) = &self.listed {
            return Ok((etag, *size) == (stamp, known.size));
        }
        Ok(self.ask(&Ask::IfNot(stamp))?.status == 304)
    }

    /// Whether the server still has the version `etag`; true if it does not say.
    pub(crate) fn still_is(&self, etag: &str) -> Result<bool> {
        let answer = self.ask(&Ask::IfNot(etag))?;
        Ok(answer.status == 304 || answer.etag.is_none_or(|now| now == etag))
    }

    /// Sends a request. Any status that the request does not allow is an error.
    fn ask(&self, ask: &Ask<'_>) -> Result<Answer> {
        match &self.origin {
            Origin::Web(address) => web::ask(&self.name, address, ask),
            // Each request is signed again, because a signature expires.
            Origin::Bucket { store, key } => web::ask(&self.name, &store.address(key)?, ask),
        }
    }

    fn unreachable(&self, what: &str) -> Error {
        Error::new(ErrorKind::SourceUnreachable, format!("file `{}` cannot be fetched", self.name))
            .caused_by(what)
    }
}
