//! The tables of an arbiter in a database, and the statements on them.
//!
//! ```text
//! arbiter          one row: the arbiter's id, the last term granted, the layout
//! arbiter_session  a row for each process that holds something; when its leases end
//! arbiter_node     a row for each process that shares pipelines; gone or void with its session
//! arbiter_lease    a row for each side that was ever granted: the last term, and whose it is
//! arbiter_paused   a row for each pipeline that an operator wants to rest
//! arbiter_report   a row for each session: what its process tells about the sides that it holds
//! ```
//!
//! The id and the counter of terms stand in one row, so that whatever is deleted, no term of one
//! arbiter is granted twice. All times are UTC by this server's clock, and compared with nothing
//! else (CLOCK-1). A change is one text, so that no lock is held while a client is frozen.

use std::fmt::Write;
use std::time::Duration;

use crate::holding::Stored;
use crate::wanted::Wanted;

/// The layout of the tables that this version knows.
pub(super) const LAYOUT: u32 = 1;
/// The longest name of a side: 700 letters of four bytes fit into an index.
pub(super) const LONGEST_SIDE: usize = 700;
/// The longest name of a holder that is stored.
const LONGEST_HOLDER: usize = 200;
/// How long the session of a dead process is kept for people to look at.
const KEEP_DEAD_SESSIONS: &str = "INTERVAL 1 DAY";

/// The statements of the arbiter in one schema.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    schema: String,
    arbiter: String,
    session: String,
    lease: String,
    node: String,
    paused: String,
    report: String,
}

