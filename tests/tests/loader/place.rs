//! A place in a shared server: databases of its own for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{DatabaseUrl, Load, Table, TableName};
use otter_server::sandbox::{Flavor, Server};
use otter_sink::{LoaderOptions, MySqlLoader};
use otter_tests::wait::wait_until;
use otter_tests::{query, testbed};

use crate::source::{self, INT, Source};

/// A test's own databases: one for its tables and one for checkpoints and marks.
#[derive(Debug, Clone)]
pub struct Place {
    pub server: &'static Server,
    pub flavor: Flavor,
    /// Holds the test's tables.
    pub database: String,
    /// Holds the checkpoint; made by the loader.
    pub schema: String,
}

impl Place {
    pub async fn new(flavor: Flavor) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let place = Self {
            server: testbed::shared(flavor),
            flavor,
            database: format!("place_{number}"),
            schema: format!("otter_{number}"),
        };
        testbed::execute(place.server, &format!("CREATE DATABASE {}", place.database)).await;
        place
    }

    pub fn url(&self) -> DatabaseUrl {
        self.server.url().parse().expect("the sandbox writes proper URLs")
    }

    pub fn options(&self) -> LoaderOptions {
        let mut options = LoaderOptions::default();
        options.schema = Arc::from(self.schema.as_str());
        options
    }

    pub fn loader(&self) -> MySqlLoader {
        self.loader_with(self.options())
    }

    pub fn loader_with(&self, options: LoaderOptions) -> MySqlLoader {
        MySqlLoader::new(pipeline(), self.url(), options)
    }

    /// A loader that has begun at the start of the source, under term 1.
    pub async fn begun(&self, source: &Source) -> MySqlLoader {
        self.begun_with(source, self.options()).await
    }

    pub async fn begun_with(&self, source: &Source, options: LoaderOptions) -> MySqlLoader {
        let loader = self.loader_with(options);
        assert_eq!(loader.resume(&lease(1)).await.expect("the target is new"), None);
        loader.begin(&source.position(), &lease(1)).await.expect("the target is ours");
        loader
    }

    /// Makes the table `pair`: a key and a number.
    pub async fn pairs(&self) -> Arc<Table> {
        self.execute("CREATE TABLE pair (id INT PRIMARY KEY, n INT)").await;
        source::table(&self.database, "pair", &[("id", INT), ("n", INT)])
    }

    /// The rows of `pair` as `id=n`, separated by spaces.
    pub async fn shown_pairs(&self) -> String {
        let rows = self.texts("SELECT CONCAT(id, '=', n) FROM {db}.pair ORDER BY id").await;
        rows.concat().join(" ")
    }

    /// Waits until a statement about the test's tables waits for a row lock.
    pub async fn wait_for_a_lock_wait(&self) {
        // `innodb_trx` is no help: it stays as it was while it is read more often than every
        // 100 ms, by whomever.
        wait_until("a statement waits for a lock", Duration::from_secs(10), async || {
            let status = self.texts("SHOW ENGINE INNODB STATUS").await.concat().concat();
            status.split("---TRANSACTION").any(|transaction| {
                transaction.contains("LOCK WAIT") && transaction.contains(&self.database)
            })
        })
        .await;
    }

    /// Executes statements in the test's database.
    pub async fn execute(&self, statements: &str) {
        testbed::execute(self.server, &format!("USE {}; {statements}", self.database)).await;
    }

    /// The rows of a query in the test's database, as text.
    pub async fn texts(&self, query: &str) -> Vec<Vec<String>> {
        let query = query.replace("{db}", &self.database).replace("{otter}", &self.schema);
        query::texts(self.server, &query).await
    }

    /// The same definition for a table of the test's database.
    pub fn in_here(&self, table: &Table) -> Arc<Table> {
        let name = TableName::new(self.database.as_str(), Arc::clone(&table.name.table));
        Arc::new(Table { name, ..table.clone() })
    }
}
