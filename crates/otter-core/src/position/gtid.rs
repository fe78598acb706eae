//! GTIDs and sets of them, for MySQL (uuid, tag, intervals) and MariaDB (domain, server, number).
//!
//! MySQL: <https://dev.mysql.com/doc/refman/9.7/en/replication-gtids-concepts.html>,
//! MariaDB: <https://mariadb.com/kb/en/gtid/>.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::text::ParsePositionError;

/// One transaction's global id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Gtid {
    /// MySQL's.
    MySql {
        /// The server that wrote it first.
        uuid: [u8; 16],
        /// The tag, empty where it has none.
        tag: Arc<str>,
        /// The number, from 1.
        number: u64,
    },
    /// MariaDB's.
    MariaDb {
        /// The replication domain.
        domain: u32,
        /// The server that wrote it first.
        server: u32,
        /// The number, from 1, within the domain.
        number: u64,
    },
}

/// A set of GTIDs of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GtidSet {
    /// MySQL's.
    MySql(MySqlGtids),
    /// MariaDB's: the last GTID of each domain.
    MariaDb(MariaDbGtids),
}

/// A server's uuid and a tag, empty for none.
type Tsid = ([u8; 16], Arc<str>);

/// Intervals per server uuid and tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MySqlGtids {
    /// Sorted, disjoint, not adjacent; both ends inclusive. Invariant: no empty list.
    intervals: BTreeMap<Tsid, Vec<(u64, u64)>>,
}

/// The last GTID of each domain: all earlier ones are in the set too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MariaDbGtids {
    domains: BTreeMap<u32, (u32, u64)>,
}

impl GtidSet {
    /// The set of one GTID (MariaDB: of all GTIDs of its domain up to it).
    #[must_use]
    pub fn single(gtid: &Gtid) -> Self {
        let mut set = match gtid {
            Gtid::MySql { .. } => Self::MySql(MySqlGtids::default()),
            Gtid::MariaDb { .. } => Self::MariaDb(MariaDbGtids::default()),
        };
        set.insert(gtid);
        set
    }

    /// Adds a GTID. One of the other kind changes nothing: a source has one kind.
    pub fn insert(&mut self, gtid: &Gtid) {
        match (self, gtid) {
            (Self::MySql(set), Gtid::MySql { uuid, tag, number }) => {
                set.insert(*uuid, tag, *number, *number);
            }
            (Self::MariaDb(set), Gtid::MariaDb { domain, server, number }) => {
                set.domains.insert(*domain, (*server, *number));
            }
            (Self::MySql(_), Gtid::MariaDb { .. }) | (Self::MariaDb(_), Gtid::MySql { .. }) => {}
        }
    }

    /// Adds what another set holds, which is read behind this one: of MariaDB's GTIDs its last of
    /// a domain counts. One of the other kind changes nothing.
    pub fn extend(&mut self, behind: &Self) {
        match (self, behind) {
            (Self::MySql(set), Self::MySql(behind)) => {
                for (uuid, tag, list) in behind.intervals() {
                    for (first, last) in list {
                        set.insert(*uuid, tag, *first, *last);
                    }
                }
            }
            (Self::MariaDb(set), Self::MariaDb(behind)) => set.domains.extend(&behind.domains),
            (Self::MySql(_), Self::MariaDb(_)) | (Self::MariaDb(_), Self::MySql(_)) => {}
        }
    }

    /// Takes a MySQL GTID out of the set, so that the server sends it again. MariaDB's sets
    /// cannot say that; they stay as they are.
    pub fn remove(&mut self, gtid: &Gtid) {
        if let (Self::MySql(set), Gtid::MySql { uuid, tag, number }) = (self, gtid) {
            set.remove(*uuid, tag, *number);
        }
    }

