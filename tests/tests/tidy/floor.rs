//! The floor's server has the gateway's own settings: a ratio to a server with other sockets, windows or ciphers says nothing.

use std::collections::BTreeSet;

use tests::repository::read;

const GATEWAY: [&str; 2] = ["gateway/src/tls/transport.rs", "gateway/src/quic/steering.rs"];
const FLOOR: &str = "loadtest/bench/src/floor/server.rs";

/// Returns the calls on the transport's settings, without the window of a connection: the gateway raises it after the handshake.
fn transport(path: &str) -> BTreeSet<String> {
    let text = read(path);
    let (_, body) = text.split_once("fn transport(").unwrap_or_else(|| panic!("{path} has no transport()"));
    let (body, _) = body.split_once("\n}").expect("a function ends");
    let calls = body.lines().map(|line| line.trim().trim_end_matches(';').to_owned());
    calls.filter(|line| line.starts_with('.') && !line.starts_with(".receive_window(")).collect()
}

/// Returns the values of constants and the line that chooses the cipher, as they are written.
fn written(path: &str, begins: &str) -> Option<String> {
    read(path).lines().map(str::trim).find(|line| line.starts_with(begins)).map(str::to_owned)
}

#[test]
fn the_floors_server_has_the_gateways_transport_sockets_and_cipher() {
    let (gateway, floor) = (transport(GATEWAY[0]), transport(FLOOR));
    assert!(gateway.len() >= 8, "only these were found: {gateway:?}");
    assert_eq!(floor, gateway);
    for begins in [
        "const SEND_WINDOW_BYTES: ",
        "const CRYPTO_BUFFER_BYTES: ",
        "const SOCKET_BUFFER_BYTES: ",
        "suites.cipher_suites.sort_by_key(",
        "config.ignore_client_order = ",
        "config.send_tls13_tickets = ",
    ] {
        let own = GATEWAY.iter().find_map(|path| written(path, begins));
        assert!(own.is_some(), "the gateway has no {begins}");
        assert_eq!(written(FLOOR, begins), own, "{begins}");
    }
}
