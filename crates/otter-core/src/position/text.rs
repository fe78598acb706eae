//! Places as text: what a checkpoint stores and what an operator writes.
//!
//! Stored: `gtid=SET;file=NAME:OFFSET;last=NAME:OFFSET,GTID,TIME,SERVER,CHECKSUM`, each part only
//! where it is known. `%`, `;`, `,` and white space in file names are percent-encoded. An operator
//! may write a bare GTID set or `NAME:OFFSET` as well.

use std::fmt;
use std::str::FromStr;

use super::gtid::GtidSet;
use super::{FilePlace, Fingerprint, Place};

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePositionError {
    /// Not a GTID or GTID set.
    #[error("{0:?} is no GTID set: write UUID:1-5 (MySQL) or DOMAIN-SERVER-NUMBER (MariaDB)")]
    Gtid(String),
    /// Not a file and offset.
    #[error("{0:?} is no binlog file and offset: write mysql-bin.000003:1234")]
    File(String),
    /// Not a point in time.
    #[error("{0:?} is no point in time: write 2026-11-21T07:00:00Z")]
    Time(String),
    /// A part of a stored position that this version does not know.
    #[error("{0:?} is no part of a position")]
    Part(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(gtids) = &self.gtids {
            let kind = match gtids {
                GtidSet::MySql(_) => "gtid",
                GtidSet::MariaDb(_) => "mariadb-gtid",
            };
            write!(f, "{kind}={gtids}")?;
            separator = ";";
        }
        if let Some(file) = &self.file {
            write!(f, "{separator}file={}", Escaped(file))?;
            separator = ";";
        }
        if let Some(last) = &self.last {
            write!(f, "{separator}last={},", Escaped(&last.start))?;
            if let Some(gtid) = &last.gtid {
                write!(f, "{gtid}")?;
            }
            write!(f, ",{},{},{}", last.timestamp, last.server_id, last.checksum)?;
        }
        Ok(())
    }
}

impl FromStr for Place {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if !text.contains('=') {
            return parse_bare(text);
        }
        let mut place = Self::default();
        for part in text.split(';') {
            match part.split_once('=') {
                Some(("gtid", set)) => place.gtids = Some(GtidSet::parse_mysql(set)?),
                Some(("mariadb-gtid", set)) => place.gtids = Some(GtidSet::parse_mariadb(set)?),
                Some(("file", file)) => place.file = Some(parse_file(file)?),
                Some(("last", last)) => place.last = Some(parse_last(last)?),
                _ => return Err(ParsePositionError::Part(part.to_owned())),
            }
        }
        Ok(place)
    }
}

fn parse_bare(text: &str) -> Result<Place, ParsePositionError> {
    if text.is_empty() {
        return Ok(Place::default());
    }
    if let Ok(gtids) = text.parse::<GtidSet>() {
        return Ok(Place::from_gtids(gtids));
    }
    // A file's name holds a point before its number; a GTID set never holds one.
    if text.contains('.') {
        return parse_file(text).map(Place::from_file);
    }
    Err(ParsePositionError::Gtid(text.to_owned()))
}

fn parse_file(text: &str) -> Result<FilePlace, ParsePositionError> {
    let invalid = || ParsePositionError::File(text.to_owned());
    let (file, offset) = text.rsplit_once(':').ok_or_else(invalid)?;
    let file = unescape(file).ok_or_else(invalid)?;
    if file.is_empty() || file.contains('/') {
        return Err(invalid());
    }
    let offset = offset.parse().map_err(|_| invalid())?;
    Ok(FilePlace::new(file, offset))
}

fn parse_last(text: &str) -> Result<Fingerprint, ParsePositionError> {
    let invalid = || ParsePositionError::Part(text.to_owned());
    let parts: Vec<&str> = text.split(',').collect();
    let [start, gtid, timestamp, server_id, checksum] = parts.as_slice() else {
        return Err(invalid());
    };
    Ok(Fingerprint {
        start: parse_file(start)?,
        gtid: if gtid.is_empty() { None } else { Some(gtid.parse()?) },
        timestamp: timestamp.parse().map_err(|_| invalid())?,
        server_id: server_id.parse().map_err(|_| invalid())?,
        checksum: checksum.parse().map_err(|_| invalid())?,
    })
}

struct Escaped<'a>(&'a FilePlace);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.file.chars() {
            if matches!(letter, '%' | ';' | ',' | '=') || letter.is_ascii_whitespace() {
                write!(f, "%{:02x}", u32::from(letter))?;
            } else {
                write!(f, "{letter}")?;
            }
        }
        write!(f, ":{}", self.0.offset)
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let code = u8::from_str_radix(after.get(..2)?, 16).ok()?;
        plain.push(char::from(code));
        rest = after.get(2..)?;
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::position::Gtid;

    #[test]
    fn operators_may_write_a_set_or_a_file_and_offset() {
        let place: Place = "0-1-100".parse().unwrap();
        assert_eq!(place.gtids.unwrap().to_string(), "0-1-100");
        let place: Place = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5".parse().unwrap();
        assert!(place.gtids.is_some());
        let place: Place = "mysql-bin.000003:1234".parse().unwrap();
        assert_eq!(place.file, Some(FilePlace::new("mysql-bin.000003", 1234)));
        for text in [
            "soon",
            "mysql-bin.000003",
            "/var/b.000003:4",
            "file=b%2F5.000001:4",
            "gtid=x",
            "colour=red",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_stored_place_comes_back_as_it_was(
            file in "[a-z%;,= -]{1,12}\\.[0-9]{6}", offset: u64, with_gtid: bool, timestamp: u32,
            server_id: u32, checksum: u32, domain: u32, number: u64,
        ) {
            let gtid = with_gtid.then_some(Gtid::MariaDb { domain, server: server_id, number });
            let place = Place {
                gtids: gtid.as_ref().map(GtidSet::single),
                file: Some(FilePlace::new(file.clone(), offset)),
                last: Some(Fingerprint {
                    start: FilePlace::new(file, offset / 2), gtid, timestamp, server_id, checksum,
                }),
            };
            prop_assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        }
    }
}
