//! The binlog as a server sends it to a replica: one raw event after the other.
//!
//! Events are handed out undecoded and unverified, with their checksum, out of the receive buffer.
//! Heartbeats and the artificial events at the start of a stream and of a file are events like
//! all others: what they mean is the reader's business. MariaDB's first ROTATE comes before the
//! format description and may carry four bytes of checksum that nothing announces.

use std::time::Duration;

use super::error::{ConnectionError, ServerError};
use super::{Connection, ServerInfo};

mod error;
mod request;
mod setup;

pub use error::DumpError;
pub use request::{AtEnd, DumpRequest, DumpStart};

/// Thousands of small events per system call.
const INPUT_BUFFER: usize = 1024 * 1024;
/// Until the first change arrives the server may be busy finding the place: MariaDB reads up to a
/// whole file for it and sends no heartbeat meanwhile.
const STARTING_PATIENCE: Duration = Duration::from_secs(60);
/// Two heartbeats may be late or lost before the third is missed.
const HEARTBEATS: f64 = 2.5;

/// A stream of events from one server, started by [`DumpStream::start`]; dropping it ends the dump.
#[derive(Debug)]
pub struct DumpStream {
    connection: Connection,
    replica_id: u32,
    patience: Duration,
    at_end: AtEnd,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The place has not been found yet, as far as we can see.
    Starting,
    Streaming,
    /// Everything was sent, as was asked for.
    AtEnd,
    Failed,
}

impl DumpStream {
    /// Prepares the session, registers as a replica under a random number, and asks for events.
    ///
    /// The server answers with the first event or with an error, so most refusals are met by the
    /// first [`next_event`](Self::next_event).
    ///
    /// # Errors
    /// Fatal where the server cannot serve the request: no binlog, no GTIDs, an unreadable
    /// position; else as the connection's.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn start(
        mut connection: Connection,
        info: &ServerInfo,
        request: &DumpRequest,
    ) -> Result<Self, DumpError> {
        let dump = setup::prepare(info, request)?;
        connection.execute(&dump.session).await?;
        let registered = connection.command(setup::COM_REGISTER_SLAVE, &dump.registration).await;
        registered.map_err(DumpError::refused)?;

        let patience = request.heartbeat.mul_f64(HEARTBEATS);
        connection.begin()?;
        connection.packets.set_limit(request.max_event.saturating_add(1));
        connection.packets.set_patience(patience.max(STARTING_PATIENCE));
        connection.packets.grow_input(INPUT_BUFFER);
        let (code, body) = &dump.command;
        super::query::command(&mut connection.packets, *code, body, &connection.address).await?;
        let (replica_id, at_end) = (dump.replica_id, request.at_end);
        Ok(Self { connection, replica_id, patience, at_end, state: State::Starting })
    }

    /// The next event: header, body, and checksum where the stream has them. Valid until the next
    /// call. `None` when the server has sent everything and [`AtEnd::Stop`] was asked for.
    ///
    /// # Errors
    /// Transient where the line or the server failed: start again at the last position. Fatal
    /// where starting again cannot help, [`DumpError::Purged`] first of all.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped call loses nothing, and the deadline goes on.
    pub async fn next_event(&mut self) -> Result<Option<&[u8]>, DumpError> {
        let packets = &mut self.connection.packets;
        let address = &self.connection.address;
        match self.state {
            State::Starting | State::Streaming => {}
            State::AtEnd => return Ok(None),
            State::Failed => {
                return Err(ConnectionError::Interrupted { address: address.clone() }.into());
            }
        }
        if let Err(error) = packets.read().await {
            self.state = State::Failed;
            return Err(DumpError::packet(error, address));
        }
        if self.state == State::Starting && is_past_start(packets.last_payload()) {
            self.state = State::Streaming;
            packets.set_patience(self.patience);
        }
        let packet = packets.last_payload();
        let error = match packet.split_first() {
            Some((0x00, event)) => return Ok(Some(event)),
            Some((0xfe, rest)) if rest.len() < 8 => match self.at_end {
                AtEnd::Stop => {
                    self.state = State::AtEnd;
                    return Ok(None);
                }
                // A server that shuts down ends its dumps so.
                AtEnd::Wait => {
                    ConnectionError::Broken { address: address.clone(), source: None }.into()
                }
            },
            Some((0xff, _)) => match ServerError::parse(packet) {
                Ok(error) => DumpError::server(error),
                Err(_) => DumpError::protocol(address, "a malformed error in the dump"),
            },
            Some(_) | None => DumpError::protocol(address, "neither an event nor an error"),
        };
        self.state = State::Failed;
        Err(error)
    }

    /// Whether the next event lies in the buffer as a whole, so that `next_event` returns without
    /// waiting. Events over 16 MiB count as not there.
    #[must_use]
    pub fn has_buffered_event(&self) -> bool {
        match self.state {
            State::Starting | State::Streaming => self.connection.packets.has_packet(),
            State::AtEnd | State::Failed => false,
        }
    }

    /// The server id under which the server knows this reader.
    #[must_use]
    pub fn replica_id(&self) -> u32 {
        self.replica_id
    }

    /// How long the server may stay silent once the place has been found.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Host and port, for messages.
    #[must_use]
    pub fn address(&self) -> &str {
        self.connection.address()
    }
}

/// Whether an event, behind its status byte, comes from the place that was asked for and not from
/// the search for it.
fn is_past_start(packet: &[u8]) -> bool {
    const TYPE_AT: usize = 5;
    // ROTATE, FORMAT_DESCRIPTION, PREVIOUS_GTIDS, MariaDB's BINLOG_CHECKPOINT, GTID_LIST and
    // START_ENCRYPTION.
    !matches!(packet.get(TYPE_AT), Some(0x04 | 0x0f | 0x23 | 0xa1 | 0xa3 | 0xa4))
}
