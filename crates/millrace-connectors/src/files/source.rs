//! A source whose streams are files of records without a schema.

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

/// The key under which sources and streams say how much of their files `capture` looks at.
pub(crate) const SAMPLE: KeySpec = KeySpec::optional(
    "sample",
    KeyKind::Integer(1, i64::MAX),
    "How many records `capture` looks at, from the first file on; all by default. A run still sees what the others have that is not captured.",
);

/// How a file is cut into records and these into cells.
pub(crate) trait Format: Copy + Send + Sync + 'static {
    /// How its records can be taken apart by several threads.
    type Cut: Cut;

    /// Hands over what stands before the first record, such as a header, where several threads can take what follows apart. None where one
    /// thread has to do it all, by [`Self::walk`]: then nothing was handed over.
    fn begin<R: Read, S: Records>(
        self,
        settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<Option<Self::Cut>>;

    /// Hands every record of a file to `records`, once, good or bad. An error where the file as a whole cannot be read.
    fn walk<R: Read, S: Records>(
        self,
        settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()>;

    /// Whether records are handed over as they stand in the file, so that a part of it says what the whole would.
    fn hands_over_as_is(self, _settings: &Settings) -> bool {
        true
    }

    /// Hands all records of a stream's files to `records`, and gives these back, also where it ends early.
    fn collect<S: Shared>(self, mut reading: Reading<'_>, mut records: S) -> (S, Result<Vec<FileState>>) {
        let walked = reading.walk(self, &mut records);
        (records, walked)
    }
}

/// Files of one stream, and how they are read.
pub(crate) struct Reading<'a> {
    pub(crate) settings: &'a Settings,
    /// Names of fields and columns that nobody wants.
    pub(crate) excluded: &'a LeftOut,
    /// The columns that are asked for; none where they are to be found out.
    pub(crate) wanted: Option<Vec<String>>,
    pub(crate) limits: Limits,
    /// Opens the files, one after the other.
    pub(crate) files: &'a mut dyn Iterator<Item = Result<Input>>,
}

impl Reading<'_> {
    /// Hands over all records of all files, and says what the files were.
    pub(crate) fn walk<F: Format, S: Shared>(
        &mut self,
        format: F,
        records: &mut S,
    ) -> Result<Vec<FileState>> {
        let mut states = Vec::new();
        while let Some(input) = self.files.next() {
            let input = input?;
            let watch = input.watch();
            states.push(self.file(format, input, records).map_err(|error| watch.cause(error))?);
        }
        Ok(states)
    }

    fn file<F: Format, S: Shared>(&self, format: F, input: Input, records: &mut S) -> Result<FileState> {
        let name = input.name().to_owned();
        let declared = declared(self.settings);
        let decoded = Decoded::new(&name, input, declared)?;
        let mut window = Window::new(&name, decoded, self.limits.block)?.in_encoding(declared);
        match format.begin(self.settings, &mut window, self.limits, records)? {
            Some(cut) => pieces::walk(&cut, &mut window, self.limits, records)?,
            None => format.walk(self.settings, &mut window, self.limits, records)?,
        }
        // The hash is of the very bytes that were read, whatever became of the file since.
        window.into_reader().into_inner().finish()
    }
}

/// How the beginning of a stream is looked at.
pub(crate) struct Glance<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) limits: Limits,
    /// How much of it is, about.
    pub(crate) bytes: usize,
    /// The stream's key.
    pub(crate) key: &'a [String],
}

/// The columns as the beginning of a file suggests. None where the format has no place to cut there.
pub(crate) fn glance<F: Format, R: Read>(
    format: F,
    window: &mut Window<R>,
    Glance { settings, limits, bytes, key }: Glance<'_>,
) -> Result<Option<StreamSchema>> {
    let mut profiler = Profiler::default().with_key(key);
    let Some(cut) = format.begin(settings, window, limits, &mut profiler)? else { return Ok(None) };
    while window.rest().len() < bytes && window.fill()? {}
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

/// The encoding that the project says files have, in the words of [`crate::files::encoding::ENCODING`].
fn declared(settings: &Settings) -> Option<&'static str> {
    let KeyKind::OneOf(words) = ENCODING.kind else { return None };
    let declared = settings.text(ENCODING.name)?;
    words.iter().find(|word| **word == declared).copied()
}

/// Files of one format.
pub(crate) struct FileSource<F> {
    context: SourceContext,
    settings: Settings,
    format: F,
    limits: Limits,
}

impl<F: Format> FileSource<F> {
    /// A source that touches nothing yet.
    pub(crate) fn shared(context: SourceContext, settings: &Settings, format: F) -> Arc<dyn Source> {
        Arc::new(Self { context, settings: settings.clone(), format, limits: Limits::default() })
    }

    /// The same with other limits.
    #[cfg(test)]
    pub(crate) fn limited(
        context: SourceContext,
        settings: &Settings,
        format: F,
        limits: Limits,
    ) -> Arc<dyn Source> {
        Arc::new(Self { context, settings: settings.clone(), format, limits })
    }

    /// Goes through the files of a stream, and runs `work` with what they hold.
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

/// How the files of a stream are gone through.
struct Walk<S> {
    /// Takes the records.
    records: S,
    /// The columns that are asked for; none where they are to be found out.
    wanted: Option<Vec<String>>,
    limits: Limits,
    /// Where the load before ended, which says which files are to be read; none for all.
    last: Option<Cursor>,
    /// What the files were when their columns were worked out, where that has to be the same.
    seen: Option<Cursor>,
}

impl<S> Walk<S> {
    /// Through all files, to find out the columns.
    fn through_all(records: S, limits: Limits) -> Self {
        Self { records, wanted: None, limits, last: None, seen: None }
    }
}

/// What has been read of a stream.
struct Walked {
    /// Where it ended.
    cursor: Cursor,
    /// Whether files were left out that an earlier load has read.
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

    /// Files have no names for streams; a source with a path of its own is one stream with the source's name.
    async fn streams(&self) -> Result<Vec<String>> {
        Ok(self.settings.text("path").map(|_| self.context.name.clone()).into_iter().collect())
    }

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
        // By one thread, so that it is the first ones on every machine.
        let limits = Limits { threads: 1, ..self.limits };
        let name = StreamName::new(&self.context.name, &stream.stream);
        let walk = Walk::through_all(Profiler::sampling(records).with_key(&stream.key), limits);
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
