//! XA transactions: what waits, what is handed out where, and where reading begins again.

use otter_core::{Batch, FilePlace, Part, Place, Transaction};
use proptest::prelude::*;

use super::tests::{BUDGET, Stream, begin, ids, options};
use super::*;
use crate::event::EventKind;

impl Stream {
    /// `XA START` up to `XA PREPARE` (or `COMMIT ONE PHASE`) with these rows.
    fn prepare(
        &mut self,
        gtid: u64,
        name: u8,
        end: (u8, &str),
        rows: &[(i32, &str)],
    ) -> Result<(), SelectError> {
        let (one_phase, database) = end;
        self.gtid(gtid)?;
        self.query("", &format!("XA START X'{name:02x}',X'',1"))?;
        let id = if database == "shop" { 1 } else { 2 };
        self.map(id, database, "item")?;
        self.insert(id, rows)?;
        self.query("", &format!("XA END X'{name:02x}',X'',1"))?;
        let body = [one_phase, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, name];
        self.send(EventKind::XA_PREPARE, &body)
    }

    fn hold(&mut self, gtid: u64, name: u8, rows: &[(i32, &str)]) -> Result<(), SelectError> {
        self.prepare(gtid, name, (0, "shop"), rows)
    }

    fn decide(&mut self, gtid: u64, verb: &str, name: u8) -> Result<(), SelectError> {
        self.gtid(gtid)?;
        self.query("", &format!("XA {verb} X'{name:02X}',X'',1"))
    }

    fn through(&mut self) -> Position {
        let batch = self.cut();
        batch.through.unwrap()
    }
}

fn stream() -> Stream {
    Stream::new(begin(options(), BUDGET, None))
}

fn gtids(place: &Place) -> String {
    let text = place.gtids.as_ref().map(ToString::to_string).unwrap_or_default();
    text.rsplit_once('7')
        .map_or(text.clone(), |_| text["07070707-0707-0707-0707-070707070707".len()..].to_owned())
}

#[test]
fn rows_come_at_the_decision_and_the_position_stays_before_the_prepare() {
    let mut stream = stream();
    stream.transaction(1, &[(1, "a")]).unwrap();
    stream.hold(2, 0xab, &[(2, "b"), (3, "c")]).unwrap();
    // What was finished goes out before, so that nothing of it shares the arena.
    assert_eq!(ids(&stream.batches.remove(0)), [1]);
    stream.transaction(3, &[(4, "d")]).unwrap();
    let between = stream.batches.remove(0);
    assert_eq!(ids(&between), [4]);
    let through = between.through.unwrap();
    assert_eq!(
        (gtids(&through.resume_from).as_str(), gtids(&through.applied_through).as_str()),
        (":1", ":1-3")
    );
    assert_eq!(
        through.resume_from.last.unwrap().gtid.unwrap().to_string().rsplit(':').next(),
        Some("1")
    );
    let start = stream.offset;
    stream.decide(4, "COMMIT", 0xab).unwrap();
    let decided = stream.batches.remove(0);
    assert_eq!((ids(&decided), decided.transactions.len()), (vec![2, 3], 1));
    let transaction = &decided.transactions[0];
    assert_eq!((transaction.part, transaction.start.offset), (Part::Whole, start));
    let end = transaction.end.as_ref().unwrap();
    assert_eq!(
        (&end.gtid, &end.start, end.end.offset),
        (&transaction.gtid, &transaction.start, stream.offset)
    );
    let through = decided.through.unwrap();
    assert_eq!(through.resume_from, through.applied_through);
    assert_eq!(gtids(&through.resume_from), ":1-4");
    stream.transaction(5, &[(5, "e")]).unwrap();
    stream.transaction(6, &[(6, "f")]).unwrap();
    assert_eq!(ids(&stream.cut()), [5, 6]);
}

#[test]
fn a_rollback_hands_out_nothing_and_gives_the_room_back() {
    let budget = Budget::new(BUDGET);
    let facts = SourceFacts { folds_names: false, tracks_gtids: true, naming: Naming::Real };
    let from = Position::at(None, Place::from_file(FilePlace::new("b.000001", 4)));
    let mut stream = Stream::new(Assembler::new(options(), facts, from, None, budget.clone()));
    stream.hold(1, 1, &[(1, "a")]).unwrap();
    assert_eq!(budget.free_bytes(), BUDGET - 1024);
    assert_eq!(gtids(&stream.through().applied_through), ":1");
    stream.decide(2, "ROLLBACK", 1).unwrap();
    assert_eq!(budget.free_bytes(), BUDGET);
    let batch = stream.cut();
    assert!(batch.transactions.is_empty());
    let through = batch.through.unwrap();
    assert_eq!(through.resume_from, through.applied_through);
}

