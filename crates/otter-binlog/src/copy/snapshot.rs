//! Snapshots of a source with their place in its binlog.

use std::time::Duration;

use otter_core::{FilePlace, GtidSet, Position, TableName, Transaction};
use tokio::time::{Instant, sleep};

use super::error::CopyError;
use super::value::quoted;
use super::watermark;
use crate::connection::{Connection, ConnectionError, Flavor, ServerInfo};
use crate::schema::reader::quote;
use crate::selector::{SourceEnd, source_end};

/// How long a snapshot may take to hold what the stream has passed: transactions are sent a moment
/// before they can be seen.
const SIGHT_LIMIT: Duration = Duration::from_secs(10);
const SIGHT_PAUSE: Duration = Duration::from_millis(5);

/// Which transactions a snapshot holds.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) low: Low,
    /// None behind this place.
    pub(super) high: FilePlace,
}

/// Which transactions a snapshot holds for sure.
#[derive(Debug, Clone)]
pub(super) enum Low {
    /// All of these.
    Gtids(GtidSet),
    /// All that end at this place or before it.
    Place(FilePlace),
    /// All that end before the snapshot does.
    Exact,
}

impl Snapshot {
    /// Whether a transaction may be missing from it that begins before its end; `None` where its end
    /// is exact.
    pub(super) fn may_lack(&self, transaction: &Transaction) -> Option<bool> {
        match &self.low {
            Low::Gtids(low) => {
                Some(transaction.gtid.as_ref().is_none_or(|gtid| !low.contains(gtid)))
            }
            Low::Place(low) => {
                let end = transaction.end.as_ref();
                Some(end.is_none_or(|end| low.covers(&end.end) != Some(true)))
            }
            Low::Exact => None,
        }
    }

    /// Whether a transaction is committed behind the snapshot's end, wherever it begins: one of XA
    /// begins where it was prepared.
    pub(super) fn is_before(&self, transaction: &Transaction) -> bool {
        match &transaction.end {
            Some(end) => self.high.covers(&end.end) == Some(false),
            None => transaction.start.covers(&self.high) == Some(true),
        }
    }
}

/// A connection that is set up for reading.
pub(super) struct Desk {
    pub(super) connection: Connection,
    pub(super) info: ServerInfo,
}

impl Desk {
    /// Begins a snapshot of a table that holds everything before a position; `None` where it does not
    /// in time.
    ///
    /// INVARIANT LOSS-1: a snapshot is of rows and not of names. Whoever renames tables between its
    /// beginning and the first look at the table has another one read under the name. So the table
    /// is opened, and with it locked against that, before the binlog's end is asked for behind which
    /// nothing is in the snapshot: a change of names comes before it, and the stream tells.
    pub(super) async fn take_snapshot(
        &mut self,
        position: &Position,
        table: &TableName,
    ) -> Result<Option<Snapshot>, CopyError> {
        match self.info.flavor() {
            Flavor::MySql => self.take_mysql_snapshot(position, table).await,
            Flavor::MariaDb => self.take_mariadb_snapshot(position, table).await,
        }
    }

    /// MySQL: what is in `gtid_executed` can be seen, and what can be seen has been in the binlog
    /// before.
    async fn take_mysql_snapshot(
        &mut self,
        position: &Position,
        table: &TableName,
    ) -> Result<Option<Snapshot>, CopyError> {
        if !matches!(position.applied_through.gtids, Some(GtidSet::MySql(_))) {
            return self.take_marked_snapshot(position, table).await;
        }
        if !self.wait_to_see(position).await? {
            return Ok(None);
        }
        let result = self.connection.query("SELECT @@GLOBAL.gtid_executed AS executed").await?;
        let low = GtidSet::parse_mysql(result.first("executed").unwrap_or_default());
        // What cannot be read holds nothing for sure.
        let low = low.map_or_else(|_| Low::Place(FilePlace::new("", 0)), Low::Gtids);
        self.begin().await?;
        self.open_table(table).await?;
        let SourceEnd { place, .. } = source_end(&mut self.connection, &self.info).await?;
        Ok(Some(Snapshot { low, high: place }))
    }

    /// Waits until everything before a position can be seen; whether it can. MySQL sends transactions
    /// before they can be, MariaDB does not.
    pub(super) async fn wait_to_see(&mut self, position: &Position) -> Result<bool, CopyError> {
        if self.info.flavor() == Flavor::MariaDb {
            return Ok(true);
        }
        let Some(passed @ GtidSet::MySql(_)) = &position.applied_through.gtids else {
            watermark::write(&mut self.connection, &self.info).await?;
            return Ok(true);
        };
        let sql = format!(
            "SELECT WAIT_FOR_EXECUTED_GTID_SET({}, {}) AS late",
            quote(&passed.to_string()),
            SIGHT_LIMIT.as_secs()
        );
        Ok(self.connection.query(&sql).await?.first("late") == Some("0"))
    }

