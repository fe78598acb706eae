//! Writes the tables of `otter_binlog::charset` anew: `cargo run -p otter-tests --bin
//! charset-tables`. MySQL tells the letters; `tests/tests/charsets.rs` asks MariaDB too.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool for developers"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use otter_tests::charsets::{CHARSETS, GB18030, letters};
use otter_tests::testbed;

#[tokio::main]
async fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = folder.join("../crates/otter-binlog/src/schema/charset/tables");
    let server = testbed::mysql().start().await;
    // latin1 has its table in the code.
    let tables = CHARSETS.into_iter().filter(|charset| *charset != "latin1");
    for charset in tables.chain([GB18030]) {
        let letters = letters(&server, charset).await;
        let path = folder.join(format!("{charset}.txt"));
        fs::write(&path, table(&letters)).expect("the table can be written");
        println!("{}: {} letters", path.display(), letters.len());
    }
}

/// One line per run of neighbouring codes with the same first bytes, shorter codes first.
fn table(letters: &BTreeMap<Vec<u8>, char>) -> String {
    let mut codes: Vec<(&[u8], char)> =
        letters.iter().map(|(code, letter)| (&code[..], *letter)).collect();
    codes.retain(|(code, letter)| !letter.is_ascii() || *code != [u8::try_from(*letter).unwrap()]);
    codes.sort_by_key(|(code, _)| (code.len(), *code));
    let mut table = String::new();
    let mut next: Option<Vec<u8>> = None;
    for (code, letter) in codes {
        if next.as_deref() != Some(code) {
            let hex: String = code.iter().map(|byte| format!("{byte:02X}")).collect();
            let separator = if table.is_empty() { "" } else { "\n" };
            write!(table, "{separator}{hex} ").expect("a string takes everything");
        }
        table.push(letter);
        next = successor(code);
    }
    table + "\n"
}

/// The code with the next last byte.
fn successor(code: &[u8]) -> Option<Vec<u8>> {
    let (last, first) = code.split_last()?;
    let mut code = first.to_vec();
    code.push(last.checked_add(1)?);
    Some(code)
}
