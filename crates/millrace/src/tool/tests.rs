use millrace_engine::ports::reader_access::{ReaderRole, RootCertificate, Tls};

use super::*;

fn access() -> ReaderAccess {
    ReaderAccess {
        host: "ep-x-pooler.eu.example.tech".into(),
        address: None,
        port: 5432,
        others: Vec::new(),
        database: "bi/ventes".into(),
        reach: Reach::Anywhere,
        direct_host: Some("ep-x.eu.example.tech".into()),
        tls: Tls {
            check: TlsCheck::Full,
            root: Some(RootCertificate {
                pem: String::new(),
                subject: "CN=ISRG Root X1".into(),
                ends_at: 0,
                origin: RootOrigin::Public,
            }),
            problem: None,
        },
        role: ReaderRole {
            name: "Ana's reader".into(),
            exists: false,
            excess: Vec::new(),
            writer: "w".into(),
            writer_may: true,
            statements: Vec::new(),
            for_everybody: Vec::new(),
            password: String::new(),
        },
        unreadable: Vec::new(),
        open_schemas: Vec::new(),
    }
}

fn first(tool: Tool, access: &ReaderAccess) -> String {
    tool.sheet(access, "Bi", Some(Path::new("/a b/r.crt"))).fields[0].1.clone()
}

#[test]
fn what_urls_reserve_is_encoded() {
    let mut access = access();
    let tls = "sslmode=verify-full&sslrootcert=/a%20b/r.crt";
    let place = "ep-x-pooler.eu.example.tech:5432/bi%2Fventes";
    assert_eq!(first(Tool::Psql, &access), format!("psql 'postgresql://Ana%27s%20reader@{place}?{tls}'"));
    assert_eq!(
        first(Tool::Superset, &access),
        format!("postgresql+psycopg2://Ana%27s%20reader:PASSWORD@{place}?{tls}")
    );
    // A pooler may run each statement in another session, and refuses `search_path` at startup.
    assert_eq!(first(Tool::Jdbc, &access), format!("jdbc:postgresql://{place}?{tls}&prepareThreshold=0"));
    access.direct_host = None;
    assert_eq!(first(Tool::Jdbc, &access), format!("jdbc:postgresql://{place}?{tls}&currentSchema=%22Bi%22"));
}

#[test]
fn several_servers_sockets_and_addresses() {
    let mut access = access();
    access.host = "fd00::1".into();
    access.others = vec!["b:5433".into()];
    assert!(first(Tool::Psql, &access).contains("@[fd00::1]:5432,b:5433/"));
    assert!(first(Tool::Superset, &access).contains("@[fd00::1]:5432/"));
    assert_eq!(
        Tool::Superset.sheet(&access, "bi", None).warnings,
        ["the tool takes one server, so b:5433 are left out"]
    );
    access.others.clear();
    access.address = Some("127.0.0.1".parse().expect("an address"));
    assert!(first(Tool::Psql, &access).ends_with("&hostaddr=127.0.0.1'"));
    access.host = "/run/postgresql".into();
    assert_eq!(
        first(Tool::Psql, &access),
        "psql 'postgresql://Ana%27s%20reader@/bi%2Fventes?host=%2Frun%2Fpostgresql&port=5432'"
    );
    assert!(Tool::Jdbc.sheet(&access, "bi", None).warnings[0].contains("is a socket's folder"));
}

#[test]
fn clouds_do_not_reach_private_networks() {
    let mut access = access();
    let count = |access: &ReaderAccess, tool: Tool| tool.sheet(access, "bi", None).warnings.len();
    let all = [Tool::Psql, Tool::Jdbc, Tool::LookerStudio, Tool::Metabase, Tool::Superset, Tool::PowerBi];
    for (reach, expected) in [
        (Reach::Anywhere, [0, 0, 0, 0, 0, 0]),
        (Reach::Network, [0, 0, 1, 0, 0, 1]),
        (Reach::Machine, [0, 0, 1, 1, 1, 1]),
    ] {
        access.reach = reach;
        assert_eq!(all.map(|tool| count(&access, tool)), expected, "{reach:?}");
    }
}

#[test]
fn windows_needs_no_file_for_a_public_root() {
    let mut access = access();
    assert!(Tool::Metabase.needs_root(&access) && !Tool::PowerBi.needs_root(&access));
    if let Some(root) = &mut access.tls.root {
        root.origin = RootOrigin::File;
    }
    assert!(Tool::PowerBi.needs_root(&access));
    access.tls = Tls { check: TlsCheck::None, root: None, problem: Some("has no TLS".into()) };
    assert!(!Tool::Metabase.needs_root(&access));
    assert_eq!(Tool::Metabase.sheet(&access, "bi", None).warnings.len(), 1);
}
