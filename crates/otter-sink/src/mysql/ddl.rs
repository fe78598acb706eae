//! Schema changes of the source: halted at, passed by, or executed in the target exactly once.
//!
//! A server commits when it changes a schema, so the statement cannot share a transaction with the
//! checkpoint. It runs on a connection of its own, while the first one holds the checkpoint's row,
//! which fences it. What the tables looked like before is stored first: whoever finds that, and
//! other tables than those, knows that the statement was executed.

mod footprint;
mod policy;
mod refusal;
mod session;

use otter_core::{Ddl, DdlReach, Event, Lease, Transaction};
use tokio::time::interval;

use super::conn::{ConnError, ServerError};
use super::error::MySqlLoadError;
use super::group::{has_copy_steps, pause_before};
use super::line::{Line, Setback};
use super::names::{qualified, string};
use super::options::DdlPolicy;
use super::plan::Detail;
use super::session::{Advance, Session};
use super::store::Intent;
use footprint::{Footprint, Progress};
pub use policy::DdlPolicies;
pub use refusal::DdlRefusal;

/// The server's number for a deadlock.
const DEADLOCK: u16 = 1213;

/// A schema change with the transaction that holds it.
type Change<'a> = (&'a Transaction, &'a Ddl);

impl Session {
    /// Deals with a schema change and the rows of its transaction, as its policy says.
    pub(super) async fn load_ddl(
        &mut self,
        (transaction, ddl): Change<'_>,
        at: Advance<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        self.ensure_relations().await?;
        let rows = match self.options.ddl.of(&ddl.kind) {
            DdlPolicy::Halt => return Err(refuse((transaction, ddl), DdlRefusal::Policy)),
            DdlPolicy::Skip => {
                self.pass_by((transaction, ddl));
                self.load_segment(std::slice::from_ref(transaction), at.through, lease).await
            }
            DdlPolicy::Apply if self.concerns_held_rows(ddl) => {
                return Err(refuse((transaction, ddl), DdlRefusal::HeldRows));
            }
            DdlPolicy::Apply => self.apply_ddl((transaction, ddl), at, lease).await,
        };
        self.tables.clear();
        self.quarantine.forget_definitions();
        rows
    }

    /// A schema change in a transaction of fragments is never executed.
    pub(super) fn refuse_ddl(&mut self, transaction: &Transaction) -> Result<(), MySqlLoadError> {
        let changes = transaction
            .events
            .iter()
            .filter_map(|event| if let Event::Ddl(ddl) = event { Some(ddl) } else { None });
        for ddl in changes {
            let change = (transaction, ddl);
            match self.options.ddl.of(&ddl.kind) {
                DdlPolicy::Halt => return Err(refuse(change, DdlRefusal::Policy)),
                DdlPolicy::Apply => return Err(refuse(change, DdlRefusal::TooLarge)),
                DdlPolicy::Skip => self.pass_by(change),
            }
        }
        Ok(())
    }

    /// Whether the change names a table of held rows, or one that foreign keys connect with it.
    fn concerns_held_rows(&self, ddl: &Ddl) -> bool {
        if self.quarantine.is_empty() {
            return false;
        }
        let named = ddl.names.iter().map(|name| &name.table);
        let mut tables = ddl.tables.iter().chain(named);
        tables.any(|table| self.quarantine.watches_name(table))
            || (ddl.tables.is_empty() && self.quarantine.watches_database(&ddl.database))
    }

    fn pass_by(&mut self, (transaction, ddl): Change<'_>) {
        tracing::warn!(
            kind = &*ddl.kind,
            tables = tables_of(ddl),
            start = %transaction.start,
            "passing by a schema change of the source"
        );
        self.tables.clear();
        self.quarantine.forget_definitions();
    }

