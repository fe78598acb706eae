//! Packets over a byte stream: framing, sequence numbers, splitting at 16 MiB, and the deadline.
//!
//! One buffer serves all packets that fit into it, so thousands of small events cost one system
//! call and no copy. A larger packet is gathered in a second buffer that grows with the bytes
//! that really arrive, never with what a length field promises. This module knows no commands.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// A payload of this length continues in the next packet.
const FULL: usize = 0xff_ffff;
const HEADER: usize = 4;
/// The first byte of a packet that tells an error.
const ERROR: u8 = 0xff;
/// A read into less room than this is not worth a system call: move the rest to the front first.
const WORTHWHILE: usize = 64 * 1024;
/// How far the large buffer may grow ahead of the bytes that have arrived.
const STEP: usize = 64 * 1024 * 1024;
/// How much of a payload is copied behind its header, to be one write with it.
const COPIED: usize = 64 * 1024;
/// A large buffer up to this size is kept for the next large packet.
const KEEP: usize = 32 * 1024 * 1024;

/// Why a packet could not be read or written.
#[derive(Debug)]
pub(super) enum PacketError {
    /// The stream failed.
    Io(io::Error),
    /// The server closed the stream, perhaps in the middle of a packet.
    Closed,
    /// Nothing moved for as long as the deadline allows.
    Silent(Duration),
    /// Packets are missing, repeated or not packets at all.
    OutOfSequence,
    /// A packet is larger than the limit.
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// Bytes of an earlier answer are still there when a command begins.
    Unread,
}

/// A packet that does not fit the input buffer, on its way.
#[derive(Debug, Clone, Copy)]
struct Gathering {
    /// Bytes of the current chunk that are still to come.
    left: usize,
    /// Whether the current chunk is the last one.
    last: bool,
}

/// A stream of packets.
pub(super) struct PacketStream<S> {
    io: S,
    /// Received bytes. Invariant: `start <= input.len() <= capacity`, and it never grows by itself.
    input: Vec<u8>,
    start: usize,
    capacity: usize,
    /// Bytes at `start` that belong to the packet handed out last.
    handed_out: usize,
    large: Vec<u8>,
    gathering: Option<Gathering>,
    sequence: u8,
    limit: usize,
    patience: Duration,
    waiting_since: Option<Instant>,
    output: Vec<u8>,
}

