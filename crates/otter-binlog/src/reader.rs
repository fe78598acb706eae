//! Reads binlog files, or a live server, as transactions: for programs that want changes and no
//! target.
//!
//! [`BinlogReader`] reads a file, a folder of files, or what a server's index lists, without a
//! server and without a runtime. Its transactions are put together by the same code as those of a
//! live server. [`LiveReader`] gives a server's transactions one by one, as they come.
//!
//! ```
//! use otter_binlog::reader::{BinlogFiles, BinlogReader, ReadOptions};
//! use otter_core::Start;
//!
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/binlogs");
//! let files = BinlogFiles::find(folder)?;
//! let options = ReadOptions::new(|table| &*table.database == "shop");
//! let mut rows = 0;
//! for transaction in BinlogReader::open(files, &Start::Earliest, options)? {
//!     rows += transaction?.row_count();
//! }
//! assert_eq!(rows, 9);
//! # Ok::<(), otter_binlog::reader::ReadError>(())
//! ```
//!
//! A file tells the names of columns only where the server wrote it with
//! `binlog_row_metadata = FULL`. Else no schema can be asked, and columns are `@1`, `@2`, as the
//! servers' own tools print them ([`has_names`] tells). Such rows are for looking at: **never write
//! them to a target**. Their types are what the binlog tells, which is less than what the table
//! had: numbers are signed and texts of an [unknown](crate::charset::UNKNOWN) character set where
//! it tells nothing of them, and MariaDB's UUID, INET4 and INET6 are bytes.
//!
//! What a live selector refuses is refused here too: statements that were not logged as rows,
//! unknown events, incidents. Nothing is skipped silently.

mod error;
mod files;
mod live;
mod parallel;
mod start;
mod steps;
mod transactions;

use std::fs::File;

use otter_core::{Batch, Budget, FilePlace, Place, Position, SourceTime, Start, Table};

pub use crate::selector::{DatabaseFilter, ReadOptions, TableFilter};
pub use error::ReadError;
pub use files::BinlogFiles;
pub use live::LiveReader;
use parallel::Lanes;
pub use parallel::ParallelOptions;
use start::Beginning;
use steps::{Stepped, Steps, kind_of};
pub use transactions::Transactions;

use crate::event::EventKind;
use crate::file::FileError;
use crate::schema::compile::Naming;
use crate::selector::SelectError;
use crate::selector::assembler::{Assembler, SourceFacts};

/// How many bytes of rows are held at most, unless fragments and batches are larger.
const ROOM: usize = 64 << 20;

/// Binlog files, read as batches of transactions.
///
/// Reading blocks on the disk; inside a runtime, do it where blocking is allowed. Memory holds one
/// batch or fragment, one event, the memory of the last batches to be used again (up to twice
/// `fragment_bytes` each), and the rows of XA transactions that wait for their decision, up
/// to 32 MiB of them: a transaction larger than `fragment_bytes` comes in fragments, each in a batch
/// of its own, and what a caller keeps is the caller's to bound.
///
/// Iterating gives the transactions one by one; [`next_batch`](Self::next_batch) gives them as they
/// were read, with the position behind them.
///
/// ```
/// use otter_binlog::reader::{BinlogFiles, BinlogReader, ReadOptions};
///
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/binlogs");
/// let options = ReadOptions::new(|table| &*table.table == "item");
/// let start = "2026-01-01T00:00:00Z".parse().expect("it is a start");
/// let mut reader = BinlogReader::open(BinlogFiles::find(folder)?, &start, options)?;
/// while let Some(batch) = reader.next_batch()? {
///     for transaction in &batch.transactions {
///         println!("{} {}", transaction.start, transaction.row_count());
///     }
/// }
/// # Ok::<(), otter_binlog::reader::ReadError>(())
/// ```
#[derive(Debug)]
pub struct BinlogReader {
    files: BinlogFiles,
    /// The file that is being read.
    index: usize,
    steps: Steps<File>,
    max_event: usize,
    /// Told after what was read before it.
    error: Option<ReadError>,
    is_done: bool,
    /// The start inside a file, until an event has been found there.
    sought: Option<FilePlace>,
    unfinished: Option<FilePlace>,
    lanes: Option<Lanes>,
}

