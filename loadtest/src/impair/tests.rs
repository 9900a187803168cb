//! The proxy between plain UDP sockets: its effects on packets, seen from both ends. The probabilities of fates, and
//! their repetition from the same seed, are tested beside the link.

use std::net::UdpSocket;
use std::time::Duration;

use super::*;

/// Longer than any stall of a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const SEED: u64 = 7;

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Makes a target, a proxy before it, and a client that sends to the proxy.
fn path(conditions: Conditions) -> (UdpSocket, Proxy, UdpSocket) {
    let (target, client) = (socket(), socket());
    let proxy = Proxy::start(target.local_addr().unwrap(), SEED, conditions).unwrap();
    client.connect(proxy.address()).unwrap();
    (target, proxy, client)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (bytes, from) = socket.recv_from(&mut buffer).expect("a packet comes");
    (buffer[..bytes].to_vec(), from)
}

/// Waits until the proxy's counts satisfy `counted`.
fn wait_for(proxy: &Proxy, counted: impl Fn(&Counts) -> bool) {
    let end = device::clock::now() + PATIENCE;
    while !counted(&proxy.counts()) {
        assert!(device::clock::now() < end, "{:?}", proxy.counts());
        std::thread::yield_now();
    }
}

#[test]
fn conditions_are_read_with_their_limits() {
    let read = |text: &str| toml::from_str::<Conditions>(text);
    assert_eq!(read("").unwrap(), Conditions::default());
    let some = Conditions { loss: 0.3, jitter_ms: 5000, partition: true, ..Conditions::default() };
    assert_eq!(read("loss = 0.3\njitter_ms = 5000\npartition = true").unwrap(), some);
    for (text, says) in [
        ("loss = 1.01", "a probability must be 0 to 1, not 1.01"),
        ("duplicate = -0.1", "a probability"),
        ("corrupt = nan", "a probability"),
        ("reorder = inf", "a probability"),
        ("delay_ms = 5001", "at most 5000 ms, not 5001"),
        ("jitter_ms = -1", "invalid value"),
        ("lost = 0.1", "unknown field `lost`"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
        assert!(error.span().is_some(), "{text}: the place is known");
    }
}

#[test]
fn without_conditions_packets_pass_both_ways_in_order_and_unchanged() {
    let (target, proxy, client) = path(Conditions::default());
    let packet = |number: usize| vec![number as u8; 1 + number * 7 % flight::PACKET_BYTES_MAX];
    for number in 0..500 {
        client.send(&packet(number)).unwrap();
        let (bytes, from) = receive(&target);
        assert_eq!(bytes, packet(number));
        target.send_to(&bytes, from).unwrap();
        target.send_to(b"second", from).unwrap();
        assert_eq!(receive(&client).0, packet(number));
        assert_eq!(receive(&client).0, b"second");
    }
    client.send(&vec![0; flight::PACKET_BYTES_MAX + 1]).unwrap();
    wait_for(&proxy, |counts| counts.refused == 1);
    assert_eq!(proxy.end(), Counts { passed: 1500, refused: 1, ..Counts::default() });
}

#[test]
fn clients_do_not_hear_each_other() {
    let (target, proxy, first) = path(Conditions::default());
    let second = socket();
    second.connect(proxy.address()).unwrap();
    for round in 0..10 {
        for (client, name) in [(&first, b"first."), (&second, b"second")] {
            client.send(name).unwrap();
            let (bytes, from) = receive(&target);
            target.send_to(&bytes, from).unwrap();
            assert_eq!(receive(client).0, name, "{round}");
        }
    }
}

#[test]
fn after_a_rebind_the_target_sees_another_port_and_its_old_one_is_dead() {
    let (target, proxy, client) = path(Conditions::default());
    let mut seen = Vec::new();
    for round in 1..=5 {
        client.send(&[round]).unwrap();
        let (_, from) = receive(&target);
        assert!(!seen.contains(&from), "{from} again after {seen:?}");
        for old in &seen {
            target.send_to(b"to nobody", old).unwrap();
        }
        target.send_to(&[round], from).unwrap();
        assert_eq!(receive(&client).0, [round]);
        seen.push(from);
        proxy.rebind();
        wait_for(&proxy, |counts| counts.rebinds == u64::from(round));
    }
    proxy.end();
}

#[test]
fn a_partition_stops_both_ways_and_heals() {
    let (target, proxy, client) = path(Conditions::default());
    client.send(b"before").unwrap();
    let (_, from) = receive(&target);
    proxy.set(Conditions { partition: true, ..Conditions::default() });
    client.send(b"up").unwrap();
    target.send_to(b"down", from).unwrap();
    wait_for(&proxy, |counts| counts.dropped == 2);
    proxy.set(Conditions::default());
    client.send(b"after").unwrap();
    assert_eq!(receive(&target).0, b"after");
    target.send_to(b"answer", from).unwrap();
    assert_eq!(receive(&client).0, b"answer");
    assert_eq!(proxy.end(), Counts { passed: 3, dropped: 2, ..Counts::default() });
}

#[test]
fn a_corrupted_packet_differs_in_one_bit_and_a_doubled_one_comes_twice() {
    let certain = Conditions { corrupt: 1.0, duplicate: 1.0, ..Conditions::default() };
    let (target, proxy, client) = path(certain);
    let sound = [0xa5u8; 300];
    for _ in 0..50 {
        client.send(&sound).unwrap();
        for _ in 0..2 {
            let (bytes, _) = receive(&target);
            assert_eq!(bytes.len(), sound.len());
            let flipped: u32 = bytes.iter().zip(sound).map(|(is, was)| (is ^ was).count_ones()).sum();
            assert_eq!(flipped, 1);
        }
    }
    assert_eq!(proxy.end(), Counts { passed: 50, duplicated: 50, corrupted: 100, ..Counts::default() });
}

#[test]
fn later_packets_overtake_those_held_back_and_none_is_lost() {
    const PACKETS: u32 = 200;
    let (target, proxy, client) = path(Conditions { reorder: 0.3, ..Conditions::default() });
    (0..PACKETS).for_each(|number| assert_eq!(client.send(&number.to_le_bytes()).unwrap(), 4));
    let arrived: Vec<_> = (0..PACKETS)
        .map(|_| u32::from_le_bytes(receive(&target).0.try_into().expect("four bytes")))
        .collect();
    assert!(!arrived.is_sorted());
    let mut sorted = arrived;
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..PACKETS));
    let counts = proxy.end();
    assert_eq!((counts.passed, counts.dropped), (PACKETS.into(), 0));
    assert!((20..120).contains(&counts.reordered), "{counts:?}");
}

