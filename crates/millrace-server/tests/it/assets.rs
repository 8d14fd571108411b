//! The page itself. Whether the front end has been built decides on what can be tested.

use axum::http::StatusCode;

use crate::shop::Shop;

#[tokio::test]
async fn the_page_stands_at_all_its_addresses() {
    let shop = Shop::new().await;
    let (status, headers, index) = shop.send("GET", "/", &[], "").await;
    let text = String::from_utf8(index.clone()).expect("UTF-8");
    if status == StatusCode::SERVICE_UNAVAILABLE {
        assert!(text.contains("make web"), "{text}");
        return;
    }
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-cache");
    for path in ["/d/sales", "/d/anything", "/quarantine"] {
        assert_eq!(shop.send("GET", path, &[], "").await.2, index, "{path}");
    }
    let etag = headers["etag"].to_str().expect("text").to_owned();
    let (status, _, body) = shop.send("GET", "/", &[("if-none-match", &etag)], "").await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));

    // Every file that the page names is there, of the right type, and kept for good.
    let named = text.split('"').filter(|part| part.starts_with("/assets/")).collect::<Vec<_>>();
    assert!(named.len() >= 2, "{text}");
    for path in named {
        let (status, headers, plain) = shop.send("GET", path, &[], "").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        let kind = headers["content-type"].to_str().expect("text");
        let expected = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, expected, "{path}");
        let (_, headers, packed) = shop.send("GET", path, &[("accept-encoding", "gzip, br")], "").await;
        if headers.contains_key("content-encoding") {
            let mut unpacked = Vec::new();
            std::io::copy(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut unpacked).expect("gzip");
            assert_eq!(unpacked, plain, "{path}");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_no_page_is_told_on_a_page() {
    let shop = Shop::new().await;
    let (built, _, index) = shop.send("GET", "/", &[], "").await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    for path in ["/nothing", "/d/a/b", "/runs/a/b", "/d/", "/index.html"] {
        let (status, headers, body) = shop.send("GET", path, &browser, "").await;
        if built == StatusCode::OK {
            assert_eq!((status, &body), (StatusCode::NOT_FOUND, &index), "{path}");
            assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        }
        // A program hears it in its own way.
        let (status, answer) = shop.json("GET", path, &serde_json::Value::Null).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::NOT_FOUND, &"not-found".into()),
            "{path}"
        );
    }
    for path in ["/api/v1/nothing", "/assets/nothing.js"] {
        let (status, _, body) = shop.send("GET", path, &browser, "").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(String::from_utf8_lossy(&body).contains("\"not-found\""), "{path}");
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let shop = Shop::new().await;
    for path in [
        "/assets/nothing.js",
        "/assets/../index.html",
        "/assets/..%2Findex.html",
        "/assets/%2e%2e/x",
        "/d/a/b",
    ] {
        assert_eq!(shop.send("GET", path, &[], "").await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
