//! Steps that the loaders' cases share.

use std::sync::Arc;

use super::super::history::{History, Step};
use super::super::item::{Edit, Item};
use super::super::lease::lease;
use super::LoaderFixture;
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
