//! `initial_copy`: how it is written, and what does not go with it.

use otter_binlog::copy::OnUnreadable;
use otter_sink::Existing;

use super::*;

fn with(lines: &str) -> Result<Config, ConfigError> {
    parse(&GOOD.replacen("start = \"now\"", lines, 1))
}

fn copies(lines: &str) -> Option<Existing> {
    let config = with(lines).unwrap();
    let pipeline = config.pipelines.first().unwrap();
    assert!(pipeline.initial_copy.is_none() || pipeline.start == Some(Start::Now));
    pipeline.initial_copy.map(|copies| copies.existing)
}

#[test]
fn a_copy_begins_now_and_halts_at_rows_that_are_there_unless_told_otherwise() {
    assert_eq!(copies("initial_copy = false"), None);
    assert_eq!(copies("initial_copy = true"), Some(Existing::Halt));
    assert_eq!(copies("initial_copy = true\nstart = \"now\""), Some(Existing::Halt));
    assert_eq!(copies("initial_copy = {}"), Some(Existing::Halt));
    assert_eq!(copies("initial_copy = { existing = \"keep\" }"), Some(Existing::Keep));
    assert_eq!(copies("initial_copy = { existing = \"replace\" }"), Some(Existing::Replace));
}

#[test]
fn tables_that_cannot_be_read_are_waited_for_unless_told_otherwise() {
    let of = |lines: &str| {
        let config = with(&format!("initial_copy = {lines}")).unwrap();
        config.pipelines.first().unwrap().initial_copy.unwrap().on_unreadable
    };
    assert_eq!(of("true"), OnUnreadable::Wait);
    assert_eq!(of("{ on_unreadable = \"wait\" }"), OnUnreadable::Wait);
    assert_eq!(of("{ existing = \"keep\", on_unreadable = \"halt\" }"), OnUnreadable::Halt);
    let error = with("initial_copy = { on_unreadable = \"skip\" }").unwrap_err().to_string();
    assert!(error.contains("\"wait\" or \"halt\""), "{error}");
}

#[test]
fn what_does_not_go_with_a_copy_is_refused_by_name() {
    for (lines, message) in [
        ("start = \"earliest\"", "`initial_copy` and `start`"),
        ("mode = \"fast\"", "`initial_copy` and `mode = \"fast\"`"),
        ("on_poison = \"quarantine\"", "`initial_copy` and `on_poison = \"quarantine\"`"),
    ] {
        let error = with(&format!("initial_copy = true\n{lines}")).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let error = with("initial_copy = { existing = \"burn\" }").unwrap_err().to_string();
    assert!(error.contains("\"halt\", \"keep\" or \"replace\""), "{error}");
    let error = with("initial_copy = { exists = \"keep\" }").unwrap_err().to_string();
    assert!(error.contains("did you mean `existing`"), "{error}");
}
