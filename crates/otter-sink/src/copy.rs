//! The target's side of an initial copy: how far it is, missing tables, and rows that are there.
//!
//! What a copy has reached is written by the loader, with the rows; here it is only read. Tables are
//! made on connections of their own, since a server commits when it makes one: a process that was
//! fenced meanwhile leaves nothing behind but an empty table.

pub(crate) mod collation;
mod progress;

use std::time::Duration;

use async_trait::async_trait;
use otter_core::mapping::Mappings;
use otter_core::{
    CopyLog, CopyRecord, CopyTable, DatabaseUrl, DdlReach, PipelineId, Position, Prepared, Result,
    TableName,
};

use crate::checkpoint;
use crate::mysql::conn::{ApplyConn, ConnError};
use crate::mysql::connect::{self, Flavour, ServerFacts, SessionTimes};
use crate::mysql::names::{identifier, qualified, string};
use crate::mysql::store::Store;
use crate::mysql::target::read_table;
use crate::mysql::{Existing, MySqlLoadError};
use crate::verify::digest::digest;
use collation::Collations;
pub use progress::{
    CopyProgress, CopyTableProgress, CopyTables, Uncopied, progress, tables, uncopied,
};

/// How long the server may keep the connection between two statements.
const IDLE: Duration = Duration::from_secs(60);
const ROW_LOCK: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);

/// A [`CopyLog`] in a target's own schema.
#[derive(Debug)]
pub struct TargetCopyLog {
    url: DatabaseUrl,
    store: Store,
    mappings: Mappings,
    existing: Existing,
}

impl TargetCopyLog {
    /// The log of a pipeline in this schema of this target. Nothing is opened yet.
    #[must_use]
    pub fn new(
        url: DatabaseUrl,
        schema: &str,
        pipeline: &PipelineId,
        (mappings, existing): (Mappings, Existing),
    ) -> Self {
        let store = Store::new(schema, pipeline.as_str());
        Self { url, store, mappings, existing }
    }

    async fn open(&self) -> Result<Desk, MySqlLoadError> {
        Desk::open(&self.url).await
    }
}

#[async_trait]
impl CopyLog for TargetCopyLog {
    async fn load(&self) -> Result<Vec<CopyRecord>> {
        let mut desk = self.open().await?;
        let (_, records) = self.store.read_copy(&mut *desk.conn).await?;
        desk.conn.goodbye().await;
        Ok(records.into_iter().map(|stored| stored.record).collect())
    }

    async fn note(&self, tables: &[CopyRecord]) -> Result<()> {
        if tables.is_empty() {
            return Ok(());
        }
        let mut desk = self.open().await?;
        desk.query(&self.store.note_text(tables)).await?;
        desk.conn.goodbye().await;
        Ok(())
    }

    async fn position(&self) -> Result<Option<Position>> {
        let mut desk = self.open().await?;
        let rows = self.store.read_if_there(&mut *desk.conn).await?;
        desk.conn.goodbye().await;
        let shown = checkpoint::show(&rows, &PipelineId::new(self.store.name()))?;
        Ok(shown.and_then(|shown| shown.position))
    }

