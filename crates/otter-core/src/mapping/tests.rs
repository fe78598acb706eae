mod expressions;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::batch::{Batch, Part, SourceTime, Transaction};
use crate::budget::Permit;
use crate::ddl::Ddl;
use crate::event::{Event, RowKind, RowsEvent};
use crate::position::{FilePlace, Position};
use crate::rows::RowArenaBuilder;
use crate::stage::Transform;
use crate::table::{Column, ColumnType, Table};
use crate::testkit::history::History;
use crate::testkit::item::{delete, insert, update};
use crate::testkit::transform::assert_keeps_promises;
use crate::value::Value;

fn mapping(from: &str, to: &str) -> Mapping {
    Mapping::parse(from, (!to.is_empty()).then_some(to)).unwrap()
}

fn mappings(pairs: &[(&str, &str)]) -> Mappings {
    Mappings::new(pairs.iter().map(|(from, to)| mapping(from, to)).collect()).unwrap()
}

fn name(text: &str) -> TableName {
    let (database, table) = text.split_once('.').unwrap();
    TableName::new(database, table)
}

fn routed(mappings: &Mappings, from: &str) -> Option<String> {
    mappings.route(&name(from)).map(|to| to.to_string())
}

#[test]
fn names_keep_their_place_unless_told_otherwise() {
    let mappings = mappings(&[("shop.*", ""), ("crm.people", "copy.persons")]);
    assert_eq!(routed(&mappings, "shop.orders").as_deref(), Some("shop.orders"));
    assert_eq!(routed(&mappings, "crm.people").as_deref(), Some("copy.persons"));
    assert_eq!(routed(&mappings, "crm.companies"), None);
    assert_eq!(routed(&mappings, "shop2.orders"), None);
}

#[test]
fn wildcards_of_a_target_take_what_those_of_the_source_stood_for() {
    let tenants = mappings(&[("tenant_*.order_??", "all_*.o_??_x")]);
    assert_eq!(routed(&tenants, "tenant_7.order_42").as_deref(), Some("all_7.o_42_x"));
    assert_eq!(routed(&tenants, "tenant_7.order_421"), None);
    let two_stars = mappings(&[("a.*_*", "b.*-*")]);
    assert_eq!(routed(&two_stars, "a.x_y_z").as_deref(), Some("b.x-y_z"));
    let many_to_one = mappings(&[("legacy.item_*", "shop.item")]);
    assert_eq!(routed(&many_to_one, "legacy.item_31").as_deref(), Some("shop.item"));
}

#[test]
fn the_most_specific_mapping_wins() {
    let mappings = mappings(&[
        ("*.*", "all.t"),
        ("shop.*", "database.t"),
        ("shop.order*", "prefix.t"),
        ("shop.order_?", "letter.t"),
        ("shop.orders", "exact.t"),
    ]);
    for (table, target) in [
        ("shop.orders", "exact.t"),
        ("shop.order_a", "letter.t"),
        ("shop.order_items", "prefix.t"),
        ("shop.customers", "database.t"),
        ("crm.people", "all.t"),
    ] {
        assert_eq!(routed(&mappings, table).as_deref(), Some(target), "{table}");
    }
}

fn patterns(texts: &[&str]) -> Vec<TablePattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn exceptions_are_taken_by_no_mapping() {
    let mappings = mappings(&[("shop.*", "copy.*"), ("shop.tmp_kept", "")]);
    let mappings = mappings.except(patterns(&["shop.tmp_[0-9]", "*.secret"])).unwrap();
    let filter = mappings.filter();
    for (table, is_taken) in [
        ("shop.orders", true),
        ("shop.tmp_kept", true),
        ("shop.tmp_3", false),
        ("shop.secret", false),
        ("shop.tmp_33", true),
    ] {
        assert_eq!(routed(&mappings, table).is_some(), is_taken, "{table}");
        assert_eq!(filter(&name(table)), is_taken, "{table}");
    }
    let all = mappings.except(patterns(&["shop.tmp_*"])).unwrap_err();
    assert!(all.to_string().contains("leaves nothing of the mapping `shop.tmp_kept`"), "{all}");
}

