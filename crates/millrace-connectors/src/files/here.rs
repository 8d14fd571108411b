//! Files of this machine, whose state is known without opening them and without asking another
//! machine.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use millrace_core::project::settings::Settings;
use millrace_engine::error::Result;

use crate::files::input::blocking;
use crate::files::input_file::Place;
use crate::files::paths::matching;
use crate::files::remote::is_remote;
use crate::files::stamp::settled;

/// Whether `path` is set and all its files are on this machine.
pub(crate) fn are_here(settings: &Settings) -> bool {
    let (one, several) = (settings.text("path"), settings.list("path"));
    let mut paths = one.into_iter().chain(several.iter().map(String::as_str)).peekable();
    paths.peek().is_some() && !paths.any(is_remote)
}

/// A text that changes whenever one of these files changes, appears or goes. Returns `None` if a
/// file is on another machine, cannot be examined, or was changed so recently that one more change
/// may leave no trace.
pub(crate) async fn stamp(project_dir: PathBuf, settings: Settings) -> Option<String> {
    if !are_here(&settings) {
        return None;
    }
    blocking(move || of_files(&project_dir, &settings, SystemTime::now())).await.ok().flatten()
}

/// One line for each file: its quoted name, size and stamp. `now` is the clock by which [`settled`]
/// decides.
fn of_files(project_dir: &Path, settings: &Settings, now: SystemTime) -> Result<Option<String>> {
    let of_file = |place: &Place| match place {
        Place::Disk(path) => {
            let metadata = std::fs::metadata(path).ok()?;
            Some(format!("{} {}", metadata.len(), settled(&metadata, now)?))
        }
        Place::Remote(_) => None,
    };
    let files = matching(project_dir, settings)?;
    let stamps = files.iter().map(|file| Some(format!("{:?} {}", file.name, of_file(&file.place)?)));
    Ok(stamps.collect::<Option<Vec<String>>>().map(|stamps| stamps.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millrace_core::project::settings::Setting;

    use super::*;

    fn settings(paths: &[&str]) -> Settings {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let path = match paths.as_slice() {
            [one] => Setting::Text(one.clone()),
            _ => Setting::List(paths),
        };
        Settings::new([("path".to_owned(), path)])
    }

    #[test]
    fn files_of_another_machine_are_told_apart() {
        for (paths, here) in [
            (&["data/a.csv"][..], true),
            (&["data/*.csv"], true),
            (&["a.sql", "b.sql"], true),
            (&["https://example.org/a.csv"], false),
            (&["s3://bucket/a.csv"], false),
            (&["a.sql", "https://example.org/b.sql"], false),
            (&[], false),
        ] {
            assert_eq!(are_here(&settings(paths)), here, "{paths:?}");
        }
        assert!(!are_here(&Settings::default()));
    }

    #[test]
    fn a_stamp_is_another_one_with_each_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        let settings = settings(&["*.csv"]);
        let stamp = |after: u64| {
            let now = SystemTime::now() + Duration::from_secs(after);
            of_files(dir.path(), &settings, now).expect("they can be looked at")
        };
        write("a.csv", "one");
        assert_eq!(stamp(0), None, "it was changed just now");
        let first = stamp(60);
        assert!(first.is_some() && stamp(60) == first);
        write("a.csv", "three");
        let second = stamp(60);
        assert_ne!(second, first);
        write("b.csv", "one");
        assert_ne!(stamp(60), second);
        std::fs::remove_file(dir.path().join("b.csv")).expect("it was there");
        assert_eq!(stamp(60), second);
    }
}
