//! MySQL servers for tests: 5.6, an old version without JSON and TLS, which `cargo xtask mysql`
//! downloads, and 9, which `cargo xtask mysql-9` downloads.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::mariadb::{MariaDb, USER};
use crate::process::{free_port, scratch};

/// The folder into which an xtask downloads a server. Panics with the name of the task if `program`
/// is missing in it.
fn fetched(folder: &str, program: &str, task: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache").join(folder);
    assert!(folder.join(program).is_file(), "a MySQL server is missing: run `cargo xtask {task}`");
    folder.canonicalize().expect("a folder")
}

/// Starts a MySQL 9. It makes its own certificates: `data/ca.pem` in its folder signed the one that
/// it presents. Its libraries and their dynamic loader are in the download. The user `mysql` must
/// be able to read the repository.
pub fn start_9(options: &[&str]) -> MariaDb {
    let (from, folder) = (fetched("mysql-9", "usr/sbin/mysqld", "mysql-9"), scratch("mysql-9", USER));
    let inside = |path: &str| from.join(path).display().to_string();
    let port = free_port();
    let libraries = [inside("usr/lib/x86_64-linux-gnu"), inside("usr/lib/mysql/private")].join(":");
    let start = [
        inside("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        "--library-path".to_owned(),
        libraries,
        inside("usr/sbin/mysqld"),
        "--no-defaults".to_owned(),
        format!("--basedir={}", inside("usr")),
        format!("--lc-messages-dir={}", inside("usr/share/mysql")),
        format!("--character-sets-dir={}", inside("usr/share/mysql/charsets")),
        format!("--plugin-dir={}", inside("usr/lib/mysql/plugin")),
        format!("--datadir={}", folder.join("data").display()),
        "--innodb-buffer-pool-size=32M".to_owned(),
    ];
    let mut install = USER.command(&start[0]);
    let output = install.args(&start[1..]).arg("--initialize-insecure").output().expect("the loader runs");
    assert!(output.status.success(), "mysqld failed: {}", String::from_utf8_lossy(&output.stderr));
    // `--initialize-insecure` created the data folder; from here on the same program is the server.
    let mut command = start.to_vec();
    command.push(format!("--socket={}", folder.join("s").display()));
    command.push(format!("--port={port}"));
    let fixed =
        ["--bind-address=127.0.0.1", "--mysqlx=OFF", "--performance-schema=OFF", "--secure-file-priv=NULL"];
    command.extend(fixed.iter().chain(options).map(|option| (*option).to_owned()));
    MariaDb::watch(folder, port, &command)
}

/// Starts a MySQL 5.6 with row-based binary logs and GTIDs. MariaDB's client programs work with it.
pub fn start(options: &[&str]) -> MariaDb {
    let (from, folder) = (fetched("mysql-5.6", "mysqld", "mysql"), scratch("mysql", USER));
    // Each server gets a copy of its own, which its user can own.
    for name in [
        "mysqld",
        "libaio.so.1",
        "share",
        "data/mysql/mysql",
        "data/mysql/performance_schema",
        "data/mysql/ibdata1",
    ] {
        copy(&from.join(name), &folder.join(name));
    }
    give(&folder);
    let port = free_port();
    let option = |name: &str, path: &str| format!("--{name}={}", folder.join(path).display());
    let mut command = vec![
        "env".to_owned(),
        format!("LD_LIBRARY_PATH={}", folder.display()),
        folder.join("mysqld").display().to_string(),
        "--no-defaults".to_owned(),
        option("basedir", ""),
        option("datadir", "data/mysql"),
        option("tmpdir", ""),
        option("socket", "s"),
        option("log-bin", "data/mysql/bin"),
        format!("--port={port}"),
    ];
    let fixed = [
        "--bind-address=127.0.0.1",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=4M",
        "--performance-schema=OFF",
        "--server-id=1",
        "--binlog-format=ROW",
        "--gtid-mode=ON",
        "--enforce-gtid-consistency",
        "--log-slave-updates",
    ];
    command.extend(fixed.iter().chain(options).map(|option| (*option).to_owned()));
    let server = MariaDb::watch(folder, port, &command);
    // Anonymous users would be matched before named ones.
    server.run("delete from mysql.user where user = ''; flush privileges;");
    server
}

/// Copies a file or a folder with all its contents.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).expect("a file");
    }
}

/// Gives a file or a folder to the user of the server, and makes files executable.
fn give(path: &Path) {
    USER.give(path);
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            give(&entry.expect("an entry").path());
        }
    } else {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
}
