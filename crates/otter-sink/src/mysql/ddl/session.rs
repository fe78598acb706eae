//! The session in which the target executes a schema change: the source's, as far as its effect
//! depends on it.

use otter_core::{Ddl, DdlSession};

use crate::mysql::connect::Flavour;
use crate::mysql::names::{identifier, string};

/// Modes that both servers have, at the same bits: REAL_AS_FLOAT, PIPES_AS_CONCAT, ANSI_QUOTES,
/// IGNORE_SPACE, NO_UNSIGNED_SUBTRACTION, NO_DIR_IN_CREATE, NO_AUTO_VALUE_ON_ZERO,
/// NO_BACKSLASH_ESCAPES, STRICT_TRANS_TABLES, STRICT_ALL_TABLES, NO_ZERO_IN_DATE, NO_ZERO_DATE,
/// ALLOW_INVALID_DATES, ERROR_FOR_DIVISION_BY_ZERO, HIGH_NOT_PRECEDENCE, NO_ENGINE_SUBSTITUTION.
const COMMON_MODES: u64 = 0b1111
    | 1 << 6
    | 1 << 7
    | 1 << 19
    | 1 << 20
    | 1 << 21
    | 1 << 22
    | 1 << 23
    | 1 << 24
    | 1 << 25
    | 1 << 26
    | 1 << 29
    | 1 << 30;

/// MySQL: what it no longer has since 8.0, which are 4, 8 to 17 and NO_AUTO_CREATE_USER.
const REMOVED_MODES: u64 = 1 << 4 | 0x3_ff00 | 1 << 28;

/// `time_zone` of a session that takes the operating system's.
const SYSTEM: &str = "SYSTEM";

/// MariaDB: ORACLE and MAXDB give types another meaning.
const FOREIGN_TYPES: u64 = 1 << 9 | 1 << 12;

/// The settings before the statement; what is wrong where they cannot be made.
pub(super) fn session_text(ddl: &Ddl, to: Flavour) -> Result<String, &'static str> {
    let session = &ddl.session;
    let mut text = String::new();
    let is_about_database = matches!(&*ddl.kind, "CREATE DATABASE" | "DROP DATABASE");
    if !ddl.database.is_empty() && !is_about_database {
        text.push_str(&format!("USE {}; ", identifier(&ddl.database)));
    }
    let micros = session.begun_micros;
    text.push_str(&format!(
        "SET SESSION sql_mode={}, foreign_key_checks={}, unique_checks={}, timestamp={}.{:06}",
        sql_mode(session, to)?,
        u8::from(!session.no_foreign_key_checks),
        u8::from(!session.no_unique_checks),
        micros / 1_000_000,
        micros % 1_000_000,
    ));
    if let Some(zone) = session.time_zone.as_ref().filter(|zone| &***zone != SYSTEM) {
        text.push_str(&format!(", time_zone={}", string(zone)));
    }
    if is_about_database && let Some(collation) = &session.server_collation {
        text.push_str(&format!(", collation_server={}", string(collation)));
    }
    Ok(text)
}

/// The zone of a statement that depends on the zone of the source's operating system, where the
/// target's is not known to be the same.
pub(super) fn zone_of_system(
    session: &DdlSession,
    target_system: &str,
) -> Result<bool, &'static str> {
    if session.time_zone.as_deref() != Some(SYSTEM) {
        return Ok(false);
    }
    match session.system_time_zone.as_deref() {
        // The loader's own sessions are in UTC.
        Some("UTC") => Ok(false),
        Some(source) if source == target_system => Ok(true),
        Some(_) | None => {
            Err("its session had time_zone SYSTEM, and the target's system has another \
             zone than the source's; set time_zone at the source, as in SET GLOBAL time_zone = \
             '+00:00'")
        }
    }
}

