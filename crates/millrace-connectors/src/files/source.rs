//! The [`Source`] implementation shared by formats whose files are records without a schema (JSON,
//! NDJSON, CSV).
//!
//! A connector supplies a [`Format`], which cuts a file into records and each record into cells.
//! [`FileSource`] does the rest: it selects the files of a load, opens, unpacks, hashes and decodes
//! each, and passes the records to a [`Records`] sink. The sink is a [`Profiler`] when columns are
//! discovered and a [`Loader`] when rows are read. All of it runs on a thread that may block.
//!
//! A read fails with `SourceChanged` if a file changes while it is read, or if it differs from the
//! file that its columns were discovered from.

use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use millrace_core::cursor::{Cursor, FileState};
use millrace_core::name::StreamName;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_core::schema::StreamSchema;
use millrace_engine::error::Result;
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::diagnosis::Diagnosis;
use millrace_engine::ports::source::{
    Discovered, ReadOutcome, ReadRequest, Source, SourceContext, StreamRequest,
};

use crate::files::doctor::diagnose;
use crate::files::encoding::{Decoded, ENCODING};
use crate::files::fields::{Loader, Records};
use crate::files::here::{self, are_here};
use crate::files::input::{Input, blocking};
use crate::files::paths::matching;
use crate::files::pieces::{self, Cut, Shared};
use crate::files::profiler::Profiler;
use crate::files::selection::{Selection, position};
use crate::files::watch::assert_as_seen;
use crate::files::window::Window;
use crate::files::{Limits, partitions};

/// Bytes at the beginning of a stream from which its columns are guessed.
const GLANCE: usize = 2 << 20;

/// The key `sample` of sources and streams: how many records `capture` looks at.
pub(crate) const SAMPLE: KeySpec = KeySpec::optional(
    "sample",
    KeyKind::Integer(1, i64::MAX),
    "How many records `capture` looks at, from the first file on; all by default. A run still sees what the others have that is not captured.",
);

/// How a file is cut into records, and a record into cells.
pub(crate) trait Format: Copy + Send + Sync + 'static {
    /// How several threads can split the records of one file among themselves.
    type Cut: Cut;

    /// Hands over what stands before the first record, such as a header, and returns the cutter by
    /// which several threads can read the rest. Returns `None` if one thread has to read the whole
    /// file by [`Self::walk`]; nothing was handed over in that case.
    fn begin<R: Read, S: Records>(
        self,
        settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<Option<Self::Cut>>;

    /// Hands every record of a file to `records` exactly once, good or bad. Fails if the file as a
    /// whole cannot be read.
    fn walk<R: Read, S: Records>(
        self,
        settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()>;

    /// Whether records are handed over as they stand in the file. Only then do the first bytes of a
    /// file show the columns that the whole file has.
    fn hands_over_as_is(self, _settings: &Settings) -> bool {
        true
    }

    /// Hands all records of a stream's files to `records`. Returns `records` even if the walk
    /// failed, together with the result of the walk.
    fn collect<S: Shared>(self, mut reading: Reading<'_>, mut records: S) -> (S, Result<Vec<FileState>>) {
        let walked = reading.walk(self, &mut records);
        (records, walked)
    }
}

/// The files of one stream, and how they are read.
pub(crate) struct Reading<'a> {
    pub(crate) settings: &'a Settings,
    /// Names of fields and columns that the project excludes.
    pub(crate) excluded: &'a LeftOut,
    /// The columns to load; `None` if the walk is to discover them.
    pub(crate) wanted: Option<Vec<String>>,
    pub(crate) limits: Limits,
    /// Opens the files one after the other.
    pub(crate) files: &'a mut dyn Iterator<Item = Result<Input>>,
}

impl Reading<'_> {
    /// Hands over all records of all files, and returns what each file was when it was read.
    pub(crate) fn walk<F: Format, S: Shared>(
        &mut self,
        format: F,
        records: &mut S,
    ) -> Result<Vec<FileState>> {
        let mut states = Vec::new();
        while let Some(input) = self.files.next() {
            let input = input?;
            let watch = input.watch();
            // A write during the read may have caused the error of the format; that is reported
            // instead.
            states.push(self.file(format, input, records).map_err(|error| watch.cause(error))?);
        }
        Ok(states)
    }

    /// Reads one file to its end: decodes it, hands its records over, and returns its size, hash
    /// and stamp.
    fn file<F: Format, S: Shared>(&self, format: F, input: Input, records: &mut S) -> Result<FileState> {
        let name = input.name().to_owned();
        let declared = declared(self.settings);
        let decoded = Decoded::new(&name, input, declared)?;
        let mut window = Window::new(&name, decoded, self.limits.block)?.in_encoding(declared);
        match format.begin(self.settings, &mut window, self.limits, records)? {
            Some(cut) => pieces::walk(&cut, &mut window, self.limits, records)?,
            None => format.walk(self.settings, &mut window, self.limits, records)?,
        }
        // The hash is computed over the bytes that were read, whatever happens to the file
        // afterwards.
        window.into_reader().into_inner().finish()
    }
}

