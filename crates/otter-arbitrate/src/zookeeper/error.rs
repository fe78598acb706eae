//! What can go wrong with an arbiter in ZooKeeper, and what mends it.

use std::time::Duration;

use otter_core::{ArbiterId, Classify, Fault};
use zookeeper_client::Error as ClientError;

/// A failure of a [`ZooKeeperArbiter`](super::ZooKeeperArbiter).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooKeeperArbiterError {
    /// No server of the ensemble can be reached.
    #[error(
        "ZooKeeper at {servers} cannot be reached: {cause}; check the addresses, and that a \
         majority of the ensemble runs"
    )]
    Unreachable {
        /// The addresses.
        servers: String,
        /// What happened.
        cause: String,
    },
    /// No answer in time.
    #[error("ZooKeeper at {servers} does not answer within {} s", .limit.as_secs_f32())]
    Late {
        /// The addresses.
        servers: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection or the session broke while something was asked.
    #[error("the session with ZooKeeper at {servers} broke: {cause}")]
    Lost {
        /// The addresses.
        servers: String,
        /// What happened.
        cause: String,
    },
    /// The ensemble does not grant sessions that are long enough.
    #[error(
        "ZooKeeper at {servers} grants sessions of at most {} s, and these leases need {} s: make \
         the lease shorter, or set maxSessionTimeout in the configuration of every server",
        .granted.as_secs_f32(), .needed.as_secs_f32()
    )]
    ShortSession {
        /// The addresses.
        servers: String,
        /// What the ensemble grants.
        granted: Duration,
        /// What the lease needs.
        needed: Duration,
    },
    /// The subtree went away or was made anew while this process worked.
    #[error(
        "the arbiter at {place} is no longer {ours}: {}; start this process again, and when no \
         process of the former arbiter runs any more, run `otter-server position adopt` for its \
         pipelines", found_text(.found)
    )]
    Rebuilt {
        /// Addresses and path.
        place: String,
        /// The arbiter that this process began with.
        ours: ArbiterId,
        /// The arbiter that is there now.
        found: Option<ArbiterId>,
    },
    /// The path of the subtree is no path.
    #[error("{path:?} is no path of a subtree: write one such as /otter")]
    BadPath {
        /// The path.
        path: String,
    },
    /// A node holds what nobody of this version wrote there.
    #[error(
        "the node {path} of ZooKeeper at {servers} holds no arbiter that this version knows: run \
         the same version of otter-server everywhere, or choose another path"
    )]
    Layout {
        /// The addresses.
        servers: String,
        /// The node.
        path: String,
    },
    /// ZooKeeper refused a request.
    #[error("ZooKeeper at {servers} refused {path}: {cause}; check the rights of that node")]
    Refused {
        /// The addresses.
        servers: String,
        /// The node.
        path: String,
        /// What it said.
        cause: ClientError,
    },
    /// Other processes were faster, again and again.
    #[error("ZooKeeper at {servers} is busy: other processes change the same nodes")]
    Contention {
        /// The addresses.
        servers: String,
    },
    /// The system has no random numbers for ids.
    #[error("the system gives no random numbers")]
    NoRandomness(#[source] getrandom::Error),
    /// The runtime ended.
    #[error("the runtime is shutting down")]
    RuntimeGone(#[source] tokio::task::JoinError),
    /// The arbiter was asked after it was closed.
    #[error("this arbiter was closed")]
    Closed,
}

fn found_text(found: &Option<ArbiterId>) -> String {
    match found {
        Some(found) => format!("its nodes were made anew, as {found}"),
        None => "its nodes are gone".to_owned(),
    }
}

impl ZooKeeperArbiterError {
    /// Names the failure of connecting.
    pub(super) fn connecting(servers: &str, error: &ClientError) -> Self {
        Self::Unreachable { servers: servers.to_owned(), cause: error.to_string() }
    }

    /// Names the failure of a request.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the enum is the client's, and grows; what it does not name is no right to go on"
    )]
    pub(super) fn asking(servers: &str, path: &str, error: &ClientError) -> Self {
        let servers = servers.to_owned();
        match error {
            ClientError::Timeout
            | ClientError::NoHosts
            | ClientError::ConnectionLoss
            | ClientError::SessionExpired
            | ClientError::SessionMoved
            | ClientError::ClientClosed
            | ClientError::Throttled
            | ClientError::Custom(_) => Self::Lost { servers, cause: error.to_string() },
            _ => Self::Refused { servers, path: path.to_owned(), cause: error.clone() },
        }
    }
}

impl Classify for ZooKeeperArbiterError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unreachable { .. }
            | Self::Late { .. }
            | Self::Lost { .. }
            | Self::Contention { .. }
            | Self::RuntimeGone(_) => Fault::Transient,
            Self::ShortSession { .. }
            | Self::Rebuilt { .. }
            | Self::BadPath { .. }
            | Self::Layout { .. }
            | Self::Refused { .. }
            | Self::NoRandomness(_)
            | Self::Closed => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "arbitrate in ZooKeeper"
    }
}
