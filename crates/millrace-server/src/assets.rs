//! The static files of the front end, embedded in the program.
//!
//! `index.html` has a fixed name and is revalidated by its `ETag` on each load. The other files
//! carry a hash in their names and are cached for a year. Bodies are compressed once per process,
//! and the compressed form is sent to clients that accept gzip.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::OnceLock;

use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use millrace_core::code::Code;
use millrace_core::digest::hex;
use rust_embed::RustEmbed;

use crate::failure::Failure;

/// `web/dist`, as it was when the program was built. It may be missing, so that the Rust code can
/// be built without the front end.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// A file of the front end, ready to send.
struct Asset {
    body: Bytes,
    /// The compressed body; `None` if it would not be smaller.
    gzip: Option<Bytes>,
    content_type: &'static str,
    /// The first 16 bytes of the file's SHA-256 in hexadecimal digits, in quotes.
    etag: String,
}

/// All files by path below `web/dist`. They are compressed on the first call, which takes about 30
/// ms.
fn assets() -> &'static BTreeMap<String, Asset> {
    static ASSETS: OnceLock<BTreeMap<String, Asset>> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let files = Dist::iter().filter_map(|path| Some((path.to_string(), Dist::get(&path)?)));
        let asset = |path: &str, file: rust_embed::EmbeddedFile| {
            let body = file.data.into_owned();
            Asset {
                gzip: compressed(&body),
                content_type: content_type(path),
                etag: format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16])),
                body: body.into(),
            }
        };
        files.map(|(path, file)| (path.clone(), asset(&path, file))).collect()
    })
}

/// The gzip form of a body; returns `None` if it is not smaller.
fn compressed(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().filter(|gzip| gzip.len() < body.len()).map(Bytes::from)
}

/// The media type by the file's extension.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Answers every address of a page with `index.html`; the front end does the routing. Answers 503
/// if the program was built without the front end.
pub(crate) async fn page(headers: HeaderMap) -> Response {
    match assets().get("index.html") {
        // Its name never changes, so each load must revalidate it.
        Some(index) => send(index, &headers, "no-cache"),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(CONTENT_TYPE, "text/plain; charset=utf-8")],
            "This build of Millrace has no pages. Run `make web`, then build it again.\nThe API is at /api/v1/project.\n",
        )
            .into_response(),
    }
}

/// A file below `/assets/`. Its name contains a hash of its content, so it never expires.
pub(crate) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match assets().get(&format!("assets/{path}")) {
        Some(asset) => send(asset, &headers, "public, max-age=31536000, immutable"),
        None => Failure::new(Code::NotFound, "there is no such file").into_response(),
    }
}

/// Builds the answer for a file: 304 if the client has this `ETag`, else the body, compressed if
/// the client accepts that.
fn send(asset: &Asset, headers: &HeaderMap, cache: &'static str) -> Response {
    let told =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let fresh = told(IF_NONE_MATCH).split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag);
    let gzip = asset.gzip.as_ref().filter(|_| accepts_gzip(told(ACCEPT_ENCODING)));
    let mut response = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(gzip.unwrap_or(&asset.body).clone()))
    };
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    out.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if gzip.is_some() && !fresh {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // Never fails: hexadecimal digits in quotes are a valid header value.
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        out.insert(ETAG, etag);
    }
    response
}

/// Whether an `Accept-Encoding` header (RFC 9110, section 12.5.3) names gzip with a weight above
/// zero. Ignores the wildcard `*`.
fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (header, takes) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(header), takes, "{header}");
        }
    }
}
