//! What held rows touch, read from what they hold: at a start, and when definitions have changed.

use super::coding;
use super::index::HeldIndex;
use super::relations::{Relations, TableKey};
use super::touch::Touch;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::session::Session;
use crate::mysql::store::HeldImage;

impl Session {
    /// Reads which rows are held, as another loader has left them.
    pub(in super::super) async fn read_quarantine(&mut self) -> Result<(), MySqlLoadError> {
        if self.store.count_held(&mut *self.line.conn).await? == 0 {
            return Ok(());
        }
        self.read_relations().await?;
        tracing::warn!(
            pipeline = self.store.name(),
            rows = self.quarantine.len(),
            "rows are held in quarantine: `otter-server quarantine list` shows why"
        );
        Ok(())
    }

    /// Makes sure that it is known what held rows touch, where any are held.
    pub(in super::super) async fn ensure_relations(&mut self) -> Result<(), MySqlLoadError> {
        if self.quarantine.is_idle() { Ok(()) } else { self.read_relations().await }
    }

    /// Reads the target's foreign keys where they are not known, and by them what all held rows touch.
    pub(super) async fn read_relations(&mut self) -> Result<(), MySqlLoadError> {
        if self.quarantine.relations.is_some() {
            return Ok(());
        }
        let relations = Relations::read(&mut *self.line.conn).await?;
        let mut index = HeldIndex::default();
        let mut behind = 0;
        loop {
            let page = self.store.held_page(&mut *self.line.conn, behind).await?;
            let Some(last) = page.last() else { break };
            behind = last.id;
            let mut rest = page.as_slice();
            while !rest.is_empty() {
                let (rows, more) = rest.split_at(HeldImage::at_once(rest));
                rest = more;
                for image in self.store.held_images(&mut *self.line.conn, rows).await? {
                    self.add_image(&mut index, image, &relations).await?;
                }
            }
        }
        self.quarantine.index = index;
        self.quarantine.relations = Some(relations);
        self.quarantine.watch();
        Ok(())
    }

    /// Adds what a held row touches, as it was or as it is edited.
    async fn add_image(
        &mut self,
        index: &mut HeldIndex,
        image: HeldImage,
        relations: &Relations,
    ) -> Result<(), MySqlLoadError> {
        let any = || Touch::any_of(TableKey::from(&image.place.table), relations);
        let mut touch = any();
        // A row that cannot be read may be any row of its table.
        if let Some(rows) = coding::decode(&image.bytes) {
            match self.learn_table(rows.table()).await {
                Ok(()) => {
                    let plan = self.tables.find(rows.table());
                    let plan = plan.and_then(|index| self.tables.plan(index));
                    if let (Some(plan), Some(change)) = (plan, rows.changes().next()) {
                        touch = Touch::of(&rows, &change, plan, relations);
                    }
                }
                Err(error @ MySqlLoadError::Unfit { .. }) => {
                    tracing::debug!(%error, "a held row's table does not fit");
                }
                Err(error) => return Err(error),
            }
        }
        if image.is_edited {
            index.widen(image.place.id, touch);
        } else {
            index.add(image.place.id, touch, image.place.cause);
        }
        Ok(())
    }
}