/// How the beginning of a stream is read by [`glance`].
pub(crate) struct Glance<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) limits: Limits,
    /// Approximate number of bytes to read.
    pub(crate) bytes: usize,
    /// The columns of the stream's key.
    pub(crate) key: &'a [String],
}

/// Guesses the columns of a stream from the beginning of a file. Returns `None` if the format
/// cannot be cut into pieces, or if no cut between two records is found in the bytes that were
/// read.
pub(crate) fn glance<F: Format, R: Read>(
    format: F,
    window: &mut Window<R>,
    Glance { settings, limits, bytes, key }: Glance<'_>,
) -> Result<Option<StreamSchema>> {
    let mut profiler = Profiler::default().with_key(key);
    let Some(cut) = format.begin(settings, window, limits, &mut profiler)? else { return Ok(None) };
    while window.rest().len() < bytes && window.fill()? {}
    // A file that ends within these bytes is profiled as a whole, up to its last record.
    let whole = if window.ended() {
        cut.walk_rest(window, limits, &mut profiler)?;
        true
    } else {
        let Some(length) = cut.cut(window.rest()).filter(|length| *length > 0) else { return Ok(None) };
        let line = window.line();
        let piece = window.cut(length, Vec::new());
        let file = (window.name(), window.encoding());
        cut.walk_piece(&mut Window::of_piece(file, piece, line), limits, &mut profiler)?
    };
    Ok(whole.then(|| profiler.schema()))
}

/// The encoding that the project declares, as the static word that
/// [`crate::files::encoding::ENCODING`] lists. The static lifetime lets threads and refusals share
/// it without a copy.
fn declared(settings: &Settings) -> Option<&'static str> {
    let KeyKind::OneOf(words) = ENCODING.kind else { return None };
    let declared = settings.text(ENCODING.name)?;
    words.iter().find(|word| **word == declared).copied()
}

/// A source of files of one format.
pub(crate) struct FileSource<F> {
    context: SourceContext,
    settings: Settings,
    format: F,
    limits: Limits,
}

impl<F: Format> FileSource<F> {
    /// Makes a source; opens no file yet.
    pub(crate) fn shared(context: SourceContext, settings: &Settings, format: F) -> Arc<dyn Source> {
        Arc::new(Self { context, settings: settings.clone(), format, limits: Limits::default() })
    }

    /// Makes a source with other limits, so that tests meet every block and batch border.
    #[cfg(test)]
    pub(crate) fn limited(
        context: SourceContext,
        settings: &Settings,
        format: F,
        limits: Limits,
    ) -> Arc<dyn Source> {
        Arc::new(Self { context, settings: settings.clone(), format, limits })
    }

    /// Selects the files of a stream, hands their records to `walk.records`, and then calls `work`
    /// with that sink and the outcome. Runs on a blocking thread. Fails with `SourceChanged` if
    /// `walk.seen` is given and the files are not the ones that it describes.
    async fn walk<S: Shared + 'static, T: Send + 'static>(
        &self,
        stream: &StreamRequest,
        walk: Walk<S>,
        work: impl FnOnce(S, Result<Walked>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Walk { records, wanted, limits, last, seen } = walk;
        let settings = stream.settings.or(&self.settings);
        let (project_dir, mode, excluded) =
            (self.context.project_dir.clone(), stream.mode, stream.excluded.clone());
        let format = self.format;
        blocking(move || {
            let selection = Selection::of(&project_dir, &settings, mode, last.as_ref())?;
            let files = &mut selection.read.iter().map(Input::open);
            let reading = Reading { settings: &settings, excluded: &excluded, wanted, limits, files };
            let (records, states) = format.collect(reading, records);
            let is_part = selection.is_part();
            let states = states.and_then(|states| {
                assert_as_seen(&states, seen.as_ref())?;
                Ok(Walked { cursor: selection.cursor(states), is_part })
            });
            work(records, states)
        })
        .await
    }
}

/// The parameters of one walk over the files of a stream.
struct Walk<S> {
    /// The sink for the records.
    records: S,
    /// The columns to load; `None` if the walk is to discover them.
    wanted: Option<Vec<String>>,
    limits: Limits,
    /// The checkpoint of the previous load, which decides which files are read; `None` reads all
    /// files.
    last: Option<Cursor>,
    /// What the files were when their columns were discovered, if they must not have changed since.
    seen: Option<Cursor>,
}

impl<S> Walk<S> {
    /// A walk over all files that discovers the columns.
    fn through_all(records: S, limits: Limits) -> Self {
        Self { records, wanted: None, limits, last: None, seen: None }
    }
}

/// The outcome of a walk.
struct Walked {
    /// The position after the last file.
    cursor: Cursor,
    /// Whether files of an earlier load were skipped.
    is_part: bool,
}

#[async_trait]
impl<F: Format> Source for FileSource<F> {
    fn discovers_by_reading(&self) -> bool {
        true
    }