#[test]
fn one_phase_commits_at_once_and_unwanted_rows_never_wait_for_room() {
    let mut stream = stream();
    stream.prepare(1, 1, (1, "shop"), &[(1, "a")]).unwrap();
    assert_eq!(ids(&stream.cut()), [1]);
    stream.prepare(2, 2, (0, "other"), &[(2, "b")]).unwrap();
    stream.decide(3, "COMMIT", 2).unwrap();
    let batch = stream.cut();
    assert!(batch.transactions.is_empty());
    let through = batch.through.unwrap();
    assert_eq!(through.resume_from, through.applied_through);
}

#[test]
fn a_decision_on_what_was_prepared_before_the_start_halts_only_where_it_commits() {
    let mut stream = stream();
    stream.decide(1, "ROLLBACK", 1).unwrap();
    let error = stream.decide(2, "COMMIT", 1).unwrap_err();
    assert!(matches!(error, SelectError::Xa { .. }), "{error}");
    assert!(error.to_string().contains("before its XA PREPARE"), "{error}");
}

#[test]
fn what_cannot_wait_is_missed_only_if_it_is_committed() {
    let rows: Vec<(i32, &str)> = (0..2_000).map(|id| (id, "some text of a row")).collect();
    for verb in ["ROLLBACK", "COMMIT"] {
        let mut stream = Stream::new(begin(options(), 64 * 1024, None));
        stream.hold(1, 1, &rows).unwrap();
        stream.transaction(2, &[(1, "a")]).unwrap();
        assert_eq!(stream.batches.iter().flat_map(ids).collect::<Vec<_>>(), [1]);
        let result = stream.decide(3, verb, 1);
        match verb {
            "ROLLBACK" => result.unwrap(),
            _ => assert!(matches!(result, Err(SelectError::XaTooLarge { limit: 32_768, .. }))),
        }
    }
}

#[test]
fn one_too_large_that_is_committed_at_once_is_read_again_in_fragments() {
    let rows: Vec<(i32, &str)> = (0..2_000).map(|id| (id, "some text of a row")).collect();
    let mut options = options();
    options.fragment_bytes = 10_000;
    let read = |lessons: Lessons| {
        let mut stream = Stream::new(begin(options.clone(), 64 * 1024, None));
        stream.assembler.heed(lessons);
        let result = stream.prepare(1, 1, (1, "shop"), &rows);
        (stream.batches.iter().flat_map(ids).collect::<Vec<_>>(), result)
    };
    let mut lessons = Lessons::default();
    let (read_first, result) = read(lessons.clone());
    let error = result.unwrap_err();
    assert!(read_first.is_empty() && matches!(error, SelectError::XaOnePhase { .. }), "{error}");
    assert_eq!(otter_core::Classify::fault(&error), otter_core::Fault::Transient);
    lessons.learn(&error);
    let (read_again, result) = read(lessons);
    result.unwrap();
    assert_eq!(read_again, (0..2_000).collect::<Vec<_>>());
}

/// INVARIANT LOSS-1: rows that were read stay where they are while there is no room for the next.
#[tokio::test]
async fn rows_are_kept_while_others_take_all_the_room() {
    let rows: Vec<(i32, &str)> = (0..500).map(|id| (id, "some text of a row")).collect();
    let budget = Budget::new(128 * 1024);
    let facts = SourceFacts { folds_names: false, tracks_gtids: true, naming: Naming::Real };
    let from = Position::at(None, Place::from_file(FilePlace::new("b.000001", 4)));
    let assembler = Assembler::new(options(), facts, from.clone(), None, budget.clone());
    let mut stream = Stream::new(assembler);
    // It is loaded, and dropped, only when the room is used up.
    let permit = budget.acquire(112 * 1024).await;
    let in_flight = Batch { after: from, through: None, transactions: Vec::new(), permit };
    stream.batches.push(in_flight);
    stream.hold(1, 1, &rows).unwrap();
    assert_eq!(stream.batches.remove(0).permit.bytes(), 0);
    stream.decide(2, "COMMIT", 1).unwrap();
    assert_eq!(ids(&stream.batches[0]), (0..500).collect::<Vec<_>>());
}

#[test]
fn no_more_wait_than_the_budget_allows() {
    let mut stream = Stream::new(begin(options(), 8 * 1024, None));
    for number in 1..=4 {
        stream.prepare(u64::from(number), number, (0, "other"), &[(1, "a")]).unwrap();
    }
    let error = stream.prepare(5, 5, (0, "other"), &[(1, "a")]).unwrap_err();
    assert!(matches!(error, SelectError::XaTooLarge { .. }), "{error}");
}