    async fn prepare(&self, table: &CopyTable) -> Result<Prepared> {
        let mut desk = self.open().await?;
        let mut prepared = Prepared::default();
        let digest = digest_of(&table.definition.statement);
        let noted = desk.query(&self.store.made_from_text(&table.source)).await?.pop();
        let noted = noted.and_then(|mut row| row.pop()).flatten().filter(|from| !from.is_empty());
        let (mut made_from, mut has_found) = (noted.clone(), false);
        for target in &table.targets {
            let is_ours = noted.as_ref().is_some_and(|from| from != FOUND) && !table.is_shared;
            let is_other = noted.as_ref().is_some_and(|from| *from != digest);
            if is_ours && is_other && desk.exists(target).await? && !desk.has_rows(target).await? {
                // An earlier try has made it, and the source has another one by now.
                desk.drop_table(target).await?;
            }
            if !desk.exists(target).await? {
                // Before it is made, so that it is known to be ours whenever this is broken off.
                if made_from.as_deref() != Some(FOUND) {
                    desk.query(&self.store.made_text(&table.source, &digest)).await?;
                    made_from = Some(digest.clone());
                }
                if self.make(&mut desk, table, target).await? {
                    continue;
                }
            }
            has_found = true;
            let keeps = self.existing == Existing::Keep;
            if table.is_shared
                || (keeps && desk.has_key(target).await?)
                || !desk.has_rows(target).await?
            {
                continue;
            }
            if keeps {
                let what = format!(
                    "cannot begin with {}: {target} holds rows already and has no key by which they \
                     could be kept, so that each that the source has would be there twice. Empty it \
                     (TRUNCATE TABLE {}), or write initial_copy = {{ existing = \"replace\" }} to \
                     have it emptied, or give it a primary key",
                    table.source,
                    qualified(&target.database, &target.table),
                );
                return Err(MySqlLoadError::Copy { what }.into());
            }
            if self.existing == Existing::Halt {
                let what = format!(
                    "cannot begin with {}: {target} holds rows already. Empty it (TRUNCATE TABLE \
                     {}), or write initial_copy = {{ existing = \"replace\" }} to have it emptied, \
                     or initial_copy = {{ existing = \"keep\" }} to write over rows of the same key",
                    table.source,
                    qualified(&target.database, &target.table),
                );
                return Err(MySqlLoadError::Copy { what }.into());
            }
            prepared.emptied.push(target.clone());
        }
        if has_found && noted.is_none() {
            // Not before its rows are nobody's: a table that is noted goes with the source's.
            desk.query(&self.store.made_text(&table.source, FOUND)).await?;
            made_from = Some(FOUND.to_owned());
        }
        prepared.made_from = made_from.map(Into::into);
        desk.conn.goodbye().await;
        Ok(prepared)
    }
}

impl TargetCopyLog {
    /// Makes a missing table as the source has it; `false` where it is there by now, as a call
    /// that was broken off may have made it.
    async fn make(
        &self,
        desk: &mut Desk,
        table: &CopyTable,
        target: &TableName,
    ) -> Result<bool, MySqlLoadError> {
        let by_hand = |why: &str| MySqlLoadError::Copy {
            what: format!(
                "cannot make {target} as {} is: {why}. Make the table by hand, and start again",
                table.source
            ),
        };
        let ddl = self.mappings.route_ddl(table.definition.clone());
        if ddl.reach != DdlReach::Whole {
            return Err(by_hand(
                "its mapping changes columns or rows, several tables flow into it, or it refers to \
                 a table that is not mapped",
            ));
        }
        let is_mariadb = desk.facts.flavour == Flavour::MariaDb;
        if is_mariadb != ddl.session.is_mariadb && ddl.statement.contains("/*") {
            return Err(by_hand("it has what the other kind of server does not know"));
        }
        let collation = table.database_collation.as_deref().map(str::to_owned);
        let (statement, collation) = if is_mariadb == ddl.session.is_mariadb {
            (ddl.statement.to_string(), collation)
        } else {
            desk.translate(target, (&*ddl.statement, collation)).await?
        };
        desk.make_database(&target.database, collation.as_deref())
            .await
            .map_err(|error| refused(&error, &by_hand))?;
        match desk.make_table(&statement).await {
            Ok(()) => {}
            Err(error) if error.number() == Some(TABLE_EXISTS) => return Ok(false),
            Err(error) => return Err(refused(&error, &by_hand)),
        }
        tracing::info!(table = %target, source = %table.source, "made a table of the target");
        Ok(true)
    }
}

/// Stands for the digest of a definition where somebody else has made the table: it goes with the source's,
/// and is not made anew.
const FOUND: &str = "found";

/// Tells definitions apart, but for the number that the next row gets.
fn digest_of(statement: &str) -> String {
    let counts = |word: &&str| !word.starts_with("AUTO_INCREMENT=");
    let words = statement.split_ascii_whitespace().filter(counts);
    digest(words.map(|word| word.as_bytes().to_vec()))
}

/// `ER_TABLEACCESS_DENIED_ERROR`.
const NO_RIGHT: u16 = 1142;
/// `ER_TABLE_EXISTS_ERROR`.
const TABLE_EXISTS: u16 = 1050;

