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
use tokio::time::{Instant, interval_at};

use super::conn::ConnError;
use super::error::MySqlLoadError;
use super::line::{Line, Setback};
use super::names::{qualified, string};
use super::options::DdlPolicy;
use super::plan::Detail;
use super::session::{Advance, Session};
use super::store::Intent;
use footprint::{Footprint, Progress};
pub use policy::DdlPolicies;
pub use refusal::DdlRefusal;

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
        let rows = match self.options.ddl.of(&ddl.kind) {
            DdlPolicy::Halt => return Err(refuse((transaction, ddl), DdlRefusal::Policy)),
            DdlPolicy::Skip => {
                tracing::warn!(
                    kind = &*ddl.kind,
                    tables = tables_of(ddl),
                    start = %transaction.start,
                    "passing by a schema change of the source"
                );
                self.tables.clear();
                self.load_segment(std::slice::from_ref(transaction), at.through, lease).await
            }
            DdlPolicy::Apply => self.apply_ddl((transaction, ddl), at, lease).await,
        };
        self.tables.clear();
        rows
    }

    async fn apply_ddl(
        &mut self,
        change: Change<'_>,
        at: Advance<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let (transaction, ddl) = change;
        refuse_what_cannot_be_applied(change)?;
        let setup = session::session_text(ddl, self.line.facts.flavour)
            .map_err(|what| refuse(change, DdlRefusal::Session { what }))?;
        let Some(statement) = self.left_to_do(change).await? else {
            tracing::info!(
                kind = &*ddl.kind,
                tables = tables_of(ddl),
                start = %transaction.start,
                "the schema change was executed before the interruption"
            );
            self.begin_ddl(transaction, at, lease).await?;
            return self.load_rows_of_ddl(transaction, at, lease).await;
        };
        let mut helper = match self.helpers.pop() {
            Some(helper) => helper,
            None => Box::pin(self.open_helper(lease)).await??,
        };
        self.begin_ddl(transaction, at, lease).await?;
        let outcome = self.execute_ddl(&mut helper, (change, &setup, &statement), lease).await;
        // Its session is the source's now, and nobody needs it again.
        helper.conn.goodbye().await;
        match outcome {
            Ok(()) => {}
            Err(Setback::Stop(error)) => return Err(error),
            Err(Setback::Contention | Setback::Refused(_)) => {
                return Err(MySqlLoadError::Contention { tries: 1 });
            }
        }
        tracing::info!(
            kind = &*ddl.kind,
            tables = tables_of(ddl),
            start = %transaction.start,
            "executed a schema change of the source"
        );
        self.load_rows_of_ddl(transaction, at, lease).await
    }

    /// What is to be executed: `None` where an earlier process has done it. Stores what the tables
    /// look like, unless that is known of before.
    async fn left_to_do(&mut self, change: Change<'_>) -> Result<Option<String>, MySqlLoadError> {
        let (transaction, ddl) = change;
        let place = transaction.start.to_string();
        let conn = &mut *self.line.conn;
        let now = Footprint::read(conn, &self.line.facts, ddl).await?;
        let whole = || Some(ddl.statement.to_string());
        if let Some(intent) = self.store.read_intent(conn).await?
            && intent.place == place
        {
            let left = match now.progress_since(&Footprint::from_text(&intent.footprint)) {
                Progress::Nothing => whole(),
                Progress::All => None,
                // MariaDB drops table by table; all else is done as a whole or not at all.
                Progress::Without(rest) if &*ddl.kind == "DROP TABLE" => {
                    let rest = rest.iter().filter_map(|index| ddl.tables.get(*index));
                    let names: Vec<_> =
                        rest.map(|table| qualified(&table.database, &table.table)).collect();
                    Some(format!("DROP TABLE IF EXISTS {}", names.join(", ")))
                }
                Progress::Without(_) => return Err(refuse(change, DdlRefusal::HalfDone)),
            };
            return Ok(left);
        }
        let intent = Intent { place, footprint: now.to_text() };
        self.store.write_intent(conn, (&self.claim, self.sequence), &intent).await?;
        Ok(whole())
    }

    /// Begins the transaction that the change's rows and the checkpoint share. From here on the
    /// checkpoint's row is ours, or nothing is executed (FENCE-1).
    async fn begin_ddl(
        &mut self,
        transaction: &Transaction,
        at: Advance<'_>,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        let sequence = self.sequence;
        let (line, _, desk) = self.parts();
        desk.begin_script(line, transaction);
        desk.push_advance(line, at, sequence);
        match line.run(lease, desk.known()).await {
            Ok(_) => Ok(()),
            Err(Setback::Stop(error)) => Err(error),
            Err(Setback::Contention | Setback::Refused(_)) => {
                Err(MySqlLoadError::Contention { tries: 1 })
            }
        }
    }

    /// Executes the statement, however long it takes, while all other connections are kept alive.
    async fn execute_ddl(
        &mut self,
        helper: &mut Line,
        (change, setup, statement): (Change<'_>, &str, &str),
        lease: &Lease,
    ) -> Result<(), Setback> {
        helper.conn.query(setup).await.map_err(MySqlLoadError::plain)?;
        for (name, value) in session::rare_settings(&change.1.session, helper.facts.flavour) {
            set_where_it_differs(helper, name, &value).await?;
        }
        let third = lease.duration() / 3;
        let mut ticks = interval_at(Instant::now() + third, third);
        let outcome = {
            let mut executing = helper.conn.execute_patiently(statement);
            loop {
                tokio::select! {
                    biased;
                    // The server may go on with it; whoever takes over waits until it has ended.
                    () = lease.lost() => {
                        return Err(MySqlLoadError::LeaseOver { term: lease.term() }.into());
                    }
                    outcome = &mut executing => break outcome,
                    _ = ticks.tick() => self.keep_alive(lease).await?,
                }
            }
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(ConnError::Server(server)) => {
                self.rollback().await?;
                let account = &self.line.facts.account;
                let refusal = refusal::meaning(&server, change, account)?;
                // A statement that was refused has done nothing, or did so at the source as well.
                self.store.forget_intent(&mut *self.line.conn).await?;
                Err(refusal)
            }
            Err(error) => Err(MySqlLoadError::plain(error).into()),
        }
    }

    /// Applies the rows of the transaction, which is open, and commits.
    async fn load_rows_of_ddl(
        &mut self,
        transaction: &Transaction,
        at: Advance<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        self.tables.clear();
        let alone = std::slice::from_ref(transaction);
        let rows = super::group::row_count(alone);
        if rows > 0 {
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

async fn set_where_it_differs(
    helper: &mut Line,
    name: &str,
    value: &str,
) -> Result<(), MySqlLoadError> {
    let rows = helper.conn.query(&format!("SELECT @@SESSION.{name}")).await;
    let rows = rows.map_err(MySqlLoadError::plain)?;
    let now = rows.first().and_then(|row| row.first()?.clone());
    if now.as_deref() == Some(value) {
        return Ok(());
    }
    // A switch takes no text.
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let value = if is_number { value.to_owned() } else { string(value) };
    let text = format!("SET SESSION {name} = {value}");
    helper.conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
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
