//! Reads binlog files without a server: for people who look into one, and for tests.
//!
//! No schema is asked: where the rows do not carry their definition, columns are `@1`, `@2` and
//! numbers signed, as the servers' own tools print them. So nothing of this may ever be written to
//! a target. For transactions instead of events, see [`reader`](crate::reader).

mod error;
pub(crate) mod frames;

use std::io::Read;
use std::sync::Arc;

use otter_core::{FilePlace, RowArenaBuilder, RowsEvent};

pub use error::FileError;
use frames::Frames;

use crate::event::compressed::inflate_event;
use crate::event::payload::Payload;
use crate::event::rows::{RowsHead, classify, is_compressed, is_dummy, table_id};
use crate::event::table_map::{TableMap, split_id};
use crate::event::{EventError, EventKind, Format, RawEvent};
use crate::row::RowReader;
use crate::schema::compile;
use crate::schema::compile::Naming;
use crate::selector::tables::{Tables, Use};

/// One event of a file.
#[derive(Debug)]
pub struct FileEvent {
    /// Where it begins; for an event inside a compressed transaction, where that begins.
    pub place: FilePlace,
    /// Its type.
    pub kind: EventKind,
    /// Seconds since 1970.
    pub timestamp: u32,
    /// The server that wrote it first.
    pub server_id: u32,
    /// Its rows, where it has rows.
    pub rows: Option<RowsEvent>,
}

/// A binlog file, read from its beginning.
///
/// ```no_run
/// use otter_binlog::file::BinlogFile;
///
/// let bytes = std::fs::File::open("mysql-bin.000003").expect("the file is there");
/// let mut file = BinlogFile::new("mysql-bin.000003", bytes, 64 << 20).expect("it is a binlog");
/// while let Some(event) = file.next_event().expect("it is whole") {
///     println!("{} {}", event.place, event.kind);
/// }
/// ```
pub struct BinlogFile<R> {
    frames: Frames<R>,
    decoder: Decoder,
}

/// What is known of the events that came before.
struct Decoder {
    max_event: usize,
    format: Format,
    tables: Tables,
    /// A compressed transaction whose events are being read, and where it begins.
    payload: Option<(Payload, FilePlace)>,
}

impl<R> std::fmt::Debug for BinlogFile<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BinlogFile({})", self.frames.place())
    }
}

impl<R: Read> BinlogFile<R> {
    /// Begins to read. `name` is what places carry; no event may be larger than `max_event` bytes.
    ///
    /// # Errors
    /// Where the bytes are no binlog, or an encrypted one.
    pub fn new(name: &str, input: R, max_event: usize) -> Result<Self, FileError> {
        let decoder = Decoder {
            max_event,
            format: Format::default(),
            tables: Tables::default(),
            payload: None,
        };
        Ok(Self { frames: Frames::new(name, input, max_event)?, decoder })
    }

    /// The next event; `None` at the file's end.
    ///
    /// # Errors
    /// [`FileError::Cut`] where the file ends inside an event; what came before is whole. Others
    /// where an event is damaged or cannot be decoded; the next call goes on behind it.
    pub fn next_event(&mut self) -> Result<Option<FileEvent>, FileError> {
        if let Some(event) = self.decoder.next_inner()? {
            return Ok(Some(event));
        }
        let place = self.frames.place();
        let Some(bytes) = self.frames.next()? else { return Ok(None) };
        self.decoder.take(bytes, &place).map(Some)
    }
}

impl Decoder {
    /// The next event inside a compressed transaction; `None` where there is none.
    fn next_inner(&mut self) -> Result<Option<FileEvent>, FileError> {
        let Some((mut payload, place)) = self.payload.take() else { return Ok(None) };
        let kind = EventKind::TRANSACTION_PAYLOAD;
        let fail = |source| FileError::Event { place: place.clone(), kind, source };
        let Some(bytes) = payload.next_event().map_err(fail)? else { return Ok(None) };
        let event = RawEvent::parse_inner(bytes).map_err(fail)?;
        let result = self.decode(&event, &place);
        self.payload = Some((payload, place));
        result.map(Some)
    }