    async fn apply_ddl(
        &mut self,
        change: Change<'_>,
        at: Advance<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let (transaction, ddl) = change;
        refuse_what_cannot_be_applied(change)?;
        let mut helper = match self.helpers.pop() {
            Some(helper) => helper,
            None => Box::pin(self.open_helper(lease)).await??,
        };
        let outcome = self.execute_once(&mut helper, change, at, lease).await;
        // Its session is the source's now, and nobody needs it again.
        helper.conn.goodbye().await;
        let is_executed = outcome?;
        tracing::info!(
            kind = &*ddl.kind,
            tables = tables_of(ddl),
            start = %transaction.start,
            "{}",
            if is_executed {
                "executed a schema change of the source"
            } else {
                "the schema change was executed before the interruption"
            }
        );
        self.load_rows_of_ddl(transaction, at, lease).await
    }

    /// Executes what is left to do of it, and leaves open the transaction of its rows. Tells whether
    /// there was anything.
    async fn execute_once(
        &mut self,
        helper: &mut Line,
        change: Change<'_>,
        at: Advance<'_>,
        lease: &Lease,
    ) -> Result<bool, MySqlLoadError> {
        // Whatever can be refused before is refused before anything is stored.
        set_up(helper, change).await?;
        let (transaction, ddl) = change;
        let Some(statement) = self.left_to_do(change).await? else {
            self.begin_ddl(transaction, at, lease).await?;
            return Ok(false);
        };
        self.begin_ddl(transaction, at, lease).await?;
        match self.execute_past_deadlocks(helper, &statement, lease).await? {
            Ok(()) => Ok(true),
            Err(server) => {
                self.rollback().await?;
                // It has done nothing, or the next start finds what.
                let server_now =
                    footprint::server_of(&mut *self.line.conn, &self.line.facts).await?;
                let now = Footprint::read(&mut *self.line.conn, &self.line.facts, ddl).await?;
                if let Some(intent) = self.store.read_intent(&mut *self.line.conn).await? {
                    let before = Footprint::from_text(&intent.footprint);
                    let same = intent.server == server_now;
                    if matches!(now.progress_since(&before, same), Progress::Nothing { .. }) {
                        self.store.forget_intent(&mut *self.line.conn).await?;
                    }
                }
                Err(refusal::meaning(&server, change, &self.line.facts.account))
            }
        }
    }

    /// What is to be executed: `None` where an earlier process has done it. Stores what the tables
    /// look like, unless that is known of before.
    async fn left_to_do(&mut self, change: Change<'_>) -> Result<Option<String>, MySqlLoadError> {
        let (transaction, ddl) = change;
        let conn = &mut *self.line.conn;
        let now = Footprint::read(conn, &self.line.facts, ddl).await?;
        let intent = Intent {
            place: transaction.start.to_string(),
            statement: ddl.statement.to_string(),
            server: footprint::server_of(conn, &self.line.facts).await?,
            footprint: now.to_text(),
        };
        if let Some(begun) = self.store.read_intent(conn).await?
            && begun.place == intent.place
        {
            return left_of(change, &begun, &intent, &now);
        }
        self.store.write_intent(conn, (&self.claim, &self.held), &intent).await?;
        Ok(Some(intent.statement))
    }

    /// Begins the transaction that the change's rows and the checkpoint share. From here on the
    /// checkpoint's row is ours, or nothing is executed (FENCE-1).
    async fn begin_ddl(
        &mut self,
        transaction: &Transaction,
        at: Advance<'_>,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        let held = self.held.clone();
        let (line, _, desk) = self.parts();
        desk.begin_script(line, transaction);
        desk.push_advance(line, at, &held);
        match line.run(lease, desk.known()).await {
            Ok(_) => Ok(()),
            Err(Setback::Stop(error)) => Err(error),
            Err(Setback::Contention | Setback::Refused(_)) => {
                Err(MySqlLoadError::Contention { tries: 1 })
            }
        }
    }

