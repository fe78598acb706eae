//! The cases of the selectors' suite.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::super::item::{Edit, delete, edits_of, insert, update};
use super::super::suite::{define_suite, poll_times};
use super::SelectorFixture;
use crate::batch::{Batch, Part};
use crate::budget::Budget;
use crate::fault::Fault;
use crate::position::{FilePlace, Place, Position};
use crate::stage::{Select, Start};

/// Enough for every case but those about small budgets.
const ROOMY: usize = 16 << 20;
/// A transaction of [`large`] is many times as large.
const SMALL: usize = 64 << 10;

/// How long nothing must come to be believed that nothing comes.
const QUIET: Duration = Duration::from_millis(300);

fn large() -> Vec<Edit> {
    (0..600).map(|id| insert(id, &"x".repeat(900))).collect()
}

/// A selector that is open at the source's end, and where that is.
async fn open_now(fixture: &impl SelectorFixture) -> (Box<dyn Select>, Position) {
    let mut select = fixture.selector().await;
    let now = select.locate(&Start::Now).await.unwrap();
    select.open(&now, &Budget::new(ROOMY)).await.unwrap();
    (select, now)
}

/// What was read: the suites' transactions, and where reading has come.
#[derive(Debug, Default, PartialEq)]
struct Read {
    transactions: Vec<Vec<Edit>>,
    through: Option<Position>,
}

impl Read {
    /// Takes a batch in, holding it to the chain.
    fn take(&mut self, batch: &Batch, from: &Position) {
        let expected = self.through.as_ref().unwrap_or(from);
        assert_eq!(batch.after, *expected, "the batch does not follow the one before");
        for transaction in &batch.transactions {
            let edits = edits_of(transaction);
            let is_first = match transaction.part {
                Part::Whole | Part::Copied => true,
                Part::Fragment { index, .. } => index == 0,
            };
            if !is_first {
                self.transactions.last_mut().unwrap().extend(edits);
            } else if !edits.is_empty() {
                self.transactions.push(edits);
            }
        }
        if batch.through.is_some() {
            self.through.clone_from(&batch.through);
        }
    }
}

/// Reads until this many of the suites' transactions are there and whole.
async fn read(select: &mut dyn Select, from: &Position, count: usize) -> Read {
    let mut read = Read::default();
    let mut is_whole = true;
    while read.transactions.len() < count || !is_whole {
        let batch = select.next().await.unwrap();
        is_whole = batch.through.is_some();
        read.take(&batch, from);
    }
    assert_eq!(read.transactions.len(), count);
    read
}

