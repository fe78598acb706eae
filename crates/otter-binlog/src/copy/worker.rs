//! Reading tables in a task of its own, over a connection of its own.
//!
//! A part of a table is read in a snapshot that holds all that the stream has passed when it was
//! asked for. Which place in the binlog the snapshot ends at is told before its first row.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use otter_core::{Budget, Classify, DatabaseUrl, Fault, FilePlace, Position, TableName};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::definition::{self, Definition, Pick};
use super::error::CopyError;
use super::pieces::{End, Piece, Pieces};
use super::resync::prepare::{Prepared, Preparing, prepare};
use super::resync::refusal::Refusal;
use super::snapshot::{Desk, Snapshot};
use crate::connection::{Connection, ConnectionError, Flavor, ServerError};
use crate::selector::{SourceEnd, source_end};

/// How long the server may think before the first row, and waits for us to take rows that the target
/// is slow with.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// How long a table may be locked by others before it is asked for again, in seconds.
const LOCK_WAIT_S: u32 = 10;
/// Rows on their way between the line and their piece.
const ROWS_AT_ONCE: usize = 256;
/// Pieces that wait to be taken.
const PIECES_AT_ONCE: usize = 2;

/// What is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// What a table is, as it is behind a position or later.
    Define(TableName, Box<Position>),
    /// Rows of a table.
    Read(Box<Read>),
    /// What is to be read for a request.
    Prepare(Box<Preparing>),
}

/// Which rows are asked for.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) definition: Arc<Definition>,
    pub(super) pick: Pick,
    /// What the snapshot must hold.
    pub(super) position: Position,
    /// A piece ends with the row that brings it to so many bytes.
    pub(super) piece_bytes: usize,
}

/// What is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// What the table is, and where the binlog ended afterwards.
    Defined(Box<Definition>, FilePlace),
    /// The account does not see the table; where there is none for sure, where the binlog ended
    /// afterwards.
    Unseen(Option<FilePlace>),
    /// The snapshot of what follows.
    Snapshot(Snapshot),
    /// Rows.
    Piece(Piece),
    /// All that was asked for is here; of a pick with a condition, where it ended.
    End(End, Option<Arc<str>>),
    /// What is to be read for a request; or why nothing can be.
    Prepared(Result<Box<Prepared>, Refusal>),
    /// The table, or the server, is otherwise than it was: ask again in a while.
    Again(&'static str),
    /// It cannot be done.
    Failed(CopyError),
}