#[test]
fn events_of_xa_out_of_place_are_refused() {
    let refuses = |send: fn(&mut Stream) -> Result<(), SelectError>| {
        let error = send(&mut stream()).unwrap_err();
        assert!(matches!(error, SelectError::OutOfPlace { .. }), "{error}");
    };
    let prepare = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
    assert!(stream().send(EventKind::XA_PREPARE, &prepare).is_err());
    refuses(|it| it.query("", "BEGIN").and_then(|()| it.query("", "XA START X'01',X'',1")));
    refuses(|it| {
        it.gtid(1)?;
        it.map(1, "shop", "item")?;
        it.insert(1, &[(1, "a")])?;
        it.query("", "XA START X'01',X'',1")
    });
    refuses(|it| {
        it.hold(1, 1, &[(1, "a")])?;
        it.gtid(2)?;
        it.query("", "BEGIN")?;
        it.insert(1, &[(2, "b")])?;
        it.query("", "XA COMMIT X'01',X'',1")
    });
}

/// A position whose first place is before both of two that were prepared, and whose second is
/// behind the commit of the second one.
fn waiting() -> Position {
    let mut stream = stream();
    stream.hold(1, 1, &[(1, "a")]).unwrap();
    stream.hold(2, 2, &[(2, "b")]).unwrap();
    stream.decide(3, "COMMIT", 2).unwrap();
    let position = stream.batches.remove(0).through.unwrap();
    assert_eq!(gtids(&position.applied_through), ":1-3");
    position
}

fn resume(position: &Position) -> Stream {
    let facts = SourceFacts { folds_names: false, tracks_gtids: true, naming: Naming::Real };
    let expected = position.resume_from.last.clone();
    let budget = Budget::new(BUDGET);
    Stream::new(Assembler::new(options(), facts, position.clone(), expected, budget))
}

#[test]
fn what_was_applied_must_come_again_and_be_the_same() {
    let position = waiting();
    let mut other = position.clone();
    other.applied_through.last.as_mut().unwrap().checksum ^= 1;
    let mut shifted = position.clone();
    let last = shifted.applied_through.last.as_mut().unwrap();
    last.gtid = Some("07070707-0707-0707-0707-070707070707:4".parse().unwrap());
    for (position, is_right) in [(position, true), (other, false), (shifted, false)] {
        let mut stream = resume(&position);
        stream.hold(1, 1, &[(1, "a")]).unwrap();
        stream.hold(2, 2, &[(2, "b")]).unwrap();
        let result = stream.decide(3, "COMMIT", 2);
        assert!(stream.batches.is_empty() && !stream.assembler.has_moved());
        assert_eq!(result.is_ok(), is_right, "{result:?}");
        let is_told = matches!(result, Ok(()) | Err(SelectError::OtherHistory { .. }));
        assert!(is_told, "{result:?}");
    }
}

/// The table may have been changed since the rows were applied.
#[test]
fn rows_that_cannot_be_read_again_matter_only_if_they_are_handed_out() {
    for broken in [1, 2] {
        let mut stream = resume(&waiting());
        for (number, text) in [(1_u8, "a"), (2, "b")] {
            if number != broken {
                let rows = [(i32::from(number), text)];
                stream.hold(u64::from(number), number, &rows).unwrap();
                continue;
            }
            stream.gtid(u64::from(number)).unwrap();
            stream.query("", &format!("XA START X'{number:02x}',X'',1")).unwrap();
            stream.map(1, "shop", "item").unwrap();
            // As long as the right one, with a text that is longer than the event.
            let body = [1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 3, 0, number, 0, 0, 0, 99, b'x'];
            stream.send(EventKind::WRITE_ROWS, &body).unwrap();
            stream.query("", &format!("XA END X'{number:02x}',X'',1")).unwrap();
            let body = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, number];
            stream.send(EventKind::XA_PREPARE, &body).unwrap();
        }
        stream.decide(3, "COMMIT", 2).unwrap();
        let result = stream.decide(4, "COMMIT", 1);
        match broken {
            1 => assert!(matches!(result, Err(SelectError::Image { .. })), "{result:?}"),
            _ => assert_eq!(ids(&stream.batches[0]), [1]),
        }
    }
}

