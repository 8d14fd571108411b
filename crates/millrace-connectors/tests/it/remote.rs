//! Files of other machines, from a server in the test.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use millrace_core::cursor::Cursor;
use millrace_core::project::settings::{Setting, Settings};
use millrace_core::project::source_file::ReadMode;
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::source::{Source, StreamRequest};
use millrace_testkit::web::{Reply, Request, WebServer};
use parquet::arrow::ArrowWriter;

use crate::reading::{discover, is_new, load, read_since, source, stream, wait};

const ROWS: &str = "id,n\n1,a\n2,b\n3,c\n";

fn csv(server: &WebServer, path: &str) -> (Arc<dyn Source>, StreamRequest) {
    (source("csv", Path::new("."), &[]), stream("s", &[("path", &server.address(path))]))
}

/// A stream with settings that are mappings.
fn with(stream: StreamRequest, key: &str, pairs: &[(&str, &str)]) -> StreamRequest {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings::new([(key.to_owned(), Setting::Map(pairs.collect()))]).or(&stream.settings);
    StreamRequest { settings, ..stream }
}

#[test]
fn a_file_is_fetched_and_known_by_its_tag() {
    let server = WebServer::start(|request: &Request| {
        let etag = "\"v1\"".to_owned();
        match request.headers.get("if-none-match") {
            Some(known) if *known == etag => Reply::of(304, ""),
            _ => Reply::of(200, ROWS).with("etag", etag),
        }
    });
    let (source, stream) = csv(&server, "/a.csv?token=secret");
    let loaded = load(source.as_ref(), &stream).expect("readable");
    assert_eq!(loaded.lines(), ["1|a", "2|b", "3|c"]);
    let Some(Cursor::Files { files, .. }) = &loaded.outcome.cursor else { panic!("a cursor of files") };
    assert_eq!(
        (files[0].path.as_str(), files[0].size),
        (server.address("/a.csv").as_str(), ROWS.len() as u64)
    );
    assert_eq!(files[0].hash, blake3::hash(ROWS.as_bytes()).to_hex().as_str());
    server.requests();
    let last = loaded.outcome.cursor.expect("a cursor");
    assert_eq!(wait(source.position(&stream, &last)).expect("a position").as_ref(), Some(&last));
    assert_eq!(server.requests().len(), 1, "nothing was fetched");
}

#[test]
fn a_file_without_a_tag_is_known_by_its_bytes() {
    let version = Arc::new(AtomicU32::new(0));
    let served = Arc::clone(&version);
    let server = WebServer::start(move |_| {
        let version = served.load(Ordering::SeqCst);
        Reply { chunked: true, ..Reply::of(200, format!("{ROWS}4,{version}\n")) }.with("etag", "W/\"weak\"")
    });
    let (source, stream) = csv(&server, "/a.csv");
    let last = load(source.as_ref(), &stream).expect("readable").outcome.cursor.expect("a cursor");
    let is_new = || is_new(source.as_ref(), &stream, &last);
    assert!(!is_new());
    version.store(1, Ordering::SeqCst);
    assert!(is_new());
    // What was appended and has changed nobody can load.
    let stream = StreamRequest { mode: ReadMode::Append, ..stream.clone() };
    let schema = discover(source.as_ref(), &stream).expect("readable").schema;
    let last = read_since(source.as_ref(), &stream, &schema, None).expect("readable").outcome.cursor;
    version.store(2, Ordering::SeqCst);
    let changed = read_since(source.as_ref(), &stream, &schema, last).expect_err("it has changed");
    assert_eq!(changed.kind(), ErrorKind::ContractBroken);
}

#[test]
fn an_interrupted_download_goes_on_where_it_was() {
    let text = Arc::new("id,n\n".to_owned() + &"7,x\n".repeat(10_000));
    let served = Arc::clone(&text);
    let server = WebServer::start(move |request: &Request| {
        let whole = Reply::of(200, served.as_bytes()).with("etag", "\"v1\"");
        match request
            .headers
            .get("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        {
            Some(from) if request.headers["if-range"] == "\"v1\"" => {
                let rest: &[u8] = &served.as_bytes()[from..];
                let range = format!("bytes {from}-{}/{}", served.len() - 1, served.len());
                Reply::of(206, rest).with("etag", "\"v1\"").with("content-range", range)
            }
            _ => Reply { cut: Some(20_000), ..whole },
        }
    });
    let (source, stream) = csv(&server, "/a.csv");
    let loaded = load(source.as_ref(), &stream).expect("readable");
    assert_eq!((loaded.rows.len(), loaded.quarantined.len()), (10_000, 0));
    let Some(Cursor::Files { files, .. }) = &loaded.outcome.cursor else { panic!("a cursor of files") };
    assert_eq!(files[0].hash, blake3::hash(text.as_bytes()).to_hex().as_str());
}

