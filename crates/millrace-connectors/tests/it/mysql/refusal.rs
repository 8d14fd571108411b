//! What is said when a server does not let us in or read, never with a secret in it.

use std::net::TcpListener;
use std::path::Path;

use millrace_engine::error::{Error, ErrorKind, Result};

use super::{live, start, url};
use crate::reading::{discover, load, source, stream, wait};

/// An error as a user sees it.
fn shown(error: &Error) -> String {
    let diagnostic = error.to_diagnostic();
    let text = format!("{error} [{}]", diagnostic.hint.unwrap_or_default());
    assert!(!text.contains("p@ss") && !text.contains("p%40ss") && !text.contains("s3cret"), "{text}");
    text
}

/// Lists the streams behind a URL.
fn streams(url: &str) -> Result<Vec<String>> {
    wait(source("mysql", Path::new("."), &[("url", url)]).streams())
}

fn refused(url: &str, kind: ErrorKind, words: &[&str]) {
    let error = streams(url).expect_err(url);
    let text = shown(&error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn servers_that_do_not_let_us_in() {
    let server = start(&[]);
    server.run("create database shop; create user nobody identified by 'p@ss';");
    let port = server.port();
    let unreachable = ErrorKind::SourceUnreachable;
    let at = |user: &str, database: &str| format!("mysql://{user}@127.0.0.1:{port}/{database}");
    refused(
        &at("reader:s3cret", "shop"),
        unreachable,
        &[&format!("`127.0.0.1:{port}` does not let user `reader` in"), "error 1045", "password in `url`"],
    );
    refused(&at("reader", "shop"), unreachable, &["does not let user `reader` in"]);
    refused(&at("no%20one:s3cret", "shop"), unreachable, &["user `no one`"]);
    refused(
        &at("nobody:p%40ss", "shop"),
        unreachable,
        &["user `nobody` may not use database `shop`", "grant select on `shop`.* to 'nobody'@'%'"],
    );
    refused(&url(&server, "ship"), unreachable, &["has no database `ship`"]);
    assert_eq!(streams(&url(&server, "shop")).expect("let in"), [""; 0]);
    // No host is asked for where the address is wrong.
    refused("mysql://u:s3cret@h/d?ssl-modus=x", ErrorKind::Misconfigured, &["`ssl-modus`", "`ssl-mode`"]);
    refused("", ErrorKind::Misconfigured, &["`url` of source `src` is empty"]);
    refused("mysql://u:s3cret@nothing.invalid/d", unreachable, &["`nothing.invalid:3306` cannot be reached"]);

    // Nobody listens; somebody else does.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let free = listener.local_addr().expect("an address").port();
    let other = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut client, _) = listener.accept().expect("a client");
        client.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").expect("written");
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = client.read(&mut [0; 64]);
    });
    refused(&format!("mysql://u:s3cret@127.0.0.1:{free}/d"), unreachable, &["127.0.0.1"]);
    other.join().expect("it ends");
    refused(
        &format!("mysql://u:s3cret@127.0.0.1:{free}/d"),
        unreachable,
        &["cannot be reached", "Nothing listens"],
    );
}

#[test]
fn tables_that_cannot_be_read() {
    let server = start(&[]);
    server.run(
        "create database shop; use shop;
         create table clients (id int primary key, email text, js json);
         create table orders (id int, client int, secret text, primary key (client, id));
         create table shut (id int primary key);
         create view broken as select id from shut;
         create user limited identified by 'p@ss';
         grant select on shop.clients to limited; grant insert on shop.shut to limited;
         grant select (id, client) on shop.orders to limited; grant select on shop.broken to limited;
         insert into clients values (1, null, '{}'); insert into orders values (1, 2, 'x');",
    );
    let all = live(&server, "shop");
    let missing = discover(all.as_ref(), &stream("client", &[])).expect_err("no such table");
    assert_eq!(missing.kind(), ErrorKind::SourceUnreadable);
    assert!(
        shown(&missing).contains("has no table `client`")
            && shown(&missing).contains("did you mean `clients`?")
    );

    let url = format!("mysql://limited:p%40ss@127.0.0.1:{}/shop", server.port());
    let limited = source("mysql", Path::new("."), &[("url", &url)]);
    // All that can be known of a table is known to one who may only select from it.
    let clients = stream("clients", &[]);
    let mine = load(limited.as_ref(), &clients).expect("readable");
    assert_eq!(mine.schema, load(all.as_ref(), &clients).expect("readable").schema);
    assert_eq!(mine.schema.columns[2].data_type.to_string(), "json");
    let part = load(limited.as_ref(), &stream("orders", &[])).expect("readable");
    assert_eq!(part.schema.columns.len(), 2);
    let shut = discover(limited.as_ref(), &stream("shut", &[])).expect_err("no privilege");
    assert_eq!(shut.kind(), ErrorKind::SourceUnreadable);
    assert!(shown(&shut).contains("table `shut` cannot be read"), "{}", shown(&shut));
    assert!(shown(&shut).contains("grant select on `shop`.`shut` to 'limited'@'%'"), "{}", shown(&shut));
    assert_eq!(load(all.as_ref(), &stream("shut", &[])).expect("an empty table").lines(), [""; 0]);
    server.run(
        "drop table shop.shut; create view shop.huge as select id, exp(id * 1234567) as e from shop.clients",
    );
    let huge = load(all.as_ref(), &stream("huge", &[])).expect_err("out of range");
    assert_eq!((huge.kind(), huge.message()), (ErrorKind::SourceUnreadable, "table `huge` cannot be read"));
    // The server's own words have the value in them.
    assert_eq!(huge.causes(), ["error 1690 (22003) of the server"]);
    let broken = discover(all.as_ref(), &stream("broken", &[])).expect_err("a broken view");
    assert!(shown(&broken).contains("`broken`"), "{}", shown(&broken));
}
