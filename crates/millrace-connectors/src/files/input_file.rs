//! A file that a stream is made of.

use std::path::PathBuf;
use std::sync::Arc;

use crate::files::remote::Object;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputFile {
    /// Where it is.
    pub(crate) place: Place,
    /// Its name from the project folder on, with forward slashes; of another machine's, its address.
    pub(crate) name: String,
}

impl InputFile {
    /// A file of another machine.
    pub(crate) fn of_object(object: Object) -> Self {
        Self { name: object.name().to_owned(), place: Place::Remote(Arc::new(object)) }
    }
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Disk(PathBuf),
    Remote(Arc<Object>),
}
