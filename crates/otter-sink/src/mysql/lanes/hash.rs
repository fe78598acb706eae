//! A hash that stays: rows find their lanes by it after a restart too, of another version or on
//! another machine.
//!
//! FNV-1a with 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>), and behind it the last steps
//! of `MurmurHash3`, since FNV-1a leaves the high bits of short texts alone. It need not withstand
//! an adversary: whoever puts all rows into one lane makes it as slow as strict mode.

/// Takes bytes in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hasher(u64);

impl Default for Hasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher {
    pub(super) fn add(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    pub(super) fn finish(self) -> u64 {
        let mut hash = self.0;
        for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
            hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
        }
        hash ^ (hash >> 33)
    }
}

/// One of so many lanes: the hash as a fraction of all hashes.
pub(super) fn lane_of(hash: u64, lanes: u16) -> u16 {
    let lane = (u128::from(hash) * u128::from(lanes.max(1))) >> 64;
    u16::try_from(lane).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints that exist depend on these numbers: a change needs another format.
    #[test]
    fn the_hash_is_the_one_that_checkpoints_were_written_with() {
        let hash = |text: &str| Hasher::default().add(text.as_bytes()).finish();
        assert_eq!(Hasher::default().add(b"a").0, 0xaf63_dc4c_8601_ec8c, "FNV's own test vector");
        assert_eq!(hash(""), 0xefd0_1f60_ba99_2926);
        assert_eq!(hash("a"), 0x82a2_a958_a9be_ce5b);
        assert_eq!(lane_of(0, 4), 0);
        assert_eq!(lane_of(u64::MAX, 4), 3);
        assert_eq!(lane_of(1 << 63, 4), 2);
    }

    #[test]
    fn neighbouring_numbers_are_spread_evenly() {
        let mut counts = [0; 4];
        for number in 0..4_000_u64 {
            let hash = Hasher::default().add(&number.to_le_bytes()).finish();
            counts[usize::from(lane_of(hash, 4))] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }
}
