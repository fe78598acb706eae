//! What a pipeline needs of the server as a whole.

use otter_core::{DatabaseUrl, Finding};

use super::grants::Grants;
use super::{Desk, Marks, pass};
use crate::mysql::MySqlLoadError;
use crate::mysql::OnPoison;
use crate::mysql::connect::Flavour;
use crate::mysql::names::qualified;
use crate::mysql::plan::NewRows;
use crate::mysql::store::{AUDIT, CHECKPOINT, MARK, QUARANTINE, QUARANTINE_PIECE, Store};

/// A row of 5 MiB doubles as hexadecimal text, and most servers take at least this much.
const MODEST_PACKET: usize = 16 << 20;

/// Checks the server's settings.
pub(super) async fn check(
    desk: &mut Desk,
    marks: Marks,
    findings: &mut Vec<Finding>,
) -> Result<(), MySqlLoadError> {
    findings.push(check_packet(desk.facts.max_packet));
    findings.push(check_new_rows(desk.facts.new_rows));
    let is_logging = is_on(desk.variable("log_bin").await?);
    let format = desk.variable("binlog_format").await?;
    findings.push(check_binlog(is_logging, format.as_deref(), marks));
    if is_logging && marks == Marks::Read {
        findings.push(check_binlog_filters(desk).await?);
    }
    Ok(())
}

fn is_on(value: Option<String>) -> bool {
    value.is_some_and(|value| matches!(value.as_str(), "ON" | "1"))
}

fn check_packet(bytes: usize) -> Finding {
    let what = "max_allowed_packet holds large rows";
    if bytes >= MODEST_PACKET {
        return pass(what, format!("{bytes} bytes"));
    }
    Finding::warn(
        what,
        format!("{bytes} bytes; a row whose values need more stops the pipeline"),
        "SET GLOBAL max_allowed_packet = 67108864",
    )
}

/// No fault whichever: loading is exact by each of them.
fn check_new_rows(way: NewRows) -> Finding {
    let what = "how many new rows are loaded";
    pass(
        what,
        match way {
            NewRows::Parameters => "by bulk execution",
            NewRows::Lines => "by LOAD DATA LOCAL",
            NewRows::Inserts => {
                "by INSERT; with local_infile=ON by LOAD DATA LOCAL, which costs the target less"
            }
        },
    )
}

fn check_binlog(is_logging: bool, format: Option<&str>, marks: Marks) -> Finding {
    let what = "the target's binlog suits";
    match (is_logging, format, marks) {
        (false, _, Marks::Unread) => pass(what, "the target writes none"),
        (false, _, Marks::Read) => Finding::fail(
            what,
            "the target writes none, so that no other pipeline can read from it",
            "start the server with --log-bin",
        ),
        // MySQL: READ COMMITTED refuses to write where statements are logged.
        (true, Some("STATEMENT"), _) => Finding::fail(
            what,
            "it logs statements, which the server refuses to do at READ COMMITTED",
            "SET GLOBAL binlog_format = 'ROW'",
        ),
        (true, Some(format), Marks::Read) if format != "ROW" => Finding::fail(
            what,
            format!("its format is {format}, and marks are read from row events"),
            "SET GLOBAL binlog_format = 'ROW'",
        ),
        (true, format, _) => pass(what, format.unwrap_or("ROW")),
    }
}

/// The mark must reach the binlog whatever filters the server has.
async fn check_binlog_filters(desk: &mut Desk) -> Result<Finding, MySqlLoadError> {
    let what = "the mark reaches the target's binlog";
    let mut answer = desk.conn.query("SHOW BINARY LOG STATUS").await;
    // MariaDB and MySQL before 8.2 have an older name for it.
    if matches!(&answer, Err(error) if error.number() == Some(1064)) {
        answer = desk.conn.query("SHOW MASTER STATUS").await;
    }
    let rows = match answer {
        Ok(rows) => rows,
        Err(error) if matches!(error.number(), Some(1142 | 1227)) => {
            let right = match desk.facts.flavour {
                Flavour::MySql => "REPLICATION CLIENT",
                Flavour::MariaDb => "BINLOG MONITOR",
            };
            return Ok(Finding::warn(
                what,
                "the account may not see the binlog's filters",
                format!("GRANT {right} ON *.* TO {}", desk.facts.account),
            ));
        }
        Err(error) => return Err(MySqlLoadError::plain(error)),
    };
    let filters: Vec<String> = rows
        .first()
        .map(|row| row.iter().skip(2).take(2).flatten().filter(|text| !text.is_empty()).cloned())
        .into_iter()
        .flatten()
        .collect();
    if filters.is_empty() {
        return Ok(pass(what, "no filter"));
    }
    Ok(Finding::warn(
        what,
        format!("the server filters its binlog: {}", filters.join(" / ")),
        "let the schema of the marks and all mapped schemas pass binlog-do-db and binlog-ignore-db",
    ))
}

