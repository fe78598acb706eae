//! Row events as `BINLOG` statements.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use otter_server::sandbox::Server;

use crate::query;

/// The events of the log before the one that is written now: a statement with the format of
/// events, then one with the row events of each transaction.
///
/// # Panics
/// Where the log cannot be read.
pub async fn last_but_one(server: &Server) -> Vec<String> {
    let names = query::texts(server, "SHOW BINARY LOGS").await;
    let name = &names[names.len() - 2][0];
    let file = std::fs::read(server.data_dir().join(name)).expect("the log is there");
    let mut texts = Vec::new();
    let mut lines = String::new();
    let mut rest = &file[4..];
    while let [_, _, _, _, kind, _, _, _, _, a, b, c, d, ..] = *rest {
        let length = u32::from_le_bytes([a, b, c, d]).try_into().expect("it fits");
        let (event, behind) = rest.split_at(length);
        rest = behind;
        match kind {
            // The format of events, without the flag of a log that is open: its checksum has none.
            15 => {
                let mut event = event.to_vec();
                event[17] &= !1;
                texts.push(format!("BINLOG '{}'", STANDARD.encode(&event)));
            }
            // Table maps and rows, of MariaDB and of MySQL.
            19 | 23..=25 | 30..=32 => {
                lines.push_str(&STANDARD.encode(event));
                lines.push('\n');
            }
            // The end of a transaction.
            16 => texts.push(format!("BINLOG '{}'", std::mem::take(&mut lines))),
            _ => {}
        }
    }
    texts
}
