//! TLS: each mode does what it says, and nothing falls back to less.

use std::path::Path;

use millrace_connectors::postgres::inspect::{access, certificate_chain};
use millrace_core::project::settings::{Setting, Settings};
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::warehouse::{QueryLimits, Statement};
use millrace_testkit::postgres::{HOST, PgBouncer, PostgresServer};

use super::{one, try_open};

/// What comes of a URL: whether the connection is in TLS, or why there is none.
async fn reach(host: &str, database: &str, parameters: &str) -> Result<bool, String> {
    let server = PostgresServer::shared();
    let url =
        format!("postgres://postgres@{host}:{}/{database}?hostaddr=127.0.0.1&{parameters}", server.port());
    let warehouse = try_open(&url).map_err(|error| error.to_string())?;
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    match warehouse.query(&Statement::new(sql), QueryLimits::STATE).await {
        Ok(rows) => Ok(rows.row(0)[0].to_string() == "true"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WarehouseUnreachable, "{error}");
            Err(format!("{error} {}", error.to_diagnostic().hint.unwrap_or_default()))
        }
    }
}

#[tokio::test]
async fn each_mode_connects_with_whom_it_should() {
    let server = PostgresServer::shared();
    let root = format!("sslrootcert={}", server.file("root.crt").display());
    let other = format!("sslrootcert={}", server.file("other.crt").display());
    // Host, database (`secure` takes TLS only, and a password; `plain` none), parameters, and what comes of it.
    let cases: Vec<(&str, &str, String, Result<bool, &str>)> = vec![
        (HOST, "postgres", "sslmode=disable".into(), Ok(false)),
        (HOST, "plain", "sslmode=allow".into(), Ok(false)),
        (HOST, "postgres", "sslmode=prefer".into(), Ok(true)),
        (HOST, "postgres", "sslmode=require".into(), Ok(true)),
        ("127.0.0.1", "postgres", "sslmode=require".into(), Ok(true)),
        ("127.0.0.1", "postgres", String::new(), Ok(true)),
        // An unknown authority.
        (HOST, "postgres", String::new(), Err("not among those that are trusted")),
        (HOST, "postgres", "sslmode=verify-ca".into(), Err("not among those that are trusted")),
        (HOST, "postgres", format!("sslmode=verify-full&{other}"), Err("sslrootcert=FILE")),
        (HOST, "postgres", format!("sslmode=verify-ca&{other}"), Err("not among those that are trusted")),
        (HOST, "postgres", format!("sslmode=require&{other}"), Err("not among those that are trusted")),
        (HOST, "postgres", format!("sslmode=prefer&{other}"), Err("not among those that are trusted")),
        (HOST, "postgres", "sslrootcert=system".into(), Err("not among those that are trusted")),
        // The right one.
        (HOST, "postgres", format!("sslmode=verify-full&{root}"), Ok(true)),
        (HOST, "postgres", root.clone(), Ok(true)),
        (HOST, "postgres", format!("sslmode=verify-ca&{root}"), Ok(true)),
        // A wrong name.
        (
            "other.millrace.test",
            "postgres",
            format!("sslmode=verify-full&{root}"),
            Err("other.millrace.test"),
        ),
        ("127.0.0.1", "postgres", format!("sslmode=verify-full&{root}"), Err("is for `db.millrace.test`")),
        ("other.millrace.test", "postgres", format!("sslmode=verify-ca&{root}"), Ok(true)),
        // A server that wants the other thing.
        (HOST, "secure", "sslmode=disable".into(), Err("no encryption")),
        (HOST, "plain", format!("sslmode=verify-full&{root}"), Err("rejects connection")),
        (HOST, "plain", "sslmode=prefer".into(), Err("rejects connection")),
        (HOST, "postgres", format!("sslmode=require&{}", "sslrootcert=/nowhere.crt"), Err("cannot be read")),
    ];
    for (host, database, parameters, expected) in cases {
        let found = reach(host, database, &parameters).await;
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(*found, expected, "{host} {database} {parameters}"),
            (Err(error), Err(words)) => {
                assert!(error.contains(words), "{host} {database} {parameters}: {error}");
            }
            _ => panic!("{host} {database} {parameters}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn a_password_is_tied_to_the_channel() {
    let server = PostgresServer::shared();
    let root = server.file("root.crt").display().to_string();
    let place = format!("{HOST}:{}/secure?hostaddr=127.0.0.1&sslrootcert={root}", server.port());
    let ask = |url: String| async move {
        match try_open(&url) {
            Ok(warehouse) => {
                match warehouse.query(&Statement::new("select current_user"), QueryLimits::STATE).await {
                    Ok(rows) => Ok(rows.row(0)[0].to_string()),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    };
    let bound = ask(format!("postgres://guest:wort@{place}&channel_binding=require")).await;
    assert_eq!(bound.expect("it connects"), "guest");
    assert_eq!(
        ask(format!("postgres://guest:wort@{place}&channel_binding=disable")).await.expect("it connects"),
        "guest"
    );
    // `allow` comes back with TLS where the server wants it.
    let allowed = format!("postgres://guest:wort@127.0.0.1:{}/secure?sslmode=allow", server.port());
    assert_eq!(ask(allowed).await.expect("it connects"), "guest");
    let wrong = ask(format!("postgres://guest:hunter2@{place}")).await.expect_err("another password");
    assert!(wrong.to_string().contains("does not accept the password"), "{wrong}");
    assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
    let none = ask(format!("postgres://guest@{place}")).await.expect_err("no password");
    assert!(none.to_string().contains("asks for a password"), "{none}");
    // Without TLS there is nothing to bind to.
    let open = format!(
        "postgres://guest:wort@127.0.0.1:{}/postgres?sslmode=prefer&channel_binding=require",
        server.port()
    );
    assert_eq!(ask(open).await.expect("in TLS"), "guest");
}

#[tokio::test]
async fn a_certificate_of_ones_own_opens_the_door() {
    let server = PostgresServer::shared();
    let file = |name: &str| server.file(name).display().to_string();
    let with = format!(
        "postgres://postgres@{HOST}:{}/certified?hostaddr=127.0.0.1&sslrootcert={}&sslcert={}&sslkey={}",
        server.port(),
        file("root.crt"),
        file("client.crt"),
        file("client.key")
    );
    let warehouse = super::open(&with);
    assert_eq!(one(&*warehouse, "select current_database()").await, "certified");
    let without = reach(HOST, "certified", &format!("sslrootcert={}", file("root.crt"))).await;
    assert!(without.expect_err("no certificate").contains("certificate"));
    let broken = with.replace("client.key", "client.crt");
    let error = try_open(&broken).err().expect("no key");
    assert!(error.to_string().contains("client.crt"), "{error}");
}

#[tokio::test]
async fn servers_that_are_not_there_say_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let server = PostgresServer::shared();
    let both = format!("postgres://postgres@127.0.0.1:{port},127.0.0.1:{}/postgres", server.port());
    assert_eq!(one(&*super::open(&both), "select 1").await, "1");
    let standby =
        format!("postgres://postgres@127.0.0.1:{}/postgres?target_session_attrs=standby", server.port());
    let error = super::open(&standby).version().await.expect_err("it is none");
    assert!(error.to_string().contains("target_session_attrs"), "{error}");
    let preferred = format!(
        "postgres://postgres@127.0.0.1:{}/postgres?target_session_attrs=prefer-standby",
        server.port()
    );
    assert!(super::open(&preferred).version().await.expect("any will do").starts_with("PostgreSQL 1"));
    let none = format!("postgres://postgres@127.0.0.1:{}/nowhere", server.port());
    let error = super::open(&none).version().await.expect_err("no such database");
    assert!(error.to_string().contains("no such database"), "{error}");
    let refused = format!("postgres://postgres@127.0.0.1:{port}/d");
    let error = super::open(&refused).version().await.expect_err("nobody listens");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}

/// A server without TLS.
#[tokio::test]
async fn there_is_no_less_than_was_asked_for() {
    let server = PostgresServer::shared();
    let pooler = PgBouncer::start(server, 1);
    for mode in ["disable", "allow", "prefer"] {
        let url = format!("{}?sslmode={mode}", pooler.url("postgres"));
        assert_eq!(one(&*super::open(&url), "select 1").await, "1", "{mode}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{}?sslmode={mode}", pooler.url("postgres"));
        let error = super::open(&url).version().await.expect_err("it has no TLS");
        assert!(error.message().ends_with("has no TLS"), "{mode}: {error}");
    }
}

#[tokio::test]
async fn the_chain_is_told_with_who_vouches_for_it() {
    let server = PostgresServer::shared();
    let settings = |parameters: &str| {
        let url = format!("postgres://u:hunter2@{HOST}:{}/d?hostaddr=127.0.0.1&{parameters}", server.port());
        Settings::new([("url".to_owned(), Setting::Text(url))])
    };
    let root = format!("sslrootcert={}", server.file("root.crt").display());
    let known = certificate_chain(Path::new("/"), &settings(&root)).await.expect("a chain");
    let signer = known.root.expect("its root");
    assert_eq!(
        signer.pem.trim(),
        std::fs::read_to_string(server.file("root.crt")).expect("a file").replace('\r', "").trim()
    );
    assert_eq!((known.names_host, known.problem), (true, None));
    assert_eq!(known.sent[0].issuer, signer.subject);
    let unknown = certificate_chain(Path::new("/"), &settings("")).await.expect("a chain");
    assert_eq!((unknown.root, unknown.names_host), (None, false));
    assert!(unknown.problem.expect("a reason").contains("not among those that are trusted"));

    let found = access(Path::new("/"), &settings("sslmode=require")).expect("access");
    assert_eq!((found.host.as_str(), found.port, found.sslmode), (HOST, server.port(), "require"));
    assert_eq!((found.database.as_deref(), found.user.as_deref()), (Some("d"), Some("u")));
    assert!(!found.is_here && !format!("{found:?}").contains("hunter2"));
}
