//! Checks for `doctor` what the user may do: which of the project's tables it may read, and whether
//! several connections can read one table.

use millrace_core::project::settings::Settings;
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::ports::diagnosis::{Diagnosis, Layer};
use millrace_engine::ports::source::StreamRequest;
use mysql_async::prelude::Queryable;

use crate::mysql::connection::Connection;
use crate::mysql::failure::cannot_be_read;
use crate::mysql::parallel::connections;
use crate::mysql::snapshot::{NO_PLACE, Way, way};
use crate::mysql::table::{self, text};
use crate::mysql::{failure, quoted, wanted};

/// Number of tables that a finding names.
const NAMED: usize = 5;

/// Checks whether the table of each stream can be read. Adds one finding for all of them; other
/// errors, such as a lost connection, end the check.
pub(super) async fn tables(
    found: &mut Diagnosis,
    connection: &mut Connection,
    settings: &Settings,
    streams: &[StreamRequest],
) -> Result<()> {
    let (mut lacking, mut first) = (Vec::new(), None);
    for stream in streams {
        let settings = stream.settings.or(settings);
        let name = match table::find(connection, wanted(stream, &settings)).await {
            Ok(table) => table.name,
            // A user without any privilege on a table does not see it in the catalogue.
            Err(error) if error.kind() == ErrorKind::SourceUnreadable => {
                lacking.push(format!("`{}`", wanted(stream, &settings)));
                first.get_or_insert_with(|| wanted(stream, &settings).to_owned());
                continue;
            }
            Err(error) => return Err(error),
        };
        let doing = cannot_be_read(&name);
        let (driver, answers) = connection.parts()?;
        // The server checks privileges when a statement is prepared, so no row is read.
        let prepared = driver.prep(format!("select 1 from {}", quoted(&name)));
        match answers.wait(&doing, Some(&name), prepared).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::SourceUnreadable => {
                lacking.push(format!("`{name}`"));
                first.get_or_insert(name);
            }
            Err(error) => return Err(error),
        }
    }
    let address = connection.address();
    if lacking.is_empty() {
        if !streams.is_empty() {
            found.good(Layer::Privileges, "may read each stream's table");
        }
        return Ok(());
    }
    let more = lacking.len().saturating_sub(NAMED);
    lacking.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    found.doubtful(
        Layer::Privileges,
        format!("user `{}` may not read {}{more}, or they are not there", address.user, lacking.join(", ")),
        failure::grant(first.as_deref(), address),
    );
    Ok(())
}

/// Checks whether several connections can read a large table at one moment, and adds a finding with
/// the reason if they cannot.
pub(super) async fn moment(
    found: &mut Diagnosis,
    connection: &mut Connection,
    settings: &Settings,
    streams: &[StreamRequest],
) -> Result<()> {
    let all: Vec<Settings> = streams.iter().map(|stream| stream.settings.or(settings)).collect();
    // A source without streams is judged by its own settings.
    let all = if all.is_empty() { vec![settings.clone()] } else { all };
    if all.iter().all(|settings| connections(settings) == 1) {
        found.good(Layer::Server, "large tables are read over one connection, as `connections: 1` says");
        return Ok(());
    }
    let mut one = |why: &str, hint: String| {
        found.doubtful(Layer::Server, format!("large tables are read over one connection: {why}"), hint);
    };
    // With a limit of one there is never a second connection, whatever the binlog tells.
    let limit = "show variables where variable_name = 'max_user_connections'";
    let rows = connection.ask(limit, "the server's state cannot be seen").await?;
    if rows.first().map(|row| text(row, 1)).transpose()?.as_deref() == Some("1") {
        one("the server lets this user have no more", "Raise the user's `max_user_connections`.".to_owned());
        return Ok(());
    }
    // A lock makes the common moment without the binlog, so only its privilege is checked.
    if all.iter().any(|settings| settings.text("snapshot") == Some("lock")) {
        if !may_lock(connection).await? {
            found.doubtful(
                Layer::Privileges,
                "`snapshot: lock` needs the privilege `LOCK TABLES`, which the user's grants do not show",
                failure::grant_lock(connection.address()),
            );
        }
        return Ok(());
    }
    match way(connection).await? {
        Ok(Way::Session) => found.good(
            Layer::Server,
            "several connections can read at one moment: each says where its snapshot is in the binlog",
        ),
        Ok(Way::Server { tells: true }) => found.good(
            Layer::Server,
            "several connections can read at one moment: the server tells where it is in its binlog, and of transactions on their way",
        ),
        Ok(Way::Server { tells: false }) => found.good(
            Layer::Server,
            "several connections can read at one moment, while little is written: without GTIDs the server tells only where it is in its binlog",
        ),
        Err(why) if why == NO_PLACE => one(why, failure::grant_place(connection.address())),
        Err(why) => one(why, "`snapshot: lock` makes a moment without the binlog.".to_owned()),
    }
    Ok(())
}

/// Returns whether the user's grants contain `LOCK TABLES` or all privileges.
async fn may_lock(connection: &mut Connection) -> Result<bool> {
    for row in connection.ask("show grants", "the user's privileges cannot be seen").await? {
        let grant = text(&row, 0)?;
        if grant.contains("LOCK TABLES") || grant.contains("ALL PRIVILEGES") {
            return Ok(true);
        }
    }
    Ok(false)
}
