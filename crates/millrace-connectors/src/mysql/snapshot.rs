//! Gives several connections the same view of a table (ADR 15).
//!
//! Each connection begins a transaction with a consistent snapshot. The server's position in its
//! binlog tells whether another transaction was committed in between. MariaDB and Percona Server
//! report that position for the snapshot of each session. MySQL reports only its current position,
//! which a transaction reaches before its rows become visible, so transactions on their way have to
//! be waited for. If the position cannot tell, one connection reads, unless the project allows a
//! table lock that holds writers off while the connections begin.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_engine::error::{ErrorKind, Result};

use crate::mysql::connection::Connection;
use crate::mysql::table::text;
use crate::mysql::{failure, quoted};

pub(super) const SNAPSHOT: KeySpec = KeySpec::optional(
    "snapshot",
    KeyKind::OneOf(&["binlog", "lock"]),
    "How several connections come to see a table at one moment. `binlog` (the default): by the server's position in its binlog; where that cannot be told, one connection reads. `lock`: writers to the table wait for some milliseconds while the connections begin (`LOCK TABLES … READ`, which needs the privilege `LOCK TABLES`).",
);

/// Begins the transaction of every read.
pub(super) const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// Number of attempts before the read falls back to one connection.
const TRIES: u32 = 20;
/// Longer than a transaction takes from the binlog to visible rows, which is a write to the disk.
const SETTLED: Duration = Duration::from_millis(100);
/// Number of attempts on a server that needs this wait.
const SETTLED_TRIES: u32 = 5;
/// How often each session is asked for the position of its snapshot. MariaDB 10.11 keeps the answer
/// in a place that is shared by all sessions that ask at the same time, so about one answer in a
/// hundred may belong to another session. One answer that differs rejects the attempt.
const ROUNDS: u32 = 3;
/// How long to wait for the table lock, in seconds. Other sessions that want to write to the table
/// wait behind this request.
const LOCK: u32 = 5;

/// `Ok` if all connections see the same moment, else the reason in words for the user.
pub(super) type Together = std::result::Result<(), &'static str>;

/// Begins a transaction in each connection so that all of them see `table` at one moment.
///
/// If that fails with a reason, each connection may still have a transaction of its own, and the
/// caller has to do without the common moment. `other` opens one more connection; it is awaited
/// only for `snapshot: lock`, because beginning a transaction releases the table locks of its
/// session.
pub(super) async fn together(
    connections: &mut [Connection],
    table: &str,
    settings: &Settings,
    other: impl Future<Output = Result<Connection>>,
) -> Result<Together> {
    if settings.text("snapshot") == Some("lock") {
        return locked(connections, table, other.await?).await;
    }
    let Some(first) = connections.first_mut() else { return Ok(Ok(())) };
    match way(first).await? {
        Ok(Way::Session) => by_session(connections).await,
        Ok(Way::Server { tells }) => by_server(connections, tells).await,
        Err(why) => Ok(Err(why)),
    }
}

/// How a server's binlog position shows that all connections see the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Each session reports the binlog position of its own snapshot (MariaDB, Percona Server).
    Session,
    /// Only the server's current position is known (MySQL). With GTIDs (`tells`) the server also
    /// reports transactions that are not visible yet.
    Server { tells: bool },
}

