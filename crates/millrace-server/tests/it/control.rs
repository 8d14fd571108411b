//! The control interface, by its own client, and by strangers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use millrace_core::value::Value;
use millrace_engine::error::ErrorKind;
use millrace_engine::event::silent;
use millrace_engine::ports::warehouse::{QueryLimits, Statement, Warehouse};
use millrace_server::control::{self, Client, Control, PROTOCOL, RemoteWarehouse, RunAsked};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::shop::Shop;
use crate::start::{runner, tiny};

const TOKEN: &str = "0123456789abcdef";

/// A server's control interface on a port of its own; ends with the value.
struct Served {
    shop: Shop,
    client: Client,
    _stop: oneshot::Sender<()>,
}

async fn served(shop: Shop) -> Served {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(control::serve(listener, control_of(&shop, address), async {
        let _ = stopped.await;
    }));
    Served { shop, client: Client::new(address, TOKEN, 7), _stop: stop }
}

fn control_of(shop: &Shop, address: SocketAddr) -> Control {
    Control { state: shop.state.clone(), token: TOKEN.into(), address, process: 7 }
}

fn remote(served: &Served) -> RemoteWarehouse {
    RemoteWarehouse::new(served.client.clone(), served.shop.warehouse.dialect())
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let shop = Shop::new().await;
    let address: SocketAddr = ([127, 0, 0, 1], 4999).into();
    let right = format!("Bearer {TOKEN}");
    for (host, token, origin, path, status) in [
        ("127.0.0.1:4999", Some(right.as_str()), None, "hello", StatusCode::OK),
        ("127.0.0.1:4999", None, None, "hello", StatusCode::UNAUTHORIZED),
        ("127.0.0.1:4999", Some("Bearer "), None, "hello", StatusCode::UNAUTHORIZED),
        ("127.0.0.1:4999", Some("Bearer 0123456789abcde"), None, "hello", StatusCode::UNAUTHORIZED),
        ("127.0.0.1:4999", Some("0123456789abcdef"), None, "hello", StatusCode::UNAUTHORIZED),
        ("127.0.0.1:4999", None, None, "no/such/path", StatusCode::UNAUTHORIZED),
        ("127.0.0.1:4999", Some(right.as_str()), None, "no/such/path", StatusCode::NOT_FOUND),
        ("localhost:4999", Some(right.as_str()), None, "hello", StatusCode::FORBIDDEN),
        ("127.0.0.1", Some(right.as_str()), None, "hello", StatusCode::FORBIDDEN),
        (
            "127.0.0.1:4999",
            Some(right.as_str()),
            Some("http://127.0.0.1:4999"),
            "hello",
            StatusCode::FORBIDDEN,
        ),
        ("127.0.0.1:4999", Some(right.as_str()), Some("null"), "hello", StatusCode::FORBIDDEN),
    ] {
        let mut request = Request::builder().uri(format!("/control/v1/{path}")).header("host", host);
        for (name, value) in [("authorization", token), ("origin", origin)] {
            request = value.into_iter().fold(request, |request, value| request.header(name, value));
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = control::router(control_of(&shop, address)).oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{host} {token:?} {origin:?} {path}");
    }
}

#[tokio::test]
async fn what_is_read_through_a_server_is_what_is_there() {
    let served = served(Shop::new().await).await;
    let hello = served.client.hello().await.expect("an answer");
    assert_eq!((hello.protocol, hello.version.as_str(), hello.process), (PROTOCOL, "0.0.1", 7));
    assert_eq!(hello.environment, "dev");
    let (here, there) = (&*served.shop.warehouse, remote(&served));
    let statement = Statement::with(
        "select $1 as given, null as nothing, true as yes, 170141183460469231731687303715884105727::hugeint as huge, \
         1.50::decimal(18,2) as money, 'nan'::double as odd, -0.0::double as negative, 0.1::float as single, 'é''\"\n' as text, \
         date '0044-03-15' as day, timestamp '2024-02-29 12:00:00.000001' as moment, timestamptz '2024-02-29 12:00:00+02' as zoned, \
         '\\x00\\xFF'::blob as bytes, [1, null] as list, interval 3 month as span from range(3)",
        [Value::Int(i128::from(i64::MIN))],
    );
    let limits = QueryLimits { rows: 2, time: Duration::from_mins(1) };
    let (near, far) = (here.query(&statement, limits).await, there.query(&statement, limits).await);
    let (near, far) = (near.expect("rows"), far.expect("rows"));
    // NaN is not equal to itself, and -0 is to 0; the texts tell.
    assert_eq!(format!("{near:?}"), format!("{far:?}"));
    assert!(far.truncated);
    assert_eq!(far.len(), 2);
    let sql = "select order_id, amount, status from build.fact_orders__p1";
    assert_eq!(here.describe(sql).await.expect("columns"), there.describe(sql).await.expect("columns"));
    assert_eq!(here.version().await.expect("a version"), there.version().await.expect("a version"));
    assert!(!there.is_exclusive());
}

#[tokio::test]
async fn errors_arrive_whole() {
    let served = served(Shop::new().await).await;
    let (here, there) = (&*served.shop.warehouse, remote(&served));
    for sql in ["select order_ids from build.fact_orders__p1", "selec 1", "select cast('secret' as integer)"]
    {
        let statement = Statement::new(sql);
        let near = here.query(&statement, QueryLimits::STATE).await.expect_err("it fails");
        let far = there.query(&statement, QueryLimits::STATE).await.expect_err("it fails");
        assert_eq!(near.to_diagnostic(), far.to_diagnostic(), "{sql}");
        assert_eq!((near.kind(), near.position()), (far.kind(), far.position()), "{sql}");
    }
    let slow =
        Statement::new("select sum(hash(a.range + b.range)) from range(1000000) as a, range(1000000) as b");
    let limits = QueryLimits { rows: 1, time: Duration::from_millis(50) };
    assert_eq!(there.query(&slow, limits).await.expect_err("it is interrupted").kind(), ErrorKind::TimedOut);
    let change = [Statement::new("drop table build.fact_orders__p1")];
    assert_eq!(there.transact(&change).await.expect_err("it is refused").kind(), ErrorKind::Internal);
    assert_eq!(
        here.query(&Statement::new("select 1 from build.fact_orders__p1"), QueryLimits::STATE)
            .await
            .map(|rows| rows.len())
            .ok(),
        Some(12)
    );
}

#[tokio::test]
async fn a_run_is_followed_from_afar() {
    let mut shop = tiny(&[]).await;
    shop.state = shop.state.with_runner(runner(&[]));
    let served = served(shop).await;
    let asked = RunAsked {
        full_refresh: false,
        allow_empty: false,
        max_quarantine: Some("5%".into()),
        vars: Vec::new(),
        wait_ms: 0,
    };
    let run = served.client.run(&asked).await.expect("a run");
    let end = run.follow(&silent()).await.expect("an end");
    let summary = end.summary.expect("it ran");
    assert_eq!((summary.status.as_str(), summary.data_version), ("succeeded", Some(1)));
    assert!(end.error.is_none() && end.said.is_empty());
    let nothing = served.client.run(&RunAsked { max_quarantine: Some("many".into()), ..asked }).await;
    assert!(nothing.is_err());
}

#[tokio::test]
async fn nobody_there_is_said() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = Client::new(address, TOKEN, 7).hello().await.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::WarehouseUnreachable);
    assert!(error.message().contains("process 7"), "{error}");
}
