//! Measures what the codes take of memory and how long a look-up of a random one takes:
//! `cargo run --release -p actors --example codes_memory -- 23000000`. With a second argument `registry` it also measures
//! building a registry of so many codes and loading it.

use std::error::Error;

use keys::Keys;
use protocol::{Basis, Class, CodeId, Colour};
use registry::Registry;
use registry::colours::{CODE_BYTES_MAX, CodeEntry, Codes};
use runtime::clock;

const LOOKUPS: u64 = 5_000_000;
const SEED: u64 = 20_200_212;

#[allow(clippy::print_stdout, reason = "an example's output")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(6_500_000), |text| text.parse())?;
    let before = resident_bytes()?;
    let started = clock::now();
    let codes = Codes::new(0);
    let mut random = fastrand::Rng::with_seed(SEED);
    while (codes.len() as u64) < count {
        for _ in codes.len() as u64..count {
            let Some(code) = CodeId::issue(1, random.u64(..)) else { continue };
            codes.put(code, CodeEntry::new(Colour::Green, Basis::Verified, Class::Person, 0, 1));
        }
    }
    let filled = clock::since(started);
    let per_code = (resident_bytes()? - before) as f64 / count as f64;
    let mut random = fastrand::Rng::with_seed(SEED);
    let started = clock::now();
    let found = (0..LOOKUPS.min(count))
        .filter_map(|_| codes.get(CodeId::issue(1, random.u64(..))?))
        .filter(|entry| entry.colour() == Colour::Green)
        .count();
    let lookup_ns = clock::since(started).as_nanos() / found.max(1) as u128;
    println!("codes {count}: {per_code:.1} bytes each, filled in {filled:.2?}, look-up {lookup_ns} ns");
    drop(codes);
    if arguments.next().as_deref() == Some("registry") {
        measure_registry(u32::try_from(count)?)?;
    }
    if per_code > CODE_BYTES_MAX as f64 {
        return Err(format!("more than {CODE_BYTES_MAX} bytes a code").into());
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "an example's output")]
fn measure_registry(people: u32) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let keys = directory.path().join("keys");
    Keys::init(&keys)?;
    let keys = Keys::load(&keys)?;
    let path = directory.path().join("registry.db");
    let started = clock::now();
    simulator::city::build(&mut Registry::open(&path, &keys)?, &keys, people, SEED)?;
    println!("registry of {people} people: built in {:.2?}", clock::since(started));
    let started = clock::now();
    let registry = Registry::open(&path, &keys)?;
    let codes = Codes::new(registry.estimate_codes()? as usize);
    let counted = clock::since(started);
    registry.load_codes(&codes)?;
    println!("estimated in {counted:.2?}, with loading {:.2?}", clock::since(started));
    Ok(())
}

/// Reads the memory in use from the second field of /proc/self/statm, in pages of 4 KiB.
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split_whitespace().nth(1).ok_or("statm has a second field")?.parse()?;
    Ok(pages * 4096)
}