/// Finds out which way works on this server for this user. The inner error is a reason in words for
/// the user; `doctor` shows it too.
pub(super) async fn way(connection: &mut Connection) -> Result<std::result::Result<Way, &'static str>> {
    let server = Variables::of(connection).await?;
    if server.get("log_bin") != Some("ON") {
        return Ok(Err("the server keeps no binlog"));
    }
    if !server.logs_all() {
        return Ok(Err("the binlog of this replica has not all that changes"));
    }
    if server.get("Binlog_snapshot_file").is_some() {
        return Ok(Ok(Way::Session));
    }
    // With semi-synchronous replication a transaction may wait for a replica between the binlog and
    // its visibility, for any length of time.
    let waits_for_others =
        ["rpl_semi_sync_master_enabled", "rpl_semi_sync_source_enabled"].map(|name| server.get(name));
    // With GTIDs the server also reports transactions that are not visible yet.
    let tells = server.get("gtid_mode") == Some("ON");
    if !tells && waits_for_others.contains(&Some("ON")) {
        return Ok(Err("the server has no GTIDs, and waits for replicas"));
    }
    Ok(if place(connection).await?.is_none() { Err(NO_PLACE) } else { Ok(Way::Server { tells }) })
}

/// The reason for a user without the privilege `REPLICATION CLIENT`.
pub(super) const NO_PLACE: &str = "the user may not see the server's binlog position";

/// Takes snapshots until all sessions report the same binlog position for theirs.
async fn by_session(connections: &mut [Connection]) -> Result<Together> {
    for _ in 0..TRIES {
        begin(connections).await?;
        if all_at_one_place(connections).await? {
            return Ok(Ok(()));
        }
    }
    Ok(Err("too much is written to the server"))
}

