//! Fast mode: lanes that are interrupted wherever they may be come to one place, and nothing is
//! repeated or left out on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::testkit::random::Random;
use otter_core::{Batch, Event, Fault, Load, Position, Table};
use otter_sink::{LoaderOptions, Mode, checkpoint};
use sqlx::{AssertSqlSafe, Connection, raw_sql};

use crate::place::Place;
use crate::source::{INT, Source, delete, insert, pair, table, update};

/// Lanes with small pieces.
fn fast(place: &Place, lanes: u16) -> LoaderOptions {
    let mut options = place.options();
    options.mode = Mode::Fast;
    options.connections = lanes;
    options.group_rows = 5;
    // A lane that is held up is given up soon.
    options.row_lock_wait = Duration::from_secs(1);
    options.contention_tries = 1;
    options
}

/// The tables of a random history: a key with a unique value, and rows without a key.
#[derive(Debug)]
struct Tables {
    pairs: Arc<Table>,
    bag: Arc<Table>,
}

impl Tables {
    async fn new(place: &Place) -> Self {
        place
            .execute(
                "CREATE TABLE pair (id INT PRIMARY KEY, n INT, UNIQUE (n));
                 CREATE TABLE bag (id INT, n INT)",
            )
            .await;
        let columns = [("id", INT), ("n", INT)];
        Self {
            pairs: table(&place.database, "pair", &columns),
            bag: table(&place.database, "bag", &columns),
        }
    }
}

/// A source that can be read again from any position, and what it holds.
#[derive(Debug, Clone, Default)]
struct History {
    transactions: Vec<Vec<Event>>,
    pairs: BTreeMap<i64, i64>,
    bag: i64,
}

impl History {
    /// Appends transactions of changes that the source lets pass.
    fn grow(&mut self, tables: &Tables, random: &mut Random, count: usize) {
        for _ in 0..count {
            let mut events = Vec::new();
            for _ in 0..=random.below(4) {
                events.extend(self.change(tables, random));
            }
            self.transactions.push(events);
        }
    }

    fn change(&mut self, tables: &Tables, random: &mut Random) -> Option<Event> {
        let number = |random: &mut Random, below| i64::try_from(random.below(below)).unwrap();
        let (id, n) = (number(random, 60), number(random, 90));
        let is_free = self.pairs.values().all(|other| *other != n);
        match (random.below(12), self.pairs.get(&id).copied()) {
            (0, _) => {
                self.bag += 1;
                Some(insert(&tables.bag, &[pair(self.bag, n)]))
            }
            // Of the rows without a key, the same again and again.
            (1, _) => Some(insert(&tables.bag, &[pair(0, 0)])),
            (_, None) if is_free => {
                let _ = self.pairs.insert(id, n);
                Some(insert(&tables.pairs, &[pair(id, n)]))
            }
            (2..=4, Some(old)) => {
                let _ = self.pairs.remove(&id);
                Some(delete(&tables.pairs, &[pair(id, old)]))
            }
            // The key moves.
            (5, Some(old)) => {
                let free = (60..90).find(|free| !self.pairs.contains_key(free))?;
                let _ = self.pairs.remove(&id);
                let _ = self.pairs.insert(free, old);
                Some(update(&tables.pairs, pair(id, old), pair(free, old)))
            }
            (_, Some(old)) if is_free => {
                let _ = self.pairs.insert(id, n);
                Some(update(&tables.pairs, pair(id, old), pair(id, n)))
            }
            (_, _) => None,
        }
    }

    fn len(&self) -> usize {
        self.transactions.len()
    }

    fn position(&self, steps: usize) -> Position {
        let mut source = Source::new();
        let _ = source.batch(self.transactions.get(..steps).unwrap().to_vec());
        source.position()
    }

    /// How many transactions are before a position.
    fn steps(&self, position: &Position) -> usize {
        let steps = (0..=self.len()).find(|steps| self.position(*steps) == *position);
        steps.expect("the position is between two transactions")
    }

