use super::*;

fn column(name: &str, data_type: &str, charset: Option<&str>) -> SchemaColumn {
    SchemaColumn {
        name: name.into(),
        data_type: data_type.to_owned(),
        column_type: data_type.to_owned(),
        nullable: false,
        charset: charset.map(Into::into),
        octets: Some(40),
        precision: Some(10),
        scale: Some(2),
        digits: 0,
    }
}

fn key(columns: &[SchemaColumn]) -> Key {
    let columns = columns.iter().enumerate();
    let columns = columns.map(|(index, it)| KeyColumn::new(index, it).unwrap()).collect();
    Key { name: "PRIMARY".to_owned(), columns, mark: "k1".into() }
}

#[test]
fn rows_behind_a_place_are_those_behind_each_part_in_turn() {
    let key = key(&[column("a", "int", None), column("b`", "varchar", Some("gbk"))]);
    let values = [Value::Int(-7), Value::Text(b"x'\\")];
    let place = key.place(|index| values.get(index).copied()).unwrap();
    assert_eq!(&*place, "k1\t-7\t_gbk X'78275C'");
    assert_eq!(
        key.behind(&place).unwrap(),
        "`a` >= -7 AND (`a` > -7 OR (`a` = -7 AND (`b``` > _gbk X'78275C')))"
    );
    assert_eq!(key.order(), "`a`, `b```");
}

#[test]
fn a_place_of_one_column_is_one_comparison() {
    let key = key(&[column("at", "datetime", None)]);
    assert_eq!(key.behind("k1\t'2024-01-01 00:00:00'").unwrap(), "`at` > '2024-01-01 00:00:00'");
}

#[test]
fn labels_and_years_are_compared_as_numbers() {
    for data_type in ["enum", "set", "year"] {
        let key = key(&[column("e", data_type, None)]);
        assert_eq!(key.behind("k1\t3").unwrap(), "CAST(`e` AS UNSIGNED) > 3");
    }
}

#[test]
fn nothing_but_literals_of_this_key_becomes_a_condition() {
    let key = key(&[column("a", "int", None)]);
    for bad in ["", "1\t2", "1 OR (SELECT 1)", "1;DROP TABLE t", "1 -- ", "1/**/", "a,b", "`b`"] {
        assert_eq!(key.behind(&format!("k1\t{bad}")), None, "{bad}");
    }
}

#[test]
fn floats_are_exact() {
    let key = key(&[column("f", "float", None)]);
    let place = key.place(|_| Some(Value::Float(0.1))).unwrap();
    assert_eq!(place["k1\t".len()..].parse::<f64>().unwrap(), f64::from(0.1_f32));
}

#[test]
fn documents_and_geometries_are_no_keys() {
    for data_type in ["json", "geometry", "vector"] {
        assert!(KeyColumn::new(0, &column("a", data_type, None)).is_none());
    }
}

#[test]
fn the_row_at_a_place_has_all_its_values_and_nothing_else_becomes_sql() {
    let key = key(&[column("a", "int", None), column("b", "varchar", Some("utf8mb4"))]);
    let place = Key::place_of(&["7".to_owned(), "_utf8mb4 X'C3A9'".to_owned()]);
    assert_eq!(key.equal(&place).unwrap(), "(`a` = 7 AND `b` = _utf8mb4 X'C3A9')");
    for bad in ["7", "7\t8\t9", "7\tCONVERT(x)", "7 OR (1\t8"] {
        assert_eq!(key.equal(bad), None, "{bad}");
    }
}

#[test]
fn a_place_is_of_the_key_as_it_was_then() {
    let facts = [("a", "varchar(9)", "utf8mb4_bin"), ("b", "enum('x','y')", "")];
    let mark = mark_of(facts.into_iter());
    let of = |mark: &Arc<str>| Key { mark: Arc::clone(mark), ..key(&[column("a", "int", None)]) };
    let place = of(&mark).place(|_| Some(Value::Int(7))).unwrap();
    assert!(of(&mark).has_place(&place) && of(&mark).behind(&place).is_some());
    let others = [
        [("a", "varchar(9)", "utf8mb4_general_ci"), facts[1]],
        [facts[0], ("b", "enum('y','x')", "")],
        [facts[1], facts[0]],
    ];
    for other in others {
        let other = of(&mark_of(other.into_iter()));
        assert!(!other.has_place(&place) && other.behind(&place).is_none());
    }
    assert!(!of(&mark).has_place("7"), "as it was written before keys had marks");
}
