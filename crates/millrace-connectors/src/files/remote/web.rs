//! HTTP requests for remote files.
//!
//! The address must be encrypted, or be on this machine. Redirects are followed here and not by the
//! client, so that each target is checked and the project's headers go to the first server only.
//! Queries are left out of every name and message, because they may hold a secret.

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind, Result};
use ureq::Agent;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::{Host, Url};

/// The most redirects that one request follows.
const MOST_REDIRECTS: usize = 5;
/// Pauses before a request is repeated that may succeed then.
pub(super) const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// How long a server may be silent, while connecting and while sending.
const PATIENCE: Duration = Duration::from_mins(1);

/// An address with the headers that its server asks for. `Debug` shows the address without its
/// query.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct WebAddress {
    url: Url,
    headers: Vec<(String, String)>,
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl WebAddress {
    /// The address of a `path`. Refuses a user or password in it, because secrets belong into
    /// `headers`.
    pub(super) fn of(path: &str, settings: &Settings) -> Result<Self> {
        let wrong =
            |what: &str| Error::new(ErrorKind::SourceUnreadable, format!("`path` is an address that {what}"));
        let url = Url::parse(path).map_err(|_| wrong("cannot be read"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has a user or password in it")
                .hint("Give them as a header: `headers: {Authorization: \"Basic ${NAME}\"}`, in base64 as `user:password`."));
        }
        let headers = settings.map("headers").cloned().unwrap_or_default().into_iter().collect();
        Self { url, headers }.checked()
    }

    /// An address without headers.
    pub(super) fn plain(url: Url) -> Result<Self> {
        Self { url, headers: Vec::new() }.checked()
    }

    /// Refuses an address that is neither encrypted nor on this machine.
    fn checked(self) -> Result<Self> {
        if is_allowed(&self.url) {
            return Ok(self);
        }
        let message =
            format!("`{}` is not encrypted: whoever is on the way could change the file", self.shown());
        Err(Error::new(ErrorKind::SourceUnreadable, message).hint("Write `https://`."))
    }

    /// The address without its query and fragment, which may hold a secret.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    }
}

/// Whether the address is encrypted, or stays on this machine.
fn is_allowed(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_local)
}

/// What a request asks for.
pub(super) enum Ask<'a> {
    /// The whole file.
    All,
    /// The file, unless it still has this entity tag (`If-None-Match`).
    IfNot(&'a str),
    /// The rest of the version with this entity tag, from this byte on (`If-Range` and `Range`).
    Rest(&'a str, u64),
    /// This many bytes at the end of the file.
    #[cfg(feature = "parquet")]
    End(u64),
}

/// What a server answers.
pub(super) struct Answer {
    /// 200, 206, 304 or, if the end was requested, 416.
    pub(super) status: u16,
    /// `None` with status 304, which has no body.
    pub(super) body: Option<Box<dyn Read + Send>>,
    /// A strong entity tag: it differs for any two versions that differ in a byte.
    pub(super) etag: Option<String>,
    /// Bytes of the body, if the server names a length.
    pub(super) length: Option<u64>,
    /// Offset of the first byte of a part.
    pub(super) start: Option<u64>,
}

/// Sends a request, and repeats it after each of [`PAUSES`] if the server is busy or unreachable.
/// `name` is the file's name in messages.
pub(super) fn ask(name: &str, address: &WebAddress, ask: &Ask<'_>) -> Result<Answer> {
    let mut pauses = PAUSES.iter();
    loop {
        let failure = match once(name, address, ask) {
            Ok(response) if is_busy(response.status().as_u16()) => refused(name, response.status().as_u16()),
            Ok(response) => return answer(name, response, ask),
            Err(failure) if failure.kind() != ErrorKind::SourceUnreachable => return Err(failure),
            Err(failure) => failure,
        };
        match pauses.next() {
            Some(pause) => std::thread::sleep(*pause),
            None => return Err(failure),
        }
    }
}

/// Whether a later request may succeed: a server error, or too many requests.
fn is_busy(status: u16) -> bool {
    status >= 500 || status == 429
}

/// Sends one request and follows its redirects.
fn once(name: &str, address: &WebAddress, ask: &Ask<'_>) -> Result<Response<ureq::Body>> {
    let mut url = address.url.clone();
    for _ in 0..=MOST_REDIRECTS {
        // Packed transfer would change the length and the ranges of the body.
        let mut request = agent().get(url.as_str()).header("accept-encoding", "identity");
        // The headers may hold a secret, so they go to the server of the project's address only.
        if url.origin() == address.url.origin() {
            for (header, value) in &address.headers {
                request = request.header(header, value);
            }
        }
        match ask {
            Ask::All => {}
            Ask::IfNot(etag) => request = request.header("if-none-match", *etag),
            Ask::Rest(etag, from) => {
                request = request.header("if-range", *etag).header("range", format!("bytes={from}-"));
            }
            #[cfg(feature = "parquet")]
            Ask::End(bytes) => request = request.header("range", format!("bytes=-{bytes}")),
        }
        let response = request.call().map_err(|error| failed(name, &error))?;
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(response);
        }
        let target = response.headers().get("location").and_then(|target| target.to_str().ok());
        url = target.and_then(|target| url.join(target).ok()).ok_or_else(|| led_astray(name))?;
        if !is_allowed(&url) {
            return Err(led_astray(name));
        }
    }
    Err(led_astray(name))
}

