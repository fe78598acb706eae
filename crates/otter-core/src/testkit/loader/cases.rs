//! The cases of the loaders' suite.

use super::super::history::History;
use super::super::item::{Edit, Item, delete, insert, items, update};
use super::super::lease::{ending_lease, lease, lease_from};
use super::super::suite::{define_suite, poll_times};
use super::LoaderFixture;
use super::steps::{
    assert_at, begun, committed, history_of, history_of_many, history_up_to, name_of,
    poison_stays_poison, shows_states_of_the_source,
};
use crate::fault::Fault;

define_suite! {
    $
    /// Makes a test of each case of [`testkit::loader`](crate::testkit::loader) for a
    /// [`LoaderFixture`](crate::testkit::loader::LoaderFixture).
    suite loader_suite in loader::cases;

    /// LOAD-1: a target that the pipeline has never written to has no position.
    async fn a_new_target_has_no_position(fixture: &impl LoaderFixture) {
        assert_eq!(committed(fixture, 1).await, None);
        assert_eq!(committed(fixture, 2).await, None);
    }

    /// LOAD-2: the first position is committed exactly as it was given.
    async fn the_first_position_is_committed(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")]]);
        let loader = fixture.loader().await;
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
        loader.begin(&history.position(1), &lease(1)).await.unwrap();
        loader.close().await;
        assert_eq!(committed(fixture, 2).await, Some(history.position(1)));
    }

    /// LOAD-3: a position that is there is not begun anew.
    async fn beginning_twice_is_refused(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")]]);
        let loader = begun(fixture, &history).await;
        let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        assert!(loader.resume(&lease(1)).await.unwrap().is_some());
        assert!(loader.begin(&history.position(0), &lease(1)).await.is_err());
        loader.close().await;
        assert_at(fixture, &history, 1, 2).await;
    }

    /// LOAD-4: a batch and its position are committed together, and the answer tells both.
    async fn a_batch_is_committed_with_its_position(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a"), insert(2, "b")], &[update(1, "a", "c")]]);
        let loader = begun(fixture, &history).await;
        let loaded = loader.load(history.batch(0..2), &lease(1)).await.unwrap();
        assert_eq!(loaded.through, Some(history.position(2)));
        assert_eq!(loaded.transactions, 2);
        assert_eq!(fixture.rows().await, items(&[(1, "c"), (2, "b")]));
        loader.close().await;
        assert_at(fixture, &history, 2, 2).await;
    }

    /// LOAD-5: a successor resumes exactly where each batch ended.
    async fn each_batch_can_be_resumed_behind(fixture: &impl LoaderFixture) {
        let history =
            history_of(&[&[insert(1, "a")], &[update(1, "a", "b")], &[delete(1, "b")], &[insert(1, "c")]]);
        begun(fixture, &history).await.close().await;
        for step in 0..history.len() {
            let term = lease(2 + u64::try_from(step).unwrap());
            let loader = fixture.loader().await;
            assert_eq!(loader.resume(&term).await.unwrap(), Some(history.position(step)));
            let _ = loader.load(history.batch(step..step + 1), &term).await.unwrap();
            loader.close().await;
        }
        assert_at(fixture, &history, 4, 10).await;
    }

    /// LOAD-6: after a higher term was here, an older one writes nothing.
    async fn an_older_term_writes_nothing(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")], &[insert(2, "b")]]);
        let old = begun(fixture, &history).await;
        let _ = old.load(history.batch(0..1), &lease(1)).await.unwrap();
        let new = fixture.loader().await;
        assert_eq!(new.resume(&lease(2)).await.unwrap(), Some(history.position(1)));
        // The connection of the old one may have been ended; then it learns its fate on resuming.
        let error = old.load(history.batch(1..2), &lease(1)).await.unwrap_err();
        assert!(matches!(error.fault(), Fault::Fenced | Fault::Transient), "{error}");
        let error = old.resume(&lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fenced, "{error}");
        assert_eq!(fixture.rows().await, items(&[(1, "a")]));
        let _ = new.load(history.batch(1..2), &lease(2)).await.unwrap();
        new.close().await;
        assert_at(fixture, &history, 2, 3).await;
    }

    /// LOAD-7: taking over needs no help from the predecessor, even one that is in the middle of
    /// a transaction.
    async fn a_successor_takes_over_from_an_open_transaction(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a"), insert(2, "b"), insert(3, "c")], &[insert(4, "d")]]);
        let old = begun(fixture, &history).await;
        let mut pieces = history.fragments(0, 2).into_iter();
        let _ = old.load(pieces.next().unwrap(), &lease(1)).await.unwrap();
        let new = fixture.loader().await;
        assert_eq!(new.resume(&lease(2)).await.unwrap(), Some(history.position(0)));
        let error = old.load(pieces.next().unwrap(), &lease(1)).await.unwrap_err();
        assert!(matches!(error.fault(), Fault::Fenced | Fault::Transient), "{error}");
        assert_eq!(fixture.rows().await, Vec::new());
        let _ = new.load(history.batch(0..2), &lease(2)).await.unwrap();
        new.close().await;
        assert_at(fixture, &history, 2, 3).await;
    }

    /// LOAD-8: the checkpoint of one arbiter is not taken over under a lease of another.
    async fn another_arbiter_is_refused(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")]]);
        let loader = begun(fixture, &history).await;
        loader.close().await;
        let other = fixture.loader().await;
        let error = other.resume(&lease_from("a stranger", 7)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        other.close().await;
        assert_at(fixture, &history, 0, 2).await;
    }

    /// LOAD-9: nothing is written when the lease is over.
    async fn a_lost_lease_writes_nothing(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")]]);
        begun(fixture, &history).await.close().await;
        let loader = fixture.loader().await;
        let (lease, end) = ending_lease(2);
        let _ = loader.resume(&lease).await.unwrap();
        loader.ping(&lease).await.unwrap();
        end.end();
        let error = loader.load(history.batch(0..1), &lease).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fenced, "{error}");
        loader.close().await;
        assert_at(fixture, &history, 0, 3).await;
    }

    /// LOAD-10: a fragment shows nothing until its transaction is whole, then all of it at once.
    async fn fragments_are_committed_as_one(fixture: &impl LoaderFixture) {
        let edits: Vec<Edit> = (0..9).map(|id| insert(id, "a")).collect();
        let history = history_of(&[&[insert(100, "x")], &edits, &[delete(100, "x")]]);
        let loader = begun(fixture, &history).await;
        let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        let pieces = history.fragments(1, 2);
        let last = pieces.len() - 1;
        for (index, piece) in pieces.into_iter().enumerate() {
            let loaded = loader.load(piece, &lease(1)).await.unwrap();
            if index < last {
                assert_eq!(loaded.through, None);
                assert_eq!(fixture.rows().await.len(), 1, "a fragment shows");
            } else {
                assert_eq!(loaded.through, Some(history.position(2)));
                assert_eq!(loaded.transactions, 1);
            }
        }
        assert_eq!(fixture.rows().await.len(), 10);
        let _ = loader.load(history.batch(2..3), &lease(1)).await.unwrap();
        loader.close().await;
        assert_at(fixture, &history, 3, 2).await;
    }

    /// LOAD-11: resuming rolls back what was left open.
    async fn resuming_rolls_back_open_fragments(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a"), insert(2, "b")]]);
        let loader = begun(fixture, &history).await;
        let mut pieces = history.fragments(0, 1).into_iter();
        let _ = loader.load(pieces.next().unwrap(), &lease(1)).await.unwrap();
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(history.position(0)));
        assert_eq!(fixture.rows().await, Vec::new());
        let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        loader.close().await;
        assert_at(fixture, &history, 1, 2).await;
    }

    /// LOAD-12: closing rolls back what is open, and the next one need not wait.
    async fn closing_rolls_back_and_lets_go(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a"), insert(2, "b")]]);
        let loader = begun(fixture, &history).await;
        let mut pieces = history.fragments(0, 1).into_iter();
        let _ = loader.load(pieces.next().unwrap(), &lease(1)).await.unwrap();
        loader.close().await;
        assert_at(fixture, &history, 0, 2).await;
        // Closing again, or before anything was opened, changes nothing.
        loader.close().await;
        fixture.loader().await.close().await;
    }

    /// LOAD-13: a load that is dropped at any moment has done all or nothing.
    async fn a_dropped_load_does_all_or_nothing(fixture: &impl LoaderFixture) {
        let mut history = History::new();
        let edits = |step: i64| (0..3).map(move |row| insert(step * 10 + row, "a")).collect();
        let _ = history.commit(edits(0));
        let loader = begun(fixture, &history).await;
        let mut done = 0;
        for polls in 0..30 {
            let term = lease(2 + polls);
            assert_eq!(loader.resume(&term).await.unwrap(), Some(history.position(done)));
            let polls = usize::try_from(polls).unwrap();
            let load = loader.load(history.batch(done..done + 1), &term);
            if let Some(answer) = poll_times(polls, load).await {
                let _ = answer.unwrap();
            }
            let found = loader.resume(&term).await.unwrap();
            if found == Some(history.position(done + 1)) {
                done += 1;
                history.commit(edits(i64::try_from(done).unwrap()));
            } else {
                assert_eq!(found, Some(history.position(done)));
            }
            let rows = fixture.rows().await.len();
            if shows_states_of_the_source(fixture) {
                assert_eq!(rows, 3 * done, "after {polls} polls");
            } else {
                assert!((3 * done..=3 * done + 3).contains(&rows), "after {polls} polls: {rows}");
            }
        }
        // What was begun and not ended is ended, and nothing of it twice.
        let term = lease(99);
        assert_eq!(loader.resume(&term).await.unwrap(), Some(history.position(done)));
        let _ = loader.load(history.batch(done..done + 1), &term).await.unwrap();
        loader.close().await;
        assert_at(fixture, &history, done + 1, 100).await;
    }

    /// LOAD-14: a batch without transactions moves the position.
    async fn progress_alone_is_committed(fixture: &impl LoaderFixture) {
        let mut history = History::new();
        history.progress();
        history.commit(vec![insert(1, "a")]);
        let loader = begun(fixture, &history).await;
        let loaded = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        assert_eq!(loaded.through, Some(history.position(1)));
        assert_eq!((loaded.rows, loaded.transactions), (0, 0));
        let _ = loader.load(history.batch(1..2), &lease(1)).await.unwrap();
        loader.close().await;
        assert_at(fixture, &history, 2, 2).await;
    }

    /// LOAD-15: a transaction that a transform has emptied moves the position.
    async fn an_empty_transaction_is_committed(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[], &[insert(1, "a")], &[]]);
        let loader = begun(fixture, &history).await;
        let loaded = loader.load(history.batch(0..3), &lease(1)).await.unwrap();
        assert_eq!(loaded.through, Some(history.position(3)));
        loader.close().await;
        assert_at(fixture, &history, 3, 2).await;
    }

    /// LOAD-16: of a batch with a row that does not fit, only transactions before it may be
    /// committed, with their position. Where rows behind it may be seen, they are not the end: the
    /// misfit is met again.
    async fn poison_commits_nothing_behind_it(fixture: &impl LoaderFixture) {
        if !shows_states_of_the_source(fixture) {
            return poison_stays_poison(fixture).await;
        }
        let misfits: [&[Edit]; 3] =
            [&[insert(1, "again")], &[update(9, "a", "b")], &[insert(8, "x"), delete(9, "a")]];
        let mut history = history_of(&[&[insert(1, "a")]]);
        let loader = begun(fixture, &history).await;
        let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        let mut done = 1;
        for (round, misfit) in misfits.into_iter().enumerate() {
            let name = format!("round {round}");
            history = history_up_to(&history, done);
            history.commit(vec![update(1, name_of(&history), &name)]);
            history.commit_misfit(misfit.to_vec());
            history.commit(vec![update(1, &name, "behind")]);
            let error = loader.load(history.batch(done..done + 3), &lease(1)).await.unwrap_err();
            assert_eq!(error.fault(), Fault::Poison, "{error}");
            let found = loader.resume(&lease(1)).await.unwrap();
            if found == Some(history.position(done + 1)) {
                done += 1;
            }
            assert_eq!(found, Some(history.position(done)));
            let expected: Vec<Item> = history.table_after(done).values().cloned().collect();
            assert_eq!(fixture.rows().await, expected);
        }
        loader.close().await;
    }

    /// LOAD-17: poison in a fragment undoes the whole transaction.
    async fn poison_in_a_fragment_undoes_all(fixture: &impl LoaderFixture) {
        let mut history = history_of(&[&[insert(1, "a")]]);
        history.commit_misfit(vec![insert(2, "b"), insert(3, "c"), insert(1, "again")]);
        let loader = begun(fixture, &history).await;
        let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        let mut refusal = None;
        for piece in history.fragments(1, 1) {
            if let Err(error) = loader.load(piece, &lease(1)).await {
                refusal = Some(error);
                break;
            }
        }
        let error = refusal.expect("the misfit is refused");
        assert_eq!(error.fault(), Fault::Poison, "{error}");
        loader.close().await;
        assert_at(fixture, &history, 1, 2).await;
    }

    /// LOAD-18: a batch that does not begin where the last one ended is refused, be it a gap or
    /// a repetition.
    async fn a_broken_chain_is_refused(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")], &[insert(2, "b")], &[insert(3, "c")]]);
        let loader = begun(fixture, &history).await;
        let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        for broken in [0..1, 2..3, 0..2] {
            let error = loader.load(history.batch(broken), &lease(1)).await.unwrap_err();
            assert_eq!(error.fault(), Fault::Fatal, "{error}");
            assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(history.position(1)));
        }
        let _ = loader.load(history.batch(1..3), &lease(1)).await.unwrap();
        loader.close().await;
        assert_at(fixture, &history, 3, 2).await;
    }

    /// LOAD-19: nothing is written before the target was taken over.
    async fn loading_needs_resuming_first(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")]]);
        begun(fixture, &history).await.close().await;
        let loader = fixture.loader().await;
        assert!(loader.load(history.batch(0..1), &lease(2)).await.is_err());
        loader.close().await;
        assert_at(fixture, &history, 0, 2).await;
    }

    /// LOAD-20: changes of one key end as the source had them, however they follow each other
    /// inside one batch.
    async fn changes_of_a_key_keep_their_order(fixture: &impl LoaderFixture) {
        let rekey = |from: i64, to: i64, name: &str| Edit::Update {
            before: Item::new(from, name),
            after: Item::new(to, name),
        };
        let history = history_of(&[
            &[insert(1, "a"), insert(2, "b"), insert(3, "c")],
            // Inserted and removed; removed and inserted; changed twice.
            &[insert(4, "d"), delete(4, "d"), delete(3, "c"), insert(3, "e")],
            &[update(3, "e", "f"), update(3, "f", "g")],
            // Two keys change places by way of a third.
            &[rekey(1, 9, "a"), rekey(2, 1, "b"), rekey(9, 2, "a")],
            // A key is left and taken again in one batch.
            &[rekey(3, 5, "g")],
            &[insert(3, "h"), delete(5, "g")],
        ]);
        let loader = begun(fixture, &history).await;
        let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        let _ = loader.load(history.batch(1..6), &lease(1)).await.unwrap();
        loader.close().await;
        assert_eq!(fixture.rows().await, items(&[(1, "b"), (2, "a"), (3, "h")]));
        assert_at(fixture, &history, 6, 2).await;
    }

    /// LOAD-21: NULL, the empty text and letters beyond ASCII are three things and stay so.
    async fn values_arrive_as_they_were(fixture: &impl LoaderFixture) {
        let null = |id| Item { id, name: None };
        let history = history_of(&[
            &[Edit::Insert(null(i64::MIN)), insert(0, ""), insert(i64::MAX, "täglich 日次 🦦 '\\\"\n")],
            &[Edit::Update { before: null(i64::MIN), after: Item::new(i64::MIN, "NULL") }],
            &[Edit::Update { before: Item::new(0, ""), after: null(0) }],
        ]);
        let loader = begun(fixture, &history).await;
        for step in 0..3 {
            let _ = loader.load(history.batch(step..step + 1), &lease(1)).await.unwrap();
        }
        loader.close().await;
        assert_at(fixture, &history, 3, 2).await;
    }

    /// LOAD-22: many transactions are one batch as well as many.
    async fn a_large_batch_is_loaded_whole(fixture: &impl LoaderFixture) {
        let history = history_of_many(500);
        let loader = begun(fixture, &history).await;
        let loaded = loader.load(history.batch(0..500), &lease(1)).await.unwrap();
        assert_eq!(loaded.transactions, 500);
        loader.close().await;
        assert_at(fixture, &history, 500, 2).await;
    }

    /// LOAD-23: an idle loader stays able to load while it is pinged.
    async fn a_ping_changes_nothing(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")]]);
        let loader = begun(fixture, &history).await;
        loader.ping(&lease(1)).await.unwrap();
        let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
        loader.ping(&lease(1)).await.unwrap();
        loader.close().await;
        assert_at(fixture, &history, 1, 2).await;
    }

    /// LOAD-24: a ping finds out that a higher term was here, at the latest by resuming.
    async fn a_ping_meets_the_successor(fixture: &impl LoaderFixture) {
        let history = history_of(&[&[insert(1, "a")]]);
        let old = begun(fixture, &history).await;
        let new = fixture.loader().await;
        let _ = new.resume(&lease(2)).await.unwrap();
        let error = old.ping(&lease(1)).await.unwrap_err();
        assert!(matches!(error.fault(), Fault::Fenced | Fault::Transient), "{error}");
        assert_eq!(old.resume(&lease(1)).await.unwrap_err().fault(), Fault::Fenced);
        let _ = new.load(history.batch(0..1), &lease(2)).await.unwrap();
        new.close().await;
        assert_at(fixture, &history, 1, 3).await;
    }
}