impl<S> PacketStream<S> {
    /// A stream with an input buffer of `capacity` bytes that refuses packets over `limit` bytes
    /// and waits at most `patience` for the next byte.
    pub(super) fn new(io: S, capacity: usize, limit: usize, patience: Duration) -> Self {
        Self {
            io,
            input: Vec::with_capacity(capacity),
            start: 0,
            capacity,
            handed_out: 0,
            large: Vec::new(),
            gathering: None,
            sequence: 0,
            limit,
            patience,
            waiting_since: None,
            output: Vec::new(),
        }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Makes room for `capacity` bytes, at least as many as there are.
    pub(super) fn grow_input(&mut self, capacity: usize) {
        self.input.reserve_exact(capacity.saturating_sub(self.input.len()));
        self.capacity = self.capacity.max(capacity);
    }

    /// Gives the byte stream back, with the number of the next packet, for TLS to take over.
    ///
    /// Fails if bytes have been received that nobody has read: they came before the encryption
    /// and must not be taken for part of what comes after it.
    pub(super) fn into_io(self) -> Result<(S, u8), PacketError> {
        if self.has_unread() {
            return Err(PacketError::Unread);
        }
        Ok((self.io, self.sequence))
    }

    /// Goes on with the numbers of another stream.
    pub(super) fn with_sequence(mut self, sequence: u8) -> Self {
        self.sequence = sequence;
        self
    }

    /// Begins a command: sequence numbers start again.
    pub(super) fn begin(&mut self) -> Result<(), PacketError> {
        if self.has_unread() {
            return Err(PacketError::Unread);
        }
        self.sequence = 0;
        Ok(())
    }

    /// Whether the next packet has already arrived in full, so that `read` returns at once.
    pub(super) fn has_packet(&self) -> bool {
        let next = self.start + self.handed_out;
        match header(self.input.get(next..).unwrap_or(&[])) {
            Some((length, _)) => {
                self.gathering.is_none()
                    && length < FULL
                    && self.input.len() - next >= HEADER + length
            }
            None => false,
        }
    }

    /// The payload that `read` returned last, until the next call.
    pub(super) fn last_payload(&self) -> &[u8] {
        if self.handed_out == 0 {
            return &self.large;
        }
        let end = self.start + self.handed_out;
        self.input.get(self.start + HEADER..end).unwrap_or(&[])
    }

    fn has_unread(&self) -> bool {
        self.gathering.is_some() || self.start + self.handed_out < self.input.len()
    }

    /// Frees the packet that was handed out last.
    fn release(&mut self) {
        self.start += self.handed_out;
        self.handed_out = 0;
        if self.gathering.is_none() {
            self.large.clear();
            if self.large.capacity() > KEEP {
                self.large = Vec::new();
            }
        }
    }

    /// Looks for the next packet among the bytes that have arrived, and hands it out if it is
    /// there as a whole.
    fn find(&mut self) -> Result<bool, PacketError> {
        loop {
            let available = self.input.len() - self.start;
            if let Some(Gathering { left, last }) = self.gathering {
                let take = left.min(available);
                self.reserve_large(take);
                let end = self.start + take;
                self.large.extend_from_slice(self.input.get(self.start..end).unwrap_or(&[]));
                self.start = end;
                self.gathering = Some(Gathering { left: left - take, last });
                if take < left {
                    return Ok(false);
                }
                if last {
                    self.gathering = None;
                    return Ok(true);
                }
            }
            let Some((length, sequence)) = header(self.input.get(self.start..).unwrap_or(&[]))
            else {
                return Ok(false);
            };
            if sequence != self.sequence {
                // A server that ends a connection by itself numbers its farewell 0, and the
                // farewell may cross with a command.
                if sequence != 0 || self.gathering.is_some() || length == 0 {
                    return Err(PacketError::OutOfSequence);
                }
                match self.input.get(self.start + HEADER) {
                    Some(&ERROR) => self.sequence = 0,
                    Some(_) => return Err(PacketError::OutOfSequence),
                    None => return Ok(false),
                }
            }
            if self.large.len() + length > self.limit {
                return Err(PacketError::TooLarge { limit: self.limit });
            }
            let whole = HEADER + length;
            if self.gathering.is_none() && length < FULL && whole <= self.capacity {
                if self.input.len() - self.start < whole {
                    return Ok(false);
                }
                self.sequence = self.sequence.wrapping_add(1);
                self.handed_out = whole;
                return Ok(true);
            }
            self.sequence = self.sequence.wrapping_add(1);
            self.start += HEADER;
            self.gathering = Some(Gathering { left: length, last: length < FULL });
        }
    }

    /// Makes room for `more` bytes in the large buffer: twice what is there, but at most one step
    /// ahead.
    fn reserve_large(&mut self, more: usize) {
        if self.large.capacity() - self.large.len() < more {
            let ahead = self.large.len().clamp(more, STEP.max(more));
            self.large.reserve_exact(ahead);
        }
    }

    /// Moves what is left in the input buffer to its front where the tail has become short.
    fn make_room(&mut self) {
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
        } else if self.capacity - self.input.len() < WORTHWHILE.min(self.capacity) {
            self.input.drain(..self.start);
            self.start = 0;
        }
    }
}

