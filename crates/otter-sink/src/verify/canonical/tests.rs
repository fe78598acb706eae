use super::*;

fn column(name: &str, column_type: &str) -> TargetColumn {
    let data_type = column_type.split(['(', ' ']).next().unwrap_or_default().to_owned();
    TargetColumn {
        name: Arc::from(name),
        nullable: false,
        has_default: false,
        generated: false,
        stamps_updates: false,
        counts: false,
        data_type,
        column_type: column_type.to_owned(),
        charset: None,
        collation: None,
        max_letters: None,
        max_bytes: None,
        scale: None,
        fraction_digits: None,
    }
}

fn text(name: &str, column_type: &str, charset: &str) -> TargetColumn {
    TargetColumn { charset: Some(charset.to_owned()), ..column(name, column_type) }
}

fn expressions(source: &TargetColumn, target: &TargetColumn, cross: bool) -> (String, String) {
    let found = pair(source, target, cross).unwrap();
    (found.source, found.target)
}

#[test]
fn equal_types_are_compared_as_they_are() {
    for kind in ["int", "bigint unsigned", "date", "varbinary(9)", "blob"] {
        let (a, b) = (column("a", kind), column("b", kind));
        assert_eq!(expressions(&a, &b, false), ("`a`".into(), "`b`".into()), "{kind}");
    }
    let (a, b) = (text("a", "varchar(9)", "utf8mb3"), text("b", "char(9)", "utf8mb4"));
    assert_eq!(expressions(&a, &b, true), ("`a`".into(), "`b`".into()));
}

#[test]
fn other_types_are_brought_to_one_text() {
    let moment = |name: &str, kind: &str, digits| TargetColumn {
        fraction_digits: Some(digits),
        ..column(name, kind)
    };
    let decimal =
        |name: &str, scale| TargetColumn { scale: Some(scale), ..column(name, "decimal(9,2)") };
    for (source, target, cross, expected) in [
        (column("a", "int(10) unsigned zerofill"), column("b", "int"), false, ("(`a`+0)", "`b`")),
        (column("a", "year"), column("b", "int"), false, ("(`a`+0)", "(`b`+0)")),
        (column("a", "float"), column("b", "float"), false, ("(`a`*1e0)", "(`b`*1e0)")),
        (column("a", "double"), column("b", "double"), true, ("(`a`*1e0+0e0)", "(`b`*1e0+0e0)")),
        (
            decimal("a", 2),
            decimal("b", 4),
            false,
            ("CAST(`a` AS DECIMAL(65,4))", "CAST(`b` AS DECIMAL(65,4))"),
        ),
        (
            moment("a", "datetime", 0),
            moment("b", "timestamp(3)", 3),
            false,
            ("CONCAT(`a`,'.000')", "`b`"),
        ),
        (moment("a", "time(1)", 1), moment("b", "time(3)", 3), false, ("CONCAT(`a`,'00')", "`b`")),
        (
            column("a", "date"),
            moment("b", "datetime(1)", 1),
            false,
            ("CONCAT(`a`,' 00:00:00.0')", "`b`"),
        ),
        (
            text("a", "varchar(9)", "latin1"),
            text("b", "varchar(9)", "utf8mb4"),
            false,
            ("CONVERT(`a` USING utf8mb4)", "CONVERT(`b` USING utf8mb4)"),
        ),
        (
            text("a", "enum('x')", "latin1"),
            text("b", "enum('x')", "latin1"),
            false,
            ("CAST(`a` AS UNSIGNED)", "CAST(`b` AS UNSIGNED)"),
        ),
        (
            text("a", "enum('x')", "latin1"),
            text("b", "enum('y','x')", "latin1"),
            false,
            (
                "CONCAT(`a`+0=0,CONVERT(`a` USING utf8mb4))",
                "CONCAT(`b`+0=0,CONVERT(`b` USING utf8mb4))",
            ),
        ),
        (column("a", "json"), text("b", "longtext", "utf8mb4"), true, ("CAST(`a` AS CHAR)", "`b`")),
    ] {
        let (source, target) = expressions(&source, &target, cross);
        assert_eq!((source.as_str(), target.as_str()), expected);
    }
}

#[test]
fn pairs_that_are_not_known_are_refused_by_name() {
    for (source, target) in [
        ("float", "double"),
        ("int", "double"),
        ("varchar(9)", "int"),
        ("geometry", "text"),
        ("xmltype", "xmltype"),
        ("time", "datetime"),
    ] {
        let refused = pair(&column("a", source), &column("b", target), false).unwrap_err();
        assert!(refused.contains("column b") && refused.contains(source), "{refused}");
    }
}

#[test]
fn documents_and_large_values_are_told_apart_from_others() {
    let shape = |source: &TargetColumn, target: &TargetColumn| {
        let shape = pair(source, target, false).unwrap().shape;
        (shape.measured, shape.large, shape.document)
    };
    let (json, long) = (column("a", "json"), text("b", "longtext", "utf8mb4"));
    assert_eq!(shape(&json, &json), (false, true, true));
    assert_eq!(shape(&long, &long), (false, true, false));
    assert_eq!(shape(&json, &long), (false, true, true));
    let (short, number) = (text("c", "varchar(9)", "ascii"), column("d", "int"));
    assert_eq!(shape(&short, &short), (true, false, false));
    assert_eq!(shape(&number, &number), (false, false, false));
    assert_eq!(shape(&short, &long), (false, true, false));
}
