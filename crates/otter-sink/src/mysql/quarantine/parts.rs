//! Parts of a transaction: some of its rows, without copying them.

use std::ops::Range;

use otter_core::{Event, RowsEvent, Transaction};

/// The rows of a transaction by their numbers, from 0.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    transaction: &'a Transaction,
    /// The number of each event's first row.
    events: Vec<(usize, &'a RowsEvent)>,
    count: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn of(transaction: &'a Transaction) -> Self {
        let mut events = Vec::new();
        let mut count = 0;
        for event in &transaction.events {
            let Event::Rows(event) = event else { continue };
            events.push((count, event));
            count += event.row_count();
        }
        Self { transaction, events, count }
    }

    pub(super) fn transaction(&self) -> &'a Transaction {
        self.transaction
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// One row.
    pub(super) fn row(&self, number: usize) -> Option<RowsEvent> {
        let (start, event) = *self.events.get(self.event_of(number)?)?;
        event.part(number - start..number - start + 1)
    }

    /// The rows of a range, as a transaction of their own: row numbers count on.
    pub(super) fn part(&self, rows: Range<usize>) -> Transaction {
        let first = self.event_of(rows.start).unwrap_or(0);
        let mut events = Vec::new();
        for (start, event) in self.events.iter().skip(first) {
            if *start >= rows.end {
                break;
            }
            let from = rows.start.max(*start);
            let to = rows.end.min(start + event.row_count());
            if from < to {
                events.extend(event.part(from - start..to - start).map(Event::Rows));
            }
        }
        let more = u64::try_from(rows.start).unwrap_or(u64::MAX);
        let whole = self.transaction;
        Transaction {
            gtid: whole.gtid.clone(),
            start: whole.start.clone(),
            committed_at: whole.committed_at,
            origin: whole.origin.clone(),
            part: whole.part,
            rows_before: whole.rows_before.saturating_add(more),
            events,
            end: None,
        }
    }

    /// The event that holds a row, or the last one before it.
    fn event_of(&self, number: usize) -> Option<usize> {
        self.events.partition_point(|(start, _)| *start <= number).checked_sub(1)
    }
}

/// Whether all its events are known here.
pub(super) fn is_understood(transaction: &Transaction) -> bool {
    let mut events = transaction.events.iter();
    events.all(|event| matches!(event, Event::Rows(_) | Event::Ddl(_) | Event::Resync(_)))
}

#[cfg(test)]
mod tests {
    use otter_core::testkit::history::History;
    use otter_core::testkit::item::{delete, edits_of, insert, update};

    use super::*;

    #[test]
    fn parts_make_the_whole_and_count_on() {
        let edits = vec![
            insert(1, "a"),
            insert(2, "b"),
            update(1, "a", "c"),
            update(2, "b", "d"),
            delete(1, "c"),
        ];
        let mut history = History::new();
        history.commit(edits.clone());
        let whole = history.batch(0..1).transactions.remove(0);
        let rows = Rows::of(&whole);
        assert_eq!(rows.count(), edits.len());
        for cut in 0..=edits.len() {
            let (first, second) = (rows.part(0..cut), rows.part(cut..edits.len()));
            assert_eq!([edits_of(&first), edits_of(&second)].concat(), edits);
            assert_eq!(second.rows_before, u64::try_from(cut).unwrap());
        }
        for (number, edit) in edits.iter().enumerate() {
            let alone = Transaction {
                events: vec![Event::Rows(rows.row(number).unwrap())],
                ..rows.part(0..0)
            };
            assert_eq!(edits_of(&alone), std::slice::from_ref(edit));
        }
        assert!(rows.row(edits.len()).is_none());
    }
}
