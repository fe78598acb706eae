//! The recorded binlogs cell by cell against the servers' own tools: what `mysqlbinlog` and
//! `mariadb-binlog` print of every row is what we read.
//!
//! The corpora are kept beside the project; `OTTER_CORPORA` is their folder. The tools are looked
//! for where the sandbox finds the servers.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use otter_binlog::file::BinlogFile;
use otter_core::{Change, Row, RowsEvent, Value};
use otter_server::sandbox::cache_folder;
use otter_tests::corpora;

const MAX_EVENT: usize = 64 << 20;

/// A column's number, counted from 1, what is printed for it, and its type.
type Printed = (usize, Vec<u8>, String);

/// The tool of one of the servers: the two carry the same name on some systems.
fn tool(variable: &str, name: &str, cache: &str, is_mariadb: bool) -> PathBuf {
    let folders: Vec<PathBuf> = match env::var_os(variable) {
        Some(folder) => vec![folder.into()],
        None => env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .chain([cache_folder().join(cache).join("bin")])
            .collect(),
    };
    let is_right = |path: &PathBuf| {
        let help = Command::new(path).arg("--help").output();
        help.is_ok_and(|help| {
            String::from_utf8_lossy(&help.stdout).contains("MariaDB") == is_mariadb
        })
    };
    let paths = folders.iter().map(|folder| folder.join(name)).filter(|path| path.is_file());
    paths.into_iter().find(is_right).unwrap_or_else(|| panic!("{name} is not on this machine"))
}

/// The images that a tool prints, one behind the other.
fn printed(tool: &Path, file: &Path) -> Vec<Vec<Printed>> {
    let arguments = ["-vv", "--base64-output=decode-rows"];
    let output = Command::new(tool).args(arguments).arg(file).output().unwrap();
    let mut images: Vec<Vec<Printed>> = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Some(line) = line.strip_prefix(b"### ") else { continue };
        if line == b"WHERE" || line == b"SET" {
            images.push(Vec::new());
        } else if let Some(cell) = line.strip_prefix(b"  @") {
            images.last_mut().unwrap().push(cell_of(cell));
        }
    }
    images
}

/// Reads `N=value /* TYPE meta=… nullable=… is_null=… */`.
fn cell_of(line: &[u8]) -> Printed {
    let equals = line.iter().position(|byte| *byte == b'=').unwrap();
    let comment = line.windows(4).rposition(|window| window == b" /* ").unwrap();
    let number = std::str::from_utf8(&line[..equals]).unwrap().parse().unwrap();
    let comment_text = String::from_utf8_lossy(&line[comment + 4..]);
    let column_type = comment_text.split_once(" meta=").unwrap().0;
    (number, line[equals + 1..comment].to_vec(), column_type.to_owned())
}

/// What we read: the columns that are in each image.
fn read(name: &str, bytes: &[u8], mut image: impl FnMut(Vec<(usize, Value<'_>)>)) -> bool {
    let Ok(mut file) = BinlogFile::new(name, bytes, MAX_EVENT) else { return false };
    let mut present = |row: Row<'_>| {
        let cells = row.values().enumerate();
        image(cells.filter_map(|(index, value)| Some((index + 1, value?))).collect());
    };
    loop {
        let event = match file.next_event() {
            Ok(Some(event)) => event,
            Ok(None) => return true,
            Err(_) => return false,
        };
        for change in event.rows.iter().flat_map(RowsEvent::changes) {
            match change {
                Change::Insert { after } => present(after),
                Change::Delete { before } => present(before),
                Change::Update { before, after } => {
                    present(before);
                    present(after);
                }
            }
        }
    }
}

/// A text as the tools print it. MySQL's escapes control characters, quotes and backslashes.
fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut output = b"'".to_vec();
    for byte in bytes {
        match byte {
            0..0x20 | b'\'' | b'\\' => output.extend(format!("\\x{byte:02x}").into_bytes()),
            plain => output.push(*plain),
        }
    }
    output.push(b'\'');
    output
}

fn is_text(theirs: &[u8], bytes: &[u8]) -> bool {
    // Lie: MariaDB's tool leaves quotes in texts as they are.
    theirs == quoted(bytes) || theirs == [b"'", bytes, b"'"].concat()
}

/// How a cell compares.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    Different,
    /// The tool does not print the value.
    Unprinted,
}

