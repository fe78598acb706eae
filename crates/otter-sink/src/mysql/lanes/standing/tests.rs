use std::sync::Arc;

use otter_core::FilePlace;
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

/// A position that is applied up to one step and read from another.
fn at(resume_from: Place, applied_through: Place) -> Position {
    Position { source: None, resume_from, applied_through }
}

fn offset(offset: u64) -> Place {
    Place::from_file(FilePlace { file: Arc::from("bin.000001"), offset })
}

#[test]
fn lanes_of_different_histories_are_refused() {
    let history = history();
    let elsewhere =
        at(offset(4), Place::from_file(FilePlace { file: Arc::from("log.1"), offset: 9 }));
    // The first two are of one history, in both orders.
    for steps in [[1, 2], [2, 1]] {
        let [one, other] = steps.map(|step| history.position(step));
        let rows = [&one, &other, &elsewhere];
        let rows: Vec<_> =
            (0..).zip(rows).map(|(lane, at)| row(lane, FORMAT_OF_LANES, Some(at))).collect();
        assert!(Standing::of(&rows[..2]).is_ok(), "{steps:?}");
        let why = Standing::of(&rows).unwrap_err();
        assert!(why.contains("different histories"), "{why}");
        assert!(
            Standing::of(&[rows[0].clone(), row(1, FORMAT_OF_LANES, Some(&elsewhere))]).is_err()
        );
    }
}

#[test]
fn of_lanes_at_one_place_the_one_that_is_read_from_earlier_is_behind() {
    let (early, late) = (at(offset(10), offset(50)), at(offset(30), offset(50)));
    let further = at(offset(5), offset(60));
    for positions in [
        vec![early.clone(), late.clone()],
        vec![late.clone(), early.clone()],
        vec![late.clone(), further.clone(), early.clone()],
        vec![further, late.clone(), early.clone()],
    ] {
        let last = positions.iter().max_by_key(|it| {
            let offset = |place: &Place| place.file.as_ref().unwrap().offset;
            (offset(&it.applied_through), offset(&it.resume_from))
        });
        let standing = Standing { positions: positions.clone() };
        assert_eq!(standing.least(), Some(&early), "{positions:?}");
        assert_eq!(standing.furthest(), last, "{positions:?}");
    }
}

#[test]
fn without_gtids_lanes_are_told_by_files() {
    let history = history();
    let batch = history.batch(0..2);
    let mut second = batch.transactions[1].clone();
    let start = second.start.clone();
    let end = second.end.clone().unwrap().end;
    second.gtid = None;
    let lane = |file: &FilePlace| {
        let place = Place::from_file(file.clone());
        Standing { positions: vec![Position::at(None, place)] }
    };
    assert_eq!(lane(&start).lanes_without(&second), Some(vec![0]));
    assert_eq!(lane(&end).lanes_without(&second), Some(vec![]));
    // A first fragment does not tell where its transaction ends: no lane stands inside of it.
    second.end = None;
    assert_eq!(lane(&start).lanes_without(&second), Some(vec![0]));
    assert_eq!(lane(&end).lanes_without(&second), Some(vec![]));
    let before = FilePlace { offset: start.offset - 1, ..start };
    assert_eq!(lane(&before).lanes_without(&second), Some(vec![0]));
    let elsewhere = FilePlace { file: Arc::from("log.1"), offset: 9 };
    assert_eq!(lane(&elsewhere).lanes_without(&second), None);
    assert_eq!(lane(&elsewhere).lanes_behind(&Position::at(None, Place::from_file(before))), None);
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
