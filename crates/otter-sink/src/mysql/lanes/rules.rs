//! Whether rows find the lanes that they found before an interruption.
//!
//! What decides about a table's lanes is noted before its first rows go in lanes. Rows that only
//! some lanes have are of noted tables, and where a table is not as it was noted, somebody has
//! changed its keys since: then they might come twice or not at all.

use super::diverged;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::session::Session;
use crate::mysql::store::{NotedRule, Others};

impl Session {
    /// Notes rules that are not noted yet; no lanes differ.
    pub(super) async fn note_rules(&mut self, rules: Vec<NotedRule>) -> Result<(), MySqlLoadError> {
        // What earlier sessions noted tells nothing any more.
        let others = if self.rules.is_some() { Others::Kept } else { Others::Forgotten };
        let noted = self.rules.get_or_insert_default();
        let new: Vec<NotedRule> = rules.into_iter().filter(|rule| !noted.contains(rule)).collect();
        if new.is_empty() && others == Others::Kept {
            return Ok(());
        }
        let held = (&self.claim, &self.held);
        self.store.write_rules(&mut *self.line.conn, held, (&new, others)).await?;
        noted.extend(new);
        Ok(())
    }

    /// Makes sure that all of these were noted before the interruption.
    pub(super) async fn require_rules(
        &mut self,
        rules: &[NotedRule],
    ) -> Result<(), MySqlLoadError> {
        let noted = self.store.read_rules(&mut *self.line.conn).await?;
        if rules.iter().all(|rule| noted.contains(rule)) {
            return Ok(());
        }
        Err(diverged("a table's rows would find other lanes than before"))
    }
}
