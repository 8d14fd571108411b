//! Whatever happens at whatever moment: readers see one publication, and the next run mends all.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use millrace_testkit::postgres::PostgresServer;
use serde_json::Value as Json;

use crate::both::with_prod;
use crate::millrace::{Project, binary, command, copy};
use crate::server::Server;

/// A project in a warehouse whose data is one of two shops; between the two every table changes.
struct Shop {
    project: Project,
    shops: [Project; 2],
    /// Hashes of the published tables, by shop.
    hashes: [Vec<String>; 2],
    env: &'static str,
}

/// A model with a hook, for the fault point after it.
const HOOKED: (&str, &str) = (
    "models/marts/hooked.sql",
    "{{ config(post_hook='update {{ this }} set n = n + 1') }}select count(*) as n from fact_orders",
);

const TABLES: [&str; 5] = ["fact_orders", "fact_payments", "dim_clients", "dim_products", "dim_date"];

impl Shop {
    /// Makes both shops, runs each undisturbed in a warehouse of its own, and begins with the first one published.
    fn new(orders: u64, files: &[(&str, &str)], postgres: Option<&str>) -> Self {
        let env = if postgres.is_some() { "prod" } else { "dev" };
        let shops = ["1", "2"].map(|seed| {
            let shop = Project::empty();
            let dir = shop.path().to_str().expect("a path in text");
            let orders = orders.to_string();
            let made = command(&["demo", dir, "--orders", &orders, "--seed", seed, "--no-serve"]);
            assert_eq!(made.code, 0, "{}", made.stderr);
            shop
        });
        let project = Project::empty();
        copy(shops[0].path(), project.path());
        if let Some(url) = postgres {
            with_prod(&project, url);
        }
        for (path, text) in files {
            project.write(path, text);
        }
        let mut shop = Self { project, shops, hashes: [Vec::new(), Vec::new()], env };
        // Undisturbed, one after the other.
        for which in [1, 0] {
            shop.put(which);
            let summary = shop.project.run_json(0, &["--env", env]);
            assert_eq!(summary["status"], "succeeded");
            shop.hashes[which] = shop.seen();
        }
        assert!(shop.hashes[0].iter().zip(&shop.hashes[1]).filter(|(a, b)| a != b).count() >= 3);
        shop
    }

    /// Puts the data of a shop where the sources are.
    fn put(&self, which: usize) {
        copy(&self.shops[which].path().join("data"), &self.project.path().join("data"));
    }

    /// Hashes of the published tables, by a fresh reader.
    fn seen(&self) -> Vec<String> {
        // One statement, so that it is one moment.
        let hash = |table: &&str| {
            format!(
                "(select md5(string_agg(md5(cast(t as varchar)), '' order by md5(cast(t as varchar)))) from {table} as t) as {table}"
            )
        };
        let sql = format!("select {}", TABLES.iter().map(hash).collect::<Vec<_>>().join(", "));
        self.query(&sql).remove(0)
    }

    fn query(&self, sql: &str) -> Vec<Vec<String>> {
        self.project.rows_in(self.env, sql)
    }

