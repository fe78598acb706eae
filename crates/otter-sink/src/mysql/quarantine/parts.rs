//! Parts of a transaction: some of its rows, without copying them.

use std::ops::Range;

use otter_core::{Event, RowsEvent, Transaction};

/// The rows of a range of a transaction, as one of their own: row numbers count on.
pub(super) fn part(transaction: &Transaction, rows: Range<usize>) -> Transaction {
    let mut events = Vec::new();
    let mut before = 0;
    for event in &transaction.events {
        let Event::Rows(event) = event else { continue };
        let behind = before + event.row_count();
        let from = rows.start.max(before);
        let to = rows.end.min(behind);
        if from < to {
            events.extend(event.part(from - before..to - before).map(Event::Rows));
        }
        before = behind;
    }
    let more = u64::try_from(rows.start).unwrap_or(u64::MAX);
    Transaction {
        gtid: transaction.gtid.clone(),
        start: transaction.start.clone(),
        committed_at: transaction.committed_at,
        origin: transaction.origin.clone(),
        part: transaction.part,
        rows_before: transaction.rows_before.saturating_add(more),
        events,
        end: None,
    }
}

/// One row of a transaction.
pub(super) fn row(transaction: &Transaction, number: usize) -> Option<RowsEvent> {
    let mut before = 0;
    for event in &transaction.events {
        let Event::Rows(event) = event else { continue };
        let behind = before + event.row_count();
        if number < behind {
            return event.part(number - before..number - before + 1);
        }
        before = behind;
    }
    None
}

/// Whether all its events are known here.
pub(super) fn is_understood(transaction: &Transaction) -> bool {
    transaction.events.iter().all(|event| matches!(event, Event::Rows(_) | Event::Ddl(_)))
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
        for cut in 0..=edits.len() {
            let (first, second) = (part(&whole, 0..cut), part(&whole, cut..edits.len()));
            assert_eq!([edits_of(&first), edits_of(&second)].concat(), edits);
            assert_eq!(second.rows_before, u64::try_from(cut).unwrap());
        }
        for (number, edit) in edits.iter().enumerate() {
            let alone = Transaction {
                events: vec![Event::Rows(row(&whole, number).unwrap())],
                ..part(&whole, 0..0)
            };
            assert_eq!(edits_of(&alone), std::slice::from_ref(edit));
        }
        assert!(row(&whole, edits.len()).is_none());
    }
}
