//! MariaDB's compressed row events, made of plain ones: zlib that stores the bytes as they are.

/// The kind and the body, behind the table's id, of the compressed row event that says the same.
pub fn rows(kind: u8, body: &[u8]) -> Option<(u8, Vec<u8>)> {
    /// From the first version's kinds to those of its compressed events.
    const APART: u8 = 166 - 23;
    const UPDATE: u8 = 24;
    if !(23..=25).contains(&kind) {
        return None;
    }
    let width = usize::from(*body.get(2).filter(|width| **width < 251)?);
    let bitmaps = if kind == UPDATE { 2 } else { 1 };
    let (head, rows) = body.split_at_checked(3 + bitmaps * width.div_ceil(8))?;
    let length = u32::try_from(rows.len()).ok()?.to_be_bytes();
    Some((kind + APART, [head, &[0x84], &length, &stored(rows)].concat()))
}

/// A zlib stream of stored blocks.
pub fn stored(plain: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x01];
    let mut blocks = plain.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        bytes.push(u8::from(blocks.peek().is_none()));
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&(!length).to_le_bytes());
        bytes.extend_from_slice(block);
    }
    // Adler-32.
    let (a, b) = plain.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    bytes.extend_from_slice(&(b << 16 | a).to_be_bytes());
    bytes
}
