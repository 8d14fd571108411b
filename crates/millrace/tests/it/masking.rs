//! Columns of which only masks reach the warehouse, from servers and files alike.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;

use crate::millrace::Project;

const SALT: &str = "0123456789abcdef0123456789abcdef";

/// HMAC-SHA-256 under [`SALT`], by Python's `hmac`.
const ANA: &str = "9a06c6d7661a58665a6b856f6ba2e3ffc85de24a0724c2398922a7c1082eab8a";
const FIVE: &str = "4afebc3e3a28b434b9c3e261d0a621c413d4cb2b135714fd524af21a28f38cf4";

fn project(server: &MariaDb) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\nmask_salt: \"${{SALT}}\"\n",
        postgres.url(&postgres.database())
    );
    let project = Project::of(&[
        ("millrace.yml", manifest.as_str()),
        (
            "sources/crm.yml",
            "type: mysql\nurl: \"${CRM_URL}\"\nstreams:\n  clients: {mode: upsert, key: [id], mask: {email: hash, id: hash}}\n",
        ),
        (
            "sources/files.yml",
            "type: ndjson\npath: data/n.ndjson\nmask_nothing: 1\nstreams: {contacts: {mask: {email: hash, client: hash}}}\n",
        ),
        (
            "sources/files.schema.yml",
            "streams: {contacts: {columns: [{name: client, type: text}, {name: email, type: text}, {name: n, type: int64, nullable: false}]}}\n",
        ),
        (
            "data/n.ndjson",
            "{\"client\": \"5\", \"email\": \"ana@example.fr\", \"n\": 1}\n{\"client\": null, \"email\": \"secret@example.fr\", \"n\": \"x\"}\n",
        ),
        ("models/clients.sql", "select * from crm.clients"),
        ("models/contacts.sql", "select client, email, n from files.contacts"),
        (
            "models/pairs.sql",
            "select c.id, c.email from crm.clients c join files.contacts f on c.email = f.email and c.id = f.client",
        ),
    ]);
    project.write("sources/files.yml", project.read("sources/files.yml").replace("mask_nothing: 1\n", ""));
    env(&project, server, SALT);
    project
}

