//! Seeds that no binlog holds: what servers say, places as texts, and promises that nobody should
//! believe.

use std::io;

use super::Seeds;
use super::compressed::stored;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

pub fn write(seeds: &mut Seeds) -> io::Result<()> {
    conversations(seeds)?;
    for text in [
        format!("{UUID}:1-5:7:blue:1-3,4e11fa47-71ca-11e1-9e33-c80aa9429562:18446744073709551615"),
        format!("gtid={UUID}:1-5;file=b%25.000001:4;last=b.000001:4,{UUID}:5,1,2,3"),
        format!("{UUID}:tag:9"),
        "mariadb-gtid=0-1-5,1-2-18446744073709551615;file=b.000001:4".to_owned(),
        "0-1-5,1-2-7".to_owned(),
        "mysql-bin.000003:1234".to_owned(),
    ] {
        seeds.add("gtid", 0, text.as_bytes())?;
    }
    seeds.add("rows", 0, &compressed_column())?;
    // A zstd frame whose header asks for a window of 128 MiB, and of 2 GiB.
    for window in [0x88, 0xa8] {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x01, 0x00, 0x00];
        seeds.add("payload", 1, &[&[2, 1, 0, 0][..], &frame].concat())?;
    }
    seeds.add("payload", 1, &[&[2, 3, 0xfc, 255, 0, 0][..], &[0; 60]].concat())
}

/// A row of a table with one COMPRESSED column of MariaDB: the flags, the names, its type and the
/// width of its length in the map; the flags, the bitmaps and the value in the row.
fn compressed_column() -> Vec<u8> {
    let map = [&b"\x01\0\x01d\0\x01t\0\x01"[..], &[140, 1, 4, 1]].concat();
    let value = [&[0x81, 40][..], &stored(&[7; 40])].concat();
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    let head = [1, 23, length(&map), 0];
    [&head[..], &map, &[1, 0, 1, 1, 0], &[length(&value), 0, 0, 0], &value].concat()
}

/// Conversation, options, then what the server says, packet by packet.
fn conversations(seeds: &mut Seeds) -> io::Result<()> {
    let ok: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
    let end: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];
    let old_end: &[u8] = &[0xfe, 0, 0, 2, 0];
    let error: &[u8] = b"\xff\x15\x04#28000Access denied";
    let name: &[u8] = b"\x03def\0\0\0\x0dVariable_name";
    let value: &[u8] = b"\x03def\0\0\0\x05Value";
    let hello = greeting();
    let rows: &[&[u8]] = &[b"\x02", name, value, b"\x01x\x011", b"\x01y\xfb", end, ok];
    let old_rows: &[&[u8]] = &[b"\x01", name, old_end, b"\x01x", b"\xfc\x02\x00ab", old_end];
    let native: &[u8] = b"\xfemysql_native_password\x0012345678901234567890\0";
    let sha256: &[u8] = b"\xfesha256_password\x0012345678901234567890\0";
    let ed25519: &[u8] = b"\xfeclient_ed25519\x0012345678901234567890123456789012";
    let parsec: &[u8] = b"\xfeparsec\x0012345678901234567890123456789012";
    let clear: &[u8] = b"\xfemysql_clear_password\0";
    for (conversation, options, said) in [
        (0, 0, &[ok, end, error][..]),
        (0, 32, &[&[7; 300], ok]),
        (1, 0, &[&hello, b"\x01\x03", ok]),
        (1, 16, &[&hello, b"\x01\x04", PUBLIC_KEY, ok]),
        (1, 12, &[&hello, b"\x01\x04", ok]),
        (1, 0, &[&hello, native, ok]),
        (1, 16, &[&hello, sha256, PUBLIC_KEY, ok]),
        (1, 0, &[&hello, ed25519, ok]),
        (1, 0, &[&hello, parsec, b"\x01P\x0012345678901234567", ok]),
        (1, 12, &[&hello, clear, ok]),
        (1, 0, &[&hello, error]),
        (1, 0, &[error]),
        (2, 0, rows),
        (2, 2, old_rows),
        (2, 0, &[error]),
        (2, 0, &[ok, ok]),
    ] {
        let mut bytes = vec![conversation, options];
        for packet in said {
            let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(packet);
        }
        seeds.add("packets", conversation, &bytes)?;
    }
    // The same with headers of its own, and one that is split.
    seeds.add("packets", 0, b"\0\x01\x07\0\0\0\0\0\0\x02\0\0\0\x01\0\0\x01\xfe")?;
    seeds.add("packets", 0, &[&[0, 1, 0xff, 0xff, 0xff, 0][..], &[7; 400]].concat())
}

/// A greeting with every capability.
fn greeting() -> Vec<u8> {
    [
        &b"\x0a9.7.4\0\x07\0\0\x0012345678\0\xff\xff\x2d\x02\0\xff\xff\x15"[..],
        &[0; 10],
        b"abcdefghijkl\0caching_sha2_password\0",
    ]
    .concat()
}

const PUBLIC_KEY: &[u8] = include_bytes!("../../crates/otter-mysql/src/auth/tests/public_key.pem");
