use std::sync::Arc;

use otter_core::{
    Change, FilePlace, Part, Row, RowArenaBuilder, RowKind, RowsEvent, SourceTime, Table, Value,
};
use proptest::prelude::*;

use super::*;
use crate::mysql::fit::fit;
use crate::mysql::fit::tests::{INT, source_table, target_column, target_table};
use crate::mysql::lanes::split::{only, ordinal_of, share};
use crate::mysql::target::TargetTable;

const LANES: u16 = 3;

/// `id` is the key, and `u` unique.
fn table(change: impl FnOnce(&mut TargetTable)) -> (Arc<Table>, TablePlans) {
    let source = source_table(&[("id", INT), ("u", INT), ("n", INT)]);
    let columns = ["id", "u", "n"].map(|name| target_column(name, "int")).to_vec();
    let mut target = target_table(columns, &["id"]);
    target.uniques.push(Some(vec!["u".to_owned()]));
    change(&mut target);
    let mut plans = TablePlans::default();
    plans.insert(fit(&source, Some(target)).unwrap());
    (source, plans)
}

type Image = [Option<i64>; 3];

/// A row's number, unique value and content; NULL where it is absent.
const fn row(id: i64, u: i64) -> Image {
    [Some(id), Some(u), Some(0)]
}

fn event(table: &Arc<Table>, kind: RowKind, images: &[Image]) -> Event {
    let mut arena = RowArenaBuilder::new();
    for value in images.iter().flatten() {
        arena.push(value.map(Value::Int)).unwrap();
    }
    let count = if kind == RowKind::Update { images.len() / 2 } else { images.len() };
    let arena = Arc::new(arena.finish());
    Event::Rows(RowsEvent::new(Arc::clone(table), kind, arena, 0, count).unwrap())
}

fn transaction(offset: u64, events: Vec<Event>) -> Transaction {
    Transaction {
        gtid: None,
        start: FilePlace::new("b.000001", offset),
        committed_at: SourceTime(0),
        origin: None,
        part: Part::Whole,
        rows_before: 0,
        events,
        end: None,
    }
}

fn cut(plans: &TablePlans, transactions: &[Transaction], most_rows: usize) -> Vec<Piece> {
    Cutting::new(plans, LANES, most_rows).cut(transactions)
}

/// Two numbers whose rows are in different lanes, and one in the lane of the first.
fn two_and_a_companion(table: &Arc<Table>, plans: &TablePlans) -> (i64, i64, i64) {
    let lane = |id| {
        let insert = transaction(4, vec![event(table, RowKind::Insert, &[row(id, id)])]);
        Cutting::new(plans, LANES, 9).lanes_of(&insert).unwrap()[0]
    };
    let other = (2..).find(|id| lane(*id) != lane(1)).unwrap();
    let companion = (2..).find(|id| lane(*id) == lane(1)).unwrap();
    (1, other, companion)
}

#[test]
fn a_unique_value_that_goes_from_lane_to_lane_begins_a_piece() {
    let (table, plans) = table(|_| ());
    let (one, other, companion) = two_and_a_companion(&table, &plans);
    let delete = transaction(4, vec![event(&table, RowKind::Delete, &[row(one, 10)])]);
    let insert = |id| transaction(5, vec![event(&table, RowKind::Insert, &[row(id, 10)])]);
    let counts = |transactions: &[Transaction]| -> Vec<usize> {
        let apart = |piece: &Piece| match piece {
            Piece::Apart(count, _) => *count,
            Piece::Whole(_) => 0,
        };
        cut(&plans, transactions, 100).iter().map(apart).collect()
    };
    assert_eq!(counts(&[delete.clone(), insert(other)]), [1, 1]);
    assert_eq!(counts(&[delete.clone(), insert(companion)]), [2]);
    // A value that stays where it is meets nobody.
    let touch = |id, u| {
        let after = [Some(id), Some(u), Some(1)];
        transaction(6, vec![event(&table, RowKind::Update, &[row(id, u), after])])
    };
    assert_eq!(counts(&[touch(one, 10), touch(other, 20), touch(companion, 30)]), [3]);
    // NULL is no value.
    let null = |id| {
        let mut arena = RowArenaBuilder::new();
        for value in [Value::Int(id), Value::Null, Value::Int(0)] {
            arena.push(Some(value)).unwrap();
        }
        let arena = Arc::new(arena.finish());
        let rows = RowsEvent::new(Arc::clone(&table), RowKind::Insert, arena, 0, 1).unwrap();
        transaction(7, vec![Event::Rows(rows)])
    };
    assert_eq!(counts(&[null(one), null(other)]), [2]);
}

