//! A variable for templates.

use crate::project::yaml::Scalar;

/// The value of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Var {
    /// Nothing.
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Var {
    /// What YAML's core schema makes of a scalar.
    pub fn from_scalar(scalar: &Scalar) -> Self {
        if scalar.is_null() {
            return Self::Null;
        }
        if let Some(value) = scalar.as_bool() {
            return Self::Bool(value);
        }
        scalar.as_integer().map_or_else(|| Self::Text(scalar.text.clone()), Self::Integer)
    }

    /// The same of a text from the command line.
    pub fn from_text(text: &str) -> Self {
        Self::from_scalar(&Scalar { text: text.to_owned(), plain: true })
    }
}
