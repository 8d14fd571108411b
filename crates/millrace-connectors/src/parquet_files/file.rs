//! An open file: its footer, its columns, its hash.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use arrow_schema::{Field, Schema};
use bytes::Bytes;
use millrace_core::cursor::FileState;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::schema::{Column, DataType};
use millrace_engine::error::{Error, ErrorKind, Result};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::schema::types::SchemaDescriptor;

use crate::files::input::{open_file, unreadable};
use crate::files::paths::{InputFile, Place};
use crate::files::remote::{Download, Object};
use crate::files::stamp;
use crate::parquet_files::pages::Pages;
use crate::parquet_files::schema;

/// Bytes that are hashed at a time.
const BLOCK: usize = 1 << 20;
/// Bytes at the end of a file of another machine that are asked for: footers of most files are within.
const END: u64 = 64 << 10;

/// A file whose footer was read.
pub(super) struct ParquetFile {
    name: String,
    pages: Pages,
    before: Metadata,
    /// By which it is known unread.
    stamp: Option<String>,
    /// Of a file that was fetched: hashed on the way.
    hash: Option<String>,
    footer: ArrowReaderMetadata,
    /// The same with bytes for texts, as the file is read.
    untyped: ArrowReaderMetadata,
}

/// The columns of a file. Those that nobody wants may be of any type; one that is not read stands there as text. Of a file of another machine
/// only the end is fetched, where the server hands out parts.
pub(super) fn columns(file: &InputFile, scratch: &Path, excluded: &LeftOut) -> Result<Vec<Column>> {
    let end = match &file.place {
        Place::Disk(_) => None,
        Place::Remote(object) => end(&file.name, object)?,
    };
    let footer = match end {
        Some(footer) => footer,
        None => ParquetFile::open(file, scratch)?.footer,
    };
    let fields = footer.schema().fields().iter().enumerate();
    let column = |(index, field): (usize, &Arc<Field>)| {
        let column = schema::column(&file.name, field, footer.parquet_schema(), index);
        if column.is_err() && excluded.contains(field.name()) {
            return Ok(Column { name: field.name().clone(), data_type: DataType::Text, nullable: true });
        }
        column
    };
    fields.map(column).collect()
}

/// The footer of a file of another machine.
fn end(name: &str, object: &Object) -> Result<Option<ArrowReaderMetadata>> {
    let mut wanted = END;
    loop {
        let Some((end, size)) = object.end(wanted)? else { return Ok(None) };
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&Bytes::from(end), size) {
            // It says how much it needs: more than there was, or the file is no good.
            Err(ParquetError::NeedMoreData(needed)) if needed as u64 > wanted => wanted = needed as u64,
            Err(error) => return Err(broken(name, &error)),
            Ok(()) => {
                let footer = reader
                    .finish()
                    .and_then(|footer| ArrowReaderMetadata::try_new(Arc::new(footer), options()));
                return footer.map(Some).map_err(|error| broken(name, &error));
            }
        }
    }
}

impl ParquetFile {
    /// Opens a file. One of another machine is fetched into the folder `scratch`, where it has no name and ends with this object.
    pub(super) fn open(file: &InputFile, scratch: &Path) -> Result<Self> {
        let (opened, before, stamp, hash) = match &file.place {
            Place::Disk(path) => {
                let (opened, before) = open_file(&file.name, path)?;
                let stamp = stamp::settled(&before, SystemTime::now());
                (opened, before, stamp, None)
            }
            Place::Remote(object) => {
                let (mut download, etag) = object.open()?;
                let (fetched, before, hash) =
                    fetch(&mut download, scratch).map_err(|error| unreadable(&file.name, &error))?;
                (fetched, before, etag, Some(hash))
            }
        };
        let pages = Pages::new(opened, before.len());
        let footer = ArrowReaderMetadata::load(&pages, options());
        let footer = footer.map_err(|error| broken(&file.name, &error))?;
        let untyped = untyped(&footer).map_err(|error| broken(&file.name, &error))?;
        Ok(Self { name: file.name.clone(), pages, before, stamp, hash, footer, untyped })
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

    /// Whether a field's moments have 96 bits, which nanoseconds of 64 may not hold.
    pub(super) fn is_int96(&self, field: usize) -> bool {
        schema::is_int96(&self.descriptor().root_schema().get_fields()[field])
            && *self.fields()[field].data_type() == schema::NANOSECONDS
    }

    /// Its row groups, in the order of its rows.
    pub(super) fn groups(&self) -> &[RowGroupMetaData] {
        self.footer.metadata().row_groups()
    }

    /// A reader in which texts are bytes, and moments of 96 bits among the fields `as_micros` are microseconds.
    pub(super) fn reader(&self, as_micros: &[usize]) -> Result<ParquetRecordBatchReaderBuilder<Pages>> {
        let footer =
            if as_micros.is_empty() { Ok(self.untyped.clone()) } else { self.with_micros(as_micros) };
        let footer = footer.map_err(|error| self.broken(&error))?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(self.pages.clone(), footer))
    }

