//! What can go wrong with an arbiter in ZooKeeper, and what mends it.

use std::path::PathBuf;
use std::time::Duration;

use otter_core::{ArbiterId, Classify, Fault};
use zookeeper_client::Error as ClientError;

use super::place::{Scheme, ZooKeeperPlace};

const WITH_DIGEST: &str = "allow the scheme digest on every server, and check user and password";
const WITH_SASL: &str =
    "check user and password, and that the section Server of every server's JAAS file has them";

/// A failure of a [`ZooKeeperArbiter`](super::ZooKeeperArbiter).
///
/// No message holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooKeeperArbiterError {
    /// No server of the ensemble can be reached.
    #[error(
        "ZooKeeper at {servers} cannot be reached{}: {cause}; check the addresses, and that a \
         majority of the ensemble runs{}",
        if *.has_tls { " over TLS" } else { "" },
        if *.has_tls {
            ", that these are its ports for TLS, and that the certificates are signed by the ca \
             and bear these names"
        } else {
            ""
        }
    )]
    Unreachable {
        /// The addresses.
        servers: String,
        /// Whether it was tried over TLS.
        has_tls: bool,
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
    /// A server's address is none.
    #[error(
        "{address:?} is no address of a ZooKeeper server: write host:port, [address]:port for IPv6"
    )]
    BadAddress {
        /// What was given.
        address: String,
    },
    /// What is near is none of the servers.
    #[error(
        "{address} is not one of the servers: add it to them, or take it out of those that are near"
    )]
    NotAServer {
        /// The address.
        address: String,
    },
    /// A file of certificates or keys cannot be used.
    #[error("the file {} cannot be used for TLS: {cause}; it must be PEM that this user may read", .file.display())]
    BadFile {
        /// The file.
        file: PathBuf,
        /// What happened.
        cause: String,
    },
    /// The ensemble does not let the user in.
    #[error("ZooKeeper at {servers} does not let {user} in: {cause}; {remedy}")]
    Login {
        /// The addresses.
        servers: String,
        /// The user.
        user: String,
        /// What to do about it.
        remedy: &'static str,
        /// What it said.
        cause: ClientError,
    },
    /// The ensemble takes the session, but as nobody's.
    #[error(
        "ZooKeeper at {servers} takes the session, but not as that of {user}, so that nodes of that \
         user cannot be made: have every server read a JAAS file whose section Server has that user \
         (-Djava.security.auth.login.config), and set \
         authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider in its \
         configuration"
    )]
    NotChecked {
        /// The addresses.
        servers: String,
        /// The user.
        user: String,
    },
    /// A right at a node is missing.
    #[error(
        "{} has no right to use {path} of ZooKeeper at {servers}; check user and password of the \
         arbiter, or let somebody who has the right give it: in zkCli.sh, create {root} where there is none, \
         then setAcl -R {root} {acl}",
        .user.as_deref().unwrap_or("whoever has no user")
    )]
    MissingRight {
        /// The addresses.
        servers: String,
        /// The node.
        path: String,
        /// Who asked.
        user: Option<String>,
        /// The subtree.
        root: String,
        /// The rights that are needed.
        acl: String,
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
    pub(super) fn connecting(place: &ZooKeeperPlace, error: &ClientError) -> Self {
        let servers = place.cluster();
        if *error == ClientError::AuthFailed {
            let user = place.user().unwrap_or("nobody").to_owned();
            let remedy = match place.scheme() {
                Some(Scheme::Sasl) => WITH_SASL,
                Some(Scheme::Digest) | None => WITH_DIGEST,
            };
            return Self::Login { servers, user, remedy, cause: error.clone() };
        }
        Self::Unreachable { servers, has_tls: place.has_tls(), cause: error.to_string() }
    }

    /// The same for a process that has had a session: files that it could read are being replaced, and it
    /// tries again.
    pub(super) fn while_running(self, servers: String) -> Self {
        let Self::BadFile { file, cause } = self else { return self };
        let cause = format!("{} cannot be used: {cause}", file.display());
        Self::Unreachable { servers, has_tls: true, cause }
    }

    /// Names the failure of a request.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the enum is the client's, and grows; what it does not name is no right to go on"
    )]
    pub(super) fn asking(place: &ZooKeeperPlace, path: &str, error: &ClientError) -> Self {
        let (servers, path) = (place.cluster(), path.to_owned());
        match error {
            ClientError::Timeout
            | ClientError::NoHosts
            | ClientError::ConnectionLoss
            | ClientError::SessionExpired
            | ClientError::SessionMoved
            | ClientError::ClientClosed
            | ClientError::Throttled
            // A server that has lost its majority, and finds it again without an operator.
            | ClientError::NotReadOnly
            | ClientError::Custom(_) => Self::Lost { servers, cause: error.to_string() },
            ClientError::AuthFailed => Self::connecting(place, error),
            ClientError::NoAuth => {
                let user = place.user().map(str::to_owned);
                let acl = match (&user, place.scheme()) {
                    (Some(user), Some(Scheme::Sasl)) => format!("sasl:{user}:cdrwa"),
                    (Some(user), Some(Scheme::Digest) | None) => {
                        format!("digest:{user}:HASH:cdrwa")
                    }
                    (None, _) => "world:anyone:cdrwa".to_owned(),
                };
                Self::MissingRight { servers, path, user, root: place.root().to_owned(), acl }
            }
            // What stands for the user of this session stands for nobody.
            ClientError::InvalidAcl if place.scheme() == Some(Scheme::Sasl) => {
                Self::NotChecked { servers, user: place.user().unwrap_or("nobody").to_owned() }
            }
            _ => Self::Refused { servers, path, cause: error.clone() },
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
            | Self::BadAddress { .. }
            | Self::NotAServer { .. }
            | Self::BadFile { .. }
            | Self::Login { .. }
            | Self::NotChecked { .. }
            | Self::MissingRight { .. }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_being_replaced_halt_nobody_who_runs() {
        let bad =
            || ZooKeeperArbiterError::BadFile { file: "a.pem".into(), cause: "it is empty".into() };
        assert_eq!(bad().fault(), Fault::Fatal);
        let running = bad().while_running("a:1".to_owned());
        assert_eq!(running.fault(), Fault::Transient);
        assert!(running.to_string().contains("a.pem cannot be used: it is empty"), "{running}");
        let other = ZooKeeperArbiterError::Closed.while_running("a:1".to_owned());
        assert_eq!(other.fault(), Fault::Fatal);
    }
}