    /// Whether the GTID is in the set.
    #[must_use]
    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.covers(&Self::single(gtid)) == Some(true)
    }

    /// Whether every GTID of `other` is in this set; `None` where the kinds differ.
    #[must_use]
    pub fn covers(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::MySql(ours), Self::MySql(theirs)) => Some(ours.covers(theirs)),
            (Self::MariaDb(ours), Self::MariaDb(theirs)) => Some(ours.covers(theirs)),
            (Self::MySql(_), Self::MariaDb(_)) | (Self::MariaDb(_), Self::MySql(_)) => None,
        }
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::MySql(set) => set.intervals.is_empty(),
            Self::MariaDb(set) => set.domains.is_empty(),
        }
    }
}

impl MySqlGtids {
    /// Adds the numbers from `first` to `last`, both inclusive.
    pub fn insert(&mut self, uuid: [u8; 16], tag: &str, first: u64, last: u64) {
        if first > last {
            return;
        }
        // The empty tag, which nearly all have, costs no memory.
        let tag = if tag.is_empty() { Arc::default() } else { Arc::from(tag) };
        let list = self.intervals.entry((uuid, tag)).or_default();
        // The common case is the next number of the last interval.
        let from = list.partition_point(|(_, end)| end.saturating_add(1) < first);
        let to = list.partition_point(|(start, _)| *start <= last.saturating_add(1));
        let merged = list
            .get(from..to)
            .unwrap_or_default()
            .iter()
            .fold((first, last), |(start, end), (other_start, other_end)| {
                (start.min(*other_start), end.max(*other_end))
            });
        list.splice(from..to.max(from), [merged]);
    }

    /// Takes one number out.
    pub fn remove(&mut self, uuid: [u8; 16], tag: &str, number: u64) {
        let key = (uuid, Arc::from(tag));
        let Some(list) = self.intervals.get_mut(&key) else { return };
        let Some(at) = list.iter().position(|(start, end)| (*start..=*end).contains(&number))
        else {
            return;
        };
        let (start, end) = list.remove(at);
        if number < end {
            list.insert(at, (number + 1, end));
        }
        if start < number {
            list.insert(at, (start, number - 1));
        }
        if list.is_empty() {
            self.intervals.remove(&key);
        }
    }

    /// All intervals: uuid, tag (empty for none), and both ends inclusive.
    pub fn intervals(&self) -> impl Iterator<Item = (&[u8; 16], &str, &[(u64, u64)])> {
        self.intervals.iter().map(|((uuid, tag), list)| (uuid, &**tag, list.as_slice()))
    }

    fn covers(&self, other: &Self) -> bool {
        other.intervals.iter().all(|(key, theirs)| {
            let ours = self.intervals.get(key).map_or(&[][..], Vec::as_slice);
            theirs.iter().all(|(first, last)| {
                let at = ours.partition_point(|(_, end)| end < first);
                ours.get(at).is_some_and(|(start, end)| start <= first && last <= end)
            })
        })
    }
}

impl MariaDbGtids {
    /// The last GTID of each domain.
    pub fn last(&self) -> impl Iterator<Item = Gtid> {
        self.domains.iter().map(|(domain, (server, number))| Gtid::MariaDb {
            domain: *domain,
            server: *server,
            number: *number,
        })
    }

    fn covers(&self, other: &Self) -> bool {
        other.domains.iter().all(|(domain, (_, number))| {
            self.domains.get(domain).is_some_and(|(_, ours)| ours >= number)
        })
    }
}