    fn batch(&self, from: usize, to: usize) -> Batch {
        let mut source = Source::new();
        let _ = source.batch(self.transactions.get(..from).unwrap().to_vec());
        source.batch(self.transactions.get(from..to).unwrap().to_vec())
    }

    async fn assert_loaded(&self, place: &Place) {
        let shown: Vec<_> = self.pairs.iter().map(|(id, n)| format!("{id}={n}")).collect();
        assert_eq!(place.shown_pairs().await, shown.join(" "));
        let rows = self.transactions.iter().flatten().filter(|event| match event {
            Event::Rows(rows) => &*rows.table().name.table == "bag",
            _ => false,
        });
        let count = rows.count().to_string();
        assert_eq!(place.texts("SELECT COUNT(*) FROM {db}.bag").await, [[count]]);
        let once = format!("SELECT COUNT(DISTINCT id) FROM {}.bag WHERE id > 0", place.database);
        assert_eq!(place.texts(&once).await, [[self.bag.to_string()]]);
    }
}

/// Resumes in the given shape and loads the whole history, in batches of random sizes.
async fn load_all(
    place: &Place,
    options: LoaderOptions,
    (history, term): (&History, u64),
    random: &mut Random,
) {
    let loader = place.loader_with(options);
    let found = loader.resume(&lease(term)).await.unwrap().expect("it has begun");
    let mut done = history.steps(&found);
    while done < history.len() {
        let to = (done + 1 + random.below(12)).min(history.len());
        let loaded = loader.load(history.batch(done, to), &lease(term)).await.unwrap();
        assert_eq!(loaded.through, Some(history.position(to)));
        done = to;
    }
    loader.close().await;
    history.assert_loaded(place).await;
}

/// The lanes' own places, as steps.
async fn lanes(place: &Place, history: &History) -> Vec<usize> {
    let offsets = place
        .texts("SELECT REGEXP_SUBSTR(applied_through, 'made-up.000001:[0-9]+') FROM {otter}.checkpoint ORDER BY lane")
        .await;
    let step = |text: &String| {
        let offset: usize = text.rsplit(':').next().unwrap().parse().unwrap();
        (offset - 4) / 100
    };
    let steps: Vec<usize> = offsets.iter().map(|row| step(&row[0])).collect();
    assert!(steps.iter().all(|step| *step <= history.len()));
    steps
}

/// Loads a little, and then while somebody holds the checkpoint's rows of some lanes, so that these
/// cannot commit.
async fn load_without_lanes(
    place: &Place,
    options: LoaderOptions,
    (history, term): (&History, u64),
    held_up: &str,
) {
    let loader = place.loader_with(options);
    let found = loader.resume(&lease(term)).await.unwrap().expect("it has begun");
    let done = history.steps(&found);
    let middle = (done + history.len()).div_ceil(2);
    let _ = loader.load(history.batch(done, middle), &lease(term)).await.unwrap();
    let mut other = place.server.connect().await.unwrap();
    let hold = format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION; \
         SELECT * FROM {}.checkpoint WHERE lane IN ({held_up}) FOR UPDATE",
        place.schema
    );
    let _ = raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
    let error = loader.load(history.batch(middle, history.len()), &lease(term)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error}");
    other.close().await.unwrap();
    loader.close().await;
}

/// Begins and shapes the checkpoint with a first few transactions.
async fn shaped(place: &Place, history: &History, options: &LoaderOptions) {
    let loader = place.begun_with(&Source::new(), options.clone()).await;
    let _ = loader.load(history.batch(0, history.len()), &lease(1)).await.unwrap();
    loader.close().await;
}

