//! Text and bytes as literals.

use super::Unwritable;
use crate::mysql::fit::TextForm;
use crate::mysql::names::push_string;

const HEX: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];

/// Appends text in its own character set: quoted where that is exact, else by its bytes.
pub(super) fn push_text(
    text: &mut String,
    bytes: &[u8],
    form: &TextForm,
) -> Result<(), Unwritable> {
    let charset = match form {
        TextForm::Utf8 => {
            match std::str::from_utf8(bytes) {
                Ok(valid) => {
                    push_string(text, valid);
                    return Ok(());
                }
                // The server decides about text that is not what its column says.
                Err(_) => "utf8mb4",
            }
        }
        TextForm::AsciiBased(charset) => {
            if let Some(plain) = plain_ascii(bytes) {
                push_string(text, plain);
                return Ok(());
            }
            charset
        }
        TextForm::Coded(charset) => charset,
    };
    // The name comes from the source and goes into the statement as it is.
    if charset.is_empty() || !charset.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Unwritable("has a character set without a name"));
    }
    text.push('_');
    text.push_str(charset);
    text.push(' ');
    push_bytes(text, bytes);
    Ok(())
}

/// The bytes as text where each stands for the same letter in all ASCII-based character sets.
pub(super) fn plain_ascii(bytes: &[u8]) -> Option<&str> {
    // Some Asian sets have other letters at the backslash and the tilde.
    let is_plain = |byte: &u8| (b' '..=b'}').contains(byte) && *byte != b'\\';
    if bytes.iter().all(is_plain) { std::str::from_utf8(bytes).ok() } else { None }
}

/// Appends bytes as `X'…'`.
pub(super) fn push_bytes(text: &mut String, bytes: &[u8]) {
    text.push_str("X'");
    push_hex(text, bytes);
    text.push('\'');
}

/// Appends two digits for each byte.
pub(super) fn push_hex(text: &mut String, bytes: &[u8]) {
    text.reserve(bytes.len() * 2 + 1);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            text.push(HEX.get(usize::from(nibble)).copied().unwrap_or('0'));
        }
    }
}

/// Appends the labels of a SET as one string. A label never holds a comma.
pub(super) fn push_labels<'a>(text: &mut String, labels: impl Iterator<Item = &'a str>) {
    let start = text.len();
    for label in labels {
        if text.len() == start {
            push_string(text, label);
            continue;
        }
        // Opens the string again: the closing quote becomes the comma.
        text.pop();
        text.push(',');
        let at = text.len();
        push_string(text, label);
        text.remove(at);
    }
    if text.len() == start {
        text.push_str("''");
    }
}