#[test]
fn what_concerns_several_lanes_goes_when_they_rest() {
    let (table, plans) = table(|_| ());
    let (one, other, companion) = two_and_a_companion(&table, &plans);
    let plain = transaction(4, vec![event(&table, RowKind::Insert, &[row(7, 70)])]);
    let alone = |events: Vec<Event>| {
        let pieces = cut(&plans, &[plain.clone(), transaction(5, events), plain.clone()], 100);
        pieces.get(1) == Some(&Piece::Whole(1))
    };
    let update = |before, after| event(&table, RowKind::Update, &[before, after]);
    // A key that moves from lane to lane, and one that does not.
    assert!(alone(vec![update(row(one, 1), row(other, 1))]));
    assert!(!alone(vec![update(row(one, 1), row(companion, 1))]));
    // A unique value that changes hands within the transaction.
    assert!(alone(vec![
        event(&table, RowKind::Delete, &[row(one, 5)]),
        event(&table, RowKind::Insert, &[row(other, 5)]),
    ]));
    // A schema change that was passed by, with its rows.
    let insert = event(&table, RowKind::Insert, &[row(one, 1)]);
    assert!(!alone(vec![insert.clone()]));
    assert!(alone(vec![Event::Ddl(otter_core::Ddl::default()), insert]));
    // Values that the images leave out.
    assert!(alone(vec![update([Some(one), None, None], [None, Some(5), None])]));
    assert!(alone(vec![event(&table, RowKind::Delete, &[[None, Some(5), None]])]));
}

#[test]
fn rows_that_cannot_be_told_apart_are_in_one_lane() {
    let insert =
        |table: &Arc<Table>, id| transaction(4, vec![event(table, RowKind::Insert, &[row(id, 5)])]);
    let is_one_lane = |(table, plans): (Arc<Table>, TablePlans)| {
        let transactions: Vec<_> = (0..20).map(|id| insert(&table, id)).collect();
        match cut(&plans, &transactions, 100).as_slice() {
            [Piece::Apart(20, lanes)] => lanes.iter().all(|lane| Some(lane) == lanes.first()),
            _ => false,
        }
    };
    assert!(is_one_lane(table(|table| {
        table.identities.clear();
        table.uniques.clear();
    })));
    assert!(is_one_lane(table(|table| table.related = true)));
    assert!(is_one_lane(table(|table| table.uniques.push(None))));
    assert!(!is_one_lane(table(|table| table.uniques.truncate(1))));
}

#[test]
fn tables_that_flow_into_one_are_in_one_piece_where_they_find_their_lanes_alike() {
    let (one, mut plans) = table(|_| ());
    let mut add = |columns: [&str; 3], related| {
        let source = source_table(&columns.map(|name| (name, INT)));
        let columns = ["id", "u", "n"].map(|name| target_column(name, "int")).to_vec();
        let mut target = target_table(columns, &["id"]);
        target.uniques.push(Some(vec!["u".to_owned()]));
        target.related = related;
        plans.insert(fit(&source, Some(target)).unwrap());
        source
    };
    let (alike, unlike) = (add(["id", "n", "u"], false), add(["u", "id", "n"], true));
    let insert = |table: &Arc<Table>, image: Image| event(table, RowKind::Insert, &[image]);
    let first = insert(&one, row(1, 10));
    let (second, third) =
        (insert(&alike, [Some(2), Some(0), Some(20)]), insert(&unlike, row(30, 3)));
    let apart = |transactions: &[Vec<Event>]| -> Vec<Option<usize>> {
        let transactions: Vec<_> =
            transactions.iter().map(|events| transaction(4, events.clone())).collect();
        let count = |piece: &Piece| match piece {
            Piece::Apart(count, _) => Some(*count),
            Piece::Whole(_) => None,
        };
        cut(&plans, &transactions, 100).iter().map(count).collect()
    };
    assert_eq!(apart(&[vec![first.clone()], vec![second.clone()]]), [Some(2)]);
    assert_eq!(apart(&[vec![first.clone(), second.clone()]]), [Some(1)]);
    assert_eq!(apart(&[vec![first.clone()], vec![third.clone()]]), [Some(1), Some(1)]);
    assert_eq!(apart(&[vec![first.clone(), third.clone()]]), [None]);
    // Those that came before decide, not the last one alone.
    assert_eq!(apart(&[vec![second], vec![first], vec![third]]), [Some(2), Some(1)]);
}