impl Texts {
    pub(super) fn new(schema: &str) -> Self {
        let quoted = format!("`{}`", schema.replace('`', "``"));
        let table = |name: &str| format!("{quoted}.{name}");
        Self {
            arbiter: table("arbiter"),
            session: table("arbiter_session"),
            lease: table("arbiter_lease"),
            node: table("arbiter_node"),
            paused: table("arbiter_paused"),
            report: table("arbiter_report"),
            schema: schema.to_owned(),
        }
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// One row: whether the schema is there, and how many of the tables.
    pub(super) fn look_for_tables(&self) -> String {
        let schema = literal(&self.schema);
        format!(
            "SELECT (SELECT COUNT(*) FROM information_schema.schemata \
             WHERE schema_name = {schema}), \
             (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {schema} \
             AND table_name IN ('arbiter', 'arbiter_session', 'arbiter_lease', 'arbiter_node', \
             'arbiter_paused', 'arbiter_report'))"
        )
    }

    /// One row: how many rights to make tables in the schema can be seen.
    pub(super) fn look_for_create_right(&self) -> String {
        let schema = literal(&self.schema);
        // A right on a schema may be for a pattern.
        let mine = "grantee = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
                    QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))) AND privilege_type = 'CREATE'";
        format!(
            "SELECT (SELECT COUNT(*) FROM information_schema.user_privileges WHERE {mine}) \
             + (SELECT COUNT(*) FROM information_schema.schema_privileges WHERE {mine} \
             AND {schema} LIKE table_schema)"
        )
    }

    pub(super) fn make_schema(&self) -> String {
        format!("CREATE DATABASE IF NOT EXISTS `{}`", self.schema.replace('`', "``"))
    }

    pub(super) fn make_tables(&self) -> String {
        let Self { arbiter, session, lease, node, paused, report, .. } = self;
        const OPTIONS: &str = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC";
        const TOKEN: &str = "CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL";
        format!(
            "CREATE TABLE IF NOT EXISTS {arbiter} (one TINYINT NOT NULL PRIMARY KEY, \
             id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, \
             last_term BIGINT UNSIGNED NOT NULL, layout INT UNSIGNED NOT NULL) {OPTIONS}; \
             CREATE TABLE IF NOT EXISTS {session} (token {TOKEN} PRIMARY KEY, \
             holder VARCHAR({LONGEST_HOLDER}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, \
             expires DATETIME(6) NOT NULL) {OPTIONS}; \
             CREATE TABLE IF NOT EXISTS {lease} (\
             side VARCHAR({LONGEST_SIDE}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL \
             PRIMARY KEY, term BIGINT UNSIGNED NOT NULL, token {TOKEN}, \
             granted DATETIME(6) NOT NULL, KEY (token)) {OPTIONS}; \
             CREATE TABLE IF NOT EXISTS {node} (\
             joined BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
             node {TOKEN} UNIQUE, token {TOKEN}) {OPTIONS}; \
             CREATE TABLE IF NOT EXISTS {paused} (\
             pipeline VARCHAR({LONGEST_SIDE}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL \
             PRIMARY KEY, since DATETIME(6) NOT NULL) {OPTIONS}; \
             CREATE TABLE IF NOT EXISTS {report} (token {TOKEN} PRIMARY KEY, \
             told MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL) {OPTIONS}"
        )
    }

    /// Whoever is first gives the arbiter its id; terms begin above the last one.
    pub(super) fn make_id(&self, id: &str, last_term: u64) -> String {
        format!(
            "INSERT IGNORE INTO {} (one, id, last_term, layout) \
             VALUES (1, {}, {last_term}, {LAYOUT})",
            self.arbiter,
            literal(id)
        )
    }

    /// Has terms go on above one, where they have not come so far.
    pub(super) fn raise_terms(&self, last_term: u64) -> String {
        format!(
            "UPDATE {} SET last_term = GREATEST(last_term, {last_term}) WHERE one = 1",
            self.arbiter
        )
    }

    /// One row: id, layout and the last term; none where the arbiter has no id.
    pub(super) fn read_id(&self) -> String {
        format!("SELECT id, layout, last_term FROM {} WHERE one = 1", self.arbiter)
    }

    /// One row: the arbiter's id; term, token and holder of the side, where a live session holds
    /// it.
    pub(super) fn look(&self, side: &str) -> String {
        let Self { arbiter, session, lease, .. } = self;
        format!(
            "SELECT a.id, h.term, h.token, h.holder FROM {arbiter} a LEFT JOIN \
             (SELECT l.term, l.token, s.holder FROM {lease} l JOIN {session} s \
             ON s.token = l.token AND s.expires > UTC_TIMESTAMP(6) WHERE l.side = {side}) h \
             ON 1 = 1 WHERE a.one = 1",
            side = literal(side)
        )
    }

    /// One row: the arbiter's id, NULL where there is none; then one for each side that is held: side, term, holder; one for
    /// each node that is present, the oldest first: node, name; and one for each pipeline that shall
    /// rest: its name.
    pub(super) fn look_at_all(&self) -> String {
        let Self { arbiter, session, lease, node, paused, .. } = self;
        format!(
            "SELECT (SELECT id FROM {arbiter} WHERE one = 1); \
             SELECT l.side, l.term, s.holder FROM {lease} l JOIN {session} s \
             ON s.token = l.token WHERE s.expires > UTC_TIMESTAMP(6); \
             SELECT n.node, s.holder FROM {node} n JOIN {session} s \
             ON s.token = n.token WHERE s.expires > UTC_TIMESTAMP(6) ORDER BY n.joined; \
             SELECT pipeline FROM {paused}"
        )
    }

    /// One row for each pipeline that shall rest: its name.
    pub(super) fn paused(&self) -> String {
        format!("SELECT pipeline FROM {}", self.paused)
    }

    /// Writes what is wanted of a pipeline.
    pub(super) fn want(&self, pipeline: &str, wanted: Wanted) -> String {
        let (paused, pipeline) = (&self.paused, literal(pipeline));
        match wanted {
            Wanted::Paused => format!(
                "INSERT IGNORE INTO {paused} (pipeline, since) \
                 VALUES ({pipeline}, UTC_TIMESTAMP(6))"
            ),
            Wanted::Running => format!("DELETE FROM {paused} WHERE pipeline = {pipeline}"),
        }
    }

    /// Writes what the process of a session tells.
    pub(super) fn report(&self, token: &str, told: &str) -> String {
        let told = literal(told);
        format!("REPLACE INTO {} (token, told) VALUES ('{token}', {told})", self.report)
    }

    /// Forgets what processes told whose session is forgotten.
    pub(super) fn forget_dead_reports(&self) -> String {
        let Self { session, report, .. } = self;
        format!("DELETE FROM {report} WHERE token NOT IN (SELECT token FROM {session})")
    }

    /// Takes back what the process of a session has told.
    pub(super) fn forget_report(&self, token: &str) -> String {
        format!("DELETE FROM {} WHERE token = '{token}'", self.report)
    }

    /// One row for each process that tells something.
    pub(super) fn reports(&self) -> String {
        let Self { session, report, .. } = self;
        format!(
            "SELECT r.told FROM {report} r JOIN {session} s ON s.token = r.token \
             WHERE s.expires > UTC_TIMESTAMP(6)"
        )
    }

    /// Makes a node present under a session, as the youngest, and forgets those whose session is
    /// forgotten.
    pub(super) fn join(&self, key: &str, token: &str) -> String {
        let Self { session, node, .. } = self;
        format!(
            "DELETE FROM {node} WHERE token NOT IN (SELECT token FROM {session}); \
             REPLACE INTO {node} (node, token) VALUES ('{key}', '{token}')"
        )
    }

    /// Ends the presence of a node.
    pub(super) fn leave(&self, key: &str) -> String {
        format!("DELETE FROM {} WHERE node = '{key}'", self.node)
    }

    /// One row for each node that is present, the oldest first: name, session.
    pub(super) fn nodes(&self) -> String {
        let Self { session, node, .. } = self;
        format!(
            "SELECT s.holder, s.token FROM {node} n JOIN {session} s \
             ON s.token = n.token WHERE s.expires > UTC_TIMESTAMP(6) ORDER BY n.joined"
        )
    }

    /// One row for each side that is held: side, term, holder; since when and until when, in
    /// seconds since 1970; session.
    pub(super) fn status(&self) -> String {
        let Self { session, lease, .. } = self;
        format!(
            "SELECT l.side, l.term, s.holder, UNIX_TIMESTAMP(l.granted), \
             UNIX_TIMESTAMP(s.expires), s.token FROM {lease} l JOIN {session} s \
             ON s.token = l.token WHERE s.expires > UTC_TIMESTAMP(6)"
        )
    }

    /// Begins a session, and forgets those that are dead for long.
    pub(super) fn begin_session(&self, token: &str, holder: &str, lasts: Duration) -> String {
        let session = &self.session;
        let holder: String = holder.chars().take(LONGEST_HOLDER).collect();
        format!(
            "DELETE FROM {session} WHERE expires < UTC_TIMESTAMP(6) - {KEEP_DEAD_SESSIONS}; \
             INSERT INTO {session} (token, holder, expires) \
             VALUES ('{token}', {}, UTC_TIMESTAMP(6) + INTERVAL {} MICROSECOND)",
            literal(&holder),
            lasts.as_micros()
        )
    }

    /// Renews a session that is not over. One row: the arbiter's id, and whether the session
    /// lives; then one for each of its leases: side and term.
    pub(super) fn renew(&self, token: &str, lasts: Duration) -> String {
        let Self { arbiter, session, lease, .. } = self;
        let lives = format!("token = '{token}' AND expires > UTC_TIMESTAMP(6)");
        format!(
            "UPDATE {session} SET expires = UTC_TIMESTAMP(6) + INTERVAL {} MICROSECOND \
             WHERE {lives}; \
             SELECT (SELECT id FROM {arbiter} WHERE one = 1), \
             (SELECT COUNT(*) FROM {session} WHERE {lives}); \
             SELECT side, term FROM {lease} WHERE token = '{token}'",
            lasts.as_micros()
        )
    }

    /// Grants the next term of the arbiter, above the highest that was seen, if the side is free and the session lives. One row:
    /// the arbiter's id, the term, whether another session holds the side, whether ours lives.
    ///
    /// INVARIANT FENCE-1: grants are one after the other, since each locks the arbiter's row
    /// first, and the counter is committed with the lease.
    pub(super) fn grant(&self, side: &str, token: &str, (id, seen): (&str, u64)) -> String {
        let Self { arbiter, session, lease, .. } = self;
        let (side, id) = (literal(side), literal(id));
        format!(
            "SET @otter_id = NULL, @otter_term = NULL, @otter_held = NULL, @otter_lives = NULL; \
             START TRANSACTION; \
             SELECT id, GREATEST(last_term, {seen}) + 1 INTO @otter_id, @otter_term FROM {arbiter} WHERE one = 1 \
             FOR UPDATE; \
             SELECT COUNT(*) INTO @otter_held FROM {lease} l JOIN {session} s \
             ON s.token = l.token WHERE l.side = {side} AND l.token <> '{token}' \
             AND s.expires > UTC_TIMESTAMP(6) FOR UPDATE; \
             SELECT COUNT(*) INTO @otter_lives FROM {session} WHERE token = '{token}' \
             AND expires > UTC_TIMESTAMP(6) FOR UPDATE; \
             SET @otter_may = @otter_held = 0 AND @otter_lives = 1 \
             AND COALESCE(CONVERT(@otter_id USING utf8mb4) = CONVERT({id} USING utf8mb4), 0); \
             UPDATE {arbiter} SET last_term = @otter_term WHERE one = 1 AND @otter_may; \
             INSERT INTO {lease} (side, term, token, granted) \
             SELECT {side}, @otter_term, '{token}', UTC_TIMESTAMP(6) FROM {arbiter} \
             WHERE one = 1 AND @otter_may ON DUPLICATE KEY UPDATE \
             term = @otter_term, token = '{token}', granted = UTC_TIMESTAMP(6); \
             COMMIT; \
             SELECT @otter_id, @otter_term, @otter_held, @otter_lives"
        )
    }

    /// Gives leases back that are still the session's.
    pub(super) fn release(&self, token: &str, leases: &[Stored]) -> String {
        let mut text = format!("UPDATE {} SET token = '' WHERE token = '{token}'", self.lease);
        for (index, Stored { side, term }) in leases.iter().enumerate() {
            let word = if index == 0 { " AND (" } else { " OR " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{word}(side = {} AND term = {term})", literal(side));
        }
        text.push(')');
        text
    }

    /// Gives everything back.
    pub(super) fn end_session(&self, token: &str) -> String {
        format!(
            "UPDATE {} SET token = '' WHERE token = '{token}'; \
             DELETE FROM {} WHERE token = '{token}'; \
             DELETE FROM {} WHERE token = '{token}'; \
             DELETE FROM {} WHERE token = '{token}'",
            self.lease, self.node, self.report, self.session
        )
    }

    /// Writes into every table and takes it back. What the operator sees of it is an error.
    pub(super) fn probe(&self, token: &str) -> String {
        let Self { arbiter, session, lease, node, paused, report, .. } = self;
        format!(
            "START TRANSACTION; \
             SELECT last_term FROM {arbiter} WHERE one = 1 FOR UPDATE; \
             UPDATE {arbiter} SET last_term = last_term + 1 WHERE one = 1; \
             INSERT INTO {session} (token, holder, expires) \
             VALUES ('{token}', 'check', UTC_TIMESTAMP(6)); \
             INSERT INTO {lease} (side, term, token, granted) \
             VALUES ('{token}', 0, '{token}', UTC_TIMESTAMP(6)); \
             INSERT INTO {node} (node, token) VALUES ('{token}', '{token}'); \
             INSERT INTO {paused} (pipeline, since) VALUES ('{token}', UTC_TIMESTAMP(6)); \
             INSERT INTO {report} (token, told) VALUES ('{token}', ''); \
             DELETE FROM {session} WHERE token = '{token}'; \
             ROLLBACK"
        )
    }
}

/// A text as SQL, whatever it holds.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(12 + 2 * text.len());
    literal.push_str("_utf8mb4 x'");
    for byte in text.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(literal, "{byte:02x}");
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_leave_its_literal() {
        let texts = Texts::new("o`t");
        let text = texts.look("a'; DROP TABLE x; -- /target");
        assert!(!text.contains("DROP"), "{text}");
        assert!(text.contains("`o``t`.arbiter_lease"), "{text}");
    }

    #[test]
    fn several_leases_are_given_back_in_one_statement() {
        let one = Stored { side: "a".to_owned(), term: 1 };
        let other = Stored { side: "b".to_owned(), term: 2 };
        let text = Texts::new("o").release("t", &[one, other]);
        assert!(
            text.ends_with(
                "WHERE token = 't' AND ((side = _utf8mb4 x'61' AND term = 1) OR \
                 (side = _utf8mb4 x'62' AND term = 2))"
            ),
            "{text}"
        );
    }
}
