//! Why a dump does not begin or ends early, told apart by what an operator must do.

use std::time::Duration;

use otter_core::{Classify, Fault};

use crate::error::{ConnectionError, ServerError};
use crate::gtid_text::GtidTextError;
use crate::packet::PacketError;
use crate::version::Flavor;

/// MySQL: "got fatal error from source when reading data from binary log", whatever the matter is.
const FATAL_READING_BINLOG: u16 = 1236;
/// MySQL: so far only a text within 1236, but it has a number of its own.
const PURGED_GTIDS: u16 = 1789;

/// What went wrong with a dump.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The line or the session failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server writes no binlog.
    #[error("the source writes no binlog: start it with log_bin")]
    NoBinlog,
    /// MySQL without GTIDs was asked for a GTID position.
    #[error("the source writes no GTIDs: set gtid_mode=ON, or use a file position")]
    NoGtids,
    /// A GTID of one family was asked of a server of the other.
    #[error(
        "the position is not one of {server}: the source is not the server that it was read from"
    )]
    OtherFlavor {
        /// What the server is.
        server: Flavor,
    },
    /// The position cannot be read.
    #[error("the position `{text}` cannot be used")]
    BadPosition {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        #[source]
        source: GtidTextError,
    },
    /// The place lies beyond what the protocol can ask for.
    #[error(
        "the position {offset} in `{file}` lies beyond 4 GiB, which the replication protocol \
         cannot ask for: use a GTID position"
    )]
    OffsetTooLarge {
        /// The file.
        file: String,
        /// The place in bytes.
        offset: u64,
    },
    /// The heartbeat is out of bounds.
    #[error("a heartbeat of {0:?} is not between 10 ms and one hour")]
    BadHeartbeat(Duration),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a replica id")]
    NoRandom,
    /// The account may not read the binlog.
    #[error(
        "the account may not read the binlog: \
         GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the account"
    )]
    NoReplicationRight(#[source] ServerError),
    /// The events that are asked for have been deleted.
    #[error(
        "the source has purged events that were not read yet: copy the tables again, and keep \
         binlogs longer there (binlog_expire_logs_seconds)"
    )]
    Purged(#[source] ServerError),
    /// The file of the position is not there: purged, or another server's.
    #[error(
        "the source does not have the file of the position: it was purged or belongs to another \
         server; copy the tables again or set the position by hand"
    )]
    UnknownFile(#[source] ServerError),
    /// The position holds transactions that the source does not have.
    #[error(
        "the source does not have transactions that were read before: it lost the end of its \
         binlog, or is another server; compare both sides before you set the position by hand"
    )]
    Diverged(#[source] ServerError),
    /// The place is not one between two events of the file.
    #[error("the source has no event at the position: set the position by hand")]
    NoSuchPlace(#[source] ServerError),
    /// The source cannot read its own binlog.
    #[error("the source cannot read its own binlog: check its disk and its error log")]
    Damaged(#[source] ServerError),
    /// Another reader has come with our id, and the source serves only one.
    #[error("another reader has taken this one's replica id")]
    Superseded(#[source] ServerError),
    /// The source writes checksums that were not agreed on; it was changed a moment ago.
    #[error("the source has changed its binlog_checksum")]
    ChecksumChanged(#[source] ServerError),
    /// The source met an event larger than its own limit.
    #[error("an event exceeds the source's max_allowed_packet: raise it there")]
    SourceLimit(#[source] ServerError),
    /// An event is larger than we may receive.
    #[error("an event is larger than max_event, {limit} bytes: raise max_event")]
    EventTooLarge {
        /// `max_event` in bytes.
        limit: usize,
    },
    /// Neither events nor heartbeats.
    #[error("the source {address} has been silent for {after:?}, heartbeats included")]
    SilentSource {
        /// Host and port.
        address: String,
        /// The deadline.
        after: Duration,
    },
}

impl DumpError {
    pub(super) fn packet(error: PacketError, address: &str) -> Self {
        match error {
            PacketError::Silent(after) => Self::SilentSource { address: address.to_owned(), after },
            // One byte of the packet is not the event's.
            PacketError::TooLarge { limit } => {
                Self::EventTooLarge { limit: limit.saturating_sub(1) }
            }
            PacketError::Io(_)
            | PacketError::Closed
            | PacketError::OutOfSequence
            | PacketError::Unread => {
                ConnectionError::packet(error, address, "read the binlog").into()
            }
        }
    }

    pub(super) fn protocol(address: &str, problem: &'static str) -> Self {
        ConnectionError::Protocol { address: address.to_owned(), problem }.into()
    }

    /// An error that answers the registration or the dump's command.
    pub(super) fn refused(error: ConnectionError) -> Self {
        if let ConnectionError::Server(error) | ConnectionError::MissingPrivilege(error) = error {
            return Self::server(error);
        }
        error.into()
    }

    /// Tells errors apart by their texts, which is all that error 1236 leaves. The session's
    /// language was set to English.
    pub(super) fn server(error: ServerError) -> Self {
        let text = error.message.to_ascii_lowercase();
        let says = |words: &str| text.contains(words);
        match error.code {
            FATAL_READING_BINLOG => {}
            PURGED_GTIDS => return Self::Purged(error),
            // MySQL: it speaks of the password, but the login is long done.
            1045 | 1227 => return Self::NoReplicationRight(error),
            _ => return ConnectionError::server(error).into(),
        }
        if says("could not find first log file") {
            Self::UnknownFile(error)
        } else if says("same server_uuid/server_id") {
            Self::Superseded(error)
        } else if says("purged") {
            Self::Purged(error)
        } else if says("has more gtids than")
            || says("not in the master's binlog")
            || says("is missing the gtid")
        {
            Self::Diverged(error)
        } else if says("can not handle replication events with the checksum") {
            Self::ChecksumChanged(error)
        } else if says("max_allowed_packet") {
            Self::SourceLimit(error)
        } else if says("> file size") || says("impossible position") {
            Self::NoSuchPlace(error)
        } else if says("bogus data in log event") || says("crc check") || says("truncated") {
            Self::Damaged(error)
        } else {
            ConnectionError::server(error).into()
        }
    }
}

impl Classify for DumpError {
    fn fault(&self) -> Fault {
        match self {
            Self::Connection(error) => error.fault(),
            // A new reader takes another id, and agrees on the new checksum.
            Self::Superseded(_) | Self::ChecksumChanged(_) | Self::SilentSource { .. } => {
                Fault::Transient
            }
            Self::NoBinlog
            | Self::NoGtids
            | Self::OtherFlavor { .. }
            | Self::BadPosition { .. }
            | Self::OffsetTooLarge { .. }
            | Self::BadHeartbeat(_)
            | Self::NoRandom
            | Self::NoReplicationRight(_)
            | Self::Purged(_)
            | Self::UnknownFile(_)
            | Self::Diverged(_)
            | Self::NoSuchPlace(_)
            | Self::Damaged(_)
            | Self::SourceLimit(_)
            | Self::EventTooLarge { .. } => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        match self {
            Self::Connection(error) => error.doing(),
            Self::NoBinlog
            | Self::NoGtids
            | Self::OtherFlavor { .. }
            | Self::BadPosition { .. }
            | Self::OffsetTooLarge { .. }
            | Self::BadHeartbeat(_)
            | Self::NoRandom
            | Self::NoReplicationRight(_)
            | Self::Purged(_)
            | Self::UnknownFile(_)
            | Self::Diverged(_)
            | Self::NoSuchPlace(_)
            | Self::Damaged(_)
            | Self::Superseded(_)
            | Self::ChecksumChanged(_)
            | Self::SourceLimit(_)
            | Self::EventTooLarge { .. }
            | Self::SilentSource { .. } => "read the source's binlog",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str) -> DumpError {
        let (state, message) = ("HY000".to_owned(), message.to_owned());
        DumpError::server(ServerError { code: FATAL_READING_BINLOG, state, message })
    }

    /// The words of MySQL 5.7, 8.0 and 9 and of MariaDB.
    #[test]
    fn errors_are_told_apart_whatever_the_version() {
        for words in [
            "Cannot replicate because the source purged required binary logs. Replicate the",
            "Cannot replicate because the master purged required binary logs. Replicate the",
            "The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the \
             master has purged binary logs containing GTIDs that the slave requires.",
            "Could not find GTID state requested by slave in any binlog files. Probably the slave \
             state is too old and required binlog files have been purged.",
        ] {
            assert!(matches!(error(words), DumpError::Purged(_)), "{words}");
        }
        for words in [
            "A replica with the same server_uuid/server_id as this replica has connected to the \
             source; the first event 'binlog.000001' at 4, the last event read from './b' at 126",
            "A slave with the same server_uuid/server_id as this slave has connected to the master",
        ] {
            assert!(matches!(error(words), DumpError::Superseded(_)), "{words}");
            assert_eq!(error(words).fault(), Fault::Transient);
        }
        for words in [
            "Slave has more GTIDs than the master has, using the master's SERVER_UUID.",
            "Replica has more GTIDs than the source has, using the source's SERVER_UUID.",
            "Error: connecting slave requested to start from GTID 0-1-9, which is not in the \
             master's binlog",
        ] {
            assert!(matches!(error(words), DumpError::Diverged(_)), "{words}");
        }
        let words = "Could not find first log file name in binary log index file";
        assert!(matches!(error(words), DumpError::UnknownFile(_)));
        let words = "Client requested master to start replication from position > file size";
        assert!(matches!(error(words), DumpError::NoSuchPlace(_)));
        let words = "Slave can not handle replication events with the checksum that master is \
                     configured to log";
        assert!(matches!(error(words), DumpError::ChecksumChanged(_)));
        let words = "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on";
        assert!(matches!(error(words), DumpError::SourceLimit(_)));
        let words = "event read from binlog did not pass crc check";
        assert!(matches!(error(words), DumpError::Damaged(_)));
        let words = "something of tomorrow";
        assert!(matches!(error(words), DumpError::Connection(ConnectionError::Server(_))));
        assert_eq!(error(words).fault(), Fault::Fatal);
    }
}
