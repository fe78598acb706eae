//! What has to be known before rows are copied again: the table, its key, and the request's keys or
//! condition in words that the source understands.
//!
//! Whatever is wrong with a request is found here, and is a refusal of it; only a source that does not
//! answer is an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use otter_core::mapping::Mappings;
use otter_core::{Causes, DatabaseUrl, ResyncRequest, ResyncWish, TableName};

use super::keys::BadKey;
use super::refusal::{NOT_CARRIED, Refusal};
use super::wanted::{WantedKey, read_keys};
use crate::connection::{Connection, ConnectionError, Flavor, ServerInfo};
use crate::copy::definition::{self, Definition};
use crate::copy::error::CopyError;
use crate::copy::snapshot::Desk;
use crate::copy::tables;
use crate::copy::value::quoted;
use crate::copy::watermark;
use crate::schema::reader::quote;
use crate::selector::{TableFilter, has_mysql_gtids};
use crate::statement::Dialect;
use crate::statement::tokens::{Token, Tokens};

/// What is asked for.
pub(in crate::copy) struct Preparing {
    pub(super) request: ResyncRequest,
    /// The tables that the stream brings.
    pub(super) filter: TableFilter,
}

impl std::fmt::Debug for Preparing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Preparing").field(&self.request).finish()
    }
}

/// What is to be read.
#[derive(Debug)]
pub(in crate::copy) struct Prepared {
    /// Its key is the one that the request is about.
    pub(super) definition: Arc<Definition>,
    pub(super) what: What,
    /// Tables whose changes change rows of this one without a word in the binlog; itself among them
    /// where its own do.
    pub(super) leaders: BTreeSet<TableName>,
    /// The source's clock, in seconds since 1970.
    pub(super) now: u64,
}

/// Which rows are to be read.
#[derive(Debug)]
pub(super) enum What {
    /// All, in the order of the key.
    All,
    /// Those that meet a condition, in the order of the key.
    Where(Arc<str>),
    Keys(Vec<WantedKey>),
}

/// Why there is nothing prepared.
pub(super) enum Unready {
    Refused(Refusal),
    Error(CopyError),
}

impl From<Refusal> for Unready {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<BadKey> for Unready {
    fn from(bad: BadKey) -> Self {
        Self::Refused(bad.into())
    }
}

impl From<CopyError> for Unready {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Table { problem, .. } => Self::Refused(Refusal::new(problem)),
            CopyError::Connection(error) => error.into(),
            other @ (CopyError::Select(_)
            | CopyError::Unreadable { .. }
            | CopyError::NoGtids { .. }
            | CopyError::Request { .. }
            | CopyError::Busy { .. }
            | CopyError::Unready { .. }
            | CopyError::Interrupted { .. }
            | CopyError::PartialRow { .. }
            | CopyError::Ddl { .. }
            | CopyError::BadRecord { .. }) => Self::Error(other),
        }
    }
}

impl From<ConnectionError> for Unready {
    fn from(error: ConnectionError) -> Self {
        match Refusal::of_server("the source refuses to tell of the table", &error) {
            Some(refusal) => Self::Refused(refusal),
            None => Self::Error(error.into()),
        }
    }
}

/// How much a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspected {
    /// The keys that it names; 0 where it names none.
    pub keys: usize,
    /// How many rows the table may have, as the source guesses.
    pub table_rows: u64,
}

/// Asks the source whether a request can be done: it has the table, the table a key, the keys are of its
/// shape, and the condition can be read. Changes nothing, but at MySQL without GTIDs the row in
/// `otter.watermark`.
///
/// # Errors
/// [`CopyError::Request`] with the remedy where it cannot be done, else those of a connection.
pub async fn inspect(
    url: &DatabaseUrl,
    mappings: &Mappings,
    request: &ResyncRequest,
) -> Result<Inspected, CopyError> {
    let refused = |Refusal(problem): Refusal| CopyError::Request {
        table: request.table.clone(),
        problem: problem.to_string(),
    };
    if !mappings.is_mapped(&request.table) {
        return Err(refused(Refusal::new(NOT_CARRIED)));
    }
    let mut desk = Box::pin(Desk::open(url)).await?;
    let preparing = Preparing { request: request.clone(), filter: mappings.filter() };
    let outcome = prepare(&mut desk.connection, &desk.info, &preparing).await;
    desk.connection.close().await;
    let prepared = outcome?.map_err(refused)?;
    prepared.check_mapping(mappings).map_err(refused)?;
    Ok(Inspected {
        keys: if let What::Keys(keys) = &prepared.what { keys.len() } else { 0 },
        table_rows: prepared.definition.estimated,
    })
}

