//! `connect`: what it says is all that a tool needs, and the role sees what is published and nothing else.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use millrace_testkit::postgres::{HOST, PgBouncer, PostgresServer};
use serde_json::Value as Json;

use crate::both::with_prod;
use crate::millrace::Project;

/// The database of the shared server that is reached by TLS and with a password only.
const DATABASE: &str = "secure";

const PUBLISHED: [&str; 5] = ["dim_clients", "dim_date", "dim_products", "fact_orders", "fact_payments"];

/// What a program said.
struct Said {
    code: i32,
    lines: Vec<Vec<String>>,
    stderr: String,
}

impl Said {
    fn of(&self, what: &str) -> Vec<&[String]> {
        let parts = self.lines.iter().filter(|line| line[0] == what);
        parts.map(|line| &line[1..]).collect()
    }

    /// What came of a statement that was tried.
    fn state(&self, sql: &str) -> &str {
        let tried = self.lines.iter().find(|line| line[0] == "tried" && line[2] == sql);
        &tried.unwrap_or_else(|| panic!("{sql} was not tried"))[1]
    }
}

/// The driver: on the class path, or where Debian's package `libpostgresql-jdbc-java` has it.
fn driver() -> PathBuf {
    let class_path = std::env::var_os("CLASSPATH").unwrap_or_default();
    let given: Vec<PathBuf> = std::env::split_paths(&class_path).collect();
    given
        .into_iter()
        .filter(|jar| jar.to_string_lossy().contains("postgresql"))
        .chain([PathBuf::from("/usr/share/java/postgresql.jar")])
        .find(|jar| jar.is_file())
        .expect("`postgresql.jar` is there: run `make test-deps`")
}

/// Runs the Java program, for which the server's name leads to this machine.
fn java(folder: &Path, url: &str, role: &str, password: &str, tries: &[&str]) -> Said {
    let hosts = folder.join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 {HOST}\n")).expect("a file");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jdbc/ReadPublished.java");
    let mut process = Command::new("java")
        .arg(format!("-Djdk.net.hosts.file={}", hosts.display()))
        .args(["-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC", "-cp"])
        .arg(driver())
        .arg(program)
        .args([url, role, password, "publish"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`java` does not start: {error}; run `make test-deps`"));
    let input = tries.join("\n");
    process.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let output = process.wait_with_output().expect("its output");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    Said {
        code: output.status.code().expect("it was not killed"),
        lines: stdout.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A shop in a database of TLS and passwords, written by a role that owns nothing else.
struct Shop {
    project: Project,
    server: &'static PostgresServer,
}

impl Shop {
    fn publish() -> Self {
        let server = PostgresServer::shared();
        server.run(
            DATABASE,
            &format!("create role writer login password 'schreiben' createrole; grant create on database {DATABASE} to writer"),
        );
        let project = Project::shop();
        with_prod(&project, "${WAREHOUSE_URL}");
        let root = server.file("root.crt");
        let url = format!(
            "postgres://writer:schreiben@{HOST}:{}/{DATABASE}?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}",
            server.port(),
            root.display()
        );
        project.write(".env", format!("WAREHOUSE_URL={url}\n"));
        project.run_json(0, &["--env", "prod"]);
        Self { project, server }
    }

    fn connect(&self, tool: &str, more: &[&str]) -> Json {
        let mut arguments = vec!["connect", "--env", "prod", "--for", tool, "--json"];
        arguments.extend(more);
        let ended = self.project.run(&arguments);
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("schreiben"), "a secret");
        ended.json()
    }

    /// Runs the statements that `connect` gave: the role's as `who`, the others as the database's owner.
    fn make_role(&self, connect: &Json, who: &str, password: &str) {
        let role = &connect["role"];
        let name = role["name"].as_str().expect("a name");
        let script = [
            format!("set session authorization {who}"),
            texts(&role["statements"]).join(";\n"),
            "reset session authorization".to_owned(),
            texts(&role["for_everybody"]).join(";\n"),
            format!("alter role \"{name}\" password '{password}'"),
        ];
        self.server.run(DATABASE, &script.join(";\n"));
    }
}

fn texts(list: &Json) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text")).collect()
}

fn field<'a>(connect: &'a Json, name: &str) -> &'a str {
    let fields = connect["fields"].as_array().expect("fields");
    let found = fields.iter().find(|field| field["name"] == name);
    found.unwrap_or_else(|| panic!("no field `{name}`: {connect}"))["value"].as_str().expect("a text")
}