#[test]
fn a_piece_ends_where_it_has_its_rows() {
    let (table, plans) = table(|_| ());
    let of = |id: i64| {
        transaction(4, vec![event(&table, RowKind::Insert, &[row(id, id), row(id + 50, id + 50)])])
    };
    let transactions: Vec<_> = (0..5).map(of).collect();
    let counts: Vec<_> =
        cut(&plans, &transactions, 5)
            .iter()
            .map(|piece| {
                if let Piece::Apart(count, lanes) = piece { (*count, lanes.len()) } else { (0, 0) }
            })
            .collect();
    assert_eq!(counts, [(2, 4), (2, 4), (1, 2)]);
    // As many as it may have.
    let whole = cut(&plans, &transactions[..3], 6);
    assert!(matches!(whole.as_slice(), [Piece::Apart(3, _)]), "{whole:?}");
}

/// A change of a random history: kind, id, u, and the id and u after an update.
type Step = (u8, i64, i64, i64, i64);

fn steps() -> impl Strategy<Value = Vec<Vec<Vec<Step>>>> {
    let step = (0u8..3, 0i64..12, 0i64..12, 0i64..12, 0i64..12);
    // Transactions of events of rows of one kind: the first row's.
    prop::collection::vec(prop::collection::vec(prop::collection::vec(step, 1..4), 0..3), 1..12)
}

fn transactions(table: &Arc<Table>, steps: &[Vec<Vec<Step>>]) -> Vec<Transaction> {
    let event_of = |rows: &Vec<Step>| {
        let kind = [RowKind::Insert, RowKind::Update, RowKind::Delete][usize::from(rows[0].0)];
        let images: Vec<Image> = rows
            .iter()
            .flat_map(|(_, id, u, new_id, new_u)| {
                let after = (kind == RowKind::Update).then(|| row(*new_id, *new_u));
                std::iter::once(row(*id, *u)).chain(after)
            })
            .collect();
        event(table, kind, &images)
    };
    (0..)
        .zip(steps)
        .map(|(number, events)| transaction(number * 100, events.iter().map(event_of).collect()))
        .collect()
}

fn number(row: Row<'_>, column: usize) -> i64 {
    match row.value(column) {
        Some(Value::Int(number)) => number,
        _ => panic!("a number"),
    }
}

/// A row as it can be compared: its images.
fn shown(change: &Change<'_>) -> Vec<[i64; 2]> {
    let images = [change.before(), change.after()].into_iter().flatten();
    images.map(|row| [number(row, 0), number(row, 1)]).collect()
}

fn rows_of(transactions: &[Transaction]) -> Vec<(u64, Vec<[i64; 2]>)> {
    let mut rows = Vec::new();
    for transaction in transactions {
        for event in &transaction.events {
            let Event::Rows(event) = event else { continue };
            rows.extend(event.changes().map(|change| (transaction.start.offset, shown(&change))));
        }
    }
    rows
}