impl Prepared {
    /// Whether rows of the table can be copied again where the mappings carry them.
    pub(super) fn check_mapping(&self, mappings: &Mappings) -> Result<(), Refusal> {
        let table = &self.definition.table;
        let route = mappings.table(table).map_err(|error| Refusal::new(error.to_string()))?;
        let Some(route) = route else { return Err(Refusal::new(NOT_CARRIED)) };
        if route.is_spread() {
            let why = "its rows are spread over several tables of the target, and of a row that has \
                 moved nobody knows which of them holds it: copy it by hand";
            return Err(Refusal::new(why));
        }
        if matches!(self.what, What::Keys(_)) && mappings.merges(&table.name) {
            let why = "several tables flow into its table of the target, and a row with a key that this \
                 one does not have may be another's: ask by a condition (--where) instead, and delete \
                 by hand what is too much";
            return Err(Refusal::new(why));
        }
        Ok(())
    }
}

/// Prepares a request.
pub(in crate::copy) async fn prepare(
    connection: &mut Connection,
    info: &ServerInfo,
    preparing: &Preparing,
) -> Result<Result<Box<Prepared>, Refusal>, CopyError> {
    match Box::pin(ready(connection, info, preparing)).await {
        Ok(prepared) => Ok(Ok(Box::new(prepared))),
        Err(Unready::Refused(refusal)) => Ok(Err(refusal)),
        Err(Unready::Error(error)) => Err(error),
    }
}

async fn ready(
    connection: &mut Connection,
    info: &ServerInfo,
    preparing: &Preparing,
) -> Result<Prepared, Unready> {
    let Preparing { request, filter } = preparing;
    let name = &request.table;
    if info.flavor() == Flavor::MySql && !has_mysql_gtids(info) {
        watermark::write(connection, info).await.map_err(|error| {
            if matches!(error, CopyError::NoGtids { .. }) {
                return Unready::from(Refusal::new(told(&error)));
            }
            Unready::from(error)
        })?;
    }
    check_name(connection, name).await?;
    let Some(mut definition) = definition::read(connection, info, name).await? else {
        let why = "the source has no such table, or the account may not see it: write the name as the \
             source has it, or GRANT SELECT on it";
        return Err(Refusal::new(why).into());
    };
    if definition.key.is_none() {
        let why = "it has no key by which rows are told apart: ALTER TABLE … ADD PRIMARY KEY (…), or \
             copy it by hand";
        return Err(Refusal::new(why).into());
    }
    let what = match &request.wish {
        ResyncWish::All => What::All,
        ResyncWish::Where(condition) => {
            check_condition(connection, name, condition).await?;
            What::Where(Arc::clone(condition))
        }
        ResyncWish::Keys { columns, keys } => {
            let Some(key) = definition.key_of(columns).cloned() else {
                let why = "these columns are no key of it that holds no NULL";
                return Err(Refusal::new(why).into());
            };
            let wanted = read_keys(connection, &definition, (&key, columns), keys).await?;
            definition.key = Some(key);
            What::Keys(wanted)
        }
    };
    let leaders = tables::leaders(connection, info, (filter, name)).await?;
    let clock = connection.query("SELECT UNIX_TIMESTAMP() AS now").await?;
    let now = clock.first("now").and_then(|now| now.parse().ok()).unwrap_or(0);
    Ok(Prepared { definition: Arc::new(definition), what, leaders, now })
}