#[test]
fn a_pattern_covers_another_where_all_its_names_match() {
    for (whole, part, covers) in [
        ("d.*", "*.*", false),
        ("*.*", "d.*", true),
        ("d.a?", "d.a[1-3]", true),
        ("d.a?", "d.a[8-12]", false),
        ("d.a[1-9]", "d.a[2-3]", true),
        ("d.a[1-9]", "d.a?", false),
        ("d.*_*", "d.x_*_y", true),
        ("d.x_*_y", "d.*_*", false),
        ("d.a*", "d.ab", true),
        ("d.*a*b*", "d.*b*a*b", true),
        ("d.*?", "d.*", false),
        ("d.*?", "d.?*", true),
    ] {
        let [whole, part]: [TablePattern; 2] = [whole.parse().unwrap(), part.parse().unwrap()];
        assert_eq!(whole.covers(&part), covers, "{whole} and {part}");
    }
}

#[test]
fn exceptions_tell_whose_tables_are_whose() {
    let whole = || mappings(&[("shop.*", "")]);
    let but = |except| whole().except(patterns(&[except])).unwrap();
    let part = |from| mappings(&[(from, "")]);
    assert!(whole().shares_source(&part("shop.big_*")).is_some());
    assert!(but("shop.big_*").shares_source(&part("shop.big_*")).is_none());
    assert!(part("shop.big_7").shares_source(&but("shop.big_*")).is_none());
    assert!(but("shop.big_7").shares_source(&part("shop.big_*")).is_some());
    assert!(part("shop.big").feeds(&but("shop.big")).is_none());
    assert!(but("shop.big").feeds(&part("shop.big")).is_some());
}

#[test]
fn a_schema_change_of_a_whole_database_ends_at_what_is_excepted() {
    let all = mappings(&[("*.*", "")]);
    let all = all.except(patterns(&["scratch.*", "shop.tmp_*"])).unwrap();
    assert!(!all.touches_database("scratch") && all.touches_database("shop"));
    let reach = |kind: &str, database: &str| {
        let ddl = Ddl { kind: kind.into(), database: database.into(), ..Ddl::default() };
        all.route_ddl(ddl).reach
    };
    assert_eq!(reach("CREATE DATABASE", "shop"), crate::ddl::DdlReach::Whole);
    assert_eq!(reach("DROP DATABASE", "shop"), crate::ddl::DdlReach::Partly);
    assert_eq!(reach("DROP DATABASE", "crm"), crate::ddl::DdlReach::Whole);
    // A second list adds to the first, and a schema of the server's own is meant by name only.
    let own = mappings(&[("mysql.user", ""), ("*.*", "")]);
    let own = own.except(patterns(&["*.user"])).unwrap().except(patterns(&["a.*"])).unwrap();
    assert!(routed(&own, "mysql.user").is_some());
    assert_eq!((routed(&own, "shop.user"), routed(&own, "a.b")), (None, None));
}

#[test]
fn ghost_tables_are_left_where_that_is_wanted_and_nothing_names_them() {
    let carried = mappings(&[("shop.*", ""), ("shop._named_gho", ""), ("crm.people", "")]);
    assert!(routed(&carried, "shop._orders_gho").is_some());
    let left = carried.ghost_tables(GhostTables::Leave);
    for table in ["_orders_gho", "_orders_ghc", "_orders_del", "_orders_new", "__orders_old"] {
        assert_eq!(routed(&left, &format!("shop.{table}")), None, "{table}");
        assert!(!left.filter()(&name(&format!("shop.{table}"))), "{table}");
    }
    for table in ["shop._named_gho", "shop.orders", "shop.orders_new", "shop._orders", "crm.people"]
    {
        assert!(routed(&left, table).is_some(), "{table}");
    }
}