    /// MySQL without GTIDs: behind a row of ours everything can be seen that the binlog held before.
    async fn take_marked_snapshot(
        &mut self,
        position: &Position,
        table: &TableName,
    ) -> Result<Option<Snapshot>, CopyError> {
        let SourceEnd { place: low, .. } = source_end(&mut self.connection, &self.info).await?;
        let passed = position.applied_through.file.as_ref();
        if passed.is_none_or(|passed| low.covers(passed) != Some(true)) {
            return Ok(None);
        }
        watermark::write(&mut self.connection, &self.info).await?;
        self.begin().await?;
        self.open_table(table).await?;
        let SourceEnd { place: high, .. } = source_end(&mut self.connection, &self.info).await?;
        Ok(Some(Snapshot { low: Low::Place(low), high }))
    }

    /// MariaDB: the server tells the snapshot's exact place. What is committed between it and the opening
    /// of the table is not in it.
    async fn take_mariadb_snapshot(
        &mut self,
        position: &Position,
        table: &TableName,
    ) -> Result<Option<Snapshot>, CopyError> {
        let deadline = Instant::now() + SIGHT_LIMIT;
        loop {
            self.begin().await?;
            let result = self.connection.query("SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
            let value = |name: &str| {
                let row = result
                    .rows()
                    .iter()
                    .find(|row| row.text(0).is_some_and(|found| found.eq_ignore_ascii_case(name)));
                row.and_then(|row| row.text(1)).unwrap_or_default().to_owned()
            };
            let offset = value("binlog_snapshot_position").parse().ok();
            let high = offset.map(|offset| FilePlace::new(value("binlog_snapshot_file"), offset));
            let passed = position.applied_through.file.as_ref();
            if let (Some(high), Some(passed)) = (high, passed)
                && high.covers(passed) == Some(true)
            {
                self.open_table(table).await?;
                let SourceEnd { place, .. } = source_end(&mut self.connection, &self.info).await?;
                // Where something was committed in between, it is not in the snapshot.
                let is_exact = place == high;
                let low = if is_exact { Low::Exact } else { Low::Place(high) };
                return Ok(Some(Snapshot { low, high: place }));
            }
            self.connection.execute("COMMIT").await?;
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(SIGHT_PAUSE).await;
        }
    }

    /// Opens a table, which keeps its name until the transaction ends.
    pub(super) async fn open_table(&mut self, table: &TableName) -> Result<(), ConnectionError> {
        let (database, name) = (quoted(&table.database), quoted(&table.table));
        self.connection.query(&format!("SELECT 1 FROM {database}.{name} LIMIT 0")).await.map(drop)
    }

    async fn begin(&mut self) -> Result<(), ConnectionError> {
        self.connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await
    }
}

#[cfg(test)]
mod tests {
    use otter_core::{Part, SourceTime, TransactionEnd};

    use super::*;

    fn place(offset: u64) -> FilePlace {
        FilePlace::new("binlog.000001", offset)
    }

    fn transaction(start: u64, end: u64) -> Transaction {
        let end = TransactionEnd {
            gtid: None,
            passed: None,
            start: place(end - 10),
            end: place(end),
            timestamp: 0,
            server_id: 1,
            checksum: 0,
        };
        Transaction {
            gtid: None,
            start: place(start),
            committed_at: SourceTime(0),
            origin: None,
            part: Part::Whole,
            rows_before: 0,
            events: Vec::new(),
            end: Some(end),
        }
    }

    #[test]
    fn what_was_prepared_before_and_committed_behind_a_snapshot_is_not_in_it() {
        let snapshot = Snapshot { low: Low::Exact, high: place(500) };
        assert!(!snapshot.is_before(&transaction(100, 500)));
        assert!(snapshot.is_before(&transaction(500, 600)));
        assert!(snapshot.is_before(&transaction(100, 600)));
        // The end of a fragment is not known.
        let fragment = |start| Transaction { end: None, ..transaction(start, 600) };
        assert!(!snapshot.is_before(&fragment(400)));
        assert!(snapshot.is_before(&fragment(500)));
    }

    #[test]
    fn what_ends_behind_a_watermark_may_be_missing() {
        let snapshot = Snapshot { low: Low::Place(place(300)), high: place(500) };
        assert_eq!(snapshot.may_lack(&transaction(100, 300)), Some(false));
        assert_eq!(snapshot.may_lack(&transaction(100, 301)), Some(true));
        let fragment = Transaction { end: None, ..transaction(100, 200) };
        assert_eq!(snapshot.may_lack(&fragment), Some(true));
        let exact = Snapshot { low: Low::Exact, high: place(500) };
        assert_eq!(exact.may_lack(&transaction(100, 300)), None);
    }
}
