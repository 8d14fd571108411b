//! Publishing under readers, and beside what others have made.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::time::Duration;

use millrace_core::name::Relation;
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::warehouse::{
    PreparedTable, PublishOutcome, PublishRequest, PublishedView, Statement, Warehouse,
};
use millrace_testkit::postgres::PostgresServer;

use super::{fresh, one, open, run};
use crate::publishing::{Storm, storm};

fn view(name: &str, target: &str) -> PublishedView {
    PublishedView {
        view: Relation::new("publish", name),
        target: Relation::new("build", target),
        description: None,
        columns: Vec::new(),
    }
}

fn request(views: Vec<PublishedView>, before: &[&str]) -> PublishRequest {
    PublishRequest {
        views,
        before: before.iter().map(|name| Relation::new("publish", *name)).collect(),
        record: Vec::new(),
        budget: Duration::from_secs(5),
    }
}

async fn published(warehouse: &dyn Warehouse, request: &PublishRequest) {
    let outcome = warehouse.publish(request).await.expect("an answer");
    assert!(matches!(outcome, PublishOutcome::Published { .. }), "{outcome:?}");
}

async fn blocked(warehouse: &dyn Warehouse, request: &PublishRequest) -> Vec<String> {
    match warehouse.publish(request).await.expect("an answer") {
        PublishOutcome::Blocked { by, hint } => {
            assert!(!hint.is_empty());
            by
        }
        outcome @ PublishOutcome::Published { .. } => panic!("{outcome:?}"),
    }
}

/// Nobody gets an error or sees two versions at once, while columns come, go, and change their names and types.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_in_both_orders_see_whole_publications() {
    let server = PostgresServer::shared();
    let database = server.database();
    // Readers have connections of their own, as other programs do.
    let (writer, reader) = (open(&server.url(&database)), open(&server.url(&database)));
    let plan = Storm {
        publishes: 60,
        readers: 4,
        pause: Some((5, 20)),
        rows: 20_000,
        budget: Duration::from_secs(30),
    };
    let seen = storm(writer, reader, &plan).await;
    println!("{} reads, {} publishes, medians {:?}", seen.reads, seen.took.len(), seen.medians());
    assert_eq!((seen.mixed, seen.errors.as_slice()), (0, [].as_slice()));
    assert_eq!((seen.took.len(), seen.blocked.as_slice()), (60, [].as_slice()));
}

const TABLES: [&str; 6] = [
    "create schema build",
    "create table build.a__r1 as select 1 as x, 'one' as y",
    "create table build.a__r2 as select 2 as x, 'two' as y, true as z",
    "create table build.a__r3 as select 3 as x, false as z",
    "create table build.a__r4 as select '4' as x, false as z",
    "create table build.b__r1 as select 1 as x",
];

