//! Steps that the loaders' cases share.

use std::sync::Arc;

use super::super::history::{History, Step};
use super::super::item::{Edit, Item, insert, update};
use super::super::lease::lease;
use super::LoaderFixture;
use crate::fault::Fault;
use crate::position::Position;
use crate::stage::Load;

/// A loader that has begun at the start of the history, under term 1.
pub(super) async fn begun(fixture: &impl LoaderFixture, history: &History) -> Arc<dyn Load> {
    let loader = fixture.loader().await;
    assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
    loader.begin(&history.position(0), &lease(1)).await.unwrap();
    loader
}

/// What a new holder finds.
pub(super) async fn committed(fixture: &impl LoaderFixture, term: u64) -> Option<Position> {
    let loader = fixture.loader().await;
    let position = loader.resume(&lease(term)).await.unwrap();
    loader.close().await;
    position
}

/// Asserts that the target is as the source was after `steps`, data and position.
pub(super) async fn assert_at(
    fixture: &impl LoaderFixture,
    history: &History,
    steps: usize,
    term: u64,
) {
    assert_eq!(committed(fixture, term).await, Some(history.position(steps)));
    let expected: Vec<Item> = history.table_after(steps).values().cloned().collect();
    assert_eq!(fixture.rows().await, expected, "after {steps} steps");
}

/// A history of one step for each list of changes.
pub(super) fn history_of(steps: &[&[Edit]]) -> History {
    let mut history = History::new();
    for edits in steps {
        history.commit(edits.to_vec());
    }
    history
}

/// A history of so many steps, each about a row of its own.
pub(super) fn history_of_many(steps: i64) -> History {
    let mut history = History::new();
    for id in 0..steps {
        history.commit(vec![insert(id, "a"), update(id, "a", "b")]);
    }
    history
}

/// The first steps of a history.
pub(super) fn history_up_to(history: &History, steps: usize) -> History {
    let mut kept = History::new();
    for step in 0..steps {
        match history.step(step).unwrap() {
            Step::Transaction(edits) => kept.commit(edits.clone()),
            Step::Progress => kept.progress(),
        };
    }
    kept
}

pub(super) fn name_of(history: &History) -> &str {
    history.table_after(history.len())[&1].name.as_deref().unwrap()
}

/// Whether the rows of a fixture are a state of the source at any time.
pub(super) fn shows_states_of_the_source<F: LoaderFixture>(_: &F) -> bool {
    F::SHOWS_STATES_OF_THE_SOURCE
}

/// A row that does not fit is met again by each loader that comes, and nothing is passed by.
pub(super) async fn poison_stays_poison(fixture: &impl LoaderFixture) {
    let mut history = history_of(&[&[insert(1, "a"), insert(2, "b")], &[update(1, "a", "c")]]);
    history.commit_misfit(vec![insert(1, "again")]);
    history.commit(vec![update(2, "b", "behind"), update(1, "c", "behind")]);
    begun(fixture, &history).await.close().await;
    for term in 2..5 {
        let loader = fixture.loader().await;
        let found = loader.resume(&lease(term)).await.unwrap();
        let steps = (0..=2).find(|steps| found == Some(history.position(*steps)));
        let steps = steps.expect("the position is not behind the misfit");
        let error = loader.load(history.batch(steps..4), &lease(term)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison, "{error}");
        loader.close().await;
        let rows = fixture.rows().await;
        let of_the_misfit = rows.iter().find(|row| row.id == 1);
        assert_ne!(of_the_misfit, Some(&Item::new(1, "behind")), "what follows the misfit is held");
    }
}
