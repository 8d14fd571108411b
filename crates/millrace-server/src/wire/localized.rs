//! Texts in several languages, by locale.

use std::collections::BTreeMap;

use millrace_core::project::localized::Localized;
use serde::Serialize;
use utoipa::ToSchema;

/// From locale to text; at least one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct LocalizedText(BTreeMap<String, String>);

impl From<&Localized> for LocalizedText {
    fn from(Localized(texts): &Localized) -> Self {
        Self(texts.clone())
    }
}
