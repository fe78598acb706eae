//! What keeps a schema from arbitrating, told before a process depends on it. Changes nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use otter_core::database_url::DatabaseUrl;
use otter_core::{Finding, Side};

use super::conn::{Conn, TextRow};
use super::error::SqlArbiterError;
use super::identity::{ALL_TABLES, count_tables, read_id};
use super::text::Texts;
use super::{look_in, texts_of};
use crate::random::random_name;
use crate::status;

/// A server whose clock is so far from ours will be set right one day, and leases end early or
/// late then.
const DOUBTFUL_SECONDS: u64 = 30;

const REACHED: &str = "the arbiter's server answers";
const WRITES: &str = "the account may write the arbiter's tables";
const CLOCK: &str = "the clock of the arbiter's server is right";
const FREE: &str = "no process holds the pipeline";
const MEND: &str = "mend what the message says, then check again";

pub(super) async fn check(url: &DatabaseUrl, side: &Side) -> Vec<Finding> {
    let texts = texts_of(url);
    let mut findings = Vec::new();
    let looked = look_in(url, async |conn| look(conn, url, &texts, side, &mut findings).await);
    if let Err(error) = looked.await {
        // What was found before stands; a later failure is about what was asked last.
        let what = match findings.len() {
            0 => REACHED,
            _ => "the arbiter's tables can be used",
        };
        findings.push(Finding::fail(what, error.to_string(), MEND));
    }
    findings
}

async fn look(
    conn: &mut Conn,
    url: &DatabaseUrl,
    texts: &Texts,
    side: &Side,
    findings: &mut Vec<Finding>,
) -> Result<(), SqlArbiterError> {
    let failed = |error: sqlx::Error| SqlArbiterError::asking(url, texts.schema(), &error);
    let facts = "SELECT VERSION(), @@global.read_only, UNIX_TIMESTAMP(), CURRENT_USER()".to_owned();
    let rows = conn.query(facts).await.map_err(failed)?;
    let Some([Some(version), Some(read_only), Some(now), Some(account)]) =
        rows.first().map(Vec::as_slice)
    else {
        let place = format!("{}/{}", url.address(), texts.schema());
        return Err(SqlArbiterError::BadAnswer { place, what: "no version" });
    };
    let detail = format!("{} ({version})", url.address());
    findings.push(Finding { detail, ..Finding::pass(REACHED) });
    if read_only != "0" {
        findings.push(Finding::fail(
            "the arbiter's server takes writes",
            format!("{} is read only", url.address()),
            "point `url` of [arbiter] to the primary, or: SET GLOBAL read_only = OFF",
        ));
    }
    findings.push(clock(now));
    let rows = conn.query(texts.look_for_tables()).await.map_err(failed)?;
    let (has_schema, tables) = count_tables(&rows);
    if tables < ALL_TABLES {
        let there = Tables { has_schema, count: tables };
        findings.push(may_make_tables(conn, texts, account, there).await.map_err(failed)?);
        return Ok(());
    }
    let id = read_id(conn, url, texts).await?;
    let token = random_name().map_err(SqlArbiterError::NoRandomness)?;
    let probed = conn.query(texts.probe(&token)).await.map_err(failed);
    findings.push(match probed {
        Ok(_) => Finding {
            detail: id.map_or_else(|| "it has no id yet".to_owned(), |found| found.id.to_string()),
            ..Finding::pass(WRITES)
        },
        Err(error @ SqlArbiterError::MissingRight { .. }) => {
            Finding::fail(WRITES, error.to_string(), grant(texts, account))
        }
        Err(error) => return Err(error),
    });
    findings.push(holder(&conn.query(texts.look(&side.to_string())).await.map_err(failed)?));
    let nodes = conn.query(texts.nodes()).await.map_err(failed)?;
    let name = |row: TextRow| row.into_iter().next().flatten();
    let names: Vec<String> = nodes.into_iter().filter_map(name).collect();
    findings.push(status::present(&names));
    Ok(())
}

/// Compares the clocks of two machines, for people only (CLOCK-1).
fn clock(server: &str) -> Finding {
    #[allow(clippy::disallowed_methods, reason = "shown to people, decides nothing (CLOCK-1)")]
    let now = SystemTime::now();
    let ours = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Some servers tell fractions.
    let whole = server.split('.').next().and_then(|seconds| seconds.parse::<u64>().ok());
    let apart = whole.unwrap_or_default().abs_diff(ours);
    if apart <= DOUBTFUL_SECONDS {
        return Finding::pass(CLOCK);
    }
    Finding::warn(
        CLOCK,
        format!("it is {apart} s apart from this machine's"),
        "have both clocks set by NTP: a clock that is set right by a jump ends leases early, or \
         keeps them for longer",
    )
}

/// What there is of an arbiter.
struct Tables {
    has_schema: bool,
    count: u32,
}

/// Whether the account can be seen to have the right to make tables. Rights that come with a role
/// are not seen.
async fn may_make_tables(
    conn: &mut Conn,
    texts: &Texts,
    account: &str,
    there: Tables,
) -> sqlx::Result<Finding> {
    const MADE: &str = "the arbiter's tables are there or can be made";
    let rows = conn.query(texts.look_for_create_right()).await?;
    let may = rows.first().and_then(|row| row.first()).is_some_and(|right| *right != some("0"));
    let schema = texts.schema();
    let missing = match there {
        Tables { has_schema: false, .. } => "the schema is not there".to_owned(),
        Tables { count: 0, .. } => "its tables are not there".to_owned(),
        Tables { count, .. } => format!(
            "{} of its {ALL_TABLES} tables are not there, which an earlier version did not have",
            ALL_TABLES.saturating_sub(count)
        ),
    };
    Ok(if may {
        Finding {
            detail: format!("{missing}: the first start makes them in `{schema}`"),
            ..Finding::pass(MADE)
        }
    } else {
        Finding::warn(
            MADE,
            format!("{missing}, and no right to make it is seen (it may come with a role)"),
            grant(texts, account),
        )
    })
}

fn grant(texts: &Texts, account: &str) -> String {
    // The host part is behind the last @, since a user's name may hold one.
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    format!("GRANT ALL ON `{}`.* TO {}@{}", texts.schema(), quoted(user), quoted(host))
}

/// A running pipeline is no fault, but a second process would have to wait.
fn holder(rows: &[TextRow]) -> Finding {
    match rows.first().map(Vec::as_slice) {
        Some([_, Some(term), _, Some(holder)]) => Finding::warn(
            FREE,
            format!("{holder} (term {term}) holds it"),
            "leave it as it is: another `run` stands by, and takes over when that process ends",
        ),
        Some(_) | None => Finding::pass(FREE),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}
