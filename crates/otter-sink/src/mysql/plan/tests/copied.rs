//! Rows of the initial copy, of which the stream may have brought some.

use otter_core::{CopyRecord, CopyStage, CopyStep, InCopy};

use super::*;

fn copied(source: &Arc<Table>, ids: std::ops::RangeInclusive<i64>) -> Transaction {
    let images: Vec<_> = ids.map(|id| row(id, id)).collect();
    let Event::Rows(event) = rows(source, RowKind::Insert, &images) else { panic!("rows") };
    let flags = RowFlags { copy: InCopy::Copied, ..RowFlags::default() };
    let record = CopyRecord::new(source.name.clone(), CopyStage::Copying);
    let record = CopyRecord { rows: 3, bytes: 30, estimated: 3, ..record };
    let step = CopyStep::Table { record, emptied: Arc::default() };
    let events = vec![Event::Rows(event.with_flags(flags)), Event::Copy(step)];
    Transaction { part: Part::Copied, ..transaction(events) }
}

#[test]
fn copied_rows_may_be_there_and_their_record_goes_with_the_checkpoint() {
    let table = item();
    let transactions = [copied(&table.0, 1..=3)];
    for detail in [Detail::Compacted, Detail::Joined] {
        let limits = Limits { load_rows: 2, ..LIMITS };
        let texts = plan_with(table.clone(), &transactions, limits, detail).unwrap();
        assert_eq!(
            texts[0].0,
            "SET SESSION foreign_key_checks=0; INSERT INTO `shop`.`item` (`id`,`n`) VALUES \
             (1,1),(2,2),(3,3) ON DUPLICATE KEY UPDATE `id`=VALUES(`id`),`n`=VALUES(`n`)"
        );
        assert_eq!(rows_of(&texts[0].1[1]).rows, 3);
    }
}

#[test]
fn many_copied_rows_go_as_parameters_where_the_server_takes_them() {
    let (source, target) = item();
    let limits = Limits { load_rows: 2, new_rows: NewRows::Parameters, ..LIMITS };
    let mut tables = TablePlans::default();
    tables.insert(fit(&source, Some(target)).unwrap());
    let store = Store::new("otter", "p");
    let statements = |detail| {
        let (keeps_rows, mark) = (false, ("here", 0));
        let planning =
            Planning { tables: &tables, store: &store, limits, detail, keeps_rows, mark };
        let transactions = [copied(&source, 1..=3)];
        let mut planner = Planner::new(planning, &transactions, false);
        let mut script = Script::default();
        assert_eq!(planner.fill(&mut script).unwrap(), Filled::All);
        let steps = script.take().into_iter();
        let sql = steps.filter_map(|step| step.rows.map(|(statement, _)| statement.sql.clone()));
        sql.collect::<Vec<_>>()
    };
    assert_eq!(
        statements(Detail::Compacted),
        ["INSERT INTO `shop`.`item` (`id`,`n`) VALUES (?,?) ON DUPLICATE KEY UPDATE \
          `id`=VALUES(`id`),`n`=VALUES(`n`)"]
    );
    assert_eq!(statements(Detail::Joined), [""; 0]);
}

/// LOSS-1: a row of the target's own may have the unique value of a copied one.
#[test]
fn kept_rows_are_written_over_by_their_key_alone() {
    let (source, mut target) = item();
    target.uniques = vec![Some(vec!["id".to_owned()]), Some(vec!["n".to_owned()])];
    let mut tables = TablePlans::default();
    tables.insert(fit(&source, Some(target)).unwrap());
    let store = Store::new("otter", "p");
    let written = |detail| {
        let (keeps_rows, mark, limits) = (true, ("here", 0), LIMITS);
        let planning =
            Planning { tables: &tables, store: &store, limits, detail, keeps_rows, mark };
        let transactions = [copied(&source, 1..=2)];
        let mut planner = Planner::new(planning, &transactions, false);
        let mut script = Script::default();
        assert_eq!(planner.fill(&mut script).unwrap(), Filled::All);
        let expects = script.expects().to_vec();
        (script.take().into_iter().map(|step| step.text).collect::<String>(), expects)
    };
    let (text, _) = written(Detail::Compacted);
    assert_eq!(text, "INSERT INTO `shop`.`item` (`id`,`n`) VALUES (1,1),(2,2)");
    let (text, expects) = written(Detail::Joined);
    let of_row = |n| {
        format!(
            "UPDATE `shop`.`item` SET `id` = {n}, `n` = {n} WHERE `id` = {n}; \
             INSERT INTO `shop`.`item` (`id`,`n`) VALUES ({n},{n}) ON DUPLICATE KEY UPDATE \
             `id`=VALUES(`id`),`n`=VALUES(`n`)"
        )
    };
    assert_eq!(text, format!("{}; {}", of_row(1), of_row(2)));
    for pair in expects.chunks(2) {
        assert!(matches!(pair, [Expect::Some(_), Expect::Rows(_)]), "{pair:?}");
    }
}