    /// Executes the statement, again where it loses a deadlock: then the server has undone it.
    ///
    /// A server lets a schema change win against a reader; but in MariaDB a connection that has given
    /// way a hundred times wins from then on (`MDL_context::inc_deadlock_overweight`), so that nothing
    /// but another try helps, between two of its transactions.
    async fn execute_past_deadlocks(
        &mut self,
        helper: &mut Line,
        statement: &str,
        lease: &Lease,
    ) -> Result<Result<(), ServerError>, MySqlLoadError> {
        for attempt in 1..self.options.contention_tries {
            match self.execute_ddl(helper, statement, lease).await? {
                Err(server) if server.number == DEADLOCK => {
                    tracing::info!(attempt, "a schema change lost a deadlock and is tried again");
                    tokio::time::sleep(pause_before(attempt)).await;
                }
                outcome => return Ok(outcome),
            }
        }
        self.execute_ddl(helper, statement, lease).await
    }

    /// Executes the statement, however long it takes, while all other connections are kept alive;
    /// the inner error is the server's answer.
    async fn execute_ddl(
        &mut self,
        helper: &mut Line,
        statement: &str,
        lease: &Lease,
    ) -> Result<Result<(), ServerError>, MySqlLoadError> {
        // The server ends connections that rest for two thirds of the lease.
        let mut ticks = interval(lease.duration() / 4);
        let mut executing = helper.conn.execute_patiently(statement);
        let outcome = loop {
            tokio::select! {
                biased;
                // The server may go on with it; whoever takes over waits until it has ended.
                () = lease.lost() => return Err(MySqlLoadError::LeaseOver { term: lease.term() }),
                outcome = &mut executing => break outcome,
                _ = ticks.tick() => {
                    self.line.ping().await?;
                    // Others are not needed for it, and are opened again when they are.
                    for mut line in std::mem::take(&mut self.helpers) {
                        if line.ping().await.is_err() {
                            break;
                        }
                        self.helpers.push(line);
                    }
                }
            }
        };
        match outcome {
            Ok(()) => Ok(Ok(())),
            // What has become of it is not known.
            Err(ConnError::Server(server)) if refusal::is_unknown(&server) => {
                Err(MySqlLoadError::Lost { cause: server.to_string() })
            }
            Err(ConnError::Server(server)) => Ok(Err(server)),
            Err(error) => Err(MySqlLoadError::plain(error)),
        }
    }

    /// Applies the rows of the transaction, which is open, and how far copies are behind the change, and
    /// commits.
    async fn load_rows_of_ddl(
        &mut self,
        transaction: &Transaction,
        at: Advance<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        self.tables.clear();
        let alone = std::slice::from_ref(transaction);
        let rows = super::group::row_count(alone);
        if rows > 0 || has_copy_steps(transaction) {
            self.learn_tables(alone).await?;
            match self.execute(alone, Detail::Joined, None, lease).await {
                Ok(()) => {}
                Err(Setback::Stop(error)) => return Err(error),
                Err(Setback::Contention) => return Err(MySqlLoadError::Contention { tries: 1 }),
                Err(Setback::Refused(refusal)) => return Err(self.name_row(refusal, alone)),
            }
        }
        self.commit(at.through, lease).await?;
        Ok(rows)
    }
}