#[test]
fn a_range_stands_for_its_numbers_with_their_zeros_in_front() {
    let shards = mappings(&[
        ("legacy.item_[00-15]", "a.item"),
        ("legacy.item_[16-31]", "b.item"),
        ("legacy.part_[8-12]_*", "a.part_[8-12]_*"),
        ("legacy.*", "rest.*"),
    ]);
    for (table, target) in [
        ("legacy.item_00", "a.item"),
        ("legacy.item_15", "a.item"),
        ("legacy.item_16", "b.item"),
        ("legacy.item_32", "rest.item_32"),
        ("legacy.item_3", "rest.item_3"),
        ("legacy.item_003", "rest.item_003"),
        ("legacy.part_9_x", "a.part_9_x"),
        ("legacy.part_12_12_", "a.part_12_12_"),
        ("legacy.part_13_x", "rest.part_13_x"),
    ] {
        assert_eq!(routed(&shards, table).as_deref(), Some(target), "{table}");
    }
}

#[test]
fn a_range_is_more_specific_than_letters_and_a_narrow_one_than_a_wide_one() {
    let mappings = mappings(&[
        ("d.t_*", "any.t"),
        ("d.t_??", "letters.t"),
        ("d.t_[00-31]", "wide.t"),
        ("d.t_[00-07]", "narrow.t"),
        ("d.t_05", "exact.t"),
    ]);
    for (table, target) in [
        ("d.t_05", "exact.t"),
        ("d.t_07", "narrow.t"),
        ("d.t_08", "wide.t"),
        ("d.t_32", "letters.t"),
        ("d.t_100", "any.t"),
    ] {
        assert_eq!(routed(&mappings, table).as_deref(), Some(target), "{table}");
    }
}

#[test]
fn equally_specific_mappings_that_meet_are_refused() {
    let both = |first, second| Mappings::new(vec![mapping(first, ""), mapping(second, "")]);
    for (first, second) in
        [("a*.t", "*a.t"), ("shop.a*", "shop.*b"), ("x.?a", "x.a?"), ("x.t[0-3]", "x.t[2-5]")]
    {
        let error = both(first, second).unwrap_err();
        let expected =
            MappingError::Ambiguous { first: first.to_owned(), second: second.to_owned() };
        assert_eq!(error, expected);
    }
    assert_eq!(both("shop.*", "shop.*").unwrap_err(), MappingError::Twice("shop.*".into()));
    assert_eq!(both("a.b", "a.b").unwrap_err(), MappingError::Twice("a.b".into()));
    assert!(both("shop.a*", "shop.b*").is_ok());
    assert_eq!(Mappings::new(Vec::new()).unwrap_err(), MappingError::Empty);
}

#[test]
fn what_is_no_pattern_is_refused_by_name() {
    let error = |text: &str| text.parse::<TablePattern>().unwrap_err().to_string();
    for text in ["", "orders", "a.b.c", ".t", "d.", "a. b", "`a.b", "a.`b"] {
        assert!(error(text).starts_with(&format!("`{text}` is no table pattern")), "{text}");
    }
    for text in ["a.item_[00-", "a.item_[3-1]", "a.item_[00-7]", "a.item_[x]", "a.b]"] {
        assert!(
            error(text).contains(&format!("`{text}` has a bracket that is no range")),
            "{text}"
        );
    }
    assert!(error("/shop\\..*/").contains("regular expression"));
    for (from, to) in [("shop.*", "copy.*_*"), ("shop.orders", "copy.*"), ("a.?*", "a.*?")] {
        let error = Mapping::parse(from, Some(to)).unwrap_err();
        assert_eq!(error, MappingError::Shape { from: from.into(), to: to.into() });
    }
}

#[test]
fn wildcards_do_not_mean_the_servers_own_schemas() {
    let all = mappings(&[("*.*", "")]);
    assert_eq!(routed(&all, "shop.user").as_deref(), Some("shop.user"));
    for own in ["mysql.user", "MySQL.user", "sys.x", "performance_schema.y"] {
        assert_eq!(routed(&all, own), None);
        assert!(!all.filter()(&name(own)) && !all.touches_database(own.split('.').next().unwrap()));
    }
    let named = mappings(&[("mysql.time_zone*", "")]);
    assert_eq!(routed(&named, "mysql.time_zone_name").as_deref(), Some("mysql.time_zone_name"));
}

