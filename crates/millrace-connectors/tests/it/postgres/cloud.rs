//! A server in a cloud: told by the name in the TLS greeting, asleep at first, gone at any time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use millrace_core::name::Relation;
use millrace_core::schema::DataType;
use millrace_engine::batch::{Batch, arrow_schema, batch_queue};
use millrace_engine::error::ErrorKind;
use millrace_engine::warehouse::{LoadMode, LoadRequest, QueryLimits, Statement};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Finish, column, load, one, open, run};
use millrace_testkit::postgres::PostgresServer;

/// What stands before the servers of a cloud. TLS goes through it untouched.
#[derive(Default)]
struct Front {
    /// Connections by the name that they asked for.
    asked: Mutex<BTreeMap<String, u32>>,
    /// How many connections are hung up on before one is let through.
    asleep: Mutex<u32>,
    /// Bytes from a client after which the connection is cut.
    cut: Option<&'static [u8]>,
}

impl Front {
    /// Starts it and returns its port.
    async fn start(self) -> (Arc<Self>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let front = Arc::new(self);
        let shared = Arc::clone(&front);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let front = Arc::clone(&shared);
                tokio::spawn(async move { front.serve(client).await });
            }
        });
        (front, port)
    }

    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut first = [0; 8];
        client.read_exact(&mut first).await?;
        let tls = first[4..] == [0x04, 0xd2, 0x16, 0x2f];
        let mut hello = first.to_vec();
        if tls {
            client.write_all(b"S").await?;
            hello = vec![0; 5];
            client.read_exact(&mut hello).await?;
            let length = usize::from(hello[3]) << 8 | usize::from(hello[4]);
            let mut rest = vec![0; length];
            client.read_exact(&mut rest).await?;
            *self.asked.lock().unwrap().entry(server_name(&rest)).or_default() += 1;
            hello.extend(rest);
        }
        {
            let mut asleep = self.asleep.lock().unwrap();
            if *asleep > 0 {
                *asleep -= 1;
                return Ok(());
            }
        }
        let mut server = TcpStream::connect(("127.0.0.1", PostgresServer::shared().port())).await?;
        if tls {
            server.write_all(&first).await?;
            assert_eq!(server.read_u8().await?, b'S');
        }
        server.write_all(&hello).await?;
        let Some(cut) = self.cut else {
            tokio::io::copy_bidirectional(&mut client, &mut server).await?;
            return Ok(());
        };
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let there = async {
            let mut buffer = vec![0; 65_536];
            loop {
                let read = from_client.read(&mut buffer).await?;
                if read == 0 || buffer[..read].windows(cut.len()).any(|window| window == cut) {
                    return std::io::Result::Ok(());
                }
                to_server.write_all(&buffer[..read]).await?;
            }
        };
        tokio::select! { done = there => done, done = tokio::io::copy(&mut from_server, &mut to_client) => done.map(|_| ()) }
    }
}

/// The server's name in a `ClientHello` (RFC 6066, 3).
fn server_name(hello: &[u8]) -> String {
    let word = |at: usize| usize::from(hello[at]) << 8 | usize::from(hello[at + 1]);
    // Type and length, version, random; session, ciphers, compression; then extensions.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + word(at);
    at += 1 + usize::from(hello[at]);
    at += 2;
    while at + 4 <= hello.len() {
        let (kind, length) = (word(at), word(at + 2));
        if kind == 0 {
            let name = &hello[at + 9..at + 9 + word(at + 7)];
            return String::from_utf8_lossy(name).into_owned();
        }
        at += 4 + length;
    }
    String::new()
}