    fn is_local(&self, stream: &StreamRequest) -> bool {
        are_here(&stream.settings.or(&self.settings))
    }

    async fn stamp(&self, stream: &StreamRequest) -> Option<String> {
        here::stamp(self.context.project_dir.clone(), stream.settings.or(&self.settings)).await
    }

    fn appends(&self) -> bool {
        true
    }

    async fn diagnose(&self, streams: &[StreamRequest]) -> Diagnosis {
        diagnose(self.context.project_dir.clone(), &self.settings, streams).await
    }

    /// Files do not name streams. A source with a `path` of its own has one stream, named like the
    /// source.
    async fn streams(&self) -> Result<Vec<String>> {
        Ok(self.settings.text("path").map(|_| self.context.name.clone()).into_iter().collect())
    }

    /// Only the first file is read, and only its first `GLANCE` bytes.
    async fn glance(&self, stream: &StreamRequest) -> Result<Option<StreamSchema>> {
        let settings = stream.settings.or(&self.settings);
        if !self.format.hands_over_as_is(&settings) {
            return Ok(None);
        }
        let (project_dir, format, limits) = (self.context.project_dir.clone(), self.format, self.limits);
        let key = stream.key.clone();
        blocking(move || {
            let files = matching(&project_dir, &settings)?;
            let Some(file) = files.first() else { return Ok(None) };
            let declared = declared(&settings);
            let decoded = Decoded::new(&file.name, Input::open(file)?, declared)?;
            let mut window = Window::new(&file.name, decoded, limits.block)?.in_encoding(declared);
            let how = Glance { settings: &settings, limits, bytes: GLANCE, key: &key };
            glance(format, &mut window, how)
        })
        .await
    }

    /// Reads all files from end to end, and adds a warning for each column that only folder names
    /// have.
    async fn discover(&self, stream: &StreamRequest) -> Result<Discovered> {
        let name = StreamName::new(&self.context.name, &stream.stream);
        let walk = Walk::through_all(Profiler::default().with_key(&stream.key), self.limits);
        self.walk(stream, walk, move |profiler, walked| {
            let position = Some(walked?.cursor);
            let mut discovered = profiler.discovered(&name);
            let notices = partitions::notices(&name, position.as_ref(), &discovered.schema.columns);
            discovered.notices.extend(notices);
            Ok(Discovered { position, ..discovered })
        })
        .await
    }

    async fn sample(&self, stream: &StreamRequest) -> Result<Option<Discovered>> {
        let settings = stream.settings.or(&self.settings);
        let Some(records) = settings.text(SAMPLE.name).and_then(|records| records.parse().ok()) else {
            return Ok(None);
        };
        // One thread, so that the sample holds the same first records on every machine.
        let limits = Limits { threads: 1, ..self.limits };
        let name = StreamName::new(&self.context.name, &stream.stream);
        let walk = Walk::through_all(Profiler::sampling(records).with_key(&stream.key), limits);
        // The profiler ends the walk with an error once it has seen enough; that is not a failure.
        self.walk(stream, walk, move |profiler, walked| match walked {
            Err(error) if !profiler.has_enough() => Err(error),
            _ => Ok(Some(profiler.discovered(&name))),
        })
        .await
    }

    async fn position(&self, stream: &StreamRequest, last: &Cursor) -> Result<Option<Cursor>> {
        position(&self.context, stream.settings.or(&self.settings), last.clone()).await
    }

    async fn read(&self, request: ReadRequest, batches: BatchSender) -> Result<ReadOutcome> {
        let walk = Walk {
            records: Loader::new(&request, batches, self.limits),
            wanted: Some(request.columns.iter().map(|column| column.name.clone()).collect()),
            limits: self.limits,
            last: request.cursor,
            seen: request.seen,
        };
        self.walk(&request.stream, walk, |loader, walked| {
            let walked = walked?;
            let notices = loader.finish(walked.is_part)?;
            Ok(ReadOutcome { cursor: Some(walked.cursor), conversions: Vec::new(), how: None, notices })
        })
        .await
    }
}
