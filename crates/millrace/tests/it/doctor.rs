//! `doctor`: each layer's failure is told from the others', with what to do.

use std::net::TcpListener;

use millrace_testkit::certificates::{Authority, Wanted};
use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::{HOST, PgBouncer, PostgresServer};
use serde_json::Value as Json;

use crate::millrace::{Ended, Project};

/// The layers of a server in their order.
const LAYERS: [&str; 7] = ["dns", "tcp", "tls", "authentication", "database", "privileges", "server"];

/// What `doctor` says of one thing by name, layer by layer, in its answer.
struct Answer {
    ended: Ended,
    findings: Vec<Json>,
}

impl Answer {
    fn of(project: &Project, what: &str) -> Self {
        let ended = project.run(&["doctor", "--json", "--wait", "0s", what]);
        let findings = ended.json()["findings"].as_array().expect("findings").clone();
        for said in [&ended.stdout, &ended.stderr] {
            assert!(!said.contains(PASSWORD) && !said.contains("wr0ng"), "{said}");
        }
        Self { ended, findings }
    }

    fn state(&self, layer: &str) -> Vec<&str> {
        let of = self.findings.iter().filter(|finding| finding["layer"] == layer);
        of.map(|finding| finding["state"].as_str().expect("a state")).collect()
    }

    /// All layers before this one are good, this one has failed with those words, and nothing behind it was looked at.
    fn assert_fails(&self, layer: &str, words: &[&str]) {
        let (code, said) = (self.ended.code, &self.ended.stdout);
        assert_eq!(code, 3, "{said}");
        let at = LAYERS.iter().position(|known| *known == layer).expect("a layer");
        for before in &LAYERS[..at] {
            assert!(self.state(before).iter().all(|state| *state == "good"), "{before}: {said}");
        }
        for behind in &LAYERS[at + 1..] {
            assert_eq!(self.state(behind), ["not_looked_at"], "{behind}: {said}");
        }
        assert_eq!(self.state(layer), ["failed"], "{said}");
        let found = self.findings.iter().find(|finding| finding["state"] == "failed").expect("one");
        let text = format!("{} {}", found["saw"], found["hint"]);
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        assert!(found["hint"].is_string(), "{text}");
    }

    fn assert_good(&self) {
        assert_eq!(self.ended.code, 0, "{}", self.ended.stdout);
        for layer in LAYERS {
            let state = self.state(layer);
            assert!(
                !state.is_empty() && state.iter().all(|state| *state == "good"),
                "{layer}: {}",
                self.ended.stdout
            );
        }
    }
}

const PASSWORD: &str = "s3cret";

/// A port on which nobody listens.
fn closed() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

fn project(url: &str) -> Project {
    Project::of(&[
        ("millrace.yml", "name: tiny\nenvironments:\n  dev: {type: duckdb, path: t.duckdb}\n"),
        (
            "sources/crm.yml",
            &format!("source: crm\ntype: mysql\nurl: \"{url}\"\nstreams:\n  clients: {{}}\n"),
        ),
    ])
}

