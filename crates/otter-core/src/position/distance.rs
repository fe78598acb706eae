//! How far two places are apart.

use super::{Gtid, GtidSet, Place};

/// What lies between two places, counted in transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance {
    /// Transactions before the other place that are not before this one.
    pub ahead: u64,
    /// Transactions before this place that are not before the other one.
    pub behind: u64,
}

impl Place {
    /// How far another place is from this one; `None` where one of them knows no GTIDs, or they
    /// are of two kinds. MariaDB's GTIDs are counted by their numbers, of which some may be unused.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Option<Distance> {
        let (ours, theirs) = (self.gtids.as_ref()?, other.gtids.as_ref()?);
        Some(Distance { ahead: count_beyond(ours, theirs)?, behind: count_beyond(theirs, ours)? })
    }
}

/// How many transactions a set holds that another does not.
fn count_beyond(known: &GtidSet, set: &GtidSet) -> Option<u64> {
    match (known, set) {
        (GtidSet::MySql(known), GtidSet::MySql(set)) => {
            let mut count = 0_u64;
            for (uuid, tag, list) in set.intervals() {
                let of_known = known
                    .intervals()
                    .find(|(other, other_tag, _)| *other == uuid && *other_tag == tag)
                    .map_or(&[][..], |(_, _, list)| list);
                for (first, last) in list {
                    let shared: u64 = of_known
                        .iter()
                        .filter_map(|(start, end)| {
                            let (start, end) = (start.max(first), end.min(last));
                            end.checked_sub(*start).map(|length| length.saturating_add(1))
                        })
                        .fold(0, u64::saturating_add);
                    let length = (last - first).saturating_add(1);
                    count = count.saturating_add(length.saturating_sub(shared));
                }
            }
            Some(count)
        }
        (GtidSet::MariaDb(known), GtidSet::MariaDb(set)) => {
            let number_in = |wanted: u32| {
                known.last().find_map(|gtid| match gtid {
                    Gtid::MariaDb { domain, number, .. } if domain == wanted => Some(number),
                    Gtid::MariaDb { .. } | Gtid::MySql { .. } => None,
                })
            };
            let count = set.last().fold(0_u64, |count, gtid| match gtid {
                Gtid::MariaDb { domain, number, .. } => {
                    let beyond = number.saturating_sub(number_in(domain).unwrap_or(0));
                    count.saturating_add(beyond)
                }
                Gtid::MySql { .. } => count,
            });
            Some(count)
        }
        (GtidSet::MySql(_), GtidSet::MariaDb(_)) | (GtidSet::MariaDb(_), GtidSet::MySql(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn place(text: &str) -> Place {
        Place::from_gtids(text.parse().unwrap())
    }

    #[test]
    fn mariadb_counts_by_domain() {
        let (from, to) = (place("0-1-10,1-1-7"), place("0-2-14,2-1-3"));
        assert_eq!(from.distance(&to), Some(Distance { ahead: 7, behind: 7 }));
    }

    #[test]
    fn places_of_two_kinds_or_without_gtids_are_not_counted() {
        let mysql = place("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5");
        assert_eq!(mysql.distance(&place("0-1-10")), None);
        let file = Place::from_file(crate::FilePlace::new("binlog.000001", 4));
        assert_eq!(mysql.distance(&file), None);
    }

    proptest! {
        #[test]
        fn mysql_counts_as_sets_do(
            ours in prop::collection::btree_set((0_u8..3, 1_u64..60), 0..60),
            theirs in prop::collection::btree_set((0_u8..3, 1_u64..60), 0..60),
        ) {
            let of = |numbers: &BTreeSet<(u8, u64)>| {
                let mut set = super::super::MySqlGtids::default();
                for (uuid, number) in numbers {
                    set.insert([*uuid; 16], "", *number, *number);
                }
                Place::from_gtids(GtidSet::MySql(set))
            };
            let count = |one: &BTreeSet<_>, other| one.difference(other).count() as u64;
            let expected = Distance {
                ahead: count(&theirs, &ours),
                behind: count(&ours, &theirs),
            };
            prop_assert_eq!(of(&ours).distance(&of(&theirs)), Some(expected));
        }
    }
}