    fn with_micros(&self, moments: &[usize]) -> Result<ArrowReaderMetadata, ParquetError> {
        let fields = self.untyped.schema().fields().iter().enumerate().map(|(index, field)| {
            if moments.contains(&index) {
                Arc::new(Field::clone(field).with_data_type(schema::MICROSECONDS))
            } else {
                Arc::clone(field)
            }
        });
        let types = Schema::new(fields.collect::<Vec<_>>());
        ArrowReaderMetadata::try_new(
            Arc::clone(self.untyped.metadata()),
            options().with_schema(Arc::new(types)),
        )
    }

    /// What the file is, by reading all of it; none where `stop` came before the end.
    pub(super) fn state(&self, stop: &AtomicBool) -> Result<Option<FileState>> {
        let hash = match &self.hash {
            Some(hash) => Some(hash.clone()),
            None => self.hash(stop).map_err(|error| unreadable(&self.name, &error))?,
        };
        Ok(hash.map(|hash| FileState {
            path: self.name.clone(),
            size: self.before.len(),
            hash,
            stamp: self.stamp.clone(),
        }))
    }

    fn hash(&self, stop: &AtomicBool) -> io::Result<Option<String>> {
        let mut hash = blake3::Hasher::new();
        let mut bytes = self.pages.from(0);
        while !stop.load(Ordering::Relaxed) {
            let before = hash.count();
            hash.update_reader(bytes.by_ref().take(BLOCK as u64))?;
            if hash.count() == before {
                return Ok(Some(hash.finalize().to_hex().to_string()));
            }
        }
        Ok(None)
    }

    /// An error where the file is not what it was when it was opened.
    pub(super) fn assert_unchanged(&self) -> Result<()> {
        let now = self.pages.file().metadata().map_err(|error| unreadable(&self.name, &error))?;
        if now.len() == self.before.len() && stamp::of(&now) == stamp::of(&self.before) {
            return Ok(());
        }
        let message = format!("file `{}` has changed while it was read", self.name);
        Err(Error::new(ErrorKind::SourceUnreachable, message)
            .hint("Run again once it is whole. Files are best moved into place."))
    }

    pub(super) fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        broken(&self.name, error)
    }
}

fn fetch(download: &mut Download, scratch: &Path) -> io::Result<(File, Metadata, String)> {
    std::fs::create_dir_all(scratch)?;
    let mut file = tempfile::tempfile_in(scratch)?;
    let mut hash = blake3::Hasher::new();
    let mut block = vec![0; BLOCK];
    loop {
        let n = download.read(&mut block)?;
        if n == 0 {
            let metadata = file.metadata()?;
            return Ok((file, metadata, hash.finalize().to_hex().to_string()));
        }
        hash.update(&block[..n]);
        file.write_all(&block[..n])?;
    }
}

/// The same file, whose texts are bytes.
fn untyped(footer: &ArrowReaderMetadata) -> Result<ArrowReaderMetadata, ParquetError> {
    let own = footer.metadata();
    let about = own.file_metadata();
    let types = SchemaDescriptor::new(Arc::new(schema::untyped(about.schema())?));
    let about = FileMetaData::new(
        about.version(),
        about.num_rows(),
        about.created_by().map(str::to_owned),
        None,
        Arc::new(types),
        None,
    );
    let metadata = ParquetMetaDataBuilder::new(about).set_row_groups(own.row_groups().to_vec()).build();
    ArrowReaderMetadata::try_new(Arc::new(metadata), options())
}

/// The types are Parquet's own: what a program of Arrow's has written beside them says nothing that is needed.
fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is not good Parquet"))
        .caused_by(error)
        .hint("If it is a file of Parquet, it is damaged or not whole, or packed in a way that is not read: fetch it again.")
}