/// What is left of a statement at which an earlier process was interrupted; `None` for nothing.
fn left_of(
    change: Change<'_>,
    begun: &Intent,
    intent: &Intent,
    now: &Footprint,
) -> Result<Option<String>, MySqlLoadError> {
    let (_, ddl) = change;
    if begun.statement != intent.statement {
        return Err(refuse(change, DdlRefusal::OtherStatement));
    }
    let version = |server: &str| server.split(' ').next().map(str::to_owned);
    if version(&begun.server) != version(&intent.server) {
        return Err(refuse(change, DdlRefusal::OtherVersion));
    }
    let whole = Ok(Some(intent.statement.clone()));
    let before = Footprint::from_text(&begun.footprint);
    match now.progress_since(&before, begun.server == intent.server) {
        // MariaDB: CREATE OR REPLACE may have come no further than to drop the old one.
        _ if &*ddl.kind == "CREATE TABLE" && now.lacks_the_first() => whole,
        // Two tables may have changed their names, or partitions their tables, and look as before.
        Progress::Nothing { surely: false } if may_swap(ddl) => {
            Err(refuse(change, DdlRefusal::Unknown))
        }
        Progress::Nothing { .. } => whole,
        Progress::All => Ok(None),
        // MariaDB drops table by table; all else is done as a whole or not at all.
        Progress::Without(rest) if &*ddl.kind == "DROP TABLE" => {
            let rest = rest.iter().filter_map(|index| ddl.tables.get(*index));
            let names: Vec<_> =
                rest.map(|table| qualified(&table.database, &table.table)).collect();
            Ok(Some(format!("DROP TABLE IF EXISTS {}", names.join(", "))))
        }
        Progress::Without(_) => Err(refuse(change, DdlRefusal::HalfDone)),
    }
}

/// Whether it may exchange what is there without changing a definition. All others do nothing new
/// when they are executed again before any row has come.
fn may_swap(ddl: &Ddl) -> bool {
    ddl.tables.len() > 1
}

/// Makes the session of the statement.
async fn set_up(helper: &mut Line, change: Change<'_>) -> Result<(), MySqlLoadError> {
    let (_, ddl) = change;
    let unsuited = |what| refuse(change, DdlRefusal::Session { what });
    let mut text = session::session_text(ddl, helper.facts.flavour).map_err(unsuited)?;
    let zone = variable(helper, "system_time_zone").await?;
    if session::zone_of_system(&ddl.session, &zone).map_err(unsuited)? {
        text.push_str(", time_zone='SYSTEM'");
    }
    for (name, value) in session::rare_settings(&ddl.session, helper.facts.flavour) {
        if variable(helper, name).await? != value {
            // A switch takes no text.
            let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
            let value = if is_number { value } else { string(&value) };
            text.push_str(&format!(", {name}={value}"));
        }
    }
    match helper.conn.query(&text).await {
        Ok(_) => Ok(()),
        // The settings hold no values of rows.
        Err(ConnError::Server(server)) if !refusal::is_unknown(&server) => {
            let (number, message) = (server.number, Some(server.message().to_owned()));
            Err(refuse(change, DdlRefusal::Target { number, message }))
        }
        Err(error) => Err(MySqlLoadError::plain(error)),
    }
}

async fn variable(helper: &mut Line, name: &str) -> Result<String, MySqlLoadError> {
    let rows = helper.conn.query(&format!("SELECT @@{name}")).await;
    let rows = rows.map_err(MySqlLoadError::plain)?;
    Ok(rows.first().and_then(|row| row.first()?.clone()).unwrap_or_default())
}

fn refuse_what_cannot_be_applied(change: Change<'_>) -> Result<(), MySqlLoadError> {
    let (transaction, ddl) = change;
    let changes = transaction.events.iter().filter(|event| matches!(event, Event::Ddl(_)));
    let refusal = match ddl.reach {
        _ if ddl.session.failed => DdlRefusal::FailedAtSource,
        _ if changes.count() > 1 => DdlRefusal::Several,
        DdlReach::Whole => return Ok(()),
        DdlReach::Merged => DdlRefusal::Merged,
        DdlReach::Partly | _ => DdlRefusal::Partly,
    };
    Err(refuse(change, refusal))
}

fn refuse((transaction, ddl): Change<'_>, why: DdlRefusal) -> MySqlLoadError {
    MySqlLoadError::Ddl {
        kind: ddl.kind.clone(),
        tables: tables_of(ddl),
        start: transaction.start.clone(),
        why,
    }
}

fn tables_of(ddl: &Ddl) -> String {
    if ddl.tables.is_empty() {
        return format!("database {}", ddl.database);
    }
    ddl.tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
