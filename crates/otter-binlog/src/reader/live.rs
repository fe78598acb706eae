//! A live server's transactions one by one.

use std::vec;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use otter_core::{Budget, Permit, Result, Select, Start, Transaction};

use crate::selector::{BinlogSelector, SelectorOptions};

/// How many bytes of rows may be read ahead of the caller.
const ROOM: usize = 64 << 20;

/// The transactions of a live server, as they come.
///
/// Names and types of columns are the real ones: where the binlog does not tell them, the server is
/// asked. It does not reconnect: after an error open another one behind the last transaction's
/// [`end`](Transaction::end).
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
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct LiveReader {
    selector: BinlogSelector,
    ready: vec::IntoIter<Transaction>,
    /// The room of the batch that is being given.
    permit: Permit,
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
        selector.open(&position, &Budget::new(ROOM)).await?;
        Ok(Self { selector, ready: Vec::new().into_iter(), permit: Permit::none() })
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
                return Ok(transaction);
            }
            self.permit = Permit::none();
            let batch = self.selector.next().await?;
            self.permit = batch.permit;
            self.ready = batch.transactions.into_iter();
        }
    }

    /// The same as a stream, which ends after an error.
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
