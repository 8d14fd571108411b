//! The processes, ports and folders of servers.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The system user that a server runs as if the tests run as root. Servers refuse to run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User(pub(crate) &'static str);

impl User {
    /// The user's numeric id if the tests run as root, otherwise `None`. Panics if there is no such
    /// user.
    fn number(self) -> Option<u32> {
        let id = |arguments: &[&str]| {
            let output = Command::new("id").args(arguments).output().expect("`id` runs");
            String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
        };
        let missing = || panic!("there is no user `{}`: run `make test-deps`", self.0);
        (id(&["-u"]) == Some(0)).then(|| id(&["-u", self.0]).unwrap_or_else(missing))
    }

    /// A command that runs as this user, in the folder `/`.
    pub(crate) fn command(self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if let Some(user) = self.number() {
            command.uid(user);
        }
        // The present folder may be one that the user cannot read.
        command.current_dir("/");
        command
    }

    /// Makes this user the owner of a file.
    pub(crate) fn give(self, path: &Path) {
        if let Some(user) = self.number() {
            chown(path, Some(user), None).expect("another owner");
        }
    }

    /// Writes a file that only this user may read.
    pub(crate) fn write(self, path: &Path, text: &str) {
        fs::write(path, text).expect("a file");
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("permissions");
        self.give(path);
    }
}

/// A server process that ends together with this process, however this one ends, and whose folder
/// is removed then.
///
/// The server runs below a shell that reads from a pipe to this process. Each line is the name of a
/// signal: the shell sends it to the server and starts the server again. At the end of the input it
/// ends the server.
#[derive(Debug)]
pub(crate) struct Watched {
    shell: Child,
}

impl Watched {
    /// Starts a command. Its output goes to the file `log` in `folder`. `signal` is the signal that
    /// ends it.
    pub(crate) fn start(command: &[String], folder: &Path, user: User, signal: &str) -> Self {
        // The shell ignores Ctrl-C and the like, so that it outlives this process and can clean up.
        let script = format!(
            "trap '' INT TERM HUP; \"$@\" </dev/null & pid=$!; \
             while read word; do kill -$word $pid; wait $pid; \"$@\" </dev/null & pid=$!; done; \
             kill -{signal} $pid; wait $pid; rm -rf \"$0\""
        );
        let log = File::create(folder.join("log")).expect("a log");
        // Some servers reopen the log themselves.
        user.give(&folder.join("log"));
        let shell = user
            .command("sh")
            .arg("-c")
            .arg(script)
            .arg(folder)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("a shell");
        Self { shell }
    }
}

impl Watched {
    /// Ends the command with a signal and starts it again. Returns without waiting.
    pub(crate) fn restart(&self, signal: &str) {
        let mut told = self.shell.stdin.as_ref().expect("it has an input until it is dropped");
        writeln!(told, "{signal}").expect("the shell reads");
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // The end of its input makes the shell end the server.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A temporary folder of a user, which the shell of [`Watched`] removes.
pub(crate) fn scratch(name: &str, user: User) -> PathBuf {
    let folder = tempfile::Builder::new().prefix(&format!("millrace-{name}-")).tempdir();
    let folder = folder.expect("a scratch folder").keep();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("permissions");
    user.give(&folder);
    folder
}

/// Ports to choose from. They are below the range for outgoing connections: such a connection could
/// take a port between the choice here and the server's bind.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// A port on 127.0.0.1 on which nothing listens; a different one at each call.
pub(crate) fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let room = u32::from(PORTS.end - PORTS.start);
    // Test processes that run at the same time start far apart in the range.
    let start = std::process::id().wrapping_mul(2_654_435_761) % room;
    (0..room)
        .map(|_| (start + CALLS.fetch_add(1, Ordering::Relaxed)) % room)
        .map(|offset| PORTS.start + offset as u16)
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .expect("a free port")
}

/// The path of a program. Debian installs servers in folders that are not in the path of users.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = std::env::split_paths(&path)
        .chain(versions.map(|version| version.path().join("bin")))
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not installed: run `make test-deps`"))
}

/// The peak resident size of a process so far, in MB (10^6 bytes): `VmHWM` in `/proc/N/status`
/// (proc(5)). Returns `None` if the process has ended.
pub fn peak_memory(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kb| kb * 1024.0 / 1e6)
}
