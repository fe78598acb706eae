//! Text of columns in UTF-8: for programs that show values or hand them to something else.
//!
//! A pipeline needs none of this: it carries text in the column's own character set.

use std::borrow::Cow;

/// The name that stands for a character set where neither the binlog nor a schema tells one, so
/// that a column may be of text or of bytes: in files of MySQL before 8.0, and of MariaDB with
/// `binlog_row_metadata = NO_LOG`. BINARY then lacks the zeros that pad it.
pub const UNKNOWN: &str = crate::schema::charset::UNKNOWN;

/// The text in UTF-8; of an [unknown](UNKNOWN) character set what is UTF-8. `charset` is the server's name as in
/// [`ColumnType::Text`](otter_core::ColumnType::Text).
///
/// `None` where the bytes are no text of that character set: nothing is guessed. Each code becomes
/// what the servers themselves make of it.
///
/// ```
/// use otter_binlog::charset::to_utf8;
///
/// assert_eq!(to_utf8("latin1", b"caf\xe9 \x80").as_deref(), Some("café €"));
/// assert_eq!(to_utf8("gbk", b"\xd6\xd0").as_deref(), Some("中"));
/// assert_eq!(to_utf8("utf8mb4", b"\xff"), None);
/// ```
#[must_use]
pub fn to_utf8<'t>(charset: &str, text: &'t [u8]) -> Option<Cow<'t, str>> {
    match charset {
        "utf8mb4" | "utf8mb3" | "utf8" | "ascii" | UNKNOWN => {
            std::str::from_utf8(text).ok().map(Cow::Borrowed)
        }
        _ => crate::schema::charset::to_utf8(charset, text).map(Cow::Owned),
    }
}
