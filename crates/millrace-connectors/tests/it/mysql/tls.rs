//! Connections are as protected as was asked for, or not made.

use std::path::Path;

use millrace_engine::error::ErrorKind;
use millrace_testkit::certificates::{Authority, Identity, Wanted};
use millrace_testkit::mariadb::MariaDb;

use super::READER;
use crate::reading::{load, source, stream};

const MODES: [&str; 5] = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

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

const PASSWORD: &str = "p@ss:w/rd";

/// A view that tells of the session that looks at it.
const VIEW: &str = "create database d; create sql security invoker view d.whether_encrypted as
     select variable_value <> '' as encrypted from information_schema.session_status where variable_name = 'Ssl_cipher';";

/// What comes of a connection to a host with these parameters.
fn connect(port: u16, dir: &Path, host: &str, parameters: &str) -> Result<bool, String> {
    let url = format!("mysql://reader:p%40ss%3Aw%2Frd@{host}:{port}/d?{parameters}");
    let source = source("mysql", dir, &[("url", &url)]);
    match load(source.as_ref(), &stream("whether_encrypted", &[])) {
        Ok(loaded) => Ok(loaded.rows[0][0].as_deref() == Some("1")),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::SourceUnreachable, "{error}");
            let text = format!("{error} [{}]", error.to_diagnostic().hint.unwrap_or_default());
            assert!(!text.contains(PASSWORD), "{text}");
            Err(text)
        }
    }
}

fn assert_outcome(what: &str, found: &Result<bool, String>, expected: Outcome) {
    match (found, expected) {
        (Ok(false), Open) | (Ok(true), Sealed) => {}
        (Err(error), No(words)) => assert!(error.contains(words), "{what}: {error}"),
        _ => panic!("{what}: {found:?}, not {expected:?}"),
    }
}

fn started(identity: Option<&Identity>) -> MariaDb {
    let server = match identity {
        Some(identity) => MariaDb::start_with(identity, &[]),
        None => MariaDb::start(&[]),
    };
    server.run(READER);
    server.run(VIEW);
    server
}

/// Who connects with whom: each certificate of a server, in each mode.
#[test]
fn each_mode_connects_with_whom_it_should() {
    let dir = tempfile::tempdir().expect("a folder");
    let (root, stranger) = (Authority::new("our root"), Authority::new("another root"));
    let own = |names: &'static [&'static str]| Wanted { names, common: "x", ..Wanted::default() };
    let common = |common: &'static str| Wanted { common, ..Wanted::default() };
    let good = root.sign(own(&["localhost"]));
    let alone = own(&["localhost"]).self_signed();
    std::fs::write(dir.path().join("root.pem"), root.pem()).expect("written");
    std::fs::write(dir.path().join("alone.pem"), &alone.certificate).expect("written");

    let server = started(Some(&good));
    let no = "is not among those";
    let stranger_signed = "signed by `CN=another root`, who is not among those that are trusted";
    let other = "is for `other.test`, not for `localhost` [Use a name that the certificate has";
    for (what, identity, host, roots, expected) in [
        ("good", good, "localhost", "root.pem", [Open, Sealed, Sealed, Sealed, Sealed]),
        (
            "a wrong name",
            root.sign(own(&["other.test"])),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, Sealed, No(other)],
        ),
        (
            "expired",
            root.sign(Wanted { expired: true, ..own(&["localhost"]) }),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, No("ended on 2020-01-01"), No("ended on 2020-01-01")],
        ),
        (
            "self-signed",
            alone.clone(),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, No("signed by itself"), No("signed by itself")],
        ),
        (
            "self-signed, and given as its own root",
            alone,
            "localhost",
            "alone.pem",
            [Open, Sealed, Sealed, Sealed, Sealed],
        ),
        (
            "an unknown root",
            stranger.sign(own(&["localhost"])),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, No(stranger_signed), No(stranger_signed)],
        ),
        (
            "X.509 version 1",
            root.sign_first_version(common("localhost")),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, Sealed, Sealed],
        ),
        (
            "X.509 version 1, a wrong name",
            root.sign_first_version(common("other.test")),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, Sealed, No(other)],
        ),
        (
            "X.509 version 1, expired",
            root.sign_first_version(Wanted { expired: true, ..common("localhost") }),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, No("ended on 2020-01-01"), No("ended on 2020-01-01")],
        ),
        (
            "X.509 version 1, an unknown root",
            stranger.sign_first_version(common("localhost")),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, No(no), No(no)],
        ),
        (
            "a common name only",
            root.sign(common("localhost")),
            "localhost",
            "root.pem",
            [Open, Sealed, Sealed, Sealed, Sealed],
        ),
        (
            "an address",
            root.sign(own(&["127.0.0.1"])),
            "127.0.0.1",
            "root.pem",
            [Open, Sealed, Sealed, Sealed, Sealed],
        ),
        (
            "a name, reached by its address",
            root.sign(own(&["localhost"])),
            "127.0.0.1",
            "root.pem",
            [Open, Sealed, Sealed, Sealed, No("is for `localhost`, not for `127.0.0.1`")],
        ),
    ] {
        server.show(&identity);
        for (mode, expected) in MODES.into_iter().zip(expected) {
            let ca = if mode.starts_with("VERIFY") { format!("&ssl-ca={roots}") } else { String::new() };
            let found = connect(server.port(), dir.path(), host, &format!("ssl-mode={mode}{ca}"));
            assert_outcome(&format!("{what}, {mode}"), &found, expected);
        }
    }

    // Nothing that is left out weakens anything.
    server.show(&root.sign(own(&["localhost"])));
    for (parameters, expected) in [
        ("", Sealed),
        ("ssl-ca=root.pem", Sealed),
        ("ssl_mode=verify-identity&ssl_ca=root.pem", Sealed),
        (
            "ssl-mode=VERIFY_IDENTITY",
            No(
                "not among those that are trusted [Name the authority that signed it with `ssl_ca: file.pem`.]",
            ),
        ),
        ("ssl-mode=VERIFY_CA", No(no)),
        ("ssl-ca=none.pem", No("none.pem` cannot be read")),
        (
            "ssl-mode=VERIFY_IDENTITY&ssl-ca=root.pem&ssl-cert=none.pem&ssl-key=none.pem",
            No("none.pem` cannot be used"),
        ),
    ] {
        assert_outcome(parameters, &connect(server.port(), dir.path(), "localhost", parameters), expected);
    }
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = started(None);
    let no = No("has no TLS, which `ssl-mode=");
    for (mode, expected) in MODES.into_iter().zip([Open, Open, no, no, no]) {
        assert_outcome(
            mode,
            &connect(server.port(), dir.path(), "127.0.0.1", &format!("ssl-mode={mode}")),
            expected,
        );
    }
}