/// A loader may commit a part of a batch: the place behind it covers the unwanted transactions in
/// between. One that knew nothing of them gets them again, before the last one that was applied.
#[test]
fn transactions_that_the_set_lacks_do_not_look_like_another_history() {
    let steps = [true, false, true, true].map(|wanted| Step::Plain { wanted });
    let start = Position::at(None, Place::from_file(FilePlace::new("b.000001", 4)));
    let mut starts = Vec::new();
    let once = read(&steps, &mut starts, &start, (true, usize::MAX, &[false]));
    let through = once[0].through.clone().unwrap();
    let whole = position_behind(&start, &once[0].transactions[..2], &through);
    assert_eq!(gtids(&whole.resume_from), ":1-3");
    let mut ignorant = once[0].transactions[..2].to_vec();
    for transaction in &mut ignorant {
        transaction.end.as_mut().unwrap().passed = None;
    }
    let behind = position_behind(&start, &ignorant, &through);
    assert_eq!(gtids(&behind.resume_from), ":1:3");
    let again = read(&steps, &mut starts, &behind, (true, usize::MAX, &[false]));
    assert_eq!((again.len(), ids(&again[0])), (1, vec![4, -4]));
    assert_eq!(again[0].after, behind);
    assert_eq!(gtids(&again[0].through.as_ref().unwrap().resume_from), ":1-4");
}

