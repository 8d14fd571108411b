//! Settings of a connector: the values of its keys, without their places in the file.

use std::collections::BTreeMap;

/// One value. It may contain a secret from `${NAME}`, so it does not implement `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Setting {
    /// A text, number or word, as written.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// A list of texts.
    List(Vec<String>),
    /// Texts by name.
    Map(BTreeMap<String, String>),
}

/// Settings by key. Keys and types have been checked against the connector's specification, so the
/// accessors return `None` only if a key is missing. `Debug` prints the keys but no values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, Setting>);

impl Settings {
    /// Creates settings from pairs. A later pair replaces an earlier one with the same key.
    pub fn new(pairs: impl IntoIterator<Item = (String, Setting)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Setting::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The boolean of a key.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.0.get(key) {
            Some(Setting::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// The list of a key; empty if the key is missing.
    pub fn list(&self, key: &str) -> &[String] {
        match self.0.get(key) {
            Some(Setting::List(list)) => list,
            _ => &[],
        }
    }

    /// The map of a key.
    pub fn map(&self, key: &str) -> Option<&BTreeMap<String, String>> {
        match self.0.get(key) {
            Some(Setting::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// A copy with one more setting.
    #[must_use]
    pub fn with(mut self, key: &str, setting: Setting) -> Self {
        self.0.insert(key.to_owned(), setting);
        self
    }

    /// A text that changes if any setting changes. It contains secrets and must only be hashed.
    pub fn fingerprint(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.0 {
            let value = match value {
                Setting::Text(text) => format!("{text:?}"),
                Setting::Bool(value) => value.to_string(),
                Setting::List(list) => format!("{list:?}"),
                Setting::Map(map) => format!("{map:?}"),
            };
            out.push_str(&format!("{key}={value};"));
        }
        out
    }

    /// A copy without these keys.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        self.0.retain(|key, _| !keys.contains(&key.as_str()));
        self
    }

    /// These settings, completed with `defaults` for missing keys.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        let mut merged = defaults.0.clone();
        merged.extend(self.0.iter().map(|(key, value)| (key.clone(), value.clone())));
        Self(merged)
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may contain secrets from `${NAME}`.
        f.debug_set().entries(self.0.keys()).finish()
    }
}
