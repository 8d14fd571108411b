//! Warns of folders called `name=value`, which programs write that move a partition column from the
//! files into the folder names. Such values are not read.

use std::collections::BTreeSet;

use millrace_core::code::Code;
use millrace_core::cursor::Cursor;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::StreamName;
use millrace_core::schema::Column;

/// One warning for each column that only folder names have. `position` lists the files of the
/// stream; names are compared without letter case.
pub(crate) fn notices(stream: &StreamName, position: Option<&Cursor>, columns: &[Column]) -> Vec<Diagnostic> {
    let Some(Cursor::Files { files, .. }) = position else { return Vec::new() };
    // Names are compared as warehouses do, without letter case.
    let has = |name: &str| columns.iter().any(|column| column.name.to_lowercase() == name.to_lowercase());
    let names: BTreeSet<&str> =
        files.iter().flat_map(|file| named(&file.path)).filter(|name| !has(name)).collect();
    let notice = |name| {
        let message = format!(
            "files of stream `{stream}` lie in folders called `{name}=…`, and no column of theirs says `{name}`"
        );
        let hint = format!(
            "Values in names of folders are not read. Have `{name}` written into the files too, or make a stream of each folder and say in a model which it is."
        );
        Diagnostic::warning(Code::PartitionFolders, message).hint(hint)
    };
    names.into_iter().map(notice).collect()
}

/// The column names in the folders of a path. A name consists of letters, digits and underscores,
/// and its value is not empty.
fn named(path: &str) -> impl Iterator<Item = &str> {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders).split('/');
    folders.filter_map(|folder| {
        let (name, value) = folder.split_once('=')?;
        let is_name =
            !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        (is_name && !value.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told() {
        let names = |path| named(path).collect::<Vec<_>>();
        assert_eq!(names("lake/year=2024/month=01/a.parquet"), ["year", "month"]);
        assert_eq!(names("s3://lake/day=2024-01-01/x=1.csv"), ["day"]);
        for path in ["a=b.csv", "lake/=x/a.csv", "lake/x=/a.csv", "a b=c/x.csv", "https://host/a.csv"] {
            assert_eq!(names(path), Vec::<&str>::new(), "{path}");
        }
    }
}
