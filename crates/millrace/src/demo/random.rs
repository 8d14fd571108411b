//! Pseudorandom numbers that are the same on every machine.
//!
//! The generator is `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014), with the constants of Sebastiano Vigna's public-domain code at
//! <https://prng.di.unimi.it/splitmix64.c>. All draws are computed in integers, because the last
//! bit of a floating-point logarithm or sine depends on the platform.

/// What numbers are drawn for. Each purpose has unrelated numbers for the same seed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Day = 1,
    Client = 2,
    Loyalty = 3,
    Order = 4,
    Fault = 5,
}

/// A sequence of random numbers; holds the generator's state.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

/// Increment of the state: 2^64 divided by the golden ratio, which is odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The sequence for item number `index` of a purpose. Each item has its own, so that items can
    /// be drawn in any order and need not be kept.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let purpose = mix(seed.wrapping_add(STEP.wrapping_mul(purpose as u64)));
        Self(mix(purpose.wrapping_add(STEP.wrapping_mul(index.wrapping_add(1)))))
    }

    /// The next 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `limit`, which must not be zero. Takes the high half of the product (Lemire,
    /// 2019) without the rejection step, because a bias of `limit` in 2^64 is negligible here.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// True with a probability of `permille` in a thousand.
    pub(super) fn happens(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// An element of a list that is not empty, all equally likely.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len() as u64) as usize]
    }

    /// An element of a list that is not empty, earlier ones more likely: the smaller of two drawn
    /// indexes.
    pub(super) fn pick_early<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        let (a, b) = (self.below(list.len() as u64), self.below(list.len() as u64));
        list[a.min(b) as usize]
    }

    /// An index into a list of weights, drawn in proportion to them. Not all weights may be zero.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = u64> + Clone) -> usize {
        let mut left = self.below(weights.clone().sum());
        for (place, weight) in weights.enumerate() {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return place,
            }
        }
        0
    }
}

/// The output function of `SplitMix64`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_numbers_of_the_reference() {
        // The first outputs of splitmix64.c for the state 1234567.
        let mut random = Random(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.bits(), random.bits(), random.bits()], expected);
    }

    #[test]
    fn draws_stay_in_their_limits() {
        let mut random = Random::new(1, Purpose::Day, 0);
        let mut seen = [0u32; 4];
        for _ in 0..4000 {
            seen[random.weighted([1, 0, 2, 5].into_iter())] += 1;
            assert!(random.below(7) < 7);
        }
        assert!(seen[1] == 0 && seen[0] > 400 && seen[3] > seen[2] && seen[2] > seen[0], "{seen:?}");
    }
}
