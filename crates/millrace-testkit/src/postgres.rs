//! A PostgreSQL server for tests, and a PgBouncer in front of it, in scratch folders on free ports
//! of this machine.
//!
//! One server serves all tests, each with a database of its own; a test that changes the server
//! starts its own. The server runs below a shell that reads from this process, and that ends the
//! server and removes its folder once this process is gone.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::certificates::{Authority, Identity, Wanted};
use crate::process::{User, Watched, free_port, program, scratch};

/// The user that the server runs as if the tests run as root.
fn user() -> User {
    User("postgres")
}

/// The host name in the server's certificate.
pub const HOST: &str = "db.millrace.test";

/// A running server. Its superuser is `postgres`, without a password.
#[derive(Debug)]
pub struct PostgresServer {
    port: u16,
    folder: PathBuf,
    databases: AtomicU32,
    watch: Watched,
}

/// The contents of `pg_hba.conf`: the database `certified` needs a client certificate over TLS,
/// `secure` a password over TLS, `plain` no TLS; the role `guest` needs a password; everything else
/// is let in.
const HBA: &str = "local all all trust\n\
    hostssl certified all 127.0.0.1/32 cert\n\
    hostssl secure all 127.0.0.1/32 scram-sha-256\n\
    hostnossl plain all 127.0.0.1/32 trust\n\
    hostssl plain all 127.0.0.1/32 reject\n\
    host all guest 127.0.0.1/32 scram-sha-256\n\
    host secure,plain,certified all 127.0.0.1/32 reject\n\
    host all all 127.0.0.1/32 trust\n";

