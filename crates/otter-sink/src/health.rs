//! Whether a target bears more load: how many of its sessions work, and how far its replicas are
//! behind.
//!
//! Only looks. Whoever asks decides what to do about a [`Strain`]; a server that cannot be asked is
//! one, since nobody knows how it is.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use otter_core::{Causes, Classify, DatabaseUrl, Fault, Finding};
use otter_mysql::{Connection, ConnectionError, Flavor, ResultSet};
use tokio::time::timeout;

use crate::mysql::names;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a target bears; `None` is anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthLimits {
    /// How many sessions may work at once (`Threads_running`), this pipeline's own included.
    pub threads_running: Option<NonZeroU64>,
    /// How far behind each of the replicas may be.
    pub replica_lag: Option<Duration>,
    /// The target's replicas.
    pub replicas: Vec<DatabaseUrl>,
}

impl HealthLimits {
    /// Whether anything is bounded.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.threads_running.is_some() || self.replica_lag.is_some()
    }
}

/// Why a target should not be written to now.
#[derive(Debug)]
#[non_exhaustive]
pub enum Strain {
    /// Too many sessions work at once.
    ThreadsRunning {
        /// How many.
        running: u64,
        /// How many may.
        limit: NonZeroU64,
    },
    /// A replica is too far behind.
    ReplicaLag {
        /// The replica's host and port.
        replica: String,
        /// How far.
        lag: Duration,
        /// How far it may be.
        limit: Duration,
    },
    /// A replica does not apply what it gets, so that its lag grows.
    ReplicaStopped {
        /// The replica's host and port.
        replica: String,
    },
    /// A server that should be a replica is none.
    NoReplica {
        /// The server's host and port.
        server: String,
    },
    /// The account may not ask a replica how far it is behind.
    NoRight {
        /// The replica's host and port.
        replica: String,
        /// The right that is missing.
        right: &'static str,
    },
    /// A server cannot be asked, or says what nobody understands.
    Unknown {
        /// The server's host and port.
        server: String,
        /// Why.
        why: String,
        /// Whether it may answer by itself later.
        fault: Fault,
    },
}

/// Looks at a target and its replicas, over connections of its own that are kept.
#[derive(Debug)]
pub struct TargetHealth {
    limits: HealthLimits,
    target: Probe,
    replicas: Vec<Probe>,
}

#[derive(Debug)]
struct Probe {
    url: DatabaseUrl,
    connection: Option<Connection>,
    /// The flavor of the server that answered last.
    flavor: Flavor,
}

impl TargetHealth {
    /// Watches a target. Nothing is connected yet.
    #[must_use]
    pub fn new(target: DatabaseUrl, limits: HealthLimits) -> Self {
        let probe = |url| Probe { url, connection: None, flavor: Flavor::MySql };
        let replicas = limits.replicas.iter().cloned().map(probe).collect();
        Self { limits, target: probe(target), replicas }
    }

    /// Looks at all servers; the first strain that is found, the target's own first. A server takes
    /// a few seconds at most.
    ///
    /// # Cancel safety
    /// Cancel safe: what was asked is asked again, over another connection.
    pub async fn look(&mut self) -> Option<Strain> {
        if let Some(limit) = self.limits.threads_running {
            match self.target.threads_running().await {
                Ok(running) if running > limit.get() => {
                    return Some(Strain::ThreadsRunning { running, limit });
                }
                Ok(_) => {}
                Err(strain) => return Some(strain),
            }
        }
        let limit = self.limits.replica_lag?;
        for replica in &mut self.replicas {
            match replica.lag().await {
                Ok(lag) if lag > limit => {
                    let replica = replica.url.address();
                    return Some(Strain::ReplicaLag { replica, lag, limit });
                }
                Ok(_) => {}
                Err(strain) => return Some(strain),
            }
        }
        None
    }
}

/// Tells for each server whether it can be asked, and how it is.
pub async fn check(target: &DatabaseUrl, limits: &HealthLimits) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut health = TargetHealth::new(target.clone(), limits.clone());
    if limits.threads_running.is_some() {
        let what = "the brake reads how many sessions work".to_owned();
        findings.push(match health.target.threads_running().await {
            Ok(_) => Finding::pass(what),
            Err(strain) => strain.finding(what),
        });
    }
    for replica in &mut health.replicas {
        let what = format!("the brake reads how far {} is behind", replica.url.address());
        findings.push(match replica.lag().await {
            Ok(_) => Finding::pass(what),
            Err(strain @ Strain::NoRight { right, .. }) => {
                let account = replica.account().await;
                Finding::fail(
                    what,
                    strain.to_string(),
                    format!("GRANT {right} ON *.* TO {account}"),
                )
            }
            Err(strain) => strain.finding(what),
        });
    }
    findings
}

const REMEDY: &str = "mend what the message says, or leave the server out of `brake`: while it \
                      cannot be asked, nothing is loaded";

