//! Regular expressions as parts of patterns.

use super::*;

fn pattern(text: &str) -> TablePattern {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_expression_matches_whole_names_of_its_part() {
    let tenants = pattern(r"/tenant_\d+/./orders?(_old)?/");
    for (table, matches) in [
        ("tenant_7.orders", true),
        ("tenant_77.order_old", true),
        ("tenant_.orders", false),
        ("tenant_7.orders2", false),
        ("xtenant_7.orders", false),
    ] {
        assert_eq!(tenants.matches(&name(table)), matches, "{table}");
    }
    assert!(tenants.matches_database("tenant_1") && !tenants.matches_database("shop"));
    assert_eq!(tenants.to_string(), r"/tenant_\d+/./orders?(_old)?/");
    // What belongs to the server is never meant.
    assert!(!pattern("/.*/.*").matches(&name("mysql.user")));
    // A point, a backtick and an escaped slash are the expression's own.
    let odd = pattern(r"d./a\/b.`/");
    assert!(odd.matches(&TableName::new("d", "a/bx`")));
    assert_eq!(pattern(&odd.to_string()), odd);
}

#[test]
fn names_are_kept_or_made_of_the_groups() {
    let kept = mappings(&[(r"shop./order_(\d+)/", "")]);
    assert_eq!(routed(&kept, "shop.order_42").as_deref(), Some("shop.order_42"));
    let renamed = mappings(&[(r"/eu_(\w+)/./(\w)_(\d+)/", "*.*_of_*")]);
    assert_eq!(routed(&renamed, "eu_de.t_42").as_deref(), Some("de.t_of_42"));
    let moved = mappings(&[(r"shop./a|b/", "copy.*")]);
    assert_eq!(routed(&moved, "shop.b").as_deref(), Some("copy.b"));
    let merged = mappings(&[(r"shop./order_\d+/", "shop.orders")]);
    assert_eq!(routed(&merged, "shop.order_42").as_deref(), Some("shop.orders"));
    assert_eq!(routed(&merged, "shop.order_x"), None);
}

#[test]
fn what_cannot_be_used_is_told() {
    for (from, words) in [
        ("shop./a(/", "unclosed group"),
        ("shop./^a$/", "leave ^, $ and \\b out"),
        ("shop./a", "is no table pattern"),
        ("/shop.orders/", "is no table pattern"),
        ("shop./a/b", "is no table pattern"),
        ("shop./(a{100}){100}/", "more than 1000 characters"),
        ("shop.//", "it matches no name"),
    ] {
        let told = Mapping::parse(from, None).unwrap_err().to_string();
        assert!(told.contains(words), "{from}: {told}");
    }
    for (from, to) in
        [("shop./(a)(b)/", "shop.*"), ("shop.*", "shop./a/"), ("shop./a/", "shop./b/")]
    {
        let told = Mapping::parse(from, Some(to)).unwrap_err().to_string();
        assert!(told.contains("does not fit"), "{from} to {to}: {told}");
    }
}

#[test]
fn expressions_are_less_specific_than_letters_and_more_than_a_star() {
    let mappings = mappings(&[
        ("shop.*", "star.t"),
        ("shop./order.*/", "first.t"),
        ("shop./.*s/", "second.t"),
        ("shop.order_*", "letters.t"),
        ("shop.orders", "exact.t"),
    ]);
    for (table, target) in [
        ("shop.orders", "exact.t"),
        ("shop.order_s", "letters.t"),
        ("shop.orderings", "first.t"),
        ("shop.items", "second.t"),
        ("shop.item", "star.t"),
    ] {
        assert_eq!(routed(&mappings, table).as_deref(), Some(target), "{table}");
    }
}

#[test]
fn expressions_meet_and_cover_as_their_names_do() {
    for (one, other, meets) in [
        (r"d./a\d+/", r"d./b\d+/", false),
        (r"d./a\d*/", "d.a", true),
        (r"d./(a|b)c?/", "d.bc", true),
        (r"d./(ab)+/", r"d./a(ba)*b/", true),
        (r"d./(ab)+/", r"d./(ba)+/", false),
        (r"d./a{2,3}/", "d.a?*", true),
        (r"d./a{2,3}/", "d.a", false),
        (r"d./a{2,3}/", "d.aaaa", false),
        (r"d./(a*)*b/", "d.*[0-9]", false),
    ] {
        assert_eq!(pattern(one).overlaps(&pattern(other)), meets, "{one} and {other}");
        assert_eq!(pattern(other).overlaps(&pattern(one)), meets, "{other} and {one}");
    }
    for (whole, part, covers) in [
        (r"d./a\d+/", "d.a[0-9]", true),
        (r"d./a\d/", "d.a[0-10]", false),
        (r"d./(ab)*/", r"d./(abab)+/", true),
        (r"d./(abab)*/", r"d./(ab)+/", false),
        ("d.*", r"d./.*/", true),
        (r"d./(?s).+/", "d.?*", true),
        // A point is no new line, as in most dialects.
        (r"d./.+/", "d.?*", false),
        (r"d./a?b?/", "d.ab", true),
    ] {
        assert_eq!(pattern(whole).covers(&pattern(part)), covers, "{whole} and {part}");
    }
}

/// Letters beyond ASCII are many ranges; where it would take too long, the answer is on the safe side.
#[test]
fn large_expressions_are_compared_in_time() {
    let began = std::time::Instant::now();
    let [one, other] = ["a", "b"].map(|end| pattern(&format!(r"d./\w{{1,30}}_\w{{1,20}}_{end}/")));
    assert!(one.overlaps(&one) && !one.overlaps(&other));
    assert!(!one.covers(&other));
    assert!(pattern(r"d./\w+/").covers(&pattern(r"d./[a-z]\w*/")));
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}

#[test]
fn a_schema_change_of_tables_that_may_become_one_is_not_carried() {
    let ddl = |mappings: &Mappings, table: &str| {
        let table = name(table);
        let text = format!("DROP TABLE {}", table.table);
        let at = 11..text.len();
        let names = vec![crate::ddl::DdlName { at, table: table.clone() }];
        let tables = vec![table];
        let ddl = Ddl {
            statement: text.into(),
            kind: "DROP TABLE".into(),
            tables,
            names,
            ..Ddl::default()
        };
        let routed = mappings.route_ddl(ddl);
        (routed.reach, routed.statement.to_string())
    };
    let forgetful = mappings(&[(r"shop./.*_(\d)/", "copy.t_*")]);
    assert_eq!(ddl(&forgetful, "shop.a_1").0, crate::ddl::DdlReach::Merged);
    let whole = mappings(&[(r"shop./\w_\d/", "copy.*")]);
    let expected = (crate::ddl::DdlReach::Whole, "DROP TABLE `copy`.`a_1`".to_owned());
    assert_eq!(ddl(&whole, "shop.a_1"), expected);
    let kept = mappings(&[(r"shop./.*_(\d)/", ""), ("crm.*", "shop.*")]);
    assert_eq!(ddl(&kept, "shop.a_1").0, crate::ddl::DdlReach::Merged);
}

/// Expressions over few letters.
fn small_expression() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["a", "b", "1", "[ab]", r"\d", "."]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.concat()),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("(?:{one}|{other})")),
            (inner, prop::sample::select(vec!["*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"]))
                .prop_map(|(inner, times)| format!("(?:{inner}){times}")),
        ]
    })
}

