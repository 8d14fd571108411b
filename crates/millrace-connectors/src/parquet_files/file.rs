//! An open file: its footer, its columns, its hash.

use std::fs::{File, Metadata};
use std::io::{self, Seek as _};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arrow_schema::{Field, Schema};
use millrace_core::cursor::FileState;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::schema::{Column, DataType};
use millrace_engine::error::{Error, ErrorKind, Result};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::schema::types::SchemaDescriptor;

use crate::files::input::{open_file, unreadable};
use crate::files::paths::{InputFile, Place};
use crate::files::remote::Download;
use crate::files::stamp;
use crate::parquet_files::schema;

/// A file whose footer was read.
pub(super) struct ParquetFile {
    name: String,
    file: File,
    before: Metadata,
    /// By which it is known unread.
    stamp: Option<String>,
    footer: ArrowReaderMetadata,
}

impl ParquetFile {
    /// Opens a file. One of another machine is fetched into the folder `scratch`, where it has no name and ends with this object.
    pub(super) fn open(file: &InputFile, scratch: &Path) -> Result<Self> {
        let (opened, before, stamp) = match &file.place {
            Place::Disk(path) => {
                let (opened, before) = open_file(&file.name, path)?;
                let stamp = stamp::settled(&before, SystemTime::now());
                (opened, before, stamp)
            }
            Place::Remote(object) => {
                let (mut download, etag) = object.open()?;
                let (fetched, before) =
                    fetch(&mut download, scratch).map_err(|error| unreadable(&file.name, &error))?;
                (fetched, before, etag)
            }
        };
        let footer =
            ArrowReaderMetadata::load(&opened, options()).map_err(|error| broken(&file.name, &error))?;
        Ok(Self { name: file.name.clone(), file: opened, before, stamp, footer })
    }

    /// Relative to the project folder.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its top-level fields, as Arrow has them.
    pub(super) fn fields(&self) -> &[Arc<Field>] {
        self.footer.schema().fields()
    }

    /// Its schema in Parquet's own terms.
    pub(super) fn descriptor(&self) -> &SchemaDescriptor {
        self.footer.parquet_schema()
    }

    /// Its columns. Those that nobody wants may be of any type; one that is not read stands there as text.
    pub(super) fn columns(&self, excluded: &LeftOut) -> Result<Vec<Column>> {
        let fields = self.fields().iter().enumerate();
        let column = |(index, field): (usize, &Arc<Field>)| {
            let column = schema::column(&self.name, field, self.descriptor(), index);
            if column.is_err() && excluded.contains(field.name()) {
                return Ok(Column { name: field.name().clone(), data_type: DataType::Text, nullable: true });
            }
            column
        };
        fields.map(column).collect()
    }

    /// A reader of the file, of Arrow types that may differ from those that it has by itself.
    pub(super) fn reader(&self, types: Option<Arc<Schema>>) -> Result<ParquetRecordBatchReaderBuilder<File>> {
        let opened = self.file.try_clone().map_err(|error| unreadable(&self.name, &error))?;
        let Some(types) = types else {
            return Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(opened, self.footer.clone()));
        };
        ParquetRecordBatchReaderBuilder::try_new_with_options(opened, options().with_schema(types))
            .map_err(|error| self.broken(&error))
    }

    /// What the file is, by reading all of it.
    pub(super) fn hash(&mut self) -> Result<FileState> {
        let mut hash = blake3::Hasher::new();
        let size = self
            .file
            .rewind()
            .and_then(|()| io::copy(&mut self.file, &mut hash))
            .map_err(|error| unreadable(&self.name, &error))?;
        Ok(FileState {
            path: self.name.clone(),
            size,
            hash: hash.finalize().to_hex().to_string(),
            stamp: self.stamp.clone(),
        })
    }

    /// An error where the file is not what it was when it was opened.
    pub(super) fn assert_unchanged(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|error| unreadable(&self.name, &error))?;
        if now.len() == self.before.len() && stamp::of(&now) == stamp::of(&self.before) {
            return Ok(());
        }
        let message = format!("file `{}` has changed while it was read", self.name);
        Err(Error::new(ErrorKind::SourceUnreachable, message)
            .hint("Run again once it is whole. Files are best moved into place."))
    }

    pub(super) fn broken(&self, error: &ParquetError) -> Error {
        broken(&self.name, error)
    }
}

fn fetch(download: &mut Download, scratch: &Path) -> io::Result<(File, Metadata)> {
    std::fs::create_dir_all(scratch)?;
    let mut file = tempfile::tempfile_in(scratch)?;
    io::copy(download, &mut file)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// The types are Parquet's own: what a program of Arrow's has written beside them says nothing that is needed.
fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

fn broken(name: &str, error: &ParquetError) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is not good Parquet"))
        .caused_by(error)
        .hint("If it is a file of Parquet, it is damaged or not whole, or packed in a way that is not read: fetch it again.")
}