    fn take(&mut self, bytes: &[u8], place: &FilePlace) -> Result<FileEvent, FileError> {
        let kind = EventKind(bytes.get(4).copied().unwrap_or(0));
        let fail = |source| FileError::Event { place: place.clone(), kind, source };
        let event = RawEvent::parse(bytes, &self.format).map_err(fail)?;
        if kind == EventKind::FORMAT_DESCRIPTION {
            self.format = Format::of(&event).map_err(fail)?;
            self.tables.clear();
        }
        if kind == EventKind::TRANSACTION_PAYLOAD {
            let payload = Payload::parse(event.body, self.max_event).map_err(fail)?;
            self.payload = Some((payload, place.clone()));
        }
        self.decode(&event, place)
    }

    fn decode(&mut self, event: &RawEvent<'_>, place: &FilePlace) -> Result<FileEvent, FileError> {
        let kind = event.header.kind;
        let fail = |source| FileError::Event { place: place.clone(), kind, source };
        let mut rows = None;
        if kind == EventKind::TABLE_MAP {
            self.map(event, place)?;
        } else if kind == EventKind::START_ENCRYPTION {
            return Err(FileError::Encrypted);
        } else if classify(kind).is_some() {
            let id = table_id(event, &self.format).map_err(fail)?;
            if !is_dummy(event, id, &self.format).map_err(fail)? {
                rows = Some(self.rows(event, id, place)?);
            }
        }
        let (timestamp, server_id) = (event.header.timestamp, event.header.server_id);
        Ok(FileEvent { place: place.clone(), kind, timestamp, server_id, rows })
    }

    fn map(&mut self, event: &RawEvent<'_>, place: &FilePlace) -> Result<(), FileError> {
        let kind = event.header.kind;
        let fail = |source| FileError::Event { place: place.clone(), kind, source };
        let (id, rest) = split_id(event, &self.format).map_err(fail)?;
        if self.tables.knows(id, rest) {
            return Ok(());
        }
        let map = TableMap::parse(id, rest, self.format.mariadb).map_err(fail)?;
        let plan = compile(&map, None, Naming::Numbered, self.format.mariadb)
            .map_err(|source| FileError::Schema { place: place.clone(), source })?
            .within(self.max_event)
            .taking_changes(true);
        self.tables.insert(id, rest.into(), Use::Wanted(Arc::new(plan)));
        Ok(())
    }

    fn rows(
        &mut self,
        event: &RawEvent<'_>,
        id: u64,
        place: &FilePlace,
    ) -> Result<RowsEvent, FileError> {
        let kind = event.header.kind;
        let fail = |source| FileError::Event { place: place.clone(), kind, source };
        let Some(Use::Wanted(plan)) = self.tables.get(id) else {
            return Err(fail(EventError::Malformed("its table map is missing")));
        };
        let mut head = RowsHead::parse(event, &self.format).map_err(fail)?;
        let mut plain = Vec::new();
        if is_compressed(kind) {
            inflate_event(head.rows, self.max_event, &mut plain).map_err(fail)?;
            head.rows = &plain;
        }
        let mut arena = RowArenaBuilder::new();
        let image = |source| FileError::Image { place: place.clone(), source };
        let mut reader = RowReader::new(plan, &head).map_err(image)?;
        // A row of few bytes may have thousands of columns that are not there.
        let count = reader.read(&mut arena, self.max_event).map_err(image)?;
        if !reader.is_done() {
            return Err(fail(EventError::TooLarge { limit: self.max_event }));
        }
        let rows =
            RowsEvent::new(Arc::clone(&plan.table), head.kind, Arc::new(arena.finish()), 0, count);
        let missing = EventError::Malformed("its rows do not fill the arena");
        Ok(rows.ok_or_else(|| fail(missing))?.with_flags(head.flags))
    }
}

#[cfg(test)]
mod tests;
