//! What can be known about a target before a pipeline writes to it.
//!
//! Nothing is changed, except by [`prove_marks`]: rights are tried with statements that touch no row,
//! in a transaction that is rolled back. Each finding that is not right names the statement that mends it.

mod collations;
mod ddl;
mod grants;
mod mark;
mod server;
mod tables;
mod width;

use std::sync::Arc;
use std::time::Duration;

use otter_core::{DatabaseUrl, Finding, Table};

use crate::mysql::conn::{ApplyConn, ConnError, TextRow};
use crate::mysql::connect::{self, ServerFacts, SessionTimes};
use crate::mysql::{DdlPolicies, MySqlLoadError};
use crate::mysql::{Existing, OnPoison};
pub use collations::check_collations;
use grants::Grants;
pub use mark::prove_marks;

/// How long a row lock or an answer may take; somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the server may keep the idle connection.
const IDLE: Duration = Duration::from_secs(30);

/// Whether somebody reads the target's binlog to tell this pipeline's changes from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Nobody does: one way.
    Unread,
    /// Another pipeline reads from this target and must know the marks.
    Read,
}

/// What to check.
#[derive(Debug, Clone, Copy)]
pub struct TargetCheck<'a> {
    /// The target.
    pub url: &'a DatabaseUrl,
    /// The schema for checkpoints and marks: `otter` unless configured.
    pub schema: &'a str,
    /// The source's tables under the names that they have in the target.
    pub tables: &'a [Arc<Table>],
    /// Whether the marks are read.
    pub marks: Marks,
    /// What is done about schema changes.
    pub ddl: DdlPolicies,
    /// What is done about rows that the target does not take.
    pub on_poison: OnPoison,
    /// Whether tables are copied first.
    pub copy: CopyCheck,
}

/// What an initial copy is to find at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyCheck {
    /// There is none.
    No,
    /// It is to begin: missing tables are made, and rows that are there are dealt with like this.
    Begins(Existing),
    /// It has begun already.
    Begun,
}

/// Checks a target. The findings are in the order of what they depend on; where the server cannot
/// be reached there is one.
///
/// ```no_run
/// use otter_sink::{DdlPolicies, OnPoison};
/// use otter_sink::preflight::{CopyCheck, Marks, TargetCheck, check_target};
///
/// # async fn example(url: otter_core::DatabaseUrl) {
/// let check = TargetCheck {
///     url: &url,
///     schema: "otter",
///     tables: &[],
///     marks: Marks::Unread,
///     ddl: DdlPolicies::default(),
///     on_poison: OnPoison::Halt,
///     copy: CopyCheck::No,
/// };
/// for finding in check_target(&check).await {
///     println!("{} {} {}", finding.verdict, finding.what, finding.detail);
/// }
/// # }
/// ```
pub async fn check_target(check: &TargetCheck<'_>) -> Vec<Finding> {
    let mut desk = match Desk::open(check.url).await {
        Ok(desk) => desk,
        Err(error) => {
            return vec![Finding::fail(
                "the target lets the account in",
                error.to_string(),
                "mend what the message says, then check again",
            )];
        }
    };
    let mut findings = vec![pass(
        "the target lets the account in",
        format!("{} as {}", desk.facts.version, desk.facts.account),
    )];
    let outcome = Box::pin(look(&mut desk, check, &mut findings)).await;
    if let Err(error) = outcome {
        findings.push(Finding::fail(
            "the target answers",
            error.to_string(),
            "look at the server's log, then check again",
        ));
    }
    desk.conn.goodbye().await;
    findings
}

async fn look(
    desk: &mut Desk,
    check: &TargetCheck<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), MySqlLoadError> {
    let grants = Grants::read(desk).await?;
    server::check(desk, check.marks, findings).await?;
    findings.push(server::check_kill(desk, check.url).await);
    findings.push(server::check_named_lock(desk).await?);
    server::check_store(desk, (check.schema, check.on_poison), &grants, findings).await?;
    tables::check(desk, (check.tables, check.copy), &grants, findings).await?;
    ddl::check(desk, check, &grants, findings).await
}

/// A connection for checking.
struct Desk {
    conn: Box<dyn ApplyConn>,
    facts: ServerFacts,
}

impl Desk {
    async fn open(url: &DatabaseUrl) -> Result<Self, MySqlLoadError> {
        let times = SessionTimes { idle: IDLE, row_lock: PATIENCE, answer: PATIENCE * 3 };
        let (conn, facts) = connect::open(url, times).await?;
        Ok(Self { conn, facts })
    }

    async fn rows(&mut self, text: &str) -> Result<Vec<TextRow>, MySqlLoadError> {
        self.conn.query(text).await.map_err(MySqlLoadError::plain)
    }

    /// The one value of a query; `None` for NULL and for no row.
    async fn value(&mut self, text: &str) -> Result<Option<String>, MySqlLoadError> {
        Ok(self.rows(text).await?.into_iter().next().and_then(|row| row.into_iter().next()?))
    }

    /// A server variable; `None` where this server does not have it.
    async fn variable(&mut self, name: &str) -> Result<Option<String>, MySqlLoadError> {
        let rows = self.rows(&format!("SHOW GLOBAL VARIABLES LIKE '{name}'")).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().nth(1)?))
    }

    /// Tries to write to a table without changing it. Returns the server's error number where that
    /// is refused.
    async fn try_writing(
        &mut self,
        quoted: &str,
        columns: &[&str],
    ) -> Result<Option<u16>, MySqlLoadError> {
        let (Some(first), list) = (columns.first(), columns.join(", ")) else { return Ok(None) };
        let text = format!(
            "START TRANSACTION; INSERT INTO {quoted} ({list}) SELECT {list} FROM {quoted} \
             WHERE FALSE; UPDATE {quoted} SET {first} = {first} WHERE FALSE; \
             DELETE FROM {quoted} WHERE FALSE; ROLLBACK"
        );
        match self.conn.query(&text).await {
            Ok(_) => Ok(None),
            Err(ConnError::Server(server)) if !server.ends_session() => {
                self.rows("ROLLBACK").await?;
                Ok(Some(server.number))
            }
            Err(error) => Err(MySqlLoadError::plain(error)),
        }
    }
}

/// A finding that is right, with what was seen.
fn pass(what: &str, detail: impl Into<String>) -> Finding {
    Finding { detail: detail.into(), ..Finding::pass(what) }
}