#[test]
fn backticks_take_away_the_meaning_of_special_letters() {
    let odd = mappings(&[("`my.shop`.`a*``b c`", "")]);
    let table = TableName::new("my.shop", "a*`b c");
    assert_eq!(odd.route(&table), Some(table));
    assert_eq!(odd.route(&TableName::new("my.shop", "axx`b c")), None);
}

#[test]
fn pipelines_that_share_or_feed_tables_are_found() {
    let orders = mappings(&[("shop.orders", "copy.orders")]);
    let shop = mappings(&[("crm.*", ""), ("shop.o*", "")]);
    let back = mappings(&[("copy.*", "shop.*")]);
    let (first, second) = orders.shares_source(&shop).unwrap();
    assert_eq!(
        (first.from().to_string(), second.from().to_string()),
        ("shop.orders".into(), "shop.o*".into())
    );
    assert!(orders.feeds(&back).is_some());
    assert!(back.feeds(&orders).is_some());
    assert!(orders.feeds(&shop).is_none());
}

fn table(text: &str) -> Arc<Table> {
    let column = |name: &str| Column {
        name: name.into(),
        column_type: ColumnType::Integer { bytes: 4, unsigned: false },
        nullable: false,
    };
    Arc::new(Table {
        name: name(text),
        columns: vec![column("id"), column("n")],
        primary_key: vec![0],
        dropped_key: Vec::new(),
    })
}

fn rows(table: &Arc<Table>, id: i64) -> Event {
    let mut builder = RowArenaBuilder::new();
    builder.push(Some(Value::Int(id))).unwrap();
    builder.push(Some(Value::Int(-id))).unwrap();
    let arena = Arc::new(builder.finish());
    Event::Rows(RowsEvent::new(Arc::clone(table), RowKind::Insert, arena, 0, 1).unwrap())
}

fn ddl(database: &str, tables: &[&str]) -> Event {
    Event::Ddl(Ddl {
        database: database.into(),
        statement: "ALTER TABLE …".into(),
        kind: "ALTER TABLE".into(),
        tables: tables.iter().map(|table| name(table)).collect(),
        ..Ddl::default()
    })
}

fn batch(transactions: Vec<Vec<Event>>) -> Batch {
    let transactions = transactions
        .into_iter()
        .map(|events| Transaction {
            gtid: None,
            start: FilePlace::new("b.000001", 4),
            committed_at: SourceTime(0),
            origin: None,
            part: Part::Whole,
            rows_before: 0,
            events,
            end: None,
        })
        .collect();
    Batch {
        after: Position::default(),
        through: Some(Position::default()),
        transactions,
        permit: Permit::none(),
    }
}

fn names(batch: &Batch) -> Vec<Vec<String>> {
    let event = |event: &Event| match event {
        Event::Rows(rows) => rows.table().name.to_string(),
        Event::Ddl(ddl) => format!("ddl {}", ddl.database),
        Event::Copy(_) => "copy".to_owned(),
        Event::Resync(_) => "resync".to_owned(),
    };
    batch.transactions.iter().map(|one| one.events.iter().map(event).collect()).collect()
}

#[test]
fn a_route_renames_mapped_rows_drops_others_and_keeps_every_transaction() {
    let route = Route::new(mappings(&[("shop.*", "copy.*")]));
    let (orders, users) = (table("shop.orders"), table("mysql.user"));
    let before = batch(vec![vec![rows(&orders, 1), rows(&users, 2)], vec![rows(&users, 3)]]);
    let after = route.transform(before).unwrap();
    assert_eq!(names(&after), [vec!["copy.orders".to_owned()], vec![]]);
}

#[test]
fn a_route_keeps_the_schema_changes_that_touch_a_mapped_table() {
    let route = Route::new(mappings(&[("shop.*", "copy.*")]));
    let before = batch(vec![vec![
        ddl("kept by name", &["mysql.user", "shop.orders"]),
        ddl("dropped by name", &["mysql.user"]),
        ddl("shop", &[]),
        ddl("mysql", &[]),
        ddl("", &[]),
    ]]);
    let after = route.transform(before).unwrap();
    assert_eq!(names(&after), [["ddl kept by name", "ddl shop", "ddl "]]);
}

