//! A random order, reproducible by its seed.

use rand_chacha::rand_core::Rng;

/// Fisher and Yates, the same on every machine.
pub fn shuffle<T>(items: &mut [T], random: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        let other = (random.next_u64() % (last as u64 + 1)) as usize;
        items.swap(last, other);
    }
}