/// Each way to log in that a MariaDB has, with and without TLS.
#[test]
fn passwords() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = Authority::new("our root");
    let identity = root.sign(Wanted { names: &["localhost"], ..Wanted::default() });
    let server = MariaDb::start_with(
        &identity,
        &["--plugin-load-add=auth_ed25519.so", "--plugin-load-add=auth_pam.so"],
    );
    server.run(READER);
    server.run(VIEW);
    server.run(
        "create user ed identified via ed25519 using password('s3cret'); create user pam identified via pam;
         create user nobody identified via mysql_native_password; create user sealed identified by 's3cret' require ssl;
         grant select on *.* to ed, pam, nobody, sealed;",
    );
    let log_in = |user: &str, mode: &str| {
        let url = format!("mysql://{user}@localhost:{}/d?ssl-mode={mode}", server.port());
        match load(source("mysql", dir.path(), &[("url", &url)]).as_ref(), &stream("whether_encrypted", &[]))
        {
            Ok(loaded) => Ok(loaded.rows[0][0].as_deref() == Some("1")),
            Err(error) => {
                let text = format!("{error} [{}]", error.to_diagnostic().hint.unwrap_or_default());
                assert!(!text.contains("s3cret") && !text.contains("wr0ng"), "{text}");
                Err(text)
            }
        }
    };
    for mode in ["DISABLED", "REQUIRED"] {
        let good = if mode == "DISABLED" { Open } else { Sealed };
        for (user, expected) in [
            ("reader:p%40ss%3Aw%2Frd", good),
            ("ed:s3cret", good),
            ("nobody", good),
            ("reader:wr0ng", No("does not let user `reader` in")),
            ("ed:wr0ng", No("does not let user `ed` in")),
            ("nobody:wr0ng", No("does not let user `nobody` in")),
            ("stranger:wr0ng", No("does not let user `stranger` in")),
            (
                "pam:s3cret",
                No("asks user `pam` for `dialog`, which is not supported [Give the user a password of"),
            ),
        ] {
            assert_outcome(&format!("{user}, {mode}"), &log_in(user, mode), expected);
        }
    }
    assert_outcome("TLS that the user must have", &log_in("sealed:s3cret", "REQUIRED"), Sealed);
    assert_outcome("none", &log_in("sealed:s3cret", "DISABLED"), No("does not let user `sealed` in"));
    server.run("set global require_secure_transport = on");
    let expected = No("may `reader` come from this machine, without encryption too?");
    assert_outcome("none at all", &log_in("reader:p%40ss%3Aw%2Frd", "DISABLED"), expected);
}

/// A server that asks for the certificate of this side.
#[test]
fn a_certificate_of_ones_own_opens_the_door() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = Authority::new("our root");
    let identity = root.sign(Wanted { names: &["localhost"], ..Wanted::default() });
    let client = root.sign(Wanted { common: "reader", ..Wanted::default() });
    for (name, text) in [("root.pem", &root.pem()), ("c.pem", &client.certificate), ("k.pem", &client.key)] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let authority = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(authority.path(), root.pem()).expect("written");
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(authority.path(), readable).expect("permissions");
    let server = MariaDb::start_with(&identity, &[&format!("--ssl-ca={}", authority.path().display())]);
    server.run(READER);
    server.run(VIEW);
    server.run("alter user reader require x509");
    let connect = |parameters: &str| connect(server.port(), dir.path(), "localhost", parameters);
    let both = "ssl-mode=VERIFY_IDENTITY&ssl-ca=root.pem&ssl-cert=c.pem&ssl-key=k.pem";
    assert_outcome("both files", &connect(both), Sealed);
    assert_outcome("none", &connect("ssl-ca=root.pem"), No("does not let user `reader` in"));
    // The same as settings of the source.
    let url =
        format!("mysql://reader:p%40ss%3Aw%2Frd@localhost:{}/d?ssl-mode=VERIFY_IDENTITY", server.port());
    let with = |more: &[(&str, &str)]| {
        let settings = [&[("url", url.as_str())], more].concat();
        load(source("mysql", dir.path(), &settings).as_ref(), &stream("whether_encrypted", &[]))
    };
    let files = [("ssl_ca", "root.pem"), ("ssl_cert", "c.pem"), ("ssl_key", "k.pem")];
    assert_eq!(with(&files).expect("it connects").rows[0][0].as_deref(), Some("1"));
    for lacking in [&files[1..], &files[..1], &[]] {
        with(lacking).expect_err("something is missing");
    }
    with(&[files[0], files[1], ("ssl_key", "root.pem")]).expect_err("no key");
}
