//! `GET /events`, and the end of the server.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt as _;
use jiff::Timestamp;
use millrace_engine::run::{RunStatus, RunSummary};
use millrace_engine::state::trigger::Trigger;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::shop::{ORDERS, Shop, publish};

async fn next(stream: &mut BodyDataStream) -> String {
    let frame = timeout(Duration::from_secs(10), stream.next()).await.expect("an event in time");
    String::from_utf8(frame.expect("an event").expect("bytes").to_vec()).expect("UTF-8")
}

fn event(text: &str) -> (String, Json) {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text:?}")).trim().to_owned()
    };
    (field("event:"), serde_json::from_str(&field("data:")).expect("JSON"))
}

#[tokio::test]
async fn open_pages_hear_of_publishes_and_runs() {
    let shop = Shop::new().await;
    shop.get("/api/v1/project").await;
    let response = shop.open("/api/v1/events").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    let mut stream = response.into_body().into_data_stream();
    assert!(next(&mut stream).await.starts_with(':'));
    publish(&*shop.warehouse, 2, &ORDERS).await;
    assert_eq!(shop.state.refresh().await, Ok(Some(2)));
    let told = json!({"data_version": 2, "published_at": "2024-11-15T10:00:02Z"});
    assert_eq!(event(&next(&mut stream).await), ("publish".into(), told));
    // Said once, however often it is looked at.
    shop.get("/api/v1/project").await;
    shop.state.notify_publish(2, "2024-11-15T10:00:02Z");
    shop.state.notify_run(&RunSummary {
        run: "r".into(),
        status: RunStatus::Running,
        trigger: Trigger::default(),
        environment: "dev".into(),
        data_version: None,
        started_at: "2024-11-15T10:00:00Z".into(),
        finished_at: None,
        streams: Vec::new(),
        models: Vec::new(),
        tests: Vec::new(),
        notices: Vec::new(),
        held: None,
        error: None,
        duration_ms: 0,
    });
    let (name, run) = event(&next(&mut stream).await);
    assert_eq!((name.as_str(), &run["status"]), ("run", &json!("running")));
    assert_eq!(run["trigger"]["kind"], "command", "the shape of `last_run`");
    shop.state.set_next_run(Some(Timestamp::UNIX_EPOCH));
    shop.state.set_next_run(Some(Timestamp::UNIX_EPOCH));
    shop.state.notify_project();
    for _ in 0..2 {
        assert_eq!(event(&next(&mut stream).await), ("project".into(), json!({})), "news, and said once");
    }
    shop.state.notify_publish(3, "2024-11-15T11:00:00Z");
    assert_eq!(event(&next(&mut stream).await).1["data_version"], 3);
}

#[tokio::test]
async fn a_server_ends_although_pages_are_open() {
    let shop = Shop::new().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(millrace_server::serve(listener, shop.state.clone(), async {
        let _ = stopped.await;
    }));
    let mut page = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    page.write_all(request.as_bytes()).await.expect("it reads");
    let mut begin = [0; 15];
    page.read_exact(&mut begin).await.expect("it answers");
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    stop.send(()).expect("it runs");
    let ended = timeout(Duration::from_secs(4), server).await.expect("it ends in time");
    assert_eq!(ended.expect("no panic"), Ok(()));
}
