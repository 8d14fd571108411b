//! A password is in no word that the program says and in nothing that it writes, whatever it is asked and whatever goes wrong.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;

use crate::millrace::{Ended, Project};

/// What no other text has in it, and so tells the password by each of its forms.
const MARK: &str = "Geheim7";
/// As the servers know it.
const PASSWORD: &str = "p@ss/w%rd:Geheim7?#";
/// As a URL has it.
const ENCODED: &str = "p%40ss%2Fw%25rd%3AGeheim7%3F%23";

/// What may be asked, and whether it also answers in JSON.
const VERBS: [&[&str]; 9] = [
    &["check"],
    &["plan"],
    &["run"],
    &["capture"],
    &["doctor"],
    &["status"],
    &["history"],
    &["query", "select count(*) from clients"],
    &["connect", "--for", "metabase"],
];

struct Asked {
    project: Project,
    env: &'static str,
}

impl Asked {
    fn new(env: &'static str, crm: &str, warehouse: &str) -> Self {
        let project = Project::of(&[
            (
                "millrace.yml",
                "name: secret\nenvironments:\n  dev: {type: duckdb, path: .millrace/s.duckdb}\n  prod: {type: postgres, url: \"${WAREHOUSE_URL}\"}\n",
            ),
            (".env", &format!("CRM_URL={crm}\nWAREHOUSE_URL={warehouse}\n")),
            ("sources/crm.yml", "type: mysql\nurl: \"${CRM_URL}\"\nstreams: {clients: {}}\n"),
            ("models/clients.sql", "select * from crm.clients"),
            (
                "models/clients.yml",
                "models: [{name: clients, columns: [{name: id, data_tests: [not_null]}]}]\n",
            ),
        ]);
        Self { project, env }
    }

    /// Asks in words and in JSON.
    fn ask(&self, verb: &[&str]) -> [Ended; 2] {
        [self.ask_once(verb, false), self.ask_once(verb, true)]
    }

    fn ask_once(&self, verb: &[&str], json: bool) -> Ended {
        let mut arguments = verb.to_vec();
        arguments.extend(["--env", self.env]);
        if json {
            arguments.push("--json");
        }
        let ended = self.project.run(&arguments);
        for said in [&ended.stdout, &ended.stderr] {
            assert_silent(said.as_bytes(), &format!("{arguments:?}"));
        }
        ended
    }

    /// `run` and others fail.
    fn ask_in_vain(&self, url: &str, others: &[&str]) {
        let mut all: Vec<Ended> = self.ask(&["run"]).into();
        all.extend(others.iter().enumerate().map(|(at, verb)| self.ask_once(&[verb], at % 2 == 0)));
        for ended in all {
            assert!(ended.code > 1, "{url}: {}{}", ended.stdout, ended.stderr);
        }
        self.assert_unwritten();
    }

    /// Nor is it in any file of the project but the one that the user has put it in.
    fn assert_unwritten(&self) {
        let mut folders = vec![self.project.path().to_path_buf()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path != self.project.path().join(".env") {
                    assert_silent(&std::fs::read(&path).expect("a file"), &path.display().to_string());
                    files += 1;
                }
            }
        }
        assert!(files >= 4, "the project's own are there");
    }
}

fn assert_silent(said: &[u8], place: &str) {
    let has = |text: &str| said.windows(text.len()).any(|window| window == text.as_bytes());
    for form in [MARK, PASSWORD, ENCODED] {
        assert!(!has(form), "{place}: {}", String::from_utf8_lossy(said));
    }
}

fn start() -> (MariaDb, PostgresServer, String) {
    let mariadb = MariaDb::start(&[]);
    mariadb.run(&format!(
        "create database shop; create user reader identified by '{PASSWORD}'; grant select on shop.* to reader; \
         create table shop.clients (id int primary key); insert into shop.clients values (1), (2);"
    ));
    let postgres = PostgresServer::start(&[]);
    let database = postgres.database();
    postgres.run(
        "postgres",
        &format!("alter role guest password '{PASSWORD}'; alter database {database} owner to guest"),
    );
    (mariadb, postgres, database)
}

