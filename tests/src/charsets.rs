//! What servers make of the codes of character sets: the one truth about their tables.

use std::collections::BTreeMap;

use otter_server::sandbox::Server;

use crate::query;

/// The character sets whose codes can all be asked for: one byte, a high byte and another one, or
/// the three bytes of `ujis` and `eucjpms`.
pub const CHARSETS: [&str; 32] = [
    "armscii8", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932",
    "dec8", "eucjpms", "euckr", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2",
    "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7",
    "tis620", "ujis",
];

/// The character set of MySQL alone whose codes have up to four bytes.
pub const GB18030: &str = "gb18030";

/// Returns every code of a character set that stands for one letter.
///
/// # Panics
/// Where the server refuses the query, or answers with something else than letters.
pub async fn letters(server: &Server, charset: &str) -> BTreeMap<Vec<u8>, char> {
    let query = format!(
        "SELECT HEX(code), HEX(CONVERT(CONVERT(code USING {charset}) USING utf32)) FROM ({}) codes \
         WHERE CHAR_LENGTH(CONVERT(code USING {charset})) = 1",
        codes(charset)
    );
    let rows = query::texts(server, &query).await;
    let letter = |row: Vec<String>| {
        let [code, letter] = <[String; 2]>::try_from(row).expect("two columns");
        // NULL where a code stands for nothing, nothing where the server has lost it.
        let letter = char::from_u32(u32::from_str_radix(&letter, 16).ok()?)?;
        let code = bytes(&code);
        // Others say ? for it.
        (letter != '?' || code == b"?").then_some((code, letter))
    };
    rows.into_iter().filter_map(letter).collect()
}

/// The bytes of digits as the server prints them.
fn bytes(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8; 2]| {
        let pair = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    };
    digits.as_bytes().as_chunks::<2>().0.iter().map(byte).collect()
}

/// A query for the codes that may have a letter.
fn codes(charset: &str) -> String {
    let digits: Vec<String> = (0..16).map(|digit| format!("SELECT {digit} AS n")).collect();
    let digits = digits.join(" UNION ALL ");
    let byte = format!(
        "(SELECT UNHEX(LPAD(HEX(a.n * 16 + b.n), 2, '0')) AS c FROM ({digits}) a, ({digits}) b)"
    );
    let mut query = format!("SELECT c AS code FROM {byte} one");
    let pair = format!("FROM {byte} x, {byte} y WHERE x.c >= X'80'");
    if matches!(
        charset,
        "big5" | "cp932" | "eucjpms" | "euckr" | "gb18030" | "gb2312" | "gbk" | "sjis" | "ujis"
    ) {
        query += &format!(" UNION ALL SELECT CONCAT(x.c, y.c) {pair}");
    }
    if matches!(charset, "eucjpms" | "ujis") {
        query += &format!(" UNION ALL SELECT CONCAT(X'8F', x.c, y.c) {pair}");
    }
    if charset == GB18030 {
        // The codes of the basic plane; those of the others are counted.
        let digit = |name| format!("{byte} {name}");
        query += &format!(
            " UNION ALL SELECT CONCAT(w.c, x.c, y.c, z.c) FROM {}, {}, {}, {} \
             WHERE w.c BETWEEN X'81' AND X'84' AND x.c BETWEEN X'30' AND X'39' \
             AND y.c BETWEEN X'81' AND X'FE' AND z.c BETWEEN X'30' AND X'39'",
            digit("w"),
            digit("x"),
            digit("y"),
            digit("z"),
        );
    }
    query
}
