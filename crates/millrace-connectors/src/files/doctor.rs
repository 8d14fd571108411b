//! What `doctor` says of files before they are read: whether they are there, how many, how large.

use std::path::{Path, PathBuf};

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::diagnosis::{Diagnosis, Layer};
use millrace_engine::ports::source::StreamRequest;

use crate::files::input::blocking;
use crate::files::input_file::Place;
use crate::files::paths::files;
use crate::size::shown;

/// Looks at the files of each stream, and opens each.
pub(crate) async fn diagnose(
    project_dir: PathBuf,
    settings: &Settings,
    streams: &[StreamRequest],
) -> Diagnosis {
    let streams: Vec<(String, Settings, bool)> = streams
        .iter()
        .map(|stream| (stream.stream.clone(), stream.settings.or(settings), stream.mode.keeps()))
        .collect();
    let looked = blocking(move || {
        let mut found = Diagnosis::default();
        for (stream, settings, keeps) in &streams {
            match look(&project_dir, settings) {
                Ok(saw) => found.good(Layer::Files, format!("{stream}: {saw}")),
                Err(error) if error.kind() == ErrorKind::SourceEmpty && *keeps => {
                    let hint = "What was loaded stays. Where there should be files, look at `path`.";
                    found.doubtful(Layer::Files, format!("{stream}: {error}"), hint);
                }
                Err(error) => found.failed(Layer::Files, &error.context(format!("{stream} cannot be read"))),
            }
        }
        Ok(found)
    });
    looked.await.unwrap_or_else(|error| {
        let mut found = Diagnosis::default();
        found.failed(Layer::Files, &error);
        found
    })
}

fn look(project_dir: &Path, settings: &Settings) -> Result<String> {
    let files = files(project_dir, settings)?;
    let mut bytes = 0;
    for file in &files {
        // Those of other servers were found by asking these for them.
        let Place::Disk(path) = &file.place else { continue };
        let opened = std::fs::File::open(path).and_then(|opened| opened.metadata());
        let known = opened.map_err(|error| {
            Error::new(ErrorKind::SourceUnreachable, format!("`{}` cannot be opened", file.name))
                .caused_by(error)
        })?;
        bytes += known.len();
    }
    let remote = files.iter().any(|file| matches!(file.place, Place::Remote(_)));
    let size = if remote { String::new() } else { format!(", {}", shown(bytes)) };
    Ok(match files.as_slice() {
        [one] => format!("`{}`{size}", one.name),
        many => format!("{} files{size}", many.len()),
    })
}
