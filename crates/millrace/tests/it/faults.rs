//! Connections that break at any byte, servers that restart, processes that die, disks that are full, while tables of a server are loaded:
//! nothing is lost and nothing doubled, readers see one version, and the next run has what the source has.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use fastrand::Rng;
use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;
use millrace_testkit::proxy::{Fault, How, Proxy, Way, When};

use crate::millrace::{Project, binary};
use crate::server::signal_to;

mod begun_again;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

const TABLES: [&str; 2] = ["orders", "events"];

/// A project between two servers, with a proxy before each.
struct Torn {
    mariadb: MariaDb,
    postgres: Option<PostgresServer>,
    source: Proxy,
    /// Before the warehouse; before nothing where that is a file.
    warehouse: Proxy,
    project: Project,
    env: &'static str,
    /// How often the source was changed.
    version: u32,
    /// What readers last saw.
    published: Vec<String>,
}

/// By the seed that the environment gives, or one of this process; it is told.
#[expect(clippy::print_stdout, reason = "a test that fails shows what it printed")]
fn seeded() -> Rng {
    let given = std::env::var("MILLRACE_TORTURE_SEED").ok();
    let seed = given.map_or(u64::from(std::process::id()), |seed| seed.parse().expect("a number"));
    println!("MILLRACE_TORTURE_SEED={seed}");
    Rng::with_seed(seed)
}

/// From a twentieth to nine tenths of `whole`.
fn within(random: &mut Rng, whole: u64) -> u64 {
    whole / 20 + random.u64(..(whole * 17 / 20).max(1))
}

/// What the way to a server can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The way to the source, or to the warehouse, breaks.
    Source(Way, How),
    Warehouse(Way, How),
    /// The run is killed, or told to end, when so much of the source has come or gone into the warehouse.
    KilledReading,
    KilledWriting,
    Told,
    /// A server is killed and comes back.
    SourceRestarts,
    WarehouseRestarts,
}

impl Torn {
    fn new(postgres: Option<PostgresServer>) -> Self {
        let mariadb = MariaDb::start(&[]);
        mariadb.run(
            "create database shop character set utf8mb4; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
             create table orders (id int primary key, amount decimal(12,2), note text, changed_at datetime not null); \
             insert into orders select seq, seq * 0.37, md5(seq), '2026-01-01' from seq_1_to_6000; \
             create table events like orders; insert into events select * from orders where id <= 3000;",
        );
        let source = Proxy::start(mariadb.port());
        let warehouse = Proxy::start(postgres.as_ref().map_or(mariadb.port(), PostgresServer::port));
        let database = postgres.as_ref().map(PostgresServer::database).unwrap_or_default();
        let manifest = format!(
            "name: torn\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable\"}}\n",
            warehouse.port()
        );
        let url =
            format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop?ssl-mode=DISABLED\n", source.port());
        let project = Project::of(&[
            ("millrace.yml", manifest.as_str()),
            (".env", url.as_str()),
            (
                "sources/crm.yml",
                "type: mysql\nurl: \"${CRM_URL}\"\nstreams:\n  orders: {}\n  events: {mode: incremental, cursor: changed_at, lag: 30m, deletes: ignore}\n",
            ),
            ("models/orders.sql", "select * from crm.orders"),
            ("models/events.sql", "select * from crm.events"),
        ]);
        let env = if postgres.is_some() { "prod" } else { "dev" };
        let published = Vec::new();
        let mut this = Self { mariadb, postgres, source, warehouse, project, env, version: 0, published };
        this.project.run_json(0, &["--env", env]);
        this.assert_whole("at first");
        this
    }

    /// Rows change, come and, where a whole table is read, go.
    fn change(&mut self) {
        self.version += 1;
        let n = self.version;
        let at = format!("'2026-01-01' + interval {n} hour");
        self.mariadb.run(&format!(
            "use shop; update orders set amount = amount + 1, changed_at = {at} where id % 7 = {n} % 7; delete from orders where id = {n}; \
             insert into orders values (100000 + {n}, {n}.5, 'é{n}', {at}); \
             update events set note = concat(note, '{n}'), changed_at = {at} where id % 5 = {n} % 5; \
             insert into events select 100000 + {n} * 1000 + seq, null, null, {at} from seq_1_to_500;"
        ));
    }

    /// What the source has, a sum for each table.
    fn truth(&self) -> Vec<String> {
        let sum = |table: &str| {
            format!(
                "select concat(count(*), ' ', md5(group_concat(md5(concat_ws('|', id, amount, note, changed_at)) order by id separator ''))) from shop.{table};"
            )
        };
        let sql = format!("set group_concat_max_len = 1073741824; {}", TABLES.map(sum).concat());
        self.mariadb.run(&sql).lines().map(str::to_owned).collect()
    }

