//! Random draws without a state: what is drawn follows from a seed and a number alone. Pure.

/// Draws about one number do not depend on each other.
#[derive(Clone, Copy)]
pub(super) enum Salt {
    Kind = 1,
    Phase = 2,
    Other = 3,
    Trips = 4,
}

/// A draw about that number.
pub(super) fn mix(seed: u64, number: u64, salt: Salt) -> u64 {
    scramble(scramble(seed ^ salt as u64) ^ number)
}

/// The finalizer of SplitMix64: neighbours in, strangers out.
pub(super) const fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