/// Returns whether the snapshots of all sessions were taken at the same binlog position. Sessions
/// are asked one after the other so that they do not overwrite each other's answers.
async fn all_at_one_place(connections: &mut [Connection]) -> Result<bool> {
    let mut first = None;
    for _ in 0..ROUNDS {
        for connection in connections.iter_mut() {
            let rows = connection.ask(SESSION_PLACE, DOING).await?;
            let place = rows.iter().map(|row| text(row, 1)).collect::<Result<Vec<_>>>()?;
            let is_said = place.len() == 2 && !place.contains(&String::new());
            if !is_said || *first.get_or_insert_with(|| place.clone()) != place {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Takes snapshots until the server's binlog position is the same before and after, with no
/// transaction on its way to visibility. That is known from an empty `gtid_owned` with GTIDs, and
/// from a position that has not moved for [`SETTLED`] without.
async fn by_server(connections: &mut [Connection], tells: bool) -> Result<Together> {
    for _ in 0..if tells { TRIES } else { SETTLED_TRIES } {
        let before = place(&mut connections[0]).await?;
        let Some(before) = before else {
            return Ok(Err(NO_PLACE));
        };
        let is_settled = if tells {
            let rows = connections[0].ask("select @@global.gtid_owned", DOING).await?;
            rows.first().map(|row| text(row, 0)).transpose()?.is_some_and(|owned| owned.is_empty())
        } else {
            tokio::time::sleep(SETTLED).await;
            place(&mut connections[0]).await?.as_ref() == Some(&before)
        };
        if !is_settled {
            continue;
        }
        begin(connections).await?;
        if place(&mut connections[0]).await? == Some(before) {
            return Ok(Ok(()));
        }
    }
    Ok(Err("too much is written to the server"))
}

/// Begins the transactions while `other` holds a read lock on the table, so that no session can
/// write to it meanwhile. A lock that is not granted in time is a reason to fall back; a missing
/// privilege is an error.
async fn locked(connections: &mut [Connection], table: &str, mut other: Connection) -> Result<Together> {
    // A session with uncommitted writes holds a metadata lock on the table. The request waits for
    // it, and later writers queue behind the request: without a timeout this could block an
    // application.
    other.run(&format!("SET SESSION lock_wait_timeout = {LOCK}, innodb_lock_wait_timeout = {LOCK}")).await?;
    let doing = format!("table `{table}` cannot be locked");
    if let Err(error) = other.ask(&format!("lock tables {} read", quoted(table)), &doing).await {
        if error.kind() == ErrorKind::SourceUnreachable {
            return Ok(Err("the table could not be locked within 5 s"));
        }
        return Err(error.hint(failure::grant_lock(other.address())));
    }
    // The lock must be released even if a transaction could not begin.
    let begun = begin(connections).await;
    other.run("UNLOCK TABLES").await?;
    other.close().await;
    begun.map(Ok)
}

/// Begins the transactions at the same time, which keeps the window for other commits small.
async fn begin(connections: &mut [Connection]) -> Result<()> {
    try_join_all(connections.iter_mut().map(|connection| connection.run(BEGIN))).await?;
    Ok(())
}

/// What could not be done, in the error messages of this file.
const DOING: &str = "the server's state cannot be seen";

/// Two rows: the binlog file of the session's snapshot, and the position in it.
const SESSION_PLACE: &str =
    "show session status where variable_name in ('Binlog_snapshot_file', 'Binlog_snapshot_position')";

/// Returns the file and position of the server's binlog, or `None` if this user may not see it.
async fn place(connection: &mut Connection) -> Result<Option<(String, String)>> {
    // `show binary log status` exists from MySQL 8.2 on, `show master status` before MySQL 8.4.
    for sql in ["show binary log status", "show master status"] {
        match connection.ask(sql, DOING).await {
            Ok(rows) => {
                let Some(row) = rows.first() else { return Ok(None) };
                return Ok(Some((text(row, 0)?, text(row, 1)?)));
            }
            Err(error) if error.kind() == ErrorKind::SourceUnreadable => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Status values of the session and variables of the server, by name. Which of them exist depends
/// on the product and its version.
struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Asks for everything that [`way`] looks at.
    async fn of(connection: &mut Connection) -> Result<Self> {
        let mut values = BTreeMap::new();
        for sql in [
            "show session status where variable_name in ('Binlog_snapshot_file', 'Slaves_running', 'Slave_running')",
            "show variables where variable_name in ('log_bin', 'log_slave_updates', 'log_replica_updates', 'read_only', 'gtid_mode', 'wsrep_on', \
             'rpl_semi_sync_master_enabled', 'rpl_semi_sync_source_enabled')",
        ] {
            for row in connection.ask(sql, DOING).await? {
                values.insert(text(&row, 0)?, text(&row, 1)?);
            }
        }
        Ok(Self(values))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns whether every change is in this server's binlog. A replica may leave out what it
    /// receives from its primary.
    fn logs_all(&self) -> bool {
        let updates = ["log_slave_updates", "log_replica_updates"].map(|name| self.get(name));
        let replicates = match self.get("Slaves_running").or(self.get("Slave_running")) {
            Some(running) => !["0", "OFF"].contains(&running),
            // This user may not see the replica's state. A server that accepts writes is unlikely
            // to be a replica.
            None => self.get("read_only") != Some("OFF"),
        };
        // A Galera node applies what the other nodes commit, as a replica does.
        updates.contains(&Some("ON")) || !(replicates || self.get("wsrep_on") == Some("ON"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_logs_nothing_is_no_witness() {
        for (pairs, expected) in [
            (&[("log_slave_updates", "OFF"), ("Slaves_running", "0"), ("read_only", "ON")][..], true),
            (&[("log_slave_updates", "OFF"), ("Slaves_running", "1")], false),
            (&[("log_slave_updates", "ON"), ("Slaves_running", "1")], true),
            (&[("log_slave_updates", "OFF"), ("Slave_running", "ON")], false),
            (&[("log_slave_updates", "OFF"), ("Slave_running", "OFF")], true),
            (&[("log_replica_updates", "ON"), ("read_only", "ON")], true),
            (&[("log_slave_updates", "OFF"), ("read_only", "ON")], false),
            (&[("log_slave_updates", "OFF"), ("read_only", "OFF")], true),
            (&[("log_slave_updates", "OFF"), ("Slaves_running", "0"), ("wsrep_on", "ON")], false),
            (&[], false),
        ] {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let variables = Variables(pairs.collect());
            assert_eq!(variables.logs_all(), expected, "{:?}", variables.0);
        }
    }
}
