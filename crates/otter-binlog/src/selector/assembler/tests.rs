use std::sync::Arc;

use otter_core::{Batch, Change, Event, FilePlace, Gtid, Part, Place, Value};
use proptest::prelude::*;

use super::*;
use crate::event::EventKind;
use crate::event::format::Checksum;
use crate::event::frame::flag;
use crate::selector::SelectorOptions;
use crate::test_bytes::{EventBytes, format_description, table_map};

pub(super) const BUDGET: usize = 1 << 20;

pub(super) fn options() -> SelectorOptions {
    let url = "mysql://otter@127.0.0.1".parse().unwrap();
    SelectorOptions::new(url, Arc::new(|table| &*table.database == "shop"))
}

pub(super) fn begin(
    options: SelectorOptions,
    budget: usize,
    expected: Option<Fingerprint>,
) -> Assembler {
    let facts = SourceFacts { folds_names: false, tracks_gtids: true, naming: Naming::Real };
    let place = Place::from_file(FilePlace::new("b.000001", 4));
    let position = Position::at(None, place);
    Assembler::new(options, facts, position, expected, Budget::new(budget))
}

/// A stream of events with the right offsets in their headers.
pub(super) struct Stream {
    pub(super) assembler: Assembler,
    pub(super) offset: u64,
    /// MariaDB 11.4 leaves the offsets out.
    tells_offsets: bool,
    pub(super) batches: Vec<Batch>,
}

impl Stream {
    pub(super) fn new(assembler: Assembler) -> Self {
        let mut stream = Self { assembler, offset: 4, tells_offsets: true, batches: Vec::new() };
        // A server says first where the stream begins.
        let rotate = [&4_u64.to_le_bytes()[..], b"b.000001"].concat();
        let bytes = EventBytes::new(EventKind::ROTATE, &rotate).flags(flag::ARTIFICIAL).checked();
        stream.raw(&bytes).unwrap();
        stream.format();
        stream
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), SelectError> {
        let batch = self.assembler.feed(bytes)?;
        self.batches.extend(batch.map(|batch| *batch));
        while self.assembler.has_carry() {
            if self.assembler.is_fragment_due() || !self.assembler.find_room() {
                if self.assembler.has_finished() {
                    self.batches.push(self.assembler.cut()?);
                }
                self.batches.extend(self.assembler.cut_fragment()?.map(|batch| *batch));
                // Whoever loads them drops them.
                self.batches.iter_mut().for_each(|batch| batch.permit = Permit::none());
            }
            self.assembler.feed_carry()?;
        }
        Ok(())
    }

    pub(super) fn send(&mut self, kind: EventKind, body: &[u8]) -> Result<(), SelectError> {
        let mut event = EventBytes::new(kind, body);
        if self.tells_offsets {
            event = event.at(self.offset);
        }
        let bytes = event.checked();
        self.offset += u64::try_from(bytes.len()).unwrap();
        self.raw(&bytes)
    }