    fn status(&self) -> Json {
        let ended = self.project.run(&["status", "--json", "--env", self.env]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.json()
    }

    /// What a dead run must not leave once another one is through: tables that nothing needs, a lease, a run under way.
    fn assert_clean(&self) {
        let history = self.project.run(&["history", "--json", "--env", self.env]).json();
        let kept =
            history["publications"].as_array().expect("publications").iter().filter(|p| p["kept"] == true);
        let models = kept.enumerate().flat_map(|(age, publication)| {
            let models = publication["models"].as_array().expect("models").iter();
            let models = models.filter(move |model| age == 0 || model["published"] == true);
            models
                .map(|model| model["relation"]["name"].as_str().expect("a name").to_owned())
                .collect::<Vec<_>>()
        });
        let status = self.status();
        let streams = status["streams"].as_array().expect("streams").iter();
        let raw = streams.map(|stream| {
            let table = stream["table"].as_str().expect("a table");
            table.rsplit('.').next().unwrap_or_default().trim_matches('"').to_owned()
        });
        let needed: BTreeSet<String> = models.chain(raw).collect();
        let sql = "select table_name from information_schema.tables where table_schema in ('build', 'raw')";
        let there = || self.query(sql).into_iter().flatten().collect::<BTreeSet<String>>();
        // What somebody reads at the moment stays until the next run, which has nothing else to do.
        for _ in 0..5 {
            if there() == needed {
                break;
            }
            assert_eq!(self.project.run_json(0, &["--env", self.env])["status"], "unchanged");
        }
        assert_eq!(there(), needed);
        assert_eq!(self.query("select count(*) from _millrace.lease where run is not null"), [["0"]]);
        assert_eq!(self.query("select count(*) from _millrace.runs where status = 'running'"), [["0"]]);
    }

    /// Starts a run that is to die.
    fn start(&self, fault: Option<&str>) -> std::process::Child {
        let mut run = binary();
        run.args(["run", "--env", self.env, "--project"]).arg(self.project.path());
        if let Some(fault) = fault {
            run.env("MILLRACE_FAULT", fault);
        }
        run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    }

    /// After a death: a reader sees one of the two shops whole, and the next run is like an undisturbed one.
    fn mend(&self, before: usize, what: &str) -> bool {
        let after = 1 - before;
        let seen = self.seen();
        let published = seen == self.hashes[after];
        assert!(
            published || seen == self.hashes[before],
            "{what}: a reader sees neither the old version nor the new one"
        );
        let summary = self.project.run_json(0, &["--env", self.env]);
        assert!(
            ["succeeded", "unchanged"].contains(&summary["status"].as_str().unwrap_or_default()),
            "{summary}"
        );
        assert_eq!(self.seen(), self.hashes[after], "{what}: the next run gives other tables");
        self.assert_clean();
        published
    }
}

/// Somebody of the outside who reads all the while: one statement over two published tables, again and again.
struct Outside {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(usize, BTreeSet<String>)>,
}

const LOOK: &str = "select (select count(*) || ' ' || sum(amount) from publish.fact_orders) || ' ' || \
    (select count(*) || ' ' || sum(amount) from publish.fact_payments)";

impl Outside {
    fn begin(server: &'static PostgresServer, database: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, database) = (Arc::clone(&stop), database.to_owned());
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            let mut reads = 0;
            while !stopped.load(Ordering::Relaxed) {
                // Fails where the statement does.
                seen.insert(server.run(&database, LOOK));
                reads += 1;
            }
            (reads, seen)
        });
        Self { stop, thread }
    }

    /// Ends it; it has seen nothing but these two.
    fn end(self, server: &PostgresServer, database: &str, shop: &Shop) {
        self.stop.store(true, Ordering::Relaxed);
        let (reads, seen) = self.thread.join().expect("no read failed");
        let known: BTreeSet<String> = [0, 1]
            .into_iter()
            .map(|which| {
                shop.put(which);
                shop.project.run_json(0, &["--env", shop.env]);
                server.run(database, LOOK)
            })
            .collect();
        assert_eq!(known.len(), 2);
        assert!(seen.is_subset(&known), "{seen:?}");
        assert!(reads > 50, "{reads} reads");
        let locks = "select count(*) from pg_locks l join pg_database d on d.oid = l.database \
                     where d.datname = current_database() and l.pid <> pg_backend_pid()";
        assert_eq!(server.run(database, locks), "0", "locks are left");
    }
}

fn every_fault_point(shop: &Shop) {
    let mut now = 0;
    for point in millrace_engine::fault::POINTS {
        shop.put(1 - now);
        let ended = shop.start(Some(point)).wait().expect("it ends");
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&ended),
            Some(6),
            "nothing comes by `{point}`"
        );
        let published = shop.mend(now, point);
        let late = ["published", "retired"].contains(&point);
        assert_eq!(published, late, "{point}");
        now = 1 - now;
    }
}

