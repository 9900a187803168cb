//! A short run of every fuzz target without a fuzzer: sound inputs, then sound inputs with a few bytes changed.

use super::TARGETS;

/// Returns the number of inputs for each target; a long run sets them when the tests are built.
fn cases() -> usize {
    option_env!("CHANGTONG_FUZZ_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(20_000)
}

fn changed(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..6) {
        let (len, byte) = (bytes.len(), random.u8(..));
        let at = random.usize(..=len);
        match random.u8(..7) {
            0 if at < len => bytes[at] ^= 1 << random.u8(..8),
            1 if at < len => bytes[at] = byte,
            2 => bytes.insert(at, byte),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..random.usize(at..=len))),
            5 => {
                let part = bytes[at..random.usize(at..=len)].to_vec();
                bytes.splice(at..at, part);
            }
            // Lengths and times at their ends.
            _ => {
                let extreme = [[0; 8], [0xff; 8], u64::MAX.rotate_right(1).to_le_bytes()][random.usize(..3)];
                bytes.iter_mut().skip(at).zip(extreme).for_each(|(byte, new)| *byte = new);
            }
        }
    }
    bytes
}

#[test]
fn no_bytes_from_outside_make_a_reader_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for target in TARGETS {
        let seeds = (target.seeds)();
        seeds.iter().for_each(|bytes| (target.read)(bytes));
        for case in 0..cases() {
            let bytes = changed(&seeds, &mut random);
            let read = std::panic::catch_unwind(|| (target.read)(&bytes));
            assert!(read.is_ok(), "{}, case {case} of seed {seed}: {}", target.name, hex::encode(&bytes));
        }
    }
}
