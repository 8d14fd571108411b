//! Several connections that see a table at one moment.
//!
//! Each begins a transaction with a consistent snapshot. Whether nothing was committed in between is told by where the server is in its
//! binlog. MariaDB and Percona's server say that of a session's snapshot itself. MySQL says where it is now, which is before a transaction
//! shows its rows: what was on its way is waited for. Where that cannot be told, a lock can hold writers off for as long as it takes, if the
//! project says so. See ADR 0015.

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

/// What begins a read.
pub(super) const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// How often snapshots are taken before one connection reads.
const TRIES: u32 = 20;
/// Longer than a transaction takes from the binlog to its rows: a write to the disk.
const SETTLED: Duration = Duration::from_millis(100);
/// How often that is waited for.
const SETTLED_TRIES: u32 = 5;
/// How often each session has to say the same of its snapshot. MariaDB 10.11 writes down what it says of one in a place that it shares
/// with all who ask at the same time, so one answer in a hundred or so may be another session's.
const ROUNDS: u32 = 3;
/// How long a lock may keep others waiting, in seconds.
const LOCK: u32 = 5;

/// Whether all connections have begun to see the same, or why not, in words.
pub(super) type Together = std::result::Result<(), &'static str>;

/// Begins a transaction in each connection, so that all see a table at one moment. Without that moment each has a transaction all the same.
/// `other` is for a lock.
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

/// How a server tells that connections see the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Each session says where its snapshot is.
    Session,
    /// The server says where it is, and with GTIDs also of transactions on their way.
    Server { tells: bool },
}

/// How this server tells it to this user, or why it does not, in words.
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
    // What waits for a replica's answer may take as long as it likes between binlog and rows.
    let waits_for_others =
        ["rpl_semi_sync_master_enabled", "rpl_semi_sync_source_enabled"].map(|name| server.get(name));
    // With GTIDs the server tells of transactions on their way.
    let tells = server.get("gtid_mode") == Some("ON");
    if !tells && waits_for_others.contains(&Some("ON")) {
        return Ok(Err("the server has no GTIDs, and waits for replicas"));
    }
    Ok(if place(connection).await?.is_none() { Err(NO_PLACE) } else { Ok(Way::Server { tells }) })
}

/// Why a user without `REPLICATION CLIENT` reads over one connection.
pub(super) const NO_PLACE: &str = "the user may not see the server's binlog position";

/// Each session knows where in the binlog its snapshot was taken.
async fn by_session(connections: &mut [Connection]) -> Result<Together> {
    for _ in 0..TRIES {
        begin(connections).await?;
        if all_at_one_place(connections).await? {
            return Ok(Ok(()));
        }
    }
    Ok(Err("too much is written to the server"))
}

/// Whether the sessions' snapshots were taken at one place of the binlog. They are asked one after the other, so that at least they do not
/// get in each other's way.
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

/// The server is at the same place of its binlog before and after.
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

/// Whoever writes to the table waits while the connections begin.
async fn locked(connections: &mut [Connection], table: &str, mut other: Connection) -> Result<Together> {
    // Whoever has written and not committed holds the table: it is waited for, and new writers wait behind.
    other.run(&format!("SET SESSION lock_wait_timeout = {LOCK}, innodb_lock_wait_timeout = {LOCK}")).await?;
    let doing = format!("table `{table}` cannot be locked");
    if let Err(error) = other.ask(&format!("lock tables {} read", quoted(table)), &doing).await {
        if error.kind() == ErrorKind::SourceUnreachable {
            return Ok(Err("the table could not be locked within 5 s"));
        }
        return Err(error.hint(failure::grant_lock(other.address())));
    }
    let begun = begin(connections).await;
    other.run("UNLOCK TABLES").await?;
    other.close().await;
    begun.map(Ok)
}

async fn begin(connections: &mut [Connection]) -> Result<()> {
    try_join_all(connections.iter_mut().map(|connection| connection.run(BEGIN))).await?;
    Ok(())
}

const DOING: &str = "the server's state cannot be seen";

/// A session's snapshot: the file, and the position in it.
const SESSION_PLACE: &str =
    "show session status where variable_name in ('Binlog_snapshot_file', 'Binlog_snapshot_position')";

/// Where the server is in its binlog. None where it does not say so to this user.
async fn place(connection: &mut Connection) -> Result<Option<(String, String)>> {
    // The one is an error from MySQL 8.4 on, the other one before 8.2.
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

/// What a server says of itself and of a session, by name; which of these there are depends on its kind and version.
struct Variables(BTreeMap<String, String>);

impl Variables {
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

    /// Whether whatever changes is in the binlog: a replica may leave out what comes from its primary.
    fn logs_all(&self) -> bool {
        let updates = ["log_slave_updates", "log_replica_updates"].map(|name| self.get(name));
        let replicates = match self.get("Slaves_running").or(self.get("Slave_running")) {
            Some(running) => !["0", "OFF"].contains(&running),
            // A server that may be written to is hardly a replica.
            None => self.get("read_only") != Some("OFF"),
        };
        // A node of a Galera cluster gets what the others commit.
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
