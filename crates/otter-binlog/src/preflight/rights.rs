//! Whether the account may do what reading needs. Tried, not looked up: grants come by roles,
//! by wildcards and under several names.

use otter_core::{Causes, DatabaseUrl, Finding};

use super::lacks_right;
use crate::connection::{
    AtEnd, Connection, ConnectionError, DumpError, DumpRequest, DumpStart, DumpStream, Flavor,
    ServerInfo,
};
use crate::selector::{SelectError, binlog_end_for_trial};

pub(super) async fn check(
    url: &DatabaseUrl,
    connection: &mut Connection,
    info: &ServerInfo,
) -> Vec<Finding> {
    let account = account(connection).await;
    let (end, monitor) = monitor(connection, info, &account).await;
    let mut findings = vec![monitor];
    if info.log_bin {
        findings.push(replica(url, info, end, &account).await);
    }
    findings
}

/// The account as GRANT wants it: `'otter'@'%'`.
pub(super) async fn account(connection: &mut Connection) -> String {
    let answer = connection.query("SELECT CURRENT_USER() AS account").await;
    let account = answer.as_ref().ok().and_then(|result| result.first("account"));
    let (user, host) = account.and_then(|it| it.rsplit_once('@')).unwrap_or(("otter", "%"));
    format!("'{user}'@'{host}'")
}

/// Names of rights differ: MariaDB 10.5 renamed them, and takes the old names too.
async fn monitor(
    connection: &mut Connection,
    info: &ServerInfo,
    account: &str,
) -> (Option<DumpStart>, Finding) {
    let right = match info.flavor() {
        Flavor::MariaDb if info.version.is_at_least(10, 5, 0) => "BINLOG MONITOR",
        Flavor::MariaDb | Flavor::MySql => "REPLICATION CLIENT",
    };
    let what = format!("the account has {right}");
    match binlog_end_for_trial(connection, info).await {
        Ok(start) => (Some(start), Finding::pass(what)),
        Err(SelectError::Connection(ConnectionError::MissingPrivilege(_))) => {
            let remedy = format!("GRANT {right} ON *.* TO {account}");
            let detail = "it finds the end of the binlog and the files that there are";
            (None, Finding::fail(what, detail, remedy))
        }
        Err(error) => (None, Finding::fail(what, Causes(&error).to_string(), "see the detail")),
    }
}

/// Begins a dump at the end of the binlog, and ends it.
async fn replica(
    url: &DatabaseUrl,
    info: &ServerInfo,
    end: Option<DumpStart>,
    account: &str,
) -> Finding {
    let what = "the account has REPLICATION SLAVE";
    let start = end.unwrap_or(DumpStart::File { name: String::new(), offset: 4 });
    match trial(url, info, start).await {
        Ok(()) => Finding::pass(what),
        Err(error) if lacks_right(&error) => Finding::fail(
            what,
            "without it the source sends no binlog",
            format!("GRANT REPLICATION SLAVE ON *.* TO {account}"),
        ),
        Err(error) => Finding::fail(
            "the source sends its binlog",
            Causes(&error).to_string(),
            "see the detail",
        ),
    }
}

async fn trial(url: &DatabaseUrl, info: &ServerInfo, start: DumpStart) -> Result<(), DumpError> {
    let connection = Connection::connect(url).await?;
    let mut request = DumpRequest::new(start);
    request.at_end = AtEnd::Stop;
    let mut stream = DumpStream::start(connection, info, &request).await?;
    // The first answer is an event, the end, or the refusal.
    stream.next_event().await.map(drop)
}
