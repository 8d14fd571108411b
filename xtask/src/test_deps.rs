//! What the tests need from the distribution: installed where that is possible, named where it is not.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, say};

/// A program, where it may be, and Debian's package of it.
const NEEDED: [(&str, &[&str], &str); 9] = [
    ("mariadbd", &["/usr/sbin/mariadbd"], "mariadb-server"),
    ("mariadb-dump", &["/usr/bin/mariadb-dump"], "mariadb-client"),
    // Debian keeps it in a folder of its version.
    (
        "postgres",
        &["/usr/lib/postgresql/15/bin/postgres", "/usr/lib/postgresql/17/bin/postgres"],
        "postgresql",
    ),
    ("pgbouncer", &["/usr/sbin/pgbouncer"], "pgbouncer"),
    // The compiler, because Java starts a program from its source only where it has one.
    ("javac", &["/usr/bin/javac"], "default-jdk-headless"),
    ("postgresql.jar", &["/usr/share/java/postgresql.jar"], "libpostgresql-jdbc-java"),
    ("chromium", &["/usr/bin/chromium"], "chromium"),
    ("the rules of time zones", &["/usr/share/zoneinfo/Europe/Paris"], "tzdata"),
    // libFuzzer, for `make fuzz`, is built from its source.
    ("c++", &["/usr/bin/c++"], "g++"),
];

pub(crate) fn install() -> Outcome {
    let missing: Vec<(&str, &str)> = NEEDED
        .iter()
        .filter(|(program, places, _)| !is_there(program, places))
        .map(|(p, _, package)| (*p, *package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    say(&format!("the tests need {}", programs.join(", ")));
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("install {} by hand, with your system's package manager", packages.join(", ")));
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    if !root {
        return Err(format!("install them as root: {by_hand}"));
    }
    say(&format!("+ apt-get update; {by_hand}"));
    run("apt-get", &["update", "--quiet=2"])?;
    let mut arguments = vec!["install", "--yes", "--quiet=2", "--no-install-recommends"];
    arguments.extend(&packages);
    run("apt-get", &arguments)?;
    match NEEDED.iter().find(|(program, places, _)| !is_there(program, places)) {
        Some((program, ..)) => Err(format!("`{program}` is still missing after the installation")),
        None => Ok(()),
    }
}

fn is_there(program: &str, places: &[&str]) -> bool {
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    on_path || places.iter().any(|place| Path::new(place).is_file())
}

fn run(program: &str, arguments: &[&str]) -> Outcome {
    let status = Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{program} {}` ended with {status}", arguments.join(" "))),
        Err(error) => Err(format!("`{program}` does not start: {error}")),
    }
}