#[test]
fn a_route_makes_one_table_of_each_version() {
    let route = Route::new(mappings(&[("shop.*", "copy.*"), ("same.*", "")]));
    let of = |source: &Arc<Table>| {
        let after = route.transform(batch(vec![vec![rows(source, 1)]])).unwrap();
        let Event::Rows(rows) = &after.transactions[0].events[0] else { panic!("rows expected") };
        Arc::clone(rows.table())
    };
    let first = table("shop.orders");
    let routed = of(&first);
    assert!(Arc::ptr_eq(&routed, &of(&first)), "the same version by pointer");
    assert!(Arc::ptr_eq(&routed, &of(&table("shop.orders"))), "the same version by value");

    let mut wider = Table::clone(&first);
    wider.primary_key = Vec::new();
    let other = of(&Arc::new(wider));
    assert!(!Arc::ptr_eq(&routed, &other));
    assert!(other.primary_key.is_empty());

    let same = table("same.t");
    assert!(Arc::ptr_eq(&same, &of(&same)), "a name that stays needs no copy");
}

#[test]
fn a_route_keeps_what_every_transform_must() {
    let mut history = History::new();
    history.commit(vec![insert(1, "a"), insert(2, "b")]);
    history.progress();
    history.commit(vec![update(1, "a", "c"), delete(2, "b"), insert(3, "d")]);
    let renames = mappings(&[("otter_suite.*", "copy.*")]);
    let drops = mappings(&[("shop.*", "")]);
    for mappings in [renames, drops] {
        assert_keeps_promises(&Route::new(mappings), &history);
    }
}

/// Whether the pattern matches, by trying every split: slow and obviously right.
fn matches_slowly(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|taken| matches_slowly(rest, &text[taken..])),
        Some(('?', rest)) => !text.is_empty() && matches_slowly(rest, &text[1..]),
        Some((letter, rest)) => text.first() == Some(letter) && matches_slowly(rest, &text[1..]),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    matches_slowly(&pattern, &text)
}

/// Whether a pattern with one range matches, by writing each of its numbers into it.
fn has_number(pattern: &str, text: &str) -> bool {
    let (before, rest) = pattern.split_once('[').unwrap();
    let (range, behind) = rest.split_once(']').unwrap();
    let (low, high) = range.split_once('-').unwrap();
    let width = low.len();
    let (low, high): (u64, u64) = (low.parse().unwrap(), high.parse().unwrap());
    (low..=high).any(|number| matches(&format!("{before}{number:0width$}{behind}"), text))
}

/// Short patterns over few letters, so that chance meets.
fn small_pattern() -> impl Strategy<Value = TablePattern> {
    let pieces = prop::collection::vec(
        prop::sample::select(vec!["a", "b", "1", "2", "?", "*", "[1-3]", "[08-12]"]),
        1..5,
    );
    pieces.prop_map(|pieces| format!("d.{}", pieces.concat()).parse().unwrap())
}