fn write_uuid(f: &mut fmt::Formatter<'_>, uuid: &[u8; 16]) -> fmt::Result {
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

fn is_tag(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && text.len() <= 32
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql { uuid, tag, number } => {
                write_uuid(f, uuid)?;
                if !tag.is_empty() {
                    write!(f, ":{tag}")?;
                }
                write!(f, ":{number}")
            }
            Self::MariaDb { domain, server, number } => write!(f, "{domain}-{server}-{number}"),
        }
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(set) => {
                let mut previous: Option<&[u8; 16]> = None;
                for ((uuid, tag), list) in &set.intervals {
                    // Tags of one uuid follow each other in one entry, as servers print them.
                    if previous != Some(uuid) {
                        f.write_str(if previous.is_some() { "," } else { "" })?;
                        write_uuid(f, uuid)?;
                        previous = Some(uuid);
                    }
                    if !tag.is_empty() {
                        write!(f, ":{tag}")?;
                    }
                    for (start, end) in list {
                        write!(f, ":{start}")?;
                        if start != end {
                            write!(f, "-{end}")?;
                        }
                    }
                }
                Ok(())
            }
            Self::MariaDb(set) => {
                for (index, gtid) in set.last().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    write!(f, "{gtid}")?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Gtid {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ParsePositionError::Gtid(text.to_owned());
        let mut parts = text.split(':');
        // A MariaDB GTID may have as many digits as a UUID, but never a colon.
        let uuid = parts.next().filter(|_| text.contains(':'));
        if let Some(uuid) = uuid.and_then(parse_uuid) {
            let rest: Vec<&str> = parts.collect();
            let (tag, number) = match rest.as_slice() {
                [number] => ("", number),
                [tag, number] if is_tag(tag) => (*tag, number),
                _ => return Err(invalid()),
            };
            let number = number.parse().map_err(|_| invalid())?;
            return Ok(Self::MySql { uuid, tag: tag.to_ascii_lowercase().into(), number });
        }
        let numbers: Vec<&str> = text.split('-').collect();
        let [domain, server, number] = numbers.as_slice() else { return Err(invalid()) };
        Ok(Self::MariaDb {
            domain: domain.parse().map_err(|_| invalid())?,
            server: server.parse().map_err(|_| invalid())?,
            number: number.parse().map_err(|_| invalid())?,
        })
    }
}

impl GtidSet {
    /// Reads a MySQL set as the server prints it; the empty text is the empty set.
    ///
    /// # Errors
    /// [`ParsePositionError`] naming the part that is no GTID set.
    pub fn parse_mysql(text: &str) -> Result<Self, ParsePositionError> {
        let mut found = BTreeMap::<Tsid, Vec<(u64, u64)>>::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let invalid = || ParsePositionError::Gtid(entry.to_owned());
            let mut parts = entry.split(':').map(str::trim);
            let uuid = parts.next().and_then(parse_uuid).ok_or_else(invalid)?;
            let mut tag: Arc<str> = "".into();
            for part in parts {
                if is_tag(part) {
                    tag = part.to_ascii_lowercase().into();
                    continue;
                }
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                let first: u64 = first.trim().parse().map_err(|_| invalid())?;
                let last: u64 = last.trim().parse().map_err(|_| invalid())?;
                if first == 0 || first > last {
                    return Err(invalid());
                }
                found.entry((uuid, Arc::clone(&tag))).or_default().push((first, last));
            }
        }
        let mut set = MySqlGtids::default();
        for ((uuid, tag), mut list) in found {
            // In order, each goes to the end. In another order, each would move all the others.
            list.sort_unstable();
            for (first, last) in list {
                set.insert(uuid, &tag, first, last);
            }
        }
        Ok(Self::MySql(set))
    }

    /// Reads a MariaDB position as the server prints it; the empty text is the empty set.
    ///
    /// # Errors
    /// [`ParsePositionError`] naming the part that is no GTID.
    pub fn parse_mariadb(text: &str) -> Result<Self, ParsePositionError> {
        let mut set = Self::MariaDb(MariaDbGtids::default());
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match entry.parse()? {
                gtid @ Gtid::MariaDb { .. } => set.insert(&gtid),
                Gtid::MySql { .. } => return Err(ParsePositionError::Gtid(entry.to_owned())),
            }
        }
        Ok(set)
    }
}

impl FromStr for GtidSet {
    type Err = ParsePositionError;

    /// Reads a set that is not empty; its first entry tells the kind.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') { Self::parse_mysql(text) } else { Self::parse_mariadb(text) }
    }
}

#[cfg(test)]
mod tests;
