//! Binary search over files that cost a question each.

/// Searches the last of some files for which something holds that holds for the first ones only.
#[derive(Debug)]
pub(crate) struct Bisection {
    /// It holds before this file.
    low: usize,
    /// It does not hold from this file on.
    high: usize,
}

impl Bisection {
    pub(crate) fn over(count: usize) -> Self {
        Self { low: 0, high: count }
    }

    /// The file to look at next; `None` once it is found.
    pub(crate) fn next(&self) -> Option<usize> {
        (self.low < self.high).then(|| self.low + (self.high - self.low) / 2)
    }

    /// Tells whether it holds for the file that [`next`](Self::next) named.
    pub(crate) fn answer(&mut self, holds: bool) {
        let Some(middle) = self.next() else { return };
        if holds {
            self.low = middle + 1;
        } else {
            self.high = middle;
        }
    }

    /// The last file for which it holds; `None` where it holds for none.
    pub(crate) fn found(&self) -> Option<usize> {
        self.low.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_file_is_found_with_few_questions() {
        for count in 0..40 {
            for border in 0..=count {
                let (mut search, mut asked) = (Bisection::over(count), 0);
                while let Some(index) = search.next() {
                    search.answer(index < border);
                    asked += 1;
                }
                assert_eq!(search.found(), border.checked_sub(1));
                assert!(asked <= 6, "{asked}");
            }
        }
    }
}
