//! Buckets of S3 and of compatible servers.
//!
//! Requests are signed in their address (signature version 4) by the crate `rusty-s3`, which does
//! no I/O. A path with a pattern costs one listing of the keys that begin with the text before the
//! first wildcard.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind, Result};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use url::Url;

use crate::files::pattern::Shown;
use crate::files::remote::web::{self, WebAddress};
use crate::files::remote::{Object, Origin};

/// How long a signed address is valid.
const SIGNED_FOR: Duration = Duration::from_hours(1);
/// Enough bytes for one page of a listing: a thousand keys of a thousand characters, escaped.
const LIST_BYTES: u64 = 16 << 20;

/// The XML namespace of S3's answers, by
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An object of a listing: its key and, if the listing names both, its entity tag and size.
type Listed = (String, Option<(String, u64)>);

/// A bucket with its credentials. `Debug` shows the bucket's name only.
pub(super) struct Store {
    bucket: Bucket,
    credentials: Option<Credentials>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.bucket.name())
    }
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.bucket == other.bucket
    }
}

impl Eq for Store {}

impl Store {
    /// Reads the setting `s3`. Refuses an access key without a secret key and the other way round;
    /// without both, requests are not signed.
    fn of(name: &str, settings: &Settings) -> Result<Self> {
        let wrong = |what: &str| Error::new(ErrorKind::SourceUnreadable, format!("`s3`: {what}"));
        let given = settings.map("s3").cloned().unwrap_or_default();
        let text = |key: &str| given.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let region = text("region").unwrap_or("us-east-1").to_owned();
        // A server that the project names gets the bucket in the path of the address.
        let (endpoint, style) = match text("endpoint") {
            Some(endpoint) => (endpoint.to_owned(), UrlStyle::Path),
            // A wildcard certificate covers one label, so the bucket name must not add dots to the
            // host name.
            None if name.contains('.') => (format!("https://s3.{region}.amazonaws.com"), UrlStyle::Path),
            None => (format!("https://s3.{region}.amazonaws.com"), UrlStyle::VirtualHost),
        };
        let endpoint = Url::parse(&endpoint).map_err(|_| wrong("`endpoint` is no address"))?;
        let bucket = Bucket::new(endpoint, style, name.to_owned(), region)
            .map_err(|error| wrong(&format!("the bucket cannot have that name or `endpoint`: {error}")))?;
        let credentials = match (text("access_key"), text("secret_key"), text("session_token")) {
            (Some(key), Some(secret), Some(token)) => Some(Credentials::new_with_token(key, secret, token)),
            (Some(key), Some(secret), None) => Some(Credentials::new(key, secret)),
            // A public bucket: requests are not signed.
            (None, None, None) => None,
            _ => {
                return Err(wrong("`access_key` and `secret_key` belong together")
                    .hint("Write both, from `${NAME}`, or none for a public bucket."));
            }
        };
        Ok(Self { bucket, credentials })
    }

    /// The signed address of an object.
    pub(super) fn address(&self, key: &str) -> Result<WebAddress> {
        WebAddress::plain(self.bucket.get_object(self.credentials.as_ref(), key).sign(SIGNED_FOR))
    }

    /// Lists all objects whose keys begin with `prefix`, page by page.
    fn list(&self, name: &str, prefix: &str) -> Result<Vec<Listed>> {
        let mut objects = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut list = self.bucket.list_objects_v2(self.credentials.as_ref());
            list.with_prefix(prefix);
            if let Some(token) = next.take() {
                list.with_continuation_token(token);
            }
            let text = web::document(name, &WebAddress::plain(list.sign(SIGNED_FOR))?, LIST_BYTES)?;
            let page = ListObjectsV2::parse_response(&in_namespace(&text)).map_err(|error| {
                Error::new(ErrorKind::SourceUnreadable, format!("the list of `{name}` cannot be read"))
                    .caused_by(error)
                    .hint("Does the server at `endpoint` speak S3's language?")
            })?;
            objects.extend(page.contents.into_iter().map(|object| {
                let listed = object.etag.zip(object.size);
                (object.key, listed)
            }));
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(objects);
            }
        }
    }
}

/// Replaces the namespace of a listing by the one that `rusty-s3` expects. Servers of Google and
/// some others name another one, or none.
fn in_namespace(list: &str) -> Cow<'_, str> {
    let root = "<ListBucketResult";
    let tag = list.find(root).and_then(|start| Some((start, start + list[start..].find('>')?)));
    match tag {
        Some((start, end)) => {
            format!("{}{root} xmlns=\"{NAMESPACE}\"{}", &list[..start], &list[end..]).into()
        }
        None => list.into(),
    }
}

/// The objects that `s3://bucket/key` names; `key` may be a pattern. `rest` is the path without its
/// scheme. Only a pattern sends a request.
pub(super) fn matching(path: &str, rest: &str, settings: &Settings) -> Result<Vec<Object>> {
    let Some((name, key)) = rest.split_once('/').filter(|(name, key)| !name.is_empty() && !key.is_empty())
    else {
        return Err(Error::new(ErrorKind::SourceUnreadable, format!("`path: {path}` names no object"))
            .hint("Write `s3://bucket/folder/file.json`, or a pattern: `s3://bucket/folder/*.json`."));
    };
    let store = Arc::new(Store::of(name, settings)?);
    let object = |key: String, listed| Object {
        name: format!("s3://{name}/{key}"),
        origin: Origin::Bucket { store: Arc::clone(&store), key },
        listed,
    };
    // Without a wildcard the key is taken as it is, without a request.
    let Some(wild) = key.find(['*', '?', '[']) else {
        return Ok(vec![object(key.to_owned(), None)]);
    };
    let broken = |error| {
        Error::new(ErrorKind::SourceUnreadable, format!("`path: {path}` is no file pattern")).caused_by(error)
    };
    let (pattern, shown) = (glob::Pattern::new(key).map_err(broken)?, Shown::new(key).map_err(broken)?);
    // As in a path, `*` does not match a slash.
    let by_folder = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let listed = store.list(path, &key[..wild])?;
    let listed = listed.into_iter().filter(|(key, _)| {
        // Web consoles create a key that ends in a slash for an empty folder.
        pattern.matches_with(key, by_folder) && shown.matches(key) && !key.ends_with('/')
    });
    Ok(listed.map(|(key, listed)| object(key, listed)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whatever_its_namespace() {
        for namespace in [
            " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"",
            " xmlns='http://doc.s3.amazonaws.com/2006-03-01'",
            "",
        ] {
            // The last key, unescaped, looks like the root element.
            let keys = ["a+b%26c", "%3CListBucketResult%3E"];
            let contents = keys.map(|key| format!("<Contents><Key>{key}</Key><Size>3</Size></Contents>"));
            let list = format!(
                "<?xml version=\"1.0\"?><ListBucketResult{namespace}><Name>b</Name><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
                contents.concat()
            );
            let read = ListObjectsV2::parse_response(&in_namespace(&list)).expect(namespace);
            let keys: Vec<String> = read.contents.into_iter().map(|object| object.key).collect();
            assert_eq!(keys, ["a b&c", "<ListBucketResult>"]);
        }
        assert_eq!(in_namespace("<Error/>"), "<Error/>");
    }
}
