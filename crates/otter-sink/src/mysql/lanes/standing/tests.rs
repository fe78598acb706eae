use otter_core::testkit::history::History;
use otter_core::testkit::item::insert;

use super::*;

fn history() -> History {
    let mut history = History::new();
    for id in 0..6 {
        history.commit(vec![insert(id, "a")]);
    }
    history
}

fn row(lane: u16, format: u16, position: Option<&Position>) -> StoredCheckpoint {
    let text = |place: &Place| place.to_string();
    StoredCheckpoint {
        lane,
        format,
        arbiter: "ours".to_owned(),
        term: 1,
        holder: "me".to_owned(),
        slots: 4,
        sequence: 7,
        source: position.and_then(|position| position.source.as_deref().map(str::to_owned)),
        resume_from: position.map(|position| text(&position.resume_from)),
        applied_through: position.map(|position| text(&position.applied_through)),
        source_time: None,
        applied_time: None,
    }
}

/// A checkpoint whose lanes stand behind so many steps.
fn standing(history: &History, steps: &[usize]) -> Standing {
    let rows: Vec<_> = (0..)
        .zip(steps)
        .map(|(lane, step)| row(lane, FORMAT_OF_LANES, Some(&history.position(*step))))
        .collect();
    Standing::of(&rows).unwrap().unwrap()
}

#[test]
fn the_pipeline_goes_on_behind_what_every_lane_has() {
    let history = history();
    let found = standing(&history, &[5, 2, 5, 3]);
    assert_eq!(found.least(), Some(&history.position(2)));
    assert_eq!(found.furthest(), Some(&history.position(5)));
    assert!(found.differ());
    assert!(!standing(&history, &[4, 4, 4]).differ());
}

#[test]
fn each_transaction_is_for_the_lanes_that_lack_it() {
    let history = history();
    let found = standing(&history, &[5, 2, 5, 3]);
    let batch = history.batch(0..6);
    let lacking: Vec<_> =
        batch.transactions.iter().map(|it| found.lanes_without(it).unwrap()).collect();
    assert_eq!(lacking, [vec![], vec![], vec![1], vec![1, 3], vec![1, 3], vec![0, 1, 2, 3]]);
    assert_eq!(found.lanes_behind(&history.position(3)), Some(vec![1]));
    assert!(!found.with(&[1, 3], &history.position(5)).differ());
}

#[test]
fn checkpoints_that_no_loader_left_are_refused() {
    let history = history();
    let at = |step| history.position(step);
    assert_eq!(Standing::of(&[]), Ok(None));
    assert_eq!(Standing::of(&[row(0, FORMAT, None)]), Ok(None));
    assert!(Standing::of(&[row(0, FORMAT, Some(&at(1)))]).unwrap().is_some());
    let newer = Standing::of(&[row(0, FORMAT_OF_LANES, Some(&at(1)))]);
    assert!(newer.unwrap_err().contains("newer"));
    let newer = [row(0, 2, Some(&at(1))), row(1, 3, Some(&at(1)))];
    assert!(Standing::of(&newer).unwrap_err().contains("newer"));
    for rows in [
        [row(0, FORMAT, Some(&at(1))), row(1, FORMAT, Some(&at(1)))],
        [row(0, FORMAT_OF_LANES, Some(&at(1))), row(2, FORMAT_OF_LANES, Some(&at(1)))],
        [row(0, FORMAT_OF_LANES, Some(&at(1))), row(1, FORMAT_OF_LANES, None)],
        [
            row(0, FORMAT_OF_LANES, Some(&at(1))),
            StoredCheckpoint { term: 2, ..row(1, FORMAT_OF_LANES, Some(&at(1))) },
        ],
    ] {
        assert!(Standing::of(&rows).is_err(), "{rows:?}");
    }
}

#[test]
fn lanes_do_not_fall_behind_what_they_have() {
    let history = history();
    let found = standing(&history, &[5, 2, 4]);
    assert!(!found.would_lose(&[0, 1, 2], &history.position(5)));
    assert!(!found.would_lose(&[1, 2], &history.position(4)));
    assert!(found.would_lose(&[0, 1, 2], &history.position(4)));
    assert!(found.would_lose(&[2], &history.position(3)));
    assert!(!found.would_lose(&[], &history.position(0)));
}
