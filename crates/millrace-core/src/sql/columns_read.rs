//! The columns of a table that an SQL text reads, as far as the text alone determines them.

use std::collections::BTreeSet;

/// The columns of one table in FROM that a text reads. If the text is ambiguous (an unqualified
/// name with several tables), the column counts as read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnsRead {
    /// Columns read by name, in lower case.
    named: BTreeSet<String>,
    /// `Some` if all columns are read (`select *`), except these, in lower case (`exclude`).
    all_but: Option<BTreeSet<String>>,
}

impl ColumnsRead {
    /// All columns are read.
    pub fn all() -> Self {
        Self { named: BTreeSet::new(), all_but: Some(BTreeSet::new()) }
    }

    /// Adds a column that is read by name.
    pub fn add(&mut self, name: &str) {
        self.named.insert(name.to_lowercase());
    }

    /// Adds all columns except `names`. After several calls, a column is left out only if every
    /// call left it out.
    pub fn add_all_but<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        let names: BTreeSet<String> = names.into_iter().map(str::to_lowercase).collect();
        self.all_but = Some(match self.all_but.take() {
            Some(before) => before.intersection(&names).cloned().collect(),
            None => names,
        });
    }

    /// Whether a column is read. Ignores case.
    pub fn reads(&self, column: &str) -> bool {
        let column = column.to_lowercase();
        self.named.contains(&column)
            || self.all_but.as_ref().is_some_and(|left_out| !left_out.contains(&column))
    }
}
