//! A MariaDB server for tests, in a scratch folder. It ends when it is dropped.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::certificates::Identity;
use crate::process::{User, Watched, free_port, program, scratch};

/// The user that the server runs as if the tests run as root.
pub(crate) const USER: User = User("mysql");

/// The files in the server's folder with its certificate and key.
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// Writes the certificate and the key that the server presents.
fn write(folder: &Path, identity: &Identity) {
    USER.write(&folder.join(CERTIFICATE), &identity.certificate);
    USER.write(&folder.join(KEY), &identity.key);
}

/// A running server. Its user `root` has no password.
#[derive(Debug)]
pub struct MariaDb {
    folder: PathBuf,
    port: u16,
    watch: Watched,
}

impl MariaDb {
    /// Starts a server with an empty data folder and waits until it answers.
    pub fn start(options: &[&str]) -> Self {
        Self::begin(None, options)
    }

    /// The same, with TLS and the given certificate.
    pub fn start_with(identity: &Identity, options: &[&str]) -> Self {
        Self::begin(Some(identity), options)
    }

    /// Installs the data folder, starts the server, and waits until it answers.
    fn begin(identity: Option<&Identity>, options: &[&str]) -> Self {
        let folder = scratch("mariadb", USER);
        let data = folder.join("data");
        // Each server needs its own: at its start, a server removes temporary tables of others in
        // the same folder.
        let temporary = folder.join("tmp");
        fs::create_dir(&temporary).expect("a folder");
        USER.give(&temporary);
        let mut install = USER.command(program("mariadb-install-db"));
        install.env("TMPDIR", &temporary);
        install.arg("--no-defaults").arg("--auth-root-authentication-method=normal").arg("--skip-test-db");
        let output = install.arg(format!("--datadir={}", data.display())).output();
        let output = output.expect("mariadb-install-db runs");
        assert!(
            output.status.success(),
            "mariadb-install-db failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let port = free_port();
        let mut command = vec![
            program("mariadbd").display().to_string(),
            "--no-defaults".to_owned(),
            format!("--datadir={}", data.display()),
            format!("--socket={}", folder.join("s").display()),
            format!("--port={port}"),
            format!("--pid-file={}", data.join("pid").display()),
            format!("--tmpdir={}", temporary.display()),
        ];
        let fixed = ["--skip-networking=0", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M"];
        command.extend(fixed.iter().chain(options).map(|option| (*option).to_owned()));
        if let Some(identity) = identity {
            write(&folder, identity);
            command.push(format!("--ssl-cert={}", folder.join(CERTIFICATE).display()));
            command.push(format!("--ssl-key={}", folder.join(KEY).display()));
        }
        Self::watch(folder, port, &command)
    }

    /// A file in the server's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts a server command in a folder, and waits until a server answers at the socket `s` in
    /// it.
    pub(crate) fn watch(folder: PathBuf, port: u16, command: &[String]) -> Self {
        let watch = Watched::start(command, &folder, USER, "KILL");
        let server = Self { folder, port, watch };
        server.wait();
        server
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server like a power failure, starts it again, and waits until it answers.
    pub fn kill_and_restart(&self) {
        // The file with the process id shows when the second process has started.
        let process = || fs::read_to_string(self.folder.join("data/pid")).unwrap_or_default();
        let before = process();
        self.watch.restart("KILL");
        let deadline = Instant::now() + Duration::from_secs(90);
        while process() == before {
            assert!(Instant::now() < deadline, "mariadbd does not end (port {})", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
        self.wait();
    }

    /// Waits until the server answers, at most 90 seconds.
    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.client("mariadb").args(["-e", "select 1"]).output().expect("a client").status.success() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server does not answer (port {}):\n{log}", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presents another certificate from the next connection on. Works only if the server was
    /// started with one.
    pub fn show(&self, identity: &Identity) {
        write(&self.folder, identity);
        self.run("flush ssl");
    }

    /// A client program with the options to reach the server.
    pub fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        let socket = self.folder.join("s");
        command.args(["--no-defaults", "--user=root", "--default-character-set=utf8mb4"]);
        command.arg(format!("--socket={}", socket.display()));
        command
    }

    /// Runs statements and returns what they print: a line for each row, with tabs between columns.
    pub fn run(&self, sql: &str) -> String {
        self.attempt(sql).unwrap_or_else(|said| panic!("{said}\n{sql}"))
    }

    /// The same for statements that may fail; then returns the client's error message.
    pub fn attempt(&self, sql: &str) -> Result<String, String> {
        let mut client = self.client("mariadb");
        client.args(["--batch", "--raw", "--skip-column-names", "--binary-mode"]);
        let mut process = client
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a client");
        // After an error the client stops reading, so the write may fail too.
        let written = process.stdin.take().expect("its input").write_all(sql.as_bytes());
        let output = process.wait_with_output().expect("its output");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        written.expect("written");
        Ok(String::from_utf8(output.stdout).expect("UTF-8"))
    }

    /// Loads a time zone into the server by its name, and makes it the zone of all later sessions.
    pub fn set_time_zone(&self, name: &str) {
        let file = Path::new("/usr/share/zoneinfo").join(name);
        let output = Command::new(program("mariadb-tzinfo-to-sql")).arg(&file).arg(name).output();
        let output = output.expect("mariadb-tzinfo-to-sql runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{}` cannot be read: {said}", file.display());
        let rules = String::from_utf8(output.stdout).expect("UTF-8");
        // Around the rows, the program prints statements that only MariaDB understands.
        let rows = rules.lines().skip_while(|line| !line.starts_with("INSERT INTO"));
        let rows: Vec<&str> = rows.take_while(|line| !line.starts_with("UNLOCK TABLES")).collect();
        self.run(&format!("use mysql;\n{}\nset global time_zone = '{name}';", rows.join("\n")));
    }

    /// Writes a dump with `mariadb-dump` into a file.
    pub fn dump(&self, to: &Path, arguments: &[&str]) {
        let file = File::create(to).expect("a file");
        let output =
            self.client("mariadb-dump").args(arguments).stdout(file).output().expect("mariadb-dump runs");
        assert!(output.status.success(), "mariadb-dump failed: {}", String::from_utf8_lossy(&output.stderr));
    }
}
