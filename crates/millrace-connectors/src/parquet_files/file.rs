//! An open file: its footer, its columns, its hash.

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

/// Bytes that are hashed at a time.
const BLOCK: usize = 1 << 20;
/// Bytes at the end of a file of another machine that are asked for: footers of most files are within.
const END: u64 = 64 << 10;

/// A file whose footer was read.
pub(super) struct ParquetFile {
    name: String,
    pages: Pages,
    /// Bytes.
    size: u64,
    watch: Watch,
    /// Of a file that was fetched: hashed on the way.
    hash: Option<String>,
    footer: ArrowReaderMetadata,
    /// The same with bytes for texts, as the file is read.
    untyped: ArrowReaderMetadata,
}

/// The columns of a file. Those that nobody wants may be of any type; one that is not read stands there as text. Of a file of another machine
/// only the end is fetched, where the server hands out parts.
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

/// The footer of a file of another machine.
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
            // It says how much it needs: more than there was, or the file is no good.
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
    /// Opens a file. One of another machine is fetched into the folder `scratch`, where it has no name and ends with this object.
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
                watch.assert_unchanged(&hash)?;
                (Arc::new(fetched), size, watch, Some(hash))
            }
        };
        let pages = Pages::new(opened, size);
        assert_readable(&file.name, &pages).map_err(|error| watch.cause(error))?;
        let footers = guarded(&file.name, || {
            let own = ParquetMetaDataReader::new().parse_and_finish(&pages)?;
            Ok::<_, ParquetError>((typed(&own, |root| Ok(root.clone()))?, typed(&own, schema::untyped)?))
        });
        let (footer, untyped) = footers.map_err(|error| watch.cause(error))?;
        Ok(Self { name: file.name.clone(), pages, size, watch, hash, footer, untyped })
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

    /// Whether something is true of all values of a field, array by array.
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
            size: self.size,
            hash,
            stamp: self.watch.stamp(),
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

    /// What tells whether it is what it was when it was opened.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// An error where it is not what it was when its columns were looked at.
    pub(super) fn assert_as_seen(&self, seen: Option<&Cursor>) -> Result<()> {
        assert_as_seen(&[self.watch.mark()], seen)
    }

    pub(super) fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        broken(&self.name, error)
    }
}

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

/// An error where the footer of a file must not come before the library.
fn assert_readable(name: &str, pages: &Pages) -> Result<()> {
    let size = pages.len();
    let part = |length: usize, before_end: usize| {
        let start = size.checked_sub((length + before_end) as u64)?;
        pages.get_bytes(start, length).ok()
    };
    // A file without an end has no footer, and the library says so.
    let Some(length) = part(footer::END, 0).and_then(|end| footer::length(&end)) else { return Ok(()) };
    let wrong = part(length, footer::END).and_then(|footer| footer::wrong(&footer));
    wrong.map_or(Ok(()), |wrong| Err(broken(name, &wrong)))
}

/// What the library makes of a file. It asserts some of what a damaged one does not hold to; then nothing of it is used afterwards.
pub(super) fn guarded<T, E: std::fmt::Display>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(made) => made.map_err(|error| broken(name, &error)),
        Err(_) => Err(broken(name, &"its parts contradict each other")),
    }
}

/// A footer with other types, in which each field is one of the library's: groups without fields hold nothing, and are left out.
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

/// The types are Parquet's own: what a program of Arrow's has written beside them says nothing that is needed.
fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is not good Parquet"))
        .caused_by(error)
        .hint("If it is a file of Parquet, it is damaged or not whole, or packed in a way that is not read: fetch it again.")
}