proptest! {
    #[test]
    fn whatever_a_covered_pattern_matches_the_other_matches(
        whole in small_pattern(),
        part in small_pattern(),
        tables in prop::collection::vec("[ab0-3]{0,5}", 40),
    ) {
        let outside = tables.iter().map(|table| TableName::new("d", table.as_str()))
            .find(|name| part.matches(name) && !whole.matches(name));
        if whole.covers(&part) {
            prop_assert_eq!(outside, None);
        }
        prop_assert!(whole.covers(&whole));
    }

    #[test]
    fn a_pattern_matches_what_its_wildcards_can_stand_for(
        database in "[ab?*]{1,5}", table in "[ab?*]{1,6}", d in "[ab]{0,5}", t in "[ab]{0,7}",
    ) {
        let pattern: TablePattern = format!("{database}.{table}").parse().unwrap();
        let expected = matches(&database, &d) && matches(&table, &t);
        prop_assert_eq!(pattern.matches(&TableName::new(d, t)), expected);
    }

    #[test]
    fn a_mapping_to_its_own_pattern_changes_no_name(
        pattern in "[ab?*]{1,6}", text in "[abä]{0,8}",
    ) {
        let mapping = Mapping::parse(&format!("{pattern}.{pattern}"), None).unwrap();
        let name = TableName::new(text.clone(), text);
        let mappings = Mappings::new(vec![mapping]).unwrap();
        if let Some(to) = mappings.route(&name) {
            prop_assert_eq!(to, name);
        }
    }

    #[test]
    fn a_name_that_matches_two_patterns_shows_that_they_overlap(
        first in "[ab?*]{1,5}", second in "[ab?*]{1,5}", text in "[ab]{0,6}",
    ) {
        let pattern = |part: &str| format!("d.{part}").parse::<TablePattern>().unwrap();
        let (one, two) = (pattern(&first), pattern(&second));
        let name = TableName::new("d", text);
        if one.matches(&name) && two.matches(&name) {
            prop_assert!(one.overlaps(&two) && two.overlaps(&one));
        }
    }

    #[test]
    fn patterns_overlap_only_where_a_name_matches_both(
        first in "[ab?*]{1,3}", second in "[ab?*]{1,3}",
    ) {
        let pattern = |part: &str| format!("d.{part}").parse::<TablePattern>().unwrap();
        let (one, two) = (pattern(&first), pattern(&second));
        // Three pieces each: a shortest common name has at most six letters.
        let mut texts = vec![String::new()];
        let mut at = 0;
        while let Some(text) = texts.get(at).cloned() {
            if text.len() < 6 {
                texts.extend(["a", "b"].map(|letter| format!("{text}{letter}")));
            }
            at += 1;
        }
        let common = texts.iter().any(|text| {
            let name = TableName::new("d", text.as_str());
            one.matches(&name) && two.matches(&name)
        });
        prop_assert_eq!(one.overlaps(&two), common);
    }

    #[test]
    fn ranges_match_and_overlap_as_their_numbers_do(
        first in "[a?*]{0,1}(\\[[01]-[0-3]{1,2}\\]|\\[0[0-3]-[123][0-3]\\])[?*0]{0,2}",
        second in "a?[?*0]{0,2}\\[[01]-[1-4]{1,2}\\]",
        text in "a{0,2}[0-4]{0,4}",
    ) {
        let parsed = |part: &str| format!("d.{part}").parse::<TablePattern>();
        let (Ok(one), Ok(two)) = (parsed(&first), parsed(&second)) else { return Ok(()) };
        let name = TableName::new("d", text.clone());
        let (is_one, is_two) = (has_number(&first, &text), has_number(&second, &text));
        prop_assert_eq!(one.matches(&name), is_one);
        prop_assert_eq!(two.matches(&name), is_two);
        if is_one && is_two {
            prop_assert!(one.overlaps(&two) && two.overlaps(&one));
        }
    }

    #[test]
    fn the_order_of_mappings_does_not_matter(
        parts in prop::collection::vec("[ab?*]{1,3}", 1..6), text in "[ab]{1,4}",
    ) {
        let named = |parts: &[String]| -> Vec<Mapping> {
            let one = |part: &String| mapping(&format!("d.{part}"), &format!("to.{}", part.replace('*', "s").replace('?', "q")));
            parts.iter().map(one).collect()
        };
        let backwards: Vec<String> = parts.iter().rev().cloned().collect();
        let name = TableName::new("d", text);
        match (Mappings::new(named(&parts)), Mappings::new(named(&backwards))) {
            (Ok(one), Ok(two)) => prop_assert_eq!(one.route(&name), two.route(&name)),
            (Err(_), Err(_)) => {}
            (one, two) => prop_assert!(false, "{one:?} {two:?}"),
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read(
        database in "[a*?]{1,3}(`[a.*?/ ]{1,3}`)?", table in "(`[b.\\]\\[]{1,3}(``)?`)?[b*?]{1,3}",
    ) {
        let pattern: TablePattern = format!("{database}.{table}").parse().unwrap();
        prop_assert_eq!(pattern.to_string().parse::<TablePattern>().unwrap(), pattern);
    }
}