fn env(project: &Project, server: &MariaDb, salt: &str) {
    project.write(
        ".env",
        format!("SALT={salt}\nCRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()),
    );
}

#[test]
fn equal_values_have_equal_masks_and_nothing_else_is_kept() {
    let server = MariaDb::start(&[]);
    server.run(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
         create table clients (id int primary key, email varchar(50), name varchar(20)); \
         insert into clients values (5, 'ana@example.fr', 'Ana'), (6, null, 'Bo');",
    );
    let project = project(&server);
    for environment in ["dev", "prod"] {
        let go = |code| project.run_json(code, &["--env", environment, "--max-quarantine", "1"]);
        let rows = |sql: &str| project.rows_in(environment, sql);
        let first = go(0);
        assert_eq!(first["status"], "succeeded");
        // A number and a text of the same digits are the same; so is a value from a file and from a server.
        assert_eq!(rows("select id, email from pairs"), [[FIVE, ANA]]);
        assert_eq!(rows("select email, name from clients where email is null"), [["NULL", "Bo"]]);
        let kept = rows("select column_name, raw, length(raw_sha256) from _millrace.quarantine");
        assert_eq!(kept, [["n", "NULL", "64"]]);
        // The key is masked, and rows are still merged by it.
        server.run("use shop; update clients set name = 'Anna' where id = 5");
        go(0);
        assert_eq!(rows("select count(*), max(name) from clients where id is not null"), [["2", "Bo"]]);
        assert_eq!(rows(&format!("select name from clients where id = '{FIVE}'")), [["Anna"]]);
        server.run("use shop; update clients set name = 'Ana' where id = 5");
    }
    for file in ["t.duckdb", "t.duckdb.wal"] {
        let bytes = std::fs::read(project.path().join(".millrace").join(file)).unwrap_or_default();
        assert!(!bytes.windows(11).any(|window| window == b"example.fr\""), "a masked value is in {file}");
        assert!(!bytes.windows(14).any(|window| window == b"ana@example.fr"), "a masked value is in {file}");
    }

    // Under another salt files are loaded anew. What is merged by its key would be a mixture of masks.
    env(&project, &server, "another salt of more than 16 bytes");
    let mixed = project.run(&["run", "--max-quarantine", "1"]);
    assert_eq!(mixed.code, 4, "{}", mixed.stderr);
    let words = "error[contract-broken]: what arrives in stream `crm.clients` cannot be merged with what was loaded before: column `id` was masked under another `mask_salt`";
    assert!(mixed.stderr.contains(words), "{}", mixed.stderr);
    assert!(
        mixed.stderr.contains("hint: Set the variable of `mask_salt` to what it was."),
        "{}",
        mixed.stderr
    );
    assert!(!mixed.stderr.contains(SALT) && !mixed.stderr.contains("another salt"), "{}", mixed.stderr);
    project.run_json(0, &["--max-quarantine", "1", "--full-refresh"]);
    assert_eq!(project.rows("select count(*) from pairs"), [["1"]]);
    assert_eq!(project.rows(&format!("select count(*) from contacts where email = '{ANA}'")), [["0"]]);
    project.write(
        "sources/crm.yml",
        project.read("sources/crm.yml").replace(
            "upsert, key: [id], mask: {email: hash, id: hash}",
            "full, mask: {email: hash, id: hash}",
        ),
    );
    env(&project, &server, SALT);
    project.run_json(0, &["--max-quarantine", "1"]);
    assert_eq!(project.rows("select id, email from pairs"), [[FIVE, ANA]]);

    // Neither does one get masks beside values.
    project.write("models/pairs.sql", "select 1 as one");
    for (before, after, words) in [
        ("{}", "{email: hash}", "`email` was not masked, and is to be now"),
        ("{email: hash}", "{}", "`email` was masked, and is not to be now"),
    ] {
        let source = |mask: &str| {
            let text = format!("streams: {{clients: {{mode: upsert, key: [id], mask: {mask}}}}}\n");
            project.write("sources/crm.yml", format!("type: mysql\nurl: \"${{CRM_URL}}\"\n{text}"));
        };
        source(before);
        project.run_json(0, &["--max-quarantine", "1", "--full-refresh"]);
        source(after);
        let refused = project.run(&["run", "--max-quarantine", "1"]);
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert!(refused.stderr.contains("`millrace run --full-refresh`"), "{}", refused.stderr);
    }
}

#[test]
fn a_salt_is_never_left_out_in_silence() {
    let source = "type: ndjson\npath: data/n.ndjson\nstreams: {n: {mask: {email: hash}}}\n";
    let manifest = "name: tiny\nenvironments:\n  dev: {type: duckdb, path: .millrace/t.duckdb}\n";
    let project = Project::of(&[
        ("millrace.yml", manifest),
        ("sources/files.yml", source),
        ("data/n.ndjson", "{\"email\": \"a@b.fr\"}\n"),
        ("models/m.sql", "select email from files.n"),
    ]);
    let said = |verb: &str, code: i32, words: &str| {
        let ended = project.run(&[verb]);
        assert_eq!(ended.code, code, "{verb}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}\n{}", ended.stderr);
        assert!(ended.stderr.contains("hint:"), "{}", ended.stderr);
    };
    for verb in ["check", "run"] {
        said(verb, 2, "`email` is to be masked, and `millrace.yml` has no `mask_salt`");
    }
    project.write("millrace.yml", format!("{manifest}mask_salt: 0123456789abcdef\n"));
    said("check", 2, "`mask_salt` stands in the file");
    project.write("millrace.yml", format!("{manifest}mask_salt: \"${{SALT}}\"\n"));
    said("check", 0, "warning[unset-variable]: the environment variable `SALT` is not set");
    said("run", 2, "error[unset-variable]");
    project.write(".env", "SALT=short\n");
    said("run", 2, "`mask_salt` has fewer than 16 bytes");
    assert!(!project.run(&["run"]).stderr.contains("short"));
    project.write(".env", "SALT=0123456789abcdef\n");
    project.run_json(0, &[]);
    assert_eq!(project.rows("select length(email) from m"), [["64"]]);
    let cursor = "type: mysql\nurl: mysql://u@h/d\nstreams: {t: {mode: incremental, cursor: at, deletes: ignore, mask: {At: hash}}}\n";
    project.write("sources/crm.yml", cursor);
    said("check", 2, "`At` is the stream's `cursor`, and cannot be masked");
}