    /// A format description as a server writes it when it begins a file.
    fn format(&mut self) {
        let mut bytes = format_description("9.7.4", Checksum::Crc32);
        let end = self.offset + u64::try_from(bytes.len()).unwrap();
        bytes[13..17].copy_from_slice(&u32::try_from(end & 0xffff_ffff).unwrap().to_le_bytes());
        let length = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..length]);
        bytes[length..].copy_from_slice(&checksum.to_le_bytes());
        self.offset = end;
        self.raw(&bytes).unwrap();
    }

    pub(super) fn gtid(&mut self, number: u64) -> Result<(), SelectError> {
        let body = [&[0][..], &[7; 16], &number.to_le_bytes()].concat();
        self.send(EventKind::GTID, &body)
    }

    pub(super) fn query(&mut self, database: &str, statement: &str) -> Result<(), SelectError> {
        let length = u8::try_from(database.len()).unwrap();
        let body =
            [&[0; 8][..], &[length, 0, 0, 0, 0], database.as_bytes(), &[0], statement.as_bytes()]
                .concat();
        self.send(EventKind::QUERY, &body)
    }

    pub(super) fn map(&mut self, id: u8, database: &str, table: &str) -> Result<(), SelectError> {
        self.map_wide([id, 0, 0, 0, 0, 0], database, table)
    }

    fn map_wide(&mut self, id: [u8; 6], database: &str, table: &str) -> Result<(), SelectError> {
        let rest = table_map(
            (database, table),
            &[(3, &[]), (15, &[100, 0])],
            &[0],
            &[(1, &[0]), (2, &[45]), (4, b"\x02id\x06origin"), (8, &[0])],
        );
        self.send(EventKind::TABLE_MAP, &[&id[..], &rest].concat())
    }

    pub(super) fn insert(&mut self, id: u8, rows: &[(i32, &str)]) -> Result<(), SelectError> {
        self.send(EventKind::WRITE_ROWS, &inserted(id, rows))
    }

    /// As [`insert`](Self::insert), with the event cut in pieces as MariaDB 12.3 does.
    fn insert_in_pieces(&mut self, id: u8, rows: &[(i32, &str)]) -> Result<(), SelectError> {
        let whole = EventBytes::new(EventKind::WRITE_ROWS, &inserted(id, rows)).plain();
        let pieces: Vec<_> = whole.chunks(10).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let mut body = [pieces.len(), number + 1]
                .map(|number| u32::try_from(number).unwrap().to_le_bytes())
                .concat();
            body.push(u8::from(number == 0));
            if number == 0 {
                body.extend_from_slice(&whole.len().to_le_bytes());
            }
            body.extend_from_slice(piece);
            self.send(EventKind::PARTIAL_ROW_DATA, &body)?;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), SelectError> {
        self.send(EventKind::XID, &9_u64.to_le_bytes())
    }

    /// One transaction with these rows of `shop.item`.
    pub(super) fn transaction(
        &mut self,
        number: u64,
        rows: &[(i32, &str)],
    ) -> Result<(), SelectError> {
        self.gtid(number)?;
        self.query("shop", "BEGIN")?;
        self.map(1, "shop", "item")?;
        self.insert(1, rows)?;
        self.commit()
    }

    pub(super) fn cut(&mut self) -> Batch {
        self.assembler.cut().unwrap()
    }
}

/// The body of a rows event of new rows.
fn inserted(id: u8, rows: &[(i32, &str)]) -> Vec<u8> {
    let mut body = vec![id, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 3];
    for (id, text) in rows {
        body.push(0);
        body.extend_from_slice(&id.to_le_bytes());
        body.push(u8::try_from(text.len()).unwrap());
        body.extend_from_slice(text.as_bytes());
    }
    body
}

pub(super) fn ids(batch: &Batch) -> Vec<i64> {
    let mut ids = Vec::new();
    for event in batch.transactions.iter().flat_map(|it| &it.events) {
        let Event::Rows(rows) = event else { continue };
        for change in rows.changes() {
            let Change::Insert { after } = change else { panic!("an insert") };
            let Some(Value::Int(id)) = after.value(0) else { panic!("an id") };
            ids.push(id);
        }
    }
    ids
}

#[test]
fn transactions_share_one_arena_and_neighbouring_rows_one_event() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.gtid(1).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.insert(1, &[(1, "a")]).unwrap();
    stream.insert(1, &[(2, "b"), (3, "c")]).unwrap();
    stream.commit().unwrap();
    stream.transaction(2, &[(4, "d")]).unwrap();
    let batch = stream.cut();
    assert_eq!(ids(&batch), [1, 2, 3, 4]);
    assert_eq!(batch.transactions[0].events.len(), 1);
    assert_eq!(batch.after.resume_from.file, Some(FilePlace::new("b.000001", 4)));
    let through = batch.through.unwrap();
    assert_eq!(through.resume_from.file.unwrap().offset, stream.offset);
    assert_eq!(
        through.resume_from.gtids.unwrap().to_string(),
        "07070707-0707-0707-0707-070707070707:1-2"
    );
    let end = batch.transactions[1].end.as_ref().unwrap();
    assert_eq!(
        Some(end.start.clone()),
        batch.transactions[0].end.as_ref().map(|it| it.end.clone())
    );
}