impl Probe {
    async fn threads_running(&mut self) -> Result<u64, Strain> {
        let statement = |_: &Connection| "SHOW GLOBAL STATUS LIKE 'Threads_running'";
        let answer = self.try_asking(statement).await;
        let answer = answer.map_err(|error| self.unknown(&error))?;
        let running = answer.rows().first().and_then(|row| row.text(1)?.parse().ok());
        running.ok_or_else(|| self.silent("it does not tell its Threads_running"))
    }

    /// The lag of the channel that is the farthest behind.
    async fn lag(&mut self) -> Result<Duration, Strain> {
        let answer = match self.try_asking(statement_for_lag).await {
            Ok(answer) => answer,
            Err(ConnectionError::MissingPrivilege { .. }) => {
                let replica = self.url.address();
                return Err(Strain::NoRight { replica, right: self.right_for_lag() });
            }
            Err(error) => return Err(self.unknown(&error)),
        };
        let Some(column) = COLUMNS_OF_LAG.iter().find_map(|name| answer.column(name)) else {
            return Err(self.silent("it does not tell how far it is behind"));
        };
        let mut farthest = None;
        for row in answer.rows() {
            let seconds = row.text(column).and_then(|text| text.parse().ok());
            let Some(seconds) = seconds else {
                return Err(Strain::ReplicaStopped { replica: self.url.address() });
            };
            farthest = farthest.max(Some(Duration::from_secs(seconds)));
        }
        farthest.ok_or_else(|| Strain::NoReplica { server: self.url.address() })
    }

    /// The connection is put back only where it can be used again.
    async fn try_asking(
        &mut self,
        statement: impl Fn(&Connection) -> &'static str,
    ) -> Result<ResultSet, ConnectionError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connecting = timeout(PATIENCE, Box::pin(Connection::connect(&self.url)));
                let mut connection = connecting.await.unwrap_or_else(|_| {
                    let (address, doing) = (self.url.address(), "connect");
                    Err(ConnectionError::Timeout { address, doing, after: PATIENCE })
                })?;
                connection.set_read_timeout(PATIENCE);
                connection
            }
        };
        self.flavor = connection.version().flavor;
        let answer = connection.query(statement(&connection)).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// The account as a GRANT names it.
    async fn account(&mut self) -> String {
        let answer = self.try_asking(|_| "SELECT CURRENT_USER() AS account").await;
        let account = answer.ok().and_then(|answer| names::account(answer.first("account")?));
        account.unwrap_or_else(|| names::string(self.url.user()))
    }

    fn right_for_lag(&self) -> &'static str {
        match self.flavor {
            Flavor::MariaDb => "SLAVE MONITOR",
            Flavor::MySql => "REPLICATION CLIENT",
        }
    }

    fn unknown(&self, error: &ConnectionError) -> Strain {
        let (server, why) = (self.url.address(), Causes(error).to_string());
        Strain::Unknown { server, why, fault: error.fault() }
    }

    fn silent(&self, why: &str) -> Strain {
        Strain::Unknown { server: self.url.address(), why: why.to_owned(), fault: Fault::Fatal }
    }
}

/// MySQL has renamed statement and column.
const COLUMNS_OF_LAG: [&str; 2] = ["Seconds_Behind_Source", "Seconds_Behind_Master"];

fn statement_for_lag(connection: &Connection) -> &'static str {
    let version = connection.version();
    match version.flavor {
        Flavor::MariaDb => "SHOW ALL SLAVES STATUS",
        Flavor::MySql if version.is_at_least(8, 0, 22) => "SHOW REPLICA STATUS",
        Flavor::MySql => "SHOW SLAVE STATUS",
    }
}

impl Strain {
    /// What it means before the start: what may heal by itself need not be mended before.
    fn finding(&self, what: String) -> Finding {
        match self {
            Self::NoReplica { .. } | Self::NoRight { .. } => {
                Finding::fail(what, self.to_string(), REMEDY)
            }
            Self::Unknown { fault, .. } if *fault != Fault::Transient => {
                Finding::fail(what, self.to_string(), REMEDY)
            }
            Self::ThreadsRunning { .. }
            | Self::ReplicaLag { .. }
            | Self::ReplicaStopped { .. }
            | Self::Unknown { .. } => Finding::warn(what, self.to_string(), REMEDY),
        }
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThreadsRunning { running, limit } => {
                write!(f, "{running} sessions work at the target, more than {limit}")
            }
            Self::ReplicaLag { replica, lag, limit } => {
                let (lag, limit) = (lag.as_secs(), limit.as_secs());
                write!(f, "replica {replica} is {lag} s behind, more than {limit} s")
            }
            Self::ReplicaStopped { replica } => {
                write!(
                    f,
                    "replica {replica} does not tell how far it is behind: its replication has \
                     stopped or does not reach its source; see SHOW REPLICA STATUS there"
                )
            }
            Self::NoRight { replica, right } => {
                write!(f, "the account may not ask replica {replica}: it lacks {right}")
            }
            Self::NoReplica { server } => write!(f, "{server} is not a replica of any server"),
            Self::Unknown { server, why, .. } => write!(f, "{server} cannot be asked: {why}"),
        }
    }
}