/// The error for redirects that do not end at an allowed address.
fn led_astray(name: &str) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("the server of file `{name}` leads to no file"))
        .caused_by("it redirects too often, to nowhere, or to an address that is not encrypted")
}

/// The error for a request that got no answer. Never shows the address of a request.
fn failed(name: &str, error: &ureq::Error) -> Error {
    let unreachable = Error::new(ErrorKind::SourceUnreachable, format!("file `{name}` cannot be fetched"));
    match error {
        // These errors show the whole address, which may hold a secret.
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => unreachable,
        ureq::Error::Http(_) => {
            Error::new(ErrorKind::SourceUnreadable, "`headers` has what cannot be a header")
                .hint("A header is one line of ASCII; perhaps a variable holds a line feed.")
        }
        error => unreachable.caused_by(error),
    }
}

/// The error for a status that the request does not allow.
fn refused(name: &str, status: u16) -> Error {
    let message = match status {
        401 | 403 => format!("the server does not hand out file `{name}`"),
        404 | 410 => format!("there is no file `{name}`"),
        _ => format!("file `{name}` cannot be fetched"),
    };
    let error = Error::new(ErrorKind::SourceUnreachable, message)
        .caused_by(format!("the server answers with HTTP status {status}"));
    match status {
        401 | 403 => error.hint(
            "Give what it asks for: `headers` for `https://`, `s3` for `s3://`, with secrets from `${NAME}`.",
        ),
        404 | 410 => error.hint("Is the address right, and has the file been put there yet?"),
        _ => error,
    }
}

/// Checks the status against the request, and takes from the headers what the caller needs. Refuses
/// a body whose end nobody could tell from an interruption.
fn answer(name: &str, response: Response<ureq::Body>, ask: &Ask<'_>) -> Result<Answer> {
    let status = response.status().as_u16();
    let asked_for = match ask {
        Ask::All => status == 200,
        Ask::IfNot(_) => status == 200 || status == 304,
        Ask::Rest(..) => status == 200 || status == 206,
        #[cfg(feature = "parquet")]
        Ask::End(_) => status == 200 || status == 206 || status == 416,
    };
    if !asked_for {
        return Err(refused(name, status));
    }
    let headers = response.headers();
    let text = |header: &str| headers.get(header).and_then(|value| value.to_str().ok());
    // A weak entity tag may stay the same while bytes change, so it proves nothing.
    let etag = text("etag").filter(|etag| etag.starts_with('"')).map(str::to_owned);
    let length = text("content-length").and_then(|length| length.parse().ok());
    let start = text("content-range").and_then(first_byte);
    if status != 304 && length.is_none() && !is_chunked(headers) {
        let message = format!("the server does not say where file `{name}` ends");
        return Err(Error::new(ErrorKind::SourceUnreadable, message).caused_by(
            "its answer has neither a length nor chunks, so nobody could tell a part from the whole",
        ));
    }
    let body = (status != 304).then(|| -> Box<dyn Read + Send> {
        Box::new(response.into_body().into_with_config().limit(u64::MAX).reader())
    });
    Ok(Answer { status, body, etag, length, start })
}

/// Whether the body is sent in chunks, whose last one marks the end.
fn is_chunked(headers: &HeaderMap) -> bool {
    let encodings = headers.get("transfer-encoding").and_then(|value| value.to_str().ok());
    encodings.is_some_and(|encodings| encodings.to_ascii_lowercase().contains("chunked"))
}

/// The offset of the first byte of a `Content-Range`: 5 for `bytes 5-9/10`.
fn first_byte(range: &str) -> Option<u64> {
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// Fetches a small document as text, at most `limit` bytes of it.
pub(super) fn document(name: &str, address: &WebAddress, limit: u64) -> Result<String> {
    let Answer { body: Some(body), .. } = ask(name, address, &Ask::All)? else {
        return Err(refused(name, 304));
    };
    let mut text = String::new();
    body.take(limit).read_to_string(&mut text).map_err(|error| {
        Error::new(ErrorKind::SourceUnreachable, format!("`{name}` cannot be read to its end"))
            .caused_by(error)
    })?;
    Ok(text)
}

/// The HTTP client. It trusts Mozilla's root certificates, which the program contains, and those of
/// the system. It follows no redirect, because [`once`] does, and uses no proxy, because only the
/// environment could name one.
fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let brought = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
        let system = rustls_native_certs::load_native_certs().certs;
        let roots: Vec<Certificate<'static>> =
            brought.chain(system).map(|der| Certificate::from_der(&der).to_owned()).collect();
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .build();
        config.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_encrypted_or_local_is_fetched() {
        for (address, allowed) in [
            ("https://example.com/a.csv", true),
            ("http://127.0.0.1:8080/a.csv", true),
            ("http://[::1]/a.csv", true),
            ("http://localhost/a.csv", true),
            ("http://example.com/a.csv", false),
            ("http://localhost.example.com/a.csv", false),
            ("http://127.0.0.1.example.com/a.csv", false),
            ("ftp://localhost/a.csv", false),
        ] {
            assert_eq!(is_allowed(&Url::parse(address).expect("an address")), allowed, "{address}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let address = WebAddress::of("https://example.com/a.csv?token=secret#x", &Settings::default())
            .expect("an address");
        assert_eq!(format!("{address:?}"), "https://example.com/a.csv");
        let error = WebAddress::of("https://me:secret@example.com/a.csv", &Settings::default())
            .expect_err("a password");
        assert!(!error.to_diagnostic().to_string().contains("secret"));
    }
}