const POOLED: &str = "ep-x-pooler.cloud.millrace.test";
const DIRECT: &str = "ep-x.cloud.millrace.test";

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_things_goes_past_the_pooler() {
    let server = PostgresServer::shared();
    let (front, port) = Front { asleep: Mutex::new(3), ..Front::default() }.start().await;
    let database = server.database();
    let root = server.file("root.crt").display().to_string();
    let url = format!("postgres://postgres@{POOLED}:{port}/{database}?hostaddr=127.0.0.1&sslrootcert={root}");
    let warehouse = open(&url);
    // It sleeps: a few connections are lost before one holds.
    assert_eq!(one(&*warehouse, "select 1").await, "1");
    let asked = |name: &str| front.asked.lock().unwrap().get(name).copied().unwrap_or_default();
    assert_eq!((asked(POOLED), asked(DIRECT)), (4, 0));
    run(&*warehouse, &["create table t (a int)"]).await;
    assert_eq!((asked(POOLED), asked(DIRECT)), (4, 1));
    let batch: Vec<Vec<ArrayRef>> = vec![vec![Arc::new(Int64Array::from(vec![1]))]];
    let columns = [column("id", DataType::Int64)];
    load(&*warehouse, &columns, LoadMode::Create, batch, Finish::well()).await.expect("it loads");
    assert_eq!(one(&*warehouse, "select count(*) from raw.t").await, "1");
    assert!(asked(POOLED) <= 5 && asked(DIRECT) <= 3, "{:?}", front.asked.lock().unwrap());
    assert!(warehouse.version().await.expect("a version").contains("pooler"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_stays_connected() {
    let server = PostgresServer::shared();
    let database = server.database();
    let warehouse = open(&server.url(&database));
    run(&*warehouse, &["create table t (a int)"]).await;
    let sessions = format!("select count(*) from pg_stat_activity where datname = '{database}'");
    assert_eq!(server.run("postgres", &sessions), "1");
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.run("postgres", &sessions) != "0" {
        assert!(Instant::now() < deadline, "somebody is still connected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(one(&*warehouse, "select count(*) from t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_while_committing_is_an_unknown_outcome() {
    let server = PostgresServer::shared();
    let database = server.database();
    let (_, port) = Front { cut: Some(b"commit\0"), ..Front::default() }.start().await;
    let warehouse = open(&format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable"));
    let lost = warehouse.transact(&[Statement::new("create table t (a int)")]).await.expect_err("it is cut");
    assert_eq!(lost.kind(), ErrorKind::WarehouseLost);
    assert!(lost.to_string().contains("whether it was done is not known"), "{lost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_asked_again_and_a_statement_is_not() {
    let server = PostgresServer::shared();
    let database = server.database();
    let (_, port) = Front { cut: Some(b"never again"), ..Front::default() }.start().await;
    let warehouse = open(&format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable"));
    let lost = warehouse.transact(&[Statement::new("create table t as select 'never again' as a")]).await;
    let lost = lost.expect_err("it is cut");
    assert_eq!(lost.kind(), ErrorKind::WarehouseLost);
    assert!(!lost.to_string().contains("not known"), "{lost}");
    let cut = Statement::new("select 'never again'");
    let lost = warehouse.query(&cut, QueryLimits::STATE).await.expect_err("it is cut each time");
    assert_eq!(lost.kind(), ErrorKind::WarehouseLost);
    assert_eq!(one(&*warehouse, "select count(*) from pg_class where relname = 't'").await, "0");
}

/// The server goes down while rows are on their way.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_cut_leaves_nothing() {
    let server = PostgresServer::shared();
    let database = server.database();
    let warehouse = open(&server.url(&database));
    run(&*warehouse, &["create schema raw"]).await;
    let columns = vec![column("id", DataType::Int64)];
    let (sender, receiver) = batch_queue(1 << 20);
    let request =
        LoadRequest { table: Relation::new("raw", "t"), columns: columns.clone(), mode: LoadMode::Create };
    let loading =
        tokio::spawn(async move { warehouse.load(request, receiver, Box::new(Finish::well())).await });
    let kill = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{database}' and query like 'copy%'"
    );
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let mut killed = false;
    loop {
        let rows = RecordBatch::try_new(arrow_schema(&columns), vec![Arc::clone(&ids)]).expect("a batch");
        if sender.send(Batch { rows, quarantined: Vec::new() }).await.is_err() {
            break;
        }
        killed = killed || server.run("postgres", &kill) == "1";
    }
    assert!(killed, "it ended by itself");
    let lost = loading.await.expect("a task").expect_err("the connection is gone");
    assert_eq!(lost.kind(), ErrorKind::WarehouseLost, "{lost}");
    assert_eq!(server.run(&database, "select count(*) from pg_class where relname = 't'"), "0");
}
