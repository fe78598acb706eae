//! The cases of the suite of loaders that hold rows.

use std::sync::Arc;

use super::super::history::History;
use super::super::item::{delete, insert, items, update};
use super::super::lease::lease;
use super::super::suite::define_suite;
use super::QuarantineFixture;
use crate::stage::Load;

define_suite! {
    $
    /// Makes a test of each case of [`testkit::quarantine`](crate::testkit::quarantine) for a
    /// [`QuarantineFixture`](crate::testkit::quarantine::QuarantineFixture).
    suite quarantine_suite in quarantine::cases;

    /// HOLD-1: a row that does not fit is held, and all else is committed with the position.
    async fn a_refused_row_is_held_and_the_rest_is_committed(fixture: &impl QuarantineFixture) {
        let (history, loader) = refused(fixture).await;
        assert_eq!((fixture.held().await, fixture.rows().await), (1, items(&[(1, "a"), (2, "b")])));
        loader.close().await;
        let next = fixture.loader().await;
        assert_eq!(next.resume(&lease(2)).await.unwrap(), Some(history.position(1)));
        next.close().await;
    }

    /// HOLD-2: later changes of a held key wait, also those that would fit; other keys go on.
    async fn later_changes_of_a_held_key_wait(fixture: &impl QuarantineFixture) {
        let (mut history, loader) = refused(fixture).await;
        history.commit_misfit(vec![update(1, "a", "c"), insert(3, "x")]);
        history.commit_misfit(vec![delete(1, "c"), insert(4, "y")]);
        let loaded = loader.load(history.batch(1..3), &lease(1)).await.unwrap();
        assert_eq!((loaded.through, loaded.held), (Some(history.position(3)), 3));
        assert_eq!(fixture.held().await, 3);
        assert_eq!(fixture.rows().await, items(&[(1, "a"), (2, "b"), (3, "x"), (4, "y")]));
        loader.close().await;
    }

    /// HOLD-3: what is held outlives the loader, and is known to the next one.
    async fn held_rows_are_known_to_a_successor(fixture: &impl QuarantineFixture) {
        let (mut history, loader) = refused(fixture).await;
        loader.close().await;
        history.commit_misfit(vec![update(1, "a", "c")]);
        let next = fixture.loader().await;
        assert_eq!(next.resume(&lease(2)).await.unwrap(), Some(history.position(1)));
        let _ = next.load(history.batch(1..2), &lease(2)).await.unwrap();
        assert_eq!((fixture.held().await, fixture.rows().await), (2, items(&[(1, "a"), (2, "b")])));
        next.close().await;
    }

    /// HOLD-4: when what stood in the way is gone, a retry applies what is held, in order.
    async fn a_retry_applies_held_rows_in_order(fixture: &impl QuarantineFixture) {
        let (mut history, loader) = refused(fixture).await;
        history.commit_misfit(vec![update(1, "a", "c")]);
        history.commit_misfit(vec![update(1, "c", "d")]);
        let _ = loader.load(history.batch(1..3), &lease(1)).await.unwrap();
        fixture.meddle(delete(1, "a")).await;
        fixture.retry_all().await;
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!((fixture.held().await, fixture.rows().await), (0, items(&[(1, "d"), (2, "b")])));
        // The position stays, and what follows is loaded as ever.
        history.commit_misfit(vec![update(1, "d", "e")]);
        let _ = loader.load(history.batch(3..4), &lease(1)).await.unwrap();
        assert_eq!((fixture.held().await, fixture.rows().await), (0, items(&[(1, "e"), (2, "b")])));
        loader.close().await;
    }

    /// HOLD-5: a row that still does not fit stays held, with all behind it.
    async fn a_retry_in_vain_changes_nothing(fixture: &impl QuarantineFixture) {
        let (mut history, loader) = refused(fixture).await;
        history.commit_misfit(vec![update(1, "a", "c")]);
        let _ = loader.load(history.batch(1..2), &lease(1)).await.unwrap();
        fixture.retry_all().await;
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!((fixture.held().await, fixture.rows().await), (2, items(&[(1, "a"), (2, "b")])));
        loader.close().await;
    }

    /// HOLD-6: what waits behind a row that is given up follows.
    async fn what_waits_follows_a_dropped_row(fixture: &impl QuarantineFixture) {
        let (mut history, loader) = refused(fixture).await;
        history.commit_misfit(vec![update(1, "a", "c")]);
        let _ = loader.load(history.batch(1..2), &lease(1)).await.unwrap();
        fixture.drop_first().await;
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!((fixture.held().await, fixture.rows().await), (0, items(&[(1, "c"), (2, "b")])));
        loader.close().await;
    }

    /// HOLD-7: rows of fragments are held with the whole of their transaction, or not at all.
    async fn rows_of_fragments_are_held_with_the_whole(fixture: &impl QuarantineFixture) {
        let mut history = History::new();
        history.commit_misfit(vec![insert(1, "a"), insert(2, "b"), insert(3, "c"), insert(4, "d")]);
        let loader = begun(fixture, &history).await;
        fixture.meddle(insert(1, "x")).await;
        let first = history.fragments(0, 2).into_iter().next().unwrap();
        let _ = loader.load(first, &lease(1)).await.unwrap();
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(history.position(0)));
        assert_eq!((fixture.held().await, fixture.rows().await), (0, items(&[(1, "x")])));
        for piece in history.fragments(0, 2) {
            let _ = loader.load(piece, &lease(1)).await.unwrap();
        }
        let rows = items(&[(1, "x"), (2, "b"), (3, "c"), (4, "d")]);
        assert_eq!((fixture.held().await, fixture.rows().await), (1, rows));
        loader.close().await;
    }
}

async fn begun(fixture: &impl QuarantineFixture, history: &History) -> Arc<dyn Load> {
    let loader = fixture.loader().await;
    assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
    loader.begin(&history.position(0), &lease(1)).await.unwrap();
    loader
}

/// A loader that has met a row which is there already, equal to the source's.
async fn refused(fixture: &impl QuarantineFixture) -> (History, Arc<dyn Load>) {
    let mut history = History::new();
    history.commit_misfit(vec![insert(1, "a"), insert(2, "b")]);
    let loader = begun(fixture, &history).await;
    fixture.meddle(insert(1, "a")).await;
    let _ = loader.load(history.batch(0..1), &lease(1)).await.unwrap();
    (history, loader)
}
