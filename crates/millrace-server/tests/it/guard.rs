//! Who is let in, under which name, and from whose pages.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use axum::http::StatusCode;
use base64ct::{Base64, Encoding as _};
use millrace_core::code::Code;
use millrace_server::{AppState, Setup, auth};
use tokio::net::TcpListener;

use crate::shop::{MANIFEST, Plan, Shop, compiled};

const PATHS: [(&str, &str); 9] = [
    ("GET", "/api/v1/project"),
    ("GET", "/api/v1/dashboards/sales"),
    ("POST", "/api/v1/dashboards/sales/data"),
    ("POST", "/api/v1/metrics/query"),
    ("GET", "/api/v1/quarantine"),
    ("GET", "/"),
    ("GET", "/d/sales"),
    ("GET", "/assets/x.js"),
    ("GET", "/no/such/thing"),
];

async fn guarded(auth: &str) -> Shop {
    let manifest = format!("{MANIFEST}serve:\n  auth: {auth}\n  hosts: [bi.example.com]\n");
    Shop::with(Plan { manifest, ..Plan::default() }).await.expect("a server")
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()))
}

async fn status(shop: &Shop, headers: &[(&str, &str)]) -> u16 {
    shop.send("GET", "/api/v1/project", headers, "").await.0.as_u16()
}

#[tokio::test]
async fn a_token_opens_the_door() {
    let shop = guarded("{token: tr0ub4dor}").await;
    for (header, expected) in [
        ("Bearer tr0ub4dor".to_owned(), 200),
        ("bearer tr0ub4dor".to_owned(), 200),
        (basic("anybody", "tr0ub4dor"), 200),
        (basic("", "tr0ub4dor"), 200),
        (basic("tr0ub4dor", ""), 401),
        ("Bearer tr0ub4do".to_owned(), 401),
        ("Bearer tr0ub4dorr".to_owned(), 401),
        ("Bearer ".to_owned(), 401),
        ("Bearer".to_owned(), 401),
        ("Basic !!!".to_owned(), 401),
        ("Basic".to_owned(), 401),
        ("Digest tr0ub4dor".to_owned(), 401),
        (String::new(), 401),
    ] {
        assert_eq!(status(&shop, &[("authorization", &header)]).await, expected, "{header}");
    }
}

#[tokio::test]
async fn nothing_but_health_goes_without() {
    let shop = guarded("{token: tr0ub4dor}").await;
    for (method, path) in PATHS {
        let (status, headers, _) = shop.send(method, path, &[], "").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(headers["www-authenticate"], "Basic realm=\"millrace\"");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
    assert_eq!(shop.open("/api/v1/events").await.status(), StatusCode::UNAUTHORIZED);
    let (status, _, body) = shop.send("GET", "/healthz", &[], "").await;
    assert_eq!((status, body.as_slice()), (StatusCode::OK, br#"{"status":"ok"}"#.as_slice()));
}

#[tokio::test]
async fn users_have_passwords_of_their_own() {
    let hash =
        |password: &str| Argon2::default().hash_password(password.as_bytes()).expect("a hash").to_string();
    let auth = format!("{{users: {{ada: \"{}\", bob: \"{}\"}}}}", hash("lovelace"), hash("pass:word"));
    let shop = guarded(&auth).await;
    for (header, expected) in [
        (basic("ada", "lovelace"), 200),
        (basic("ada", "lovelace"), 200),
        (basic("bob", "pass:word"), 200),
        (basic("bob", "lovelace"), 401),
        (basic("ada", "pass:word"), 401),
        (basic("eve", "lovelace"), 401),
        (basic("ada", ""), 401),
        ("Bearer lovelace".to_owned(), 401),
        (format!("Bearer {}", hash("lovelace")), 401),
    ] {
        assert_eq!(status(&shop, &[("authorization", &header)]).await, expected, "{header}");
    }
    let again = std::time::Instant::now();
    for _ in 0..200 {
        assert_eq!(status(&shop, &[("authorization", &basic("ada", "lovelace"))]).await, 200);
    }
    // 200 hashes would take ten seconds.
    assert!(again.elapsed().as_secs() < 8, "{:?}", again.elapsed());
}

#[tokio::test]
async fn only_own_names_and_own_pages() {
    let shop = guarded("{token: t}").await;
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let all: Vec<_> = headers.iter().copied().chain([("authorization", "Bearer t")]).collect();
        shop.send(method, path, &all, "").await.0.as_u16()
    };
    for (host, expected) in [
        ("localhost:4321", 200),
        ("127.0.0.1:4321", 200),
        ("[::1]:4321", 200),
        ("bi.example.com", 200),
        ("evil.example", 403),
        ("", 403),
    ] {
        assert_eq!(ask("GET", "/api/v1/project", &[("host", host)]).await, expected, "{host}");
        assert_eq!(ask("GET", "/healthz", &[("host", host)]).await, expected, "{host}");
    }
    let page = "/api/v1/dashboards/sales/data";
    for (method, path, origin, expected) in [
        ("POST", page, "http://localhost:4321", 200),
        ("POST", page, "https://bi.example.com", 200),
        ("POST", page, "http://localhost:3000", 403),
        ("POST", page, "http://evil.example", 403),
        ("POST", page, "null", 403),
        ("GET", "/api/v1/events", "http://evil.example", 403),
        ("GET", "/api/v1/project", "http://evil.example", 200),
    ] {
        let got = ask(method, path, &[("host", "localhost:4321"), ("origin", origin)]).await;
        assert_eq!(got, expected, "{method} {path} from {origin}");
    }
    // Whoever is refused for the name learns nothing about the password.
    assert_eq!(status(&shop, &[("host", "evil.example")]).await, 403);
}

#[tokio::test]
async fn an_open_address_needs_a_lock() {
    let open = ([0, 0, 0, 0], 4321).into();
    let refused = Shop::with(Plan { address: open, ..Plan::default() }).await.err().expect("it is refused");
    assert_eq!(refused.code, Code::AuthRequired);
    assert!(auth::check_address(open, None).is_err());
    let manifest = format!("{MANIFEST}serve: {{auth: {{token: t}}}}\n");
    assert!(Shop::with(Plan { address: open, manifest, ..Plan::default() }).await.is_ok());
    // Also where the state was made for another address than the listener's.
    let setup = Setup {
        compiled: Arc::new(compiled(MANIFEST).await),
        warehouse: millrace_connectors::duckdb::open_scratch().expect("a warehouse"),
        version: String::new(),
        address: ([127, 0, 0, 1], 0).into(),
    };
    let state = AppState::new(setup).expect("a state");
    let listener = TcpListener::bind(("0.0.0.0", 0)).await.expect("a port");
    let refused =
        millrace_server::serve(listener, state, std::future::pending()).await.expect_err("it is refused");
    assert_eq!(refused.code, Code::AuthRequired);
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do() {
    let shop = Shop::new().await;
    for path in ["/", "/api/v1/project", "/no/such/thing", "/healthz"] {
        let (_, headers, _) = shop.send("GET", path, &[], "").await;
        let policy = headers["content-security-policy"].to_str().expect("text");
        for part in
            ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "img-src 'self' data:"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        if path != "/" {
            assert_eq!(headers["cache-control"], "no-store", "{path}");
        }
    }
    let (status, _, body) = shop.send("GET", "/api/v1/nothing", &[], "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(String::from_utf8_lossy(&body).contains("\"not-found\""));
}