on_both! {
    async fn random_histories_end_as_the_source_is(place: Place) {
        let tables = Tables::new(&place).await;
        let mut random = Random::new(11);
        let mut history = History::default();
        place.begun_with(&Source::new(), fast(&place, 4)).await.close().await;
        for term in 2..6 {
            history.grow(&tables, &mut random, 150);
            load_all(&place, fast(&place, 4), (&history, term), &mut random).await;
        }
        let found = checkpoint::read(&place.url(), &place.schema, &pipeline()).await.unwrap().unwrap();
        assert_eq!((found.lanes, found.furthest), (4, None));
        assert_eq!(found.position, Some(history.position(history.len())));
    }

    async fn whichever_lanes_are_held_up_they_catch_up(place: Place) {
        let tables = Tables::new(&place).await;
        let mut random = Random::new(12);
        let mut history = History::default();
        history.grow(&tables, &mut random, 20);
        shaped(&place, &history, &fast(&place, 4)).await;
        let mut differed = 0;
        for (round, held_up) in ["0", "1", "2", "3", "0,1", "1,3", "0,2,3"].into_iter().enumerate() {
            let term = 10 + 10 * u64::try_from(round).unwrap();
            history.grow(&tables, &mut random, 40);
            load_without_lanes(&place, fast(&place, 4), (&history, term), held_up).await;
            let stand = lanes(&place, &history).await;
            let found = checkpoint::read(&place.url(), &place.schema, &pipeline()).await.unwrap().unwrap();
            assert_eq!(found.position, Some(history.position(*stand.iter().min().unwrap())));
            let most = *stand.iter().max().unwrap();
            let differs = stand.iter().any(|step| *step != most);
            assert_eq!(found.furthest, differs.then(|| history.position(most)));
            differed += u32::from(differs);
            // Twice: what caught up halfway is interrupted as well.
            load_without_lanes(&place, fast(&place, 4), (&history, term + 1), held_up).await;
            load_all(&place, fast(&place, 4), (&history, term + 2), &mut random).await;
        }
        assert!(differed > 3, "the lanes were interrupted at different places {differed} times");
    }

    async fn the_mode_and_the_number_of_lanes_change_when_lanes_are_at_one_place(place: Place) {
        let tables = Tables::new(&place).await;
        let mut random = Random::new(13);
        let mut history = History::default();
        history.grow(&tables, &mut random, 30);
        let mut strict = fast(&place, 4);
        strict.mode = Mode::Strict;
        shaped(&place, &history, &strict).await;
        let shape = async || {
            place.texts("SELECT COUNT(*), MIN(format), MAX(format) FROM {otter}.checkpoint").await.concat().join(" ")
        };
        assert_eq!(shape().await, "1 1 1");
        let mut differed = 0;
        for (round, next) in [fast(&place, 3), strict.clone(), fast(&place, 5), fast(&place, 2), strict.clone()]
            .into_iter()
            .enumerate()
        {
            let term = 10 + 10 * u64::try_from(round).unwrap();
            // In lanes, and interrupted, before the next shape comes.
            history.grow(&tables, &mut random, 10);
            load_all(&place, fast(&place, 4), (&history, term), &mut random).await;
            assert_eq!(shape().await, "4 2 2");
            history.grow(&tables, &mut random, 40);
            load_without_lanes(&place, fast(&place, 4), (&history, term + 1), "1,2").await;
            let stand = lanes(&place, &history).await;
            differed += u32::from(stand.iter().any(|step| step != &stand[0]));
            let wanted = match next.mode {
                Mode::Fast => format!("{} 2 2", next.connections),
                _ => "1 1 1".to_owned(),
            };
            history.grow(&tables, &mut random, 10);
            load_all(&place, next, (&history, term + 2), &mut random).await;
            assert_eq!(shape().await, wanted);
        }
        assert!(differed > 2, "the lanes were interrupted at different places {differed} times");
    }

    async fn a_load_that_is_dropped_is_caught_up_with(place: Place) {
        let tables = Tables::new(&place).await;
        let mut random = Random::new(14);
        let mut history = History::default();
        history.grow(&tables, &mut random, 20);
        shaped(&place, &history, &fast(&place, 4)).await;
        for term in 2..40 {
            history.grow(&tables, &mut random, 15);
            let loader = place.loader_with(fast(&place, 4));
            let found = loader.resume(&lease(term)).await.unwrap().unwrap();
            let batch = history.batch(history.steps(&found), history.len());
            let patience = Duration::from_micros(500 + u64::try_from(random.below(15_000)).unwrap());
            let lease = lease(term);
            let load = loader.load(batch, &lease);
            if let Ok(loaded) = tokio::time::timeout(patience, load).await {
                let _ = loaded.unwrap();
            }
            loader.close().await;
        }
        load_all(&place, fast(&place, 4), (&history, 40), &mut random).await;
    }

    async fn a_refused_row_is_named_as_the_source_counts_it(place: Place) {
        let pairs = place.pairs().await;
        // In the way of rows of several lanes, of which the first is told.
        place.execute("INSERT INTO pair VALUES (777, 0), (790, 0), (791, 0), (792, 0)").await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, fast(&place, 4)).await;
        let id_of = |number: i64| match number {
            14 => 777,
            17..=19 => number + 773,
            number => number,
        };
        let rows: Vec<_> = (1..=20).map(|number| pair(id_of(number), number)).collect();
        let batch = source.batch(vec![
            vec![insert(&pairs, &[pair(100, 0), pair(101, 0), pair(102, 0)])],
            vec![insert(&pairs, &rows)],
            vec![insert(&pairs, &[pair(777, 1)])],
        ]);
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison, "{error}");
        let told = error.to_string();
        assert!(told.contains("row 14 of the transaction at made-up.000001:104"), "{told}");
        assert!(told.contains("pair") && told.contains("key id") && !told.contains("777"), "{told}");
        loader.close().await;
        // The other lanes have all of it, and the refused one has what is before the row.
        assert_eq!(place.texts("SELECT COUNT(*) > 3 FROM {db}.pair").await, [["1"]]);
        // An operator removes what was in the way.
        place.execute("DELETE FROM pair WHERE id >= 777").await;
        let mut again = Source::new();
        let loader = place.loader_with(fast(&place, 4));
        let found = loader.resume(&lease(2)).await.unwrap().unwrap();
        let first = vec![insert(&pairs, &[pair(100, 0), pair(101, 0), pair(102, 0)])];
        let rest = vec![vec![insert(&pairs, &rows)], vec![delete(&pairs, &[pair(777, 14)])]];
        let batch = if found == again.position() {
            again.batch([vec![first], rest].concat())
        } else {
            let _ = again.batch(vec![first]);
            assert_eq!(found, again.position());
            again.batch(rest)
        };
        let _ = loader.load(batch, &lease(2)).await.unwrap();
        loader.close().await;
        let ids = (1..=20).filter(|number| *number != 14).map(id_of).chain(100..103);
        let ids: BTreeSet<i64> = ids.collect();
        let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
        assert_eq!(place.texts("SELECT id FROM {db}.pair ORDER BY id").await.concat(), ids);
    }

    async fn keys_that_were_changed_while_lanes_differ_halt(place: Place) {
        let pairs = place.pairs().await;
        place.execute("ALTER TABLE pair MODIFY n INT NOT NULL").await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, fast(&place, 4)).await;
        let rows = |from: i64| (from..from + 30).map(|id| pair(id, id)).collect::<Vec<_>>();
        let batch = source.batch(vec![vec![insert(&pairs, &rows(100))]]);
        let _ = loader.load(batch, &lease(1)).await.unwrap();
        let begin = source.clone();
        let mut other = place.server.connect().await.unwrap();
        let hold = format!(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION; \
             SELECT * FROM {}.checkpoint WHERE lane = 1 FOR UPDATE",
            place.schema
        );
        let _ = raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
        let batch = source.batch(vec![vec![insert(&pairs, &rows(200))]]);
        assert!(loader.load(batch, &lease(1)).await.is_err());
        other.close().await.unwrap();
        loader.close().await;
        let load_again = async |term| {
            let loader = place.loader_with(fast(&place, 4));
            assert_eq!(loader.resume(&lease(term)).await.unwrap(), Some(begin.position()));
            let batch = begin.clone().batch(vec![vec![insert(&pairs, &rows(200))]]);
            let loaded = loader.load(batch, &lease(term)).await;
            loader.close().await;
            loaded
        };
        place.execute("ALTER TABLE pair DROP PRIMARY KEY, ADD PRIMARY KEY (n)").await;
        let error = load_again(2).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        assert!(error.to_string().contains("were changed since"), "{error}");
        place.execute("ALTER TABLE pair DROP PRIMARY KEY, ADD PRIMARY KEY (id)").await;
        let _ = load_again(3).await.unwrap();
        assert_eq!(place.texts("SELECT COUNT(*) FROM {db}.pair").await, [["60"]]);
    }

    /// FENCE-1, by the checkpoint alone and by a successor.
    async fn whoever_is_stale_writes_in_no_lane(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, fast(&place, 4)).await;
        let batch = |source: &mut Source, from: i64| {
            let insert_one = |id| vec![insert(&pairs, &[pair(id, id)])];
            source.batch((from..from + 40).map(insert_one).collect())
        };
        let _ = loader.load(batch(&mut source, 0), &lease(1)).await.unwrap();
        // The operator's word moves the lanes' sequences, and nothing ends the connections.
        let (url, position) = (place.url(), source.position());
        let moved =
            checkpoint::set_position(&url, &place.schema, &pipeline(), &position).await.unwrap();
        assert_eq!((moved.lanes, moved.furthest), (4, None));
        let error = loader.load(batch(&mut source.clone(), 100), &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fenced, "{error}");
        let count = "SELECT COUNT(*) FROM {db}.pair";
        assert_eq!(place.texts(count).await, [["40"]]);
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(source.position()));
        let _ = loader.load(batch(&mut source, 200), &lease(1)).await.unwrap();
        let successor = place.loader_with(fast(&place, 4));
        assert_eq!(successor.resume(&lease(2)).await.unwrap(), Some(source.position()));
        let error = loader.load(batch(&mut source.clone(), 300), &lease(1)).await.unwrap_err();
        assert!(matches!(error.fault(), Fault::Fenced | Fault::Transient), "{error}");
        assert_eq!(loader.resume(&lease(1)).await.unwrap_err().fault(), Fault::Fenced);
        assert_eq!(place.texts(count).await, [["80"]]);
        let _ = successor.load(batch(&mut source, 400), &lease(2)).await.unwrap();
        successor.close().await;
        assert_eq!(place.texts(count).await, [["120"]]);
    }

    async fn a_fragment_is_applied_for_the_lanes_that_lack_it(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, fast(&place, 4)).await;
        let first: Vec<_> = (1_000..1_010).map(|id| pair(id, 0)).collect();
        let batch = source.batch(vec![vec![insert(&pairs, &first)]]);
        let _ = loader.load(batch, &lease(1)).await.unwrap();
        let rows: Vec<_> = (1..=30).map(|id| pair(id, id)).collect();
        let mut other = place.server.connect().await.unwrap();
        let hold = format!("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION; \
             SELECT * FROM {}.checkpoint WHERE lane = 2 FOR UPDATE", place.schema);
        let _ = raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
        let batch = source.clone().batch(vec![vec![insert(&pairs, &rows)]]);
        assert!(loader.load(batch, &lease(1)).await.is_err());
        other.close().await.unwrap();
        loader.close().await;
        let before = place.texts("SELECT COUNT(*) FROM {db}.pair").await.concat().concat();
        assert!(before != "10" && before != "40", "{before}");
        // With less memory it comes in pieces.
        let loader = place.loader_with(fast(&place, 4));
        assert_eq!(loader.resume(&lease(2)).await.unwrap(), Some(source.position()));
        let pieces = rows.chunks(7).map(|rows| vec![insert(&pairs, rows)]).collect();
        for piece in source.fragments(pieces) {
            let _ = loader.load(piece, &lease(2)).await.unwrap();
        }
        let last = source.batch(vec![vec![update(&pairs, pair(1_000, 0), pair(1_000, 1))]]);
        let _ = loader.load(last, &lease(2)).await.unwrap();
        loader.close().await;
        assert_eq!(place.texts("SELECT COUNT(*), MAX(n) FROM {db}.pair").await, [["40", "30"]]);
        let found = checkpoint::read(&place.url(), &place.schema, &pipeline()).await.unwrap().unwrap();
        assert_eq!((found.position, found.furthest), (Some(source.position()), None));
    }
}