/// A connection of the same account must be able to end another one.
pub(super) async fn check_kill(desk: &mut Desk, url: &DatabaseUrl) -> Finding {
    let what = "a successor can end its predecessor's connections";
    let right = match desk.facts.flavour {
        Flavour::MySql => "CONNECTION_ADMIN",
        Flavour::MariaDb => "CONNECTION ADMIN",
    };
    let remedy = format!("GRANT {right} ON *.* TO {}", desk.facts.account);
    let mut other = match Desk::open(url).await {
        Ok(other) => other,
        Err(error) => {
            return Finding::fail(what, error.to_string(), "allow the account two connections");
        }
    };
    let id = other.value("SELECT CONNECTION_ID()").await;
    let Ok(Some(id)) = id else {
        return Finding::fail(what, "the second connection does not answer", remedy);
    };
    match desk.rows(&format!("KILL {id}")).await {
        Ok(_) => Finding::pass(what),
        Err(error) => Finding::fail(what, error.to_string(), remedy),
    }
}

/// Named locks keep writers apart.
pub(super) async fn check_named_lock(desk: &mut Desk) -> Result<Finding, MySqlLoadError> {
    let what = "the server has named locks";
    let name = "otter:check";
    let answer = desk.value(&format!("SELECT GET_LOCK('{name}', 5)")).await;
    Ok(match answer {
        Ok(Some(got)) if got == "1" => {
            desk.value(&format!("SELECT RELEASE_LOCK('{name}')")).await?;
            Finding::pass(what)
        }
        Ok(_) => Finding::warn(what, "another check is under way", "check again"),
        Err(error) => Finding::fail(
            what,
            error.to_string(),
            "allow GET_LOCK: connect to a server of its own instead of a proxy or a strict cluster",
        ),
    })
}

/// The schema for checkpoints and marks is there and writable, or can be made.
pub(super) async fn check_store(
    desk: &mut Desk,
    (schema, on_poison): (&str, OnPoison),
    grants: &Grants,
    findings: &mut Vec<Finding>,
) -> Result<(), MySqlLoadError> {
    let what = format!("the schema {schema} can be written");
    let store = Store::new(schema, "");
    let remedy = store.grant_all(&desk.facts.account);
    let mut missing = 0;
    let tables = [("checkpoint", &CHECKPOINT[..]), ("mark", &MARK[..])];
    // Who holds no rows needs no place for them.
    let of_held_rows = [
        ("quarantine", &QUARANTINE[..]),
        ("quarantine_piece", &QUARANTINE_PIECE[..]),
        ("audit", &AUDIT[..]),
    ];
    let holds_rows = on_poison == OnPoison::Quarantine;
    let of_held_rows = of_held_rows.into_iter().filter(|_| holds_rows);
    for (name, columns) in tables.into_iter().chain(of_held_rows) {
        let quoted = qualified(schema, name);
        match desk.try_writing(&quoted, columns).await? {
            None => {}
            Some(1049 | 1146) => missing += 1,
            Some(1290 | 1792 | 1836) => {
                findings.push(Finding::fail(
                    what,
                    "the target takes no writes",
                    "SET GLOBAL read_only = OFF, or point the URL to the primary",
                ));
                return Ok(());
            }
            Some(1044 | 1142 | 1143) if !grants.allow("CREATE", schema) => {
                findings.push(Finding::fail(what, format!("no right to write {quoted}"), remedy));
                return Ok(());
            }
            Some(1044 | 1142 | 1143) => missing += 1,
            Some(number) => {
                let detail = format!("the server answers error {number} for {quoted}");
                findings.push(Finding::fail(what, detail, remedy));
                return Ok(());
            }
        }
    }
    findings.push(if missing == 0 {
        pass(&what, "it is there")
    } else if grants.allow("CREATE", schema) {
        pass(&what, "the first start makes it")
    } else {
        Finding::fail(what, "it is missing, and no right to make it is seen", remedy)
    });
    Ok(())
}
