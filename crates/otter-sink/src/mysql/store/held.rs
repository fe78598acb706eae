//! The lanes whose rows of the checkpoint a target transaction moves, each as it was left.
//!
//! Strict mode has one, lane 0. In fast mode a target transaction moves its own lane, or all lanes
//! at once.

/// Lanes with the sequence of each: the condition of a write, beside the claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// Invariant: each lane stands once.
    lanes: Vec<(u16, u64)>,
}

impl Held {
    /// These lanes with their sequences; each must stand once.
    pub(crate) fn new(lanes: Vec<(u16, u64)>) -> Self {
        Self { lanes }
    }

    pub(crate) fn one(lane: u16, sequence: u64) -> Self {
        Self { lanes: vec![(lane, sequence)] }
    }

    pub(crate) fn lanes(&self) -> impl Iterator<Item = (u16, u64)> {
        self.lanes.iter().copied()
    }

    /// How many lanes, as the server counts rows.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.lanes.len()).unwrap_or(u64::MAX)
    }

    /// The sequence of the lane that has moved most often.
    pub(crate) fn newest(&self) -> u64 {
        self.lanes().map(|(_, sequence)| sequence).max().unwrap_or(0)
    }

    /// As they are after so many target transactions.
    pub(crate) fn after(&self, transactions: usize) -> Self {
        let mut later = self.clone();
        later.advance(transactions);
        later
    }

    pub(crate) fn advance(&mut self, transactions: usize) {
        let more = u64::try_from(transactions).unwrap_or(u64::MAX);
        for (_, sequence) in &mut self.lanes {
            *sequence = sequence.saturating_add(more);
        }
    }

    /// Those of the lanes that are wanted.
    pub(crate) fn only(&self, wanted: impl Fn(u16) -> bool) -> Self {
        Self { lanes: self.lanes.iter().copied().filter(|(lane, _)| wanted(*lane)).collect() }
    }

    /// Takes over the sequences that lanes of these have now.
    pub(crate) fn take_in(&mut self, moved: &Self) {
        for (lane, sequence) in &mut self.lanes {
            if let Some((_, now)) = moved.lanes.iter().find(|(other, _)| other == lane) {
                *sequence = *now;
            }
        }
    }

    /// Appends the condition that all of them are as they were left.
    pub(super) fn push_condition(&self, text: &mut String) {
        let mut separator = "";
        text.push('(');
        for (lane, sequence) in &self.lanes {
            text.push_str(&format!("{separator}`lane` = {lane} AND `sequence` = {sequence}"));
            separator = " OR ";
        }
        text.push(')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_names_each_lane_with_its_sequence() {
        let mut text = String::new();
        Held::new(vec![(0, 7), (2, 9)]).push_condition(&mut text);
        assert_eq!(text, "(`lane` = 0 AND `sequence` = 7 OR `lane` = 2 AND `sequence` = 9)");
    }

    #[test]
    fn what_some_lanes_did_is_taken_over_by_all() {
        let mut all = Held::new(vec![(0, 7), (1, 7), (2, 7)]);
        let mut some = all.only(|lane| lane != 1);
        assert_eq!(some.count(), 2);
        some.advance(3);
        all.take_in(&some);
        assert_eq!(all, Held::new(vec![(0, 10), (1, 7), (2, 10)]));
        assert_eq!(all.after(1), Held::new(vec![(0, 11), (1, 8), (2, 11)]));
    }
}
