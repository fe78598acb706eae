//! The settings of a source that shape its binlog.

use std::time::Duration;

use otter_core::Finding;

use crate::connection::{Connection, Flavor, ServerInfo};
use crate::selector::kept;

/// Binlogs that live shorter are gone after a weekend's outage.
const SHORT_RETENTION: Duration = Duration::from_secs(3 * 24 * 3600);

pub(super) async fn check(connection: &mut Connection, info: &ServerInfo) -> Vec<Finding> {
    let mut findings = vec![log_bin(info), server_id(info)];
    findings.extend(format(connection, info).await);
    findings.push(row_image(info));
    findings.push(row_metadata(info));
    findings.extend(value_options(info));
    findings.extend(gtid_mode(info));
    findings.extend(checksum(info));
    findings.extend(retention(info));
    findings
}

fn log_bin(info: &ServerInfo) -> Finding {
    let what = "log_bin is ON";
    if info.log_bin {
        return Finding::pass(what);
    }
    Finding::fail(
        what,
        "the source writes no binlog",
        "write log_bin=mysql-bin into the [mysqld] section of its configuration and restart it",
    )
}

fn server_id(info: &ServerInfo) -> Finding {
    let what = "server_id is not 0";
    if info.server_id != 0 {
        return Finding::pass(what);
    }
    Finding::fail(what, "a source with server_id 0 serves no replicas", "SET GLOBAL server_id = 1")
}

/// MySQL 9 has only ROW and no variable for it any more.
async fn format(connection: &mut Connection, info: &ServerInfo) -> Vec<Finding> {
    let what = "binlog_format is ROW";
    let Some(format) = &info.binlog_format else { return vec![Finding::pass(what)] };
    if !format.eq_ignore_ascii_case("ROW") {
        let remedy = "SET GLOBAL binlog_format = ROW, and reconnect all applications";
        return vec![Finding::fail(what, format!("it is {format}"), remedy)];
    }
    let mut findings = vec![Finding::pass(what)];
    findings.extend(other_sessions(connection, "binlog_format", "ROW").await);
    findings
}

/// Sessions keep the value that they began with or have set; only MySQL lets others see it.
async fn other_sessions(
    connection: &mut Connection,
    variable: &str,
    needed: &str,
) -> Option<Finding> {
    let sql = format!(
        "SELECT COUNT(*) AS count FROM performance_schema.variables_by_thread \
         WHERE variable_name = '{variable}' AND variable_value <> '{needed}'"
    );
    let result = connection.query(&sql).await.ok()?;
    let count: u64 = result.first("count")?.parse().ok()?;
    (count > 0).then(|| {
        Finding::warn(
            format!("all sessions have {variable} = {needed}"),
            format!("{count} sessions have another value"),
            "reconnect the applications",
        )
    })
}

fn row_image(info: &ServerInfo) -> Finding {
    let what = "binlog_row_image is FULL";
    match &info.binlog_row_image {
        Some(image) if !image.eq_ignore_ascii_case("FULL") => Finding::fail(
            what,
            format!("it is {image}, so that rows lack the columns that did not change"),
            "SET GLOBAL binlog_row_image = FULL, and reconnect all applications",
        ),
        _ => Finding::pass(what),
    }
}

fn row_metadata(info: &ServerInfo) -> Finding {
    let what = "binlog_row_metadata is FULL";
    let detail = "rows do not carry their definition, so that rows written before an ALTER TABLE \
                  cannot be read after it";
    match &info.binlog_row_metadata {
        Some(metadata) if metadata.eq_ignore_ascii_case("FULL") => Finding::pass(what),
        Some(metadata) => Finding::warn(
            what,
            format!("it is {metadata}: {detail}"),
            "SET GLOBAL binlog_row_metadata = FULL",
        ),
        None => Finding::warn(
            what,
            format!("{} does not have it: {detail}", info.version),
            "let all changes be read before each ALTER TABLE",
        ),
    }
}

fn value_options(info: &ServerInfo) -> Option<Finding> {
    let what = "binlog_row_value_options is empty";
    let options = info.variable("binlog_row_value_options")?;
    if options.is_empty() {
        return Some(Finding::pass(what));
    }
    Some(Finding::warn(
        what,
        format!(
            "it is {options}: differences of JSON documents are read, but not those of a session \
             with another binlog_row_image than FULL"
        ),
        "SET GLOBAL binlog_row_value_options = ''",
    ))
}

fn gtid_mode(info: &ServerInfo) -> Option<Finding> {
    if info.flavor() != Flavor::MySql {
        return None;
    }
    let what = "gtid_mode is ON";
    let mode = info.gtid_mode.as_deref().unwrap_or("OFF");
    Some(if mode.eq_ignore_ascii_case("ON") {
        Finding::pass(what)
    } else {
        Finding::warn(
            what,
            format!("it is {mode}: the position is a place in a file of this very server"),
            "turn GTIDs on, step by step: SET GLOBAL enforce_gtid_consistency = ON, then \
             gtid_mode = OFF_PERMISSIVE, ON_PERMISSIVE and ON",
        )
    })
}

fn checksum(info: &ServerInfo) -> Option<Finding> {
    let what = "binlog_checksum is CRC32";
    let checksum = info.binlog_checksum.as_deref()?;
    Some(if checksum.eq_ignore_ascii_case("NONE") {
        Finding::warn(
            what,
            "damage to the binlog or on the line is not noticed",
            "SET GLOBAL binlog_checksum = CRC32",
        )
    } else {
        Finding::pass(what)
    })
}

fn retention(info: &ServerInfo) -> Option<Finding> {
    let what = "binlogs are kept for three days or longer";
    let Some(kept) = kept(info).filter(|kept| *kept < SHORT_RETENTION) else {
        return Some(Finding::pass(what));
    };
    Some(Finding::warn(
        what,
        format!(
            "they are purged after {:.1} hours; a pipeline that stops for longer must copy all \
                 tables again",
            kept.as_secs_f64() / 3600.0
        ),
        "SET GLOBAL binlog_expire_logs_seconds = 604800",
    ))
}