/// What a published table holds, as `query` says it.
fn rows_of(project: &Project, table: &str) -> BTreeSet<Vec<String>> {
    project.rows_in("prod", &format!("select * from {table}")).into_iter().collect()
}

#[test]
fn the_java_driver_reads_what_is_published_and_nothing_else() {
    let shop = Shop::publish();
    let connect = shop.connect("jdbc", &[]);
    assert_eq!(
        (&connect["warnings"].as_array().expect("a list").len(), &connect["role"]["writer"]),
        (&1, &"writer".into())
    );
    let (url, role) = (field(&connect, "URL"), field(&connect, "User"));
    let root = connect["root_certificate"]["file"].as_str().expect("a file");
    assert_eq!(
        url,
        format!(
            "jdbc:postgresql://{HOST}:{}/{DATABASE}?sslmode=verify-full&sslrootcert={root}&currentSchema=publish",
            shop.server.port()
        )
    );
    assert_eq!(role, "shop_reader");
    assert_eq!(connect["role"]["writer_may"], true);
    shop.make_role(&connect, "writer", "lesen");

    let hidden = shop.server.run(
        DATABASE,
        "select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_class c join pg_namespace n on n.oid = relnamespace \
         where n.nspname in ('raw', 'build', '_millrace') and c.relkind in ('r', 'v') order by 1",
    );
    let hidden: Vec<String> = hidden.lines().map(|name| format!("select * from {name}")).collect();
    for schema in ["raw.", "build.", "_millrace."] {
        assert!(hidden.iter().any(|sql| sql.contains(schema)), "nothing is in {schema}: {hidden:?}");
    }
    let writes = [
        "create table publish.mine (a int)",
        "create table mine (a int)",
        "create table public.mine (a int)",
        "create temporary table mine (a int)",
        "create schema mine",
        "insert into publish.dim_clients (client_id) values (1)",
        "update publish.dim_clients set city = null",
        "delete from publish.dim_clients",
        "do $$ begin lock table publish.dim_clients in access exclusive mode; end $$",
        "drop view publish.dim_clients",
        "create view publish.mine as select 1 as a",
        "set role writer",
        "copy publish.dim_clients to program 'true'",
        "select rolpassword from pg_authid",
    ];
    let careless = "create table publish.careless (a int)";
    let free = "set session characteristics as transaction read write";
    let tries: Vec<&str> =
        [careless, free].into_iter().chain(hidden.iter().map(String::as_str)).chain(writes).collect();
    let said = java(shop.project.path(), url, role, "lesen", &tries);
    assert_eq!(said.code, 0, "{}", said.stderr);

    assert_eq!(said.of("table").concat(), PUBLISHED);
    for table in PUBLISHED {
        let rows = said.of("row").into_iter().filter(|row| row[0] == table);
        let rows: BTreeSet<Vec<String>> = rows.map(|row| row[1..].to_vec()).collect();
        assert!(!rows.is_empty(), "{table}");
        assert_eq!(rows, rows_of(&shop.project, table), "{table}");
    }
    // Nothing is `OTHER` (1111), and decimals (2) have their digits.
    let types: Vec<(&str, &str, &str)> =
        said.of("result").iter().map(|c| (c[1].as_str(), c[2].as_str(), c[4].as_str())).collect();
    assert_eq!(types.len(), said.of("column").len());
    assert!(types.iter().all(|(_, number, _)| *number != "1111"), "{types:?}");
    assert!(types.contains(&("amount", "2", "2")) && types.contains(&("updated_at", "93", "6")), "{types:?}");

    // What keeps it from writing by mistake, and what keeps it from writing at all.
    assert_eq!((said.state(careless), said.state(free)), ("25006", "done"));
    for sql in hidden.iter().map(String::as_str).chain(writes) {
        assert_eq!(said.state(sql), "42501", "{sql}");
    }

    // Who answers under the name but is not vouched for by the file, or under a name that is not in its certificate.
    let other = shop.server.file("other.crt").display().to_string();
    let refused = java(shop.project.path(), &url.replace(root, &other), role, "lesen", &[]);
    assert!(refused.code == 3 && refused.stderr.contains("certification path"), "{}", refused.stderr);
    let refused = java(shop.project.path(), &url.replace(HOST, "127.0.0.1"), role, "lesen", &[]);
    assert!(refused.code == 3 && refused.stderr.contains("hostname"), "{}", refused.stderr);

    psql_sees_the_same(&shop);
    what_changes_stays_readable(&shop, url, role);
}