define_suite! {
    $
    /// Makes a test of each case of [`testkit::selector`](crate::testkit::selector) for a
    /// [`SelectorFixture`](crate::testkit::selector::SelectorFixture).
    suite selector_suite in selector::cases;

    /// SELECT-1: from now on, what is committed is read, and nothing that was before.
    async fn now_is_behind_the_newest_transaction(fixture: &impl SelectorFixture) {
        fixture.commit(&[insert(1, "before")]).await;
        let (mut select, now) = open_now(fixture).await;
        let edits = vec![insert(2, "a"), update(1, "before", "b")];
        fixture.commit(&edits).await;
        assert_eq!(read(&mut *select, &now, 1).await.transactions, [edits]);
    }

    /// SELECT-2: batches are a chain from the opened position, in the source's order.
    async fn batches_are_a_chain_in_source_order(fixture: &impl SelectorFixture) {
        let (mut select, now) = open_now(fixture).await;
        let mut expected = Vec::new();
        for id in 0..40 {
            let edits = vec![insert(id, "a"), update(id, "a", "b"), delete(id, "b")];
            fixture.commit(&edits).await;
            expected.push(edits);
        }
        assert_eq!(read(&mut *select, &now, 40).await.transactions, expected);
    }

    /// SELECT-3: each transaction's end leads from the batch's beginning to its end.
    async fn ends_lead_to_the_batch_s_end(fixture: &impl SelectorFixture) {
        let (mut select, mut position) = open_now(fixture).await;
        for id in 0..5 {
            fixture.commit(&[insert(id, "a")]).await;
        }
        let mut seen = 0;
        while seen < 5 {
            let batch = select.next().await.unwrap();
            assert_eq!(batch.after, position);
            for transaction in &batch.transactions {
                let end = transaction.end.as_ref().expect("a whole transaction has an end");
                assert_eq!(end.gtid, transaction.gtid);
                assert_eq!(end.start, transaction.start);
                position.advance(end);
                seen += usize::from(!edits_of(transaction).is_empty());
            }
            let through = batch.through.expect("a whole batch has an end");
            assert_eq!(through.covers(&position), Some(true));
            position = through;
        }
    }

    /// SELECT-4: what was read can be read again from any position on the way.
    async fn opening_again_rewinds(fixture: &impl SelectorFixture) {
        let (mut select, now) = open_now(fixture).await;
        let mut places = vec![(now.clone(), 0)];
        let mut all = Vec::new();
        for id in 0..6 {
            fixture.commit(&[insert(id, "a")]).await;
            let from = &places.last().unwrap().0;
            let read = read(&mut *select, from, 1).await;
            all.extend(read.transactions);
            places.push((read.through.unwrap(), all.len()));
        }
        for (place, before) in places.into_iter().take(6) {
            select.open(&place, &Budget::new(ROOMY)).await.unwrap();
            let again = read(&mut *select, &place, all.len() - before).await;
            assert_eq!(again.transactions, all[before..]);
        }
    }

    /// SELECT-5: another selector goes on where one has ended.
    async fn another_selector_goes_on(fixture: &impl SelectorFixture) {
        let (mut one, now) = open_now(fixture).await;
        fixture.commit(&[insert(1, "a")]).await;
        let through = read(&mut *one, &now, 1).await.through.unwrap();
        drop(one);
        fixture.commit(&[insert(2, "b")]).await;
        let mut other = fixture.selector().await;
        other.open(&through, &Budget::new(ROOMY)).await.unwrap();
        assert_eq!(read(&mut *other, &through, 1).await.transactions, [[insert(2, "b")]]);
    }

    /// SELECT-6: a call that is dropped at any moment loses nothing and repeats nothing.
    async fn a_dropped_call_loses_nothing(fixture: &impl SelectorFixture) {
        let (mut select, now) = open_now(fixture).await;
        let mut expected = Vec::new();
        let mut read = Read::default();
        for round in 0..20_usize {
            let id = i64::try_from(round).unwrap();
            let edits = vec![insert(id, "a")];
            fixture.commit(&edits).await;
            expected.push(edits);
            for polls in 0..round {
                // With nothing to come, nothing would wake a second poll.
                if read.transactions.len() == expected.len() {
                    break;
                }
                if let Some(batch) = poll_times(polls, select.next()).await {
                    read.take(&batch.unwrap(), &now);
                }
            }
        }
        while read.transactions.len() < 20 {
            read.take(&select.next().await.unwrap(), &now);
        }
        assert_eq!(read.transactions, expected);
    }

    /// SELECT-7: an idle source's first transaction comes by itself, without a second one.
    async fn one_transaction_comes_at_once(fixture: &impl SelectorFixture) {
        let (mut select, now) = open_now(fixture).await;
        let mut position = now;
        for id in 0..3 {
            fixture.commit(&[insert(id, "a")]).await;
            let one = read(&mut *select, &position, 1).await;
            assert_eq!(one.transactions, [[insert(id, "a")]]);
            position = one.through.unwrap();
        }
    }

    /// SELECT-8: an idle source gives no transactions; it may move the position.
    async fn an_idle_source_gives_no_transactions(fixture: &impl SelectorFixture) {
        let (mut select, _) = open_now(fixture).await;
        let quiet = timeout(QUIET, async {
            loop {
                let batch = select.next().await.unwrap();
                assert!(batch.transactions.iter().all(|some| edits_of(some).is_empty()));
            }
        });
        assert!(quiet.await.is_err());
    }

    /// SELECT-9: a transaction that is larger than the budget comes in fragments: the first
    /// number 0, only the last with an end, all rows once and in order.
    async fn a_huge_transaction_comes_in_fragments(fixture: &impl SelectorFixture) {
        let mut select = fixture.selector().await;
        let now = select.locate(&Start::Now).await.unwrap();
        let budget = Budget::new(SMALL);
        select.open(&now, &budget).await.unwrap();
        fixture.commit(&[insert(-1, "small")]).await;
        fixture.commit(&large()).await;
        fixture.commit(&[insert(-2, "small")]).await;
        let first = read(&mut *select, &now, 1).await;
        let from = first.through.unwrap();
        let mut rows = Vec::new();
        let mut through = None;
        let mut next_index = 0;
        while through.is_none() {
            let batch = select.next().await.unwrap();
            assert_eq!(batch.after, from, "all fragments begin where the transaction does");
            let [transaction] = batch.transactions.as_slice() else {
                assert!(batch.transactions.is_empty(), "a fragment has company");
                continue;
            };
            let Part::Fragment { index, last } = transaction.part else {
                panic!("a whole transaction exceeds the budget")
            };
            assert_eq!(index, next_index);
            assert_eq!(transaction.rows_before, u64::try_from(rows.len()).unwrap());
            assert_eq!(last, batch.through.is_some());
            assert_eq!(last, transaction.end.is_some());
            next_index += 1;
            rows.extend(edits_of(transaction));
            through.clone_from(&batch.through);
        }
        assert!(next_index > 1);
        assert_eq!(rows, large());
        let behind = read(&mut *select, &through.unwrap(), 1).await;
        assert_eq!(behind.transactions, [[insert(-2, "small")]]);
    }

    /// SELECT-10: rows take room in the budget until their batch is dropped, and no more is read
    /// than there is room for.
    async fn batches_hold_their_room(fixture: &impl SelectorFixture) {
        let mut select = fixture.selector().await;
        let now = select.locate(&Start::Now).await.unwrap();
        let budget = Budget::new(SMALL);
        select.open(&now, &budget).await.unwrap();
        fixture.commit(&large()).await;
        let mut held = Vec::new();
        let filled = timeout(QUIET, async {
            loop {
                held.push(select.next().await.unwrap());
            }
        });
        assert!(filled.await.is_err(), "the budget bounds nothing");
        let rows: usize = held.iter().map(Batch::row_count).sum();
        assert!(rows < large().len(), "all rows were read at once");
        assert!(budget.free_bytes() < SMALL);
        let mut all = Read::default();
        for batch in held.drain(..) {
            all.take(&batch, &now);
        }
        while all.through.is_none() {
            all.take(&select.next().await.unwrap(), &now);
        }
        assert_eq!(all.transactions, [large()]);
    }

    /// SELECT-11: the earliest start is before everything that the source still has.
    async fn the_earliest_start_is_before_everything(fixture: &impl SelectorFixture) {
        fixture.commit(&[insert(1, "a")]).await;
        fixture.commit(&[update(1, "a", "b")]).await;
        let mut select = fixture.selector().await;
        let earliest = select.locate(&Start::Earliest).await.unwrap();
        select.open(&earliest, &Budget::new(ROOMY)).await.unwrap();
        let read = read(&mut *select, &earliest, 2).await;
        assert_eq!(read.transactions, [vec![insert(1, "a")], vec![update(1, "a", "b")]]);
    }

    /// SELECT-12: a place that was reached is a place to start at, known by what it has: GTIDs,
    /// file and offset, or both.
    async fn a_reached_place_is_a_start(fixture: &impl SelectorFixture) {
        let (mut select, now) = open_now(fixture).await;
        fixture.commit(&[insert(1, "a")]).await;
        let through = read(&mut *select, &now, 1).await.through.unwrap();
        fixture.commit(&[insert(2, "b")]).await;
        let place = through.resume_from;
        let mut starts = vec![place.clone()];
        starts.extend(place.gtids.clone().map(Place::from_gtids));
        starts.extend(place.file.clone().map(Place::from_file));
        for start in starts {
            let mut other = fixture.selector().await;
            let located = other.locate(&Start::At(start)).await.unwrap();
            other.open(&located, &Budget::new(ROOMY)).await.unwrap();
            assert_eq!(read(&mut *other, &located, 1).await.transactions, [[insert(2, "b")]]);
        }
    }

    /// SELECT-13: a place that the source does not have is refused.
    async fn an_unknown_place_is_refused(fixture: &impl SelectorFixture) {
        let mut select = fixture.selector().await;
        let nowhere = Place::from_file(FilePlace::new("nowhere.000001", 4));
        let error = select.locate(&Start::At(nowhere)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
    }

    /// SELECT-14: a position of another source is refused.
    async fn another_source_s_position_is_refused(fixture: &impl SelectorFixture) {
        fixture.commit(&[insert(1, "a")]).await;
        let (mut select, now) = open_now(fixture).await;
        fixture.commit(&[insert(2, "b")]).await;
        let mut position = read(&mut *select, &now, 1).await.through.unwrap();
        // Where the source has an identity, it differs; where it has none, its history does.
        position.source = position.source.map(|_| Arc::from("00000000-0000-0000-0000-000000000000"));
        for place in [&mut position.resume_from, &mut position.applied_through] {
            let last = place.last.as_mut().expect("something was read");
            last.checksum = last.checksum.wrapping_add(1);
        }
        let mut other = fixture.selector().await;
        let refused = match other.open(&position, &Budget::new(ROOMY)).await {
            Err(error) => error,
            // A history is known to differ only when it is read.
            Ok(()) => other.next().await.expect_err("another source's history is read"),
        };
        assert_eq!(refused.fault(), Fault::Fatal, "{refused}");
    }

    /// SELECT-15: after an error nothing comes until the source is opened again, and then
    /// everything that was not read before.
    async fn after_an_error_only_opening_helps(fixture: &impl SelectorFixture) {
        let (mut select, now) = open_now(fixture).await;
        fixture.commit(&[insert(1, "a")]).await;
        let through = read(&mut *select, &now, 1).await.through.unwrap();
        fixture.cut().await;
        let mut position = through;
        // What was received before the cut may still come.
        let error = loop {
            match select.next().await {
                Ok(batch) => position = batch.through.expect("no fragment is due"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        fixture.commit(&[insert(2, "b")]).await;
        assert!(select.next().await.is_err());
        select.open(&position, &Budget::new(ROOMY)).await.unwrap();
        assert_eq!(read(&mut *select, &position, 1).await.transactions, [[insert(2, "b")]]);
    }

    /// SELECT-16: opening drops what was read before and not asked for.
    async fn opening_drops_what_was_read(fixture: &impl SelectorFixture) {
        let (mut select, _) = open_now(fixture).await;
        for id in 0..5 {
            fixture.commit(&[insert(id, "a")]).await;
        }
        let _ = poll_times(3, select.next()).await;
        let end = select.locate(&Start::Now).await.unwrap();
        select.open(&end, &Budget::new(ROOMY)).await.unwrap();
        fixture.commit(&[insert(9, "behind")]).await;
        assert_eq!(read(&mut *select, &end, 1).await.transactions, [[insert(9, "behind")]]);
    }
}
