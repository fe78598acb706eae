//! Counts what Otter allocates while it reads binlog files. A program of its own, since counting
//! would slow down the readers that allocate more.
//!
//!     allocations LABEL=FILE...

#[path = "../otter.rs"]
mod otter;

use std::path::Path;

fn main() {
    for argument in std::env::args().skip(1) {
        let (label, path) = argument.split_once('=').expect("LABEL=FILE");
        let mut rows = 0;
        let counted = allocation_counter::measure(|| rows = otter::rows(Path::new(path), 1));
        // Machine readable: label, "allocations", rows, allocations.
        println!("{label}\tallocations\t{rows}\t{}", counted.count_total);
    }
}