/// Settings that take a right at the target, and so are made only where they differ: the name and
/// the value.
pub(super) fn rare_settings(session: &DdlSession, to: Flavour) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let (false, Flavour::MySql, Some(collation)) =
        (session.is_mariadb, to, &session.utf8mb4_collation)
    {
        settings.push(("default_collation_for_utf8mb4", collation.to_string()));
    }
    if let Some(explicit) = session.explicit_timestamp_defaults {
        settings.push(("explicit_defaults_for_timestamp", u8::from(explicit).to_string()));
    }
    settings
}

fn sql_mode(session: &DdlSession, to: Flavour) -> Result<u64, &'static str> {
    let mode = session.sql_mode;
    match (session.is_mariadb, to) {
        (true, Flavour::MariaDb) => Ok(mode),
        (false, Flavour::MySql) => Ok(mode & !REMOVED_MODES),
        (true, Flavour::MySql) if mode & FOREIGN_TYPES != 0 => {
            Err("its session had sql_mode ORACLE or MAXDB, which MySQL does not have")
        }
        (true, Flavour::MySql) | (false, Flavour::MariaDb) => Ok(mode & COMMON_MODES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ddl(kind: &str, session: DdlSession) -> Ddl {
        Ddl { database: "s`h".into(), kind: kind.into(), session, ..Ddl::default() }
    }

    #[test]
    fn the_session_is_the_source_s() {
        let mut session = DdlSession::default();
        session.sql_mode = 4 | 1 << 22 | 1 << 28;
        session.begun_micros = 1_700_000_000_000_042;
        session.time_zone = Some("+02:00".into());
        session.no_foreign_key_checks = true;
        session.server_collation = Some("latin1_bin".into());
        let text = session_text(&ddl("ALTER TABLE", session.clone()), Flavour::MySql).unwrap();
        assert_eq!(
            text,
            "USE `s``h`; SET SESSION sql_mode=4194308, foreign_key_checks=0, unique_checks=1, \
             timestamp=1700000000.000042, time_zone='+02:00'"
        );
        let text = session_text(&ddl("CREATE DATABASE", session), Flavour::MySql).unwrap();
        assert!(
            !text.contains("USE") && text.ends_with(", collation_server='latin1_bin'"),
            "{text}"
        );
    }

    #[test]
    fn the_zone_of_the_operating_system_is_taken_only_where_it_is_the_same() {
        let zone = |time_zone: Option<&str>, system: Option<&str>| {
            let mut session = DdlSession::default();
            session.time_zone = time_zone.map(Into::into);
            session.system_time_zone = system.map(Into::into);
            zone_of_system(&session, "CET")
        };
        assert_eq!(zone(None, None), Ok(false));
        assert_eq!(zone(Some("+02:00"), None), Ok(false));
        assert_eq!(zone(Some("SYSTEM"), Some("UTC")), Ok(false));
        assert_eq!(zone(Some("SYSTEM"), Some("CET")), Ok(true));
        assert!(zone(Some("SYSTEM"), Some("EST")).is_err());
        assert!(zone(Some("SYSTEM"), None).is_err());
    }

    #[test]
    fn modes_keep_their_meaning_or_are_refused() {
        let mode = |is_mariadb, sql_mode, to| {
            let mut session = DdlSession::default();
            session.is_mariadb = is_mariadb;
            session.sql_mode = sql_mode;
            super::sql_mode(&session, to)
        };
        // MariaDB's default holds NO_AUTO_CREATE_USER, which MySQL 8 does not know.
        let default = 1 << 22 | 1 << 26 | 1 << 28 | 1 << 30;
        assert_eq!(mode(true, default, Flavour::MySql), Ok(default & !(1 << 28)));
        assert_eq!(mode(true, default, Flavour::MariaDb), Ok(default));
        assert!(mode(true, 1 << 9, Flavour::MySql).is_err());
        // Bit 32 is TIME_TRUNCATE_FRACTIONAL in MySQL and EMPTY_STRING_IS_NULL in MariaDB.
        assert_eq!(mode(false, 1 << 32, Flavour::MariaDb), Ok(0));
        assert_eq!(mode(false, 1 << 32, Flavour::MySql), Ok(1 << 32));
    }
}
