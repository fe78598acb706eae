//! What a server's error number means for a row, told without showing the row.
//!
//! The server's messages hold values (`Duplicate entry 'x'`), so only names that the target's
//! definition knows are taken out of them (SECRET-1).

use std::fmt;

use super::conn::ServerError;

/// What is told of a row whose key, or another unique value, another row has.
pub(crate) const SAME_KEY: &str = "another row has the same key";

/// Why the target does not take a row as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There is no such row to change or to remove.
    Missing,
    /// More rows than one were changed.
    Several {
        /// How many.
        matched: u64,
    },
    /// Another row has the same key.
    Duplicate {
        /// The key's name, where the server told it.
        key: Option<String>,
    },
    /// A foreign key does not allow it.
    ForeignKey {
        /// The constraint's name, where the server told it.
        constraint: Option<String>,
    },
    /// A CHECK constraint does not allow it.
    Check {
        /// The constraint's name, where the server told it.
        constraint: Option<String>,
    },
    /// NULL in a column that takes none.
    NotNull {
        /// The column's name, where the server told it.
        column: Option<String>,
    },
    /// A value is too long, out of range, or not valid for its column.
    DoesNotFit {
        /// The column's name, where it is known.
        column: Option<String>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The row's statement is larger than the server takes.
    TooLarge {
        /// The statement's size in bytes.
        bytes: usize,
        /// The server's `max_allowed_packet` in bytes.
        limit: usize,
    },
    /// The row image holds too few columns to tell the row from others.
    NotIdentified,
    /// The image of a new row lacks a column, whose value only the source's defaults tell.
    NotWhole {
        /// The column's name.
        column: String,
    },
    /// The event is of a kind that this version does not know.
    UnknownEvent,
    /// Anything else.
    Other {
        /// The server's error number.
        number: u16,
    },
}

/// What an error from a text with row values means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A deadlock or a lock wait: the same group may pass at once.
    Contention,
    /// The server or the line is in trouble; it may heal.
    Trouble,
    /// The target takes no writes now.
    ReadOnly,
    /// A right is missing.
    Right,
    /// A definition is no longer what was read.
    Changed,
    /// The row is refused.
    Refused(Reason),
}

/// The names that may be shown.
pub(crate) trait KnownNames {
    /// The column of this name, in the target's spelling.
    fn column(&self, name: &str) -> Option<&str>;
    /// The key of this name, in the target's spelling.
    fn key(&self, name: &str) -> Option<&str>;
}

/// Names nothing.
impl KnownNames for () {
    fn column(&self, _: &str) -> Option<&str> {
        None
    }
    fn key(&self, _: &str) -> Option<&str> {
        None
    }
}

/// The meaning of an error that a text with row values met.
///
/// MySQL: <https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html>,
/// MariaDB: <https://mariadb.com/kb/en/mariadb-error-codes/>.
pub(crate) fn meaning(error: &ServerError, names: &dyn KnownNames) -> Meaning {
    let fit = |what| {
        Meaning::Refused(Reason::DoesNotFit { column: column_in(error.message(), names), what })
    };
    match error.number {
        // Lock wait, deadlock, MariaDB's changed record, group replication's certification.
        1205 | 1213 | 1020 | 3101 | 3572 => Meaning::Contention,
        1290 | 1792 | 1836 => Meaning::ReadOnly,
        1044 | 1142 | 1143 | 1227 | 1370 => Meaning::Right,
        1049 | 1054 | 1136 | 1146 | 1356 | 1412 | 1615 => Meaning::Changed,
        // Disk, memory, file handles; table full; engine errors; interrupted statements;
        // Galera not ready.
        3 | 5 | 28 | 1021 | 1026 | 1028 | 1030 | 1037 | 1038 | 1041 | 1047 | 1114 | 1135 | 1180
        | 1206 | 1317 | 1598 | 1637 | 1969 | 3024 => Meaning::Trouble,
        _ if error.ends_session() => Meaning::Trouble,
        1022 | 1062 | 1169 | 1586 | 1859 => {
            Meaning::Refused(Reason::Duplicate { key: key_in(error.message(), names) })
        }
        1216 | 1217 | 1451 | 1452 => {
            Meaning::Refused(Reason::ForeignKey { constraint: constraint_in(error.message()) })
        }
        3819 | 4025 => {
            Meaning::Refused(Reason::Check { constraint: constraint_in(error.message()) })
        }
        1048 | 1263 | 1364 => {
            Meaning::Refused(Reason::NotNull { column: column_in(error.message(), names) })
        }
        1406 => fit("is too long"),
        1264 | 1690 => fit("is out of range"),
        1265 => fit("would be truncated"),
        1267 | 1300 | 1366 | 3854 => fit("cannot be written in the column's character set"),
        1115 => fit("has a character set that the target does not know"),
        1292 | 1411 => fit("is no valid date, time or number there"),
        1416 | 3037 => fit("is no geometry"),
        3140 | 3141 => fit("is no valid JSON"),
        1526 | 1748 => fit("belongs to no partition"),
        number => Meaning::Refused(Reason::Other { number }),
    }
}