#[test]
fn each_layer_of_a_mysql_server() {
    let root = Authority::new("our root");
    let named = |names: &'static [&'static str]| Wanted { names, common: "db", ..Wanted::default() };
    let server =
        MariaDb::start_with(&root.sign(named(&["localhost"])), &["--log-bin", "--binlog-format=ROW"]);
    server.run(
        "create database shop; create table shop.clients (id int primary key); create database empty;
         create user reader identified by 's3cret'; grant select on shop.* to reader;
         create user writer identified by 's3cret'; grant insert on shop.* to writer;",
    );
    let plain = MariaDb::start(&[]);
    plain.run(
        "create database shop; create user reader identified by 's3cret'; grant select on shop.* to reader;",
    );
    let (port, closed) = (server.port(), closed());
    let url = |user: &str, host: &str, port: u16, database: &str, parameters: &str| {
        format!("mysql://{user}@{host}:{port}/{database}?{parameters}")
    };
    let look = |url: &str| {
        let project = project(url);
        project.write("root.pem", root.pem());
        Answer::of(&project, "crm")
    };
    let full = "ssl-mode=VERIFY_IDENTITY&ssl-ca=root.pem";
    let reader = "reader:s3cret";
    look(&url(reader, "no-such-host.invalid", port, "shop", full))
        .assert_fails("dns", &["no-such-host.invalid"]);
    look(&url(reader, "localhost", closed, "shop", full))
        .assert_fails("tcp", &["nothing listens at", &closed.to_string(), "Is the server running"]);
    look(&url(reader, "localhost", plain.port(), "shop", full))
        .assert_fails("tls", &["has no TLS", "ssl-mode=VERIFY_IDENTITY"]);
    look(&url(reader, "127.0.0.1", port, "shop", full)).assert_fails(
        "tls",
        &["CN=db", "signed by `CN=our root`", "is for `localhost`, not for `127.0.0.1`"],
    );
    look(&url(reader, "localhost", port, "shop", "ssl-mode=VERIFY_CA"))
        .assert_fails("tls", &["signed by `CN=our root`, who is not among those that are trusted", "ssl_ca"]);
    look(&url("reader:wr0ng", "localhost", port, "shop", full))
        .assert_fails("authentication", &["does not let user `reader` in", "Is the password"]);
    look(&url("root", "localhost", port, "nowhere", full))
        .assert_fails("database", &["has no database `nowhere`"]);
    look(&url(reader, "localhost", port, "empty", full))
        .assert_fails("database", &["may not use database `empty`", "grant select on `empty`.* to"]);

    // It may write there and not read: the stream says so.
    let answer = look(&url("writer:s3cret", "localhost", port, "shop", full));
    assert_eq!(answer.ended.code, 3, "{}", answer.ended.stdout);
    assert_eq!(answer.state("privileges"), ["good", "doubtful"], "{}", answer.ended.stdout);
    assert!(answer.ended.stdout.contains("user `writer` may not read `clients`"), "{}", answer.ended.stdout);
    let stream = answer.findings.iter().find(|finding| finding["what"] == "stream crm.clients").expect("one");
    assert_eq!(stream["state"], "failed", "{stream}");
    assert!(
        stream["hint"].as_str().is_some_and(|hint| hint.contains("grant select on `shop`.`clients`")),
        "{stream}"
    );

    let answer = look(&url(reader, "localhost", port, "shop", full));
    answer.assert_good();
    let said = &answer.ended.stdout;
    for words in [
        "CN=our root",
        "sees 1 table",
        "may read each stream's table",
        "several connections can read at one moment",
        "binary log ROW, row image FULL",
        "STRICT_TRANS_TABLES",
        "10.11",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let broken = look("mysql://reader@localhost/shop?ssl-mod=x");
    assert_eq!(broken.state("settings"), ["failed"], "{}", broken.ended.stdout);
    assert_eq!(broken.state("server"), ["not_looked_at"], "{}", broken.ended.stdout);
}