#[test]
fn a_file_of_which_the_server_has_another_version_in_the_end_is_not_loaded() {
    let server = WebServer::start(|request: &Request| match request.headers.get("if-none-match") {
        Some(_) => Reply::of(200, "id,n\n9,z\n").with("etag", "\"v2\""),
        None => Reply::of(200, ROWS).with("etag", "\"v1\""),
    });
    let (source, stream) = csv(&server, "/a.csv");
    let error = discover(source.as_ref(), &stream).expect_err("it has changed");
    assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
}

#[test]
fn a_part_is_never_taken_for_the_whole() {
    let ended = |reply: fn(&Request) -> Reply| {
        let server = WebServer::start(reply);
        let (source, stream) = csv(&server, "/a.csv");
        let error = discover(source.as_ref(), &stream).expect_err("no file");
        (error.kind(), error.to_diagnostic().to_string() + &error.causes().join("; "))
    };
    // The record ends with the part, so that nothing else would tell.
    let cut = Some(9);
    let (kind, _) = ended(|_| Reply { cut: Some(9), ..Reply::of(200, ROWS) });
    assert_eq!(kind, ErrorKind::SourceUnreachable, "{cut:?}");
    let (kind, _) = ended(|_| Reply { cut: Some(9), chunked: true, ..Reply::of(200, ROWS) });
    assert_eq!(kind, ErrorKind::SourceUnreachable);
    let (kind, text) = ended(|_| Reply { length: false, ..Reply::of(200, ROWS) });
    assert_eq!(kind, ErrorKind::SourceUnreadable);
    assert!(text.contains("where file"), "{text}");
    // The rest is of another version.
    let (kind, text) = ended(|request| match request.headers.get("range") {
        None => Reply { cut: Some(9), ..Reply::of(200, ROWS) }.with("etag", "\"v1\""),
        Some(_) => Reply::of(200, "id,n\n9,z\n").with("etag", "\"v2\""),
    });
    assert_eq!(kind, ErrorKind::SourceUnreachable);
    assert!(text.contains("has changed"), "{text}");
}

#[test]
fn servers_that_refuse_say_why() {
    let server = WebServer::start(|request: &Request| {
        let there = |target: &str| Reply::of(302, "").with("location", target);
        match request.target.as_str() {
            "/403.csv" => Reply::of(403, "secret"),
            "/404.csv" => Reply::of(404, ""),
            "/round.csv" => there("/round.csv"),
            "/away.csv" => there("http://example.com/a.csv"),
            "/here.csv" => there("there.csv"),
            "/there.csv" if request.headers.get("x-token").map(String::as_str) == Some("t") => {
                Reply::of(200, ROWS)
            }
            _ => Reply::of(401, ""),
        }
    });
    for (path, kind, expected) in [
        ("/403.csv", ErrorKind::SourceUnreachable, "HTTP status 403"),
        ("/404.csv", ErrorKind::SourceUnreachable, "there is no file"),
        ("/there.csv", ErrorKind::SourceUnreachable, "HTTP status 401"),
        ("/round.csv", ErrorKind::SourceUnreadable, "redirects too often"),
        ("/away.csv", ErrorKind::SourceUnreadable, "not encrypted"),
    ] {
        let (source, stream) = csv(&server, path);
        let error = discover(source.as_ref(), &stream).expect_err(path);
        let text = format!("{error} {}", error.causes().join("; "));
        assert_eq!(error.kind(), kind, "{path}: {text}");
        assert!(text.contains(expected) && !text.contains("secret"), "{path}: {text}");
    }
    let (source, stream) = csv(&server, "/here.csv");
    let stream = with(stream, "headers", &[("x-token", "t")]);
    assert_eq!(load(source.as_ref(), &stream).expect("readable").lines().len(), 3);
}

