use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

#[test]
fn a_set_is_extended_by_what_was_read_behind_it() {
    const UUID: &str = "07070707-0707-0707-0707-070707070707";
    let mut set = GtidSet::parse_mysql(&format!("{UUID}:1-5:9")).unwrap();
    set.extend(&GtidSet::parse_mysql(&format!("{UUID}:6-7:10:blue:1")).unwrap());
    assert_eq!(set.to_string(), format!("{UUID}:1-7:9-10:blue:1"));
    let mut set = GtidSet::parse_mariadb("0-1-9,3-1-4").unwrap();
    set.extend(&GtidSet::parse_mariadb("0-2-10,5-1-1").unwrap());
    assert_eq!(set.to_string(), "0-2-10,3-1-4,5-1-1");
}

#[test]
fn sets_are_read_as_servers_print_them() {
    let text = format!("{UUID}:1-5:7:blue:1-3,\n00000000-0000-0000-0000-000000000001:9");
    let set = GtidSet::parse_mysql(&text).unwrap();
    assert_eq!(
        set.to_string(),
        format!("00000000-0000-0000-0000-000000000001:9,{UUID}:1-5:7:blue:1-3")
    );
    assert!(set.contains(&format!("{UUID}:blue:2").parse().unwrap()));
    assert!(!set.contains(&format!("{UUID}:6").parse().unwrap()));

    let set = GtidSet::parse_mariadb("1-2-30, 0-1-100").unwrap();
    assert_eq!(set.to_string(), "0-1-100,1-2-30");
    assert!(set.contains(&"0-9-99".parse().unwrap()));
}

/// Each interval once moved all that were read before it.
#[test]
fn a_set_in_descending_order_is_read_as_quickly_as_any() {
    let numbers: Vec<String> = (1..=300_000).rev().map(|n| (2 * n).to_string()).collect();
    let set = GtidSet::parse_mysql(&format!("{UUID}:{}", numbers.join(":"))).unwrap();
    assert!(set.contains(&format!("{UUID}:600000").parse().unwrap()));
    assert!(!set.contains(&format!("{UUID}:599999").parse().unwrap()));
}

#[test]
fn what_is_no_gtid_set_is_refused() {
    for text in ["x", "0-1", "3e11fa47:1", &format!("{UUID}:0"), &format!("{UUID}:5-4"), "0-1-x"] {
        assert!(text.parse::<GtidSet>().is_err(), "{text}");
    }
    assert!(GtidSet::parse_mariadb(&format!("{UUID}:1")).is_err());
}

#[test]
fn sets_of_different_kinds_cannot_be_compared() {
    let mysql = GtidSet::parse_mysql(&format!("{UUID}:1")).unwrap();
    let mariadb = GtidSet::parse_mariadb("0-1-1").unwrap();
    assert_eq!(mysql.covers(&mariadb), None);
}

/// Three of the largest numbers have 32 digits together, as many as a UUID.
#[test]
fn a_mariadb_gtid_with_as_many_digits_as_a_uuid_is_none() {
    for text in ["4294967295-4294967295-123456789012", "1-1-1"] {
        assert_eq!(text.parse::<Gtid>().unwrap().to_string(), text);
        assert_eq!(GtidSet::parse_mariadb(text).unwrap().to_string(), text);
    }
}

proptest! {
    /// The model is a plain set of numbers.
    #[test]
    fn intervals_behave_like_a_set_of_numbers(
        steps in prop::collection::vec((any::<bool>(), 1_u64..40, 0_u64..5), 0..40),
        probe in 1_u64..50,
    ) {
        let uuid = [7; 16];
        let mut set = MySqlGtids::default();
        let mut model = BTreeSet::new();
        for (add, first, length) in steps {
            if add {
                set.insert(uuid, "", first, first + length);
                model.extend(first..=first + length);
            } else {
                set.remove(uuid, "", first);
                model.remove(&first);
            }
            for (_, _, list) in set.intervals() {
                prop_assert!(!list.is_empty());
                prop_assert!(list.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            }
        }
        let wrapped = GtidSet::MySql(set.clone());
        let gtid = Gtid::MySql { uuid, tag: "".into(), number: probe };
        prop_assert_eq!(wrapped.contains(&gtid), model.contains(&probe));
        prop_assert_eq!(GtidSet::parse_mysql(&wrapped.to_string()).unwrap(), wrapped);
    }
}
