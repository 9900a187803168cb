//! The ends of connections: each with its own number, and after what was answered before has arrived.

use device::wire;
use protocol::message::Answer;
use protocol::{ErrorCode, FrameReader};
use tests::walk::endpoint;
use tests::{City, PATIENCE, block_on};

use super::{bytes_of, hello, ping, raw};

/// Returns the number and the reason that the gateway closed with.
pub(crate) async fn close(connection: &quinn::Connection) -> (u16, String) {
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await.expect("a close within a minute");
    let quinn::ConnectionError::ApplicationClosed(close) = &closed else { panic!("{closed}") };
    let code = u16::try_from(close.error_code.into_inner()).expect("a number of the table");
    (code, String::from_utf8_lossy(&close.reason).into_owned())
}

#[test]
fn each_close_has_its_number_and_who_heeds_no_error_is_told_before_it_is_cut() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    block_on(async {
        let endpoint = endpoint(&fleet);
        let connect = async |bytes: &[u8]| {
            let config = wire::client_config(&fleet, &fleet.devices[0]).expect("a good certificate");
            let connecting =
                endpoint.connect_with(config, fleet.quic[0], &fleet.server_name).expect("an address");
            let connection = connecting.await.expect("connects");
            let (mut send, receive) = connection.open_bi().await.expect("one stream");
            send.write_all(bytes).await.expect("written");
            (connection, send, receive)
        };
        let named = |code: ErrorCode| (code.number(), code.name().to_owned());
        let hello = bytes_of(&[hello(1)]);

        let (connection, mut send, _receive) = connect(&hello).await;
        send.reset(7u8.into()).expect("open until now");
        assert_eq!(close(&connection).await, named(ErrorCode::StreamBroken), "a stream that is reset");

        let (connection, mut send, mut receive) = connect(&hello).await;
        receive.stop(7u8.into()).expect("open until now");
        // Until an answer cannot be written.
        let pings = async { while send.write_all(&bytes_of(&[ping()])).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, pings).await.expect("the gateway closes");
        assert_eq!(close(&connection).await, named(ErrorCode::StreamBroken), "a stream that is stopped");

        let (connection, mut send, _receive) = connect(&[]).await;
        send.finish().expect("open until now");
        assert_eq!(close(&connection).await, named(ErrorCode::HelloExpected), "a stream without Hello");

        let (connection, mut send, mut receive) = connect(&hello).await;
        send.finish().expect("open until now");
        receive.read_to_end(1 << 20).await.expect("the gateway ends its side");
        assert_eq!(close(&connection).await, (0, "served".to_owned()), "a stream that ends in good order");

        let (connection, mut send, mut receive) = connect(&hello).await;
        let flood = raw(3, &[]).repeat(10_000);
        // It is not all taken.
        let (_, told) = tokio::join!(send.write_all(&flood), receive.read_to_end(1 << 20));
        let told = told.expect("the gateway ends its side");
        assert_eq!(close(&connection).await, named(ErrorCode::RefusalFlood));
        let mut reader = FrameReader::default();
        reader.push(&told);
        let mut errors = 0;
        while let Some(frame) = reader.next_frame().expect("frames") {
            errors += usize::from(matches!(frame.answer(), Some(Ok(Answer::Error(_)))));
        }
        assert_eq!(errors, 257, "each is answered, also the last");
    });
}