/// All names of up to four letters.
fn short_names() -> Vec<TableName> {
    let mut names = vec![String::new()];
    let mut longest = names.clone();
    for _ in 0..4 {
        longest = longest
            .iter()
            .flat_map(|name| ["a", "b", "1"].map(|letter| format!("{name}{letter}")))
            .collect();
        names.extend(longest.clone());
    }
    names.into_iter().map(|table| TableName::new("d", table)).collect()
}

proptest! {
    #[test]
    fn what_is_said_about_two_expressions_holds_for_short_names(
        one in small_expression(),
        other in prop_oneof![small_expression().prop_map(|text| format!("/{text}/")),
                             Just("*a*".to_owned()), Just("?b".to_owned()), Just("[0-11]".to_owned())],
    ) {
        let one = pattern(&format!("d./{one}/"));
        let other = pattern(&format!("d.{other}"));
        let (overlaps, covers) = (one.overlaps(&other), one.covers(&other));
        for name in short_names() {
            let (ours, theirs) = (one.matches(&name), other.matches(&name));
            prop_assert!(!(ours && theirs) || overlaps, "{} overlaps {} at {}", one, other, name);
            prop_assert!(!covers || ours || !theirs, "{} covers {} but {}", one, other, name);
        }
        prop_assert!(one.covers(&one) && one.overlaps(&one));
    }
}