#[test]
fn rows_in_pieces_are_joined_and_a_missing_piece_is_told() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.gtid(1).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.insert_in_pieces(1, &[(1, "a"), (2, "b")]).unwrap();
    stream.insert(1, &[(3, "c")]).unwrap();
    stream.commit().unwrap();
    assert_eq!(ids(&stream.cut()), [1, 2, 3]);
    stream.gtid(2).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    let first = [&[2, 0, 0, 0, 1, 0, 0, 0, 0][..], b"half of an event"].concat();
    stream.send(EventKind::PARTIAL_ROW_DATA, &first).unwrap();
    let error = stream.commit().unwrap_err().to_string();
    assert!(error.contains("pieces of rows are missing before it"), "{error}");
}

#[test]
fn a_batch_cut_inside_a_transaction_holds_only_whole_ones() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.transaction(1, &[(1, "a")]).unwrap();
    stream.gtid(2).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.insert(1, &[(2, "b")]).unwrap();
    let first = stream.cut();
    assert_eq!(ids(&first), [1]);
    stream.insert(1, &[(3, "c")]).unwrap();
    stream.commit().unwrap();
    let second = stream.cut();
    assert_eq!(ids(&second), [2, 3]);
    assert_eq!(second.transactions[0].part, Part::Whole);
    assert_eq!(Some(second.after), first.through);
}

#[test]
fn offsets_that_are_left_out_are_counted() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.tells_offsets = false;
    stream.transaction(1, &[(1, "a")]).unwrap();
    let batch = stream.cut();
    assert_eq!(batch.through.unwrap().resume_from.file.unwrap().offset, stream.offset);
}

#[test]
fn a_transaction_that_the_source_never_finished_is_dropped() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.gtid(1).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.insert(1, &[(1, "a")]).unwrap();
    let rotate = [&4_u64.to_le_bytes()[..], b"b.000002"].concat();
    let bytes = EventBytes::new(EventKind::ROTATE, &rotate).flags(flag::ARTIFICIAL).checked();
    stream.raw(&bytes).unwrap();
    stream.offset = 4;
    stream.format();
    stream.transaction(1, &[(2, "b")]).unwrap();
    let batch = stream.cut();
    assert_eq!(ids(&batch), [2]);
    assert_eq!(&*batch.through.unwrap().resume_from.file.unwrap().file, "b.000002");
}

#[test]
fn one_that_was_handed_out_in_part_is_told_once_and_then_left_out() {
    let mut options = options();
    options.fragment_bytes = 100;
    let read = |abandoned: Option<FilePlace>| {
        let mut stream = Stream::new(begin(options.clone(), BUDGET, None));
        stream.assembler.heed(Lessons { abandoned, ..Lessons::default() });
        stream.gtid(1).unwrap();
        stream.query("shop", "BEGIN").unwrap();
        stream.map(1, "shop", "item").unwrap();
        stream.insert(1, &[(1, "a"), (2, "b"), (3, "c"), (4, "d")]).unwrap();
        if stream.assembler.is_fragment_due() {
            let fragment = stream.assembler.cut_fragment().unwrap();
            stream.batches.extend(fragment.map(|batch| *batch));
        }
        let rotate = [&4_u64.to_le_bytes()[..], b"b.000002"].concat();
        let bytes = EventBytes::new(EventKind::ROTATE, &rotate).flags(flag::ARTIFICIAL).checked();
        stream.raw(&bytes).unwrap();
        let mut format = format_description("9.7.4", Checksum::Crc32);
        format[13] = 123;
        let length = format.len() - 4;
        let checksum = crc32fast::hash(&format[..length]);
        format[length..].copy_from_slice(&checksum.to_le_bytes());
        let result = stream.raw(&format);
        (stream.batches.len(), result)
    };
    let (fragments, result) = read(None);
    assert!(fragments > 0);
    let Err(SelectError::Abandoned { place }) = result else { panic!("{result:?}") };
    let (fragments, result) = read(Some(place));
    assert_eq!(fragments, 0);
    assert!(result.is_ok());
}