    /// The same of what a reader sees, and what is left of runs: the raw tables and the leases that are held. One statement.
    fn seen(&self) -> (Vec<String>, Vec<String>) {
        let sum = |table: &str| {
            format!(
                "(select cast(count(*) as varchar) || ' ' || md5(string_agg(md5(concat_ws('|', id, amount, note, changed_at)), '' order by id)) from {table}) as {table}"
            )
        };
        let sql = format!(
            "select {}, (select count(*) from information_schema.tables where table_schema = 'raw') as tables, \
             (select count(*) from _millrace.lease where run is not null) as held",
            TABLES.map(sum).join(", ")
        );
        let mut row = self.project.rows_in(self.env, &sql).remove(0);
        let left = row.split_off(TABLES.len());
        (row, left)
    }

    /// Readers see what the source has, and nothing is left of a run that died.
    fn assert_whole(&mut self, what: &str) {
        let (seen, left) = self.seen();
        assert_eq!(seen, self.truth(), "{what}: other rows\n{}", self.project.read("said"));
        assert_eq!(left, ["2", "0"], "{what}: raw tables and leases");
        self.published = seen;
    }

    fn start(&self) -> Child {
        let said = File::create(self.project.path().join("said")).expect("a file");
        let mut run = binary();
        run.args(["run", "--env", self.env, "--project"]).arg(self.project.path());
        run.stdout(Stdio::null()).stderr(said).spawn().expect("the binary starts")
    }

    /// Runs once, with a change to load and a fault on the way; returns how it ended and what it said.
    fn run(&mut self, proxy: impl Fn(&Self) -> &Proxy, fault: Fault) -> (ExitStatus, String) {
        self.change();
        proxy(self).set(fault);
        let ended = self.start().wait().expect("it ends");
        assert!(proxy(self).clear(), "{fault:?} was not met:\n{}", self.project.read("said"));
        (ended, self.project.read("said"))
    }

    /// Bytes that a run sends and gets on both ways, undisturbed.
    fn measure(&mut self) -> [[u64; 2]; 2] {
        self.change();
        self.source.clear();
        self.warehouse.clear();
        assert!(self.start().wait().expect("it ends").success());
        [&self.source, &self.warehouse]
            .map(|proxy| [Way::ToServer, Way::ToClient].map(|way| proxy.passed(way)))
    }

    /// One run that meets a trouble. True where it came to its end nonetheless.
    fn meet(&mut self, trouble: Trouble, bytes: [[u64; 2]; 2], random: &mut Rng) -> bool {
        self.change();
        let (proxy, way, how) = match trouble {
            Trouble::Source(way, how) => (0, way, how),
            Trouble::Warehouse(way, how) => (1, way, how),
            Trouble::KilledReading | Trouble::Told | Trouble::SourceRestarts => {
                (0, Way::ToClient, How::Stall)
            }
            Trouble::KilledWriting | Trouble::WarehouseRestarts => (1, Way::ToServer, How::Stall),
        };
        let at = within(random, bytes[proxy][way as usize]);
        let proxy = [&self.source, &self.warehouse][proxy];
        let what = format!("{trouble:?} after {at} bytes");
        proxy.set(Fault { way, when: When::Bytes(at), how });
        let mut run = self.start();
        if how == How::Stall {
            assert!(proxy.wait(LONG), "{what}: not met\n{}", self.project.read("said"));
            match trouble {
                Trouble::SourceRestarts => self.mariadb.kill_and_restart(),
                Trouble::WarehouseRestarts => self.postgres.as_ref().expect("a server").kill_and_restart(),
                Trouble::Told => signal_to(run.id(), "TERM"),
                _ => run.kill().expect("a signal"),
            }
            if trouble != Trouble::Told {
                proxy.let_go();
            }
        }
        let ended = run.wait().expect("it ends");
        proxy.let_go();
        let said = self.project.read("said");
        assert!(proxy.clear(), "{what}: not met\n{said}");
        let expected = match trouble {
            Trouble::KilledReading | Trouble::KilledWriting => ended.signal() == Some(9),
            Trouble::Told => ended.code() == Some(4),
            _ => matches!(ended.code(), Some(0 | 3)),
        };
        assert!(expected, "{what}: {ended}\n{said}");
        let (seen, _) = self.seen();
        let unchanged = seen == self.published && !ended.success();
        assert!(unchanged || seen == self.truth(), "{what}: a reader sees neither version\n{said}");
        self.project.run_json(0, &["--env", self.env]);
        self.assert_whole(&what);
        ended.success()
    }

    /// Each trouble as often as the environment says, once where it says nothing.
    #[expect(clippy::print_stdout, reason = "a test that fails shows what it printed")]
    fn all(&mut self, troubles: &[Trouble]) {
        let rounds = rounds();
        let mut random = seeded();
        let bytes = self.measure();
        let mut through = 0;
        for _ in 0..rounds {
            for trouble in troubles {
                through += u32::from(self.meet(*trouble, bytes, &mut random));
            }
        }
        println!("{through} of {} runs came through", rounds * troubles.len());
    }
}

/// How often each trouble is met: once where the environment says nothing.
fn rounds() -> usize {
    std::env::var("MILLRACE_TORTURE_ROUNDS").map_or(1, |n| n.parse().expect("a number"))
}

