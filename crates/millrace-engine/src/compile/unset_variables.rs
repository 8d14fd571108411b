//! A wrapper for sources whose settings lack an environment variable. It does no I/O, because the
//! rest of the settings (a URL without its password, say) must not be used.

use std::sync::Arc;

use async_trait::async_trait;
use millrace_core::cursor::Cursor;
use millrace_core::diagnostic::has_errors;
use millrace_core::project::source_file::SourceDef;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::batch::BatchSender;
use crate::ports::diagnosis::{Diagnosis, Layer};
use crate::ports::source::{Discovered, ReadOutcome, ReadRequest, Source, StreamRequest};

/// The source itself, or, if a `${NAME}` in its file is not set, a wrapper that fails with
/// `UnsetVariable` on every method that would contact the source.
pub(crate) fn guarded(source: Arc<dyn Source>, def: &SourceDef) -> Arc<dyn Source> {
    if !has_errors(&def.unset) {
        return source;
    }
    let why = def.unset.first().map(|diagnostic| (diagnostic.message.clone(), diagnostic.hint.clone()));
    let (message, hint) = why.unwrap_or_default();
    let error = Error::new(ErrorKind::UnsetVariable, message);
    Arc::new(Unset { source, error: hint.into_iter().fold(error, Error::hint) })
}

/// A source that answers only from its settings; every other call fails with `error`.
struct Unset {
    source: Arc<dyn Source>,
    error: Error,
}

#[async_trait]
impl Source for Unset {
    fn discovers_by_reading(&self) -> bool {
        self.source.discovers_by_reading()
    }

    fn discovers_at_once(&self, stream: &StreamRequest) -> bool {
        self.source.discovers_at_once(stream)
    }

    fn is_local(&self, stream: &StreamRequest) -> bool {
        self.source.is_local(stream)
    }

    fn reads(&self, stream: &StreamRequest) -> Option<String> {
        self.source.reads(stream)
    }

    fn appends(&self) -> bool {
        self.source.appends()
    }

    fn reads_by_key(&self) -> bool {
        self.source.reads_by_key()
    }

    async fn diagnose(&self, _streams: &[StreamRequest]) -> Diagnosis {
        let mut found = Diagnosis::default();
        found.failed(Layer::Settings, &self.error);
        found
    }

    async fn streams(&self) -> Result<Vec<String>> {
        Err(self.error.clone())
    }

    fn has_views(&self) -> bool {
        self.source.has_views()
    }

    async fn views(&self) -> Result<Vec<String>> {
        Err(self.error.clone())
    }

    async fn discover(&self, _stream: &StreamRequest) -> Result<Discovered> {
        Err(self.error.clone())
    }

    async fn position(&self, _stream: &StreamRequest, _last: &Cursor) -> Result<Option<Cursor>> {
        Err(self.error.clone())
    }

    async fn read(&self, _request: ReadRequest, _batches: BatchSender) -> Result<ReadOutcome> {
        Err(self.error.clone())
    }
}
