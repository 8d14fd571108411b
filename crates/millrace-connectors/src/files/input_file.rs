//! A file to read: its name and its place.

use std::path::PathBuf;
use std::sync::Arc;

use crate::files::remote::Object;

/// A file of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputFile {
    /// Where it is.
    pub(crate) place: Place,
    /// Relative to the project folder, with forward slashes; the address if it is on another
    /// machine.
    pub(crate) name: String,
}

impl InputFile {
    /// A file of another machine, named by its address.
    pub(crate) fn of_object(object: Object) -> Self {
        Self { name: object.name().to_owned(), place: Place::Remote(Arc::new(object)) }
    }
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine, at this path.
    Disk(PathBuf),
    /// On another machine.
    Remote(Arc<Object>),
}
