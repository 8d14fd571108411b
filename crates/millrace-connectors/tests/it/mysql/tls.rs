//! Connections are as protected as was asked for, or not made.

use std::path::Path;
use std::process::Command;

use millrace_engine::error::ErrorKind;

use super::start;
use crate::reading::{source, stream, wait};

/// Makes an authority `ca.pem` and, signed by it, a certificate `cert.pem` for the address 127.0.0.1 with `key.pem`.
fn certificates(dir: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(dir).output().expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let with = |rest: &[&'static str]| [&new, rest].concat();
    openssl(&with(&["-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"]));
    openssl(&with(&[
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=other",
        "-keyout",
        "other.key",
        "-out",
        "other.pem",
    ]));
    openssl(&with(&["-subj", "/CN=server", "-keyout", "key.pem", "-out", "request.pem"]));
    std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1").expect("written");
    let sign = ["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(&[&sign[..], &["-days", "2", "-extfile", "names", "-out", "cert.pem"]].concat());
    // The server runs as another user where the tests run as root.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(dir.join("key.pem"), readable).expect("permissions");
}

/// What comes of a connection to a host with these parameters: whether it is encrypted, or the error.
fn connect(port: u16, dir: &Path, host: &str, parameters: &str) -> Result<bool, String> {
    let url = format!("mysql://reader:p%40ss%3Aw%2Frd@{host}:{port}/d?{parameters}");
    let source = source("mysql", dir, &[("url", &url)]);
    // The view tells of the session that looks at it.
    match wait(source.discover(&stream("whether_encrypted", &[]))) {
        Ok(_) => {
            let loaded = crate::reading::load(source.as_ref(), &stream("whether_encrypted", &[]));
            Ok(loaded.expect("readable").rows[0][0].as_deref() == Some("1"))
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::SourceUnreachable);
            let text = format!("{error} [{}]", error.to_diagnostic().hint.unwrap_or_default());
            assert!(!text.contains("p@ss"), "{text}");
            Err(text)
        }
    }
}

const VIEW: &str = "create database d; create sql security invoker view d.whether_encrypted as
     select variable_value <> '' as encrypted from information_schema.session_status where variable_name = 'Ssl_cipher'";

#[test]
fn protected_as_asked_for_or_not_connected() {
    let dir = tempfile::tempdir().expect("a folder");
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), readable).expect("permissions");
    certificates(dir.path());
    let option = |name: &str, file: &str| format!("--{name}={}", dir.path().join(file).display());
    let (certificate, key) = (option("ssl-cert", "cert.pem"), option("ssl-key", "key.pem"));
    let server = start(&[&certificate, &key]);
    server.run(VIEW);
    let connect_to = |host: &str, parameters: &str| connect(server.port(), dir.path(), host, parameters);
    for (host, parameters, encrypted) in [
        ("127.0.0.1", "", true),
        ("127.0.0.1", "ssl-mode=disabled", false),
        ("127.0.0.1", "ssl-mode=required", true),
        ("127.0.0.1", "ssl-ca=ca.pem", true),
        ("127.0.0.1", "ssl-mode=VERIFY_CA&ssl-ca=ca.pem", true),
        ("127.0.0.1", "ssl_mode=verify-identity&ssl_ca=ca.pem", true),
        ("localhost", "ssl-mode=required", true),
    ] {
        assert_eq!(connect_to(host, parameters), Ok(encrypted), "{host} {parameters}");
    }
    for (host, parameters, words) in [
        ("localhost", "ssl-mode=VERIFY_IDENTITY&ssl-ca=ca.pem", "not valid for name"),
        // More than was asked for, which the driver cannot leave out; never less.
        ("localhost", "ssl-mode=VERIFY_CA&ssl-ca=ca.pem", "not valid for name"),
        ("127.0.0.1", "ssl-mode=VERIFY_IDENTITY", "UnknownIssuer"),
        ("127.0.0.1", "ssl-mode=VERIFY_CA", "UnknownIssuer"),
        ("127.0.0.1", "ssl-ca=other.pem", "UnknownIssuer"),
        ("127.0.0.1", "ssl-ca=key.pem", "no certificate of an authority"),
        ("127.0.0.1", "ssl-ca=none.pem", "`ssl_ca: none.pem` cannot be read"),
    ] {
        let error = connect_to(host, parameters).expect_err(parameters);
        assert!(error.contains(words), "{parameters}: {error}");
        let about_tls = error.starts_with("no encrypted connection to") || error.starts_with("`ssl_ca: ");
        assert!(about_tls, "{parameters}: {error}");
    }
    drop(server);

    let plain = start(&[]);
    plain.run(VIEW);
    let connect_to = |parameters: &str| connect(plain.port(), dir.path(), "127.0.0.1", parameters);
    assert_eq!(connect_to("ssl-mode=PREFERRED"), Ok(false));
    assert_eq!(connect_to("ssl-mode=DISABLED"), Ok(false));
    for mode in ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] {
        let error = connect_to(&format!("ssl-mode={mode}")).expect_err(mode);
        assert!(error.contains(&format!("has no TLS, which `ssl-mode={mode}` asks for")), "{error}");
    }
}
