//! Values replaced by something that tells them apart and says nothing else: HMAC-SHA-256, in lower-case hex. See ADR 0013.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::digest::hex;

/// Bytes that SHA-256 works on at a time (FIPS 180-4).
const BLOCK: usize = 64;

/// Bytes of a salt at least: with fewer it could be found by trying.
pub const SALT_BYTES: usize = 16;

/// Masks values under one salt: equal ones become equal masks, in every stream and run.
///
/// HMAC as RFC 2104 has it, over SHA-256: `H(K ^ opad, H(K ^ ipad, text))`. What comes of the two halves of the key is worked out once.
#[derive(Clone)]
pub struct Masker {
    inner: Sha256,
    outer: Sha256,
}

impl Masker {
    /// With that salt as the key, whatever its length.
    pub fn new(salt: &str) -> Self {
        let mut key = [0; BLOCK];
        if salt.len() > BLOCK {
            key[..32].copy_from_slice(&Sha256::digest(salt));
        } else {
            key[..salt.len()].copy_from_slice(salt.as_bytes());
        }
        let half = |pad: u8| Sha256::new_with_prefix(key.map(|byte| byte ^ pad));
        Self { inner: half(0x36), outer: half(0x5c) }
    }

    /// The mask of a value's text: 64 hex digits.
    pub fn mask(&self, text: impl AsRef<[u8]>) -> String {
        let inner = self.inner.clone().chain_update(text).finalize();
        hex(&self.outer.clone().chain_update(inner).finalize())
    }

    /// What tells one salt from another, for fingerprints. Gives nothing of it away.
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
            // Worked out with Python's `hmac`: RFC 4231's other keys are not text.
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