impl BinlogReader {
    /// Opens files at a start: the earliest transaction, a file and offset at which a transaction
    /// begins, a GTID set whose transactions are passed by, or a time. Files that lie before a GTID
    /// set or a time are not read: the first is found by binary search over their first events.
    /// `Now` is behind everything.
    ///
    /// A time is the one at which the server has committed, as
    /// [`committed_at`](otter_core::Transaction::committed_at) tells; MariaDB writes whole
    /// seconds. From the first transaction of that time or later on, everything is given, earlier
    /// times included, where a statement took long or the server's clock was set back. Files are
    /// chosen as if the clock had never been set back.
    ///
    /// # Errors
    /// Where the files do not hold the start, or the first of them cannot be read.
    pub fn open(
        files: BinlogFiles,
        start: &Start,
        options: ReadOptions,
    ) -> Result<Self, ReadError> {
        let max_event = options.max_event;
        let beginning = start::find(&files, start, max_event)?;
        let Beginning { index, offset, gtids, passing, is_complete } = beginning;
        let file = FilePlace::new(files.name(index), offset);
        let place = Place { gtids, file: Some(file.clone()), last: None };
        let facts =
            SourceFacts { folds_names: false, tracks_gtids: is_complete, naming: Naming::Numbered };
        let budget = budget_for(&options);
        let position = Position::at(None, place);
        let mut assembler = Assembler::new(options, facts, position, None, budget);
        assembler.count_bytes();
        assembler.takes_changes = true;
        assembler.use_memory_again();
        assembler.pass_by(passing);
        let frames = files.open(index, max_event)?;
        let mut reader = Self {
            files,
            index,
            steps: Steps::new(frames, assembler),
            max_event,
            error: None,
            is_done: false,
            sought: None,
            unfinished: None,
            lanes: None,
        };
        reader.skip_to(&file)?;
        Ok(reader)
    }

    /// Reads with several threads from here on: what is given is the same and in the same order,
    /// but batches may end elsewhere, and fragments of large transactions too. Each thread takes
    /// memory, as [`ParallelOptions`] tells.
    ///
    /// Files are cut where GTID events begin transactions, anonymous ones included. So there is
    /// nothing to be cut in files of MySQL before 5.7 that were written without GTIDs. Transactions
    /// that are larger than `fragment_bytes` are read by the caller's thread, XA transactions too,
    /// and so is everything before the first transaction of a time.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use otter_binlog::reader::{BinlogFiles, BinlogReader, ParallelOptions, ReadOptions};
    /// use otter_core::Start;
    ///
    /// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/binlogs");
    /// let options = ReadOptions::new(|_| true);
    /// let reader = BinlogReader::open(BinlogFiles::find(folder)?, &Start::Earliest, options)?;
    /// let two = NonZeroUsize::MIN.saturating_add(1);
    /// for transaction in reader.in_parallel(ParallelOptions::new(two)) {
    ///     println!("{}", transaction?.start);
    /// }
    /// # Ok::<(), otter_binlog::reader::ReadError>(())
    /// ```
    #[must_use]
    pub fn in_parallel(mut self, options: ParallelOptions) -> Self {
        self.lanes = (options.threads.get() > 1).then(|| Lanes::new(options));
        self
    }

    /// The next batch; `None` at the end of the last file. Batches without transactions tell only
    /// how far reading has come. Their permits are empty.
    ///
    /// # Errors
    /// Where an event is damaged, cut off or cannot be understood, with file and offset; what came
    /// before it has been given. Nothing follows but after [`SelectError::Abandoned`], which says
    /// that the server never finished a transaction whose fragments were given: the next call goes
    /// on behind it.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, ReadError> {
        loop {
            if let Some(batch) = self.steps.ready.pop_front() {
                return Ok(Some(batch));
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if self.is_done {
                return Ok(None);
            }
            if let Err(error) = self.advance() {
                self.fail(error);
            }
        }
    }

    /// Where a transaction begins that the last file does not finish, known at its end: the file is
    /// still being written, or its server has stopped in the middle.
    #[must_use]
    pub fn unfinished(&self) -> Option<&FilePlace> {
        self.unfinished.as_ref()
    }

    /// Reads what all events of a file need, and goes on at the place.
    fn skip_to(&mut self, place: &FilePlace) -> Result<(), ReadError> {
        let Steps { frames, assembler, .. } = &mut self.steps;
        assembler.begin_file(&place.file);
        let Some(frames) = frames else { return Ok(()) };
        let fail = |source| self.files.file_error(self.index, source);
        while frames.place().offset < place.offset {
            let Some(bytes) = frames.next().map_err(fail)? else { break };
            let kind = kind_of(bytes);
            if kind == EventKind::START_ENCRYPTION {
                return Err(fail(FileError::Encrypted));
            }
            if !crate::event::head::is_of_head(kind) {
                break;
            }
            assembler.feed(bytes)?;
        }
        if frames.place().offset != place.offset {
            frames.move_to(place.offset).map_err(fail)?;
            self.sought = Some(place.clone());
        }
        assembler.move_to(place);
        Ok(())
    }

