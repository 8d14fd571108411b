//! Runs inside the server: one at a time, and what readers see of them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::StatusCode;
use futures::{FutureExt as _, StreamExt as _};
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::Relation;
use millrace_core::project::SourceTexts;
use millrace_core::sql::dialect::Dialect;
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::event::{Event, StepKind};
use millrace_engine::ports::batch::BatchReceiver;
use millrace_engine::ports::warehouse::{
    FinishLoad, LoadOutcome, LoadRequest, PreparedTable, PublishOutcome, PublishRequest, QueryLimits,
    ResultColumn, Rows, Statement, Warehouse,
};
use millrace_engine::run::RunStatus;
use millrace_engine::state::lease::Holder;
use millrace_server::runs::{Reload, Reloaded, RollbackRequest, RunEnd, RunRequest, Runner, Unsound};
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

use crate::shop::{MANIFEST, Plan, Shop, compiled_of, tile};

type Files = Vec<(String, String)>;

/// A model with one row, whose column has a name; model, metric and page change with it.
fn project(column: &str, more: &[(&str, &str)]) -> Files {
    let own = [
        ("millrace.yml".to_owned(), MANIFEST.to_owned()),
        ("models/numbers.sql".to_owned(), format!("select 1 as {column}")),
        (
            "metrics/numbers.yml".to_owned(),
            format!("semantic_view: numbers\nbase: numbers\nmetrics:\n  total: {{sql: sum({column})}}\n"),
        ),
        (
            "dashboards/numbers.yml".to_owned(),
            "dashboard: numbers\nsemantic_view: numbers\nrows:\n  - [{kpi: total}]\n".to_owned(),
        ),
    ];
    let more = more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    own.into_iter().chain(more).collect()
}

async fn reloaded(files: Files) -> Reloaded {
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Reloaded { compiled: Arc::new(compiled_of(&files).await), warnings: Vec::new() }
}

fn with(reload: Reload) -> Runner {
    let holder = Holder { machine: "m".into(), host: "h".into(), process: 1, started: "1".into() };
    Runner { reload, holder, is_gone: |_| false }
}

/// A runner whose project is always this one, whatever was served before.
pub(crate) fn runner(more: &[(&str, &str)]) -> Runner {
    let files = project("one", more);
    with(Arc::new(move |_| reloaded(files.clone()).map(Ok).boxed()))
}

/// A server over that project, with nothing published.
pub(crate) async fn tiny(more: &[(&str, &str)]) -> Shop {
    tiny_over(more, |warehouse| warehouse).await
}

async fn tiny_over(more: &[(&str, &str)], between: fn(Arc<dyn Warehouse>) -> Arc<dyn Warehouse>) -> Shop {
    let compiled = reloaded(project("one", more)).await.compiled;
    Shop::of(compiled, Plan { publish: false, between, ..Plan::default() }).await.expect("a server")
}

async fn total(shop: &Shop) -> (u64, Json) {
    let lines = shop.page("numbers", &json!({})).await;
    let version = lines[0]["data_version"].as_u64().expect("a version");
    (version, tile(&lines, lines[1]["id"].as_str().expect("an id"))["total"]["total"].clone())
}

fn succeeded(end: RunEnd) -> u64 {
    match end {
        RunEnd::Ran(ran) if ran.summary.status == RunStatus::Succeeded => {
            ran.summary.data_version.expect("one")
        }
        other => panic!("{other:?}"),
    }
}

