//! What a process has used.

/// The processor time of a process so far, in seconds.
///
/// # Panics
/// Where there is no such process.
#[must_use]
pub fn processor_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it is there");
    let (_, behind) = stat.rsplit_once(')').expect("the name stands in parentheses");
    let ticks: f64 = behind
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|number| number.parse::<f64>().expect("a number of ticks"))
        .sum();
    ticks / 100.0
}