/// The known column that a message names last: `… for column 'c' at row 1`.
fn column_in(message: &str, names: &dyn KnownNames) -> Option<String> {
    // Values stand before the server's own `column`, so what follows the last one is a name.
    let (_, tail) = message.rsplit_once("olumn ")?;
    let tail = tail.rsplit_once(" at row ").map_or(tail, |(name, _)| name);
    tail.split(['\'', '`', '.', ' '])
        .filter(|piece| !piece.is_empty())
        .filter_map(|piece| names.column(piece))
        .next_back()
        .map(str::to_owned)
}

/// The known key that a message names at its end: `… for key 'shop.item.PRIMARY'`.
fn key_in(message: &str, names: &dyn KnownNames) -> Option<String> {
    let (_, tail) = message.rsplit_once("for key ")?;
    let tail = tail.trim_matches(['\'', '`']);
    let name = tail.rsplit_once('.').map_or(tail, |(_, name)| name);
    names.key(name).or_else(|| names.key(tail)).map(str::to_owned)
}

/// The constraint's name; messages about constraints hold no values.
fn constraint_in(message: &str) -> Option<String> {
    let tail = message
        .split_once("CONSTRAINT ")
        .or_else(|| message.split_once("constraint "))
        .map(|(_, tail)| tail)?;
    let quote = tail.chars().next().filter(|quote| matches!(quote, '\'' | '`'))?;
    let (name, _) = tail.get(1..)?.split_once(quote)?;
    Some(name.to_owned())
}

impl Reason {
    /// What an operator can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing | Self::Several { .. } | Self::Duplicate { .. } => {
                "source and target differ in this row: something else writes to the target, or it \
                 was not equal at the start; compare and repair the table, then start again"
            }
            Self::ForeignKey { .. } => {
                "the related row is missing or still there in the target: replicate both tables, \
                 or drop the constraint in the target"
            }
            Self::Check { .. } => {
                "drop the constraint in the target, or mend the row in the source"
            }
            Self::NotNull { .. } => "allow NULL in the target's column",
            Self::DoesNotFit { .. } => "give the target's column the type of the source's",
            Self::TooLarge { .. } => {
                "raise max_allowed_packet in the target, then restart the pipeline: it asks for the limit \
                 when it connects"
            }
            Self::NotIdentified => {
                "give the table a primary key in source and target, or set \
                 binlog_row_image = FULL in the source"
            }
            Self::NotWhole { .. } => {
                "set binlog_row_image = FULL in the source and reconnect the applications that set \
                 it otherwise; compare both sides and start the pipeline afresh behind it"
            }
            Self::UnknownEvent => "use a version of otter-sink that knows the event",
            Self::Other { .. } => "look the error number up in the server's manual",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, text: &str, name: &Option<String>| match name {
            Some(name) => write!(f, "{text}: {name}"),
            None => f.write_str(text),
        };
        match self {
            Self::Missing => f.write_str("the target has no such row"),
            Self::Several { matched } => {
                write!(f, "the target has {matched} such rows where one was expected")
            }
            Self::Duplicate { key } => named(f, SAME_KEY, key),
            Self::ForeignKey { constraint } => {
                named(f, "a foreign key does not allow it", constraint)
            }
            Self::Check { constraint } => named(f, "a check does not allow it", constraint),
            Self::NotNull { column } => named(f, "NULL is not allowed there", column),
            Self::DoesNotFit { column, what } => match column {
                Some(column) => write!(f, "the value of column {column} {what}"),
                None => write!(f, "a value {what}"),
            },
            Self::TooLarge { bytes, limit } => {
                write!(f, "its statement has {bytes} bytes and max_allowed_packet is {limit}")
            }
            Self::NotIdentified => {
                f.write_str("its image holds too few columns to tell it from other rows")
            }
            Self::NotWhole { column } => {
                write!(f, "the image of the new row does not hold column {column}")
            }
            Self::UnknownEvent => f.write_str("the event is of an unknown kind"),
            Self::Other { number } => write!(f, "the server answered error {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names;

    impl KnownNames for Names {
        fn column(&self, name: &str) -> Option<&str> {
            ["title", "at"].into_iter().find(|known| *known == name)
        }
        fn key(&self, name: &str) -> Option<&str> {
            (name == "PRIMARY").then_some("PRIMARY")
        }
    }

    #[test]
    fn only_known_names_are_taken_out_of_messages() {
        let key = |message| key_in(message, &Names);
        assert_eq!(
            key("Duplicate entry 'x for key 'secret'' for key 'item.PRIMARY'").as_deref(),
            Some("PRIMARY")
        );
        assert_eq!(key("Duplicate entry 'a' for key 'secret'"), None);
        let column = |message| column_in(message, &Names);
        assert_eq!(column("Data too long for column 'title' at row 1").as_deref(), Some("title"));
        assert_eq!(
            column("Incorrect string value: '\\xE4' for column `s`.`t`.`title` at row 1")
                .as_deref(),
            Some("title")
        );
        assert_eq!(
            column("Data too long for column `s`.`t`.`title` at row 7").as_deref(),
            Some("title")
        );
        assert_eq!(column("Data too long for column 'at' at row 1").as_deref(), Some("at"));
        assert_eq!(column("Column 'secret' cannot be null"), None);
        assert_eq!(
            constraint_in("a foreign key fails (`a`.`b`, CONSTRAINT `fk_1` FOREIGN KEY (`x`))")
                .as_deref(),
            Some("fk_1")
        );
        assert_eq!(constraint_in("Check constraint 'c1' is violated.").as_deref(), Some("c1"));
    }
}
