//! Which rows go by `LOAD DATA`.

use super::*;

const LOADING: Limits = Limits { load_rows: 3, ..LIMITS };

/// What each text executes, and the data that goes with it.
fn scripts(
    (source, target): (Arc<Table>, TargetTable),
    transactions: &[Transaction],
    limits: Limits,
    detail: Detail,
) -> Vec<(Vec<String>, Vec<String>)> {
    let mut tables = TablePlans::default();
    tables.insert(fit(&source, Some(target)).unwrap());
    let store = Store::new("otter", "p");
    let (keeps_rows, mark) = (false, ("here", 0));
    let planning = Planning { tables: &tables, store: &store, limits, detail, keeps_rows, mark };
    let mut planner = Planner::new(planning, transactions, true);
    let mut scripts = Vec::new();
    loop {
        let mut script = Script::default();
        let filled = planner.fill(&mut script).unwrap();
        let (mut words, mut all_data) = (Vec::new(), Vec::new());
        for step in script.take() {
            let first = |it: &str| it.split(' ').next().unwrap_or_default().to_owned();
            words.extend(step.text.split("; ").filter(|it| !it.is_empty()).map(first));
            all_data.extend(step.data);
            words.extend(step.rows.map(|(_, rows)| format!("{} bytes of rows", rows.len())));
        }
        scripts.push((words, all_data));
        if filled == Filled::All {
            return scripts;
        }
    }
}

fn numbered(ids: std::ops::RangeInclusive<i64>) -> Vec<Values> {
    ids.map(|id| row(id, id)).collect()
}

fn inserts(source: &Arc<Table>, ids: std::ops::RangeInclusive<i64>) -> Event {
    rows(source, RowKind::Insert, &numbered(ids))
}

#[test]
fn enough_new_rows_become_lines() {
    let (source, target) = item();
    let transactions =
        [transaction(vec![inserts(&source, 1..=2)]), transaction(vec![inserts(&source, 3..=3)])];
    let all = scripts((source, target), &transactions, LOADING, Detail::Compacted);
    assert_eq!(all, [(vec!["LOAD".to_owned()], vec!["1\t1\n2\t2\n3\t3\n".to_owned()])]);
}

#[test]
fn fewer_are_inserted_and_so_is_what_is_tried_again() {
    let (source, target) = item();
    for (ids, detail) in [(1..=2, Detail::Compacted), (1..=3, Detail::Joined)] {
        let transactions = [transaction(vec![inserts(&source, ids)])];
        let all = scripts((source.clone(), target.clone()), &transactions, LOADING, detail);
        assert_eq!(all, [(vec!["INSERT".to_owned()], Vec::new())]);
    }
}

#[test]
fn a_table_without_a_key_keeps_source_order() {
    let (source, _) = item();
    let target = target_table(vec![target_column("id", "int"), target_column("n", "int")], &[]);
    let events = vec![
        inserts(&source, 1..=3),
        rows(&source, RowKind::Delete, &[row(2, 2)]),
        inserts(&source, 4..=5),
    ];
    let all = scripts((source, target), &[transaction(events)], LOADING, Detail::Compacted);
    let (words, data) = &all[0];
    assert_eq!(words, &["LOAD", "DELETE", "INSERT"]);
    assert_eq!(data, &["1\t1\n2\t2\n3\t3\n"]);
}

#[test]
fn a_value_that_no_line_holds_is_inserted() {
    let columns = vec![target_column("id", "int"), target_column("n", "json")];
    let source = source_table(&[("id", INT), ("n", ColumnType::Json)]);
    let target = target_table(columns, &[]);
    let document = |id: i64, text| vec![Some(Value::Int(id)), Some(Value::Json(text))];
    let events = |texts: [&'static str; 4]| {
        let rows_of = (1..).zip(texts).map(|(id, text)| document(id, text)).collect::<Vec<_>>();
        vec![rows(&source, RowKind::Insert, &rows_of)]
    };
    let later = events(["{}", "[1.10]", "[]", "1"]);
    let all = scripts(
        (source.clone(), target.clone()),
        &[transaction(later)],
        LOADING,
        Detail::Compacted,
    );
    assert_eq!(all[0].0, ["LOAD", "INSERT"]);
    assert_eq!(all[0].1, ["1\t{}\n"]);
    let first = events(["[1.10]", "{}", "[]", "1"]);
    let limits = Limits { insert_rows: 9, ..LOADING };
    let all = scripts((source.clone(), target), &[transaction(first)], limits, Detail::Compacted);
    assert_eq!((&all[0].0, &all[0].1), (&vec!["INSERT".to_owned()], &Vec::new()));
}

#[test]
fn data_counts_as_text_does() {
    let (source, target) = item();
    let limits = Limits { text_bytes: 170, ..LOADING };
    let transactions = [transaction(vec![inserts(&source, 1..=8)])];
    let all = scripts((source, target), &transactions, limits, Detail::Compacted);
    let lines: Vec<usize> =
        all.iter().map(|(_, data)| data.iter().map(|it| it.lines().count()).sum()).collect();
    assert!(all.len() > 1 && lines.iter().all(|lines| *lines < 8), "{all:?}");
}

#[test]
fn rows_of_parameters_stand_between_the_texts() {
    let (source, _) = item();
    let target = target_table(vec![target_column("id", "int"), target_column("n", "int")], &[]);
    let limits = Limits { new_rows: NewRows::Parameters, ..LOADING };
    let events = vec![
        rows(&source, RowKind::Delete, &[row(9, 9)]),
        inserts(&source, 1..=3),
        rows(&source, RowKind::Insert, &[vec![Some(Value::Int(4)), Some(Value::UInt(4))]]),
        rows(&source, RowKind::Delete, &[row(2, 2)]),
    ];
    let all = scripts((source, target), &[transaction(events)], limits, Detail::Compacted);
    // Two numbers of nine bytes in each of three rows; a value of another type is inserted.
    assert_eq!(
        all,
        [(
            ["DELETE", "54 bytes of rows", "INSERT", "DELETE"].map(str::to_owned).into(),
            Vec::new()
        )]
    );
}
