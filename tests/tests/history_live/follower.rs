//! Runs statements on a server and carries a tracked schema over what the server then logged.

use std::collections::{BTreeMap, VecDeque};

use otter_binlog::history::{DdlRecord, Dialect, Schema, SchemaOptions, Session, Statement, read};
use otter_server::sandbox::{Flavor, Server};
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, MySqlConnection, Row};

use crate::judge::{Judge, databases};

/// A connection to a server, and the schema that its binlog gives.
pub(crate) struct Follower {
    connection: MySqlConnection,
    session: Session,
    schema: Schema,
    judge: Judge,
    file: String,
    position: u64,
    /// The last statements, for the report of a failure.
    recent: VecDeque<String>,
    seed: u64,
    pub(crate) tables_compared: usize,
    pub(crate) columns_compared: usize,
    /// How many statements of each kind were followed.
    pub(crate) kinds: BTreeMap<&'static str, usize>,
}

impl Follower {
    /// Connects, and begins with the databases of the test, which are made here.
    pub(crate) async fn start(server: &Server, flavor: Flavor, seed: u64) -> Self {
        let flavor = match flavor {
            Flavor::MySql => otter_binlog::history::Flavor::MySql,
            Flavor::MariaDb => otter_binlog::history::Flavor::MariaDb,
        };
        let mut connection = server.connect().await.expect("the server takes a connection");
        let mut ask = async |query: &str| texts(&mut connection, query).await.remove(0).remove(0);
        let version = ask("SELECT VERSION()").await;
        let server_collation = ask("SELECT @@collation_server").await;
        let mut files = texts(&mut connection, "SHOW BINARY LOGS").await;
        let file = files.pop().expect("a binlog").remove(0);
        let numbers: Vec<u16> =
            version.split(['.', '-']).map_while(|number| number.parse().ok()).collect();
        let &[major, minor, patch, ..] = numbers.as_slice() else {
            panic!("no version: {version}");
        };
        let dialect = Dialect::new(flavor, major, minor, patch);
        let mut session = Session::new(dialect);
        session.server_collation = server_collation.into();
        let mut follower = Self {
            connection,
            session,
            schema: Schema::new(SchemaOptions::default()),
            judge: Judge::new(dialect),
            file,
            position: 4,
            recent: VecDeque::new(),
            seed,
            tables_compared: 0,
            columns_compared: 0,
            kinds: BTreeMap::new(),
        };
        follower.skip_to_end().await;
        // Lenient, so that more of what is generated becomes a definition.
        follower.execute("SET sql_mode = '', foreign_key_checks = 0").await.expect("a mode");
        for database in databases() {
            assert!(follower.run(&format!("CREATE DATABASE {database}")).await);
        }
        follower.execute("USE h1").await.expect("a default database");
        follower
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Runs a statement and follows it; tells whether the server took it.
    ///
    /// # Panics
    /// Where the tracked schema then differs from the server's.
    pub(crate) async fn run(&mut self, statement: &str) -> bool {
        let failed = self.execute(statement).await.is_err();
        let logged = self.logged().await;
        if failed && logged.is_empty() {
            return false;
        }
        let mark = if failed { "-- failed, but logged\n" } else { "" };
        self.recent.push_back(format!("{mark}{statement}"));
        if self.recent.len() > 6 {
            self.recent.pop_front();
        }
        for (database, text) in logged {
            self.follow(&database, &text, failed);
        }
        self.compare(false).await;
        !failed
    }

    /// Compares all databases of the server, by the queries as they are.
    pub(crate) async fn compare_everything(&mut self) {
        self.compare(true).await;
    }

    fn follow(&mut self, database: &str, logged: &str, failed: bool) {
        self.session.database = database.into();
        let record = DdlRecord { session: self.session.clone(), statement: logged.into(), failed };
        // As it will be stored and read again.
        let record = DdlRecord::from_text(&record.to_text()).expect("a record survives its text");
        if let Err(error) = record.replay(&mut self.schema) {
            self.fail(&format!("{error}: {logged}"));
        }
        if let Ok(Statement::Ddl(ddl)) = read(logged.as_bytes(), &record.session.dialect) {
            *self.kinds.entry(ddl.kind).or_default() += 1;
        }
    }

    async fn compare(&mut self, everything: bool) {
        let mut rows = Vec::new();
        for query in self.judge.queries(everything) {
            rows.push(optional_texts(&mut self.connection, &query).await);
        }
        let theirs = self.judge.snapshot(&rows);
        match self.judge.compare(&self.schema, &theirs, &rows) {
            Ok((tables, columns)) => {
                self.tables_compared += tables;
                self.columns_compared += columns;
            }
            Err(difference) => {
                let tables = self.show_tables(&difference).await;
                self.fail(&format!("{difference}\n{tables}"));
            }
        }
        // Once in a while the schema is stored and read again.
        if self.columns_compared.is_multiple_of(16) {
            self.schema = Schema::from_text(&self.schema.to_text()).expect("a schema survives");
        }
    }

    /// The definitions of the tables that a difference names.
    async fn show_tables(&mut self, difference: &str) -> String {
        let names: Vec<_> = self.schema.tables().map(|(name, _)| name).collect();
        let mut shown = String::new();
        for name in names.iter().filter(|name| difference.contains(&name.to_string())) {
            let query = format!("SHOW CREATE TABLE `{}`.`{}`", name.database, name.table);
            for row in texts(&mut self.connection, &query).await {
                shown.push_str(row.get(1).map_or("", String::as_str));
                shown.push('\n');
            }
        }
        shown
    }

    fn fail(&self, message: &str) -> ! {
        let recent: Vec<&str> = self.recent.iter().map(String::as_str).collect();
        panic!("{message}\nOTTER_SEED={}, after:\n{};", self.seed, recent.join(";\n"))
    }

    async fn execute(&mut self, statement: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await.map(drop)
    }

    async fn skip_to_end(&mut self) {
        self.logged().await;
    }

    /// The statements that were logged since the last call, with their default databases.
    async fn logged(&mut self) -> Vec<(String, String)> {
        let query = format!("SHOW BINLOG EVENTS IN '{}' FROM {}", self.file, self.position);
        let mut logged = Vec::new();
        for row in texts(&mut self.connection, &query).await {
            let [_, _, kind, _, end, text] = row.as_slice() else {
                panic!("an event of {} columns", row.len());
            };
            self.position = end.parse().expect("a position");
            if kind == "Query" {
                logged.push(cut_use(text));
            }
        }
        logged
    }
}

/// Cuts "use `x`; " off. It is not shown with statements about databases, although these have a
/// default: where they name none, it is the session's own.
fn cut_use(text: &str) -> (String, String) {
    let text = without_flags(text);
    let cut = text.strip_prefix("use `").and_then(|rest| rest.split_once("`; "));
    let (database, statement) = cut.unwrap_or(("h1", text));
    (database.to_owned(), without_flags(statement).to_owned())
}

/// MariaDB shows the flags of the event as a statement, before or behind the USE; 10.11.14 shows
/// them the wrong way round.
fn without_flags(text: &str) -> &str {
    let flags = ["set foreign_key_checks=0; ", "set foreign_key_checks=1; "];
    flags.iter().find_map(|flags| text.strip_prefix(flags)).unwrap_or(text)
}

async fn texts(connection: &mut MySqlConnection, query: &str) -> Vec<Vec<String>> {
    let rows = optional_texts(connection, query).await;
    rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect()
}

async fn optional_texts(connection: &mut MySqlConnection, query: &str) -> Vec<Vec<Option<String>>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}\nin: {query}"));
    rows.iter().map(cells).collect()
}

fn cells(row: &MySqlRow) -> Vec<Option<String>> {
    let cell = |index| {
        let bytes: Option<Vec<u8>> = row.try_get_unchecked(index).expect("the column exists");
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    (0..row.len()).map(cell).collect()
}
