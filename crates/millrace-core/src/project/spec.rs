//! Specifications of the keys in project files (ADR 2). They are data: files are checked against
//! them, and the reference pages and JSON Schemas are generated from them.

/// The keys of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct MapSpec {
    /// What the mapping describes; for the reference page.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [KeySpec],
}

impl MapSpec {
    /// A mapping without keys.
    pub const EMPTY: Self = Self { doc: "", keys: &[] };

    /// The key with this name.
    pub fn key(&self, name: &str) -> Option<&'static KeySpec> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A key of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// Name of the key.
    pub name: &'static str,
    /// The values that it accepts.
    pub kind: KeyKind,
    /// Whether it must be present.
    pub required: bool,
    /// Documentation for users: one or two sentences.
    pub doc: &'static str,
}

impl KeySpec {
    /// A key that may be missing.
    pub const fn optional(name: &'static str, kind: KeyKind, doc: &'static str) -> Self {
        Self { name, kind, required: false, doc }
    }

    /// A key that must be present.
    pub const fn required(name: &'static str, kind: KeyKind, doc: &'static str) -> Self {
        Self { name, kind, required: true, doc }
    }
}

/// The values that a key accepts.
#[derive(Debug, Clone, Copy)]
pub enum KeyKind {
    /// A text, in which `${NAME}` is replaced.
    Text,
    /// A secret text. It must contain `${NAME}`, because the file is kept in git.
    Secret,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// An integer within bounds, both inclusive.
    Integer(i64, i64),
    /// A text, or a mapping from language tag (`en`, `fr`, …) to text.
    Localized,
    /// A mapping with these keys.
    Map(&'static MapSpec),
    /// A mapping from arbitrary names to values of one kind.
    MapOf(&'static KeyKind),
    /// A list of values of one kind.
    ListOf(&'static KeyKind),
    /// One of several kinds. The first one with the value's shape applies.
    AnyOf(&'static [KeyKind]),
    /// Any scalar: text, number, boolean or null.
    Scalar,
    /// Any value. The code that reads it checks it.
    Any,
}
