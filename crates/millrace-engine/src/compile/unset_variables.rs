//! A source whose settings lack a variable: nobody is asked with what is left of them, such as a URL without its password.

use std::sync::Arc;

use async_trait::async_trait;
use millrace_core::cursor::Cursor;
use millrace_core::diagnostic::has_errors;
use millrace_core::project::source_file::SourceDef;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::batch::BatchSender;
use crate::ports::diagnosis::{Diagnosis, Layer};
use crate::ports::source::{Discovered, ReadOutcome, ReadRequest, Source, StreamRequest};

/// The source itself, or where a `${NAME}` of its file is not set, one that refuses each question about what is outside.
pub(crate) fn guarded(source: Arc<dyn Source>, def: &SourceDef) -> Arc<dyn Source> {
    if !has_errors(&def.unset) {
        return source;
    }
    let why = def.unset.first().map(|diagnostic| (diagnostic.message.clone(), diagnostic.hint.clone()));
    let (message, hint) = why.unwrap_or_default();
    let error = Error::new(ErrorKind::UnsetVariable, message);
    Arc::new(Unset { source, error: hint.into_iter().fold(error, Error::hint) })
}

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
