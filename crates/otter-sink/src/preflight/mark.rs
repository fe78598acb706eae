//! The proof that marks reach the target's binlog.
//!
//! Whoever reads from this target tells the changes of its pipelines by their marks. Filters,
//! formats and replication set-ups that keep marks away are too many to list, so one is written
//! and looked for.

use otter_core::{DatabaseUrl, Finding};

use super::{Desk, pass};
use crate::mysql::MySqlLoadError;
use crate::mysql::conn::TextRow;
use crate::mysql::connect::Flavour;
use crate::mysql::store::Store;

/// The pipeline's name in the mark of a proof; no pipeline of a configuration has spaces in it.
const PROOF: &str = "otter-server check";

/// How many events are read at once.
const EVENTS: usize = 1_000;

/// Writes a mark under a name of its own, and looks for it in the target's binlog. This is the one
/// check that changes something: the schema is made where it is missing, and a row of the mark
/// table is written.
pub async fn prove_marks(url: &DatabaseUrl, schema: &str) -> Finding {
    let what = "a mark is seen in the target's binlog";
    let failed = |error: &MySqlLoadError| {
        Finding::fail(what, error.to_string(), "mend what the message says, then check again")
    };
    let mut desk = match Desk::open(url).await {
        Ok(desk) => desk,
        Err(error) => return failed(&error),
    };
    let finding = Box::pin(write_and_look(&mut desk, schema, what)).await;
    desk.conn.goodbye().await;
    finding.unwrap_or_else(|error| failed(&error))
}

async fn write_and_look(
    desk: &mut Desk,
    schema: &str,
    what: &str,
) -> Result<Finding, MySqlLoadError> {
    let store = Store::new(schema, PROOF);
    store.ensure(&mut *desk.conn, &desk.facts).await?;
    let Some(before) = binlog_end(desk).await? else {
        return Ok(Finding::fail(
            what,
            "the target writes no binlog, or the account may not see it",
            format!("start the server with --log-bin; {}", grant(desk)),
        ));
    };
    let mut text = "START TRANSACTION; ".to_owned();
    store.push_mark(&mut text, PROOF, 0);
    text.push_str("; COMMIT");
    desk.rows(&text).await?;
    let Some(after) = binlog_end(desk).await? else { return Ok(Finding::pass(what)) };
    let name = format!("({schema}.mark)");
    let mut files = vec![before.clone()];
    if after.0 != before.0 {
        files.push((after.0, "4".to_owned()));
    }
    for (file, from) in files {
        match look_for(desk, &file, &from, &name).await? {
            Seen::Yes => return Ok(pass(what, file)),
            Seen::No => {}
            Seen::NotAllowed => {
                let detail = "the account may not look into the binlog";
                return Ok(Finding::warn(what, detail, grant(desk)));
            }
        }
    }
    Ok(Finding::fail(
        what,
        "the mark was committed, but the binlog does not hold it as a row event",
        "set binlog_format = ROW, and let the schema of the marks pass binlog-do-db, \
         binlog-ignore-db and sql_log_bin",
    ))
}

enum Seen {
    Yes,
    No,
    NotAllowed,
}

/// Looks for a table map of this table behind a place in a file.
async fn look_for(
    desk: &mut Desk,
    file: &str,
    from: &str,
    name: &str,
) -> Result<Seen, MySqlLoadError> {
    let mut skipped = 0;
    loop {
        let ask = format!("SHOW BINLOG EVENTS IN '{file}' FROM {from} LIMIT {skipped}, {EVENTS}");
        let events = match desk.conn.query(&ask).await {
            Ok(events) => events,
            Err(error) if matches!(error.number(), Some(1142 | 1227)) => {
                return Ok(Seen::NotAllowed);
            }
            Err(error) => return Err(MySqlLoadError::plain(error)),
        };
        if events.iter().any(|event| is_table_map(event, name)) {
            return Ok(Seen::Yes);
        }
        if events.len() < EVENTS {
            return Ok(Seen::No);
        }
        skipped += EVENTS;
    }
}

fn is_table_map(event: &TextRow, name: &str) -> bool {
    let text = |column: usize| event.get(column).and_then(Option::as_deref).unwrap_or_default();
    text(2) == "Table_map" && text(5).contains(name)
}

/// File and offset of the binlog's end; `None` where there is none or it may not be seen.
async fn binlog_end(desk: &mut Desk) -> Result<Option<(String, String)>, MySqlLoadError> {
    let mut answer = desk.conn.query("SHOW BINARY LOG STATUS").await;
    // MariaDB and MySQL before 8.2 have an older name for it.
    if matches!(&answer, Err(error) if error.number() == Some(1064)) {
        answer = desk.conn.query("SHOW MASTER STATUS").await;
    }
    match answer {
        Ok(rows) => Ok(rows.into_iter().next().and_then(|row| {
            let mut cells = row.into_iter();
            Some((cells.next()??, cells.next()??))
        })),
        Err(error) if matches!(error.number(), Some(1142 | 1227 | 1381)) => Ok(None),
        Err(error) => Err(MySqlLoadError::plain(error)),
    }
}

fn grant(desk: &Desk) -> String {
    let right = match desk.facts.flavour {
        Flavour::MySql => "REPLICATION CLIENT, REPLICATION SLAVE",
        Flavour::MariaDb => "BINLOG MONITOR, REPLICATION SLAVE",
    };
    format!("GRANT {right} ON *.* TO {}", desk.facts.account)
}
