//! What the files of a side hold: the record of the last grant, and a holder's expiry.
//!
//! The record is durable, since a term must never be granted twice. The expiry is not: it counts
//! from the machine's boot, so that it means nothing after a crash of the machine.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use otter_core::{Holder, Side, Term};

use super::error::LocalArbiterError;
use crate::machine::BootTime;

const HEADER: &str = "otter lease 1";

/// The last grant of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaseRecord {
    pub(super) side: String,
    pub(super) term: Term,
    pub(super) holder: String,
    pub(super) boot: String,
}

impl LeaseRecord {
    /// Reads the record; `None` where the side was never granted.
    pub(super) fn read(path: &Path, side: &Side) -> Result<Option<Self>, LocalArbiterError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LocalArbiterError::io(path, error)),
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| LocalArbiterError::corrupt(path, "it is not text"))?;
        let record = Self::parse(&text).map_err(|what| LocalArbiterError::corrupt(path, what))?;
        if record.side != one_line(&side.to_string()) {
            return Err(LocalArbiterError::corrupt(path, "it is another side's"));
        }
        Ok(Some(record))
    }

    /// The record of a grant that follows `last`; `None` where terms are used up.
    pub(super) fn next(last: Option<&Self>, side: &Side, holder: &str, boot: &str) -> Option<Self> {
        let last_term = last.map_or(0, |last| last.term.0);
        Some(Self {
            side: one_line(&side.to_string()),
            term: Term(last_term.checked_add(1)?),
            holder: one_line(holder),
            boot: one_line(boot),
        })
    }

    pub(super) fn to_text(&self) -> String {
        let Self { side, term, holder, boot } = self;
        let body = format!("{HEADER}\nside {side}\nterm {term}\nholder {holder}\nboot {boot}\n");
        format!("{body}check {:016x}\n", check_of(body.as_bytes()))
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let at = text.rfind("check ").ok_or("it is cut off")?;
        let (body, check) = text.split_at(at);
        if check != format!("check {:016x}\n", check_of(body.as_bytes())) {
            return Err("its checksum does not match");
        }
        let lines: Vec<&str> = body.lines().collect();
        let [HEADER, side, term, holder, boot] = lines.as_slice() else {
            return Err("it is of an unknown version");
        };
        let field = |line: &str, name: &str| Some(line.strip_prefix(name)?.to_owned());
        let record = || {
            Some(Self {
                side: field(side, "side ")?,
                term: Term(field(term, "term ")?.parse().ok()?),
                holder: field(holder, "holder ")?,
                boot: field(boot, "boot ")?,
            })
        };
        record().ok_or("a line is not as expected")
    }

    /// The holder for people.
    pub(super) fn to_holder(&self) -> Holder {
        Holder { name: self.holder.clone(), term: self.term }
    }
}

/// Sixteen digits of the time, a space, sixteen of the check, a line end.
const EXPIRY_LENGTH: usize = 34;

/// Writes when a holder's lease ends, in place, so that a full disk does not matter.
pub(super) fn write_expiry(file: &File, expires: BootTime) -> io::Result<()> {
    let time = format!("{:016x}", expires.0);
    let check = check_of(time.as_bytes());
    file.write_all_at(format!("{time} {check:016x}\n").as_bytes(), 0)
}

/// Reads when a holder's lease ends; `None` while it is being written.
pub(super) fn read_expiry(file: &File) -> io::Result<Option<BootTime>> {
    let mut bytes = [0; EXPIRY_LENGTH];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(parse_expiry(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse_expiry(bytes: &[u8]) -> Option<BootTime> {
    let (time, check) = std::str::from_utf8(bytes).ok()?.trim_end().split_once(' ')?;
    if u64::from_str_radix(check, 16).ok()? != check_of(time.as_bytes()) {
        return None;
    }
    u64::from_str_radix(time, 16).ok().map(BootTime)
}

/// FNV-1a: tells a damaged or half-written text; nobody forges these files.
fn check_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |check, byte| {
        (check ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Names are free text; a line end in one must not end the line.
fn one_line(text: &str) -> String {
    text.escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use otter_core::PipelineId;

    use super::*;

    fn record() -> LeaseRecord {
        let side = Side::target(PipelineId::new("täglich\nshop"));
        LeaseRecord::next(None, &side, "host a, process 1", "b-1").unwrap()
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        assert_eq!(LeaseRecord::parse(&record().to_text()), Ok(record()));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let side = Side::target(PipelineId::new("shop"));
        let read = |path: &Path| LeaseRecord::read(path, &side);
        assert!(matches!(read(&folder.path().join("lease")), Ok(None)));
        assert!(read(folder.path()).is_err());
        let path = folder.path().join("expiry");
        std::fs::write(&path, "").unwrap();
        let written_only = File::options().write(true).open(&path).unwrap();
        assert!(read_expiry(&written_only).is_err());
    }

    #[test]
    fn each_damage_to_a_record_is_noticed() {
        let text = record().to_text();
        assert!(LeaseRecord::parse("").is_err());
        for at in 0..text.len() {
            let cut: String = text.chars().take(at).collect();
            assert!(LeaseRecord::parse(&cut).is_err(), "cut at {at}");
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(flipped) = String::from_utf8(bytes) {
                assert!(LeaseRecord::parse(&flipped).is_err(), "flipped at {at}");
            }
        }
    }

    #[test]
    fn terms_are_never_used_twice_not_even_at_the_end_of_numbers() {
        let last = LeaseRecord { term: Term(u64::MAX), ..record() };
        let side = Side::target(PipelineId::new("shop"));
        assert_eq!(LeaseRecord::next(Some(&last), &side, "h", "b"), None);
    }

    #[test]
    fn a_half_written_expiry_is_not_believed() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(read_expiry(&file).unwrap(), None);
        write_expiry(&file, BootTime(77)).unwrap();
        assert_eq!(read_expiry(&file).unwrap(), Some(BootTime(77)));
        file.write_all_at(b"00000000000001", 0).unwrap();
        assert_eq!(read_expiry(&file).unwrap(), None);
    }
}