/// What others were granted they keep: on a view, on a column, with and without the right to pass it on.
#[tokio::test]
async fn grants_comments_and_options_stay() {
    let (warehouse, database) = fresh();
    let server = PostgresServer::shared();
    run(&*warehouse, &TABLES).await;
    published(
        &*warehouse,
        &request(vec![PublishedView { description: Some("it's an \\ a".into()), ..view("a", "a__r1") }], &[]),
    )
    .await;
    for role in ["owner", "reader", "half", "late", "no"] {
        server.run(&database, &format!("create role \"{database} {role}\" login"));
    }
    server.run(
        &database,
        &format!(
            "grant usage on schema publish to public; grant create on schema publish to \"{database} owner\"; \
             grant select on publish.a to \"{database} reader\" with grant option; grant select on publish.a to public; \
             grant select (x), update (y) on publish.a to \"{database} half\"; \
             alter default privileges in schema publish grant select on tables to \"{database} late\"; \
             alter view publish.a set (security_barrier = true); \
             comment on column publish.a.x is 'the number'; comment on column publish.a.y is 'gone'; \
             alter view publish.a owner to \"{database} owner\"; \
             revoke all on publish.a from postgres"
        ),
    );
    let grants = "select string_agg(coalesce(a.attname || '.', '') || coalesce(nullif(g.grantee::regrole::text, '-'), 'public') || ' ' || g.privilege_type || g.is_grantable, ', ' order by 1) \
        from pg_class c left join lateral (select null::name as attname, relacl as acl union all select attname, attacl from pg_attribute where attrelid = c.oid) a on true, \
        aclexplode(a.acl) g where c.oid = 'publish.a'::regclass and g.grantee <> c.relowner"
        .replace("order by 1", "order by a.attname, g.grantee, g.privilege_type");
    let rest = "select pg_get_userbyid(relowner) || reloptions::text || coalesce(obj_description(oid), '') || coalesce(col_description(oid, 1), '') from pg_class where oid = 'publish.a'::regclass";
    let before = (server.run(&database, &grants), server.run(&database, rest));
    assert!(before.0.contains("half\" SELECTf") && before.0.contains("reader\" SELECTt"), "{before:?}");
    let same = |target: &str| {
        request(vec![PublishedView { description: Some("it's an \\ a".into()), ..view("a", target) }], &["a"])
    };
    // One more column: the view stays what it is.
    published(&*warehouse, &same("a__r2")).await;
    assert_eq!((server.run(&database, &grants), server.run(&database, rest)), before);
    // A column less: it is another view, with all that the former one had but for what was the column's.
    published(&*warehouse, &same("a__r3")).await;
    let without_y: Vec<&str> = before.0.split(", ").filter(|grant| !grant.starts_with("y.")).collect();
    assert_eq!(
        (server.run(&database, &grants), server.run(&database, rest)),
        (without_y.join(", "), before.1.clone())
    );
    assert_eq!(server.run(&database, &format!("set role \"{database} half\"; select x from publish.a")), "3");
    // Another type.
    published(&*warehouse, &same("a__r4")).await;
    assert_eq!(
        (server.run(&database, &grants), server.run(&database, rest)),
        (without_y.join(", "), before.1)
    );
    // A new name gets what the schema's owner gives to new ones.
    let mut both = same("a__r4");
    both.views.push(view("b", "b__r1"));
    published(&*warehouse, &both).await;
    assert_eq!(server.run(&database, &format!("set role \"{database} late\"; select x from publish.b")), "1");
}

#[tokio::test]
async fn what_depends_on_a_view_holds_the_publish() {
    let (warehouse, _) = fresh();
    run(&*warehouse, &TABLES).await;
    published(&*warehouse, &request(vec![view("a", "a__r1"), view("b", "b__r1")], &[])).await;
    run(
        &*warehouse,
        &[
            "create schema analyst",
            "create view analyst.v as select y from publish.a",
            "create materialized view analyst.m as select * from publish.a",
            "create function analyst.f() returns int begin atomic select x from publish.b; end",
            "create function analyst.g() returns trigger language plpgsql as 'begin return null; end'",
            "create trigger keep instead of insert on publish.b for each row execute function analyst.g()",
        ],
    )
    .await;
    // A column more: nobody minds.
    published(&*warehouse, &request(vec![view("a", "a__r2"), view("b", "b__r1")], &["a", "b"])).await;
    assert_eq!(one(&*warehouse, "select y from analyst.v").await, "two");
    // A column less.
    let by = blocked(&*warehouse, &request(vec![view("a", "a__r3"), view("b", "b__r1")], &["a", "b"])).await;
    assert_eq!(
        by,
        [
            "materialized view `analyst.m` depends on `publish.a`, which loses its column `y`",
            "view `analyst.v` depends on `publish.a`, which loses its column `y`"
        ]
    );
    assert_eq!(one(&*warehouse, "select y from publish.a").await, "two");
    // A name that goes.
    let by = blocked(&*warehouse, &request(vec![view("a", "a__r2")], &["a", "b"])).await;
    assert_eq!(by.len(), 2, "{by:?}");
    assert!(by[0].contains("analyst.f") && by[1].contains("keep"), "{by:?}");
    run(&*warehouse, &["drop schema analyst cascade", "drop trigger if exists keep on publish.b"]).await;
    published(&*warehouse, &request(vec![view("a", "a__r3")], &["a", "b"])).await;
    let left =
        "select string_agg(table_name, ',') from information_schema.tables where table_schema = 'publish'";
    assert_eq!(one(&*warehouse, left).await, "a");
}

