//! `millrace hash-password`: reads a password from stdin and prints its argon2 hash for
//! `serve.auth.users`.

use std::io::BufRead as _;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;

use super::Outcome;
use crate::failure::Failure;
use crate::{exit, terminal};

/// Runs the verb. Only the line break is removed from the input; an empty password is refused.
pub(super) fn hash_password() -> Outcome {
    let fail = |message: &str, cause: String| {
        Failure::new(Diagnostic::error(Code::Usage, message).caused_by(cause), exit::PROJECT)
    };
    if terminal::is_watched() {
        terminal::note("Type the password, then Enter:");
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| fail("stdin cannot be read", error.to_string()))?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::new(Diagnostic::error(Code::Usage, "the password is empty"), exit::PROJECT));
    }
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| fail("the password cannot be hashed", error.to_string()))?;
    terminal::data_line(&hash.to_string());
    Ok(exit::DONE)
}
