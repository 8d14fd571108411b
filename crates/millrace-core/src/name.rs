//! Names: validation, quoting, and the conversion of source names to warehouse names.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::value::Value;

/// An SQL identifier. Names reach SQL text only through this type.
///
/// Its `Display` quotes the name as SQL:2016, 5.2 `<delimited identifier>`: in double quotes, with
/// inner double quotes doubled. Both engines use this form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(String);

impl Ident {
    /// Accepts any text. U+0000 is removed, because no engine accepts it in a name.
    pub fn new(name: impl Into<String>) -> Self {
        let name: String = name.into();
        Self(if name.contains('\0') { name.replace('\0', "") } else { name })
    }

    /// The name, unquoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A table or view with its schema: `"build"."fact_orders__r42"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    /// Schema name, unquoted.
    pub schema: String,
    /// Table or view name, unquoted.
    pub name: String,
}

impl Relation {
    /// The relation `schema.name`.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", Ident::new(&self.schema), Ident::new(&self.name))
    }
}

/// The full name of a stream, `source.stream`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamName {
    /// Name of the source.
    pub source: String,
    /// Name of the stream within it.
    pub stream: String,
}

impl StreamName {
    /// The stream `source.stream`.
    pub fn new(source: impl Into<String>, stream: impl Into<String>) -> Self {
        Self { source: source.into(), stream: stream.into() }
    }

    /// The parameters `$1` and `$2` of a statement: source name and stream name.
    pub fn params(&self) -> [Value; 2] {
        [Value::text(&self.source), Value::text(&self.stream)]
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.source, self.stream)
    }
}

/// How columns of streams are named in the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// `ClientID` becomes `client_id`.
    #[default]
    SnakeCase,
    /// Unchanged from the source.
    Source,
}

impl Naming {
    /// The warehouse's name for a column of a source.
    pub fn column(self, source_name: &str) -> String {
        match self {
            Self::SnakeCase => snake_case(source_name),
            Self::Source => source_name.to_owned(),
        }
    }
}

/// Converts a name to lower-case words joined by underscores. Accents are removed (`Quantité`
/// becomes `quantite`); letters without an ASCII base are kept. A name that would be empty or start
/// with a digit gets a leading underscore.
pub fn snake_case(name: &str) -> String {
    // NFKD splits a letter from its accents, so that the accents can be dropped.
    let letters: Vec<char> = name
        .nfkd()
        .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (i, &c) in letters.iter().enumerate() {
        if c == '_' {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            continue;
        }
        let before = i.checked_sub(1).map(|j| letters[j]);
        let after = letters.get(i + 1);
        // A word starts at `I` in `clientID`, and at `S` in `HTTPServer`.
        let starts_word = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_numeric())
                || (before.is_some_and(char::is_uppercase) && after.is_some_and(|a| a.is_lowercase())));
        if starts_word && !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    let out = out.trim_end_matches('_');
    if out.is_empty() || out.starts_with(|c: char| c.is_numeric()) {
        format!("_{out}")
    } else {
        out.to_owned()
    }
}

/// Whether `name` is valid for a source, stream, model, metric, dimension or dashboard: a letter or
/// underscore, then letters, digits and underscores (ASCII), at most 48 bytes. A suffix then still
/// fits into PostgreSQL's limit of 63.
pub fn is_plain_name(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_keeps_words_apart() {
        for (source, expected) in [
            ("ClientID", "client_id"),
            ("NomClient", "nom_client"),
            ("DateInscription", "date_inscription"),
            ("HTTPServer", "http_server"),
            ("order2Item", "order2_item"),
            ("Quantité", "quantite"),
            ("updated_at", "updated_at"),
            ("Prix TTC (€)", "prix_ttc"),
            ("2fast", "_2fast"),
            ("日付", "日付"),
            ("--", "_"),
            ("ID", "id"),
        ] {
            assert_eq!(snake_case(source), expected, "{source}");
        }
    }

    #[test]
    fn identifiers_cannot_break_out() {
        assert_eq!(Ident::new("a\"; drop table x; --").to_string(), "\"a\"\"; drop table x; --\"");
        assert_eq!(Ident::new("a\0b").to_string(), "\"ab\"");
    }
}
