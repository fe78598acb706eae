//! The conformance suite of loaders on both servers, in both modes.

use std::sync::Arc;

use async_trait::async_trait;
use otter_core::testkit::item::{self, Item};
use otter_core::testkit::loader::LoaderFixture;
use otter_core::testkit::suite::Fixture;
use otter_core::{Batch, Event, Lease, Load, Loaded, Position, Result, Table};
use otter_server::sandbox::Flavor;
use otter_sink::{LoaderOptions, Mode, MySqlLoader};

use crate::place::Place;

/// The suite's rows, in the test's own database.
#[derive(Debug)]
struct Moved {
    inner: MySqlLoader,
    table: Arc<Table>,
}

#[async_trait]
impl Load for Moved {
    async fn resume(&self, lease: &Lease) -> Result<Option<Position>> {
        self.inner.resume(lease).await
    }

    async fn begin(&self, at: &Position, lease: &Lease) -> Result<()> {
        self.inner.begin(at, lease).await
    }

    async fn load(&self, mut batch: Batch, lease: &Lease) -> Result<Loaded> {
        for event in batch.transactions.iter_mut().flat_map(|transaction| &mut transaction.events) {
            if let Event::Rows(rows) = event {
                *rows = rows.clone().with_table(Arc::clone(&self.table)).expect("the same columns");
            }
        }
        self.inner.load(batch, lease).await
    }

    async fn ping(&self, lease: &Lease) -> Result<()> {
        self.inner.ping(lease).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

pub(crate) async fn start(flavor: Flavor) -> Place {
    let place = Place::new(flavor).await;
    place.execute(&item::CREATE_TABLE.replace("otter_suite.", "")).await;
    place
}

fn loader(place: &Place, mode: Mode) -> Arc<dyn Load> {
    let mut options = place.options();
    options.mode = mode;
    if mode == Mode::Fast {
        // Whatever has two rows goes by lanes.
        options.group_rows = 1;
    }
    loader_with(place, options)
}

pub(crate) fn loader_with(place: &Place, options: LoaderOptions) -> Arc<dyn Load> {
    Arc::new(Moved { inner: place.loader_with(options), table: place.in_here(&item::table()) })
}

pub(crate) async fn rows(place: &Place) -> Vec<Item> {
    let rows = otter_tests::query::rows(
        place.server,
        &format!("SELECT id, name FROM {}.item ORDER BY id", place.database),
    )
    .await;
    let text = |cell: Vec<u8>| String::from_utf8(cell).expect("the connection speaks utf8mb4");
    rows.into_iter()
        .map(|mut row| {
            let name = row.pop().expect("two columns").map(text);
            let id = row.pop().flatten().map(text).expect("a key is never NULL");
            Item { id: id.parse().expect("a number"), name }
        })
        .collect()
}

macro_rules! run_on {
    ($module:ident, $fixture:ident, $flavor:expr, $mode:expr) => {
        mod $module {
            use super::*;

            struct $fixture(Place);

            #[async_trait]
            impl Fixture for $fixture {
                async fn start() -> Self {
                    Self(start($flavor).await)
                }
            }

            #[async_trait]
            impl LoaderFixture for $fixture {
                const SHOWS_STATES_OF_THE_SOURCE: bool = matches!($mode, Mode::Strict);

                async fn loader(&self) -> Arc<dyn Load> {
                    loader(&self.0, $mode)
                }

                async fn rows(&self) -> Vec<Item> {
                    rows(&self.0).await
                }
            }

            otter_core::loader_suite!($fixture);
        }
    };
}

run_on!(mariadb, OnMariaDb, Flavor::MariaDb, Mode::Strict);
run_on!(mysql, OnMySql, Flavor::MySql, Mode::Strict);
run_on!(mariadb_in_fast_mode, FastOnMariaDb, Flavor::MariaDb, Mode::Fast);
run_on!(mysql_in_fast_mode, FastOnMySql, Flavor::MySql, Mode::Fast);