#[test]
fn a_password_is_never_told() {
    let (mariadb, postgres, database) = start();
    let crm = format!("mysql://reader:{ENCODED}@127.0.0.1:{}/shop", mariadb.port());
    let warehouse =
        format!("postgres://guest:{ENCODED}@127.0.0.1:{}/{database}?sslmode=disable", postgres.port());
    for env in ["dev", "prod"] {
        let asked = Asked::new(env, &crm, &warehouse);
        for verb in VERBS {
            let connects = verb[0] != "connect" || env == "prod";
            for ended in asked.ask(verb) {
                assert!(ended.code == 0 || !connects, "{verb:?}: {}{}", ended.stdout, ended.stderr);
            }
        }
        let tables =
            "select table_name from information_schema.tables where table_schema = '_millrace' order by 1";
        let tables = asked.project.rows_in(env, tables);
        assert!(tables.len() > 8, "{tables:?}");
        for table in tables {
            let rows = asked.project.rows_in(env, &format!("select * from _millrace.{}", table[0]));
            assert_silent(format!("{rows:?}").as_bytes(), &table[0]);
        }
        asked.assert_unwritten();
    }
}

#[test]
fn a_password_is_not_told_when_something_is_wrong() {
    let (mariadb, postgres, database) = start();
    let (mysql, pg) = (mariadb.port(), postgres.port());
    let good = format!("postgres://guest:{ENCODED}@127.0.0.1:{pg}/{database}?sslmode=disable");
    // Wrong for the server, and what no URL can have: signs of the password as they are, and a piece where something else belongs.
    let crm = [
        format!("mysql://reader:{ENCODED}x@127.0.0.1:{mysql}/shop"),
        format!("mysql://reader:{ENCODED}@127.0.0.1:{mysql}/none"),
        format!("mysql://reader:{ENCODED}@127.0.0.1:1/shop"),
        format!("mysql://reader:{ENCODED}@127.0.0.1:{mysql}/shop?ssl-mode=REQUIRED"),
        format!("mysql://reader:{PASSWORD}@127.0.0.1:{mysql}/shop"),
        format!("mysql://reader:a/{MARK}@127.0.0.1:{mysql}/shop"),
        format!("mysql://reader:a%zz{MARK}@127.0.0.1:{mysql}/shop"),
        format!("mysql://reader@127.0.0.1:{mysql}/shop?password={MARK}"),
        format!("{MARK}@127.0.0.1:{mysql}/shop"),
    ];
    for url in &crm {
        let asked = Asked::new("dev", url, &good);
        asked.ask_in_vain(url, &["capture", "doctor"]);
        asked.ask_once(&["status"], true);
    }
    let crm = format!("mysql://reader:{ENCODED}@127.0.0.1:{mysql}/shop");
    let warehouse = [
        format!("postgres://guest:{ENCODED}x@127.0.0.1:{pg}/{database}?sslmode=disable"),
        format!("postgres://guest:{ENCODED}@127.0.0.1:{pg}/none?sslmode=disable"),
        format!("postgres://guest:{ENCODED}@127.0.0.1:{pg}/{database}?sslmode=verify-full"),
        format!("postgres://guest:{PASSWORD}@127.0.0.1:{pg}/{database}?sslmode=disable"),
        format!("postgres://guest:a/{MARK}@127.0.0.1:{pg}/{database}"),
        format!("postgres://guest:a%zz{MARK}@127.0.0.1:{pg}/{database}"),
        format!("postgres://guest@127.0.0.1:{pg}/{database}?pasword={MARK}"),
        format!("{MARK}@127.0.0.1:{pg}/{database}"),
    ];
    for url in &warehouse {
        Asked::new("prod", &crm, url).ask_in_vain(url, &["doctor", "status"]);
    }
}
