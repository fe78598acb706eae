//! A connection with the script on its way over it, and what the answers mean.

use std::fmt;

use otter_core::Lease;
use otter_mysql::Done;
use tokio::time::Instant;

use super::conn::{ApplyConn, ConnError, ServerError};
use super::connect::{SQL_MODE, ServerFacts};
use super::error::MySqlLoadError;
use super::plan::{Expect, PlanError, RowsOf, Script, TablePlans};
use super::refusal::{Meaning, Reason, meaning};
use super::store::Store;

/// Begins a target transaction. Whatever ends it against our will, nothing behind is committed by
/// itself.
pub(super) const BEGIN: &str = "SET SESSION autocommit=0";
/// Commits a target transaction.
pub(super) const COMMIT: &str = "COMMIT; SET SESSION autocommit=1";
/// ER_PARSE_ERROR.
const SYNTAX_ERROR: u16 = 1064;

/// A connection and its script.
pub(super) struct Line {
    /// Its number among the pipeline's writing connections.
    pub(super) slot: u16,
    pub(super) conn: Box<dyn ApplyConn>,
    pub(super) facts: ServerFacts,
    pub(super) script: Script,
    /// When the server last heard of it.
    pub(super) used_at: Instant,
    /// Whether the session checks foreign keys now.
    pub(super) checks_foreign_keys: bool,
    done: Vec<Done>,
}

/// Why an attempt did not succeed.
#[derive(Debug)]
pub(super) enum Setback {
    /// Other work was in the way; the same may pass at once.
    Contention,
    /// The target does not take some rows.
    Refused(Refusal),
    /// Anything else; the session is over.
    Stop(MySqlLoadError),
}

/// Rows that the target does not take; one of them where the statement had more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) of: RowsOf,
    pub(super) reason: Reason,
    /// Whether they went by `LOAD DATA`, which warns where an INSERT refuses.
    pub(super) by_load: bool,
}

impl Refusal {
    pub(super) fn of(of: RowsOf, reason: Reason) -> Self {
        Self { of, reason, by_load: false }
    }
}

/// What is known about the tables that a script touches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) tables: &'a TablePlans,
    pub(super) store: &'a Store,
}

impl From<MySqlLoadError> for Setback {
    fn from(error: MySqlLoadError) -> Self {
        Self::Stop(error)
    }
}

impl From<PlanError> for Setback {
    fn from(error: PlanError) -> Self {
        Self::Refused(Refusal::of(error.of, error.reason))
    }
}

/// The lease must be held whenever something is written.
pub(super) fn require_held(lease: &Lease) -> Result<(), MySqlLoadError> {
    if lease.is_held() { Ok(()) } else { Err(MySqlLoadError::LeaseOver { term: lease.term() }) }
}

impl Line {
    pub(super) fn new(slot: u16, conn: Box<dyn ApplyConn>, facts: ServerFacts) -> Self {
        Self {
            slot,
            conn,
            facts,
            script: Script::default(),
            used_at: Instant::now(),
            checks_foreign_keys: true,
            done: Vec::new(),
        }
    }

    /// Executes the script, checks every answer and empties the script. Returns the number of
    /// changed rows.
    pub(super) async fn run(&mut self, lease: &Lease, known: Known<'_>) -> Result<u64, Setback> {
        require_held(lease)?;
        let steps = self.script.take();
        self.done.clear();
        let outcome = tokio::select! {
            biased;
            // The server may go on with the text, but nothing is committed with it.
            () = lease.lost() => return Err(MySqlLoadError::LeaseOver { term: lease.term() }.into()),
            outcome = self.conn.execute(&steps, &mut self.done) => outcome,
        };
        self.used_at = Instant::now();
        let checked = self.check_answers(outcome, known);
        self.script.reuse(steps);
        checked
    }

    fn check_answers(
        &self,
        outcome: Result<(), ConnError>,
        known: Known<'_>,
    ) -> Result<u64, Setback> {
        let expects = self.script.expects();
        let answers = || expects.iter().zip(&self.done);
        // INVARIANT FENCE-1: rows that are not as expected mean nothing where another loader has
        // written them.
        let is_moved = |(expect, done): (&Expect, &Done)| matches!(expect, Expect::Checkpoint(lanes) if done.affected_rows != *lanes);
        if answers().any(is_moved) {
            return Err(MySqlLoadError::CheckpointMoved.into());
        }
        // INVARIANT EXACT-1: the server has rolled the transaction back, or given a change up,
        // without saying so; then no answer means anything.
        let is_void = |(expect, done): (&Expect, &Done)| {
            let is_given_up = *expect == Expect::Settled && done.affected_rows != 1;
            is_given_up || (expect.rows().is_some() && !done.in_transaction)
        };
        if answers().any(is_void) {
            return Err(Setback::Contention);
        }
        let mut rows = 0;
        for (expect, done) in answers() {
            rows += check_answer(*expect, *done)?;
        }
        match outcome {
            Ok(()) if self.done.len() == expects.len() => Ok(rows),
            Ok(()) => {
                let cause = "the server answered another number of statements than it was sent";
                Err(MySqlLoadError::Lost { cause: cause.to_owned() }.into())
            }
            Err(ConnError::Server(server)) => {
                let expect = expects.get(self.done.len()).copied().unwrap_or(Expect::Nothing);
                Err(self.refused(&server, expect, known))
            }
            Err(error @ ConnError::Broken(_)) => Err(MySqlLoadError::plain(error).into()),
        }
    }

