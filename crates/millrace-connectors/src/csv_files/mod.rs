//! CSV files (RFC 4180): one record a line; line feeds are allowed within quoted fields.
//!
//! An empty field is NULL. An empty field in quotes is an empty text in a text column and NULL in
//! any other column. Blank lines are skipped. `header` reads the beginning of a file, `records`
//! finds the fields of one record, `walk` hands records over and decides which ones go to
//! quarantine, and `broken_quote` decides whether reading can continue after a broken quote.

mod broken_quote;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod header;
mod records;
mod settings;
#[cfg(test)]
mod tests;
mod walk;

use std::io::Read;
use std::sync::Arc;

use millrace_core::project::column_words::TYPES;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec, MapSpec};
use millrace_engine::error::Result;
use millrace_engine::ports::registry::SourceConnector;
use millrace_engine::ports::source::{Source, SourceContext};

use crate::csv_files::settings::CsvSettings;
use crate::csv_files::walk::Rows;
use crate::files::Limits;
use crate::files::encoding::ENCODING;
use crate::files::fields::Records;
use crate::files::paths::PATH;
use crate::files::remote::{CONNECTION_KEYS, HEADERS, S3};
use crate::files::source::{FileSource, Format, SAMPLE};
use crate::files::window::Window;

/// The keys of `type: csv`, in a source and in a stream.
static CSV: MapSpec = MapSpec {
    doc: "`type: csv`: files of separated values.",
    keys: &[
        PATH,
        HEADERS,
        S3,
        KeySpec::optional(
            "delimiter",
            KeyKind::Text,
            "The character between fields: `,` by default; `\\t` means a tab.",
        ),
        KeySpec::optional(
            "quote",
            KeyKind::Text,
            "The character around fields: `\"` by default. Within a field it is doubled.",
        ),
        KeySpec::optional(
            "header",
            KeyKind::Bool,
            "Whether the first line names the columns (`true` by default). Without it they are `c1`, `c2` and so on.",
        ),
        ENCODING,
        SAMPLE,
        TYPES,
        KeySpec::optional(
            "null",
            KeyKind::AnyOf(&[KeyKind::ListOf(&KeyKind::Text), KeyKind::Text]),
            "A text without quotes that means NULL, beside the empty one, or a list of them: `\"NULL\"` or `[\"NULL\", \"\\\\N\", \"-\"]`, say. With `\"\"` an empty text in quotes is NULL too, in columns of texts as well.",
        ),
    ],
};

/// The connector of `type: csv`.
#[derive(Debug, Clone, Copy)]
pub struct Csv;

impl SourceConnector for Csv {
    fn kind(&self) -> &'static str {
        "csv"
    }

    fn source_spec(&self) -> &'static MapSpec {
        &CSV
    }

    fn stream_spec(&self) -> &'static MapSpec {
        &CSV
    }

    fn connection_keys(&self) -> &'static [&'static str] {
        CONNECTION_KEYS
    }

    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>> {
        Ok(FileSource::shared(context, settings, *self))
    }
}

impl Format for Csv {
    type Cut = Rows;

    fn begin<R: Read, S: Records>(
        self,
        settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<Option<Rows>> {
        header::begin(CsvSettings::new(settings)?, window, limits, records)
    }

    fn walk<R: Read, S: Records>(
        self,
        _settings: &Settings,
        _window: &mut Window<R>,
        _limits: Limits,
        _records: &mut S,
    ) -> Result<()> {
        // Called only if `begin` found no record, so nothing is left to hand over.
        Ok(())
    }
}