/// A task that reads; it ends with this.
#[derive(Debug)]
pub(super) struct Worker {
    requests: mpsc::Sender<Request>,
    answers: mpsc::Receiver<Answer>,
    task: JoinHandle<()>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Worker {
    /// Starts one; it connects when it is asked.
    pub(super) fn start(url: &DatabaseUrl, budget: &Budget) -> Self {
        let (requests, mut asked) = mpsc::channel(1);
        let (sender, answers) = mpsc::channel(PIECES_AT_ONCE);
        let (url, budget) = (url.clone(), budget.clone());
        let task = tokio::spawn(async move {
            let mut desk = None;
            while let Some(request) = asked.recv().await {
                let answer = match answer(&url, &mut desk, request, (&budget, &sender)).await {
                    Ok(answer) => answer,
                    Err(Refused::Gone) => return,
                    Err(Refused::Error(error)) => {
                        desk = None;
                        of_error(*error)
                    }
                };
                if sender.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Self { requests, answers, task }
    }

    /// Asks; the one before must be answered to its end.
    pub(super) fn ask(&self, request: Request) {
        // There is room for one, and the task lives as long as this.
        let _ = self.requests.try_send(request);
    }

    /// The next answer. Cancel safe.
    pub(super) async fn next(&mut self) -> Answer {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The next answer, where there is one.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Answer> {
        let ended = || Answer::Again("the task that reads has ended");
        self.answers.poll_recv(context).map(|answer| answer.unwrap_or_else(ended))
    }
}

/// Why an answer is none.
pub(super) enum Refused {
    /// Nobody takes answers any more.
    Gone,
    Error(Box<CopyError>),
}

impl From<CopyError> for Refused {
    fn from(error: CopyError) -> Self {
        Self::Error(Box::new(error))
    }
}

impl From<ConnectionError> for Refused {
    fn from(error: ConnectionError) -> Self {
        CopyError::from(error).into()
    }
}

/// What changes by itself, or by the stream's going on, is no fault: an unknown column or table, or
/// one whose definition is another than that of the snapshot.
fn of_error(error: CopyError) -> Answer {
    if let CopyError::Connection(error) = &error
        && let Some(server) = error.server_error()
        && matches!(server.code, 1054 | 1146 | 1176 | 1205 | 1412)
    {
        return Answer::Again("its definition was changed, or is being changed");
    }
    if let CopyError::Connection(error) = &error
        && error.server_error().is_some_and(ServerError::is_temporary)
    {
        return Answer::Again("the source is busy, or has broken the reading off");
    }
    Answer::Failed(error)
}

async fn answer(
    url: &DatabaseUrl,
    desk: &mut Option<Desk>,
    request: Request,
    (budget, answers): (&Budget, &mpsc::Sender<Answer>),
) -> Result<Answer, Refused> {
    let mut open = match desk.take() {
        Some(open) => open,
        None => Box::pin(Desk::open(url)).await?,
    };
    let answer = match request {
        Request::Define(table, position) => open.define(&table, &position).await?,
        Request::Read(read) => open.read(*read, (budget, answers)).await?,
        Request::Prepare(preparing) => {
            Answer::Prepared(prepare(&mut open.connection, &open.info, &preparing).await?)
        }
    };
    *desk = Some(open);
    Ok(answer)
}

impl Desk {
    pub(super) async fn open(url: &DatabaseUrl) -> Result<Self, CopyError> {
        let mut connection = Connection::connect(url).await?;
        let info = connection.server_info().await?;
        let seconds = LONGEST.as_secs();
        let own = match info.flavor() {
            Flavor::MySql => "max_execution_time=0",
            Flavor::MariaDb => "max_statement_time=0",
        };
        // Quotes and backslashes mean the same on every server, zero dates are compared, texts come
        // as they are stored.
        connection
            .execute(&format!(
                "SET SESSION sql_mode='', time_zone='+00:00', character_set_results=NULL, \
                 sql_quote_show_create=1, net_write_timeout={seconds}, wait_timeout={seconds}, \
                 lock_wait_timeout={LOCK_WAIT_S}, {own}"
            ))
            .await?;
        connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        connection.set_read_timeout(LONGEST);
        Ok(Self { connection, info })
    }

    async fn define(
        &mut self,
        table: &TableName,
        position: &Position,
    ) -> Result<Answer, CopyError> {
        if !self.wait_to_see(position).await? {
            return Ok(Answer::Again("it cannot be seen yet what was sent already"));
        }
        let definition = definition::read(&mut self.connection, &self.info, table).await?;
        let Some(definition) = definition else {
            let is_absent = self.is_absent(table).await?;
            let SourceEnd { place, .. } = source_end(&mut self.connection, &self.info).await?;
            return Ok(Answer::Unseen(is_absent.then_some(place)));
        };
        // A table that others have locked is not read: the stream would wait for what is read in one
        // snapshot with it.
        self.connection.execute("SET SESSION lock_wait_timeout=1").await?;
        let opened = self.open_table(table).await;
        let usual = format!("SET SESSION lock_wait_timeout={LOCK_WAIT_S}");
        self.connection.execute(&usual).await?;
        opened?;
        let SourceEnd { place, .. } = source_end(&mut self.connection, &self.info).await?;
        Ok(Answer::Defined(Box::new(definition), place))
    }

    /// Whether there is no such table, whatever the account may see.
    async fn is_absent(&mut self, table: &TableName) -> Result<bool, CopyError> {
        match self.open_table(table).await {
            Ok(()) => Ok(false),
            Err(error) if error.fault() == Fault::Transient => Err(error.into()),
            // No such database, no such table.
            Err(error) => Ok(error.server_error().is_some_and(|it| matches!(it.code, 1049 | 1146))),
        }
    }

    async fn read(
        &mut self,
        read: Read,
        (budget, answers): (&Budget, &mpsc::Sender<Answer>),
    ) -> Result<Answer, Refused> {
        let begun = Instant::now();
        let Some(snapshot) =
            self.take_snapshot(&read.position, &read.definition.table.name).await?
        else {
            return Ok(Answer::Again("a snapshot does not hold what was sent already"));
        };
        answers.send(Answer::Snapshot(snapshot)).await.map_err(|_| Refused::Gone)?;
        let Read { definition, mut pick, piece_bytes, .. } = read;
        let end_place = self.find_end(&definition, &mut pick).await?;
        let sql = definition.select(&pick).ok_or_else(|| CopyError::BadRecord {
            table: definition.table.name.clone(),
            problem: "its key is another one now",
        })?;
        let has_place = matches!(pick, Pick::Part { .. } | Pick::Where { .. });
        let (sender, receiver) = mpsc::channel(ROWS_AT_ONCE);
        let connection = &mut self.connection;
        let send = async move { connection.send_rows(&sql, &sender).await };
        let pieces = Pieces::new(&definition, has_place, (budget, piece_bytes));
        let (sent, taken) = tokio::join!(send, pieces.take(receiver, answers));
        let end = taken?;
        sent?;
        self.connection.execute("COMMIT").await?;
        Ok(Answer::End(End { took: begun.elapsed(), ..end }, end_place))
    }

    /// Finds where a pick ends that looks at so many rows, whatever number of them it wants; `None`
    /// where it is the table's last.
    async fn find_end(
        &mut self,
        definition: &Definition,
        pick: &mut Pick,
    ) -> Result<Option<Arc<str>>, CopyError> {
        let Pick::Where { after, rows, until, .. } = pick else { return Ok(None) };
        let other =
            |problem| CopyError::BadRecord { table: definition.table.name.clone(), problem };
        let sql = definition.select_end((after.as_deref(), *rows));
        let sql = sql.ok_or_else(|| other("its key is another one now"))?;
        let found = self.connection.query(&sql).await?;
        if let Some(row) = found.rows().first() {
            let place = definition.place_in(row);
            *until = Some(place.ok_or_else(|| other("a value of its key cannot be read"))?);
        }
        Ok(until.clone())
    }
}
