//! A source whose streams are files of records without a schema.

use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use millrace_core::cursor::Cursor;
use millrace_core::project::settings::Settings;
use millrace_core::schema::StreamSchema;
use millrace_engine::batch::BatchSender;
use millrace_engine::diagnosis::Diagnosis;
use millrace_engine::error::Result;
use millrace_engine::source::{Discovered, ReadOutcome, ReadRequest, Source, SourceContext, StreamRequest};

use crate::files::Limits;
use crate::files::doctor::diagnose;
use crate::files::fields::{Loader, Profiler, Records};
use crate::files::input::{Input, blocking, position};
use crate::files::paths::files;
use crate::files::pieces::{self, Cut, Shared};
use crate::files::window::Window;

/// Bytes at the beginning of a stream from which its columns are guessed.
const GLANCE: usize = 4 << 20;

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
}

/// Hands over every record of a file, by several threads where that can be.
pub(crate) fn walk<F: Format, R: Read, S: Shared>(
    format: F,
    settings: &Settings,
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
) -> Result<()> {
    match format.begin(settings, window, limits, records)? {
        Some(cut) => pieces::walk(&cut, window, limits, records),
        None => format.walk(settings, window, limits, records),
    }
}

/// The columns as so many bytes at the beginning of a file suggest. None where the format has no place to cut there.
pub(crate) fn glance<F: Format, R: Read>(
    format: F,
    settings: &Settings,
    window: &mut Window<R>,
    limits: Limits,
    bytes: usize,
) -> Result<Option<StreamSchema>> {
    let mut profiler = Profiler::default();
    let Some(cut) = format.begin(settings, window, limits, &mut profiler)? else { return Ok(None) };
    while window.rest().len() < bytes && window.fill()? {}
    let whole = if window.ended() {
        cut.walk_rest(window, limits, &mut profiler)?;
        true
    } else {
        let Some(length) = cut.cut(window.rest()).filter(|length| *length > 0) else { return Ok(None) };
        let line = window.line();
        let piece = window.cut(length, Vec::new());
        cut.walk_piece(&mut Window::of_piece(window.name(), piece, line), limits, &mut profiler)?
    };
    Ok(whole.then(|| profiler.schema()))
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

    /// Reads all files of a stream and runs `work` with what they hold.
    async fn walk<S: Shared + 'static, T: Send + 'static>(
        &self,
        stream: &StreamRequest,
        mut records: S,
        work: impl FnOnce(S, Cursor) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let settings = stream.settings.or(&self.settings);
        let (project_dir, format, limits) = (self.context.project_dir.clone(), self.format, self.limits);
        blocking(move || {
            let mut states = Vec::new();
            for file in files(&project_dir, &settings)? {
                let mut window = Window::new(&file.name, Input::open(&file)?, limits.block)?;
                walk(format, &settings, &mut window, limits, &mut records)?;
                // The hash is of the very bytes that were read, whatever became of the file since.
                states.push(window.into_reader().finish()?);
            }
            work(records, Cursor::Files { files: states })
        })
        .await
    }
}

#[async_trait]
impl<F: Format> Source for FileSource<F> {
    fn discovers_by_reading(&self) -> bool {
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
        let (project_dir, format, limits) = (self.context.project_dir.clone(), self.format, self.limits);
        blocking(move || {
            let files = files(&project_dir, &settings)?;
            let Some(file) = files.first() else { return Ok(None) };
            let mut window = Window::new(&file.name, Input::open(file)?, limits.block)?;
            glance(format, &settings, &mut window, limits, GLANCE)
        })
        .await
    }

    async fn discover(&self, stream: &StreamRequest) -> Result<Discovered> {
        self.walk(stream, Profiler::default(), |profiler, cursor| {
            Ok(Discovered { schema: profiler.schema(), position: Some(cursor) })
        })
        .await
    }

    async fn position(&self, stream: &StreamRequest, last: &Cursor) -> Result<Option<Cursor>> {
        let settings = stream.settings.or(&self.settings);
        let project_dir = self.context.project_dir.clone();
        let last = last.clone();
        blocking(move || Ok(Some(position(&files(&project_dir, &settings)?, &last)?))).await
    }

    async fn read(&self, request: ReadRequest, batches: BatchSender) -> Result<ReadOutcome> {
        let loader = Loader::new(&request, batches, self.limits);
        self.walk(&request.stream, loader, |loader, cursor| {
            loader.finish()?;
            Ok(ReadOutcome { cursor: Some(cursor), conversions: Vec::new() })
        })
        .await
    }
}
