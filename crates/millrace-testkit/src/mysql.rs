//! A MySQL 5.6 of the tests' own: the old server, without JSON, without TLS. `cargo xtask mysql` fetches it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::mariadb::{MariaDb, USER};
use crate::process::{free_port, scratch};

/// Where the task puts it.
fn fetched() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/mysql-5.6");
    assert!(folder.join("mysqld").is_file(), "MySQL 5.6 is missing: run `cargo xtask mysql`");
    folder
}

/// Starts one. MariaDB's programs talk to it too.
pub fn start(options: &[&str]) -> MariaDb {
    let (from, folder) = (fetched(), scratch("mysql", USER));
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
    // Users without a name would be found before others.
    server.run("delete from mysql.user where user = ''; flush privileges;");
    server
}

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
