//! The `doctor` checks of files: whether they exist and can be opened, how many there are, and how
//! large they are.

use std::path::{Path, PathBuf};

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::diagnosis::{Diagnosis, Layer};
use millrace_engine::ports::source::StreamRequest;

use crate::files::input::blocking;
use crate::files::input_file::Place;
use crate::files::paths::files;
use crate::size::shown;

/// Looks up the files of each stream and opens each, without reading it. A stream without files is
/// a warning if it keeps the rows of earlier loads, and an error otherwise.
pub(crate) async fn diagnose(
    project_dir: PathBuf,
    settings: &Settings,
    streams: &[StreamRequest],
) -> Diagnosis {
    let streams: Vec<(String, Settings, bool)> = streams
        .iter()
        .map(|stream| (stream.stream.clone(), stream.settings.or(settings), stream.mode.keeps()))
        .collect();
    // Calls to the file system may block.
    let looked = blocking(move || {
        let mut found = Diagnosis::default();
        for (stream, settings, keeps) in &streams {
            match look(&project_dir, settings) {
                Ok(saw) => found.good(Layer::Files, format!("{stream}: {saw}")),
                // The rows of earlier loads stay, so missing files are only a warning.
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

/// Opens each file of this machine, and describes them: the name of a single file, the number of
/// several. Sizes are left out if a file is on another machine.
fn look(project_dir: &Path, settings: &Settings) -> Result<String> {
    let files = files(project_dir, settings)?;
    let mut bytes = 0;
    for file in &files {
        // Files of other machines were found by asking their servers.
        let Place::Disk(path) = &file.place else { continue };
        let opened = std::fs::File::open(path).and_then(|opened| opened.metadata());
        let known = opened.map_err(|error| {
            Error::new(ErrorKind::SourceUnreachable, format!("`{}` cannot be opened", file.name))
                .caused_by(error)
        })?;
        bytes += known.len();
    }
    let remote = files.iter().any(|file| matches!(file.place, Place::Remote(_)));
    // The sizes of remote files are not known without a request for each.
    let size = if remote { String::new() } else { format!(", {}", shown(bytes)) };
    Ok(match files.as_slice() {
        [one] => format!("`{}`{size}", one.name),
        many => format!("{} files{size}", many.len()),
    })
}