    /// Does a step, or takes what threads have found.
    fn advance(&mut self) -> Result<(), ReadError> {
        let (Some(lanes), Some(frames)) = (&mut self.lanes, &mut self.steps.frames) else {
            return self.step();
        };
        let assembler = &mut self.steps.assembler;
        if lanes.are_reading() {
            if let Some(batch) = lanes.next(assembler) {
                self.steps.ready.push_back(batch);
                return Ok(());
            }
            let Some(place) = lanes.end(assembler) else { return Ok(()) };
            assembler.go_on(&place);
            let fail = |source| self.files.file_error(self.index, source);
            return frames.move_to(place.offset).map_err(fail);
        }
        let place = frames.place();
        if self.sought.is_some() || !lanes.are_due(place.offset) || !assembler.may_part() {
            return self.step();
        }
        if assembler.has_finished() {
            return Ok(self.steps.cut()?);
        }
        if let Some(path) = self.files.paths().get(self.index) {
            lanes.begin(path, &place, assembler);
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), ReadError> {
        // What may be used by threads, and what tells of a place, is looked at after each event.
        let stepped = if self.sought.is_some() || self.lanes.is_some() {
            self.steps.step()
        } else {
            self.steps.run(|assembler| assembler.found().is_some())
        };
        let done = match stepped {
            Ok(Stepped::On) => Ok(()),
            Ok(Stepped::ToTheEnd) if self.steps.frames.is_none() => self.finish(),
            Ok(Stepped::ToTheEnd) => self.begin_next_file(),
            Err(error) => Err(error.within(|source| self.files.file_error(self.index, source))),
        };
        match self.sought.take() {
            Some(place) => {
                done.map_err(|source| ReadError::NoEvent { place, source: Box::new(source) })
            }
            None => done,
        }
    }

    fn begin_next_file(&mut self) -> Result<(), ReadError> {
        self.steps.frames = None;
        let ended = self.steps.assembler.end_file();
        let frames = self.files.open(self.index + 1, self.max_event)?;
        if frames.is_some() {
            self.index += 1;
            self.steps.frames = frames;
            self.steps.assembler.begin_file(&self.files.name(self.index));
            self.lanes.iter_mut().for_each(Lanes::begin_file);
        }
        self.unfinished = ended?;
        Ok(())
    }

    /// Behind the last file.
    fn finish(&mut self) -> Result<(), ReadError> {
        self.is_done = true;
        if self.steps.assembler.has_moved() { Ok(self.steps.cut()?) } else { Ok(()) }
    }

    /// Keeps the error until what was read before it has been given.
    fn fail(&mut self, error: ReadError) {
        let goes_on = matches!(error, ReadError::Content(SelectError::Abandoned { .. }));
        self.error = Some(error);
        self.is_done |= !goes_on;
        if self.steps.assembler.has_finished() {
            // What cannot be cut is not given; the error that is told already ends the reading.
            let _ = self.steps.cut();
        }
    }
}

/// Nobody holds room but the reader, and each batch gives it back when it is handed out. Rows of
/// undecided XA transactions wait in it.
fn budget_for(options: &ReadOptions) -> Budget {
    let least = options.fragment_bytes.saturating_add(options.batch_bytes).saturating_mul(2);
    Budget::new(least.max(ROOM))
}

impl BinlogFiles {
    /// The place before the first transaction that was committed at this time or later, by the
    /// server's clock; the end of the files where there is none. Blocking: a binary search over the
    /// files' first events, then one file is read.
    ///
    /// # Errors
    /// As [`BinlogReader::open`] and [`BinlogReader::next_batch`].
    pub fn locate(&self, time: SourceTime) -> Result<Position, ReadError> {
        let options = ReadOptions::new(|_| false);
        let mut reader = BinlogReader::open(self.clone(), &Start::Since(time), options)?;
        while !reader.is_done && reader.steps.assembler.found().is_none() {
            reader.step()?;
            reader.steps.ready.clear();
        }
        let assembler = &reader.steps.assembler;
        Ok(assembler.found().unwrap_or(assembler.position()).clone())
    }
}

/// Whether a table's columns have their names; else they are `@1`, `@2` and so on, because the
/// binlog does not tell them (`SET GLOBAL binlog_row_metadata = FULL` on the server makes those
/// written from then on tell them).
#[must_use]
pub fn has_names(table: &Table) -> bool {
    let is_number = |(index, name): (usize, &str)| name == format!("@{}", index + 1);
    !table.columns.iter().map(|column| &*column.name).enumerate().all(is_number)
}

#[cfg(test)]
mod tests;
