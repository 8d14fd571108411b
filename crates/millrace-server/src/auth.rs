//! Authentication: a bearer token, or user names with argon2 password hashes.
//!
//! Both are configured below `serve.auth` in `millrace.yml`. The token is also accepted as the
//! password of any user name, so that a browser's dialog can take it. Comparisons run in constant
//! time over SHA-256 digests, and an unknown user costs as much time as a known one.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use base64ct::{Base64, Encoding as _};
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::manifest::AuthSettings;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

/// How long a verified password is accepted without hashing it again. One argon2 hash costs about
/// 50 ms and 19 MiB, by design.
const REMEMBERED: Duration = Duration::from_mins(5);
/// Largest number of verified passwords that are remembered.
const MOST_REMEMBERED: usize = 1_000;
/// How many passwords are hashed at the same time: bounds the memory and CPU that a flood of wrong
/// passwords can cost.
const HASHED_AT_ONCE: usize = 2;

/// Refuses a non-loopback address if neither a token nor a user is configured. The binary calls it
/// before it binds, [`crate::serve`] for the bound listener.
pub fn check_address(address: SocketAddr, auth: Option<&AuthSettings>) -> Result<(), Diagnostic> {
    let guarded = auth.is_some_and(|auth| auth.token.is_some() || !auth.users.is_empty());
    if guarded || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let message =
        format!("the server would listen on `{address}`, where others can reach it, without authentication");
    Err(Diagnostic::error(Code::AuthRequired, message).hint(
        "Add `serve: {auth: {token: \"${MILLRACE_TOKEN}\"}}` to `millrace.yml`, or listen on 127.0.0.1.",
    ))
}

/// Verifies credentials. Holds secrets: implements neither `Debug` nor `Serialize`.
pub(crate) struct Auth {
    /// SHA-256 of the token: of fixed length, so the comparison does not reveal the token's length.
    token: Option<[u8; 32]>,
    /// Argon2 hashes in PHC string format, by user.
    users: BTreeMap<String, Arc<str>>,
    /// SHA-256 of user and password that were verified, and when.
    verified: Mutex<HashMap<[u8; 32], Instant>>,
    /// Permits for hashing.
    slots: Arc<Semaphore>,
}

/// The credentials of a request.
enum Credentials {
    Token(String),
    Password { user: String, password: String },
}

impl Auth {
    /// Reads a project's settings. Refuses an empty token, settings without token and users, and a
    /// password that is not an argon2 hash; no message repeats the value.
    pub(crate) fn new(settings: &AuthSettings) -> Result<Self, Diagnostic> {
        let wrong = |message: String, hint: &str| Diagnostic::error(Code::WrongValue, message).hint(hint);
        if settings.token.as_ref().is_some_and(|token| token.trim().is_empty()) {
            let hint = "Give it a long random text, such as `openssl rand -hex 32` prints.";
            return Err(wrong("`serve.auth.token` is empty".into(), hint));
        }
        if settings.token.is_none() && settings.users.is_empty() {
            let hint = "Add `token: \"${MILLRACE_TOKEN}\"` or `users: {name: hash}`.";
            return Err(wrong("`serve.auth` names neither a token nor a user".into(), hint));
        }
        if let Some((user, _)) = settings.users.iter().find(|(_, hash)| PasswordHash::new(hash).is_err()) {
            let hint = "`millrace hash-password` prints one.";
            return Err(wrong(format!("the password of user `{user}` is not an argon2 hash"), hint));
        }
        Ok(Self {
            token: settings.token.as_deref().map(|token| digest(&[token])),
            users: settings.users.iter().map(|(user, hash)| (user.clone(), hash.as_str().into())).collect(),
            verified: Mutex::default(),
            slots: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
        })
    }

    /// Whether an `Authorization` header has valid credentials; false if it is missing.
    pub(crate) async fn admits(&self, header: Option<&str>) -> bool {
        match header.and_then(credentials) {
            None => false,
            Some(Credentials::Token(token)) => self.is_token(&token),
            Some(Credentials::Password { user, password }) => {
                self.is_token(&password) || self.is_password(user, password).await
            }
        }
    }

    /// Compares with the token in constant time.
    fn is_token(&self, text: &str) -> bool {
        self.token.as_ref().is_some_and(|token| bool::from(token.ct_eq(&digest(&[text]))))
    }

    /// Verifies a password with argon2, outside the async threads and at most two at a time.
    async fn is_password(&self, user: String, password: String) -> bool {
        let key = digest(&[&user, &password]);
        if self.is_remembered(&key) {
            return true;
        }
        // An unknown user is checked against another user's hash, so that the response time does
        // not reveal which users exist; the result is discarded below.
        let known = self.users.get(&user);
        let Some(hash) = known.or_else(|| self.users.values().next()).cloned() else { return false };
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return false };
        let verified = tokio::task::spawn_blocking(move || {
            // Held until the hash is done, also if the request is dropped: the work goes on anyway.
            let _slot = slot;
            let parsed = PasswordHash::new(&hash);
            parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        let right = verified.await.unwrap_or(false) && known.is_some();
        if right {
            self.remember(key);
        }
        right
    }

    fn is_remembered(&self, key: &[u8; 32]) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.get(key).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    /// Remembers verified credentials. If the table is full of unexpired ones, it does nothing, and
    /// the next request is hashed again.
    fn remember(&self, key: [u8; 32]) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.retain(|_, since| since.elapsed() < REMEMBERED);
        if verified.len() < MOST_REMEMBERED {
            verified.insert(key, Instant::now());
        }
    }
}

/// SHA-256 over texts, each preceded by its length, so that two different lists never hash the same
/// bytes.
fn digest(texts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

/// Parses `Bearer TOKEN` (RFC 6750) or `Basic` with `user:password` in base64 (RFC 7617). Returns
/// `None` for any other scheme and for invalid base64 or UTF-8.
fn credentials(header: &str) -> Option<Credentials> {
    let (scheme, value) = header.split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Token(value.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(Base64::decode_vec(value).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(token: Option<&str>, users: &[(&str, &str)]) -> AuthSettings {
        AuthSettings {
            token: token.map(str::to_owned),
            users: users.iter().map(|(user, hash)| ((*user).to_owned(), (*hash).to_owned())).collect(),
        }
    }

    #[test]
    fn only_loopback_goes_without_authentication() {
        let auth = settings(Some("t"), &[]);
        for (address, free) in [
            ("127.0.0.1:1", true),
            ("127.8.9.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.168.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false),
        ] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(check_address(address, None).is_ok(), free, "{address}");
            assert_eq!(check_address(address, Some(&AuthSettings::default())).is_ok(), free, "{address}");
            assert!(check_address(address, Some(&auth)).is_ok(), "{address}");
        }
        let refused = check_address(([0, 0, 0, 0], 1).into(), None).expect_err("it is refused");
        assert_eq!(refused.code, Code::AuthRequired);
    }

    #[test]
    fn settings_that_would_let_anybody_in_are_refused() {
        for bad in [
            settings(Some(""), &[]),
            settings(Some("  "), &[]),
            settings(None, &[]),
            settings(None, &[("ada", "plain text")]),
        ] {
            let refused = Auth::new(&bad).err().expect("it is refused");
            assert_eq!(refused.code, Code::WrongValue);
            assert!(!refused.to_string().contains("plain text"));
        }
    }
}
