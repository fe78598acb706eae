//! The rows of some lanes, as transactions of their own.
//!
//! Pure. Rows are not copied: what is left of an event is a part of it. Findings count the rows of
//! the source's transaction, so that their numbers are told anew.

use otter_core::{Event, Transaction};

/// What a lane has of a piece.
#[derive(Debug)]
pub(super) struct Share {
    /// The transactions of which it has rows.
    pub(super) transactions: Vec<Transaction>,
}

/// Shares a piece out: what each of so many lanes has, by the lane of each row in order.
pub(super) fn share(transactions: &[Transaction], rows: &[u16], lanes: u16) -> Vec<Share> {
    let mut shares: Vec<Share> = (0..lanes).map(|_| Share { transactions: Vec::new() }).collect();
    let mut rest = rows;
    for transaction in transactions {
        let mut events: Vec<Vec<Event>> = shares.iter().map(|_| Vec::new()).collect();
        for event in &transaction.events {
            let Event::Rows(rows) = event else { continue };
            let (lanes, behind) = rest.split_at(rows.row_count().min(rest.len()));
            rest = behind;
            let mut start = 0;
            // Neighbours of one lane stay together.
            for run in lanes.chunk_by(|one, next| one == next) {
                let end = start + run.len();
                let part = run.first().and_then(|lane| events.get_mut(usize::from(*lane)));
                if let (Some(events), Some(part)) = (part, rows.part(start..end)) {
                    events.push(Event::Rows(part));
                }
                start = end;
            }
        }
        for (share, events) in shares.iter_mut().zip(events) {
            if !events.is_empty() {
                share.transactions.push(with_events(transaction, events));
            }
        }
    }
    shares
}

/// A transaction with the rows that are wanted, and without anything else.
pub(super) fn only(transaction: &Transaction, is_wanted: impl Fn(usize) -> bool) -> Transaction {
    let mut events = Vec::new();
    let mut first = 0;
    for event in &transaction.events {
        let Event::Rows(rows) = event else { continue };
        let wanted: Vec<bool> = (first..first + rows.row_count()).map(&is_wanted).collect();
        first += rows.row_count();
        let mut start = 0;
        for run in wanted.chunk_by(|one, next| one == next) {
            let end = start + run.len();
            if let (Some(true), Some(part)) = (run.first(), rows.part(start..end)) {
                events.push(Event::Rows(part));
            }
            start = end;
        }
    }
    with_events(transaction, events)
}

/// The number in its transaction, from 1, of the wanted row that is numbered so among the wanted.
pub(super) fn ordinal_of(
    transaction: &Transaction,
    among_wanted: u64,
    is_wanted: impl Fn(usize) -> bool,
) -> u64 {
    let before = transaction.rows_before;
    let nth = among_wanted.saturating_sub(before).saturating_sub(1);
    let nth = usize::try_from(nth).unwrap_or(usize::MAX);
    let row = (0..transaction.row_count()).filter(|row| is_wanted(*row)).nth(nth);
    match row.and_then(|row| u64::try_from(row).ok()) {
        Some(row) => before.saturating_add(row).saturating_add(1),
        None => among_wanted,
    }
}

fn with_events(transaction: &Transaction, events: Vec<Event>) -> Transaction {
    Transaction {
        gtid: transaction.gtid.clone(),
        start: transaction.start.clone(),
        committed_at: transaction.committed_at,
        origin: transaction.origin.clone(),
        part: transaction.part,
        rows_before: transaction.rows_before,
        events,
        end: transaction.end.clone(),
    }
}

#[cfg(test)]
mod tests {
    use otter_core::testkit::item::{Edit, delete, edits_of, events, insert};
    use otter_core::{FilePlace, Part, SourceTime};
    use proptest::prelude::*;

    use super::*;

    fn transaction(offset: u64, edits: &[Edit]) -> Transaction {
        Transaction {
            gtid: None,
            start: FilePlace::new("b.000001", offset),
            committed_at: SourceTime(7),
            origin: None,
            part: Part::Whole,
            rows_before: 10,
            events: events(edits),
            end: None,
        }
    }

    /// Some transactions, and the lane of each row.
    fn work() -> impl Strategy<Value = (Vec<Vec<Edit>>, Vec<u16>)> {
        let edit = (0i64..100, any::<bool>())
            .prop_map(|(id, comes)| if comes { insert(id, "a") } else { delete(id, "a") });
        let transactions = prop::collection::vec(prop::collection::vec(edit, 0..6), 0..6);
        transactions.prop_flat_map(|transactions| {
            let rows = transactions.iter().map(Vec::len).sum::<usize>();
            (Just(transactions), prop::collection::vec(0u16..3, rows))
        })
    }

    proptest! {
        #[test]
        fn each_lane_has_its_rows_in_order((edits, lanes) in work()) {
            let transactions: Vec<Transaction> =
                (0..).zip(&edits).map(|(offset, edits)| transaction(offset, edits)).collect();
            let shares = share(&transactions, &lanes, 3);
            prop_assert_eq!(shares.len(), 3);
            for (lane, share) in (0..).zip(shares) {
                let mut lane_of_row = lanes.iter();
                let mut expected = Vec::new();
                for (offset, edits) in (0..).zip(&edits) {
                    let mut own = edits.clone();
                    own.retain(|_| *lane_of_row.next().unwrap() == lane);
                    if !own.is_empty() {
                        expected.push((offset, own));
                    }
                }
                let found: Vec<(u64, Vec<Edit>)> =
                    share.transactions.iter().map(|it| (it.start.offset, edits_of(it))).collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn wanted_rows_are_kept_and_their_numbers_told((edits, lanes) in work()) {
            let edits: Vec<Edit> = edits.into_iter().flatten().collect();
            let whole = transaction(4, &edits);
            let is_wanted = |row: usize| lanes[row] == 1;
            let kept = only(&whole, is_wanted);
            let rows: Vec<usize> = (0..edits.len()).filter(|row| is_wanted(*row)).collect();
            let expected: Vec<Edit> = rows.iter().map(|row| edits[*row].clone()).collect();
            prop_assert_eq!(edits_of(&kept), expected);
            prop_assert_eq!((kept.start.offset, kept.rows_before), (4, 10));
            for (among, row) in (11..).zip(rows) {
                let row = u64::try_from(row).unwrap();
                prop_assert_eq!(ordinal_of(&whole, among, is_wanted), 11 + row);
            }
        }
    }

    #[test]
    fn a_number_beyond_what_is_wanted_stays_as_it_is() {
        let whole = transaction(4, &[insert(1, "a"), insert(2, "a")]);
        assert_eq!(ordinal_of(&whole, 13, |row| row == 1), 13);
        assert_eq!(ordinal_of(&whole, 11, |row| row == 1), 12);
    }
}
