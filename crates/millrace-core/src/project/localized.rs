//! Texts in several languages.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::project::yaml::Node;

/// A text by language tag, in at least one language. A text without a language is stored under
/// `en`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Localized(pub BTreeMap<String, String>);

impl Localized {
    /// A text without a language.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(BTreeMap::from([("en".to_owned(), text.into())]))
    }

    /// The text in a language; if there is none, the English text; otherwise the first one by
    /// language tag.
    pub fn read(&self, locale: &str) -> &str {
        let text = self.0.get(locale).or_else(|| self.0.get("en")).or_else(|| self.0.values().next());
        text.map_or("", String::as_str)
    }

    /// Reads a text or a mapping of texts from a checked node.
    pub fn from_node(node: &Node) -> Option<Self> {
        if let Some(text) = node.text() {
            return Some(Self::plain(text));
        }
        let texts: BTreeMap<_, _> = node
            .map()?
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned())))
            .collect();
        (!texts.is_empty()).then_some(Self(texts))
    }

    /// Makes a label from a name: `average_order` becomes `Average order`.
    pub fn from_name(name: &str) -> Self {
        let mut words = name.replace('_', " ");
        if let Some(first) = words.get(..1).map(str::to_uppercase) {
            words.replace_range(..1, &first);
        }
        Self::plain(words)
    }
}