#[test]
fn a_busy_server_is_asked_again() {
    let tries = AtomicU32::new(0);
    let server = WebServer::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::of(503, ""),
        _ => Reply::of(200, ROWS),
    });
    let (source, stream) = csv(&server, "/a.csv");
    assert_eq!(load(source.as_ref(), &stream).expect("readable").lines().len(), 3);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn packed_files_come_over_the_wire_too() {
    let packed = zstd::encode_all(ROWS.as_bytes(), 1).expect("packed");
    let server = WebServer::start(move |request: &Request| match request.target.as_str() {
        "/cut.csv.zst" => Reply::of(200, &packed[..packed.len() - 4]),
        _ => Reply::of(200, packed.clone()),
    });
    let (source, stream) = csv(&server, "/a.csv.zst?x=1");
    assert_eq!(load(source.as_ref(), &stream).expect("readable").lines().len(), 3);
    let (source, stream) = csv(&server, "/cut.csv.zst");
    let error = discover(source.as_ref(), &stream).expect_err("cut off").to_string();
    assert!(error.contains("end too early"), "{error}");
}

/// Whether an address is signed as <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html> says, for that key.
fn is_signed(target: &str, key: &str) -> bool {
    let Some((_, query)) = target.split_once('?') else { return false };
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let scope = value("X-Amz-Credential").unwrap_or_default().replace("%2F", "/");
    let scope: Vec<&str> = scope.split('/').collect();
    let date = value("X-Amz-Date").unwrap_or_default();
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    value("X-Amz-Algorithm") == Some("AWS4-HMAC-SHA256")
        && scope == [key, &date[..8.min(date.len())], "eu-west-3", "s3", "aws4_request"]
        && value("X-Amz-SignedHeaders") == Some("host")
        && value("X-Amz-Signature").is_some_and(is_hex)
}

/// A bucket `shop` with some objects, two of which are listed at a time.
fn bucket() -> WebServer {
    // The first two are of no pattern here: unfinished uploads.
    const KEYS: [&str; 7] = [
        "in/.2026-05.csv",
        "in/.tmp/2026-06.csv",
        "in/2026-01.csv",
        "in/2026-02.csv",
        "in/2026-03.csv",
        "in/old/2026-04.csv",
        "in/readme.txt",
    ];
    WebServer::start(|request: &Request| {
        if !is_signed(&request.target, "AKID") {
            return Reply::of(403, "");
        }
        let (path, query) = request.target.split_once('?').expect("a query");
        if path == "/shop/" {
            assert!(query.contains("list-type=2") && query.contains("prefix=in%2F"), "{query}");
            let from =
                query.split('&').find_map(|pair| pair.strip_prefix("continuation-token=")).unwrap_or("0");
            let from: usize = from.parse().expect("a token of ours");
            let mut objects = String::new();
            for key in KEYS[from..].iter().take(2) {
                objects += &format!(
                    "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"{key}\"</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                    ROWS.len()
                );
            }
            let more = from + 2 < KEYS.len();
            let next = if more {
                format!("<NextContinuationToken>{}</NextContinuationToken>", from + 2)
            } else {
                String::new()
            };
            return Reply::of(
                200,
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>shop</Name><Prefix>in/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{objects}{next}</ListBucketResult>"
                ),
            );
        }
        let key = path.trim_start_matches("/shop/");
        match request.headers.get("if-none-match") {
            Some(known) if *known == format!("\"{key}\"") => Reply::of(304, ""),
            _ if KEYS.contains(&key) => Reply::of(200, ROWS).with("etag", format!("\"{key}\"")),
            _ => Reply::of(404, ""),
        }
    })
}

/// Where a bucket is, and a key to it.
fn signed_by(endpoint: &str) -> [(&str, &str); 4] {
    [("endpoint", endpoint), ("region", "eu-west-3"), ("access_key", "AKID"), ("secret_key", "hush")]
}

