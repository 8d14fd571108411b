//! SHA-256 digests in hex. They serve as fingerprints of everything that a result depends on.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Formats bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The SHA-256 of `bytes`, in lower-case hex.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of a list of texts, in lower-case hex. Each text is preceded by its length, so that
/// different lists never hash the same bytes.
pub fn of_parts<P: AsRef<str>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut hasher = Sha256::new();
    for (at, part) in parts.into_iter().enumerate() {
        let part = part.as_ref();
        hasher.update(format!("{}{} ", if at == 0 { "" } else { " " }, part.len()));
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_have_one_digest() {
        let lists: [&[&str]; 7] = [&[], &[""], &["", ""], &["a"], &["a", "1 b"], &["a 1 b"], &["ab", ""]];
        let digests: std::collections::BTreeSet<String> = lists.into_iter().map(of_parts).collect();
        assert_eq!(digests.len(), lists.len());
        assert_eq!(of_parts(["a", "bc"]), sha256("1 a 2 bc"));
    }

    #[test]
    fn is_that_of_fips_180() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
