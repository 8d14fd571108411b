//! An open Parquet file: its footer, its columns, its hash.
//!
//! A remote file is downloaded into a nameless temporary file to be read; for discovery only its
//! end is fetched. A footer is checked by [`footer`] before the `parquet` library parses it, and
//! the library's panics are turned into errors ([`guarded`]), because a damaged file must not end
//! the process.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::ArrayRef;
use arrow_schema::{DataType as ArrowType, Field, Schema};
use bytes::Bytes;
use millrace_core::cursor::{Cursor, FileState};
use millrace_core::project::column_choice::LeftOut;
use millrace_core::schema::{Column, DataType};
use millrace_engine::error::{Error, ErrorKind, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::reader::{ChunkReader as _, Length as _};
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::files::input::{open_file, unreadable};
use crate::files::input_file::{InputFile, Place};
use crate::files::remote::{Download, Object, Tail};
use crate::files::watch::{Watch, assert_as_seen};
use crate::parquet_files::columns::FileColumn;
use crate::parquet_files::pages::Pages;
use crate::parquet_files::{footer, schema};

/// Bytes that are hashed or downloaded at a time.
const BLOCK: usize = 1 << 20;
/// Bytes that are fetched first from the end of a remote file: most footers are within them.
const END: u64 = 64 << 10;

/// An open file whose footer was parsed.
pub(super) struct ParquetFile {
    name: String,
    pages: Pages,
    /// Size in bytes.
    size: u64,
    /// Detects whether the file changed since it was opened.
    watch: Watch,
    /// The hash of a remote file, taken during the download. `None` for a local file.
    hash: Option<String>,
    /// The footer with the file's own types.
    footer: ArrowReaderMetadata,
    /// The footer with bytes in the place of texts. The file is read with this one.
    untyped: ArrowReaderMetadata,
}

/// The columns of a file, and its mark for a later comparison. An excluded column may be of any
/// type; one that cannot be read is listed as text. Of a remote file only the end is fetched, if
/// the server supports range requests.
pub(super) fn columns(
    file: &InputFile,
    scratch: &Path,
    excluded: &LeftOut,
) -> Result<(Vec<FileColumn>, FileState)> {
    let end = match &file.place {
        Place::Disk(_) => None,
        Place::Remote(object) => end(&file.name, object)?
            .map(|(footer, etag)| (footer, Watch::remote(&file.name, object, etag.as_deref()).mark())),
    };
    let (footer, mark) = match end {
        Some(found) => found,
        None => {
            let opened = ParquetFile::open(file, scratch)?;
            let mark = opened.watch.mark();
            (opened.footer, mark)
        }
    };
    let root = footer.parquet_schema().root_schema();
    schema::assert_distinct(&file.name, root, excluded)?;
    // An excluded column of an unreadable type is listed as text, so that its name stays known.
    let column = |(field, own): (&Arc<Field>, &Arc<Type>)| {
        let is_null = *field.data_type() == ArrowType::Null;
        match schema::column(&file.name, field, own) {
            Err(_) if excluded.contains(field.name()) => {
                let name = field.name().clone();
                let column = Column { name, data_type: DataType::Text, nullable: true };
                Ok(FileColumn { column, is_null: true })
            }
            column => Ok(FileColumn { column: column?, is_null }),
        }
    };
    let columns =
        footer.schema().fields().iter().zip(root.get_fields()).map(column).collect::<Result<_>>()?;
    Ok((columns, mark))
}

/// Fetches the footer of a remote file, and the file's `ETag`. Returns `None` if the server does not
/// support range requests, and an error if the footer is broken.
fn end(name: &str, object: &Object) -> Result<Option<(ArrowReaderMetadata, Option<String>)>> {
    let mut wanted = END;
    loop {
        let Some(Tail { bytes: end, size, etag }) = object.end(wanted)? else { return Ok(None) };
        let footer_of = |end: &[u8]| {
            let length = footer::length(end)?;
            let from = end.len().checked_sub(footer::END + length)?;
            footer::wrong(&end[from..end.len() - footer::END])
        };
        if let Some(wrong) = footer_of(&end) {
            return Err(broken(name, &wrong));
        }
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&Bytes::from(end), size) {
            // The library says how many bytes it needs. If it is no more than there were, the file
            // is broken.
            Err(ParquetError::NeedMoreData(needed)) if needed as u64 > wanted => wanted = needed as u64,
            Err(error) => return Err(broken(name, &error)),
            Ok(()) => {
                let footer = guarded(name, || typed(&reader.finish()?, |root| Ok(root.clone())))?;
                return Ok(Some((footer, etag)));
            }
        }
    }
}