#[test]
fn a_delay_holds_both_ways_and_keeps_the_order() {
    let late = Conditions { delay_ms: 30, jitter_ms: 20, ..Conditions::default() };
    let (target, proxy, client) = path(late);
    for _ in 0..3 {
        let sent = device::clock::now();
        (0..20u8).for_each(|number| assert_eq!(client.send(&[number]).unwrap(), 1));
        for number in 0..20 {
            let (bytes, from) = receive(&target);
            assert_eq!(bytes, [number]);
            target.send_to(&bytes, from).unwrap();
        }
        assert!(device::clock::since(sent) >= Duration::from_millis(30));
        (0..20).for_each(|number| assert_eq!(receive(&client).0, [number]));
        assert!(device::clock::since(sent) >= Duration::from_millis(60));
    }
    assert_eq!(proxy.end().passed, 120);
}

#[test]
fn more_clients_than_there_is_room_for_are_refused_and_the_others_served() {
    let (target, proxy, _) = path(Conditions::default());
    let first = socket();
    first.send_to(b"first", proxy.address()).unwrap();
    wait_for(&proxy, |counts| counts.passed == 1);
    // Each client's socket closes before the next one opens: only the proxy keeps any. The kernel may give a port again.
    let sent = (1..).find(|other| {
        socket().send_to(b"other", proxy.address()).unwrap();
        wait_for(&proxy, |counts| counts.passed + counts.refused > *other);
        proxy.counts().refused > 0
    });
    let passed = proxy.counts().passed;
    assert_eq!(sent, Some(passed));
    assert!(passed >= proxy::FLOWS_MAX as u64);
    first.send_to(b"again", proxy.address()).unwrap();
    wait_for(&proxy, |counts| counts.passed == passed + 1);
    drop(target);
}