/// What it means that the server did not make a table. Definitions hold no values of rows.
fn refused(error: &ConnError, by_hand: &dyn Fn(&str) -> MySqlLoadError) -> MySqlLoadError {
    match error {
        ConnError::Server(server) if !server.ends_session() => {
            by_hand(&format!("the target answers error {}: {}", server.number, server.message()))
        }
        ConnError::Server(_) | ConnError::Broken(_) => MySqlLoadError::plain(error.clone()),
    }
}

/// A connection for one piece of business.
struct Desk {
    conn: Box<dyn ApplyConn>,
    facts: ServerFacts,
}

impl Desk {
    async fn open(url: &DatabaseUrl) -> Result<Self, MySqlLoadError> {
        let times = SessionTimes { idle: IDLE, row_lock: ROW_LOCK, answer: ANSWER };
        let (conn, facts) = connect::open(url, times).await?;
        Ok(Self { conn, facts })
    }

    async fn query(&mut self, text: &str) -> Result<Vec<Vec<Option<String>>>, MySqlLoadError> {
        self.conn.query(text).await.map_err(MySqlLoadError::plain)
    }

    async fn exists(&mut self, table: &TableName) -> Result<bool, MySqlLoadError> {
        let rows = self
            .query(&format!(
                "SELECT 1 FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
                string(&table.database),
                string(&table.table)
            ))
            .await?;
        Ok(!rows.is_empty())
    }

    /// Whether something tells the table's rows apart.
    async fn has_key(&mut self, table: &TableName) -> Result<bool, MySqlLoadError> {
        let found = Box::pin(read_table(&mut *self.conn, table)).await?;
        Ok(found.is_some_and(|table| !table.identities.is_empty()))
    }

    async fn has_rows(&mut self, table: &TableName) -> Result<bool, MySqlLoadError> {
        let name = qualified(&table.database, &table.table);
        Ok(!self.query(&format!("SELECT 1 FROM {name} LIMIT 1")).await?.is_empty())
    }

    /// A definition and its database's collation as the other kind of server says them.
    async fn translate(
        &mut self,
        target: &TableName,
        (statement, collation): (&str, Option<String>),
    ) -> Result<(String, Option<String>), MySqlLoadError> {
        let mut collations = Collations::default();
        let conn = &mut *self.conn;
        let statement = collations.translate(conn, statement).await;
        let statement = statement.map_err(MySqlLoadError::plain)?;
        let collation = match collation {
            Some(name) => {
                let found = collations.name(conn, &name).await.map_err(MySqlLoadError::plain)?;
                Some(found.unwrap_or(name))
            }
            None => None,
        };
        for (from, to) in collations.changed() {
            tracing::info!(table = %target, from, to, "the target has another name for a collation");
        }
        Ok((statement, collation))
    }

    async fn make_database(
        &mut self,
        name: &str,
        collation: Option<&str>,
    ) -> Result<(), ConnError> {
        let known = format!(
            "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            string(name)
        );
        if !self.conn.query(&known).await?.is_empty() {
            return Ok(());
        }
        let collation = collation.map_or_else(String::new, |it| format!(" COLLATE {}", string(it)));
        let text = format!("CREATE DATABASE IF NOT EXISTS {}{collation}", identifier(name));
        self.conn.query(&text).await.map(drop)
    }

    async fn drop_table(&mut self, table: &TableName) -> Result<(), MySqlLoadError> {
        self.query("SET SESSION foreign_key_checks=0").await?;
        let text = format!("DROP TABLE IF EXISTS {}", qualified(&table.database, &table.table));
        match self.conn.query(&text).await {
            Err(error) if error.number() == Some(NO_RIGHT) => Err(MySqlLoadError::Copy {
                what: format!(
                    "cannot begin with {table}: it was made before, and the source has another \
                     definition of it by now. {text}, or GRANT DROP on it to the account, and start \
                     again"
                ),
            }),
            done => done.map(drop).map_err(MySqlLoadError::plain),
        }
    }

    async fn make_table(&mut self, statement: &str) -> Result<(), ConnError> {
        // Tables that it refers to may come later, and zero dates are defaults as the source has them.
        self.conn.query("SET SESSION sql_mode='', foreign_key_checks=0").await?;
        self.conn.query(statement).await.map(drop)
    }
}