impl ParquetFile {
    /// Opens a file and parses its footer. A remote file is downloaded into the folder `scratch`,
    /// as a file without a name that is gone with this object.
    pub(super) fn open(file: &InputFile, scratch: &Path) -> Result<Self> {
        let (opened, size, watch, hash) = match &file.place {
            Place::Disk(path) => {
                let (opened, before) = open_file(&file.name, path)?;
                let opened = Arc::new(opened);
                let watch = Watch::disk(file, Arc::clone(&opened), &before);
                (opened, before.len(), watch, None)
            }
            Place::Remote(object) => {
                let (mut download, etag) = object.open()?;
                let (fetched, size, hash) =
                    fetch(&mut download, scratch).map_err(|error| unreadable(&file.name, &error))?;
                let watch = Watch::remote(&file.name, object, etag.as_deref());
                // The object may have changed during the download.
                watch.assert_unchanged(&hash)?;
                (Arc::new(fetched), size, watch, Some(hash))
            }
        };
        let pages = Pages::new(opened, size);
        assert_readable(&file.name, &pages).map_err(|error| watch.cause(error))?;
        // Parsed once, and given two sets of types.
        let footers = guarded(&file.name, || {
            let own = ParquetMetaDataReader::new().parse_and_finish(&pages)?;
            Ok::<_, ParquetError>((typed(&own, |root| Ok(root.clone()))?, typed(&own, schema::untyped)?))
        });
        let (footer, untyped) = footers.map_err(|error| watch.cause(error))?;
        Ok(Self { name: file.name.clone(), pages, size, watch, hash, footer, untyped })
    }

    /// The name of the file, relative to the project folder.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The top-level fields, with Arrow's types.
    pub(super) fn fields(&self) -> &[Arc<Field>] {
        self.footer.schema().fields()
    }

    /// The schema in Parquet's own types.
    pub(super) fn descriptor(&self) -> &SchemaDescriptor {
        self.footer.parquet_schema()
    }

    /// Whether a field is a timestamp of type INT96, which may overflow nanoseconds of 64 bits.
    pub(super) fn is_int96(&self, field: usize) -> bool {
        schema::is_int96(&self.descriptor().root_schema().get_fields()[field])
            && *self.fields()[field].data_type() == schema::NANOSECONDS
    }

    /// The row groups, in the order of their rows.
    pub(super) fn groups(&self) -> &[RowGroupMetaData] {
        self.footer.metadata().row_groups()
    }

