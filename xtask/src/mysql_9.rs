//! Fetches MySQL 9 from Debian sid into a folder, with all that it needs to run beside whatever this system is: an apt of its own, with
//! lists, cache and state in that folder, checks the signatures. Sid moves, so the tests that need it are `make test-mysql`'s alone.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, root, say};

const PACKAGES: [&str; 2] = ["mysql-server-core", "mysql-client-core"];

pub(crate) fn fetch() -> Outcome {
    let folder = root().join(".cache/mysql-9");
    let apt = folder.join("apt");
    for part in ["lists/partial", "cache/archives/partial", "state"] {
        let made = std::fs::create_dir_all(apt.join(part));
        made.map_err(|error| format!("{}: {error}", apt.display()))?;
    }
    let write = |name: &str, text: &str| {
        std::fs::write(apt.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    write("status", "")?;
    write(
        "sources.list",
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main\n",
    )?;
    say("fetching MySQL 9 from Debian sid");
    apt_get(&apt, &["update"])?;
    let install = ["--yes", "--no-install-recommends", "--download-only", "install"];
    apt_get(&apt, &[&install[..], &PACKAGES].concat())?;
    let archives = apt.join("cache/archives");
    let listed = std::fs::read_dir(&archives).map_err(|error| format!("{}: {error}", archives.display()))?;
    for package in listed.flatten().map(|entry| entry.path()) {
        if package.extension().is_some_and(|extension| extension == "deb") {
            let unpacked = Command::new("dpkg-deb").arg("-x").arg(&package).arg(&folder).status();
            if !unpacked.is_ok_and(|status| status.success()) {
                return Err(format!("dpkg-deb could not unpack {}", package.display()));
            }
        }
    }
    Ok(())
}

/// apt with nothing of the system's but its program and its keys.
fn apt_get(apt: &Path, arguments: &[&str]) -> Outcome {
    let at = |name: &str| apt.join(name).display().to_string();
    let options = [
        format!("Dir::State={}", at("state")),
        format!("Dir::State::Lists={}", at("lists")),
        format!("Dir::State::status={}", at("status")),
        format!("Dir::Cache={}", at("cache")),
        format!("Dir::Etc::sourcelist={}", at("sources.list")),
        "Dir::Etc::sourceparts=/dev/null".to_owned(),
        "Acquire::Languages=none".to_owned(),
        "Debug::NoLocking=1".to_owned(),
    ];
    let mut command = Command::new("apt-get");
    command.arg("--quiet=2").args(options.iter().flat_map(|option| ["-o", option]));
    match command.args(arguments).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("apt-get {} ended with {status}", arguments.join(" "))),
        Err(error) => Err(format!("apt-get does not start: {error}")),
    }
}
