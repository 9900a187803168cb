//! A host that proves its address, begins handshake after handshake, and ends none. Devices elsewhere connect meanwhile.

use std::net::Ipv4Addr;
use std::time::Duration;

use tests::stalled::Stalling;
use tests::walk::{device, endpoint};
use tests::{City, block_on};

/// As many as fill every permit twice.
const STALLED: usize = 1_000;

#[test]
fn handshakes_that_one_host_does_not_end_keep_no_device_out() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    let mut hostile = Stalling::new(&fleet, Ipv4Addr::new(127, 9, 9, 9), Duration::from_millis(100));
    let stalling = std::thread::spawn(move || (0..STALLED).for_each(|_| hostile.begin()));
    tests::wait_for("half of the permits to be held", || {
        (city.metric("changtong_handshakes_under_way", "") >= 256.0 || stalling.is_finished()).then_some(())
    });
    block_on(async {
        let endpoint = endpoint(&fleet);
        for index in 0..4 {
            let mut device = device(&endpoint, &fleet, index);
            device.connect().await.expect("a device elsewhere connects");
            device.ping().await.expect("and is answered");
        }
    });
    stalling.join().expect("it ends");
}