#[test]
fn rolled_back_rows_leave_no_trace_and_fragments_cannot_be_taken_back() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.gtid(1).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.insert(1, &[(1, "a")]).unwrap();
    stream.query("shop", "SAVEPOINT `s`").unwrap();
    stream.insert(1, &[(2, "b")]).unwrap();
    stream.query("shop", "ROLLBACK TO `s`").unwrap();
    stream.insert(1, &[(3, "c")]).unwrap();
    stream.commit().unwrap();
    assert_eq!(ids(&stream.cut()), [1, 3]);

    stream.gtid(2).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.query("shop", "SAVEPOINT `s`").unwrap();
    stream.insert(1, &[(4, "d")]).unwrap();
    drop(stream.assembler.cut_fragment().unwrap());
    let error = stream.query("shop", "ROLLBACK TO `s`").unwrap_err();
    assert!(matches!(error, SelectError::RolledBack { .. }), "{error}");
}

/// INVARIANT MEM-1: whoever waits for room holds none that nobody can free.
#[test]
fn rows_that_were_rolled_back_give_their_room_to_those_behind_them() {
    let mut stream = Stream::new(begin(options(), 64 << 10, None));
    let text = "x".repeat(200);
    // The last one fills the budget to the brim.
    let rows: Vec<_> = (0..283).map(|id| (id, text.as_str())).collect();
    stream.gtid(1).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.query("shop", "SAVEPOINT `s`").unwrap();
    stream.insert(1, &rows).unwrap();
    stream.query("shop", "ROLLBACK TO `s`").unwrap();
    stream.insert(1, &rows).unwrap();
    assert!(stream.batches.is_empty());
    stream.commit().unwrap();
    assert_eq!(ids(&stream.cut()).len(), 283);
}

#[test]
fn a_savepoint_that_was_never_set_takes_nothing_back() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.gtid(1).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.query("shop", "ROLLBACK TO `other`").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.insert(1, &[(1, "a")]).unwrap();
    let error = stream.query("shop", "ROLLBACK TO `other`").unwrap_err();
    assert!(matches!(error, SelectError::UnknownSavepoint { .. }), "{error}");
}

#[test]
fn a_statement_that_is_not_understood_may_concern_any_table() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    for database in ["other", ""] {
        stream.query(database, "FROBNICATE TABLE shop.item").unwrap();
    }
    let events = stream.cut().transactions.into_iter().flat_map(|one| one.events);
    assert_eq!(events.filter(|event| matches!(event, Event::Ddl(_))).count(), 2);
}

#[test]
fn the_expected_transaction_is_recognised_and_not_handed_out_again() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.transaction(1, &[(1, "a")]).unwrap();
    let last = stream.cut().through.unwrap().resume_from.last.unwrap();
    for (checksum, is_right) in [(last.checksum, true), (last.checksum ^ 1, false)] {
        let expected = Fingerprint { checksum, ..last.clone() };
        let mut stream = Stream::new(begin(options(), BUDGET, Some(expected)));
        assert!(!stream.assembler.is_recognised());
        let result = stream.transaction(1, &[(1, "a")]);
        if is_right {
            result.unwrap();
            assert!(stream.assembler.is_recognised() && !stream.assembler.has_moved());
            stream.transaction(2, &[(2, "b")]).unwrap();
            assert_eq!(ids(&stream.cut()), [2]);
        } else {
            assert!(matches!(result, Err(SelectError::OtherHistory { .. })), "{result:?}");
        }
    }
}