fn refusal(end: RunEnd) -> ErrorKind {
    match end {
        RunEnd::Refused(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_tells_what_it_does_and_pages_move() {
    let mut shop = tiny(&[]).await;
    let second = "dashboard: second\nsemantic_view: numbers\nrows:\n  - [{kpi: total}]\n";
    shop.state = shop.state.with_runner(runner(&[("dashboards/second.yml", second)]));
    assert_eq!(shop.json("GET", "/api/v1/dashboards/second", &Json::Null).await.0, StatusCode::NOT_FOUND);
    let mut handle = shop.state.runs().start(RunRequest::default());
    let mut events = Vec::new();
    while let Some(event) = handle.events.recv().await {
        events.push(event);
    }
    assert_eq!(succeeded(handle.end().await), 1);
    assert!(
        matches!(&events[0], Event::Begun(summary) if summary.status == RunStatus::Running),
        "{events:?}"
    );
    assert!(matches!(events.last(), Some(Event::Done { kind: StepKind::Publish, .. })), "{events:?}");
    assert_eq!(total(&shop).await, (1, json!(1)));
    shop.get("/api/v1/dashboards/second").await;
    // Nothing new in the warehouse, and another page: that moves too, and open pages are told.
    let response = shop.open("/api/v1/events").await;
    let mut told = response.into_body().into_data_stream();
    let third = "dashboard: third\nsemantic_view: numbers\nrows:\n  - [{kpi: total}]\n";
    shop.state = shop.state.with_runner(runner(&[("dashboards/third.yml", third)]));
    match shop.state.runs().start(RunRequest::default()).end().await {
        RunEnd::Ran(ran) => assert_eq!(ran.summary.status, RunStatus::Unchanged),
        other => panic!("{other:?}"),
    }
    shop.get("/api/v1/dashboards/third").await;
    assert_eq!(shop.json("GET", "/api/v1/dashboards/second", &Json::Null).await.0, StatusCode::NOT_FOUND);
    let mut names = Vec::new();
    while names.last().map(String::as_str) != Some("project") {
        let event = told.next().await.expect("an event").expect("bytes");
        let event = String::from_utf8(event.to_vec()).expect("UTF-8");
        names.extend(event.lines().find_map(|line| line.strip_prefix("event: ")).map(str::to_owned));
    }
    assert_eq!(names, ["run", "project"]);
    assert_eq!(shop.state.runs().under_way(), None);
}

#[tokio::test]
async fn a_project_with_errors_leaves_the_former_one() {
    let mut shop = tiny(&[]).await;
    let wrong = || Unsound {
        diagnostics: vec![Diagnostic::error(Code::UnknownRef, "there is no such thing")],
        texts: SourceTexts::new(),
    };
    shop.state = shop.state.with_runner(with(Arc::new(move |_| async move { Err(wrong()) }.boxed())));
    match shop.state.runs().start(RunRequest::default()).end().await {
        RunEnd::Unsound(unsound) => assert_eq!(unsound.diagnostics, wrong().diagnostics),
        other => panic!("{other:?}"),
    }
    shop.get("/api/v1/dashboards/numbers").await;
    // It has given its turn back.
    shop.state = shop.state.with_runner(runner(&[]));
    assert_eq!(succeeded(shop.state.runs().start(RunRequest::default()).end().await), 1);
}

#[tokio::test]
async fn one_at_a_time() {
    let mut shop = tiny(&[]).await;
    let gate = Arc::new(Semaphore::new(0));
    let (files, closed) = (project("one", &[]), Arc::clone(&gate));
    shop.state = shop.state.with_runner(with(Arc::new(move |_| {
        let (files, gate) = (files.clone(), Arc::clone(&closed));
        async move {
            gate.acquire().await.expect("open").forget();
            Ok(reloaded(files).await)
        }
        .boxed()
    })));
    let runs = shop.state.runs();
    let patient = || RunRequest { wait: Duration::from_mins(1), ..RunRequest::default() };
    let first = runs.start(RunRequest::default());
    while runs.under_way().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(refusal(runs.start(RunRequest::default()).end().await), ErrorKind::RunUnderWay);
    let rollback = RollbackRequest { to: None, release: false, wait: Duration::ZERO };
    assert_eq!(runs.rollback(rollback).await.expect_err("it has to wait").kind(), ErrorKind::RunUnderWay);
    let mut second = runs.start(patient());
    assert!(matches!(second.events.recv().await, Some(Event::Waiting { .. })));
    let mut third = runs.start(patient());
    assert!(matches!(third.events.recv().await, Some(Event::Waiting { .. })));
    // A run that waits can be cancelled, by its ticket.
    assert!(runs.cancel(third.ticket));
    assert_eq!(refusal(third.end().await), ErrorKind::Cancelled);
    gate.add_permits(2);
    assert_eq!(succeeded(first.end().await), 1);
    match second.end().await {
        RunEnd::Ran(ran) => assert_eq!(ran.summary.status, RunStatus::Unchanged),
        other => panic!("{other:?}"),
    }
    // The end of the server ends what is under way, and nothing more begins.
    let last = runs.start(RunRequest::default());
    runs.stop(Duration::from_secs(10)).await;
    assert_eq!(refusal(last.end().await), ErrorKind::Cancelled);
    assert_eq!(refusal(runs.start(RunRequest::default()).end().await), ErrorKind::Cancelled);
    assert!(!runs.cancel(1));
}

#[tokio::test]
async fn a_server_without_a_runner_starts_nothing() {
    let shop = tiny(&[]).await;
    assert_eq!(refusal(shop.state.runs().start(RunRequest::default()).end().await), ErrorKind::Internal);
}

/// Stops at the end of a run: what is published is in the warehouse, but the run has not ended.
static PUBLISHED: Semaphore = Semaphore::const_new(0);
static GO_ON: Semaphore = Semaphore::const_new(0);

struct Settling(Arc<dyn Warehouse>);

#[async_trait]
impl Warehouse for Settling {
    fn dialect(&self) -> Arc<dyn Dialect> {
        self.0.dialect()
    }

    async fn version(&self) -> Result<String> {
        self.0.version().await
    }

    async fn query(&self, statement: &Statement, limits: QueryLimits) -> Result<Rows> {
        self.0.query(statement, limits).await
    }

    async fn describe(&self, sql: &str) -> Result<Vec<ResultColumn>> {
        self.0.describe(sql).await
    }

    async fn transact(&self, statements: &[Statement]) -> Result<Vec<u64>> {
        self.0.transact(statements).await
    }

    async fn load(
        &self,
        request: LoadRequest,
        batches: BatchReceiver,
        finish: Box<dyn FinishLoad>,
    ) -> Result<LoadOutcome> {
        self.0.load(request, batches, finish).await
    }

    fn is_exclusive(&self) -> bool {
        self.0.is_exclusive()
    }

    async fn prepare(&self, tables: &[PreparedTable]) -> Result<()> {
        self.0.prepare(tables).await
    }

    async fn publish(&self, request: &PublishRequest) -> Result<PublishOutcome> {
        self.0.publish(request).await
    }

    async fn retire(&self, relations: &[(Relation, bool)]) -> Result<Vec<(Relation, String)>> {
        self.0.retire(relations).await
    }

    async fn settle(&self) -> Result<()> {
        PUBLISHED.add_permits(1);
        GO_ON.acquire().await.expect("open").forget();
        self.0.settle().await
    }
}

#[tokio::test]
async fn readers_move_to_project_and_publication_at_once() {
    let mut shop = tiny_over(&[], |warehouse| Arc::new(Settling(warehouse))).await;
    GO_ON.add_permits(1);
    shop.state = shop.state.with_runner(runner(&[]));
    assert_eq!(succeeded(shop.state.runs().start(RunRequest::default()).end().await), 1);
    PUBLISHED.acquire().await.expect("open").forget();
    // A column with another name: the pages of either project fail on the publication of the other.
    let files = project("unit", &[]);
    shop.state = shop.state.with_runner(with(Arc::new(move |_| reloaded(files.clone()).map(Ok).boxed())));
    let handle = shop.state.runs().start(RunRequest::default());
    PUBLISHED.acquire().await.expect("open").forget();
    let newest = Statement::new("select max(publication) from _millrace.publications");
    let newest = shop.warehouse.query(&newest, QueryLimits::STATE).await.expect("a number");
    assert_eq!(newest.row(0)[0].as_int(), Some(2));
    assert_eq!(total(&shop).await, (1, json!(1)), "the project does not know version 2 yet");
    assert_eq!(shop.state.refresh().await, Ok(Some(1)));
    GO_ON.add_permits(1);
    assert_eq!(succeeded(handle.end().await), 2);
    assert_eq!(total(&shop).await, (2, json!(1)));
}
