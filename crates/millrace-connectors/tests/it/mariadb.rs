//! A MariaDB server of the tests' own, in a scratch folder, gone when it is dropped.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server. Its root user has no password.
#[derive(Debug)]
pub(crate) struct MariaDb {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl MariaDb {
    /// Starts a server with an empty data folder and waits until it answers.
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        // The server runs as another user where the tests run as root.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("permissions");
        let data = folder.path().join("data");
        // Servers that share a folder for temporary tables remove each other's when they start.
        let temporary = folder.path().join("tmp");
        fs::create_dir(&temporary).expect("a folder");
        fs::set_permissions(&temporary, Permissions::from_mode(0o777)).expect("permissions");
        let mut install = Command::new(program("mariadb-install-db"));
        install.arg("--no-defaults").arg("--auth-root-authentication-method=normal").arg("--skip-test-db");
        install.arg(format!("--datadir={}", data.display())).args(as_mysql());
        let output = install.env("TMPDIR", &temporary).output().expect("mariadb-install-db runs");
        assert!(
            output.status.success(),
            "mariadb-install-db failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let log = File::create(folder.path().join("log")).expect("a log");
        let process = Command::new(program("mariadbd"))
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", data.join("s").display()))
            .arg(format!("--port={port}"))
            .args(["--skip-networking=0", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M"])
            .args(as_mysql())
            .args(options)
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mariadbd starts");
        let mut server = Self { process, folder, port };
        server.wait();
        server
    }

    /// Its port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.client("mariadb").args(["-e", "select 1"]).output().expect("a client").status.success() {
            let exited = self.process.try_wait().expect("its state");
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                exited.is_none() && Instant::now() < deadline,
                "mariadbd does not answer (port {}):\n{log}",
                self.port
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A client program, told how to reach the server.
    pub(crate) fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        let socket = self.folder.path().join("data/s");
        command.args(["--no-defaults", "--user=root", "--default-character-set=utf8mb4"]);
        command.arg(format!("--socket={}", socket.display()));
        command
    }

    /// Runs statements and returns what they print: a row a line, columns with tabs between them.
    pub(crate) fn run(&self, sql: &str) -> String {
        let mut client = self.client("mariadb");
        client.args(["--batch", "--raw", "--skip-column-names", "--binary-mode"]);
        let mut process = client
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a client");
        process.stdin.take().expect("its input").write_all(sql.as_bytes()).expect("written");
        let output = process.wait_with_output().expect("its output");
        assert!(output.status.success(), "{}\n{sql}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Writes a dump into a file.
    pub(crate) fn dump(&self, to: &Path, arguments: &[&str]) {
        let file = File::create(to).expect("a file");
        let output =
            self.client("mariadb-dump").args(arguments).stdout(file).output().expect("mariadb-dump runs");
        assert!(output.status.success(), "mariadb-dump failed: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Arguments that make a server run as the user `mysql` where the tests run as root, as which it refuses to.
fn as_mysql() -> Vec<&'static str> {
    let id = Command::new("id").arg("-u").output().expect("`id` runs");
    if id.stdout.trim_ascii() == b"0" { vec!["--user=mysql"] } else { Vec::new() }
}

/// Where a program is. Debian keeps servers in a folder that users do not have in their path.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not installed: run `make test-deps`"))
}
