//! The conformance suite of loaders that hold rows, on both servers.

use std::sync::Arc;

use async_trait::async_trait;
use otter_core::Load;
use otter_core::testkit::item::{Edit, Item};
use otter_core::testkit::lease::pipeline;
use otter_core::testkit::loader::LoaderFixture;
use otter_core::testkit::quarantine::QuarantineFixture;
use otter_core::testkit::suite::Fixture;
use otter_server::sandbox::Flavor;
use otter_sink::OnPoison;
use otter_sink::quarantine::{Quarantine, Selection};

use crate::place::Place;
use crate::suite::{loader_with, rows, start};

async fn desk(place: &Place) -> Quarantine {
    Quarantine::open(&place.url(), &place.schema, &pipeline()).await.expect("the target is there")
}

async fn drop_first(place: &Place) {
    let mut desk = desk(place).await;
    let rows = desk.list(&Selection::All).await.expect("the quarantine can be read");
    let first = rows.first().expect("something is held").id;
    desk.give_up(&Selection::Ids(vec![first])).await.expect("a wish can be written");
}

async fn meddle(place: &Place, edit: Edit) {
    let name = |item: &Item| item.name.clone().map_or("NULL".to_owned(), |it| format!("'{it}'"));
    let (gone, new) = match &edit {
        Edit::Insert(item) => (None, Some(item)),
        Edit::Update { before, after } => (Some(before), Some(after)),
        Edit::Delete(item) => (Some(item), None),
    };
    if let Some(item) = gone {
        place.execute(&format!("DELETE FROM item WHERE id = {}", item.id)).await;
    }
    if let Some(item) = new {
        place.execute(&format!("INSERT INTO item VALUES ({}, {})", item.id, name(item))).await;
    }
}

macro_rules! run_on {
    ($module:ident, $fixture:ident, $flavor:expr) => {
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
                async fn loader(&self) -> Arc<dyn Load> {
                    let mut options = self.0.options();
                    options.on_poison = OnPoison::Quarantine;
                    loader_with(&self.0, options)
                }

                async fn rows(&self) -> Vec<Item> {
                    rows(&self.0).await
                }
            }

            #[async_trait]
            impl QuarantineFixture for $fixture {
                async fn held(&self) -> usize {
                    let count = desk(&self.0).await.count().await.expect("it can be counted");
                    usize::try_from(count).expect("few")
                }

                async fn retry_all(&self) {
                    let wish = desk(&self.0).await.retry(&Selection::All).await;
                    let _ = wish.expect("a wish can be written");
                }

                async fn drop_first(&self) {
                    drop_first(&self.0).await;
                }

                async fn meddle(&self, edit: Edit) {
                    meddle(&self.0, edit).await;
                }
            }

            otter_core::quarantine_suite!($fixture);
        }
    };
}

run_on!(mariadb, OnMariaDb, Flavor::MariaDb);
run_on!(mysql, OnMySql, Flavor::MySql);
