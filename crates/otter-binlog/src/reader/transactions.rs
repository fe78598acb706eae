//! Transactions one by one, for callers to whom batches mean nothing.

use std::vec;

use otter_core::Transaction;

use super::{BinlogReader, ReadError};

/// The transactions of files, in order; those larger than `fragment_bytes` in fragments, of which
/// only the last has an `end`. Made by iterating over a [`BinlogReader`].
///
/// After an error the iterator ends.
#[derive(Debug)]
pub struct Transactions {
    reader: BinlogReader,
    ready: vec::IntoIter<Transaction>,
}

impl Transactions {
    /// The next transaction or fragment; `None` at the end of the last file.
    ///
    /// # Errors
    /// As [`BinlogReader::next_batch`].
    pub fn next_transaction(&mut self) -> Result<Option<Transaction>, ReadError> {
        loop {
            if let Some(transaction) = self.ready.next() {
                return Ok(Some(transaction));
            }
            let Some(batch) = self.reader.next_batch()? else { return Ok(None) };
            self.ready = batch.transactions.into_iter();
        }
    }

    /// The reader beneath; it stands behind the transactions that were read ahead.
    #[must_use]
    pub fn reader(&self) -> &BinlogReader {
        &self.reader
    }
}

impl Iterator for Transactions {
    type Item = Result<Transaction, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_transaction().transpose()
    }
}

impl IntoIterator for BinlogReader {
    type Item = Result<Transaction, ReadError>;
    type IntoIter = Transactions;

    fn into_iter(self) -> Transactions {
        Transactions { reader: self, ready: Vec::new().into_iter() }
    }
}