/// Kills runs at moments spread over their whole length, until enough of them were in the middle: where the machine does other things
/// too, a run may be over, or not have begun, at its moment. Returns how many were in the middle, and how many there were.
fn kill_at_random(shop: &Shop, kills: u32) -> (u32, u32) {
    let mut now = 0;
    let mut middle = 0;
    shop.put(1);
    let started = Instant::now();
    assert!(shop.start(None).wait().expect("it ends").success());
    let length = started.elapsed();
    let mut random = fastrand::Rng::with_seed(u64::from(std::process::id()));
    now = 1 - now;
    let mut kill = 0;
    while kill < kills || (middle * 10 < kills * 8 && kill < kills * 4) {
        kill += 1;
        shop.put(1 - now);
        let mut run = shop.start(None);
        // Any spread will do, and the seed is told.
        std::thread::sleep(length.mul_f64(0.1 + 0.85 * random.f64()));
        run.kill().expect("a signal");
        let ended = run.wait().expect("it ends");
        // It did not end by itself, and its record says that it was under way.
        let killed = std::os::unix::process::ExitStatusExt::signal(&ended) == Some(9);
        let record = "select count(*) from _millrace.runs where status = 'running'";
        let under_way = shop.query(record) == [["1"]];
        middle += u32::from(killed && under_way);
        shop.mend(now, &format!("kill {kill} of process {}", std::process::id()));
        now = 1 - now;
    }
    (middle, kill)
}

/// How many orders and kills; `make torture` asks for more than a test that everybody runs.
fn size() -> (u64, u32) {
    let read =
        |name: &str, default| std::env::var(name).ok().map_or(default, |n| n.parse().expect("a number"));
    (read("MILLRACE_TORTURE_ORDERS", 20_000), read("MILLRACE_TORTURE_KILLS", 10) as u32)
}

