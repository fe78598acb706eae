//! The conformance suite of `Select`, on both servers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_binlog::selector::BinlogSelector;
use otter_core::Select;
use otter_core::testkit::item::{self, CREATE_DATABASE, CREATE_TABLE, Edit, Item};
use otter_core::testkit::selector::SelectorFixture;
use otter_core::testkit::suite::{Clock, Fixture};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::{query, testbed};

use super::support::options;

struct Source(Server);

impl Source {
    async fn start(flavor: Flavor) -> Self {
        let server = testbed::server(flavor).source().start().await;
        testbed::execute(&server, &format!("{CREATE_DATABASE}; {CREATE_TABLE}")).await;
        Self(server)
    }

    fn selector(&self) -> Box<dyn Select> {
        let mut options = options(&self.0);
        let table = item::table();
        options.filter = Arc::new(move |name| *name == table.name);
        Box::new(BinlogSelector::new(options))
    }

    async fn commit(&self, edits: &[Edit]) {
        let statements: Vec<String> = edits.iter().map(statement).collect();
        testbed::execute(&self.0, &format!("BEGIN; {}; COMMIT", statements.join("; "))).await;
    }

    async fn cut(&self) {
        let sql = "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
        let listed = query::texts(&self.0, sql).await;
        assert!(!listed.is_empty(), "a selector reads");
        for row in listed {
            if let Err(error) = self.0.execute(&format!("KILL {}", row[0])).await {
                // One whose reader has left ends by itself, maybe just now.
                let cause = std::error::Error::source(&error).expect("a cause").to_string();
                assert!(cause.contains("Unknown thread"), "{error}: {cause}");
            }
        }
    }
}

fn statement(edit: &Edit) -> String {
    let table = item::table().name.to_string();
    let name = |item: &Item| match &item.name {
        Some(name) => format!("'{name}'"),
        None => "NULL".to_owned(),
    };
    match edit {
        Edit::Insert(item) => format!("INSERT INTO {table} VALUES ({}, {})", item.id, name(item)),
        Edit::Update { before, after } => format!(
            "UPDATE {table} SET id = {}, name = {} WHERE id = {}",
            after.id,
            name(after),
            before.id
        ),
        Edit::Delete(item) => format!("DELETE FROM {table} WHERE id = {}", item.id),
    }
}

macro_rules! fixture {
    ($name:ident, $flavor:expr) => {
        mod $name {
            use super::*;

            struct OnServer(Source);

            #[async_trait]
            impl Fixture for OnServer {
                const CLOCK: Clock = Clock::Real;
                // Starting a server on a loaded machine takes its time.
                const LIMIT: Duration = Duration::from_secs(120);
                async fn start() -> Self {
                    Self(Source::start($flavor).await)
                }
            }

            #[async_trait]
            impl SelectorFixture for OnServer {
                async fn selector(&self) -> Box<dyn Select> {
                    self.0.selector()
                }
                async fn commit(&self, edits: &[Edit]) {
                    self.0.commit(edits).await;
                }
                async fn cut(&self) {
                    self.0.cut().await;
                }
            }

            otter_core::selector_suite!(OnServer);
        }
    };
}

fixture!(mysql, Flavor::MySql);
fixture!(mariadb, Flavor::MariaDb);
