use proptest::prelude::*;

use super::*;
use crate::postgres::parameter::options_of;

fn parse(url: &str) -> Result<Server> {
    Server::parse(url, &BTreeMap::new(), Path::new("/project"))
}

fn parse_with(url: &str, variables: &[(&str, &str)]) -> Result<Server> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Server::parse(url, &variables, Path::new("/project"))
}

fn parsed(url: &str) -> Server {
    parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn hosts(server: &Server) -> String {
    server.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn urls_as_libpq_reads_them() {
    for (url, user, password, host, database) in [
        ("postgres://u:p@db.example/shop", Some("u"), Some("p"), "db.example:5432", Some("shop")),
        ("postgresql://db.example:6000", None, None, "db.example:6000", None),
        ("postgres://u@h/d?sslmode=require", Some("u"), None, "h:5432", Some("d")),
        ("postgres://u:p%40%2F%3A%25%C3%A9@h/d%20b", Some("u"), Some("p@/:%é"), "h:5432", Some("d b")),
        ("postgres://u:a?b&c=d#e@h/d", Some("u"), Some("a?b&c=d#e"), "h:5432", Some("d")),
        ("postgres://u:a:b@h/d", Some("u"), Some("a:b"), "h:5432", Some("d")),
        ("postgres://a:1,b:2,[::1]:3/d", None, None, "a:1 b:2 [::1]:3", Some("d")),
        ("postgres://a,b:7/d", None, None, "a:5432 b:7", Some("d")),
        (
            "postgres:///d?host=/var/run/postgresql&user=u",
            Some("u"),
            None,
            "/var/run/postgresql:5432",
            Some("d"),
        ),
        ("postgres://%2Frun%2Fpg:6432/d", None, None, "/run/pg:6432", Some("d")),
        ("postgres://", None, None, "localhost:5432", None),
        ("postgres://h?port=7&dbname=x&password=s", None, Some("s"), "h:7", Some("x")),
        ("postgres://u:@h/", Some("u"), None, "h:5432", None),
        ("postgres://h/d?host=other", None, None, "other:5432", Some("d")),
        ("postgres:///d?hostaddr=10.0.0.1", None, None, "10.0.0.1:5432", Some("d")),
    ] {
        let server = parsed(url);
        assert_eq!(server.user.as_deref(), user, "{url}");
        assert_eq!(server.password.as_ref().map(|secret| secret.0.as_str()), password, "{url}");
        assert_eq!(hosts(&server), host, "{url}");
        assert_eq!(server.database.as_deref(), database, "{url}");
    }
}

#[test]
fn how_much_tls() {
    let file = || Roots::File("/project/ca.crt".into());
    for (url, mode, roots) in [
        ("postgres://db.example/d", SslMode::VerifyFull, Roots::Public),
        ("postgres://localhost/d", SslMode::Prefer, Roots::Public),
        ("postgres://127.0.0.1,[::1],/d", SslMode::Prefer, Roots::Public),
        ("postgres:///d?host=/run", SslMode::Prefer, Roots::Public),
        // One remote host is enough. A local name with a remote address is remote.
        ("postgres://localhost,db.example/d", SslMode::VerifyFull, Roots::Public),
        ("postgres://localhost/d?hostaddr=10.0.0.1", SslMode::VerifyFull, Roots::Public),
        ("postgres://db.example/d?hostaddr=127.0.0.1", SslMode::VerifyFull, Roots::Public),
        ("postgres://db.example/d?sslmode=disable", SslMode::Disable, Roots::Public),
        ("postgres://db.example/d?sslmode=allow", SslMode::Allow, Roots::Public),
        ("postgres://db.example/d?sslmode=prefer", SslMode::Prefer, Roots::Public),
        ("postgres://db.example/d?sslmode=require", SslMode::Require, Roots::Public),
        ("postgres://db.example/d?sslmode=verify-ca", SslMode::VerifyCa, Roots::Public),
        ("postgres://db.example/d?ssl=true", SslMode::Require, Roots::Public),
        ("postgres://db.example/d?sslmode=require&sslrootcert=ca.crt", SslMode::VerifyCa, file()),
        ("postgres://db.example/d?sslrootcert=ca.crt", SslMode::VerifyFull, file()),
        ("postgres://localhost/d?sslrootcert=system", SslMode::VerifyFull, Roots::System),
        (
            "postgres://db.example/d?sslrootcert=system&sslmode=verify-full",
            SslMode::VerifyFull,
            Roots::System,
        ),
    ] {
        let tls = parsed(url).tls;
        assert_eq!((tls.mode, tls.roots), (mode, roots), "{url}");
    }
}

#[test]
fn the_rest() {
    let server = parsed(
        "postgres://h/d?application_name=my%20app&connect_timeout=1&target_session_attrs=prefer-standby&channel_binding=require\
         &keepalives=0&keepalives_idle=7&keepalives_count=3&tcp_user_timeout=1500&load_balance_hosts=random&sslcert=c.crt&sslkey=/k.key\
         &sslnegotiation=direct&ssl_min_protocol_version=TLSv1.3&gssencmode=disable&client_encoding=UTF8",
    );
    assert_eq!(server.application_name, "my app");
    assert_eq!(server.connect_timeout, Duration::from_secs(2), "as in libpq, at least two seconds");
    assert_eq!(
        (server.target, server.binding, server.shuffle),
        (Target::PreferStandby, Binding::Require, true)
    );
    assert_eq!(server.tls.client, Some(("/project/c.crt".into(), "/k.key".into())));
    assert!(server.tls.direct && server.tls.only_13 && !server.keepalive.on);
    assert_eq!(server.keepalive.idle, Some(Duration::from_secs(7)));
    assert_eq!(server.keepalive.unacknowledged, Some(Duration::from_millis(1500)));
    let seconds = |n| Some(Duration::from_secs(n));
    let own = parsed("postgres://h/d").keepalive;
    assert_eq!(
        (own.on, own.idle, own.interval, own.count, own.unacknowledged),
        (true, seconds(60), seconds(10), Some(6), seconds(120))
    );
    let systems = parsed(
        "postgres://h/d?keepalives_idle=0&keepalives_interval=0&keepalives_count=0&tcp_user_timeout=0",
    );
    let systems = systems.keepalive;
    assert_eq!(
        (systems.idle, systems.interval, systems.count, systems.unacknowledged),
        (None, None, None, None)
    );
    assert_eq!(parsed("postgres://h/d?connect_timeout=0").connect_timeout, Duration::from_hours(1));
    assert_eq!(parsed("postgres://h/d").application_name, "millrace");
}

#[test]
fn options_become_settings_of_each_transaction() {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (text, settings, left) in [
        ("", vec![], None),
        ("-c search_path=a", vec![setting("search_path", "a")], None),
        (
            "-csearch_path=a --work-mem=1GB",
            vec![setting("search_path", "a"), setting("work_mem", "1GB")],
            None,
        ),
        (r"-c search_path=a\ b,\\c", vec![setting("search_path", r"a b,\c")], None),
        ("endpoint=ep-x -c x.y=1", vec![setting("x.y", "1")], Some("endpoint=ep-x")),
        (r"-c a\'b=1", vec![], Some(r"-c a\'b=1")),
        ("-c", vec![], Some("-c")),
    ] {
        assert_eq!(options_of(text), (settings, left.map(str::to_owned)), "{text}");
    }
}

#[test]
fn poolers_are_told_by_their_names() {
    let direct = |url: &str| parsed(url).direct().map(|server| hosts(&server));
    assert_eq!(
        direct("postgres://u:p@ep-cool-rain-123-pooler.eu-central-1.aws.neon.tech/d"),
        Some("ep-cool-rain-123.eu-central-1.aws.neon.tech:5432".to_owned())
    );
    assert_eq!(direct("postgres://a-pooler.x:7,b.x/d"), Some("a.x:7 b.x:5432".to_owned()));
    for url in [
        "postgres://ep-x.neon.tech/d",
        "postgres://pooler/d",
        "postgres://a.b-pooler.x/d",
        "postgres://-pooler.x/d",
    ] {
        assert_eq!(direct(url), None, "{url}");
    }
}

#[test]
fn what_is_wrong_is_said_without_the_url() {
    for (url, words) in [
        ("mysql://u:hunter2@h/d", "does not begin with"),
        ("h/d?password=hunter2", "does not begin with"),
        ("postgres://u:hunter2/x@h/d", "an `@` or a `/`"),
        ("postgres://u:1234/5@h/d", "an `@` or a `/`"),
        ("postgres://u:hunter2?@h@i/d", "an `@` or a `/`"),
        ("postgres://u:hunter2%@h/d", "a `%`"),
        ("postgres://u:%00@h/d", "a `%`"),
        ("postgres://u:%+1@h/d", "a `%`"),
        ("postgres://u:%ff@h/d", "a `%`"),
        ("postgres://h:hunter2/d", "port is no number"),
        ("postgres://h:0/d", "port is no number"),
        ("postgres://h:65536/d", "port is no number"),
        ("postgres://[::1/d", "a host of the URL"),
        ("postgres://[hunter2]/d", "a host of the URL"),
        ("postgres://hun ter2/d", "a host of the URL"),
        ("postgres://h/d?hunter2", "has no value"),
        ("postgres://h/d?sslmodus=require", "`sslmodus`, which is not known"),
        ("postgres://h/d?sslmode=verifyfull", "`sslmode` is none"),
        ("postgres://h/d?sslmode=require&sslrootcert=system", "`sslrootcert=system`"),
        ("postgres://h/d?sslcert=x", "both are needed"),
        ("postgres://h/d?sslcert=x&sslkey=y&sslpassword=hunter2", "`sslpassword` is not supported"),
        ("postgres://h/d?sslcrl=x", "`sslcrl` is not supported"),
        ("postgres://h/d?require_auth=scram-sha-256", "`require_auth` is not supported"),
        ("postgres://h/d?gssencmode=require", "`gssencmode` is not supported"),
        ("postgres://h/d?client_encoding=LATIN1", "`client_encoding` is not supported"),
        ("postgres://h/d?connect_timeout=soon", "`connect_timeout` is no number"),
        ("postgres://h/d?target_session_attrs=master", "`target_session_attrs` is none"),
        ("postgres://h/d?sslmode=disable&channel_binding=require", "nothing without TLS"),
        ("postgres://h/d?sslmode=prefer&sslnegotiation=direct", "`sslnegotiation=direct`"),
        ("postgres://a,b/d?port=1,2,3", "as many ports"),
        ("postgres://a,b/d?hostaddr=10.0.0.1", "as many ports"),
        ("postgres://a/d?hostaddr=hunter2", "`hostaddr` is no address"),
    ] {
        let error = parse(url).expect_err(url);
        let shown = format!("{error} {:?}", error.to_diagnostic());
        assert!(shown.contains(words), "{url}: {shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("1234"), "{shown}");
    }
    let hint = parse("postgres://h/d?sslmod=require").expect_err("a slip").to_diagnostic().hint;
    assert_eq!(hint.as_deref(), Some("did you mean `sslmode`?"));
}

#[test]
fn nothing_shows_the_password() {
    let server = parsed("postgres://u:hunter2@h/d?password=hunter2");
    assert!(!format!("{server:?}").contains("hunter2"));
}

proptest! {
    #[test]
    fn any_text_is_an_answer(text in "\\PC{0,80}", tail in "[a-z0-9:@/?&=%,\\[\\].-]{0,60}") {
        let _ = parse(&text);
        let _ = parse(&format!("postgres://{text}"));
        let _ = parse(&format!("postgres://{tail}"));
    }

    #[test]
    fn secrets_stay_secret(secret in "[!-~]{8,24}", place in 0usize..3) {
        let url = match place {
            0 => format!("postgres://u:{secret}@h/d"),
            1 => format!("postgres://{secret}:{secret}@h/d?sslmode=no"),
            _ => format!("postgres://u:{secret}@h:{secret}/d?password={secret}"),
        };
        let shown = match parse(&url) {
            Ok(server) => format!("{:?}", server.password),
            Err(error) => format!("{error} {error:?} {:?}", error.to_diagnostic()),
        };
        prop_assert!(!shown.contains(&secret), "{shown}");
    }

    #[test]
    fn encoded_passwords_arrive(password in "[^\0]{1,30}") {
        let encoded = password.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let server = parse(&format!("postgres://u:{encoded}@h/d")).expect("a server");
        prop_assert_eq!(server.password, Some(Secret(password)));
    }
}

#[test]
fn variables_stand_for_what_the_url_leaves_out() {
    let all = [
        ("PGHOST", "db.example"),
        ("PGHOSTADDR", "10.0.0.1"),
        ("PGPORT", "5433"),
        ("PGDATABASE", "shop"),
        ("PGUSER", "ana"),
        ("PGPASSWORD", "s3cret"),
        ("PGSSLMODE", "verify-ca"),
        ("PGSSLROOTCERT", "ca.crt"),
        ("PGSSLCERT", "c.crt"),
        ("PGSSLKEY", "c.key"),
        ("PGCHANNELBINDING", "require"),
        ("PGOPTIONS", "-c work_mem=1MB"),
        ("PGAPPNAME", "nightly"),
        ("PGCONNECT_TIMEOUT", "7"),
        ("PGTARGETSESSIONATTRS", "read-write"),
        ("PGSSLNEGOTIATION", "direct"),
        ("PGSSLMINPROTOCOLVERSION", "TLSv1.3"),
        ("PGLOADBALANCEHOSTS", "random"),
    ];
    let said = parse_with("postgres://", &all).expect("a server");
    let written = parsed(
        "postgres://ana:s3cret@db.example:5433/shop?hostaddr=10.0.0.1&sslmode=verify-ca&sslrootcert=ca.crt&sslcert=c.crt&\
         sslkey=c.key&channel_binding=require&options=-c%20work_mem%3D1MB&application_name=nightly&connect_timeout=7&\
         target_session_attrs=read-write&sslnegotiation=direct&ssl_min_protocol_version=TLSv1.3&load_balance_hosts=random",
    );
    assert_eq!(said, written);
    // What the URL says precedes the environment, and `hostaddr` is never applied to another host.
    let url = "postgres://bo:pw@other.example/d?sslmode=verify-full&sslrootcert=own.crt&connect_timeout=9";
    let server = parse_with(url, &all).expect("a server");
    assert_eq!((hosts(&server).as_str(), server.hosts[0].address), ("other.example:5433", None));
    assert_eq!((server.user.as_deref(), server.database()), (Some("bo"), Some("d")));
    assert_eq!((server.tls.mode, server.connect_timeout.as_secs()), (SslMode::VerifyFull, 9));
    assert_eq!(server.tls.roots, Roots::File("/project/own.crt".into()));
    // Empty variables count as unset, and variables that are not supported are ignored.
    let empty = parse_with("postgres://h/d", &[("PGSSLMODE", ""), ("PGUSER", ""), ("PGSERVICE", "x")]);
    assert_eq!(empty.expect("a server"), parsed("postgres://h/d"));
    for (name, value, words) in [
        ("PGSSLMODE", "verfy-full", "the environment's `PGSSLMODE` is none that there is"),
        ("PGCONNECT_TIMEOUT", "soon", "the environment's `PGCONNECT_TIMEOUT` is no number"),
        ("PGSSLCRL", "crl.pem", "the environment's `PGSSLCRL` is not supported"),
        ("PGREQUIREAUTH", "scram-sha-256", "the environment's `PGREQUIREAUTH` is not supported"),
        ("PGGSSENCMODE", "require", "the environment's `PGGSSENCMODE` is not supported"),
    ] {
        let error = parse_with("postgres://h/d", &[(name, value)]).expect_err(name);
        assert_eq!(error.message(), words);
    }
}
