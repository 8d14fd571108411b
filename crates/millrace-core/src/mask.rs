//! Masks column values with HMAC-SHA-256, in lower-case hex (ADR 0013).
//!
//! Masks tell values apart and allow joins, but reveal nothing else about the values.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::digest::hex;

/// Block size of SHA-256 in bytes (FIPS 180-4).
const BLOCK: usize = 64;

/// Minimum length of a salt in bytes. A shorter one could be found by brute force.
pub const SALT_BYTES: usize = 16;

/// Masks values under one salt. Equal values have equal masks, in all streams and runs.
///
/// HMAC of RFC 2104 over SHA-256: `H(K ^ opad, H(K ^ ipad, text))`. The hash states after both
/// padded keys are computed once and cloned for each value.
#[derive(Clone)]
pub struct Masker {
    inner: Sha256,
    outer: Sha256,
}

impl Masker {
    /// Creates a masker. The salt is the HMAC key and may have any length.
    pub fn new(salt: &str) -> Self {
        let mut key = [0; BLOCK];
        // RFC 2104: a key longer than a block is replaced by its hash, a shorter one is padded with
        // zeros.
        if salt.len() > BLOCK {
            key[..32].copy_from_slice(&Sha256::digest(salt));
        } else {
            key[..salt.len()].copy_from_slice(salt.as_bytes());
        }
        let half = |pad: u8| Sha256::new_with_prefix(key.map(|byte| byte ^ pad));
        Self { inner: half(0x36), outer: half(0x5c) }
    }

    /// The mask of a value's text, as 64 hex digits.
    pub fn mask(&self, text: impl AsRef<[u8]>) -> String {
        let inner = self.inner.clone().chain_update(text).finalize();
        hex(&self.outer.clone().chain_update(inner).finalize())
    }

    /// Identifies the salt in fingerprints without revealing anything about it.
    pub fn fingerprint(&self) -> String {
        self.mask("the salt of millrace's masks")
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masker")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_rfc_4231() {
        for (key, text, expected) in [
            (
                "Jefe".to_owned(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            // Expected values were computed with Python's `hmac`: the other keys of RFC 4231 are
            // not text.
            (
                "a".repeat(131),
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "d021303c2f34bf3ae541b4ec9c672691694c6f71c5c0c55781545a66115b14a7",
            ),
        ] {
            assert_eq!(Masker::new(&key).mask(text), expected, "{}", key.len());
        }
    }

    #[test]
    fn salts_are_told_apart_and_not_shown() {
        let [one, other] = ["a salt of some length", "another salt of it"].map(Masker::new);
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(format!("{one:?}"), "Masker");
    }
}
