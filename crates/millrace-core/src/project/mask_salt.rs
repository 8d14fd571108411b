//! Decodes `mask_salt` of `millrace.yml`: the secret key of masked columns (ADR 13).

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::mask::{Masker, SALT_BYTES};
use crate::project::Project;
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec};
use crate::project::yaml::Node;

pub(super) const MASK_SALT: KeySpec = KeySpec::optional(
    "mask_salt",
    KeyKind::Text,
    "The secret under which streams `mask` columns, from the environment: `\"${MASK_SALT}\"`, 16 bytes at least. Under another one the masked streams are loaded anew, with other masks.",
);

/// The salt of a project's masks.
#[derive(Debug, Clone, Default)]
pub struct MaskSalt {
    /// The masker for this salt; `None` if there is no valid salt or its variable is not set.
    pub masker: Option<Masker>,
    /// Whether the file has the key, even with an invalid value.
    pub is_named: bool,
    /// One error for each `${NAME}` that is not set. They are reported if a column is masked.
    pub unset: Vec<Diagnostic>,
}

/// Decodes `mask_salt`. Refuses a literal value, because the file is kept in git, and a salt that
/// is too short.
pub(super) fn mask_salt(node: &Node, decoder: &mut Decoder<'_>) -> MaskSalt {
    let Some(value) = node.get("mask_salt") else { return MaskSalt::default() };
    let mut salt = MaskSalt { is_named: true, ..MaskSalt::default() };
    let Some(written) = value.text() else { return salt };
    if !written.contains("${") {
        let hint = "Write `mask_salt: \"${MASK_SALT}\"`, and set the variable to what `openssl rand -hex 32` prints.";
        let message = "`mask_salt` stands in the file; it is a secret, and comes from the environment";
        decoder.report(Code::WrongValue, &value.range, message, Some(hint.to_owned()));
        return salt;
    }
    let mut unset = Vec::new();
    let secret = decoder.interpolated(written, &value.range, &mut unset);
    salt.unset = unset;
    if !salt.unset.is_empty() {
        return salt;
    }
    if secret.len() < SALT_BYTES {
        let message = format!("`mask_salt` has fewer than {SALT_BYTES} bytes, and could be found by trying");
        let hint = "`openssl rand -hex 32` prints a good one.";
        decoder.report(Code::WrongValue, &value.range, message, Some(hint.to_owned()));
        return salt;
    }
    salt.masker = Some(Masker::new(&secret));
    salt
}

/// Reports an error if a project masks a column and `millrace.yml` has no `mask_salt`.
pub(super) fn refuse_unsalted(project: &Project, diagnostics: &mut Vec<Diagnostic>) {
    if project.manifest.mask_salt.is_named {
        return;
    }
    if let Some(masked) = project.masked().next() {
        let message = format!("`{}` is to be masked, and `millrace.yml` has no `mask_salt`", masked.text);
        diagnostics.push(
            Diagnostic::error(Code::MissingKey, message).at(masked.span.clone(), "masked here").hint(
                "Add `mask_salt: \"${MASK_SALT}\"` to `millrace.yml`, and set the variable to what `openssl rand -hex 32` prints.",
            ),
        );
    }
}