#[test]
fn each_layer_of_a_postgres_server() {
    let server = PostgresServer::shared();
    let database = server.database();
    for sql in [
        "create role reader_only login password 's3cret'".to_owned(),
        format!("revoke create on database {database} from public"),
    ] {
        server.run("postgres", &sql);
    }
    let (port, closed) = (server.port(), closed());
    let root = server.file("root.crt").display().to_string();
    let pooler = PgBouncer::start(server, 1);
    let look = |user: &str, host: &str, port: u16, database: &str, parameters: &str| {
        let url = format!("postgres://{user}@{host}:{port}/{database}?{parameters}");
        let project = Project::of(&[(
            "millrace.yml",
            &format!("name: tiny\nenvironments:\n  prod: {{type: postgres, url: \"{url}\"}}\n"),
        )]);
        Answer::of(&project, "prod")
    };
    let full = format!("hostaddr=127.0.0.1&sslrootcert={root}");
    look("postgres", "no-such-host.invalid", port, "d", "").assert_fails("dns", &["no-such-host.invalid"]);
    look("postgres", HOST, closed, "d", &full)
        .assert_fails("tcp", &["nothing listens at", "Is the server running"]);
    let url = pooler.url(&database);
    let pooler_port: u16 = url.rsplit(['/', ':']).nth(1).and_then(|port| port.parse().ok()).expect("a port");
    look("postgres", HOST, pooler_port, &database, &full)
        .assert_fails("tls", &["has no TLS", "sslmode=disable"]);
    look("postgres", "127.0.0.1", port, &database, &format!("sslmode=verify-full&sslrootcert={root}"))
        .assert_fails("tls", &["Millrace test root", "not for `127.0.0.1`", "sslmode=verify-ca"]);
    look("postgres", HOST, port, &database, "hostaddr=127.0.0.1")
        .assert_fails("tls", &["who is not among those that are trusted", "sslrootcert=FILE"]);
    look("guest:wr0ng", HOST, port, "secure", &full)
        .assert_fails("authentication", &["does not accept the password", "password of the URL"]);
    look("postgres", HOST, port, "nowhere", &full).assert_fails("database", &["no such database"]);
    let answer = look("reader_only:s3cret", HOST, port, &database, &full);
    assert_eq!(answer.state("privileges"), ["failed"], "{}", answer.ended.stdout);
    let grant = format!("grant create on database {database} to reader_only");
    assert!(answer.ended.stdout.contains(&grant), "{}", answer.ended.stdout);

    let answer = look("postgres", HOST, port, &database, &full);
    answer.assert_good();
    let said = &answer.ended.stdout;
    for words in [
        "Millrace test root",
        "PostgreSQL 15",
        "encoding UTF8",
        "connections are free",
        "nothing has run yet",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // One of two servers is enough, and the other is told.
    let answer = look("postgres", &format!("127.0.0.1:{closed},127.0.0.1"), port, &database, "");
    assert_eq!(
        (answer.ended.code, answer.state("tcp")),
        (0, vec!["doubtful", "good"]),
        "{}",
        answer.ended.stdout
    );
}

#[test]
fn files_and_names() {
    let project = Project::of(&[
        (
            "millrace.yml",
            "name: tiny\nenvironments:\n  dev: {type: duckdb, path: deep/t.duckdb}\n  prod: {type: postgres, url: \"postgres://${NOBODY_SETS_THIS}@h/d\"}\n",
        ),
        (
            "sources/files.yml",
            "source: files\ntype: ndjson\nstreams:\n  n: {path: \"data/*.ndjson\"}\n  gone: {path: data/gone.ndjson}\n",
        ),
        ("data/a.ndjson", "{\"id\": 1}\n"),
        ("data/b.ndjson", "{\"id\": 2}\n"),
    ]);
    let ended = project.run(&["doctor", "files"]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("ok    source files: files          n: 2 files, 20 bytes"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains(
            "FAIL  source files: files          gone cannot be read: `data/gone.ndjson` cannot be opened"
        ),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("ok    stream files.n"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("environment"), "{}", ended.stdout);
    let ended = project.run(&["doctor", "dev"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("`deep/t.duckdb` is not there yet: the first run makes it"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("free on its disk") && !ended.stdout.contains("source files"),
        "{}",
        ended.stdout
    );
    let ended = project.run(&["doctor", "prod"]);
    assert_ne!(ended.code, 0, "{}", ended.stdout);
    assert!(ended.stdout.contains("NOBODY_SETS_THIS"), "{}", ended.stdout);
    let ended = project.run(&["doctor", "file"]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("there is no source and no environment `file`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `files`?"), "{}", ended.stderr);
}