#[test]
fn events_out_of_place_are_refused() {
    let refuses = |send: fn(&mut Stream) -> Result<(), SelectError>, words: &str| {
        let mut stream = Stream::new(begin(options(), BUDGET, None));
        let error = send(&mut stream).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(otter_core::Classify::fault(&error), otter_core::Fault::Fatal);
    };
    refuses(|it| it.map(1, "shop", "item").and_then(|()| it.insert(1, &[])), "inside one");
    refuses(Stream::commit, "no transaction has begun");
    refuses(|it| it.gtid(1).and_then(|()| it.gtid(2)), "has no end");
    refuses(|it| it.query("", "BEGIN").and_then(|()| it.query("", "BEGIN")), "has no end");
    refuses(|it| it.query("", "BEGIN").and_then(|()| it.insert(1, &[])), "table map is missing");
    refuses(|it| it.send(EventKind(99), &[1]), "has type 99");
    refuses(|it| it.send(EventKind::INCIDENT, &[1, 0]), "(incident 1)");
    refuses(|it| it.send(EventKind::EXECUTE_LOAD_QUERY, &[0; 40]), "LOAD DATA");
    refuses(|it| it.query("mysql", "INSERT INTO shop.item VALUES (1)"), "INSERT statement");
}

#[test]
fn the_id_of_no_table_may_be_that_of_a_real_one() {
    const ID: [u8; 6] = [0xff, 0xff, 0xff, 0, 0, 0];
    let rows = [&ID[..], &inserted(0, &[(1, "a")])[6..]].concat();
    let dummy = [&ID[..], &[1, 0, 2, 0, 1, 1]].concat();
    let begun = || {
        let mut stream = Stream::new(begin(options(), BUDGET, None));
        stream.gtid(1).unwrap();
        stream.query("shop", "BEGIN").unwrap();
        stream.send(EventKind::WRITE_ROWS, &dummy).unwrap();
        stream
    };
    let error = begun().send(EventKind::WRITE_ROWS, &rows).unwrap_err();
    assert!(matches!(error, SelectError::OutOfPlace { .. }), "{error}");
    let mut stream = begun();
    stream.map_wide(ID, "shop", "item").unwrap();
    stream.send(EventKind::WRITE_ROWS, &rows).unwrap();
    stream.send(EventKind::WRITE_ROWS, &dummy).unwrap();
    stream.commit().unwrap();
    assert_eq!(ids(&stream.cut()), [1]);
}

#[test]
fn unknown_events_that_may_be_ignored_are_and_system_tables_may_be_written_as_statements() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    let ignorable = EventBytes::new(EventKind(99), &[1]).flags(flag::IGNORABLE).checked();
    stream.raw(&ignorable).unwrap();
    stream.query("shop", "INSERT INTO mysql.time_zone VALUES (1)").unwrap();
    stream.query("other", "DELETE FROM `other`.`lost_memory`").unwrap();
    assert!(stream.query("shop", "DELETE FROM `lost_memory`").is_err());
}

#[test]
fn a_mark_signs_its_transaction() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.gtid(1).unwrap();
    stream.query("otter", "BEGIN").unwrap();
    stream.map(2, "otter", "mark").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.insert(2, &[(1, "virginia")]).unwrap();
    stream.insert(1, &[(1, "a")]).unwrap();
    stream.insert(2, &[(1, "elsewhere")]).unwrap();
    stream.commit().unwrap();
    let batch = stream.cut();
    assert_eq!(batch.transactions[0].origin.as_ref().map(|it| &*it.0), Some("virginia"));
    assert_eq!(ids(&batch), [1]);
}

#[test]
fn a_reader_is_shown_the_own_tables_of_a_pipeline() {
    let options = SelectorOptions::for_reader(options().url, Arc::new(|_| true));
    let mut stream = Stream::new(begin(options, BUDGET, None));
    stream.gtid(1).unwrap();
    stream.query("", "BEGIN").unwrap();
    for (id, table) in [(5, "mark"), (6, "checkpoint")] {
        stream.map(id, "otter", table).unwrap();
        stream.insert(id, &[(i32::from(id), "site")]).unwrap();
    }
    stream.commit().unwrap();
    let batch = stream.cut();
    assert_eq!((ids(&batch), &batch.transactions[0].origin), (vec![5, 6], &None));
}

