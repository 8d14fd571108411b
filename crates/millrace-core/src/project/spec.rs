//! What keys a mapping of a project file has: data from which files are checked, and from which the reference pages and JSON
//! Schemas are generated.

/// The keys of one mapping.
#[derive(Debug, Clone, Copy)]
pub struct MapSpec {
    /// What the mapping describes, for the reference page.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [KeySpec],
}

impl MapSpec {
    /// A mapping without keys of its own.
    pub const EMPTY: Self = Self { doc: "", keys: &[] };

    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static KeySpec> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// As it is written.
    pub name: &'static str,
    /// What its value is.
    pub kind: KeyKind,
    /// Whether it must be there.
    pub required: bool,
    /// The user's documentation: one or two sentences.
    pub doc: &'static str,
}

impl KeySpec {
    /// A key that may be left out.
    pub const fn optional(name: &'static str, kind: KeyKind, doc: &'static str) -> Self {
        Self { name, kind, required: false, doc }
    }

    /// A key that must be there.
    pub const fn required(name: &'static str, kind: KeyKind, doc: &'static str) -> Self {
        Self { name, kind, required: true, doc }
    }
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum KeyKind {
    /// Text; `${NAME}` in it is replaced.
    Text,
    /// The same, of which at least a part comes from `${NAME}`, or git would keep it.
    Secret,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds, both included.
    Integer(i64, i64),
    /// A text, or an object from locale (`en`, `fr`, …) to text.
    Localized,
    /// A mapping with known keys.
    Map(&'static MapSpec),
    /// A mapping from names to values of one kind.
    MapOf(&'static KeyKind),
    /// A list of values of one kind.
    ListOf(&'static KeyKind),
    /// One of several kinds; the first that has the value's shape decides.
    AnyOf(&'static [KeyKind]),
    /// Any scalar: text, number, truth value or null.
    Scalar,
    /// Any value; whoever reads it checks it.
    Any,
}
