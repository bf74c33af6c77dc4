//! A hash that is the same in every release and on every machine, since answers hang on it.

/// The hash of a request body or text (64-bit FNV-1a, then splitmix64's mix to spread short inputs).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest(u64);

impl Digest {
    /// Hashes `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(mix(hash))
    }

    /// A number from 0 up to but not including 1.
    pub(crate) fn fraction(self) -> f64 {
        // 53 bits: what a double holds exactly.
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The `index`-th number of an endless series that starts here, each from -1 up to but not including 1.
    pub(crate) fn number(self, index: u64) -> f64 {
        Self(mix(self.0.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))).fraction() * 2.0 - 1.0
    }

    /// An id for answers and errors.
    pub(crate) fn id(self) -> String {
        format!("demo-{:016x}", self.0)
    }
}

/// splitmix64's mix.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_the_same_from_release_to_release() {
        assert_eq!(Digest::of(b"lockgate").id(), "demo-ff67bd0f1967ab45");
    }

    #[test]
    fn bodies_that_differ_little_fall_anywhere_so_that_a_fault_rate_holds() {
        let hits =
            (0..10_000).filter(|n| Digest::of(format!("{{\"n\":{n}}}").as_bytes()).fraction() < 0.1).count();
        assert!((900..1_100).contains(&hits), "{hits} of 10000 at a rate of 0.1");
    }
}