proptest! {
    /// ORD-1: each row is in one lane or in a piece of its own, and rows of different lanes of a
    /// piece have no key and no unique value that is given or taken in common.
    #[test]
    fn lanes_of_a_piece_know_nothing_of_each_other(steps in steps(), most_rows in 1usize..20) {
        let (table, plans) = table(|_| ());
        let all = transactions(&table, &steps);
        let mut rest = all.as_slice();
        let mut lane_of_id: HashMap<i64, u16> = HashMap::new();
        for piece in cut(&plans, &all, most_rows) {
            let (Piece::Apart(count, _) | Piece::Whole(count)) = piece;
            prop_assert!(count > 0);
            let (here, behind) = rest.split_at(count);
            rest = behind;
            let Piece::Apart(_, lanes) = piece else { continue };
            let rows = rows_of(here);
            prop_assert_eq!(rows.len(), lanes.len());
            prop_assert!(rows.len() <= most_rows || count == 1);
            let mut holders: HashMap<i64, u16> = HashMap::new();
            for ((_, images), lane) in rows.iter().zip(&lanes) {
                for [id, _] in images {
                    // In whatever piece: a row keeps its lane.
                    prop_assert_eq!(lane_of_id.entry(*id).or_insert(*lane), lane);
                }
                let stays = images.len() == 2 && images[0][1] == images[1][1];
                for [_, u] in images.iter().filter(|_| !stays) {
                    prop_assert_eq!(holders.entry(*u).or_insert(*lane), lane);
                }
            }
            // Each row goes to its lane and to no other, in order.
            let shares = share(here, &lanes, LANES);
            for (lane, share) in (0..).zip(&shares) {
                let wanted: Vec<_> = rows.iter().zip(&lanes).filter(|(_, it)| **it == lane).map(|(row, _)| row.clone()).collect();
                prop_assert_eq!(rows_of(&share.transactions), wanted);
            }
        }
        prop_assert!(rest.is_empty());
    }

    /// The cut of a batch decides about pieces, never about lanes.
    #[test]
    fn a_row_finds_its_lane_in_whatever_batch(steps in steps(), at in 0usize..12, most_rows in 1usize..20) {
        let (table, plans) = table(|_| ());
        let all = transactions(&table, &steps);
        let lanes = |transactions: &[Transaction]| {
            let mut cutting = Cutting::new(&plans, LANES, most_rows);
            transactions.iter().map(|it| cutting.lanes_of(it)).collect::<Vec<_>>()
        };
        let (front, behind) = all.split_at(at.min(all.len()));
        let apart = [lanes(front), lanes(behind)].concat();
        prop_assert_eq!(lanes(&all), apart);
    }

    /// A row that is refused has the number that the source's transaction gives it.
    #[test]
    fn rows_that_are_left_know_their_numbers(steps in steps(), wanted in prop::collection::vec(any::<bool>(), 12)) {
        let (table, _) = table(|_| ());
        for transaction in transactions(&table, &steps) {
            let is_wanted = |row: usize| wanted.get(row).copied().unwrap_or(true);
            let left = only(&transaction, is_wanted);
            let all = rows_of(std::slice::from_ref(&transaction));
            for (nth, row) in (1..).zip(rows_of(&[left])) {
                let ordinal = ordinal_of(&transaction, nth, is_wanted);
                prop_assert_eq!(&all[usize::try_from(ordinal).unwrap() - 1], &row);
            }
        }
    }
}

/// The format of the checkpoint stands for all of it: whoever changes a number here counts the format
/// on, or rows find other lanes after an upgrade than before it.
#[test]
fn values_keep_their_bytes_and_rules_their_digests() {
    use otter_core::{Date, DateTime, Value};

    use super::super::hash::Hasher;
    use super::super::value::{Equality, push_value};

    let hash = |value: Value<'_>, equality| {
        let mut bytes = Vec::new();
        push_value(&mut bytes, value, equality).unwrap();
        format!("{:016x}", Hasher::default().add(&bytes).finish())
    };
    let date = Date { year: 2026, month: 11, day: 22 };
    let moment = DateTime { date, hour: 4, minute: 5, second: 6, micros: 7, digits: 6 };
    let exact = Equality::Exact;
    let hashes = [
        hash(Value::Int(-5), exact),
        hash(Value::UInt(u64::MAX), exact),
        hash(Value::Decimal("-12.50"), exact),
        hash(Value::Enum(3), exact),
        hash(Value::Bytes(b"a\0b\0"), exact),
        hash(Value::Date(date), exact),
        hash(Value::DateTime(moment), exact),
        hash(Value::Text(b"Ab c "), Equality::BinaryText),
        hash(Value::Text(b"Ab c "), Equality::AsciiText),
    ];
    let expected = "8dd6362ed1f3fdc6 fe1b64042affa337 c5f5256d742f047e ad31504ca93089a1 \
                    16b40a07dd879ad2 d802e6941a8cb48e c38579b5dad98687 b645bf27dc111c96 \
                    99a997afaf657ce0";
    assert_eq!(hashes.join(" "), expected);
    let (table, plans) = table(|_| ());
    let mut cutting = Cutting::new(&plans, LANES, 9);
    let rows: Vec<_> = (1..=8).map(|id| row(id, id)).collect();
    let insert = transaction(4, vec![event(&table, RowKind::Insert, &rows)]);
    let lanes = format!("{:?}", cutting.lanes_of(&insert).unwrap());
    let rules: Vec<_> = cutting.rules().into_iter().map(|(_, digest)| digest).collect();
    assert_eq!(lanes, "[0, 0, 2, 0, 1, 1, 0, 1]");
    assert_eq!(rules.join(" "), "68ee43b1258909dc");
}