    /// A reader in which texts are bytes, and the INT96 timestamps among the fields `as_millis` are
    /// milliseconds instead of nanoseconds.
    pub(super) fn reader(&self, as_millis: &[usize]) -> Result<ParquetRecordBatchReaderBuilder<Pages>> {
        let footer =
            if as_millis.is_empty() { Ok(self.untyped.clone()) } else { self.with_millis(as_millis) };
        let footer = footer.map_err(|error| self.broken(&error))?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(self.pages.clone(), footer))
    }

    /// Whether `holds` is true for each array of a field's values. Stops at the first that fails.
    pub(super) fn all_values(&self, field: usize, holds: impl Fn(&ArrayRef) -> bool) -> Result<bool> {
        let builder = self.reader(&[])?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), [field]);
        guarded(&self.name, || {
            let arrays = builder.with_projection(mask).build()?;
            for batch in arrays {
                if !batch?.columns().iter().all(&holds) {
                    return Ok::<_, ParquetError>(false);
                }
            }
            Ok(true)
        })
    }

    /// The footer for reading, with the fields `moments` as timestamps in milliseconds.
    fn with_millis(&self, moments: &[usize]) -> Result<ArrowReaderMetadata, ParquetError> {
        let fields = self.untyped.schema().fields().iter().enumerate().map(|(index, field)| {
            if moments.contains(&index) {
                Arc::new(Field::clone(field).with_data_type(schema::MILLISECONDS))
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

    /// The state of the file, with the hash of all its bytes. Returns `None` if `stop` was set
    /// before the end.
    pub(super) fn state(&self, stop: &AtomicBool) -> Result<Option<FileState>> {
        // A remote file was hashed while it was downloaded.
        let hash = match &self.hash {
            Some(hash) => Some(hash.clone()),
            None => self.hash(stop).map_err(|error| unreadable(&self.name, &error))?,
        };
        Ok(hash.map(|hash| FileState {
            path: self.name.clone(),
            size: self.size,
            hash,
            stamp: self.watch.stamp(),
        }))
    }

    /// The BLAKE3 hash of the file, in hexadecimal. Returns `None` if `stop` was set before the
    /// end.
    fn hash(&self, stop: &AtomicBool) -> io::Result<Option<String>> {
        let mut hash = blake3::Hasher::new();
        let mut bytes = self.pages.from(0);
        while !stop.load(Ordering::Relaxed) {
            // No more bytes than before: the end of the file.
            let before = hash.count();
            hash.update_reader(bytes.by_ref().take(BLOCK as u64))?;
            if hash.count() == before {
                return Ok(Some(hash.finalize().to_hex().to_string()));
            }
        }
        Ok(None)
    }

    /// Detects whether the file changed since it was opened.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Returns an error if the file is not the one whose columns were discovered (`seen`).
    pub(super) fn assert_as_seen(&self, seen: Option<&Cursor>) -> Result<()> {
        assert_as_seen(&[self.watch.mark()], seen)
    }

    /// The error about this file if its content is not valid Parquet.
    pub(super) fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        broken(&self.name, error)
    }
}

/// Downloads a file into a temporary file without a name. Returns it with its size in bytes and its
/// hash.
fn fetch(download: &mut Download, scratch: &Path) -> io::Result<(File, u64, String)> {
    std::fs::create_dir_all(scratch)?;
    let mut file = tempfile::tempfile_in(scratch)?;
    let mut hash = blake3::Hasher::new();
    let mut block = vec![0; BLOCK];
    loop {
        let n = download.read(&mut block)?;
        if n == 0 {
            let size = file.metadata()?.len();
            return Ok((file, size, hash.finalize().to_hex().to_string()));
        }
        hash.update(&block[..n]);
        file.write_all(&block[..n])?;
    }
}

/// Returns an error if the footer of a file must not be passed to the library.
fn assert_readable(name: &str, pages: &Pages) -> Result<()> {
    let size = pages.len();
    let part = |length: usize, before_end: usize| {
        let start = size.checked_sub((length + before_end) as u64)?;
        pages.get_bytes(start, length).ok()
    };
    // If the end of the file is not that of a Parquet file, the library reports it.
    let Some(length) = part(footer::END, 0).and_then(|end| footer::length(&end)) else { return Ok(()) };
    let wrong = part(length, footer::END).and_then(|footer| footer::wrong(&footer));
    wrong.map_or(Ok(()), |wrong| Err(broken(name, &wrong)))
}

/// Runs a function of the library and turns its errors and panics into errors about the file. The
/// library asserts some properties that a damaged file does not have. After a panic nothing that
/// the library made of the file is used again, which is why unwinding is safe here.
pub(super) fn guarded<T, E: std::fmt::Display>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(made) => made.map_err(|error| broken(name, &error)),
        Err(_) => Err(broken(name, &"its parts contradict each other")),
    }
}

/// Rebuilds a footer with the types that `types` makes of its schema. Groups without fields are
/// left out: they hold nothing, and the library drops them from what it reads. Returns an error if
/// the fields of the two schemas, Arrow's and Parquet's, do not correspond one to one.
fn typed(
    own: &ParquetMetaData,
    types: impl FnOnce(&Type) -> Result<Type, ParquetError>,
) -> Result<ArrowReaderMetadata, ParquetError> {
    let about = own.file_metadata();
    let root = match schema::without_empty_groups(about.schema())? {
        Some(root) => types(&root)?,
        None => Type::group_type_builder(about.schema().name()).build()?,
    };
    let types = SchemaDescriptor::new(Arc::new(root));
    let about = FileMetaData::new(
        about.version(),
        about.num_rows(),
        about.created_by().map(str::to_owned),
        None,
        Arc::new(types),
        None,
    );
    let metadata = ParquetMetaDataBuilder::new(about).set_row_groups(own.row_groups().to_vec()).build();
    let footer = ArrowReaderMetadata::try_new(Arc::new(metadata), options())?;
    let fields = footer.schema().fields().iter().map(|field| field.name().as_str());
    if fields.eq(footer.parquet_schema().root_schema().get_fields().iter().map(|own| own.name())) {
        return Ok(footer);
    }
    Err(ParquetError::General("its columns are of a kind that is not known".to_owned()))
}

/// Options of the library: take the types from the Parquet schema alone, and skip the Arrow schema
/// that some programs store in the file's metadata.
fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// The error about a file whose content is not valid Parquet.
fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is not good Parquet"))
        .caused_by(error)
        .hint("If it is a file of Parquet, it is damaged or not whole, or packed in a way that is not read: fetch it again.")
}
