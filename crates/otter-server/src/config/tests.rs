//! Every message of a configuration that cannot be used, and what a good one means.

mod exceptions;
mod initial_copy;
mod live;

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use otter_core::mapping::Mapping;
use otter_core::{Start, TableName, ThrottleLimits};
use otter_sink::{DdlPolicies, DdlPolicy, Mode, OnPoison};

use super::*;

const GOOD: &str = r#"
[[databases]]
name = "hangzhou"
url  = "mysql://otter:${HANGZHOU_PASSWORD}@10.0.0.5:3306"
[[databases]]
name = "virginia"
site = "east"
url  = "mysql://otter:${VIRGINIA_PASSWORD}@10.1.0.5:3306"

[[channels]]
name = "shop"
topology = "one-way"
[[channels.pipelines]]
name = "hangzhou-virginia"
from = "hangzhou"
to   = "virginia"
start = "now"
tables = [ { from = "shop.*" }, { from = "crm.people", to = "copy.persons" } ]
"#;

fn variables(name: &str) -> Option<String> {
    match name {
        "HANGZHOU_PASSWORD" => Some("one@/".to_owned()),
        "VIRGINIA_PASSWORD" => Some("hunter2".to_owned()),
        "PORT" => Some("3399".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/otter/otter.toml"), &variables)
}

/// The message for the good configuration with one text replaced, without the file's name.
#[track_caller]
fn complaint(replaced: &str, by: &str) -> String {
    assert!(GOOD.contains(replaced), "{replaced}");
    let message = parse(&GOOD.replacen(replaced, by, 1)).expect_err(by).to_string();
    let message = message.strip_prefix("/etc/otter/otter.toml, ").expect("the file is named");
    assert!(!message.contains("hunter2"), "{message}");
    message.to_owned()
}

/// The message for the good configuration with a line added to its pipeline (line 18).
#[track_caller]
fn complaint_of_pipeline(line: &str) -> String {
    complaint("start = \"now\"", &format!("start = \"now\"\n{line}"))
}

fn two_pipelines(second: &str) -> String {
    format!("{GOOD}[[channels.pipelines]]\nname = \"second\"\n{second}\n")
}

#[test]
fn the_documented_configuration_is_read() {
    let config = parse(GOOD).unwrap();
    let [hangzhou, virginia] = config.databases.as_slice() else { panic!("two databases") };
    assert_eq!((hangzhou.site.as_str(), virginia.site.as_str()), ("hangzhou", "east"));
    assert_eq!(hangzhou.url.password().expose(), "one@/");
    let folder = ArbiterKind::Local { path: "/etc/otter/otter-state".into() };
    assert_eq!(config.arbiter.kind, folder);
    assert_eq!(config.arbiter.lease, Duration::from_secs(10));
    let pipeline = config.pipeline("hangzhou-virginia").unwrap();
    assert_eq!(pipeline.channel, "shop");
    assert_eq!((pipeline.from.name.as_str(), pipeline.to.name.as_str()), ("hangzhou", "virginia"));
    assert_eq!(pipeline.start, Some(Start::Now));
    assert_eq!(pipeline.ddl, DdlPolicies::default());
    assert_eq!(pipeline.limits, Limits::default());
    let people = TableName::new("crm", "people");
    assert_eq!(pipeline.mappings.route(&people), Some(TableName::new("copy", "persons")));
    assert_eq!(pipeline.mappings.iter().map(Mapping::from).count(), 2);
}

#[test]
fn passwords_are_not_printed_with_the_configuration() {
    let config = parse(GOOD).unwrap();
    let printed = format!("{config:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("one@/"), "{printed}");
}

#[test]
fn the_mode_is_strict_unless_it_is_fast() {
    let mode = |lines: &str| {
        let text = GOOD.replacen("start = \"now\"", &format!("start = \"now\"\n{lines}"), 1);
        parse(&text).unwrap().pipelines.first().unwrap().mode
    };
    assert_eq!(mode(""), Mode::Strict);
    assert_eq!(mode("mode = \"strict\""), Mode::Strict);
    assert_eq!(mode("mode = \"fast\"\non_poison = \"halt\""), Mode::Fast);
}

#[test]
fn a_quarantine_needs_source_order() {
    assert_eq!(
        complaint_of_pipeline("mode = \"fast\"\non_poison = \"quarantine\""),
        "line 18: `mode = \"fast\"` and `on_poison = \"quarantine\"` in pipeline \
         `hangzhou-virginia` do not go together: write `mode = \"strict\"`, or `on_poison = \
         \"halt\"`"
    );
}

#[test]
fn every_option_can_be_set() {
    let text = GOOD.replacen(
        "start = \"now\"",
        "start = \"mysql-bin.000003:1234\"\nddl = \"skip\"\nmode = \"strict\"\n\
         on_poison = \"quarantine\"\nquarantine_rows = 7\n\
         initial_copy = false\nmemory_mb = 128\nmax_event_mb = 32\ngroup_rows = 1_000\ngroup_mb = 2\n\
         connections = 8\nrows_per_second = 5_000\nmb_per_second = 3",
        1,
    ) + "[arbiter]\nkind = \"local\"\npath = \"/var/lib/otter\"\nlease_ms = 2000\n[server]\n";
    let config = parse(&text).unwrap();
    let pipeline = config.pipelines.first().unwrap();
    assert!(matches!(&pipeline.start, Some(Start::At(place)) if place.file.is_some()));
    assert_eq!(pipeline.ddl, DdlPolicy::Skip.into());
    assert_eq!((pipeline.on_poison, pipeline.quarantine_rows), (OnPoison::Quarantine, Some(7)));
    let mut throttle = ThrottleLimits::default();
    throttle.rows_per_second = NonZeroU64::new(5_000);
    throttle.bytes_per_second = NonZeroU64::new(3 << 20);
    let limits = Limits {
        throttle,
        memory_bytes: 128 << 20,
        max_event_bytes: 32 << 20,
        group_rows: 1_000,
        group_bytes: 2 << 20,
        connections: 8,
    };
    assert_eq!(pipeline.limits, limits);
    assert_eq!((limits.rows_at_once(), limits.bytes_at_once()), (16_000, 32 << 20));
    let kind = ArbiterKind::Local { path: "/var/lib/otter".into() };
    let arbiter = ArbiterConfig { kind, lease: Duration::from_secs(2) };
    assert_eq!(config.arbiter, arbiter);
}

#[test]
fn a_start_is_now_earliest_or_a_position() {
    for start in ["earliest", "0-1-100", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", "b.000001:4"] {
        let text = GOOD.replacen("\"now\"", &format!("\"{start}\""), 1);
        assert!(parse(&text).unwrap().pipelines.first().unwrap().start.is_some(), "{start}");
    }
    let none = parse(&GOOD.replacen("start = \"now\"", "", 1)).unwrap();
    assert_eq!(none.pipelines.first().unwrap().start, None);
    assert_eq!(
        complaint("\"now\"", "\"soon\""),
        "line 17: `start` in pipeline `hangzhou-virginia`: \"soon\" is no GTID set: write \
         UUID:1-5 (MySQL) or DOMAIN-SERVER-NUMBER (MariaDB); or write \"now\" or \"earliest\""
    );
    assert_eq!(
        complaint("\"now\"", "\" \""),
        "line 17: `start` in pipeline `hangzhou-virginia` takes \"now\", \"earliest\" or a position"
    );
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    assert_eq!(
        complaint("tables =", "tabels ="),
        "line 18: unknown key `tabels` in pipeline `hangzhou-virginia`: did you mean `tables`?"
    );
    assert_eq!(
        complaint("site =", "sitte ="),
        "line 7: unknown key `sitte` in database `virginia`: did you mean `site`?"
    );
    assert_eq!(
        complaint("[[databases]]", "[[database]]"),
        "line 2: unknown key `database` in the file: did you mean `databases`?"
    );
    assert_eq!(
        complaint("{ from = \"shop.*\" }", "{ form = \"shop.*\" }"),
        "line 18: unknown key `form` in `tables` of pipeline `hangzhou-virginia`: did you mean \
         `from`?"
    );
    assert_eq!(
        complaint("site =", "colour ="),
        "line 7: unknown key `colour` in database `virginia`: it takes `name`, `site`, `url`"
    );
    let typo = parse(&format!("{GOOD}[arbiter]\nlease = 3\n")).unwrap_err().to_string();
    assert!(typo.ends_with("unknown key `lease` in [arbiter]: did you mean `lease_ms`?"), "{typo}");
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    assert_eq!(
        complaint("{ from = \"shop.*\" }", "{ from = \"shop.*\", conflicts = {} }"),
        "line 18: `conflicts` in `tables` of pipeline `hangzhou-virginia` is not built yet: two ways \
         are not built yet; remove the key"
    );
    for topology in ["pair", "star", "ring", "mesh"] {
        assert_eq!(
            complaint("\"one-way\"", &format!("\"{topology}\"")),
            format!(
                "line 12: `topology = \"{topology}\"` in channel `shop` is not built yet: write \
                 \"one-way\" or leave it out"
            )
        );
    }
    assert_eq!(
        complaint("topology =", "conflicts = {}\ntopology ="),
        "line 12: `conflicts` in channel `shop` is not built yet: two ways are not built yet; remove \
         the key"
    );
    assert!(
        complaint("topology =", "hub = \"a\"\ntopology =")
            .contains("`hub` in channel `shop` is not")
    );
    let with = |tail: &str| parse(&format!("{GOOD}{tail}")).unwrap_err().to_string();
    assert!(with("[server]\nlisten = \"127.0.0.1:8080\"\n").ends_with(
        "line 20: `listen` in [server] is not built yet: this version has no console; remove the \
         key"
    ));
    assert!(with("[server]\nstore = \"sqlite:otter.db\"\n").contains("`store` in [server] is not"));
}

#[test]
fn an_arbiter_in_a_database_takes_a_url_and_nothing_of_the_other_kind() {
    let parse = |lines: &str| parse(&format!("{GOOD}[arbiter]\n{lines}"));
    let url = "url = \"mysql://otter:${HANGZHOU_PASSWORD}@10.0.0.9/leases\"\n";
    let arbiter = parse(&format!("kind = \"mysql\"\n{url}lease_ms = 3000\n")).unwrap().arbiter;
    let ArbiterKind::MySql { url: read, path } = &arbiter.kind else { panic!("{arbiter:?}") };
    assert_eq!((read.host(), read.database()), ("10.0.0.9", Some("leases")));
    assert_eq!(read.password().expose(), "one@/");
    assert_eq!(path, Path::new("/etc/otter/otter-state"));
    assert!(!format!("{arbiter:?}").contains("one@/"), "{arbiter:?}");
    assert_eq!(arbiter.lease, Duration::from_secs(3));
    assert!(arbiter.kind.is_shared());

    let complaint = |lines: &str| parse(lines).unwrap_err().to_string();
    assert!(complaint("kind = \"mysql\"\n").ends_with(
        "line 19: [arbiter] has no `url`: add url = \"mysql://otter:${PASSWORD}@10.0.0.9:3306\""
    ));
    assert!(complaint(url).ends_with(
        "line 20: `url` in [arbiter] goes with kind = \"mysql\": write that, or remove the key"
    ));
    let both = complaint(&format!("kind = \"mysql\"\n{url}root = \"/x\"\n"));
    assert!(both.contains("`root` in [arbiter] goes with kind = \"zookeeper\""), "{both}");
    let sql = complaint("kind = \"sql\"\n");
    assert!(
        sql.ends_with("`kind` in [arbiter] takes \"local\", \"mysql\" or \"zookeeper\""),
        "{sql}"
    );
    let bad = complaint("kind = \"mysql\"\nurl = \"mysql://otter:hunter2@:0\"\n");
    assert!(bad.contains("`url` in [arbiter]") && !bad.contains("hunter2"), "{bad}");
}

#[test]
fn an_arbiter_in_zookeeper_takes_servers_and_how_to_be_let_in() {
    let parse = |lines: &str| parse(&format!("{GOOD}[arbiter]\nkind = \"zookeeper\"\n{lines}"));
    let place = |lines: &str| {
        let kind = parse(lines).unwrap().arbiter.kind;
        let ArbiterKind::ZooKeeper { place } = kind else { panic!("{kind:?}") };
        place
    };
    let servers = "servers = [\"10.0.0.7\", \"zk:${PORT}\"]\n";
    let plain = place(servers);
    assert_eq!(plain.to_string(), "10.0.0.7:2181,zk:3399/otter");
    assert_eq!((plain.user(), plain.has_tls()), (None, false));
    assert_eq!(plain.state(), Some(Path::new("/etc/otter/otter-state")));
    let stateful = place(&format!("{servers}path = \"/var/lib/otter\"\n"));
    assert_eq!(stateful.state(), Some(Path::new("/var/lib/otter")));
    assert!(parse(servers).unwrap().arbiter.kind.is_shared());
    let rich = format!(
        "{servers}root = \"/a/b\"\nuser = \"otter\"\npassword = \"${{VIRGINIA_PASSWORD}}\"\n\
         tls = {{ ca = \"ca.pem\", cert = \"/c.pem\", key = \"/k.pem\" }}\n"
    );
    let secured = place(&rich);
    assert_eq!((secured.root(), secured.user(), secured.has_tls()), ("/a/b", Some("otter"), true));
    let printed = format!("{secured:?}");
    assert!(printed.contains("/etc/otter/ca.pem") && !printed.contains("hunter2"), "{printed}");

    let complaint = |lines: &str| {
        let message = parse(lines).expect_err(lines).to_string();
        message.strip_prefix("/etc/otter/otter.toml, ").unwrap().to_owned()
    };
    assert_eq!(
        complaint(""),
        "line 19: [arbiter] has no `servers`: add servers = [\"10.0.0.7:2181\", \
         \"10.0.0.8:2181\", \"10.0.0.9:2181\"]"
    );
    assert_eq!(
        complaint("servers = \"a\"\n"),
        "line 21: `servers` in [arbiter] takes a list of texts, such as [\"10.0.0.7:2181\"]"
    );
    assert_eq!(
        complaint("servers = [\"a:b\"]\n"),
        "line 21: `servers` in [arbiter]: \"a:b\" is no address of a ZooKeeper server: write \
         host:port, [address]:port for IPv6"
    );
    assert!(complaint("servers = []\n").contains("is no address"));
    assert!(complaint("servers = [\"${NO}\"]\n").contains("environment variable NO"));
    let with = |line: &str| complaint(&format!("{servers}{line}\n"));
    assert_eq!(
        with("root = \"otter\""),
        "line 22: `root` in [arbiter]: \"otter\" is no path of a subtree: write one such as /otter"
    );
    assert!(with("user = \"otter\"").contains("has no `password`: add password = \"${"));
    assert!(with("password = \"hunter2\"").contains("has no `user`: add user = "));
    let colon = with("password = \"hunter2\"\nuser = \"a:b\"");
    assert_eq!(colon, "line 23: `user` in [arbiter] takes a name without `:` and quotes");
    let near = format!("{servers}near = [\"10.0.0.7\"]\n");
    assert!(format!("{:?}", place(&near)).contains("near: [\"10.0.0.7:2181\"]"));
    assert_eq!(
        with("near = [\"10.0.0.8\"]"),
        "line 22: `near` in [arbiter]: 10.0.0.8:2181 is not one of the servers: add it to them, or \
         take it out of those that are near"
    );
    let scheme = with("scheme = \"kerberos\"");
    assert_eq!(scheme, "line 22: `scheme` in [arbiter] takes \"digest\" or \"sasl\"");
    assert!(with("scheme = \"sasl\"").contains("has no `user`: add user = "));
    let sasl =
        place(&format!("{servers}scheme = \"sasl\"\nuser = \"o\"\npassword = \"hunter2\"\n"));
    assert_eq!(sasl.user(), Some("o"));
    assert_ne!(sasl, place(&format!("{servers}user = \"o\"\npassword = \"hunter2\"\n")));
    assert!(with("tls = {}").contains("`tls` of [arbiter] has no `ca`: add ca = "));
    assert!(with("tls = { ca = \"a\", cert = \"b\" }").contains("has no `key`: add key = "));
    assert!(with("tls = { ca = \"a\", key = \"b\" }").contains("has no `cert`: add cert = "));
    assert!(with("tls = true").contains("takes a table"));
    let other = "`url` in [arbiter] goes with kind = \"mysql\": write that, or remove the key";
    assert!(with("url = \"mysql://otter@a\"").ends_with(other));
    let local = Config::parse(&format!("{GOOD}[arbiter]\n{servers}"), Path::new("o"), &variables)
        .unwrap_err()
        .to_string();
    assert!(local.contains("`servers` in [arbiter] goes with kind = \"zookeeper\""), "{local}");
}

#[test]
fn a_mapping_that_cannot_be_used_is_told_with_its_line() {
    let mapping = |from: &str| complaint("\"shop.*\"", from);
    assert_eq!(
        mapping("\"legacy.item_[31-00]\""),
        "line 18: `tables` in pipeline `hangzhou-virginia`: `legacy.item_[31-00]` has a bracket that \
         is no range of numbers: write [00-31], the smaller number first and the zeros in front that \
         the names have, or put the name in backticks"
    );
    assert!(mapping("'/shop\\..*/'").contains("`/shop\\..*/` is no table pattern"));
    assert!(mapping("'shop./a(/'").contains("`/a(/` cannot be used: unclosed group"));
    assert!(mapping("\"orders\"").contains("`orders` is no table pattern: write database.table"));
    assert!(mapping("\"shop.*\", to = \"a.*_*\"").contains("does not fit `from = \"shop.*\"`"));
    assert!(mapping("\"crm.people\"").contains("`crm.people` is mapped twice"));
    let ambiguous = complaint("{ from = \"shop.*\" }", "{ from = \"a.x*\" }, { from = \"a.*y\" }");
    assert!(ambiguous.contains("`a.x*` and `a.*y` are equally specific"), "{ambiguous}");
    assert!(
        complaint(" { from = \"shop.*\" }, { from = \"crm.people\", to = \"copy.persons\" } ", "")
            .contains("no table is mapped")
    );
    assert_eq!(
        complaint(
            "tables = [ { from = \"shop.*\" }, { from = \"crm.people\", to = \"copy.persons\" } ]",
            ""
        ),
        "line 13: pipeline `hangzhou-virginia` has no `tables`: add tables = [ { from = \
         \"shop.*\" } ]"
    );
}

#[test]
fn columns_are_renamed_dropped_and_added() {
    let columns = "{ from = \"legacy.item_[00-31]\", to = \"shop.item\", columns = { rename = { ttl = \
                   \"title\" }, drop = [\"tmp\"], constant = { shard = \"{1}\", site = 7 } } }";
    let config = parse(&GOOD.replacen("{ from = \"shop.*\" }", columns, 1)).unwrap();
    let mappings = &config.pipelines.first().unwrap().mappings;
    let column = |name: &str| otter_core::Column {
        name: name.into(),
        column_type: otter_core::ColumnType::Date,
        nullable: false,
    };
    let source = otter_core::Table {
        name: TableName::new("legacy", "item_07"),
        columns: ["id", "tmp", "ttl"].map(column).into(),
        primary_key: vec![0],
        dropped_key: Vec::new(),
    };
    let route = mappings.table(&std::sync::Arc::new(source)).unwrap().unwrap();
    let table = &route.tables()[0];
    assert_eq!(table.name, TableName::new("shop", "item"));
    let names: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["id", "title", "shard", "site"]);
    let site = otter_core::ColumnType::Constant { text: "7".into() };
    assert_eq!(table.columns.last().unwrap().column_type, site);
}

#[test]
fn column_rules_that_cannot_be_used_are_told_with_their_line() {
    let columns = |rules: &str| {
        let mapping = format!("{{ from = \"shop.*\", columns = {rules} }}");
        complaint("{ from = \"shop.*\" }", &mapping)
    };
    assert_eq!(
        columns("{ remane = {} }"),
        "line 18: unknown key `remane` in `columns` of `shop.*`: did you mean `rename`?"
    );
    assert_eq!(
        columns("{ drop = \"tmp\" }"),
        "line 18: `drop` in `columns` of `shop.*` takes a list of texts, such as [\"tmp\"]"
    );
    assert_eq!(
        columns("{ rename = { a = 1.5 } }"),
        "line 18: `rename` in `columns` of `shop.*` takes a table of texts, such as { ttl = \
         \"title\" }"
    );
    for (rules, told) in [
        ("{ constant = { c = \"{2}\" } }", "asks for wildcard 2, and `shop.*` has 1"),
        ("{ constant = { c = \"{x}\" } }", "the constant `{x}` has a brace that means nothing"),
        ("{ rename = { a = \"b\" }, drop = [\"A\"] }", "`A` is renamed by another rule"),
        ("{ drop = [\"a\", \"a\"] }", "column `a` is dropped by another rule"),
        ("{ constant = { c = \"${NOTHING}\" } }", "the environment variable NOTHING"),
        ("[]", "`columns` in `tables` of pipeline `hangzhou-virginia` takes a table"),
    ] {
        let message = columns(rules);
        assert!(message.starts_with("line 18: ") && message.contains(told), "{message}");
    }
}

#[test]
fn a_filter_is_a_script_and_a_bad_one_is_told_with_its_place() {
    let filter = |script: &str| format!("{{ from = \"shop.*\", filter = '{script}' }}");
    let good = filter("row.country == \"de\" && row.amount > 100");
    let config = parse(&GOOD.replacen("{ from = \"shop.*\" }", &good, 1)).unwrap();
    let printed = format!("{:?}", config.pipelines.first().unwrap().mappings);
    assert!(printed.contains("ScriptFilter") && printed.contains("country"), "{printed}");
    let complaint = |script: &str| complaint("{ from = \"shop.*\" }", &filter(script));
    let syntax = complaint("row.country ==");
    assert!(
        syntax.starts_with("line 18: `filter` of `shop.*`: the script cannot be read"),
        "{syntax}"
    );
    assert_eq!(
        complaint("f(row)"),
        "line 18: `filter` of `shop.*`: line 1, letter 3 of the script: use `row` with the name of a \
         column only, such as row.country or row[\"order no\"]"
    );
}

#[test]
fn a_variable_that_is_not_set_is_named_with_its_key() {
    assert_eq!(
        complaint("${VIRGINIA_PASSWORD}", "${VIRGINIA_PASS}"),
        "line 8: `url` in database `virginia` reads the environment variable VIRGINIA_PASS, which \
         is not set: export VIRGINIA_PASS=… before starting"
    );
    assert_eq!(
        complaint("${VIRGINIA_PASSWORD}", "pa$word"),
        "line 8: `url` in database `virginia` holds a `$` that begins no variable: write `$$` for \
         a dollar sign, or `${NAME}` to read the environment"
    );
    let config = parse(&GOOD.replace("10.1.0.5:3306", "db$$:${PORT}").replace("$$", "")).unwrap();
    assert_eq!(config.databases.last().unwrap().url.port(), 3399);
}

#[test]
fn names_are_used_once_and_refer_to_something() {
    assert_eq!(
        complaint("name = \"virginia\"", "name = \"hangzhou\""),
        "line 6: the database name `hangzhou` is used twice (first in line 3): rename one of them"
    );
    assert_eq!(
        complaint("to   = \"virginia\"", "to   = \"virgina\""),
        "line 16: `to = \"virgina\"` in pipeline `hangzhou-virginia` names no database: did you \
         mean `virginia`?"
    );
    assert_eq!(
        complaint("to   = \"virginia\"", "to   = \"x\""),
        "line 16: `to = \"x\"` in pipeline `hangzhou-virginia` names no database: there are \
         `hangzhou`, `virginia`"
    );
    assert_eq!(
        complaint("to   = \"virginia\"", "to   = \"hangzhou\""),
        "line 16: pipeline `hangzhou-virginia` goes from `hangzhou` to itself: name another \
         database in `to`"
    );
    let twice = two_pipelines("").replace("\"second\"", "\"hangzhou-virginia\"");
    assert!(parse(&twice).unwrap_err().to_string().ends_with(
        "line 20: the pipeline name `hangzhou-virginia` is used twice (first in line 14): rename \
         one of them"
    ));
    let channel = format!("{GOOD}[[channels]]\nname = \"shop\"\n");
    let error = parse(&channel).unwrap_err().to_string();
    assert!(error.contains("the channel name `shop` is used twice (first in line 11)"), "{error}");
    for name in ["", "-x", "a b", "a/b", "é", &"x".repeat(41)] {
        let message = complaint("name = \"virginia\"", &format!("name = \"{name}\""));
        assert!(message.contains("takes a name of up to 40 letters"), "{message}");
    }
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    assert_eq!(
        complaint("url  = \"mysql://otter:${VIRGINIA_PASSWORD}@10.1.0.5:3306\"", ""),
        "line 5: database `virginia` has no `url`: add url = \
         \"mysql://otter:${PASSWORD}@10.0.0.5:3306\""
    );
    assert!(complaint("from = \"hangzhou\"", "").contains("has no `from`: add from = "));
    assert!(complaint("name = \"shop\"", "").contains("a channel has no `name`: add name = "));
    let empty = parse("").unwrap_err().to_string();
    assert!(
        empty.ends_with(
            "the file has no `channels`: add a [[channels]] with its [[channels.pipelines]]"
        ),
        "{empty}"
    );
    let (head, _) = GOOD.split_once("[[channels.pipelines]]").unwrap();
    let error = parse(head).unwrap_err().to_string();
    assert!(
        error.ends_with("channel `shop` has no `pipelines`: add a [[channels.pipelines]] below it"),
        "{error}"
    );
}

#[test]
fn values_of_the_wrong_kind_are_told_what_the_key_takes() {
    assert!(complaint("name = \"virginia\"", "name = 7").ends_with("takes a text in quotes"));
    assert!(
        complaint_of_pipeline("memory_mb = \"big\"")
            .ends_with("takes a whole number from 8 to 1048576")
    );
    assert!(complaint_of_pipeline("group_rows = 0").contains("a whole number from 1 to"));
    assert!(complaint_of_pipeline("group_rows = -1").contains("a whole number from 1 to"));
    assert!(complaint_of_pipeline("initial_copy = 1").ends_with("takes true or false"));
    assert!(
        complaint_of_pipeline("ddl = \"maybe\"").ends_with("takes \"apply\", \"skip\" or \"halt\"")
    );
    assert!(complaint_of_pipeline("mode = \"slow\"").ends_with("takes \"strict\" or \"fast\""));
    assert!(
        complaint_of_pipeline("on_poison = \"drink\"")
            .ends_with("takes \"halt\" or \"quarantine\"")
    );
    assert!(complaint("\"one-way\"", "\"two-way\"").ends_with("takes \"one-way\""));
    let tables = complaint("tables = [ {", "tables = [ \"a\", {");
    assert!(
        tables.ends_with("a list of tables, such as tables = [ { from = \"shop.*\" } ]"),
        "{tables}"
    );
    let with = |tail: &str| parse(&format!("{tail}\n{GOOD}")).unwrap_err().to_string();
    assert!(with("arbiter = 3").ends_with(
        "`arbiter` in the file takes a table: arbiter = { … }, or at the top of the file [arbiter]"
    ));
    let lease = parse(&format!("{GOOD}[arbiter]\nlease_ms = 999\n")).unwrap_err().to_string();
    assert!(
        lease.ends_with(
            "line 20: `lease_ms` in [arbiter] takes a whole number from 1000 to 3600000"
        ),
        "{lease}"
    );
    let path = parse(&format!("{GOOD}[arbiter]\npath = \"\"\n")).unwrap_err().to_string();
    assert!(path.ends_with("`path` in [arbiter] takes the path of a folder"), "{path}");
}

#[test]
fn a_url_or_file_that_cannot_be_read_shows_no_password() {
    assert_eq!(
        complaint("mysql://otter:${VIRGINIA_PASSWORD}@10.1.0.5:3306", "mysql://otter:hunter2@/"),
        "line 8: `url` in database `virginia`: the host in the database URL is neither a name nor \
         an address: write host:port, or [address]:port for IPv6"
    );
    let syntax = complaint(
        "url  = \"mysql://otter:${VIRGINIA_PASSWORD}@10.1.0.5:3306\"",
        "url  = \"mysql://otter:hunter2@10.1.0.5:3306",
    );
    assert!(syntax.starts_with("line 8: this is not TOML: "), "{syntax}");
    let error = Config::load(Path::new("/nowhere/otter.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/otter.toml: cannot read the configuration: "), "{error}");
    assert!(error.ends_with("name another file with --config"), "{error}");
}

#[test]
fn no_change_is_carried_twice_or_in_a_circle() {
    let refused = |second: &str| parse(&two_pipelines(second)).unwrap_err().to_string();
    let same = "from = \"hangzhou\"\nto = \"virginia\"\ntables = [ { from = \"shop.orders\" } ]";
    assert!(refused(same).ends_with(
        "line 19: the pipelines `hangzhou-virginia` and `second` would both carry the tables of \
         `shop.orders` from `hangzhou` to `virginia`: take the table out of one of them"
    ));
    let back = "from = \"virginia\"\nto = \"hangzhou\"\ntables = [ { from = \"shop.o*\" } ]";
    assert!(refused(back).ends_with(
        "line 19: the pipelines `hangzhou-virginia`, `second` would carry changes in a circle: two \
         ways are not built yet; map different tables, or remove one of them"
    ));
    // Another name for the same server.
    let own = GOOD.replace("10.1.0.5", "10.0.0.5");
    let message = parse(&own).unwrap_err().to_string();
    assert!(message.contains("the pipelines `hangzhou-virginia` would carry"), "{message}");
    let renamed = own.replace("\"shop.*\"", "\"shop.*\", to = \"copy.*\"");
    assert!(parse(&renamed.replace("copy.persons", "copy.p")).is_ok());
    for harmless in [
        "from = \"hangzhou\"\nto = \"virginia\"\ntables = [ { from = \"other.*\" } ]",
        "from = \"virginia\"\nto = \"hangzhou\"\ntables = [ { from = \"other.*\" } ]",
    ] {
        assert_eq!(parse(&two_pipelines(harmless)).unwrap().pipelines.len(), 2);
    }
}

/// The TOML examples of a Markdown file of the repository.
fn examples(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let blocks = text.split("```toml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_example_of_the_documents_is_read() {
    let any = |_: &str| Some("secret".to_owned());
    for file in ["docs/configuration.md", "README.md"] {
        let examples = examples(file);
        assert!(!examples.is_empty(), "{file}");
        for example in examples {
            let read = Config::parse(&example, Path::new("otter.toml"), &any);
            assert!(read.is_ok(), "{file}: {}\n{example}", read.unwrap_err());
        }
    }
}

#[test]
fn every_key_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let sections = [
        &TOP_KEYS,
        &SERVER_KEYS,
        &arbiter::KEYS,
        &arbiter::TLS_KEYS,
        &databases::KEYS,
        &channels::KEYS,
        &pipelines::KEYS,
        &mappings::TABLE_KEYS,
        &mappings::COLUMN_KEYS,
    ];
    for keys in sections {
        let not_built = keys.not_built.iter().map(|(key, _)| key);
        for key in keys.known.iter().chain(not_built) {
            let documented = [format!("`{key}`"), format!("[{key}]"), format!("[[{key}]]")];
            assert!(documented.iter().any(|text_of_it| text.contains(text_of_it)), "{key}");
        }
    }
}

#[test]
fn each_kind_of_schema_change_may_have_a_policy_of_its_own() {
    let ddl = |value: &str| {
        let text = GOOD.replacen("start = \"now\"", &format!("start = \"now\"\nddl = {value}"), 1);
        parse(&text).map(|config| config.pipelines.first().unwrap().ddl)
    };
    assert_eq!(ddl("\"apply\"").unwrap(), DdlPolicy::Apply.into());
    let mixed = ddl("{ default = \"apply\", drop = \"halt\", truncate = \"skip\" }").unwrap();
    assert_eq!(mixed.of("CREATE INDEX"), DdlPolicy::Apply);
    assert_eq!(mixed.of("DROP TABLE"), DdlPolicy::Halt);
    assert_eq!(mixed.of("TRUNCATE TABLE"), DdlPolicy::Skip);
    assert_eq!(ddl("{}").unwrap(), DdlPolicies::default());
    let complaint = ddl("{ dorp = \"halt\" }").unwrap_err().to_string();
    assert!(complaint.contains("`dorp`") && complaint.contains("`drop`"), "{complaint}");
    assert!(ddl("7").is_err() && ddl("{ drop = \"maybe\" }").is_err());
}
