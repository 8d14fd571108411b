//! Backfill of rows whose keys the source has and the raw table lacks. They were committed later
//! than the cursor's lag, or after the stream was read. They are read by their keys. See ADR 0014.

use std::sync::Mutex;

use millrace_core::name::{Ident, Relation};
use millrace_core::project::source_file::ReadMode;
use millrace_core::schema::Column;
use millrace_core::visible::grouped;
use tokio::time::sleep;

use crate::compile::catalog::Stream;
use crate::error::{ErrorKind, Result};
use crate::load::columns;
use crate::load::sync::{LoadContext, StreamOutcome};
use crate::ports::keys::RowKeys;
use crate::ports::warehouse::{QueryLimits, Statement};
use crate::retry::while_lost;
use crate::state::raw_column::RawColumn;

/// The most rows that are read by their keys. If more are missing, a full refresh costs less.
const MOST: usize = 10_000;

/// The rows of one stream that a comparison of keys found missing.
pub(crate) struct MissingRows<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) context: &'a LoadContext<'a>,
    /// The table that holds their keys. It is dropped at the end.
    pub(crate) keys: Relation,
    /// The columns of that table.
    pub(crate) key: Vec<RawColumn>,
}

impl MissingRows<'_> {
    /// Reads the missing rows if possible, and returns the result in words that continue a
    /// sentence. Rows in quarantine are among them, and go there again. Drops the table of keys.
    /// May be repeated after lost connections.
    pub(crate) async fn read(&self, missing: u64, outcome: &mut StreamOutcome) -> Result<String> {
        let context = self.context;
        let what = format!("the reading of rows that stream `{}` lacks", self.stream.name);
        let mut words = String::new();
        if missing > 0 {
            let keys = while_lost(&what, context.observer, sleep, || self.row_keys(missing)).await?;
            let unknown = Mutex::new(None);
            let before = outcome.loaded.clone();
            let done = match &keys {
                None => None,
                Some(keys) => {
                    let attempt = || columns::rows(self.stream, &before, keys, context, &unknown);
                    match while_lost(&what, context.observer, sleep, attempt).await {
                        Ok(done) => Some(done),
                        // The columns changed after the load of this run; the next run loads the
                        // table with them.
                        Err(error) if error.kind() == ErrorKind::SchemaDrift => None,
                        Err(error) => return Err(error),
                    }
                }
            };
            words = match done {
                None => format!(
                    ", {} of the source not here (`millrace run --full-refresh` reads all)",
                    grouped(missing)
                ),
                Some(done) => {
                    let rows = done.outcome.rows_read;
                    outcome.loaded = done.loaded;
                    outcome.rows += rows;
                    outcome.unchanged &= rows == 0;
                    let mut words = String::new();
                    if rows > 0 {
                        words.push_str(&format!(", {} read that were not here", grouped(rows)));
                    }
                    if done.quarantined > 0 {
                        words.push_str(&format!(", {} in quarantine", grouped(done.quarantined)));
                    }
                    words
                }
            };
        }
        self.forget().await?;
        Ok(words)
    }

    /// Drops the table of keys.
    pub(crate) async fn forget(&self) -> Result<()> {
        let keys = [(self.keys.clone(), false)];
        let drop = || self.context.warehouse.retire(&keys);
        let what = format!("the comparison of the keys of stream `{}`", self.stream.name);
        while_lost(&what, self.context.observer, sleep, drop).await?;
        Ok(())
    }

    /// The missing keys. Returns `None` if the source does not read by key, if the key is masked or
    /// of other types, or if they are too many.
    async fn row_keys(&self, missing: u64) -> Result<Option<RowKeys>> {
        let askable = |column: &RawColumn| column.masked.is_none() && RowKeys::takes(column.data_type);
        let can = self.stream.source.reads_by_key()
            && self.stream.options.mode == ReadMode::Incremental
            && missing <= MOST as u64
            && self.key.iter().all(askable);
        if !can {
            return Ok(None);
        }
        let names: Vec<String> = self.key.iter().map(|column| Ident::new(&column.name).to_string()).collect();
        let select = Statement::new(format!("select {} from {}", names.join(", "), self.keys));
        let found = self.context.warehouse.query(&select, QueryLimits::WORK).await?;
        let column =
            |raw: &RawColumn| Column { name: raw.source.clone(), data_type: raw.data_type, nullable: false };
        let rows = (0..found.len()).map(|row| found.row(row).into_iter().cloned().collect());
        Ok(Some(RowKeys { columns: self.key.iter().map(column).collect(), rows: rows.collect() }))
    }
}