    /// What a server's error about a statement of the script means.
    fn refused(&self, server: &ServerError, expect: Expect, known: Known<'_>) -> Setback {
        let of = expect.rows();
        let plan = of.and_then(|of| known.tables.plan(of.table));
        let meaning = match plan {
            Some(plan) => meaning(server, plan),
            None => meaning(server, &()),
        };
        let number = server.number;
        match (meaning, of) {
            (Meaning::Contention, _) => Setback::Contention,
            (Meaning::Trouble, _) => MySqlLoadError::Lost { cause: server.to_string() }.into(),
            (Meaning::ReadOnly, _) => MySqlLoadError::ReadOnly { number }.into(),
            (Meaning::Changed, _) => MySqlLoadError::TargetChanged { number }.into(),
            (Meaning::Right, _) => {
                let account = &self.facts.account;
                let remedy = match plan {
                    Some(plan) => format!(
                        "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {account}",
                        plan.quoted
                    ),
                    None => known.store.grant_all(account),
                };
                MySqlLoadError::MissingRight { number, remedy }.into()
            }
            (Meaning::Refused(reason), Some(of)) => {
                let by_load = matches!(expect, Expect::Loaded(_));
                Setback::Refused(Refusal { of, reason, by_load })
            }
            // The statement looks for a row, so that the server may quote its values (SECRET-1).
            (Meaning::Refused(_), None) if expect == Expect::Settled => {
                let message = "a row that was changed cannot be looked for".to_owned();
                MySqlLoadError::Server { number, message }.into()
            }
            // Only the rows' own statements hold row values, so the server may be quoted; but a
            // syntax error quotes whatever follows.
            (Meaning::Refused(_), None) => {
                let message =
                    if number == SYNTAX_ERROR { "a syntax error" } else { server.message() };
                MySqlLoadError::Server { number, message: message.to_owned() }.into()
            }
        }
    }

    /// Asks for nothing, so that the server does not take the silence for an end.
    pub(super) async fn ping(&mut self) -> Result<(), MySqlLoadError> {
        self.conn.query("DO 1").await.map_err(MySqlLoadError::plain)?;
        self.used_at = Instant::now();
        Ok(())
    }

    /// Takes the target transaction back.
    pub(super) async fn roll_back(&mut self) -> Result<(), MySqlLoadError> {
        self.restore("ROLLBACK", ", autocommit=1").await
    }

    /// Takes back what came behind a savepoint; the target transaction stays open.
    pub(super) async fn roll_back_to(&mut self, savepoint: &str) -> Result<(), MySqlLoadError> {
        self.restore(&format!("ROLLBACK TO SAVEPOINT {savepoint}"), "").await
    }

    /// Executes a rollback and sets the session's variables again, whose state is unknown after a
    /// script that did not end.
    async fn restore(&mut self, rollback: &str, also: &str) -> Result<(), MySqlLoadError> {
        let text =
            format!("{rollback}; SET SESSION sql_mode='{SQL_MODE}', foreign_key_checks=1{also}");
        self.conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        self.checks_foreign_keys = true;
        Ok(())
    }
}

/// The rows that a statement changed, where its answer is as expected.
fn check_answer(expect: Expect, done: Done) -> Result<u64, Setback> {
    let matched = done.affected_rows;
    match expect {
        Expect::Loaded(of) if matched == of.rows && done.warnings == 0 => Ok(matched),
        // INVARIANT LOSS-1: what an INSERT refuses, LOAD DATA LOCAL changes or leaves out, with a
        // warning. The statements of the next try tell which row it is.
        Expect::Loaded(of) => {
            let reason = Reason::DoesNotFit { column: None, what: "is not loaded as it is" };
            Err(Setback::Refused(Refusal { of, reason, by_load: true }))
        }
        Expect::Rows(of) if matched == of.rows => Ok(matched),
        // INVARIANT LOSS-1: a missing row is a finding, not a change that was not needed.
        Expect::Rows(of) if matched < of.rows => {
            Err(Setback::Refused(Refusal::of(of, Reason::Missing)))
        }
        Expect::Rows(of) => Err(Setback::Refused(Refusal::of(of, Reason::Several { matched }))),
        Expect::Upserted(of) if matched == of.rows.saturating_mul(2) => Ok(of.rows),
        // A row that was not there counts one, and so does one that is as it shall be.
        Expect::Upserted(of) => Err(Setback::Refused(Refusal::of(of, Reason::Missing))),
        Expect::Absent(of) if matched != 0 => {
            Err(Setback::Refused(Refusal::of(of, Reason::Several { matched })))
        }
        Expect::Unchanged(of) if matched != 1 => {
            let reason = Reason::DoesNotFit { column: None, what: "was changed by the target" };
            Err(Setback::Refused(Refusal::of(of, reason)))
        }
        // Of a table that is being copied.
        Expect::Some(of) => Ok(of.rows),
        Expect::Counted => Ok(matched),
        Expect::Absent(_)
        | Expect::Unchanged(_)
        | Expect::Nothing
        | Expect::Settled
        | Expect::Checkpoint(_) => Ok(0),
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("conn", &self.conn).finish_non_exhaustive()
    }
}