/// As for a place beyond 4 GiB, at which no dump can begin.
#[test]
fn what_lies_before_the_place_is_passed_over_and_a_place_inside_an_event_is_refused() {
    let mut whole = Stream::new(begin(options(), BUDGET, None));
    let mut ends = Vec::new();
    for number in 1..4 {
        whole.transaction(number, &[(i32::try_from(number).unwrap(), "a")]).unwrap();
        ends.push(whole.offset);
    }
    for (ahead, expected) in
        [(ends[0], Some(vec![2, 3])), (ends[1], Some(vec![3])), (ends[0] + 1, None)]
    {
        let mut assembler = begin(options(), BUDGET, None);
        assembler.pass_over(Some(FilePlace::new("b.000001", ahead)));
        let mut stream = Stream::new(assembler);
        let read = (1..4).try_for_each(|number| {
            stream.transaction(number, &[(i32::try_from(number).unwrap(), "a")])
        });
        match expected {
            Some(expected) => {
                read.unwrap();
                assert_eq!(ids(&stream.cut()), expected);
            }
            None => assert!(matches!(read, Err(SelectError::OtherHistory { .. })), "{read:?}"),
        }
    }
}

#[test]
fn no_row_value_shows_in_debug_output() {
    let mut stream = Stream::new(begin(options(), BUDGET, None));
    stream.gtid(1).unwrap();
    stream.query("shop", "BEGIN").unwrap();
    stream.map(1, "shop", "item").unwrap();
    stream.insert(1, &[(1, "secret")]).unwrap();
    let shown = format!("{:?} {:?}", stream.assembler, stream.assembler.draft);
    // As text, and as the bytes of a text.
    assert!(!shown.contains("secret") && !shown.contains("115, 101, 99"), "{shown}");
}

proptest! {
    /// INVARIANT TXN-1, MEM-1: however small the room and the fragments are, all rows come, once,
    /// in order, in fragments that follow each other.
    #[test]
    fn all_rows_come_in_order_whatever_the_room(
        sizes in prop::collection::vec(0_usize..60, 1..12), budget in 1_usize..40,
        fragment in 1_usize..4000,
    ) {
        let mut options = options();
        options.fragment_bytes = fragment;
        options.batch_bytes = 500;
        let mut stream = Stream::new(begin(options, budget * 1024, None));
        let mut next = 0;
        for (number, size) in sizes.iter().enumerate() {
            let rows: Vec<(i32, &str)> =
                (0..*size).map(|_| { next += 1; (next, "some text") }).collect();
            stream.transaction(u64::try_from(number + 1).unwrap(), &rows).unwrap();
            if stream.assembler.is_full() {
                let batch = stream.cut();
                stream.batches.push(batch);
            }
        }
        let batch = stream.cut();
        stream.batches.push(batch);
        let read: Vec<i64> = stream.batches.iter().flat_map(ids).collect();
        prop_assert_eq!(read, (1..=i64::from(next)).collect::<Vec<_>>());
        let mut at = stream.batches[0].after.clone();
        for batch in &stream.batches {
            prop_assert_eq!(&batch.after, &at);
            at = batch.through.clone().unwrap_or(at);
        }
        let gtids: Vec<Gtid> =
            stream.batches.iter().flat_map(|it| &it.transactions).filter_map(|it| it.end.as_ref()?.gtid.clone()).collect();
        prop_assert!(gtids.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn no_events_make_it_panic(
        events in prop::collection::vec(
            (prop::sample::select(vec![2_u8, 3, 4, 15, 16, 19, 23, 27, 30, 31, 32, 33, 34, 38, 39, 40, 41, 42, 161, 162, 165, 166, 167]),
             prop::collection::vec(any::<u8>(), 0..60)), 1..12),
    ) {
        let mut stream = Stream::new(begin(options(), BUDGET, None));
        for (kind, body) in events {
            let _ = stream.send(EventKind(kind), &body);
            let _ = stream.assembler.feed_payload();
        }
    }
}