/// The tools' known lies are the arms with a comment that begins with "Lie"; everything else is
/// compared to the letter.
fn compare(ours: Value<'_>, theirs: &[u8], column_type: &str) -> Verdict {
    let text = String::from_utf8_lossy(theirs);
    let bits = || {
        let digits = text.strip_prefix("b'").and_then(|text| text.strip_suffix('\''));
        digits.and_then(|digits| u64::from_str_radix(digits, 2).ok())
    };
    let is_same = match ours {
        Value::Null => theirs == b"NULL",
        Value::Int(number) => {
            // Lie: behind a negative number stands what it would be without sign.
            text.split(" (").next() == Some(&number.to_string())
        }
        Value::UInt(number) => {
            // Lie: the sign is not known to them; the number without sign stands in parentheses.
            let unsigned = text.split_once(" (").map_or(&*text, |(_, rest)| rest);
            unsigned.trim_end_matches(')') == number.to_string()
        }
        Value::Decimal(digits) => text == digits,
        Value::Bit(number) | Value::Set(number) => bits() == Some(number),
        Value::Enum(number) => text == number.to_string(),
        Value::Time(time) => text == format!("'{time}'"),
        Value::Timestamp(timestamp) if timestamp.digits == 0 => {
            text == timestamp.seconds.to_string()
        }
        Value::Bytes(bytes) if column_type.starts_with("STRING(") => {
            // Lie: of BINARY they print what is stored, which is without the zeros at the end.
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            is_text(theirs, &bytes[..end])
        }
        Value::Text(bytes) | Value::Bytes(bytes) => is_text(theirs, bytes),
        Value::Json(_) if text.starts_with("JSON_") || text.starts_with('@') => {
            // Lie: of differences they print the functions that make the document, not the
            // document. The selector's live tests compare those with SELECT.
            return Verdict::Unprinted;
        }
        Value::JsonChanges(_) => return Verdict::Unprinted,
        Value::Json(json) => theirs == quoted(json.as_bytes()),
        Value::Vector(bytes) => {
            // Lie: they print six digits of each number.
            let numbers = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
            let printed = text.trim_matches(['[', ']']).split(',');
            let printed: Vec<f32> = printed.map(|number| number.parse().unwrap()).collect();
            numbers.len() == printed.len()
                && numbers.zip(printed).all(|(a, b)| (a - b).abs() <= a.abs() * 1e-5)
        }
        _ => panic!("{column_type}: the recorded binlogs had no such type so far; add it here"),
    };
    if is_same { Verdict::Same } else { Verdict::Different }
}

#[derive(Debug, Default)]
struct Totals {
    files: usize,
    images: usize,
    cells: usize,
    unprinted: usize,
    types: BTreeMap<String, usize>,
}

/// Compares one file, as far as it is whole for us, and tells what differs.
fn compare_file(
    path: &str,
    bytes: &[u8],
    theirs: &[Vec<Printed>],
    totals: &mut Totals,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut images = theirs.iter();
    let mut count = 0;
    let is_whole = read(path, bytes, |ours| {
        count += 1;
        let Some(theirs) = images.next() else { return };
        if ours.len() != theirs.len() {
            wrong.push(format!("{path}: image {count} has {} columns", ours.len()));
            return;
        }
        for ((number, ours), (their_number, theirs, column_type)) in ours.into_iter().zip(theirs) {
            let verdict = compare(ours, theirs, column_type);
            if number != *their_number || verdict == Verdict::Different {
                let theirs = String::from_utf8_lossy(theirs);
                wrong.push(format!("{path}: image {count}, @{number}: {ours:?} is not {theirs}"));
            }
            totals.cells += usize::from(verdict == Verdict::Same);
            totals.unprinted += usize::from(verdict == Verdict::Unprinted);
            *totals.types.entry(column_type.split('(').next().unwrap().to_owned()).or_default() +=
                1;
        }
    });
    if is_whole && count != theirs.len() {
        wrong.push(format!("{path}: {count} images, they have {}", theirs.len()));
    }
    totals.files += usize::from(is_whole);
    totals.images += count;
    wrong
}

#[test]
fn every_cell_is_what_the_servers_tools_print() {
    let folder = corpora::folder();
    let tools = [
        (5, tool("OTTER_MYSQL_BIN", "mysqlbinlog", "mysql", false)),
        (7, tool("OTTER_MARIADB_BIN", "mariadb-binlog", "mariadb", true)),
    ];
    let (mut totals, mut wrong, mut unread) = (Totals::default(), Vec::new(), 0);
    for line in corpora::manifest() {
        let fields: Vec<&str> = line.split('\t').collect();
        let rows = |place: usize| fields[place].parse::<usize>().unwrap();
        // The better of the two: the one that can read the file and finds more rows.
        let able = tools.iter().filter(|(place, _)| fields[place + 1] == "ok");
        let Some((_, tool)) = able.max_by_key(|(place, _)| rows(*place)) else {
            unread += 1;
            continue;
        };
        let path = folder.join(fields[0]);
        let theirs = printed(tool, &path);
        wrong.extend(compare_file(fields[0], &fs::read(&path).unwrap(), &theirs, &mut totals));
    }
    println!("{totals:#?}, {unread} files that neither tool reads");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(totals.files > 110, "only {} files were compared", totals.files);
    assert!(totals.cells > 10_000, "only {} cells were compared", totals.cells);
}
