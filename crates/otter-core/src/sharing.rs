//! How the processes of an installation share its pipelines out: a decision, and nothing else.
//!
//! A process may hold as many sides as its quota says, and asks for free ones while it holds fewer.
//! All processes know the same nodes in the same order, so that their quotas add up to the number
//! of pipelines: whoever has room finds a side that is free, sooner or later, and nobody needs to
//! know what another one holds. Sides move only when a node joins, each at most once.
//!
//! Nothing here asks an arbiter or a clock: [`Shares`] does, and feeds it. No promise depends on
//! it, since the arbiter grants a side to one process whatever is decided here.

mod shares;

use std::time::Duration;

use crate::presence::Node;

pub use shares::{Share, Shares, Won};

/// Nobody waits longer than for so many sides beyond the quota: a pipeline that stands still is worse
/// than an uneven share.
const MOST_STEPS: usize = 4;

/// How patiently pipelines are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharingOptions {
    /// A side that is free for so long is taken by a process whose quota is full: nobody else can
    /// run it. Longer than a process takes that has room.
    pub grace: Duration,
    /// The shortest time between two sides that a process gives back to a node that has joined.
    pub between_moves: Duration,
}

/// What a process does about one of its pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It asks for the side.
    Ask,
    /// It stops the pipeline and gives the side back.
    GiveBack,
}

/// Which sides a process may have: the state of one process, moved by what happens to it.
///
/// Times are since an instant of the caller's choice, and must not go back.
#[derive(Debug)]
pub struct Sharing {
    options: SharingOptions,
    places: Vec<Place>,
    /// The keys of all nodes, the oldest first.
    nodes: Vec<String>,
    /// How many sides are ours; `None` while the arbiter does not know of us.
    quota: Option<usize>,
    /// So many more are given back: what was too much when a node joined.
    excess: usize,
    /// What was given back and is in nobody's hands yet.
    moving: Option<usize>,
    next_move: Duration,
}

/// One pipeline, as this process has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// This process does not run it: it has not begun, or the pipeline halted here.
    Out,
    /// Another process holds it, as far as is known.
    Elsewhere,
    /// Nobody holds it, as far as is known.
    Free {
        since: Duration,
    },
    /// This process asks for it.
    Asking,
    Held,
    /// This process gives it back.
    Leaving,
}

/// How many of `pipelines` the node at `rank` (0: the oldest) of `nodes` may hold.
///
/// The remainder goes to the oldest. So a node that joins leaves the remainder to those that are
/// there, and as few sides move as can; and no quota shrinks when a node leaves.
///
/// ```
/// use otter_core::sharing::quota;
///
/// assert_eq!([quota(7, 3, 0), quota(7, 3, 1), quota(7, 3, 2)], [3, 2, 2]);
/// ```
#[must_use]
pub fn quota(pipelines: usize, nodes: usize, rank: usize) -> usize {
    if rank >= nodes {
        return 0;
    }
    pipelines / nodes + usize::from(rank < pipelines % nodes)
}

impl Sharing {
    /// A process that has just begun, and takes part in none of so many pipelines yet.
    #[must_use]
    pub fn new(pipelines: usize, options: SharingOptions) -> Self {
        Self {
            options,
            places: vec![Place::Out; pipelines],
            nodes: Vec::new(),
            quota: None,
            excess: 0,
            moving: None,
            next_move: Duration::ZERO,
        }
    }

    /// These nodes are present now, the oldest first; `own` is the key of this process.
    pub fn see(&mut self, nodes: &[Node], own: &str) {
        let has_joined = nodes.iter().any(|node| !self.nodes.iter().any(|key| **key == *node.key));
        self.nodes = nodes.iter().map(|node| node.key.as_ref().to_owned()).collect();
        let rank = self.nodes.iter().position(|key| key == own);
        self.quota = rank.map(|rank| quota(self.places.len(), self.nodes.len(), rank));
        let too_many = self.too_many();
        // What a leaving node makes superfluous is not given back any more.
        self.excess = if has_joined { too_many } else { self.excess.min(too_many) };
    }

    /// How many sides this process may hold; `None` while the arbiter does not know of it.
    #[must_use]
    pub fn quota(&self) -> Option<usize> {
        self.quota
    }

    /// How many nodes are present.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Whether this process runs, or wants to run, any of the pipelines.
    #[must_use]
    pub fn takes_part(&self) -> bool {
        self.places.iter().any(|place| *place != Place::Out)
    }

    /// What was said about a pipeline by [`next`](Self::next) and is still to be done.
    #[must_use]
    pub fn order(&self, pipeline: usize) -> Option<Order> {
        match self.place(pipeline) {
            Place::Asking => Some(Order::Ask),
            Place::Leaving => Some(Order::GiveBack),
            Place::Out | Place::Elsewhere | Place::Free { .. } | Place::Held => None,
        }
    }