#[tokio::test]
async fn a_name_of_somebody_else_is_left_alone() {
    let (warehouse, _) = fresh();
    run(&*warehouse, &TABLES).await;
    run(
        &*warehouse,
        &[
            "create schema publish",
            "create table publish.a as select 7 as x",
            "create view publish.c as select 8 as x",
        ],
    )
    .await;
    let by = blocked(
        &*warehouse,
        &request(vec![view("a", "a__r1"), view("b", "b__r1"), view("c", "b__r1")], &["a"]),
    )
    .await;
    assert_eq!(
        by,
        [
            "the relation `publish.a` is there already, and no publication has made it",
            "the view `publish.c` is there already, and no publication has made it"
        ]
    );
    assert_eq!(one(&*warehouse, "select x from publish.a").await, "7");
    assert_eq!(one(&*warehouse, "select count(*) from pg_class where relname = 'b'").await, "0");
}

#[tokio::test]
async fn a_record_that_does_not_hold_undoes_it() {
    let (warehouse, _) = fresh();
    run(&*warehouse, &TABLES).await;
    run(&*warehouse, &["create table lease (fence int)"]).await;
    let mut wanted = request(vec![view("a", "a__r1")], &[]);
    wanted.record = vec![Statement::guard("update lease set fence = fence", [])];
    let failed = warehouse.publish(&wanted).await.expect_err("the guard touches nothing");
    assert_eq!(failed.kind(), ErrorKind::Superseded);
    assert_eq!(one(&*warehouse, "select count(*) from pg_class where relname = 'a'").await, "0");
}

/// The record waits for whoever renews the lease at that moment, without ending the publish.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_being_renewed_holds_nothing_up() {
    let (warehouse, database) = fresh();
    run(&*warehouse, &TABLES).await;
    run(&*warehouse, &["create table lease (fence int)", "insert into lease values (1)"]).await;
    published(&*warehouse, &request(vec![view("a", "a__r1")], &[])).await;
    let mut psql = Psql::open(&database);
    assert_eq!(psql.ask("begin; update lease set fence = fence; select 'held';"), "held");
    let mut wanted = request(vec![view("a", "a__r2")], &["a"]);
    wanted.record = vec![Statement::guard("update lease set fence = fence", [])];
    wanted.budget = Duration::from_secs(20);
    let publishing = {
        let (warehouse, wanted) = (Arc::clone(&warehouse), wanted.clone());
        tokio::spawn(async move { warehouse.publish(&wanted).await })
    };
    let waits = format!(
        "select count(*) from pg_stat_activity where datname = '{database}' and wait_event_type = 'Lock'"
    );
    while PostgresServer::shared().run("postgres", &waits) == "0" {
        assert!(!publishing.is_finished(), "it did not wait");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    psql.end();
    let outcome = publishing.await.expect("a task").expect("an answer");
    assert!(matches!(outcome, PublishOutcome::Published { .. }), "{outcome:?}");
}

/// A session of another program, with what it has said so far.
struct Psql {
    process: Child,
    input: Option<ChildStdin>,
    said: Lines<BufReader<ChildStdout>>,
}

impl Psql {
    fn open(database: &str) -> Self {
        let mut command = PostgresServer::shared().psql(database);
        command.env("PGAPPNAME", "an analyst's psql").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("psql");
        let said = BufReader::new(process.stdout.take().expect("its output")).lines();
        Self { input: process.stdin.take(), process, said }
    }

    /// Sends statements and waits for a line of their answer.
    fn ask(&mut self, sql: &str) -> String {
        writeln!(self.input.as_mut().expect("its input"), "{sql}").expect("written");
        self.said.next().expect("a line").expect("text")
    }

    fn end(mut self) {
        drop(self.input.take());
        self.process.wait().expect("it ends");
    }
}