impl<S> fmt::Debug for PacketStream<S> {
    /// Shows no bytes: they may be rows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketStream")
            .field("sequence", &self.sequence)
            .field("buffered", &(self.input.len() - self.start))
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> PacketStream<S> {
    /// The payload of the next packet, joined where it was split; valid until the next call.
    ///
    /// Cancel safe: what has arrived stays, and the wait for the deadline goes on in the next
    /// call.
    pub(super) async fn read(&mut self) -> Result<&[u8], PacketError> {
        self.release();
        while !self.find()? {
            self.fill().await?;
        }
        Ok(self.last_payload())
    }

    /// Waits for at least one more byte.
    async fn fill(&mut self) -> Result<(), PacketError> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let patience = self.patience;
        let count = match tokio::time::timeout_at(since + patience, self.receive()).await {
            Ok(count) => count,
            Err(_) => {
                // The wait may have begun long before this call, with bytes arriving meanwhile
                // that nobody polled for. So let the reactor run and look once more.
                tokio::task::yield_now().await;
                let mut last_look = pin!(self.receive());
                let look = poll_fn(|context| match last_look.as_mut().poll(context) {
                    Poll::Ready(count) => Poll::Ready(Some(count)),
                    Poll::Pending => Poll::Ready(None),
                });
                look.await.ok_or(PacketError::Silent(patience))?
            }
        };
        self.waiting_since = None;
        match count.map_err(PacketError::Io)? {
            0 => Err(PacketError::Closed),
            _ => Ok(()),
        }
    }

    /// Receives once, straight into the large buffer where its packet still needs much.
    async fn receive(&mut self) -> io::Result<usize> {
        if let Some(Gathering { left, last }) = self.gathering
            && left >= WORTHWHILE
        {
            self.reserve_large(left);
            let count = self.io.read_buf(&mut (&mut self.large).limit(left)).await?;
            self.gathering = Some(Gathering { left: left - count, last });
            return Ok(count);
        }
        self.make_room();
        let room = self.capacity - self.input.len();
        self.io.read_buf(&mut (&mut self.input).limit(room)).await
    }
}

impl<S: AsyncWrite + Unpin> PacketStream<S> {
    /// Sends one payload that may be a secret, split where it is 16 MiB or more.
    ///
    /// Not cancel safe: a dropped call may have sent a part.
    pub(super) async fn write(&mut self, payload: &[u8]) -> Result<(), PacketError> {
        let sent = self.write_parts(payload, &[]).await;
        // The buffer lives on, and what it held may have been a password.
        self.output.fill(0);
        sent
    }

    /// Sends one payload of two parts, split where it is 16 MiB or more.
    ///
    /// Not cancel safe: a dropped call may have sent a part.
    pub(super) async fn write_parts(
        &mut self,
        head: &[u8],
        body: &[u8],
    ) -> Result<(), PacketError> {
        let sent = tokio::time::timeout(self.patience, self.send_parts(head, body)).await;
        match sent {
            Ok(sent) => sent.map_err(PacketError::Io),
            Err(_) => Err(PacketError::Silent(self.patience)),
        }
    }

    async fn send_parts(&mut self, mut head: &[u8], mut body: &[u8]) -> io::Result<()> {
        loop {
            let head_now = head.split_off(..head.len().min(FULL)).unwrap_or_default();
            let room = FULL - head_now.len();
            let mut body_now = body.split_off(..body.len().min(room)).unwrap_or_default();
            let length = head_now.len() + body_now.len();
            let [a, b, c, ..] = u32::try_from(length).unwrap_or(0).to_le_bytes();
            self.output.clear();
            self.output.extend_from_slice(&[a, b, c, self.sequence]);
            self.output.extend_from_slice(head_now);
            // The beginning goes with the header, so that a small payload is one write; the rest of
            // a large one is not copied.
            let copied = body_now.split_off(..body_now.len().min(COPIED)).unwrap_or_default();
            self.output.extend_from_slice(copied);
            self.sequence = self.sequence.wrapping_add(1);
            self.io.write_all(&self.output).await?;
            self.io.write_all(body_now).await?;
            // A full chunk is followed by another one, even if that is empty.
            if length < FULL {
                return self.io.flush().await;
            }
        }
    }
}

/// Payload length and sequence number, if a whole header is there.
fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let [a, b, c, sequence] = *bytes.first_chunk::<HEADER>()?;
    let length = usize::try_from(u32::from_le_bytes([a, b, c, 0])).ok()?;
    Some((length, sequence))
}