/// Sends a signal to a run in the middle of its loads, and returns its exit code and how long it took to end.
fn interrupted(shop: &Shop, signal: &str) -> (Option<i32>, std::time::Duration) {
    let mut run = binary()
        .args(["run", "--env", shop.env, "--project"])
        .arg(shop.project.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(run.stderr.take().expect("stderr")).lines();
    let first = lines.next().expect("a line").expect("text");
    assert!(first.contains("load"), "{first}");
    let id = run.id().to_string();
    let sent = std::process::Command::new("kill").args([signal, &id]).status().expect("kill starts");
    assert!(sent.success());
    let started = Instant::now();
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let code = run.wait().expect("it ends").code();
    assert!(rest.iter().any(|line| line.contains("error[cancelled]")), "{rest:?}");
    (code, started.elapsed())
}

fn signals_end_a_run(shop: &Shop) {
    for signal in ["-TERM", "-INT"] {
        shop.put(1);
        let (code, took) = interrupted(shop, signal);
        assert_eq!(code, Some(4), "{signal}");
        assert!(took.as_secs() < 10, "{signal}: {took:?}");
        assert_eq!(shop.seen(), shop.hashes[0], "{signal}");
        let last = &shop.status()["runs"][0];
        assert_eq!((&last["status"], &last["error"]["code"]), (&"failed".into(), &"cancelled".into()));
        assert_eq!(shop.query("select count(*) from _millrace.lease where run is not null"), [["0"]]);
    }
    shop.mend(0, "after signals");
}

#[test]
fn a_signal_ends_a_run_in_a_file() {
    signals_end_a_run(&Shop::new(100_000, &[], None));
}

#[test]
fn at_every_fault_point_of_a_run_in_a_file() {
    every_fault_point(&Shop::new(2_000, &[HOOKED], None));
}

#[test]
fn killed_at_random_in_a_file() {
    let (orders, kills) = size();
    let (middle, made) = kill_at_random(&Shop::new(orders, &[], None), kills);
    println!("{middle} of {made} kills were in the middle of a run");
    assert!(middle * 10 >= kills * 8, "{middle} of {made}");
}

#[test]
fn a_signal_ends_a_run_in_postgres() {
    let server = PostgresServer::shared();
    signals_end_a_run(&Shop::new(100_000, &[], Some(&server.url(&server.database()))));
}

#[test]
fn at_every_fault_point_of_a_run_in_postgres() {
    let server = PostgresServer::shared();
    let database = server.database();
    let shop = Shop::new(2_000, &[HOOKED], Some(&server.url(&database)));
    let outside = Outside::begin(server, &database);
    every_fault_point(&shop);
    outside.end(server, &database, &shop);
}

#[test]
fn killed_at_random_in_postgres() {
    let server = PostgresServer::shared();
    let database = server.database();
    let (orders, kills) = size();
    let shop = Shop::new(orders, &[], Some(&server.url(&database)));
    let outside = Outside::begin(server, &database);
    let (middle, made) = kill_at_random(&shop, kills);
    outside.end(server, &database, &shop);
    println!("{middle} of {made} kills were in the middle of a run");
    assert!(middle * 10 >= kills * 8, "{middle} of {made}");
}

/// The connection is cut while what an older publication had is dropped.
#[test]
fn a_run_that_has_published_has_succeeded() {
    let server = PostgresServer::shared();
    let database = server.database();
    let manifest = format!(
        "name: tiny\nenvironments: {{prod: {{type: postgres, url: \"{}\"}}}}\n",
        server.url(&database)
    );
    let project = Project::of(&[("millrace.yml", manifest.as_str())]);
    let run = |n: u32| {
        project.write("models/numbers.sql", format!("select {n} as n"));
        project.run(&["run", "--json"])
    };
    for n in 1..=3 {
        assert_eq!(run(n).json()["data_version"], n);
    }
    server.run(
        &database,
        "create function cut() returns event_trigger language plpgsql as \
         $$ begin perform pg_terminate_backend(pg_backend_pid()); end $$; \
         create event trigger cut on ddl_command_start when tag in ('DROP TABLE') execute function cut();",
    );
    let ended = run(4);
    let summary = ended.json();
    assert_eq!(
        (ended.code, &summary["status"], &summary["data_version"]),
        (0, &"succeeded".into(), &4.into())
    );
    assert!(summary["error"].is_null(), "{summary}");
    assert!(ended.stderr.contains("data version 4 is published"), "{}", ended.stderr);
    let build = "select count(*) from information_schema.tables where table_schema = 'build'";
    assert_eq!(project.rows(build), [["4"]]);
    server.run(&database, "drop event trigger cut");
    assert_eq!(project.run_json(0, &[])["status"], "unchanged");
    assert_eq!(project.rows(build), [["3"]]);
}

/// The disk is full, as far as a limit on the size of files is one: while rows are loaded, and then while the file is settled, after which
/// the engine refuses all work until it is opened anew.
#[test]
fn a_server_whose_disk_was_full_goes_on() {
    let project = Project::of(&[
        ("millrace.yml", "name: tiny\nenvironments: {dev: {type: duckdb, path: .millrace/t.duckdb}}\n"),
        ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id]}}\n"),
        ("data/n.ndjson", "{\"id\": 1, \"v\": \"a\"}\n"),
        ("models/numbers.sql", "select id, v from files.n"),
    ]);
    project.run_json(0, &[]);
    let size = std::fs::metadata(project.path().join(".millrace/t.duckdb")).expect("the file").len();
    let mut limited = std::process::Command::new("sh");
    let limit = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$0\" \"$@\"", size / 512 + 100);
    limited.args(["-c", &limit]).arg(binary().get_program());
    let server = Server::start_by(&mut limited, &project, &[]);
    let seen = || project.rows("select count(*), max(v) from numbers");
    let rows = (0..200_000_u64).map(|id| {
        let v = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{{\"id\": {id}, \"v\": \"{v:016x}{:016x}\"}}\n", v.rotate_left(17).wrapping_mul(v | 1))
    });
    project.write("data/n.ndjson", rows.collect::<String>());
    let full = project.run(&["run"]);
    assert_eq!(full.code, 3, "{}", full.stderr);
    assert!(
        full.stderr.contains("error[out-of-resources]: stream `files.n` cannot be loaded"),
        "{}",
        full.stderr
    );
    assert!(full.stderr.contains("caused by: the disk is full"), "{}", full.stderr);
    assert_eq!(seen(), [["1", "a"]]);
    project.write("data/n.ndjson", "{\"id\": 2, \"v\": \"b\"}\n");
    let small = project.run_json(0, &[]);
    assert_eq!((&small["status"], &small["data_version"]), (&"succeeded".into(), &2.into()));
    assert_eq!(seen(), [["1", "b"]]);
    let lifted = std::process::Command::new("prlimit")
        .args(["--fsize=unlimited:", "--pid", &server.process().to_string()])
        .status();
    assert!(lifted.expect("prlimit runs").success());
    project.write("data/n.ndjson", "{\"id\": 3, \"v\": \"c\"}\n{\"id\": 4, \"v\": \"d\"}\n");
    assert_eq!(project.run_json(0, &[])["data_version"], 3);
    assert_eq!(seen(), [["2", "d"]]);
    assert!(server.end("TERM").success());
}
