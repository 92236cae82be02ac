//! A quick hash for small numbers that strangers choose.

use std::hash::{BuildHasher, Hasher};

/// Hashes numbers with a secret of its own, so that nobody outside can choose numbers that collide.
#[derive(Debug, Clone)]
pub struct IdHash {
    secret: [u64; 2],
}

/// A hash in the making.
#[derive(Debug)]
pub struct IdHasher {
    state: u64,
    secret: u64,
}

impl Default for IdHash {
    fn default() -> Self {
        IdHash { secret: [rand::random(), rand::random::<u64>() | 1] }
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;
    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.secret[0], secret: self.secret[1] }
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // Both halves of the product count, so each bit of the number reaches all of the hash.
        let product = u128::from(self.state ^ number) * u128::from(self.secret);
        self.state = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_spread_over_the_whole_range() {
        let hash = IdHash::default();
        let mut buckets = [0; 64];
        for number in 0..64_000u64 {
            buckets[(hash.hash_one(number) >> 58) as usize] += 1;
        }
        // A thousand each on average; far outside six deviations is a bad hash, not bad luck.
        assert!(buckets.iter().all(|count| (500..2_000).contains(count)), "{:?} {buckets:?}", hash.secret);
    }
}
