//! Random draws without a state: each follows from a seed and a number. Pure.

/// The purpose of a draw: draws about one number with different salts are independent.
#[derive(Clone, Copy)]
pub(super) enum Salt {
    Kind = 1,
    Phase = 2,
    Other = 3,
    Trips = 4,
}

/// Draws a value about this number.
pub(super) fn mix(seed: u64, number: u64, salt: Salt) -> u64 {
    scramble(scramble(seed ^ salt as u64) ^ number)
}

/// Applies the finalizer of SplitMix64: neighbouring inputs give unrelated values.
pub(super) const fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
