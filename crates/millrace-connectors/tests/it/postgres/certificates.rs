//! Who connects with whom: each certificate of a server, in each `sslmode`.

use millrace_engine::error::ErrorKind;
use millrace_engine::ports::warehouse::{QueryLimits, Statement};
use millrace_testkit::certificates::{Authority, Wanted};
use millrace_testkit::postgres::{HOST, PostgresServer};

use super::try_open;

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// What comes of a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// It is made, without encryption.
    Open,
    /// It is made, and encrypted.
    Sealed,
    /// There is none; the message or the hint has these words.
    No(&'static str),
}

use Outcome::{No, Open, Sealed};

async fn connect(server: &PostgresServer, host: &str, parameters: &str) -> Result<bool, String> {
    let url = format!(
        "postgres://postgres:hunter2@{host}:{}/postgres?hostaddr=127.0.0.1&{parameters}",
        server.port()
    );
    let warehouse = try_open(&url).map_err(|error| error.to_string())?;
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    match warehouse.query(&Statement::new(sql), QueryLimits::STATE).await {
        Ok(rows) => Ok(rows.row(0)[0].to_string() == "true"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WarehouseUnreachable, "{error}");
            let text = format!("{error} [{}]", error.to_diagnostic().hint.unwrap_or_default());
            assert!(!text.contains("hunter2"), "{text}");
            Err(text)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_connects_with_whom_it_should() {
    let dir = tempfile::tempdir().expect("a folder");
    let (root, stranger) = (Authority::new("our root"), Authority::new("another root"));
    let own = |names: &'static [&'static str]| Wanted { names, common: "x", ..Wanted::default() };
    let common = |common: &'static str| Wanted { common, ..Wanted::default() };
    let alone = own(&[HOST]).self_signed();
    for (name, text) in [("root.pem", &root.pem()), ("alone.pem", &alone.certificate)] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let server = PostgresServer::start(&[]);
    let all = |verify_ca, verify_full| [Open, Open, Sealed, Sealed, verify_ca, verify_full];
    let unknown = No("signed by `CN=another root`, who is not among those that are trusted [Name the file");
    let other =
        No("is for `other.test`, not for `db.millrace.test` [Use the name that is in its certificate");
    let (ended, by_itself) = (No("ended on 2020-01-01 [Whoever runs"), No("signed by itself"));
    for (what, identity, host, roots, expected) in [
        ("good", Some(root.sign(own(&[HOST]))), HOST, "root.pem", all(Sealed, Sealed)),
        ("a wrong name", Some(root.sign(own(&["other.test"]))), HOST, "root.pem", all(Sealed, other)),
        (
            "expired",
            Some(root.sign(Wanted { expired: true, ..own(&[HOST]) })),
            HOST,
            "root.pem",
            all(ended, ended),
        ),
        ("self-signed", Some(alone.clone()), HOST, "root.pem", all(by_itself, by_itself)),
        ("self-signed, and given as its own root", Some(alone), HOST, "alone.pem", all(Sealed, Sealed)),
        ("an unknown root", Some(stranger.sign(own(&[HOST]))), HOST, "root.pem", all(unknown, unknown)),
        (
            "X.509 version 1",
            Some(root.sign_first_version(common(HOST))),
            HOST,
            "root.pem",
            all(Sealed, Sealed),
        ),
        (
            "X.509 version 1, a wrong name",
            Some(root.sign_first_version(common("other.test"))),
            HOST,
            "root.pem",
            all(Sealed, other),
        ),
        ("a common name only", Some(root.sign(common(HOST))), HOST, "root.pem", all(Sealed, Sealed)),
        ("an address", Some(root.sign(own(&["127.0.0.1"]))), "127.0.0.1", "root.pem", all(Sealed, Sealed)),
        (
            "a name, reached by its address",
            Some(root.sign(own(&[HOST]))),
            "127.0.0.1",
            "root.pem",
            all(Sealed, No("is for `db.millrace.test`, not for `127.0.0.1`")),
        ),
        (
            "no TLS",
            None,
            HOST,
            "root.pem",
            [Open, Open, Open, No("has no TLS"), No("has no TLS"), No("has no TLS")],
        ),
    ] {
        server.show(identity.as_ref());
        for (mode, expected) in MODES.into_iter().zip(expected) {
            // With a file of roots `require` would be `verify-ca`, as in libpq.
            let root = dir.path().join(roots);
            let roots = mode.starts_with("verify").then(|| format!("&sslrootcert={}", root.display()));
            let parameters = format!("sslmode={mode}{}", roots.unwrap_or_default());
            let found = connect(&server, host, &parameters).await;
            match (&found, expected) {
                (Ok(false), Open) | (Ok(true), Sealed) => {}
                (Err(error), No(words)) => assert!(error.contains(words), "{what}, {mode}: {error}"),
                _ => panic!("{what}, {mode}: {found:?}, not {expected:?}"),
            }
        }
    }
}