/// A transaction that was left open: the publish ends within its budget and names the process; whoever reads meanwhile waits for a
/// moment only. Those who read the tables themselves are in nobody's way.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_left_open_is_named() {
    let (warehouse, database) = fresh();
    run(&*warehouse, &TABLES).await;
    published(&*warehouse, &request(vec![view("a", "a__r1"), view("b", "b__r1")], &[])).await;
    let mut psql = Psql::open(&database);
    assert_eq!(psql.ask("begin; select x from build.b__r1;"), "1");
    let pid = psql.ask("select pg_backend_pid() from publish.a;");
    // The table below `b` is in use, the view is not.
    published(&*warehouse, &request(vec![view("a", "a__r1"), view("b", "a__r3")], &["a", "b"])).await;
    let mut wanted = request(vec![view("a", "a__r3"), view("b", "a__r3")], &["a", "b"]);
    wanted.budget = Duration::from_secs(2);
    let reading = {
        let warehouse = Arc::clone(&warehouse);
        tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            for _ in 0..50 {
                let started = std::time::Instant::now();
                one(&*warehouse, "select x from publish.a").await;
                longest = longest.max(started.elapsed());
            }
            longest
        })
    };
    let started = std::time::Instant::now();
    let by = blocked(&*warehouse, &wanted).await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(by.len(), 1, "{by:?}");
    assert!(
        by[0].starts_with(&format!(
            "process {pid} (`an analyst's psql` of `postgres`) has left a transaction open for"
        )),
        "{by:?}"
    );
    assert!(reading.await.expect("a reader") < Duration::from_secs(2));
    psql.end();
    published(&*warehouse, &wanted).await;
    assert_eq!(one(&*warehouse, "select x from publish.a").await, "3");
}

#[tokio::test]
async fn what_is_read_is_not_retired() {
    let (warehouse, database) = fresh();
    run(&*warehouse, &TABLES).await;
    published(&*warehouse, &request(vec![view("a", "a__r1")], &[])).await;
    run(&*warehouse, &["create view build.w as select x from build.b__r1"]).await;
    let mut psql = Psql::open(&database);
    assert_eq!(psql.ask("begin; select x from build.a__r2;"), "2");
    let build = |name: &str, is_view: bool| (Relation::new("build", name), is_view);
    let gone = [
        build("w", true),
        build("b__r1", false),
        build("a__r1", false),
        build("a__r2", false),
        build("a__r3", false),
        build("none", false),
    ];
    let stay = warehouse.retire(&gone).await.expect("a clean-up");
    let names: Vec<&str> = stay.iter().map(|(relation, _)| relation.name.as_str()).collect();
    assert_eq!(names, ["a__r1", "a__r2"]);
    assert!(stay[0].1.contains("publish.a"), "{stay:?}");
    assert_eq!(stay[1].1, "somebody reads it");
    psql.end();
    let left = "select string_agg(table_name, ',' order by 1) from information_schema.tables where table_schema = 'build'";
    assert_eq!(
        one(&*warehouse, &left.replace("order by 1", "order by table_name")).await,
        "a__r1,a__r2,a__r4"
    );
}

#[tokio::test]
async fn tables_get_keys_indexes_and_statistics() {
    let (warehouse, _) = fresh();
    let long = "f".repeat(63);
    run(
        &*warehouse,
        &[
            "create schema build",
            &format!("create table build.{long} as select n as id, n % 7 as \"Odd \"\"name\", json '{{}}' as doc, repeat(md5(n::text), 500) as long \
                      from generate_series(1, 1000) as n"),
            "create view build.v as select 1 as id",
        ],
    )
    .await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let table = PreparedTable {
        table: Relation::new("build", &long),
        key: names(&["id"]),
        indexes: vec![
            names(&["Odd \"name", "id"]),
            names(&["doc"]),
            names(&["long"]),
            names(&["id"]),
            names(&["Odd \"name"]),
        ],
    };
    let view = PreparedTable { table: Relation::new("build", "v"), ..table.clone() };
    let count = "select count(*) from pg_indexes where schemaname = 'build'";
    for _ in 0..2 {
        warehouse.prepare(&[table.clone(), view.clone()]).await.expect("it is prepared");
        let found: u32 = one(&*warehouse, count).await.parse().expect("a number");
        assert!((2..=3).contains(&found), "{found} indexes");
    }
    let primary = "select string_agg(attname, ',') from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey) where indisprimary and indrelid::regclass::text like 'build.%'";
    assert_eq!(one(&*warehouse, primary).await, "id");
    assert_eq!(
        one(&*warehouse, "select count(distinct attname) > 1 from pg_stats where schemaname = 'build'").await,
        "true"
    );
    let twice =
        PreparedTable { table: Relation::new("build", "twice"), key: names(&["id"]), indexes: Vec::new() };
    run(&*warehouse, &["create table build.twice as select 1 as id union all select 1"]).await;
    assert_eq!(warehouse.prepare(&[twice]).await.expect_err("two rows").kind(), ErrorKind::Data);
}
