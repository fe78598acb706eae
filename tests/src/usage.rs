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

/// The memory that a process has in use, in KiB.
///
/// # Panics
/// Where there is no such process.
#[must_use]
pub fn memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"));
    let status = status.expect("it is there");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
    kib.expect("VmRSS is a number of kB")
}
