//! Determines which columns of which tables a text reads, from the parse tree of its selects.
//!
//! The tree has no types and no columns of tables, so the result is an upper bound: a column that
//! may be read counts as read. What is not understood counts as reading all columns.

use std::collections::BTreeMap;

use millrace_core::sql::columns_read::ColumnsRead;
use serde_json::Value as Json;

/// The position of a node as a byte offset; `None` if it has none, which the tree writes as the
/// greatest `u64`.
pub(super) fn place(node: &Json) -> Option<usize> {
    let at = node["query_location"].as_u64().and_then(|at| usize::try_from(at).ok())?;
    (at != usize::MAX).then_some(at)
}

/// The columns found so far, and the selects around the walk's current node, the outermost first.
#[derive(Default)]
pub(super) struct Reading {
    /// For each of these selects, the tables in its FROM.
    selects: Vec<Vec<Member>>,
    /// By the position of the table's name.
    read: BTreeMap<usize, ColumnsRead>,
}

/// A table in the FROM of a select.
struct Member {
    /// Position of the table's name in the text.
    at: usize,
    /// The alias, or the table's own name without one, in lower case.
    name: String,
}

impl Reading {
    /// Enters a select whose FROM is this node.
    pub(super) fn enter(&mut self, from: &Json) {
        let mut members = Vec::new();
        self.collect(from, false, &mut members);
        self.selects.push(members);
    }

    /// Leaves the select that was entered last.
    pub(super) fn leave(&mut self) {
        self.selects.pop();
    }

    /// The columns that are read of the table at a position; all columns if the walk did not meet
    /// the table.
    pub(super) fn of(&self, at: usize) -> ColumnsRead {
        self.read.get(&at).cloned().unwrap_or_else(ColumnsRead::all)
    }

    /// Collects the tables of a FROM, without those of selects inside it. `whole` says that all
    /// columns count as read, whatever the text names.
    fn collect(&mut self, node: &Json, whole: bool, members: &mut Vec<Member>) {
        match node {
            Json::Array(items) => items.iter().for_each(|item| self.collect(item, whole, members)),
            // An expression or a select inside is walked on its own.
            Json::Object(fields) if fields.contains_key("class") || node["type"] == "SUBQUERY" => {}
            Json::Object(fields) => {
                let kind = node["type"].as_str().unwrap_or_default();
                // These read columns that the text does not name.
                let whole = whole
                    || ["PIVOT", "SHOW_REF"].contains(&kind)
                    || ["NATURAL", "POSITIONAL"].contains(&node["ref_type"].as_str().unwrap_or_default());
                if let ("BASE_TABLE", Some(at)) = (kind, place(node)) {
                    let text = |key: &str| node[key].as_str().filter(|text| !text.is_empty());
                    let name = text("alias").or(text("table_name")).unwrap_or_default().to_lowercase();
                    let read = self.read.entry(at).or_default();
                    // Columns that the text renames are known only by their other names.
                    if whole || node["column_name_alias"].as_array().is_some_and(|names| !names.is_empty()) {
                        read.add_all_but([]);
                    }
                    members.push(Member { at, name });
                }
                for value in fields.values() {
                    self.collect(value, whole, members);
                }
            }
            _ => {}
        }
    }

    /// Records the columns that a single node inside a select reads.
    pub(super) fn note(&mut self, node: &Json) {
        let list = |key: &str| {
            let names = node[key].as_array().into_iter().flatten();
            names.filter_map(Json::as_str).collect::<Vec<&str>>()
        };
        match node["class"].as_str().unwrap_or_default() {
            "STAR" => self.star(node["relation_name"].as_str().unwrap_or_default(), &list("exclude_list")),
            "COLUMN_REF" => self.column(&list("column_names")),
            // `#1` counts the columns of all tables, so it means another column if any of them is
            // removed.
            "POSITIONAL_REFERENCE" => self.star("", &[]),
            _ => {}
        }
        for name in list("using_columns") {
            for member in self.selects.last().into_iter().flatten() {
                self.read.entry(member.at).or_default().add(name);
            }
        }
    }

    /// Records `*` or `of.*`, without the excluded columns, in the innermost select. `of` may also
    /// be a column, of whose struct all fields are meant.
    fn star(&mut self, of: &str, left_out: &[&str]) {
        for member in self.selects.last().into_iter().flatten() {
            let read = self.read.entry(member.at).or_default();
            if of.is_empty() || of.to_lowercase() == member.name {
                read.add_all_but(left_out.iter().copied());
            } else {
                read.add(of);
            }
        }
    }

    /// Records a column reference in all selects around it, because an inner select sees the tables
    /// of the outer ones. A path is `column`, `table.column`, `schema.table.column` or
    /// `catalog.schema.table.column`, each possibly followed by fields of a struct. Which one it is
    /// depends on the tables' columns, which the text does not tell, so every reading that is
    /// possible counts.
    fn column(&mut self, path: &[&str]) {
        for member in self.selects.iter().flatten() {
            let read = self.read.entry(member.at).or_default();
            for (at, name) in path.iter().enumerate() {
                if at == 0 {
                    read.add(name);
                }
                if name.to_lowercase() == member.name {
                    match path.get(at + 1) {
                        Some(column) => read.add(column),
                        // The name of the table alone means its row as a whole.
                        None => read.add_all_but([]),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
