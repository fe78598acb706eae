//! Whether a row that was seen to differ does differ: the judgement, without any I/O.
//!
//! Each round gives three looks: at the source's row; then, when the target holds all that the source
//! had committed by then, at the target's; and at the source's again. What the target has was at the
//! source after the first look, if all is well: so it is the first look's row, the second one's, or one
//! in between. Where the source's row looks alike both times, it might still have been another and
//! come back in between, or a commit that the target has already might not show at the source yet. So
//! several rounds must agree, and fewer of them where the source did not move at all.

/// How many rounds must agree.
const AGREEING: u32 = 3;
/// How many are enough where the source stood still in the last of them.
const AGREEING_STILL: u32 = 2;

/// What one round says about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The target has what the source has, or had a moment ago.
    Equal,
    /// It cannot be told yet.
    Again,
    /// They differ.
    Differs,
}

/// What a round has seen of a row.
#[derive(Debug)]
pub(super) struct Look<'a, R> {
    pub(super) before: &'a R,
    pub(super) target: &'a R,
    pub(super) after: &'a R,
    /// Whether the source committed nothing between its two looks.
    pub(super) still: bool,
}

/// A row that was seen to differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial<R> {
    /// What source and target were in the last rounds, and in how many of them.
    seen: Option<(R, R, u32)>,
}

impl<R> Default for Trial<R> {
    fn default() -> Self {
        Self { seen: None }
    }
}

impl<R: Clone + PartialEq> Trial<R> {
    /// The same for how often there is a row that has no key: such a number comes back, so that the target may
    /// have one that the source had or will have, and lack a row all the same. Only what the source has at
    /// both of its looks tells something, and twice, unless it committed nothing in between.
    pub(super) fn judge_count(&mut self, look: &Look<'_, R>) -> Judgement {
        if look.before != look.after {
            self.seen = None;
            return Judgement::Again;
        }
        if look.target != look.after {
            return self.judge(look);
        }
        let agrees = matches!(&self.seen, Some((source, target, _)) if source == target && source == look.after);
        if look.still || agrees {
            return Judgement::Equal;
        }
        self.seen = Some((look.after.clone(), look.target.clone(), 1));
        Judgement::Again
    }

    /// Takes in a round.
    pub(super) fn judge(&mut self, look: &Look<'_, R>) -> Judgement {
        if look.target == look.before || look.target == look.after {
            return Judgement::Equal;
        }
        if look.before != look.after {
            self.seen = None;
            return Judgement::Again;
        }
        let times = match &self.seen {
            Some((source, target, times)) if source == look.after && target == look.target => {
                times + 1
            }
            Some(_) | None => 1,
        };
        if times >= if look.still { AGREEING_STILL } else { AGREEING } {
            return Judgement::Differs;
        }
        self.seen = Some((look.after.clone(), look.target.clone(), times));
        Judgement::Again
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A row's history at the source, where no value comes back, and a target that follows it: each
    /// round looks at three moments. `lost` is a change that never reaches the target.
    fn judge_rounds(
        steps: &[(usize, usize, usize)],
        last: usize,
        lost: Option<usize>,
    ) -> Vec<Judgement> {
        let mut trial = Trial::default();
        let mut now = 0;
        let mut judgements = Vec::new();
        for (wait, ahead, more) in steps {
            let before = (now + wait).min(last);
            // At least all that was committed when the source was looked at.
            let target = (before + ahead).min(last);
            let after = (target + more).min(last);
            now = after;
            let target = match lost {
                Some(lost) if target >= lost => usize::MAX,
                _ => target,
            };
            let still = before == after;
            let look = Look { before: &before, target: &target, after: &after, still };
            judgements.push(trial.judge(&look));
        }
        judgements
    }

    /// One of three rows is lost, and another deleted while it is looked.
    #[test]
    fn a_count_that_comes_by_is_not_taken_for_equal() {
        let mut trial = Trial::default();
        let mut judge = |(before, target, after): (u64, u64, u64), still| {
            trial.judge_count(&Look { before: &before, target: &target, after: &after, still })
        };
        assert_eq!(judge((3, 2, 2), false), Judgement::Again);
        assert_eq!(judge((2, 2, 2), false), Judgement::Again, "one came and went");
        assert_eq!(judge((2, 1, 2), false), Judgement::Again);
        assert_eq!(judge((2, 1, 2), true), Judgement::Differs);
        let mut trial = Trial::default();
        let mut judge = |(before, target, after): (u64, u64, u64), still| {
            trial.judge_count(&Look { before: &before, target: &target, after: &after, still })
        };
        assert_eq!(judge((3, 3, 3), false), Judgement::Again);
        assert_eq!(judge((3, 3, 4), false), Judgement::Again);
        assert_eq!(judge((4, 4, 4), false), Judgement::Again);
        assert_eq!(judge((4, 4, 4), false), Judgement::Equal);
        assert_eq!(judge((5, 5, 5), true), Judgement::Equal);
    }

    proptest! {
        #[test]
        fn a_target_that_follows_is_never_said_to_differ(
            steps in prop::collection::vec((0usize..3, 0usize..3, 0usize..3), 1..30),
            last in 0usize..40,
        ) {
            let judgements = judge_rounds(&steps, last, None);
            prop_assert!(!judgements.contains(&Judgement::Differs), "{judgements:?}");
        }

        #[test]
        fn a_row_that_comes_to_rest_wrong_is_found_and_never_said_to_be_equal_again(
            steps in prop::collection::vec((0usize..3, 0usize..3, 0usize..3), 1..30),
            last in 0usize..20,
        ) {
            // The rest: the source has moved to its last change, and rounds go on.
            let rounds: Vec<_> =
                steps.iter().copied().chain(std::iter::repeat_n((1, 0, 0), last + 2)).collect();
            let judgements = judge_rounds(&rounds, last, Some(0));
            prop_assert!(!judgements.contains(&Judgement::Equal), "{judgements:?}");
            prop_assert_eq!(judgements.last(), Some(&Judgement::Differs));
        }
    }

    #[test]
    fn while_the_source_moves_rounds_must_agree() {
        let mut trial = Trial::default();
        let look = |target| Look { before: &1, target, after: &1, still: false };
        assert_eq!(trial.judge(&look(&2)), Judgement::Again);
        assert_eq!(trial.judge(&look(&2)), Judgement::Again);
        assert_eq!(trial.judge(&look(&3)), Judgement::Again, "the target changed");
        assert_eq!(trial.judge(&look(&3)), Judgement::Again);
        let moved = Look { before: &1, target: &3, after: &4, still: false };
        assert_eq!(trial.judge(&moved), Judgement::Again, "the source changed");
        for expected in [Judgement::Again, Judgement::Again, Judgement::Differs] {
            assert_eq!(trial.judge(&look(&3)), expected);
        }
    }
}