/// The name must be the one of the stream, letter by letter: a source that folds names would find the
/// table by others as well, and its changes would not be known for those of this table.
async fn check_name(connection: &mut Connection, name: &TableName) -> Result<(), Unready> {
    let tables = connection
        .query(&format!(
            "SELECT table_schema, table_name FROM information_schema.tables \
             WHERE table_schema = {} AND table_name = {}",
            quote(&name.database),
            quote(&name.table)
        ))
        .await?;
    let names = tables.rows().iter().filter_map(|row| Some((row.text(0)?, row.text(1)?)));
    match right_name(name, names) {
        Some(right) => {
            let why = format!("the source calls it {right}: write the name in these letters");
            Err(Refusal::new(why).into())
        }
        None => Ok(()),
    }
}

/// The name that the source has for a table, where it is another one than was asked for.
fn right_name<'n>(
    asked: &TableName,
    found: impl Iterator<Item = (&'n str, &'n str)>,
) -> Option<TableName> {
    let mut right = None;
    for (database, table) in found {
        let name = TableName::new(database, table);
        if name == *asked {
            return None;
        }
        right = Some(name);
    }
    right
}

/// A condition must stay within the parentheses that are put around it, and be one that the source
/// can read.
async fn check_condition(
    connection: &mut Connection,
    table: &TableName,
    condition: &str,
) -> Result<(), Unready> {
    let refuse = |why: &str| Refusal::new(format!("the condition cannot be read: {why}"));
    let mut tokens = Tokens::new(condition.as_bytes(), Dialect::default());
    let mut open = 0_u32;
    let mut is_empty = true;
    for token in &mut tokens {
        is_empty = false;
        match token {
            Token::Symbol(b'(') => open += 1,
            Token::Symbol(b')') => {
                open = open.checked_sub(1).ok_or_else(|| refuse("a parenthesis too many"))?;
            }
            Token::Symbol(b';') => return Err(refuse("it holds more than one statement").into()),
            Token::Word(_) | Token::Name(_) | Token::Text | Token::Symbol(_) => {}
        }
    }
    if open > 0 {
        return Err(refuse("a parenthesis is not closed").into());
    }
    if is_empty || condition.contains("/*") {
        return Err(refuse("it is empty, or holds a comment").into());
    }
    let sql = format!(
        "SELECT 1 FROM {}.{} WHERE ({condition}\n) LIMIT 0",
        quoted(&table.database),
        quoted(&table.table)
    );
    match connection.query(&sql).await {
        Ok(_) => Ok(()),
        Err(error) => match Refusal::of_server("the source cannot read the condition", &error) {
            Some(refusal) => Err(refusal.into()),
            None => Err(Unready::Error(error.into())),
        },
    }
}

/// An error in words for the log, without values of rows.
pub(super) fn told(error: &CopyError) -> String {
    Causes(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ServerError;

    fn server(code: u16) -> ConnectionError {
        let message = "near 'secret'".to_owned();
        ConnectionError::Server(ServerError { code, state: String::new(), message })
    }

    #[test]
    fn a_name_in_other_letters_is_told() {
        let asked = TableName::new("shop", "Item");
        let right = |found: &[(&'static str, &'static str)]| {
            right_name(&asked, found.iter().copied()).map(|name| name.to_string())
        };
        assert_eq!(right(&[("shop", "item")]).as_deref(), Some("shop.item"));
        assert_eq!(right(&[("shop", "item"), ("shop", "Item")]), None);
        assert_eq!(right(&[]), None);
    }

    #[test]
    fn errors_of_the_server_are_told_without_its_words() {
        for code in [1064, 1054, 1142, 1292] {
            let Refusal(why) = Refusal::of_server("no", &server(code)).unwrap();
            assert!(why.contains(&code.to_string()) && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn a_busy_server_refuses_nothing() {
        for code in [1040, 1053, 1205, 1213, 1317, 1927, 1969, 3024] {
            assert_eq!(Refusal::of_server("no", &server(code)), None, "{code}");
        }
    }
}
