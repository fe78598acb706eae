//! The known name that a misspelt one was probably meant to be.

/// The candidate with the fewest letters to change, unless more than half would have to.
///
/// ```
/// use otter_core::nearest::nearest;
///
/// assert_eq!(nearest("titel", ["title", "price"]), Some("title"));
/// assert_eq!(nearest("colour", ["title", "price"]), None);
/// ```
pub fn nearest<T: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = T>) -> Option<T> {
    let (candidate, changes) = candidates
        .into_iter()
        .map(|candidate| {
            let changes = distance(name, candidate.as_ref());
            (candidate, changes)
        })
        .min_by_key(|(_, changes)| *changes)?;
    // Half the letters wrong is a typo with fat fingers; more is another word.
    let letters = candidate.as_ref().chars().count().max(name.chars().count());
    (changes * 2 <= letters).then_some(candidate)
}

/// Levenshtein's distance; `-` and `_` count as the same letter, as do cases.
fn distance(left: &str, right: &str) -> usize {
    let fold = |letter: char| if letter == '-' { '_' } else { letter.to_ascii_lowercase() };
    let right: Vec<char> = right.chars().map(fold).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().map(fold).enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut beside = index + 1;
        next.push(beside);
        for (pair, other) in row.windows(2).zip(&right) {
            let [diagonal, above] = pair else { break };
            beside = (diagonal + usize::from(letter != *other)).min(above + 1).min(beside + 1);
            next.push(beside);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_another_word_finds_nothing() {
        let known = ["name", "tables", "on_poison", "from", "to"];
        for (typed, meant) in [
            ("tabels", Some("tables")),
            ("Name", Some("name")),
            ("on-poison", Some("on_poison")),
            ("form", Some("from")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
