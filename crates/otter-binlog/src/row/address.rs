//! MariaDB's UUID and INET types as text. They are logged as BINARY in the order of their text,
//! without trailing zero bytes.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::codec::ValueError;

/// Which of MariaDB's types with a fixed number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    Uuid,
    Inet6,
    Inet4,
}

impl Address {
    /// The type of `information_schema`'s name for it.
    pub(crate) fn of(data_type: &str) -> Option<Self> {
        Some(match data_type {
            "uuid" => Self::Uuid,
            "inet6" => Self::Inet6,
            "inet4" => Self::Inet4,
            _ => return None,
        })
    }

    pub(crate) fn width(self) -> u16 {
        match self {
            Self::Uuid | Self::Inet6 => 16,
            Self::Inet4 => 4,
        }
    }

    /// The longest text.
    pub(crate) fn text_width(self) -> u32 {
        match self {
            Self::Uuid => 36,
            Self::Inet6 => 39,
            Self::Inet4 => 15,
        }
    }

    /// Appends the value's text.
    pub(crate) fn write(self, bytes: &[u8], output: &mut Vec<u8>) -> Result<(), ValueError> {
        match self {
            Self::Uuid => {
                let uuid: [u8; 16] = padded(bytes)?;
                for (index, byte) in uuid.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        output.push(b'-');
                    }
                    let _ = write!(output, "{byte:02x}");
                }
            }
            Self::Inet6 => drop(write!(output, "{}", Ipv6Addr::from(padded::<16>(bytes)?))),
            Self::Inet4 => drop(write!(output, "{}", Ipv4Addr::from(padded::<4>(bytes)?))),
        }
        Ok(())
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> Result<[u8; N], ValueError> {
    let mut whole = [0; N];
    whole.get_mut(..bytes.len()).ok_or(ValueError::Short)?.copy_from_slice(bytes);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(address: Address, bytes: &[u8]) -> Result<String, ValueError> {
        let mut output = Vec::new();
        address.write(bytes, &mut output)?;
        Ok(String::from_utf8(output).unwrap())
    }

    #[test]
    fn trailing_zeros_that_were_cut_are_there_again() {
        let uuid =
            [0x55, 0x0e, 0x84, 0, 0xe2, 0x9b, 0x41, 0xd4, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44];
        assert_eq!(text(Address::Uuid, &uuid).unwrap(), "550e8400-e29b-41d4-a716-446655440000");
        assert_eq!(text(Address::Uuid, &[]).unwrap(), "00000000-0000-0000-0000-000000000000");
        assert_eq!(text(Address::Inet6, &[0xfe, 0x80]).unwrap(), "fe80::");
        assert_eq!(text(Address::Inet4, &[10, 0, 0, 1]).unwrap(), "10.0.0.1");
        assert_eq!(text(Address::Inet4, &[10]).unwrap(), "10.0.0.0");
        assert!(text(Address::Inet4, &[1; 5]).is_err());
    }
}
