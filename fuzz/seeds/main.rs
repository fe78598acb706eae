//! Cuts recorded binlogs and DDL scripts into seeds, one folder per target.
//!
//!     seeds FOLDER [CORPORA]
//!
//! Everything under CORPORA is looked at: what begins as a binlog is one, `.sql` is DDL. The
//! layouts of the seeds are those of `otter_binlog::fuzzing`. Checksums are taken off, since no
//! mutation would get past them.

mod binlog;
mod compressed;
mod json;
mod said;

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use binlog::{Binlog, Event, kind};

/// Larger seeds make every execution slow and teach little.
const LARGEST: usize = 48 << 10;
/// So many seeds of one target and one kind are enough, from one file and from all.
const MOST_OF_A_FILE: usize = 12;
const MOST_OF_A_KIND: usize = 150;

/// Seeds on their way to their folders.
struct Seeds {
    folder: PathBuf,
    counts: BTreeMap<(&'static str, u8), usize>,
    counts_of_file: BTreeMap<(&'static str, u8), usize>,
}

impl Seeds {
    /// Writes a seed under a name made of its bytes. `kind` keeps a frequent kind from drowning
    /// the others.
    fn add(&mut self, target: &'static str, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let count = self.counts.entry((target, kind)).or_default();
        let of_file = self.counts_of_file.entry((target, kind)).or_default();
        if bytes.len() > LARGEST || *count >= MOST_OF_A_KIND || *of_file >= MOST_OF_A_FILE {
            return Ok(());
        }
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("seed-{:016x}", hasher.finish()));
        if !path.exists() {
            *count += 1;
            *of_file += 1;
            fs::write(path, bytes)?;
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(folder) = arguments.next() else {
        return Err(io::Error::other("usage: seeds FOLDER [CORPORA]"));
    };
    let mut seeds = Seeds { folder, counts: BTreeMap::new(), counts_of_file: BTreeMap::new() };
    said::write(&mut seeds)?;
    let mut paths = Vec::new();
    if let Some(corpora) = arguments.next() {
        list(&corpora, &mut paths)?;
    }
    paths.sort();
    for path in paths {
        let bytes = fs::read(&path)?;
        seeds.counts_of_file.clear();
        if path.extension().is_some_and(|extension| extension == "sql") {
            script(&bytes, &mut seeds)?;
        } else if let Some(binlog) = Binlog::parse(&bytes) {
            cut(&binlog, &mut seeds)?;
        }
    }
    Ok(())
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}

/// Statements with a zero between them.
fn script(text: &[u8], seeds: &mut Seeds) -> io::Result<()> {
    let text = String::from_utf8_lossy(text).replace(";\n", "\0");
    seeds.add("ddl", 0, &[b"\0", text.as_bytes()].concat())?;
    for statement in text.split(['\0', '\n']).filter(|statement| !statement.is_empty()) {
        seeds.add("ddl", 1, &[b"\0", statement.as_bytes()].concat())?;
    }
    Ok(())
}

fn cut(binlog: &Binlog<'_>, seeds: &mut Seeds) -> io::Result<()> {
    seeds.add("file", 0, &binlog.without_checksums(LARGEST))?;
    seeds.add("events", 0, &records(&binlog.events))?;
    for events in binlog.events.chunks(40).take(8) {
        let format = binlog.events.iter().take(1);
        let events: Vec<Event<'_>> = format.chain(events).copied().collect();
        seeds.add("events", 1, &records(&events))?;
    }
    let mut maps = BTreeMap::new();
    for event in &binlog.events {
        match event.kind {
            kind::TABLE_MAP => drop(event.split_id().map(|(id, map)| maps.insert(id, map))),
            kind::PAYLOAD => seeds.add("payload", 0, event.body)?,
            kind::GTID
            | kind::ANONYMOUS_GTID
            | kind::GTID_TAGGED
            | kind::MARIADB_GTID
            | kind::PREVIOUS_GTIDS
            | kind::GTID_LIST => seeds.add("gtid", event.kind, event.body)?,
            kind::QUERY => {
                if let Some(statement) = event.statement() {
                    let options = u8::from(binlog.mariadb);
                    seeds.add("ddl", 2 + options, &[&[options], statement].concat())?;
                }
            }
            rows if kind::is_rows(rows) => {
                json::write(event.body, seeds)?;
                let Some((id, rest)) = event.split_id() else { continue };
                let Some(map) = maps.get(&id) else { continue };
                let Ok(length) = u16::try_from(map.len()) else { continue };
                let head = [u8::from(binlog.mariadb), rows];
                let seed = [&head[..], &length.to_le_bytes(), map, rest].concat();
                seeds.add("rows", rows, &seed)?;
                if let Some((kind, rest)) = compressed::rows(rows, rest) {
                    let seed = [&[head[0], kind][..], &length.to_le_bytes(), map, &rest].concat();
                    seeds.add("rows", kind, &seed)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Options, then kind, flags and body of each event; those that are too large are left out.
fn records(events: &[Event<'_>]) -> Vec<u8> {
    let mut bytes = vec![0];
    for event in events {
        let Ok(length) = u16::try_from(event.body.len()) else { continue };
        if bytes.len() + event.body.len() > LARGEST {
            break;
        }
        bytes.extend_from_slice(&[event.kind, event.flags & !0x02]);
        bytes.extend_from_slice(&length.to_le_bytes());
        if event.kind == kind::FORMAT_DESCRIPTION {
            bytes.extend(event.unchecked_body());
        } else {
            bytes.extend_from_slice(event.body);
        }
    }
    bytes
}
