//! Which columns of a table a text reads, as far as the text alone says.

use std::collections::BTreeSet;

/// The columns of one table in FROM that a text reads. Where the text leaves it open (a name without its table, beside several tables), a
/// column counts as read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnsRead {
    /// Names in lower case.
    named: BTreeSet<String>,
    /// Where all are read (`select *`): names in lower case of those that are left out.
    all_but: Option<BTreeSet<String>>,
}

impl ColumnsRead {
    /// All columns.
    pub fn all() -> Self {
        Self { named: BTreeSet::new(), all_but: Some(BTreeSet::new()) }
    }

    /// Adds a column.
    pub fn add(&mut self, name: &str) {
        self.named.insert(name.to_lowercase());
    }

    /// Adds all columns but those.
    pub fn add_all_but<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        let names: BTreeSet<String> = names.into_iter().map(str::to_lowercase).collect();
        self.all_but = Some(match self.all_but.take() {
            Some(before) => before.intersection(&names).cloned().collect(),
            None => names,
        });
    }

    /// Whether a column is read; letter case does not count.
    pub fn reads(&self, column: &str) -> bool {
        let column = column.to_lowercase();
        self.named.contains(&column)
            || self.all_but.as_ref().is_some_and(|left_out| !left_out.contains(&column))
    }
}
