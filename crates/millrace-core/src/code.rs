//! Codes of diagnostics: stable names, each with the page that `millrace explain` prints.

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// The code of a diagnostic. The doc comment is the user's page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The kebab-case name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The page, in Markdown: what it means, an example, what to do.
            pub fn page(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

codes! {
    /// A project file is not text in UTF-8, or is larger than a project file can sensibly be.
    ///
    /// Save the file as UTF-8 (with or without a byte order mark).
    NotText = "not-text",
    /// A file is not YAML 1.2 that can be read.
    ///
    /// The place is where the parser gave up; the mistake is often a line above: a missing colon, a tab used to
    /// indent, a quote that is not closed. Project files may hold one document, without tags.
    BrokenYaml = "broken-yaml",
    /// A key that this kind of file does not have.
    ///
    /// Keys are checked strictly, so that a slip of the pen does not become a setting that is silently ignored.
    /// The message names the nearest key that exists.
    UnknownKey = "unknown-key",
    /// The same key stands twice in one mapping.
    ///
    /// Which of the two was meant? Remove one.
    DuplicateKey = "duplicate-key",
    /// A key that must be there is missing.
    MissingKey = "missing-key",
    /// A value is not of the kind that its key takes.
    ///
    /// The message names the key, and the hint what it takes: a number, one of a few words, a list, a mapping. A tile of a dashboard, for one, has one
    /// kind (`kpi`, `area`, `line`, `bar`, `pie` or `table`) whose value names a metric, or for a `table` a list of metrics.
    ///
    /// Where `true` or `false` is wanted, write just that: in YAML 1.2 `yes`, `no` and `on` are texts.
    WrongValue = "wrong-value",
    /// `${NAME}` names an environment variable that is not set.
    ///
    /// Set it in the shell, or in a file `.env` beside `millrace.yml` (which git should ignore): `NAME=value`, one a line.
    UnsetVariable = "unset-variable",
    /// There is no `millrace.yml` where the command looks for a project.
    ///
    /// Run the command in the project's folder, give `--project DIR`, or make a new project with `millrace init`.
    NoProject = "no-project",
    /// A name has characters that names cannot have.
    ///
    /// Names of sources, streams, models, semantic views, metrics, dimensions and dashboards start with a letter or an underscore, go on with letters,
    /// digits and underscores, and have at most 48 characters.
    BadName = "bad-name",
    /// Two things have the same name.
    ///
    /// Models and seeds share one space of names; so do the streams of one source, the dashboards, and so on. Letter case does not make names different.
    DuplicateName = "duplicate-name",
    /// `type:` names a kind of source or warehouse that this build does not have.
    UnknownType = "unknown-type",
    /// `--env` or a file names an environment that `millrace.yml` does not have.
    UnknownEnvironment = "unknown-environment",
    /// A file lies where no file of its kind belongs, and would be ignored.
    StrayFile = "stray-file",

    /// A model, test, semantic view or dashboard refers to something that does not exist.
    ///
    /// In a model, `from stg_orders` means the model of that name and `from files.orders` the stream `orders` of the
    /// source `files`; `{{ ref('stg_orders') }}` and `{{ source('files', 'orders') }}` say the same in a template.
    UnknownRef = "unknown-ref",
    /// A pattern in `streams:` of a source, or an entry of its `exclude:`, matches nothing.
    ///
    /// `"orders_*"` stands for all tables of such a name: in the captured schema where there is one, else in the source itself. `*`
    /// stands for any characters or none, `?` for one; letter case does not count. `millrace capture` finds tables that have come since.
    EmptyPattern = "empty-pattern",
    /// A stream or a model has more columns than a table of the environment's warehouse.
    ///
    /// PostgreSQL holds 1,600 in a table, and fewer where they are wide: a row has to fit into a page of 8 KB, beside the long texts that are kept
    /// elsewhere. Load fewer (`columns:` or `exclude_columns:` of the stream), or select fewer in the model. DuckDB has no such limit.
    TooManyColumns = "too-many-columns",
    /// Models refer to each other in a circle.
    ///
    /// The message shows the way round. Break it by moving what both need into a model of its own.
    Cycle = "cycle",
    /// The text of a model, metric or test is not SQL that the engine can parse.
    SqlSyntax = "sql-syntax",
    /// A column is named that none of the tables in sight has.
    UnknownColumn = "unknown-column",
    /// The engine refused to compile a model, metric or test against empty tables of the right types.
    ///
    /// The message is the engine's own.
    SqlError = "sql-error",
    /// A model must be one `select`.
    NotASelect = "not-a-select",
    /// A template (`{{ … }}`, `{% … %}`) could not be rendered.
    BrokenTemplate = "broken-template",
    /// A published view would read something that is not published.
    ///
    /// Readers must never depend on raw tables, so a model that is a `view` and reads a stream (itself or through other
    /// views) is not published, and nothing that readers see may be built on it. Give the model `materialization: table`.
    UnpublishedBase = "unpublished-base",

    /// A published column has a type that other tools can't read.
    ///
    /// Tools that connect to the warehouse read it through JDBC, ODBC or Python. There JSON, UUIDs, intervals, bytes, lists and records
    /// arrive as objects that cannot be shown or counted, and a number without bounds (`sum(amount)` in PostgreSQL) as one with no
    /// digits after the point. Cast the column in the model: `cast(payload as varchar)`, `cast(sum(amount) as decimal(38, 2))`.
    UnreadableType = "unreadable-type",
    /// A published column or model has a name that other tools must quote.
    ///
    /// Names of lower-case ASCII letters, digits and underscores, of at most 63 bytes, need no quotes anywhere. Give an alias in the
    /// model: `"Date Commande" as date_commande`. What is not published may be named as it likes.
    QuotedName = "quoted-name",

    /// A data test is not one of those that exist, or lacks what it needs.
    ///
    /// There are `not_null`, `unique`, `accepted_values` (with `values`) and `relationships` (with `to` and `field`).
    BadDataTest = "bad-data-test",
    /// A semantic view names a join that it cannot use.
    ///
    /// Joins go from the base (or a table joined before) to a table in which the key is unique: `many_to_one` or `one_to_one`. Any other
    /// would count rows twice.
    FanOut = "fan-out",
    /// A metric's definition is not one that can be compiled.
    ///
    /// A metric is one aggregate over the base (`sum(amount)`), with an optional `where`, or a `ratio` of two such metrics.
    BadMetric = "bad-metric",
    /// The parts of a ratio have different filters, so that it divides figures of different rows.
    ///
    /// Revenue without cancelled orders, divided by all orders, is no average order. Give both parts the same `where`: a metric of their
    /// own where the project needs both counts. Where it is meant (a share of orders that were cancelled), say so: `filters: differ`.
    RatioOfDifferentFilters = "ratio-of-different-filters",
    /// A tile names a metric or a dimension that its semantic view does not have.
    UnknownMetric = "unknown-metric",
    /// A query asks for something that the semantic view cannot answer (a grain without a time dimension, a range that is none).
    BadQuery = "bad-query",

    /// A stream has no captured schema, so that `check` cannot know its columns.
    ///
    /// Run `millrace capture` where the source can be reached, and commit the file that it writes.
    NotCaptured = "not-captured",
    /// A load goes on where that of an earlier run has ended, so that its rows are not all of one moment.
    ///
    /// A large table is loaded in parts. Where a run dies, the next one loads what is left, as it is by then: a row that has moved in between
    /// from one part to another may be there twice or not at all. `millrace run --full-refresh` reads everything anew; the stream's setting
    /// `moment: required` does so each time.
    SeveralMoments = "several-moments",
    /// A stream is read as far as its cursor has grown, so that rows which the source deletes stay in the warehouse.
    ///
    /// `deletes: reconcile` compares keys and removes rows that the source has no more, as often as `reconcile_every` says. Where the source
    /// never deletes, or that does not matter, `deletes: ignore` says so. Until then dashboards that show such rows say that.
    DeletesUnseen = "deletes-unseen",
    /// Rows have a cursor that the clock of their server has not come to yet.
    ///
    /// A stream of `mode: incremental` is read as far as its cursor has grown. A row that is dated ahead does not count for that, so that it
    /// keeps no others from being read; it is read again by each run that finds something new. Whole numbers have no such clock.
    CursorAhead = "cursor-ahead",
    /// A stream's columns or types are no longer those of its captured schema.
    ///
    /// What happens then is the stream's `contract:`. With `evolve` new columns are loaded and numbers widened; with `freeze` the run
    /// stops; with `quarantine` the rows that differ are set aside. `millrace capture` writes the new state down.
    SchemaDrift = "schema-drift",
    /// A column that models read is gone from its stream, so its values would be NULL; the run is held.
    ///
    /// Often it was renamed in the source. Nothing is built or published, and what the stream had before stays, until somebody decides: where
    /// the column has another name now, name that one in the models; then `millrace capture` writes down the columns that the source has, and the next run goes on.
    /// Where no load had a value of it, or new rows only come to those that have, it is a warning and holds nothing.
    ColumnVanished = "column-vanished",
    /// A stream had rows, and now has none, or fewer than the project lets it lose; the run is held.
    ///
    /// An export that failed often leaves an empty file. What the stream had before stays, nothing is built or published, and each run looks
    /// again. If the rows are meant to be gone, `millrace run --allow-empty` lets that pass once, `allow_empty: true` of the stream for good, and
    /// `max_shrink` of the stream or of `millrace.yml` says which share may go.
    StreamEmptied = "stream-emptied",
    /// A stream has lost more than half of its rows since its last load.
    ///
    /// They were replaced all the same. `max_shrink: 50%` of the stream or of `millrace.yml` holds a run that finds that.
    StreamShrunk = "stream-shrunk",
    /// The project has a stream no longer that an earlier run has loaded.
    ///
    /// Its rows in quarantine end at once. Its raw table is kept as long as publications are that were made with it, so that a stream which is
    /// taken out by mistake goes on when it is put back.
    StreamRemoved = "stream-removed",
    /// A larger share of a stream's rows is in quarantine than after its last load.
    ///
    /// `select * from _millrace.quarantine` has each with its place and reason. `max_quarantine` of the stream or of `millrace.yml` says how many
    /// may be set aside before a run fails.
    QuarantineGrew = "quarantine-grew",
    /// More rows of a stream went to quarantine than allowed, or its contract forbids what was found.
    ///
    /// Nothing of that stream was loaded. `millrace run --max-quarantine N` or `N%` allows more; the rows' places and reasons are in
    /// the message and, after a run that loads, on the page `/quarantine`.
    ContractBroken = "contract-broken",
    /// A record of a CSV file goes over more than a hundred lines, because a quote is closed that far on.
    ///
    /// RFC 4180 allows line feeds within quotes, so the record was loaded as it stands. Where the other records of the file have one line each, or
    /// these lines look like records, a quote is missing or one too many, and records are in a text of another one. Look at the line
    /// that the message names.
    LongRecord = "long-record",
    /// Two columns of a stream would have the same name in the warehouse.
    ///
    /// With `naming: snake_case`, `ID` and `id` both become `id`. Give one another name: `rename: {ID: id_2}` of the stream, by the source's names.
    NameCollision = "name-collision",
    /// Files lie in folders called `name=value`, and have no column of that name.
    ///
    /// Spark, Hive and others take such a column out of the files and put it into the path. Here it would be missing, because the names of folders
    /// are not read. Have it written into the files too, or make one stream of each folder.
    PartitionFolders = "partition-folders",
    /// Records or files of a stream spell a column in two ways that differ in letter case only.
    ///
    /// `ID` and `id` are read as one column, under the spelling that came first, because no record has both. Where one has, they are two columns
    /// with one name, an error that `rename` settles.
    SpelledInTwoWays = "spelled-in-two-ways",

    /// A column's name has more than 63 bytes.
    ///
    /// That is as many as PostgreSQL keeps: it would cut the name, and two columns could become one. Give the column
    /// a shorter name, `rename: {"Its long name": short}` of the stream, or leave it out (`exclude_columns`).
    NameTooLong = "name-too-long",

    /// A source's file or server could not be reached.
    SourceUnreachable = "source-unreachable",
    /// A source was reached, but what it holds cannot be read as what the project says it is.
    SourceUnreadable = "source-unreadable",
    /// The warehouse could not be opened or reached.
    WarehouseUnreachable = "warehouse-unreachable",
    /// The file of the warehouse was deleted or replaced while this program had it open.
    ///
    /// What it would write now goes into the deleted file, and nobody would find it. Stop the server, put the file back or start with a new one,
    /// and start the server again.
    WarehouseReplaced = "warehouse-replaced",
    /// Another process owns the DuckDB file.
    ///
    /// A DuckDB file belongs to one process at a time. While a `millrace serve` of the project has it, all other commands ask that
    /// server. A `millrace run` or a `duckdb` shell is waited for, 30 seconds or what `--wait` says.
    WarehouseLocked = "warehouse-locked",
    /// The server that has the warehouse is another version of Millrace than this program.
    ///
    /// Commands talk to the server that has a DuckDB file, and both must be the same version. Stop the server and start it with this
    /// program, or use the program with which it was started.
    ServerVersion = "server-version",
    /// The project names another warehouse than the one that the server has open.
    ///
    /// A server keeps the warehouse, the address and the authentication with which it was started; everything else it reads anew with each run.
    /// Start it again after a change of the environment.
    RestartNeeded = "restart-needed",
    /// Another run is under way in this warehouse, here or on another machine.
    ///
    /// One run at a time may change a warehouse: it holds a lease, which it renews while it works. A run whose process died on this
    /// machine gives way at once, one on another machine after its lease has ended (half a minute). `millrace run --wait 10m` waits.
    RunUnderWay = "run-under-way",
    /// Another server that keeps the same schedule was quicker: the time is dealt with, and nothing is run a second time.
    RunElsewhere = "run-elsewhere",
    /// Another run has taken over the warehouse while this one was cut off from it.
    ///
    /// This run could not renew its lease in time (a sleeping machine, a lost network), so another one was let in. What this run
    /// wanted to write then was rolled back; nothing is mixed.
    Superseded = "superseded",
    /// Readers are kept on an earlier publication by a rollback, so the run was not published.
    ///
    /// Runs go on loading, building and testing, so that `millrace status` says whether the cause is gone. `millrace rollback --release`
    /// lifts it; the next run publishes.
    RolledBack = "rolled-back",
    /// There is no publication to go back to.
    ///
    /// The tables of the last three publications are kept; `millrace history` lists them. Going back is a publication of its own, with
    /// a number of its own, and holds until `millrace rollback --release`.
    NoPublication = "no-publication",
    /// The state that an environment would use belongs to other schemas.
    ///
    /// Two environments share a database and the schema of its state, but name other schemas for their tables. Each set of schemas needs
    /// a state of its own: `schemas: {raw: ana_raw, build: ana_build, publish: ana, state: ana_millrace}`.
    OtherSchemas = "other-schemas",
    /// The run was built and tested, but could not be published; readers still see the version before.
    ///
    /// Somebody is in the way: readers that do not let go of a table for as long as the run may wait, or a view of somebody else that
    /// depends on a column or a name that would go. The message says who.
    PublishBlocked = "publish-blocked",
    /// The warehouse's state was written by a newer Millrace; an older one will not touch it.
    StateTooNew = "state-too-new",
    /// A value did not fit while the warehouse worked on a statement.
    DataError = "data-error",
    /// A data test of severity `error` found rows; nothing was published.
    ///
    /// Readers still see the version before. The message says which test and how many rows; `millrace status --rows` shows some of
    /// them, and so does the banner on each page.
    TestFailed = "test-failed",
    /// The rows that a data test has found are there no more.
    ///
    /// They are in the tables of their run, which stay until the next run begins. That one tests again, and keeps what it finds.
    RowsGone = "rows-gone",
    /// Disk or memory ran out.
    OutOfResources = "out-of-resources",
    /// A query took longer than its limit.
    TimedOut = "timed-out",
    /// Other tools cannot connect to the warehouse of this environment.
    ///
    /// A DuckDB file belongs to one process, the server that shows its dashboards. Other tools connect to a database on a server: add an
    /// environment of `type: postgres`, publish there (`millrace run --env NAME`), then `millrace connect --env NAME --for TOOL`.
    NoConnections = "no-connections",
    /// The webhook that `notify:` names could not be told how a run of the schedule has ended.
    ///
    /// It was tried four times within half a minute where that could help. The run itself is not touched by it; `millrace status` says how it ended.
    /// Beside `schedule:`, an address in `${NAME}` must be set in the environment of the server.
    WebhookFailed = "webhook-failed",
    /// Somebody stopped the work.
    Cancelled = "cancelled",
    /// The server would listen beyond this machine without authentication.
    ///
    /// Add `auth:` to `serve:` in `millrace.yml` (a token, or users with argon2 hashes), or bind a loopback address.
    AuthRequired = "auth-required",
    /// A page or a question about metrics needs tables that no run has published yet.
    ///
    /// `millrace run` builds and publishes them; `millrace status` says how the last run ended.
    NotPublished = "not-published",
    /// The server's address has no such page or endpoint, or the endpoint takes another method.
    ///
    /// `docs/reference/http-api.md` lists what there is.
    NotFound = "not-found",
    /// The server was asked without the token or password that `serve: auth:` in `millrace.yml` wants, or with a wrong one.
    Unauthorized = "unauthorized",
    /// The server was asked under a host name that is not its own, or by a page of another site.
    ///
    /// This keeps pages of other sites from reading the warehouse through the reader's browser. Where a reverse proxy has a name of
    /// its own, list that name in `serve: hosts:` in `millrace.yml`.
    WrongHost = "wrong-host",
    /// A file could not be written.
    CannotWrite = "cannot-write",
    /// The command line asks for something that does not go together.
    Usage = "usage",
    /// A bug of Millrace.
    ///
    /// Please report it with the command and the message; the project and its data are as they were before the command.
    Internal = "internal",
}

impl Code {
    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_kebab_case_and_have_pages() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} stands twice", code.as_str());
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", code.as_str());
            assert!(code.page().trim().len() > 20, "{} has no page", code.as_str());
            assert_eq!(Code::from_name(code.as_str()), Some(*code));
        }
    }
}
