use super::*;
use crate::ddl::DdlName;
use crate::mapping::Mapping;

fn name(text: &str) -> TableName {
    let (database, table) = text.split_once('.').unwrap();
    TableName::new(database, table)
}

/// A schema change with every name of its text between angle brackets.
fn marked(database: &str, text: &str, changed: usize) -> Ddl {
    let mut statement = String::new();
    let mut names = Vec::new();
    for (index, piece) in text.split(['<', '>']).enumerate() {
        if index % 2 == 1 {
            let full =
                if piece.contains('.') { piece.to_owned() } else { format!("{database}.{piece}") };
            let at = statement.len()..statement.len() + piece.len();
            names.push(DdlName { at, table: name(&full.replace('`', "")) });
        }
        statement.push_str(piece);
    }
    let tables = names.iter().take(changed).map(|name| name.table.clone()).collect();
    Ddl {
        database: database.into(),
        statement: statement.into(),
        kind: "ALTER TABLE".into(),
        tables,
        names,
        ..Ddl::default()
    }
}

fn routed(mappings: &[(&str, &str)], ddl: Ddl) -> Ddl {
    mappings_of(mappings).route_ddl(ddl)
}

fn mappings_of(pairs: &[(&str, &str)]) -> Mappings {
    let mapping = |(from, to): &(&str, &str)| Mapping::parse(from, Some(to)).unwrap();
    Mappings::new(pairs.iter().map(mapping).collect()).unwrap()
}

#[test]
fn every_name_of_a_schema_change_gets_its_database() {
    let before = marked("shop", "ALTER TABLE <t> ADD FOREIGN KEY (a) REFERENCES <shop.u> (b)", 1);
    let after = routed(&[("shop.*", "shop.*")], before);
    assert_eq!(
        &*after.statement,
        "ALTER TABLE `shop`.`t` ADD FOREIGN KEY (a) REFERENCES `shop`.`u` (b)"
    );
    assert_eq!((&*after.database, after.reach), ("", DdlReach::Whole));
}

#[test]
fn a_schema_change_gets_the_names_of_the_target_wherever_they_stand() {
    let before = marked(
        "shop",
        "ALTER TABLE <t> /* t */ ADD FOREIGN KEY (t) REFERENCES <`shop`.`u`> (b)",
        1,
    );
    let after = routed(&[("shop.*", "`my``copy`.*_1")], before);
    assert_eq!(
        &*after.statement,
        "ALTER TABLE `my``copy`.`t_1` /* t */ ADD FOREIGN KEY (t) REFERENCES `my``copy`.`u_1` (b)"
    );
    assert_eq!((&*after.database, after.reach), ("", DdlReach::Whole));
    assert_eq!(after.tables, [TableName::new("my`copy", "t_1")]);
    for one in &after.names {
        assert!(after.statement[one.at.clone()].ends_with("_1`"));
    }
}

#[test]
fn a_schema_change_that_leads_out_of_the_mapping_is_partial() {
    let rename = marked("shop", "RENAME TABLE <t> TO <_t_del>, <_t_gho> TO <t>", 4);
    assert_eq!(routed(&[("shop.t", "shop.t")], rename.clone()).reach, DdlReach::Partly);
    assert_eq!(routed(&[("shop.*", "shop.*")], rename).reach, DdlReach::Whole);
    let key = marked("shop", "ALTER TABLE <t> ADD FOREIGN KEY (a) REFERENCES <ref.u> (b)", 1);
    assert_eq!(routed(&[("shop.*", "shop.*")], key).reach, DdlReach::Partly);
}

#[test]
fn a_schema_change_of_one_of_several_tables_that_flow_together_is_told() {
    let alter = |table: &str| marked("shop", &format!("ALTER TABLE <{table}> ADD x INT"), 1);
    let shards = [("shop.item_??", "shop.item"), ("shop.people", "shop.people")];
    assert_eq!(routed(&shards, alter("item_03")).reach, DdlReach::Merged);
    assert_eq!(routed(&shards, alter("people")).reach, DdlReach::Whole);
    // One that is told apart from the others and keeps its name is alone.
    let named = [("shop.*", "shop.*"), ("shop.orders", "shop.orders")];
    assert_eq!(routed(&named, alter("orders")).reach, DdlReach::Whole);
    let onto = [("shop.*", "shop.*"), ("shop.orders", "shop.sales")];
    assert_eq!(routed(&onto, alter("orders")).reach, DdlReach::Merged);
    let pair = [("shop.a", "shop.c"), ("shop.b", "shop.c")];
    assert_eq!(routed(&pair, alter("a")).reach, DdlReach::Merged);
}

#[test]
fn a_database_is_carried_as_a_whole_only_where_all_its_tables_keep_their_names() {
    let drop = || Ddl { database: "shop".into(), kind: "DROP DATABASE".into(), ..Ddl::default() };
    assert_eq!(routed(&[("shop.*", "shop.*")], drop()).reach, DdlReach::Whole);
    for partial in [
        &[("shop.*", "copy.*")][..],
        &[("shop.t", "shop.t")],
        &[("shop.*", "shop.*"), ("shop.t", "shop.u")],
    ] {
        assert_eq!(routed(partial, drop()).reach, DdlReach::Partly);
    }
}

#[test]
fn a_change_of_a_table_that_is_another_one_in_the_target_is_not_carried_as_a_whole() {
    let columns = crate::mapping::ColumnRules::default().drop_column("tmp").unwrap();
    let mapping = Mapping::parse("shop.*", None).unwrap().with_columns(columns).unwrap();
    let other = Mapping::parse("crm.*", None).unwrap();
    let mappings = Mappings::new(vec![mapping, other]).unwrap();
    let reach = |ddl| mappings.route_ddl(ddl).reach;
    assert_eq!(reach(marked("shop", "ALTER TABLE <t> ADD x INT", 1)), DdlReach::Partly);
    assert_eq!(reach(marked("crm", "ALTER TABLE <t> ADD x INT", 1)), DdlReach::Whole);
    let database = |name: &str| Ddl { database: name.into(), ..Ddl::default() };
    assert_eq!(reach(database("shop")), DdlReach::Partly);
    assert_eq!(reach(database("crm")), DdlReach::Whole);
}
