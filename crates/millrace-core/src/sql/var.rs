//! The values of template variables (`vars:` and `--var`).

use crate::project::yaml::Scalar;

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Var {
    /// Null.
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Var {
    /// The value of a scalar in YAML's core schema.
    pub fn from_scalar(scalar: &Scalar) -> Self {
        if scalar.is_null() {
            return Self::Null;
        }
        if let Some(value) = scalar.as_bool() {
            return Self::Bool(value);
        }
        scalar.as_integer().map_or_else(|| Self::Text(scalar.text.clone()), Self::Integer)
    }

    /// The value of a text from the command line, read like an unquoted scalar.
    pub fn from_text(text: &str) -> Self {
        Self::from_scalar(&Scalar { text: text.to_owned(), plain: true })
    }
}
