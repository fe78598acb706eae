//! Whose turn it is: which table a lane reads next.

use std::sync::Arc;

use otter_core::{CopyStage, TableName};

use super::definition::{Definition, Pick};
use super::flight::{Flight, Job};
use super::lane::Lane;
use super::run::{PIECE_BYTES, Run};
use super::worker::{Read, Request};

impl Run {
    /// Begins what there is to do where nothing is done.
    ///
    /// What the stream waits for is read alone: it may need the room of what waits for the stream.
    pub(super) fn begin_jobs(&mut self) {
        // What waits lies behind the place of the job before, and not of the next one. Inside a
        // transaction in fragments the window would miss what came before.
        let is_busy = self.stash.is_some() || self.is_in_fragment;
        if is_busy || self.lanes.iter().any(|lane| self.wants_to_be_alone(lane)) {
            return;
        }
        for index in 0..self.lanes.len() {
            if self.holding().is_some() {
                return;
            }
            if self.lanes.get(index).is_some_and(Lane::is_ready) && !self.begin_job(index) {
                return;
            }
        }
    }

    /// Whether a lane is about to read a whole table, at whose end the stream waits.
    fn wants_to_be_alone(&self, lane: &Lane) -> bool {
        matches!(&lane.job, Job::Defined { definition, .. } if self.is_read_whole(definition))
    }

    /// Whether a table goes into one target transaction.
    pub(super) fn is_read_whole(&self, definition: &Definition) -> bool {
        definition.key.is_none() || self.source.follows_itself(&definition.table.name)
    }

    /// Whether nothing is being read or asked.
    pub(super) fn is_quiet(&self) -> bool {
        !self.lanes.iter().any(Lane::is_asking)
    }

    /// Begins the next job of a lane; false where there is none, or others must end before.
    fn begin_job(&mut self, lane: usize) -> bool {
        let Some(name) = self.next_table() else { return false };
        let Some(open) = self.open.get(&name) else { return false };
        let (definition, after) = (open.definition.clone(), open.record.after.clone());
        let Some(definition) = definition else {
            let position = Box::new(self.position.clone());
            self.give(lane, Job::Defining(name.clone()), Request::Define(name, position));
            return true;
        };
        let holds = self.source.follows_others(&name);
        if holds && !self.is_quiet() {
            return false;
        }
        let rows = self.lanes.get(lane).map_or(0, |lane| lane.rows_at_once);
        let mut flight = Flight::new(definition, rows);
        flight.holds = holds;
        self.begin_flight(lane, flight, Pick::Part { after, rows });
        true
    }

    /// Begins to read; the stream has just passed the position.
    pub(super) fn begin_flight(&mut self, lane: usize, flight: Flight, pick: Pick) {
        let read = Read {
            definition: Arc::clone(&flight.definition),
            pick,
            position: self.position.clone(),
            piece_bytes: PIECE_BYTES.min(self.budget.total_bytes() / 8).max(1),
        };
        self.give(lane, Job::Reading(Box::new(flight)), Request::Read(Box::new(read)));
    }

    fn give(&mut self, lane: usize, job: Job, request: Request) {
        let place = (&self.url, &self.budget);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.job = job;
            lane.ask(request, place);
        }
    }

    /// One that is begun, or the first of those that wait and refer to none that is not copied yet.
    pub(super) fn next_table(&self) -> Option<TableName> {
        let is_taken = |name: &TableName| self.lanes.iter().any(|lane| lane.is_about(name));
        let here = || self.open.iter().filter(|(_, open)| !open.is_away);
        let is_open = |parent: &TableName| self.open.contains_key(parent);
        // Those that were put aside come last, or many of them would leave no turn to others.
        let find = |is_aside: bool| {
            let those = || here().filter(|it| (it.1.misses > 0) == is_aside && !is_taken(it.0));
            let begun = those().find(|(_, open)| open.record.stage == CopyStage::Copying);
            begun.or_else(|| those().find(|(name, _)| self.source.is_free(name, is_open)))
        };
        let free = find(false).or_else(|| find(true)).map(|(name, _)| name);
        if free.is_some() || !self.lanes.iter().all(|lane| matches!(lane.job, Job::Idle)) {
            return free.cloned();
        }
        // Tables refer to each other in a ring, or to one that is away, for which they wait.
        let is_away = |name: &TableName| self.open.get(name).is_some_and(|open| open.is_away);
        let mut waiting = here().map(|(name, _)| name);
        let may_come = |name: &TableName| {
            self.source.may_come_first(name, is_open) && !self.source.depends_on(name, is_away)
        };
        waiting.find(|name| may_come(name)).cloned()
    }
}
