//! GTID positions as texts, read for the two dump requests.
//!
//! Only what the wire needs: what a position means is known in `otter-core`.

use std::collections::BTreeMap;

use mysql_common::packets::{GnoInterval, Sid, Tag};

/// Why a text is not a GTID position. The text itself holds no secrets and is shown by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GtidTextError {
    /// Not `UUID:1-5`, `UUID:1-5:7`, `UUID:tag:1-5` and so on, separated by commas.
    #[error("not a MySQL GTID set such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")]
    MySql,
    /// Not `0-1-5`, separated by commas, with each domain once.
    #[error("not a MariaDB GTID position such as 0-1-5, with each domain once")]
    MariaDb,
}

/// UUID and tag, which is empty where there is none.
type Source = ([u8; 16], String);

/// A MySQL GTID set, in any of the spellings that the server accepts: spaces, capitals, several
/// tags behind one UUID, intervals in any order.
pub(super) fn parse_mysql(text: &str) -> Result<Vec<Sid<'static>>, GtidTextError> {
    let bad = GtidTextError::MySql;
    let mut sets: BTreeMap<Source, Vec<(u64, u64)>> = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let mut pieces = part.split(':').map(str::trim);
        let uuid = uuid(pieces.next().unwrap_or_default()).ok_or(bad)?;
        let mut tag = String::new();
        let mut counted = false;
        for piece in pieces {
            if piece.starts_with(|letter: char| letter.is_ascii_digit()) {
                let interval = interval(piece).ok_or(bad)?;
                sets.entry((uuid, tag.clone())).or_default().push(interval);
                counted = true;
            } else {
                tag = piece.to_ascii_lowercase();
                Tag::new(tag.as_str()).map_err(|_| bad)?;
                counted = false;
            }
        }
        if !counted {
            return Err(bad);
        }
    }
    sets.into_iter()
        .map(|((uuid, tag), intervals)| {
            let sid = Sid::new(uuid).with_intervals(merged(intervals));
            match tag.is_empty() {
                true => Ok(sid),
                false => Ok(sid.with_tag(Tag::new(tag).map_err(|_| bad)?)),
            }
        })
        .collect()
}

/// A MariaDB GTID position in the spelling that `@slave_connect_state` takes.
pub(super) fn parse_mariadb(text: &str) -> Result<String, GtidTextError> {
    let bad = GtidTextError::MariaDb;
    let mut domains = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let mut numbers = part.split('-');
        let mut next = || numbers.next().filter(|number| digits(number));
        let (Some(domain), Some(server), Some(sequence)) = (next(), next(), next()) else {
            return Err(bad);
        };
        let domain: u32 = domain.parse().map_err(|_| bad)?;
        let server: u32 = server.parse().map_err(|_| bad)?;
        let sequence: u64 = sequence.parse().map_err(|_| bad)?;
        let gtid = format!("{domain}-{server}-{sequence}");
        if numbers.next().is_some() || domains.insert(domain, gtid).is_some() {
            return Err(bad);
        }
    }
    Ok(domains.into_values().collect::<Vec<_>>().join(","))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// First and last number of an interval, both included.
fn interval(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim(), last.trim());
    if !digits(first) || !digits(last) {
        return None;
    }
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    // MySQL: numbers are signed there, and the wire holds the number behind the last.
    (first >= 1 && first <= last && last < u64::MAX / 2).then_some((first, last))
}

/// The wire wants intervals in order and apart from each other.
fn merged(mut intervals: Vec<(u64, u64)>) -> Vec<GnoInterval> {
    intervals.sort_unstable();
    let mut apart: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
    for (first, last) in intervals {
        match apart.last_mut() {
            Some((_, end)) if first <= *end + 1 => *end = last.max(*end),
            _ => apart.push((first, last)),
        }
    }
    apart.into_iter().map(|(first, last)| GnoInterval::new(first, last + 1)).collect()
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let hex: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut uuid = [0; 16];
    if hex.len() != 32 {
        return None;
    }
    for (byte, digits) in uuid.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    hex.iter().all(u8::is_ascii_hexdigit).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn shown(text: &str) -> Vec<String> {
        parse_mysql(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mysql_sets_are_brought_into_the_order_of_the_wire() {
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(shown(&format!("{A}:1-5")), [format!("{A}:1-5")]);
        assert_eq!(
            shown(&format!(" {B}:7, {}:9:1-3:4-5 ,\n{A}:6,", A.to_uppercase())),
            [format!("{A}:1-6:9"), format!("{B}:7")]
        );
    }

    #[test]
    fn several_tags_may_follow_one_uuid() {
        assert_eq!(
            shown(&format!("{A}:1-3:Blue:1:5-6:red_2:8")),
            [format!("{A}:1-3"), format!("{A}:blue:1:5-6"), format!("{A}:red_2:8")]
        );
    }

    #[test]
    fn texts_that_are_no_mysql_sets_are_refused() {
        for text in [
            "x",
            A,
            &format!("{A}:"),
            &format!("{A}:0"),
            &format!("{A}:5-4"),
            &format!("{A}:1-"),
            &format!("{A}:+1"),
            &format!("{A}:tag"),
            &format!("{A}:1:tag"),
            &format!("{A}:9tag:1"),
            &format!("{A}:18446744073709551615"),
            "3e11fa47:1",
            "0-1-5",
        ] {
            assert_eq!(parse_mysql(text), Err(GtidTextError::MySql), "{text}");
        }
    }

    #[test]
    fn mariadb_positions_are_read() {
        assert_eq!(parse_mariadb("").unwrap(), "");
        assert_eq!(
            parse_mariadb(" 1-2-3, 0-1-18446744073709551615").unwrap(),
            "0-1-18446744073709551615,1-2-3"
        );
        for text in
            ["0-1", "0-1-2-3", "0-1-x", "0-1-2,0-1-3", "4294967296-1-1", "0-1-2'", "+0-1-2", A]
        {
            assert_eq!(parse_mariadb(text), Err(GtidTextError::MariaDb), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in ".{0,80}", near in "[0-9a-f:,\\- ]{0,90}") {
            for text in [&text, &near, &format!("{A}:{near}")] {
                let _ = parse_mysql(text);
                let _ = parse_mariadb(text);
            }
        }

        #[test]
        fn merged_intervals_are_in_order_and_apart(
            pairs in prop::collection::vec((1u64..60, 0u64..9), 1..20)
        ) {
            let text: Vec<String> =
                pairs.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
            let sids = parse_mysql(&format!("{A}:{}", text.join(":"))).unwrap();
            let intervals = sids[0].intervals();
            for pair in intervals.windows(2) {
                prop_assert!(pair[0].end() < pair[1].start());
            }
            for number in 1..80 {
                let wanted = pairs.iter().any(|(first, more)| (*first..=first + more).contains(&number));
                let found = intervals.iter().any(|it| (it.start()..it.end()).contains(&number));
                prop_assert_eq!(wanted, found);
            }
        }
    }
}
