//! Which columns of which tables a text reads, from the parse tree of its selects.

use std::collections::BTreeMap;

use millrace_core::sql::columns_read::ColumnsRead;
use serde_json::Value as Json;

/// Where a node is in the text. A place that is not in the text is written as the greatest u64.
pub(super) fn place(node: &Json) -> Option<usize> {
    let at = node["query_location"].as_u64().and_then(|at| usize::try_from(at).ok())?;
    (at != usize::MAX).then_some(at)
}

/// What is known so far, and the selects in which the walk is, the outermost first.
#[derive(Default)]
pub(super) struct Reading {
    selects: Vec<Vec<Member>>,
    read: BTreeMap<usize, ColumnsRead>,
}

/// A table in FROM of a select.
struct Member {
    at: usize,
    /// The name by which the select knows it, in lower case.
    name: String,
}

impl Reading {
    /// The walk comes into a select with that FROM.
    pub(super) fn enter(&mut self, from: &Json) {
        let mut members = Vec::new();
        self.collect(from, false, &mut members);
        self.selects.push(members);
    }

    /// The walk leaves it.
    pub(super) fn leave(&mut self) {
        self.selects.pop();
    }

    /// The columns that are read of the table at a place; all, where the tree says nothing of it that is understood.
    pub(super) fn of(&self, at: usize) -> ColumnsRead {
        self.read.get(&at).cloned().unwrap_or_else(ColumnsRead::all)
    }

    /// The tables of a FROM, but those of selects within it. `whole`: all of their columns count, whatever is named.
    fn collect(&mut self, node: &Json, whole: bool, members: &mut Vec<Member>) {
        match node {
            Json::Array(items) => items.iter().for_each(|item| self.collect(item, whole, members)),
            // An expression, or a select of its own.
            Json::Object(fields) if fields.contains_key("class") || node["type"] == "SUBQUERY" => {}
            Json::Object(fields) => {
                let kind = node["type"].as_str().unwrap_or_default();
                let whole = whole
                    || ["PIVOT", "SHOW_REF"].contains(&kind)
                    || ["NATURAL", "POSITIONAL"].contains(&node["ref_type"].as_str().unwrap_or_default());
                if let ("BASE_TABLE", Some(at)) = (kind, place(node)) {
                    let text = |key: &str| node[key].as_str().filter(|text| !text.is_empty());
                    let name = text("alias").or(text("table_name")).unwrap_or_default().to_lowercase();
                    let read = self.read.entry(at).or_default();
                    // Columns that the text gives other names are known by those only.
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

    /// Looks at one node below a select.
    pub(super) fn note(&mut self, node: &Json) {
        let list = |key: &str| {
            let names = node[key].as_array().into_iter().flatten();
            names.filter_map(Json::as_str).collect::<Vec<&str>>()
        };
        match node["class"].as_str().unwrap_or_default() {
            "STAR" => self.star(node["relation_name"].as_str().unwrap_or_default(), &list("exclude_list")),
            "COLUMN_REF" => self.column(&list("column_names")),
            // `#1` counts the columns of all tables, and is another one where any of them goes.
            "POSITIONAL_REFERENCE" => self.star("", &[]),
            _ => {}
        }
        for name in list("using_columns") {
            for member in self.selects.last().into_iter().flatten() {
                self.read.entry(member.at).or_default().add(name);
            }
        }
    }

    /// All columns of the present select's tables, or of the one that is named, but some. A name may also be that of a column, of whose
    /// record all fields are meant.
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

    /// A column of any select in which it stands: one within another sees the tables of both. Written as `column`, `table.column`,
    /// `schema.table.column`, `catalog.schema.table.column`, each with the fields of a record behind it. Which of these it is depends on
    /// the columns that the tables have, which the text does not say, so each that it can be counts.
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
                        // The row as a whole.
                        None => read.add_all_but([]),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
