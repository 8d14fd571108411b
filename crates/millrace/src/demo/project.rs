//! The project files of the demo: those of `examples/shop`, embedded in the binary.

use std::io;
use std::path::Path;

use super::output::Output;

macro_rules! shop {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../examples/shop/", $path)))),+]
    };
}

/// Paths and texts of all files of the example, except its data and its README. A test compares the
/// list with the folder.
const FILES: &[(&str, &str)] = shop![
    ".gitignore",
    "dashboards/sales.yml",
    "metrics/payments.yml",
    "metrics/sales.yml",
    "millrace.yml",
    "models/marts/dim_clients.sql",
    "models/marts/dim_date.sql",
    "models/marts/dim_products.sql",
    "models/marts/fact_orders.sql",
    "models/marts/fact_payments.sql",
    "models/marts/marts.yml",
    "models/staging/staging.yml",
    "models/staging/stg_clients.sql",
    "models/staging/stg_orders.sql",
    "models/staging/stg_payments.sql",
    "models/staging/stg_products.sql",
    "sources/catalogue.schema.yml",
    "sources/catalogue.yml",
    "sources/crm.schema.yml",
    "sources/crm.yml",
    "sources/files.schema.yml",
    "sources/files.yml",
    "sources/payments.schema.yml",
    "sources/payments.yml",
];

/// The README of a demo project.
const README: &str = include_str!("README.demo.md");

/// Writes the project files; returns their paths and sizes in bytes.
pub(super) fn write(dir: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut written = Vec::with_capacity(FILES.len() + 1);
    for (path, text) in FILES.iter().chain(&[("README.md", README)]) {
        let mut output = Output::create(dir, path)?;
        output.text(text);
        written.push(output.finish()?);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("the example is there") {
            let entry = entry.expect("the example can be read");
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{path}/"), found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn holds_all_of_the_example() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
        let mut found = Vec::new();
        walk(&example, "", &mut found);
        found.retain(|path| {
            let own = path.starts_with("data/") || path.starts_with(".millrace/");
            !own && path != "README.md" && path != ".env"
        });
        found.sort();
        let held: Vec<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(held, found);
    }
}