impl PostgresServer {
    /// The server that all tests of a process share.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<PostgresServer> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&[]))
    }

    /// Starts a server of its own for a test. `options` are settings, each as `name=value`. It has
    /// the role `guest` and the databases of [`HBA`].
    pub fn start(options: &[&str]) -> Self {
        let folder = scratch("postgres", user());
        let data = folder.join("data");
        let install = user()
            .command(program("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            .output()
            .expect("initdb runs");
        assert!(install.status.success(), "initdb failed: {}", String::from_utf8_lossy(&install.stderr));
        certificates(&folder);
        user().write(&data.join("pg_hba.conf"), HBA);
        // Not on the command line, because `alter system` could not override that.
        user().write(&data.join("postgresql.auto.conf"), "ssl = on\n");
        let port = free_port();
        let mut command =
            vec![program("postgres").display().to_string(), "-D".to_owned(), data.display().to_string()];
        let settings = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", folder.display()),
            "max_connections=200".to_owned(),
            "shared_buffers=128MB".to_owned(),
            "max_wal_size=4GB".to_owned(),
            format!("ssl_cert_file={}", folder.join("server.crt").display()),
            format!("ssl_key_file={}", folder.join("server.key").display()),
            format!("ssl_ca_file={}", folder.join("root.crt").display()),
        ];
        for setting in settings.iter().map(String::as_str).chain(options.iter().copied()) {
            command.extend(["-c".to_owned(), setting.to_owned()]);
        }
        let watch = Watched::start(&command, &folder, user(), "QUIT");
        let server = Self { port, folder, databases: AtomicU32::new(0), watch };
        server.wait();
        for sql in [
            "create role guest login password 'wort'",
            "create database secure",
            "create database plain",
            "create database certified",
        ] {
            server.run("postgres", sql);
        }
        server
    }

    /// Waits until the server answers, at most 90 seconds.
    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.psql("postgres").args(["-c", "select 1"]).output().expect("psql runs").status.success() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "postgres does not answer (port {}):\n{log}", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server without notice to its clients, starts it again, and waits until it answers.
    pub fn kill_and_restart(&self) {
        let started = "select pg_postmaster_start_time()";
        let before = self.run("postgres", started);
        self.watch.restart("QUIT");
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            self.wait();
            let output = self.psql("postgres").args(["-c", started]).output().expect("psql runs");
            // Another start time shows that it is not the old process that still answers.
            let now = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() && now != before {
                return;
            }
            assert!(Instant::now() < deadline, "postgres does not end (port {})", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Limits the size of the server's files to so many bytes, as if the disk were full; `None`
    /// lifts the limit. Applies to later connections, because each inherits the limit of the main
    /// process.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("a process").to_owned();
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let limited = user()
            .command(program("prlimit"))
            .arg(format!("--fsize={limit}:"))
            .args(["--pid", &pid])
            .status();
        assert!(limited.expect("prlimit runs").success(), "its files cannot be limited");
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file in the server's folder. `root.crt` signed its certificate, `other.crt` signed none.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Presents another certificate from the next connection on. With `None`, TLS is off.
    pub fn show(&self, identity: Option<&Identity>) {
        if let Some(identity) = identity {
            user().write(&self.file("server.crt"), &identity.certificate);
            user().write(&self.file("server.key"), &identity.key);
        }
        let ssl = if identity.is_some() { "on" } else { "off" };
        self.run("postgres", &format!("alter system set ssl = {ssl}"));
        // The reload is asynchronous; it is done when this time changes.
        let loaded = self.run("postgres", "select pg_conf_load_time()");
        self.run("postgres", "select pg_reload_conf()");
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.run("postgres", "select pg_conf_load_time()") == loaded {
            assert!(Instant::now() < deadline, "postgres does not read its settings again");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Creates an empty database and returns its name.
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", &format!("create database {name}"));
        name
    }

    /// The URL of a database, for the superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The client program `psql`, connected by the server's socket.
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(program("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database]);
        command.arg("-h").arg(&self.folder).arg("-p").arg(self.port.to_string());
        command
    }

    /// Runs statements and returns what they print: a line for each row, with `|` between columns.
    pub fn run(&self, database: &str, sql: &str) -> String {
        let mut process = self
            .psql(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql runs");
        process.stdin.take().expect("its input").write_all(sql.as_bytes()).expect("written");
        let output = process.wait_with_output().expect("its output");
        assert!(output.status.success(), "{}\n{sql}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }
}

/// A shell script that restarts the pooler when it ends, as a service manager does. PgBouncer 1.18
/// of Debian may end itself when a statement is cancelled ("server in bad state: 11",
/// <https://github.com/pgbouncer/pgbouncer/issues/822>, fixed in 1.20).
const KEPT_ALIVE: &str =
    "trap 'kill -KILL $!; wait $!; exit' USR1; while :; do \"$0\" \"$1\" & wait $!; sleep 0.05; done";

/// A PgBouncer in transaction mode in front of a server. It ends when it is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    _watch: Watched,
}

impl PgBouncer {
    /// Starts it with `connections` connections to the server, which its clients share.
    pub fn start(server: &PostgresServer, connections: u32) -> Self {
        let folder = scratch("pgbouncer", user());
        let port = free_port();
        user().write(&folder.join("users"), "\"postgres\" \"\"\n");
        user().write(
            &folder.join("ini"),
            &format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 auth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = {connections}\n\
                 unix_socket_dir =\nlogfile = {folder}/log\nmax_client_conn = 100\n",
                server.port,
                folder = folder.display()
            ),
        );
        let command = ["sh", "-c", KEPT_ALIVE].map(str::to_owned).into_iter();
        let pooler = [program("pgbouncer"), folder.join("ini")].map(|path| path.display().to_string());
        let command: Vec<String> = command.chain(pooler).collect();
        let watch = Watched::start(&command, &folder, user(), "USR1");
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "pgbouncer does not answer (port {port}):\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { port, _watch: watch }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database through the pooler.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// Writes the certificates of a server: a root, a server certificate for [`HOST`] and the names of
/// a cloud's servers, a client certificate for the user `postgres`, and a root that signed nothing.
fn certificates(folder: &Path) {
    let (root, other) = (Authority::new("Millrace test root"), Authority::new("another root"));
    let signed = |names: &[&str], common: &str, file: &str| {
        let identity = root.sign(Wanted { names, common, ..Wanted::default() });
        user().write(&folder.join(format!("{file}.crt")), &identity.certificate);
        user().write(&folder.join(format!("{file}.key")), &identity.key);
    };
    signed(&[HOST, "*.cloud.millrace.test"], "x", "server");
    signed(&[], "postgres", "client");
    user().write(&folder.join("root.crt"), &root.pem());
    user().write(&folder.join("other.crt"), &other.pem());
}
