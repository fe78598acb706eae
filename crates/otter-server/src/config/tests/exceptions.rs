//! Tables that are left out: by name, and those of tools that change tables online.

use super::*;

fn with(lines: &str) -> Result<Config, ConfigError> {
    parse(&GOOD.replacen("start = \"now\"", &format!("start = \"now\"\n{lines}"), 1))
}

fn is_carried(config: &Config, table: &str) -> bool {
    let pipeline = config.pipelines.first().unwrap();
    pipeline.mappings.route(&TableName::new("shop", table)).is_some()
}

#[test]
fn exceptions_and_ghost_tables_are_left_out() {
    let config = with("except = [\"shop.tmp_*\", \"*.audit\"]\nghost_tables = \"leave\"").unwrap();
    for table in ["tmp_1", "audit", "_orders_gho"] {
        assert!(!is_carried(&config, table), "{table}");
    }
    assert!(is_carried(&config, "orders"));
    let config = with("ghost_tables = \"carry\"").unwrap();
    assert!(is_carried(&config, "_orders_gho"));
}

#[test]
fn what_cannot_be_left_out_is_told() {
    for (lines, words) in [
        ("except = \"shop.tmp\"", "takes a list of texts, such as [\"shop.tmp_*\"]"),
        ("except = [\"tmp\"]", "`tmp` is no table pattern"),
        ("except = [\"*.*\"]", "leaves nothing of the mapping"),
        ("ghost_tables = \"drop\"", "takes \"carry\" or \"leave\""),
        ("ddl = \"apply\"\nghost_tables = \"leave\"", "the target needs the new table"),
    ] {
        let told = with(lines).unwrap_err().to_string();
        assert!(told.contains(words), "{lines}: {told}");
    }
    for (ddl, goes) in [
        ("default = \"apply\", rename = \"skip\"", false),
        ("default = \"apply\", rename = \"skip\", drop = \"halt\"", true),
    ] {
        let lines = format!("ddl = {{ {ddl} }}\nghost_tables = \"leave\"");
        assert_eq!(with(&lines).is_ok(), goes, "{ddl}");
    }
}