/// A transaction of the source as its events.
#[derive(Debug, Clone)]
enum Step {
    Plain { wanted: bool },
    OnePhase,
    Prepare { name: u8, wanted: bool },
    Decide { name: u8, verb: &'static str },
}

impl Step {
    fn write(&self, stream: &mut Stream, number: u64) -> Result<(), SelectError> {
        let id = i32::try_from(number).unwrap();
        let rows = [(id, "a"), (-id, "b")];
        let database = |wanted| if wanted { "shop" } else { "other" };
        match self {
            Self::Plain { wanted: true } => stream.transaction(number, &rows),
            Self::Plain { wanted: false } => {
                stream.gtid(number)?;
                stream.query("", "BEGIN")?;
                stream.map(3, "other", "item")?;
                stream.insert(3, &rows)?;
                stream.commit()
            }
            Self::OnePhase => stream.prepare(number, 0, (1, "shop"), &rows),
            Self::Prepare { name, wanted } => {
                stream.prepare(number, *name, (0, database(*wanted)), &rows)
            }
            Self::Decide { name, verb } => stream.decide(number, verb, *name),
        }
    }
}

/// Makes a history of random choices: ids of prepared ones are unique until decided.
fn history(choices: &[(u8, u8)]) -> (Vec<Step>, Vec<i64>) {
    let (mut steps, mut rows, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for (choice, pick) in choices {
        let number = i64::try_from(steps.len() + 1).unwrap();
        let step = match choice % 8 {
            0..=1 => Step::Plain { wanted: true },
            2 => Step::Plain { wanted: false },
            3 => Step::OnePhase,
            4..=5 => {
                let (name, wanted) = (u8::try_from(steps.len() % 250).unwrap(), pick % 4 != 0);
                open.push((name, wanted.then_some(number)));
                Step::Prepare { name, wanted }
            }
            _ if open.is_empty() => Step::Plain { wanted: true },
            _ => {
                let (name, prepared) = open.swap_remove(usize::from(*pick) % open.len());
                let is_commit = pick % 3 != 0;
                rows.extend(prepared.filter(|_| is_commit).into_iter().flat_map(|id| [id, -id]));
                Step::Decide { name, verb: if is_commit { "COMMIT" } else { "ROLLBACK" } }
            }
        };
        if matches!(step, Step::Plain { wanted: true } | Step::OnePhase) {
            rows.extend([number, -number]);
        }
        steps.push(step);
    }
    (steps, rows)
}

/// The position behind some transactions of a batch, as a loader finds it that commits them alone.
fn position_behind(
    before: &Position,
    transactions: &[Transaction],
    through: &Position,
) -> Position {
    let mut position = before.clone();
    let is_settled = |it: &Position| it.resume_from == it.applied_through;
    let moves_both = is_settled(before) && is_settled(through);
    for end in transactions.iter().map(|transaction| transaction.end.as_ref().unwrap()) {
        position.applied_through.advance(end);
        if moves_both {
            position.resume_from.advance(end);
        }
    }
    position
}

/// One reading from `from` on, which ends after some transactions of the source.
fn read(
    steps: &[Step],
    starts: &mut Vec<u64>,
    from: &Position,
    (tracks_gtids, stop, cuts): (bool, usize, &[bool]),
) -> Vec<Batch> {
    let facts = SourceFacts { folds_names: false, tracks_gtids, naming: Naming::Real };
    let expected = from.resume_from.last.clone();
    let budget = Budget::new(BUDGET);
    let assembler = Assembler::new(options(), facts, from.clone(), expected.clone(), budget);
    let mut stream = Stream::new(assembler);
    let mut sent = 0;
    for (index, step) in steps.iter().enumerate() {
        let number = u64::try_from(index + 1).unwrap();
        let gtid: otter_core::Gtid =
            format!("07070707-0707-0707-0707-070707070707:{number}").parse().unwrap();
        let is_before = match (&expected, &from.resume_from.gtids) {
            (None, _) => false,
            (Some(last), Some(set)) => set.contains(&gtid) && last.gtid.as_ref() != Some(&gtid),
            (Some(last), None) => starts.get(index).is_some_and(|start| *start < last.start.offset),
        };
        if is_before {
            // The server sends the next one, whose header says where it is.
            stream.offset = starts[index + 1];
            continue;
        }
        if starts.len() == index {
            starts.push(stream.offset);
        }
        assert_eq!(starts[index], stream.offset);
        step.write(&mut stream, number).unwrap_or_else(|error| panic!("{number}: {error}"));
        if starts.len() == index + 1 {
            starts.push(stream.offset);
        }
        sent += 1;
        let is_cut = cuts.get(sent % cuts.len().max(1)).copied().unwrap_or(true);
        let recognised = stream.assembler.is_recognised();
        if recognised && is_cut && (stream.assembler.has_finished() || stream.assembler.has_moved())
        {
            let batch = stream.cut();
            stream.batches.push(batch);
        }
        if sent > stop {
            break;
        }
    }
    if stream.assembler.is_recognised()
        && (stream.assembler.has_finished() || stream.assembler.has_moved())
    {
        let batch = stream.cut();
        stream.batches.push(batch);
    }
    stream.batches
}

proptest! {
    /// INVARIANT EXACT-1, LOSS-1: however XA transactions and others interleave, whatever part of
    /// a batch is committed, and wherever reading begins again, all rows come once, in the order
    /// of the decisions.
    #[test]
    fn all_rows_come_once_in_the_order_of_the_decisions(
        choices in prop::collection::vec((any::<u8>(), any::<u8>()), 1..60),
        tracks_gtids: bool,
        stops in prop::collection::vec(0_usize..12, 1..12),
        commits in prop::collection::vec((0_usize..6, any::<bool>(), 0_usize..4), 1..12),
        cuts in prop::collection::vec(any::<bool>(), 1..7),
    ) {
        let (steps, rows) = history(&choices);
        let start = Place::from_file(FilePlace::new("b.000001", 4));
        let mut position = Position::at(None, start);
        let (mut starts, mut loaded) = (Vec::new(), Vec::new());
        for round in 0..400 {
            // Later readings go to the end, so that the test ends.
            let is_last = round == stops.len();
            let stop = if is_last { usize::MAX } else { stops[round] };
            let batches = read(&steps, &mut starts, &position, (tracks_gtids, stop, &cuts));
            let (count, joins, part) = if is_last { (usize::MAX, true, 0) } else { commits[round % commits.len()] };
            let mut at = position.clone();
            let mut joined: Vec<Batch> = Vec::new();
            for batch in batches.into_iter().take(count) {
                prop_assert_eq!(&batch.after, &at);
                at = batch.through.clone().unwrap();
                match joined.pop() {
                    None => joined.push(batch),
                    Some(before) if joins => match before.join(batch) {
                        Ok(both) => joined.push(both),
                        Err(apart) => joined.extend([apart.first, apart.second]),
                    },
                    Some(before) => joined.extend([before, batch]),
                }
            }
            let total = joined.len();
            for (index, batch) in joined.into_iter().enumerate() {
                let through = batch.through.clone().unwrap();
                // A loader may stop within the last batch.
                if index + 1 == total && part > 0 && part < batch.transactions.len() {
                    let alone = &batch.transactions[..part];
                    position = position_behind(&position, alone, &through);
                    let mut batch = batch;
                    batch.transactions.truncate(part);
                    loaded.extend(ids(&batch));
                } else {
                    loaded.extend(ids(&batch));
                    position = through;
                }
                // Neither place has a hole.
                for place in [&position.resume_from, &position.applied_through] {
                    let text = gtids(place);
                    let is_whole =
                        text.is_empty() || text.starts_with(":1") && text.matches(':').count() == 1;
                    prop_assert!(is_whole, "{}", text);
                }
            }
            if is_last {
                break;
            }
        }
        prop_assert_eq!(loaded, rows);
    }
}
