//! Binlogs that nobody on this project wrote, from MySQL 5.1 to 9 and MariaDB 4.1 to 10: every
//! one is decoded without a panic, and the rows are as many as the servers' own tools find.
//!
//! The corpora are kept beside the project; `OTTER_CORPORA` is their folder.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;

use otter_binlog::file::{BinlogFile, FileError};
use otter_tests::corpora::{assert_listed, folder, manifest as manifest_lines};

const MAX_EVENT: usize = 64 << 20;

/// One line of the manifest.
struct Listed {
    path: String,
    events: usize,
    /// What the better of the two tools finds; `None` where neither can read the file.
    rows: Option<usize>,
    is_defective: bool,
}

fn manifest() -> Vec<Listed> {
    let listed = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |place: usize| fields[place].parse::<usize>().unwrap();
        let rows = [(5, 6), (7, 8)].into_iter().filter(|(_, status)| fields[*status] == "ok");
        Listed {
            path: fields[0].to_owned(),
            events: number(3),
            rows: rows.map(|(rows, _)| number(rows)).max(),
            is_defective: !fields[9].trim().is_empty(),
        }
    };
    manifest_lines().iter().map(|line| listed(line)).collect()
}

/// What was found in a file.
#[derive(Debug, Default)]
struct Found {
    events: usize,
    rows: usize,
    /// Before the first error.
    rows_before: Option<usize>,
    errors: Vec<String>,
}

fn read(name: &str, bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut file = match BinlogFile::new(name, bytes, MAX_EVENT) {
        Ok(file) => file,
        Err(error) => {
            return Found { errors: vec![error.to_string()], rows_before: Some(0), ..found };
        }
    };
    loop {
        let event = file.next_event();
        if event.is_err() {
            found.rows_before.get_or_insert(found.rows);
        }
        match event {
            Ok(Some(event)) => {
                found.events += 1;
                found.rows += event.rows.map_or(0, |rows| rows.row_count());
            }
            Ok(None) => return found,
            Err(error @ (FileError::Cut { .. } | FileError::TooLarge { .. })) => {
                found.errors.push(error.to_string());
                return found;
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                found.errors.push(format!("{error}: {}", cause.unwrap_or_default()));
            }
        }
    }
}

/// Files of which not all is read: how many rows, and the first words about the rest. `-` stands
/// for files with a defect that is none to a reader of events. Nothing is guessed.
const BROKEN: &str = include_str!("corpora_files/broken.tsv");

/// What is said of a whole file; everything else names the place.
const WHOLE_FILE: [&str; 3] = ["is encrypted", "binlog version before 4", "is no binlog"];

#[test]
fn every_file_gives_the_rows_that_the_servers_tools_find_or_says_where_it_is_broken() {
    let (mut wrong, mut broken) = (Vec::new(), BTreeMap::new());
    let (mut whole, mut rows) = (0, 0);
    for listed in manifest() {
        let bytes = fs::read(folder().join(&listed.path)).unwrap();
        let found = read(&listed.path, &bytes);
        let error = found.errors.first();
        if let Some(error) = error {
            let is_placed = error.contains(&format!("{}:", listed.path));
            if !is_placed && !WHOLE_FILE.iter().any(|words| error.contains(words)) {
                wrong.push(format!("{}: no place in {error}", listed.path));
            }
        }
        if error.is_some() || listed.is_defective {
            let error = error.map_or("-", |error| error);
            let error = error.replace(&listed.path, "FILE");
            let error: String = error.chars().take(90).collect::<String>().trim_end().to_owned();
            let rows = found.rows_before.unwrap_or(found.rows);
            broken.insert(listed.path, format!("{rows}\t{error}"));
            continue;
        }
        whole += 1;
        rows += found.rows;
        if listed.rows.is_some_and(|rows| rows != found.rows) {
            let (path, rows) = (&listed.path, listed.rows);
            wrong.push(format!("{path}: {rows:?} of {} expected, {found:?}", listed.events));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_listed(BROKEN, &broken);
    println!("{whole} files are whole and give {rows} rows");
    assert!(whole > 110, "only {whole} files were read");
}

/// A small generator of damage, the same on every run.
struct Damage(u64);

impl Damage {
    fn below(&mut self, bound: usize) -> usize {
        // Knuth's MMIX constants.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[test]
fn no_damage_makes_the_reader_panic() {
    const MOST_BYTES: usize = 64 * 1024;
    const TIMES: usize = 60;
    let mut damage = Damage(20_070_805);
    for listed in manifest() {
        let whole = fs::read(folder().join(&listed.path)).unwrap();
        if whole.len() < 8 {
            continue;
        }
        for round in 0..TIMES {
            let mut bytes = whole[..whole.len().min(MOST_BYTES)].to_vec();
            match round % 3 {
                0 => bytes.truncate(4 + damage.below(bytes.len() - 4)),
                1 => {
                    let at = 4 + damage.below(bytes.len() - 4);
                    bytes[at] ^= 1 << damage.below(8);
                }
                _ => {
                    for _ in 0..8 {
                        let at = 4 + damage.below(bytes.len() - 4);
                        bytes[at] = u8::try_from(damage.below(256)).unwrap();
                    }
                }
            }
            // Without checksums the damage reaches the readers behind them.
            if round % 2 == 0 {
                disable_checksums(&mut bytes);
            }
            read(&listed.path, &bytes);
        }
    }
}

/// Declares in the format description that there are none.
fn disable_checksums(bytes: &mut [u8]) {
    let Some(size) = bytes.get(13..17).and_then(|size| size.first_chunk::<4>()) else { return };
    let end = 4 + usize::try_from(u32::from_le_bytes(*size)).unwrap();
    if let Some(algorithm) = end.checked_sub(5).and_then(|at| bytes.get_mut(at)) {
        *algorithm = 0;
    }
}
