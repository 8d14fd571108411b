//! Chance that is the same on every machine.
//!
//! `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014), with the constants of
//! Sebastiano Vigna's public-domain text at <https://prng.di.unimi.it/splitmix64.c>. Everything that is drawn from it is
//! worked out in integers, because the last bit of a floating-point logarithm or sine is the platform's.

/// What is drawn, so that the same seed gives unrelated numbers for each.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Day = 1,
    Client = 2,
    Loyalty = 3,
    Order = 4,
    Fault = 5,
}

/// A sequence of numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The sequence for thing number `index` of a purpose. Each thing has its own, so that nothing has to be kept or drawn in
    /// order.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let purpose = mix(seed.wrapping_add(STEP.wrapping_mul(purpose as u64)));
        Self(mix(purpose.wrapping_add(STEP.wrapping_mul(index.wrapping_add(1)))))
    }

    /// 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `limit`, which is not zero: the high half of the product (Lemire, 2019) without its rejection step, since a
    /// bias of `limit` in 2^64 is not seen.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// Whether something with a chance of so many in a thousand happens.
    pub(super) fn happens(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of a list, each as likely.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len() as u64) as usize]
    }

    /// One of a list, the first ones more likely: the lesser of two draws.
    pub(super) fn pick_early<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        let (a, b) = (self.below(list.len() as u64), self.below(list.len() as u64));
        list[a.min(b) as usize]
    }

    /// A place in a list of weights, which are not all zero.
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
