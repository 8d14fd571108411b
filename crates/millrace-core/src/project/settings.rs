//! Settings of a connector: a flat view of checked YAML, without spans.

use std::collections::BTreeMap;

/// One value. Secrets come from `${NAME}` and are hidden from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Setting {
    /// A text, a number or a word, as written.
    Text(String),
    /// true or false.
    Bool(bool),
    /// A list of texts.
    List(Vec<String>),
    /// Named texts.
    Map(BTreeMap<String, String>),
}

/// Settings by key. Keys and types were checked against the connector's specification.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, Setting>);

impl Settings {
    /// From pairs; a later pair replaces an earlier one.
    pub fn new(pairs: impl IntoIterator<Item = (String, Setting)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The text under a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Setting::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The truth value under a key.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.0.get(key) {
            Some(Setting::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// The list under a key; empty where there is none.
    pub fn list(&self, key: &str) -> &[String] {
        match self.0.get(key) {
            Some(Setting::List(list)) => list,
            _ => &[],
        }
    }

    /// The map under a key.
    pub fn map(&self, key: &str) -> Option<&BTreeMap<String, String>> {
        match self.0.get(key) {
            Some(Setting::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// These settings with one more.
    #[must_use]
    pub fn with(mut self, key: &str, setting: Setting) -> Self {
        self.0.insert(key.to_owned(), setting);
        self
    }

    /// A text that differs when any setting does. Holds secrets: only for hashing.
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

    /// These settings but for those keys.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        self.0.retain(|key, _| !keys.contains(&key.as_str()));
        self
    }

    /// These settings where a key is given, `defaults` elsewhere.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        let mut merged = defaults.0.clone();
        merged.extend(self.0.iter().map(|(key, value)| (key.clone(), value.clone())));
        Self(merged)
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may hold what `${NAME}` brought in.
        f.debug_set().entries(self.0.keys()).finish()
    }
}
