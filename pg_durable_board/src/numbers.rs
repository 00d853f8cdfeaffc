//! Numbers of instances: a sequence, spread over all ids of eight digits.

use crate::ids::InstanceNumber;

/// Odd, so that the multiplication can be undone.
const FACTORS: [u32; 2] = [0x9E37_79B1, 0x85EB_CA6B];
/// What undoes it.
const INVERSES: [u32; 2] = [inverse(FACTORS[0]), inverse(FACTORS[1])];

/// The number of the instance that is the `sequence`th. No two have the same: an odd factor and a shift are each
/// reversible. Those beyond 32 bits keep their upper half, which makes longer ids.
pub fn instance_number(sequence: u64) -> InstanceNumber {
    let (upper, lower) = (sequence >> 32, sequence as u32);
    let mixed = lower.wrapping_mul(FACTORS[0]);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(FACTORS[1]);
    (upper << 32) | u64::from(mixed ^ (mixed >> 13))
}

/// Undoes [`instance_number`].
pub fn sequence_number(instance: InstanceNumber) -> u64 {
    let (upper, lower) = (instance >> 32, instance as u32);
    let mixed = unshift(lower, 13).wrapping_mul(INVERSES[1]);
    let lower = unshift(mixed, 15).wrapping_mul(INVERSES[0]);
    (upper << 32) | u64::from(lower)
}

/// The number that, shifted and combined with itself, gives `mixed`: what was shifted beyond its upper half is known.
fn unshift(mixed: u32, by: u32) -> u32 {
    let mut found = mixed;
    for _ in 0..32 / by {
        found = mixed ^ (found >> by);
    }
    found
}

/// By Newton's method, which doubles the bits that are right.
const fn inverse(odd: u32) -> u32 {
    let mut found = odd;
    let mut step = 0;
    while step < 5 {
        found = found.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(found)));
        step += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_sequence_is_known_from_the_number() {
        let mut random = Random::new(3);
        let others = std::iter::repeat_with(|| random.below(usize::MAX) as u64 % (1 << 40)).take(100_000);
        for sequence in (0..100_000).chain([u64::from(u32::MAX), 1 << 32, (1 << 40) + 7]).chain(others) {
            assert_eq!(sequence_number(instance_number(sequence)), sequence);
        }
        assert_eq!(instance_number(1), 0xF281_BE04, "ids stay what they were");
    }
}
