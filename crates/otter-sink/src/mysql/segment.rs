//! A batch in pieces that are loaded one after the other.

use otter_core::{Ddl, Event, Transaction};

/// Transactions that belong together.
pub(super) enum Segment<'a> {
    Rows(&'a [Transaction]),
    /// A transaction with a schema change.
    Ddl(&'a Transaction, &'a Ddl),
}

impl<'a> Segment<'a> {
    pub(super) fn transactions(&self) -> &'a [Transaction] {
        match self {
            Self::Rows(transactions) => transactions,
            Self::Ddl(transaction, _) => std::slice::from_ref(*transaction),
        }
    }
}

/// Cuts at schema changes, and where the origin changes, since a mark names one origin.
pub(super) fn cut(transactions: &[Transaction]) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut rest = transactions;
    while let Some(first) = rest.first() {
        let (length, segment) = match first_ddl(first) {
            Some(ddl) => (1, Segment::Ddl(first, ddl)),
            None => {
                let belongs =
                    |next: &&Transaction| next.origin == first.origin && first_ddl(next).is_none();
                let length = rest.iter().take_while(belongs).count();
                (length, Segment::Rows(rest.split_at(length).0))
            }
        };
        segments.push(segment);
        rest = rest.split_at(length).1;
    }
    segments
}

fn first_ddl(transaction: &Transaction) -> Option<&Ddl> {
    transaction.events.iter().find_map(
        |event| {
            if let Event::Ddl(ddl) = event { Some(ddl) } else { None }
        },
    )
}