/// Half of what an undisturbed run gets.
fn middle(bytes: u64, way: Way) -> Fault {
    Fault { way, when: When::Bytes(bytes / 2), how: How::Cut }
}

/// A load whose connection broke has begun again by itself, and said so.
fn assert_begun_again(ended: ExitStatus, said: &str, code: &str) {
    assert!(ended.success(), "{said}");
    assert!(
        said.contains(&format!(
            "warning[{code}]: the load of stream `crm.orders` was interrupted; it begins again in 0.5 s"
        )),
        "{said}"
    );
}

#[test]
fn on_the_way_into_a_file() {
    let mut torn = Torn::new(None);
    let [[_, read], _] = torn.measure();
    let (ended, said) = torn.run(|torn| &torn.source, middle(read, Way::ToClient));
    assert_begun_again(ended, &said, "source-unreachable");
    torn.assert_whole("cut in the middle");
    torn.all(&[
        Trouble::Source(Way::ToClient, How::Cut),
        Trouble::Source(Way::ToServer, How::Cut),
        Trouble::Source(Way::ToClient, How::HalfClose),
        Trouble::KilledReading,
        Trouble::Told,
        Trouble::SourceRestarts,
    ]);
}

#[test]
fn on_the_way_into_a_server() {
    let mut torn = Torn::new(Some(PostgresServer::start(&[])));
    let [[_, read], [written, _]] = torn.measure();
    let (ended, said) = torn.run(|torn| &torn.source, middle(read, Way::ToClient));
    assert_begun_again(ended, &said, "source-unreachable");
    let (ended, said) = torn.run(|torn| &torn.warehouse, middle(written, Way::ToServer));
    assert_begun_again(ended, &said, "warehouse-unreachable");
    torn.assert_whole("cut in the middle");
    an_answer_to_a_commit_is_lost(&mut torn);
    torn.all(&[
        Trouble::Source(Way::ToClient, How::Cut),
        Trouble::Source(Way::ToServer, How::Cut),
        Trouble::Source(Way::ToClient, How::HalfClose),
        Trouble::Warehouse(Way::ToServer, How::Cut),
        Trouble::Warehouse(Way::ToClient, How::Cut),
        Trouble::Warehouse(Way::ToClient, How::HalfClose),
        Trouble::KilledReading,
        Trouble::KilledWriting,
        Trouble::Told,
        Trouble::SourceRestarts,
        Trouble::WarehouseRestarts,
    ]);
    the_disk_is_full(&mut torn);
}

#[test]
fn a_step_whose_connection_breaks_begins_again() {
    let mut torn = Torn::new(Some(PostgresServer::start(&[])));
    begun_again::steps(&mut torn);
    begun_again::after_the_publish(&mut torn);
    begun_again::stalls(&mut torn);
}

/// The connection breaks while a load commits: once before the server has heard of it, once before its answer.
fn an_answer_to_a_commit_is_lost(torn: &mut Torn) {
    const COMMIT: When = When::Texts(&[b"(source, stream, raw_schema", b"commit\0"]);
    for how in [How::Cut, How::CutBefore] {
        let loads = |torn: &Torn| {
            let sql = "select load_number from _millrace.streams where stream = 'events'";
            torn.project.rows_in("prod", sql)[0][0].parse::<u32>().expect("a number")
        };
        let before = loads(torn);
        let (ended, said) = torn.run(|torn| &torn.warehouse, Fault { way: Way::ToServer, when: COMMIT, how });
        assert!(ended.success(), "{how:?}: {said}");
        assert!(said.contains("was interrupted; it begins again in 0.5 s"), "{how:?}: {said}");
        assert!(said.contains("whether it was done is not known"), "{how:?}: {said}");
        torn.assert_whole(&format!("{how:?} at a commit"));
        // What was done is not done again.
        assert_eq!(loads(torn), before + 1, "{how:?}");
    }
}

/// The warehouse's disk is full, as far as a limit on the size of its files is one.
fn the_disk_is_full(torn: &mut Torn) {
    // Nothing that a table could be made smaller by.
    let texts: Vec<String> = (0..55).map(|n| format!("md5(id + {n}.5)")).collect();
    torn.mariadb.run(&format!(
        "use shop; insert into orders select seq, 0, concat({}), '2026-01-01' from seq_200000_to_212000",
        texts.join(", ").replace("id +", "seq +")
    ));
    torn.change();
    let server = torn.postgres.as_ref().expect("a server");
    // Its log is written in files of 16 MiB.
    server.limit_files(Some(17 << 20));
    let full = torn.project.run(&["run", "--env", "prod"]);
    assert_eq!(full.code, 3, "{}", full.stderr);
    assert!(full.stderr.contains("error[out-of-resources]"), "{}", full.stderr);
    assert_eq!(torn.seen().0, torn.published);
    server.limit_files(None);
    torn.project.run_json(0, &["--env", "prod"]);
    torn.assert_whole("after a full disk");
}