fn psql_sees_the_same(shop: &Shop) {
    let connect = shop.connect("psql", &[]);
    assert_eq!((&connect["role"]["exists"], &connect["warnings"]), (&true.into(), &Json::Array(Vec::new())));
    // A role that is there can be given what it lacks, again and again.
    shop.make_role(&connect, "postgres", "lesen");
    let ask = |sql: &str| {
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("{} -X -A -t -c \"$1\"", field(&connect, "Command")))
            .args(["sh", sql])
            .env("PGPASSWORD", "lesen")
            .output()
            .expect("psql runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let tables = "select table_schema || '.' || table_name from information_schema.tables \
         where table_schema not in ('pg_catalog', 'information_schema') order by 1";
    assert_eq!(ask(tables), PUBLISHED.map(|name| format!("publish.{name}")));
    let schemas = "select nspname from pg_namespace where has_schema_privilege(oid, 'usage') and nspname !~ '^pg_' \
         and nspname <> 'information_schema'";
    assert_eq!(ask(schemas), ["publish"]);
    // No schema is needed before a name, and a session that hangs does not hang for ever.
    assert_eq!(ask("select count(*) from fact_orders"), ["20"]);
    assert_eq!(
        ask("show statement_timeout").concat() + &ask("show idle_in_transaction_session_timeout").concat(),
        "2min30s"
    );
}

/// Columns that other tools do not read as what they are.
const ODD: [&str; 7] = ["total", "pieces", "payload", "tags", "id", "pause", "bytes"];

/// A column in the middle makes a view anew; a new model makes a new one; what is odd about that one is told.
fn what_changes_stays_readable(shop: &Shop, url: &str, role: &str) {
    let products = shop.project.read("models/marts/dim_products.sql");
    shop.project.write(
        "models/marts/dim_products.sql",
        products.replace("    product_name,", "    upper(product_name) as label,\n    product_name,"),
    );
    shop.project.write(
        "models/marts/odd.sql",
        "select status, sum(amount) as total, sum(quantity) as pieces, cast('{}' as json) as payload, array[1, 2] as tags, \
         cast('6ba7b810-9dad-11d1-80b4-00c04fd430c8' as uuid) as id, interval '1 hour' as pause, cast('ab' as bytea) as bytes \
         from fact_orders group by status",
    );
    let checked = shop.project.run(&["check", "--json"]).json();
    let said = checked["diagnostics"].as_array().expect("diagnostics");
    assert_eq!(said.len(), ODD.len(), "{said:?}");
    for (said, column) in said.iter().zip(ODD) {
        assert_eq!((&said["code"], &said["severity"]), (&"unreadable-type".into(), &"warning".into()));
        let message = said["message"].as_str().expect("a text");
        assert!(message.starts_with(&format!("column `{column}` of model `odd`")), "{message}");
    }

    shop.project.run_json(0, &["--env", "prod"]);
    let again = java(shop.project.path(), url, role, "lesen", &["select label from dim_products"]);
    assert_eq!((again.code, again.state("select label from dim_products")), (0, "done"), "{}", again.stderr);
    assert_eq!(again.of("row").iter().filter(|row| row[0] == "odd").count(), 3);
    // So the lint is right: numbers (2) of which no digits are after the point, OTHER (1111), ARRAY (2003), BINARY (-2).
    let found = again.of("result").into_iter().filter(|column| column[0] == "odd");
    let found: Vec<(&str, &str)> =
        found.skip(1).map(|column| (column[1].as_str(), column[2].as_str())).collect();
    let types = ["2", "2", "1111", "2003", "1111", "1111", "-2"];
    assert_eq!(found, ODD.into_iter().zip(types).collect::<Vec<_>>());
    let total = again.of("result").into_iter().find(|column| column[1] == "total").expect("it is there");
    assert_eq!((total[3].as_str(), total[4].as_str()), ("0", "0"));
    let metabase = shop.connect("metabase", &[]);
    let warned =
        texts(&metabase["warnings"]).into_iter().filter_map(|text| text.strip_prefix("`publish.odd."));
    let warned: Vec<&str> =
        warned.filter_map(|text| text.split_once('`')).map(|(column, _)| column).collect();
    assert_eq!(warned, ODD);
}

/// Files that a command wrote below a project.
fn written(project: &Project) -> Vec<String> {
    let entries = std::fs::read_dir(project.path().join("connect")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn each_tool_is_told_what_its_form_asks_for() {
    let server = PostgresServer::shared();
    let project = Project::shop();
    let url = format!(
        "postgres://postgres:geheim@{HOST}:{}/{}?hostaddr=127.0.0.1&sslrootcert={}",
        server.port(),
        server.database(),
        server.file("root.crt").display()
    );
    with_prod(&project, &url);
    let connect = |tool: &str, more: &[&str]| {
        let mut arguments = vec!["connect", "--env", "prod", "--for", tool, "--role", "viewer"];
        arguments.extend(more);
        let ended = project.run(&arguments);
        assert_eq!(ended.code, 0, "{tool}: {}", ended.stderr);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("geheim"), "{tool}: a secret");
        ended
    };
    let looker = connect("looker-studio", &["--json"]).json();
    let root = looker["root_certificate"]["file"].as_str().expect("a file").to_owned();
    assert!(root.ends_with("connect/prod-root.pem"), "{root}");
    let same = |text: &str| text.replace('\r', "").trim().to_owned();
    assert_eq!(
        same(&project.read("connect/prod-root.pem")),
        same(&std::fs::read_to_string(server.file("root.crt")).expect("a file"))
    );
    assert_eq!((field(&looker, "Host name or IP"), field(&looker, "Enable SSL")), (HOST, "on"));
    assert_eq!(field(&looker, "Server certificate"), root);
    assert_eq!(texts(&looker["networks"]), ["142.251.74.0/23", "2001:4860:4807::/48"]);
    assert!(texts(&looker["warnings"])[0].contains("does not reach"), "{looker}");
    assert_eq!(looker["tables"].as_array().expect("tables").len(), PUBLISHED.len());
    // The schema is not there yet: a grant needs one.
    assert!(
        texts(&looker["role"]["statements"])
            .iter()
            .any(|sql| sql.starts_with("create schema if not exists \"publish\""))
    );

    for (tool, expected) in [
        ("metabase", "SSL Root Certificate (PEM)     "),
        ("superset", "?sslmode=verify-full&sslrootcert="),
        ("power-bi", "certutil -addstore Root"),
        ("psql", "psql 'postgresql://viewer@"),
        ("jdbc", "jdbc:postgresql://"),
    ] {
        let said = connect(tool, &[]).stdout;
        assert!(said.contains(expected), "{tool}: {said}");
        assert!(said.contains("\ncreate role \"viewer\" login connection limit 30;\n"), "{tool}: {said}");
        assert!(said.contains("\n\\password \"viewer\"\n"), "{tool}: {said}");
    }
    assert_eq!(written(&project).len(), 2, "{:?}", written(&project));

    // Printed, nothing is written; elsewhere, it is written there.
    std::fs::remove_dir_all(project.path().join("connect")).expect("it was there");
    assert!(connect("metabase", &["--print"]).stdout.contains("-----BEGIN CERTIFICATE-----"));
    assert_eq!(written(&project), Vec::<String>::new());
    let elsewhere = project.path().join("certificates");
    connect("metabase", &["--out", &elsewhere.display().to_string()]);
    assert!(elsewhere.join("prod-root.crt").exists() && written(&project).is_empty());

    let named =
        project.run(&["connect", "--env", "prod", "--for", "jdbc", "--json", "--role", "Ana's tools"]).json();
    assert_eq!(named["role"]["password"], "\\password \"Ana's tools\"");
    let writer = project.run(&["connect", "--env", "prod", "--for", "jdbc", "--role", "postgres"]);
    assert!(writer.code == 2 && writer.stderr.contains("`--role`"), "{}", writer.stderr);
}

#[test]
fn what_is_not_as_it_should_be_is_told() {
    let server = PostgresServer::shared();
    let database = server.database();
    let project = Project::shop();
    with_prod(&project, "${WAREHOUSE_URL}");
    let connect = |url: String, tool: &str, role: &str| {
        project.write(".env", format!("WAREHOUSE_URL={url}\n"));
        project.run(&["connect", "--env", "prod", "--for", tool, "--role", role, "--json"]).json()
    };
    let metabase = connect(server.url(&database), "metabase", "nobody_yet");
    assert_eq!((field(&metabase, "SSL Mode"), &metabase["root_certificate"]), ("require", &Json::Null));
    let warnings = texts(&metabase["warnings"]).join("\n");
    assert!(warnings.contains("nobody vouches for the server's certificate"), "{warnings}");
    assert!(warnings.contains("the tool must run on it too"), "{warnings}");
    assert_eq!(written(&project), Vec::<String>::new());

    // A pooler without TLS, on this machine, where nobody is in between.
    let pooler = PgBouncer::start(server, 2);
    let jdbc = connect(pooler.url(&database), "jdbc", "nobody_yet");
    assert!(field(&jdbc, "URL").contains("?sslmode=disable"), "{jdbc}");
    assert_eq!(jdbc["warnings"], Json::Array(Vec::new()));

    // A role that is more than a reader, a schema that is open, a writer that may make no role.
    server.run(
        &database,
        "create role chief login superuser; grant pg_monitor to chief; create schema notes; grant usage on schema notes to public; \
         create role clerk login",
    );
    let jdbc = connect(pooler.url(&database), "jdbc", "chief");
    let warnings = texts(&jdbc["warnings"]);
    assert_eq!(warnings.len(), 2, "{jdbc}");
    assert!(
        warnings[0].contains("`chief` is there already and is a superuser, is a member of pg_monitor"),
        "{jdbc}"
    );
    assert!(warnings[1].contains("the schemas notes"), "{jdbc}");
    let clerk = server.url(&database).replace("postgres@", "clerk@");
    let jdbc = connect(clerk, "jdbc", "nobody_yet");
    assert_eq!((&jdbc["role"]["writer"], &jdbc["role"]["writer_may"]), (&"clerk".into(), &false.into()));
}

#[test]
fn a_file_has_no_other_readers() {
    let project = Project::shop();
    let ended = project.run(&["connect", "--for", "metabase", "--json"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let said = &ended.json()["diagnostics"][0];
    assert_eq!(said["code"], "no-connections");
    assert!(said["hint"].as_str().expect("a hint").contains("type: postgres"), "{said}");
    with_prod(&project, "${NOWHERE_URL}");
    let ended = project.run(&["connect", "--for", "metabase"]);
    assert!(ended.stderr.contains("hint: `--env prod` is one to which they can."), "{}", ended.stderr);
    let ended = project.run(&["connect", "--for", "metabase", "--env", "prod"]);
    assert!(ended.code == 2 && ended.stderr.contains("error[unset-variable]"), "{}", ended.stderr);
}