#[test]
fn objects_of_a_bucket_are_listed_and_read() {
    let server = bucket();
    let source = source("csv", Path::new("."), &[]);
    let endpoint = server.address("");
    let keys = signed_by(&endpoint);
    let at = |path: &str| with(stream("s", &[("path", path)]), "s3", &keys);
    let loaded = load(source.as_ref(), &at("s3://shop/in/*.csv")).expect("readable");
    assert_eq!(loaded.rows.len(), 9);
    let Some(Cursor::Files { files, .. }) = &loaded.outcome.cursor else { panic!("a cursor of files") };
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["s3://shop/in/2026-01.csv", "s3://shop/in/2026-02.csv", "s3://shop/in/2026-03.csv"]);
    server.requests();
    let last = loaded.outcome.cursor.clone().expect("a cursor");
    let position = wait(source.position(&at("s3://shop/in/*.csv"), &last)).expect("a position");
    assert_eq!(position, Some(last));
    assert_eq!(server.requests().len(), 4, "four pages of a list, and no object");
    let one = load(source.as_ref(), &at("s3://shop/in/old/2026-04.csv")).expect("readable");
    assert_eq!(one.rows.len(), 3);
    let everywhere = load(source.as_ref(), &at("s3://shop/in/**/2026-*.csv")).expect("readable");
    assert_eq!(everywhere.rows.len(), 12);
    let none = discover(source.as_ref(), &at("s3://shop/in/none.csv")).expect_err("no object");
    assert!(none.to_string().contains("there is no file"), "{none}");
    let foreign = with(
        stream("s", &[("path", "s3://shop/in/*.csv")]),
        "s3",
        &[("endpoint", &endpoint), ("region", "eu-west-3")],
    );
    let refused = discover(source.as_ref(), &foreign).expect_err("nobody has signed");
    assert!(refused.to_string().contains("does not hand out"), "{refused}");
    let half = with(stream("s", &[("path", "s3://shop/in/*.csv")]), "s3", &[("access_key", "AKID")]);
    let half = discover(source.as_ref(), &half).expect_err("half a key");
    assert!(half.to_string().contains("belong together"), "{half}");
}

#[test]
fn a_session_token_goes_with_the_signature() {
    let server = WebServer::start(|request: &Request| {
        let has_token = request.target.contains("X-Amz-Security-Token=t0ken%2F%2B");
        if has_token && is_signed(&request.target, "AKID") {
            Reply::of(200, ROWS)
        } else {
            Reply::of(403, "")
        }
    });
    let source = source("csv", Path::new("."), &[]);
    let endpoint = server.address("");
    let [at, region, name, secret] = signed_by(&endpoint);
    let keys = [at, region, name, secret, ("session_token", "t0ken/+")];
    let by = |keys: &[(&str, &str)]| with(stream("s", &[("path", "s3://shop/a.csv")]), "s3", keys);
    assert_eq!(load(source.as_ref(), &by(&keys)).expect("readable").rows.len(), 3);
    discover(source.as_ref(), &by(&keys[..4])).expect_err("without it nobody is let in");
    let alone = discover(source.as_ref(), &by(&[keys[0], keys[1], keys[4]])).expect_err("a token alone");
    assert!(!format!("{alone:?}").contains("t0ken"), "{alone:?}");
}

/// A file of Parquet with so many columns.
fn parquet_file(columns: usize) -> Vec<u8> {
    let fields = (0..columns).map(|n| Field::new(format!("column_number_{n}"), DataType::Int64, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let array: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let rows = RecordBatch::try_new(Arc::clone(&schema), vec![array; columns]).expect("a batch");
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, schema, None).expect("a writer");
    writer.write(&rows).expect("written");
    writer.close().expect("closed");
    file
}

#[test]
fn of_a_parquet_file_only_the_end_tells_the_columns() {
    let folder = tempfile::tempdir().expect("a folder");
    for (columns, parts, asked) in [(2, true, 1), (2_000, true, 2), (2, false, 2)] {
        let file = parquet_file(columns);
        let served = file.clone();
        let server = WebServer::start(move |request: &Request| {
            let wanted =
                request.headers.get("range").and_then(|range| range.strip_prefix("bytes=-")?.parse().ok());
            match wanted.filter(|_| parts) {
                Some(bytes) => {
                    let from = served.len().saturating_sub(bytes);
                    let range = format!("bytes {from}-{}/{}", served.len() - 1, served.len());
                    Reply::of(206, &served[from..]).with("content-range", range)
                }
                None => Reply::of(200, served.clone()),
            }
        });
        let source = source("parquet", folder.path(), &[]);
        let stream = stream("s", &[("path", &server.address("/a.parquet"))]);
        let schema = discover(source.as_ref(), &stream).expect("readable").schema;
        assert_eq!(schema.columns.len(), columns);
        let requests = server.requests();
        assert_eq!(requests.len(), asked, "{columns} columns");
        assert_eq!(requests.iter().all(|request| request.headers.contains_key("range")), parts);
        let loaded = read_since(source.as_ref(), &stream, &schema, None).expect("readable");
        assert_eq!((loaded.rows.len(), loaded.quarantined.len()), (3, 0));
        let Some(Cursor::Files { files, .. }) = &loaded.outcome.cursor else { panic!("a cursor of files") };
        assert_eq!(files[0].hash, blake3::hash(&file).to_hex().as_str());
    }
}
