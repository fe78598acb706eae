//! A live server's transactions one by one.

use std::vec;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use otter_core::{Budget, Permit, Position, Result, Select, Start, Transaction};

use crate::selector::{BinlogSelector, SelectorOptions};

/// How many bytes of rows may be read ahead of the caller.
const ROOM: usize = 64 << 20;

/// The transactions of a live server, as they come.
///
/// Names and types of columns are the real ones: where the binlog does not tell them, the server is
/// asked. It does not reconnect: after an error [open another one](Self::open_at) at the
/// [position](Self::position), so that nothing is lost and nothing comes twice.
///
/// ```no_run
/// use otter_binlog::reader::LiveReader;
/// use otter_binlog::selector::SelectorOptions;
/// use otter_core::Start;
///
/// # async fn run() -> otter_core::Result<()> {
/// let url = "mysql://otter:secret@127.0.0.1:3306".parse().expect("the URL is right");
/// let shop = std::sync::Arc::new(|table: &otter_core::TableName| &*table.database == "shop");
/// let options = SelectorOptions::for_reader(url, shop);
/// let mut reader = LiveReader::open(options, &Start::Now).await?;
/// loop {
///     let transaction = reader.next_transaction().await?;
///     println!("{} rows at {}", transaction.row_count(), transaction.start);
///     let behind_it = reader.position().clone();
/// #   let _ = behind_it;
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct LiveReader {
    selector: BinlogSelector,
    ready: vec::IntoIter<Transaction>,
    /// The room of the batch that is being given.
    permit: Permit,
    /// Behind the last transaction that was given.
    position: Position,
    /// Behind the batch that is being given.
    through: Option<Position>,
}

impl LiveReader {
    /// Connects and begins at a start; a time is found by binary search over the server's files.
    /// Options [`for_reader`](SelectorOptions::for_reader) hide nothing.
    ///
    /// # Errors
    /// As [`Select::locate`] and [`Select::open`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn open(options: SelectorOptions, start: &Start) -> Result<Self> {
        let mut selector = BinlogSelector::new(options);
        let position = selector.locate(start).await?;
        Self::begin(selector, position).await
    }

    /// Connects and goes on at a [position](Self::position): with the transaction behind the last
    /// one that was given. XA transactions that were prepared before it and not decided come with
    /// their decision.
    ///
    /// Without `binlog_row_metadata = FULL` give the same
    /// [`schema_log`](SelectorOptions::schema_log) as before: without it, tables that were changed
    /// behind the position cannot be read.
    ///
    /// # Errors
    /// As [`Select::open`]: the source must be the same and must still have what follows.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn open_at(options: SelectorOptions, position: &Position) -> Result<Self> {
        Self::begin(BinlogSelector::new(options), position.clone()).await
    }

    async fn begin(mut selector: BinlogSelector, position: Position) -> Result<Self> {
        selector.open(&position, &Budget::new(ROOM)).await?;
        let (ready, permit) = (Vec::new().into_iter(), Permit::none());
        Ok(Self { selector, ready, permit, position, through: None })
    }

    /// Behind the last transaction that was given whole or with its last fragment; before a
    /// transaction of which only some fragments were given, which then comes again from its
    /// beginning. Also where only transactions came that are not wanted, it moves on.
    ///
    /// Both of its places are needed to go on: they differ while an XA transaction waits. Places
    /// are stored as text.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Waits for the next transaction, or fragment of one that is larger than `fragment_bytes`.
    ///
    /// # Errors
    /// As [`Select::next`]; after an error nothing more comes.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read is returned by the next call.
    pub async fn next_transaction(&mut self) -> Result<Transaction> {
        loop {
            if let Some(transaction) = self.ready.next() {
                self.pass(&transaction);
                return Ok(transaction);
            }
            // A batch without transactions tells only how far reading has come.
            if let Some(through) = self.through.take() {
                self.position = through;
            }
            self.permit = Permit::none();
            let batch = self.selector.next().await?;
            self.permit = batch.permit;
            self.through = batch.through;
            self.ready = batch.transactions.into_iter();
        }
    }

    fn pass(&mut self, transaction: &Transaction) {
        if self.ready.len() == 0 {
            // Not behind a fragment with others to follow.
            if let Some(through) = self.through.take() {
                self.position = through;
            }
        } else if let Some(end) = &transaction.end {
            self.position.advance(end);
        }
    }

    /// The same as a stream, which ends after an error, for those who need no position.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'static, Result<Transaction>> {
        let step = |reader: Option<Self>| async move {
            let mut reader = reader?;
            Some(match reader.next_transaction().await {
                Ok(transaction) => (Ok(transaction), Some(reader)),
                Err(error) => (Err(error), None),
            })
        };
        stream::unfold(Some(self), step).boxed()
    }
}
