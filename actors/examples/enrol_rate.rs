//! The cost of enrolling many devices: `cargo run --release -p actors --example enrol_rate -- 100000`. Tables of 200 rows, as operators
//! order them: each row is compared with the devices of its name, then the table's devices and tokens are written in one transaction. The
//! time of a table levels off: its tokens are random, so each touches a page of its own once there are enough pages.

use std::error::Error;

use keys::Keys;
use protocol::{DeviceClass, DeviceId, RegionId};
use registry::{DeviceRow, Registry, token_hash};
use runtime::clock;

/// The rows of an order's table at most.
const TABLE: u64 = 200;
/// The length of a token's time, seconds: all are pending at the end.
const EXPIRES_S: u64 = 900;
/// The number of tables of a line of output.
const TABLES_A_LINE: u64 = 50;

#[allow(clippy::print_stdout, reason = "an example's output")]
fn main() -> Result<(), Box<dyn Error>> {
    let devices: u64 = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    Keys::init(&directory.path().join("keys"))?;
    let keys = Keys::load(&directory.path().join("keys"))?;
    let mut registry = Registry::open(&directory.path().join("registry.db"), &keys)?;
    let (begun, mut line) = (clock::now(), clock::now());
    for table in 0..devices.div_ceil(TABLE) {
        enrol(&mut registry, table * TABLE + 1..=devices.min((table + 1) * TABLE))?;
        if (table + 1) % TABLES_A_LINE == 0 {
            let each = clock::since(line) / TABLES_A_LINE as u32;
            println!("{:>8} devices: {each:.2?} a table of {TABLE}", (table + 1) * TABLE);
            line = clock::now();
        }
    }
    println!("{devices} devices enrolled in {:.2?}", clock::since(begun));
    let begun = clock::now();
    let read = registry.devices()?.len();
    println!("{read} devices read, as at a start, in {:.2?}", clock::since(begun));
    Ok(())
}

fn enrol(registry: &mut Registry, numbers: impl Iterator<Item = u64>) -> Result<(), Box<dyn Error>> {
    let (mut rows, mut tokens) = (Vec::new(), Vec::new());
    for number in numbers {
        let (id, name) = (DeviceId(number), format!("gate {number}"));
        if !registry.devices_named(&name)?.is_empty() {
            return Err(format!("{name} is there twice").into());
        }
        tokens.push((id, token_hash(&name), EXPIRES_S));
        rows.push(DeviceRow {
            id,
            class: DeviceClass::Gate,
            name,
            regions: vec![RegionId(1)],
            places: None,
            certificate_serial: None,
            previous_serial: None,
            revoked: false,
            not_after_s: 0,
        });
    }
    registry.enrol_devices(&rows, &tokens)?;
    Ok(())
}