    /// Nobody is known to hold the side.
    pub fn free(&mut self, pipeline: usize, now: Duration) {
        match self.place(pipeline) {
            Place::Free { .. } => {}
            Place::Out | Place::Elsewhere | Place::Asking | Place::Held | Place::Leaving => {
                self.set(pipeline, Place::Free { since: now });
            }
        }
    }

    /// Another process holds the side.
    pub fn elsewhere(&mut self, pipeline: usize) {
        self.set(pipeline, Place::Elsewhere);
        self.settle(pipeline);
    }

    /// This process holds the side.
    pub fn held(&mut self, pipeline: usize) {
        self.set(pipeline, Place::Held);
        if self.moving == Some(pipeline) {
            // Nobody wanted what was given back; nobody would want more.
            self.excess = 0;
        }
        self.settle(pipeline);
    }

    /// The pipeline was stopped as it was told, and the side is given back.
    pub fn given_back(&mut self, pipeline: usize) {
        self.set(pipeline, Place::Elsewhere);
    }

    /// The pipeline ended in this process, which does not ask for it any more.
    pub fn out(&mut self, pipeline: usize) {
        self.set(pipeline, Place::Out);
        self.settle(pipeline);
    }

    /// The next thing to do; `None` where nothing is, before [`wake_at`](Self::wake_at). Whoever
    /// calls it does what it says.
    pub fn next(&mut self, now: Duration) -> Option<(usize, Order)> {
        if let Some(pipeline) = self.to_ask(now) {
            self.set(pipeline, Place::Asking);
            return Some((pipeline, Order::Ask));
        }
        let may_move = self.moving.is_none() && now >= self.next_move;
        if !may_move || self.excess.min(self.too_many()) == 0 {
            return None;
        }
        let pipeline = self.places.iter().rposition(|place| *place == Place::Held)?;
        self.excess -= 1;
        self.moving = Some(pipeline);
        self.next_move = now + self.options.between_moves;
        self.set(pipeline, Place::Leaving);
        Some((pipeline, Order::GiveBack))
    }

    /// When [`next`](Self::next) may have something to do though nothing happens until then.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let taken = self.longest_free().map(|(side, since)| since + self.patience(side));
        let may_move = self.moving.is_none() && self.places.contains(&Place::Held);
        let is_moving = may_move && self.excess.min(self.too_many()) > 0;
        let moved = is_moving.then_some(self.next_move);
        taken.into_iter().chain(moved).min()
    }

    fn to_ask(&self, now: Duration) -> Option<usize> {
        let (pipeline, since) = self.longest_free()?;
        let has_room = self.quota.is_some_and(|quota| self.occupied() < quota);
        // What was given back is for others, unless they let it lie.
        let may_ask = has_room || now >= since + self.patience(pipeline);
        may_ask.then_some(pipeline)
    }

    /// The side that is free for the longest time.
    fn longest_free(&self) -> Option<(usize, Duration)> {
        let free = self.places.iter().enumerate().filter_map(|(pipeline, place)| match place {
            Place::Free { since } => Some((pipeline, *since)),
            Place::Out | Place::Elsewhere | Place::Asking | Place::Held | Place::Leaving => None,
        });
        free.min_by_key(|(pipeline, since)| (*since, *pipeline))
    }

    /// How long a side must be free to be taken beyond the quota. Somewhat longer with each that is
    /// held beyond it, so that several processes take about as many each; what is to be given back
    /// does not count, and what nobody took is taken back soon.
    fn patience(&self, pipeline: usize) -> Duration {
        if self.moving == Some(pipeline) {
            return self.options.grace;
        }
        let wanted = self.quota.unwrap_or(0) + self.excess;
        let beyond = self.occupied().saturating_sub(wanted).min(MOST_STEPS);
        let steps = u32::try_from(beyond).unwrap_or(0);
        self.options.grace + (self.options.grace / 4).saturating_mul(steps)
    }

    fn too_many(&self) -> usize {
        self.quota.map_or(0, |quota| self.occupied().saturating_sub(quota))
    }

    fn occupied(&self) -> usize {
        let is_ours = |place: &&Place| matches!(place, Place::Asking | Place::Held);
        self.places.iter().filter(is_ours).count()
    }

    fn settle(&mut self, pipeline: usize) {
        if self.moving == Some(pipeline) {
            self.moving = None;
        }
    }

    fn place(&self, pipeline: usize) -> Place {
        self.places.get(pipeline).copied().unwrap_or(Place::Out)
    }

    fn set(&mut self, pipeline: usize, place: Place) {
        if let Some(slot) = self.places.get_mut(pipeline) {
            *slot = place;
        }
    }
}

#[cfg(test)]
mod tests;
