//! Who may connect: certificates that are wrong in every way there is, each refused, beside a device that is not disturbed.

use loadtest::wire::Identity;
use protocol::message::{Hello, Request};
use protocol::{DeviceId, Epoch, ErrorCode, RequestId, Sequence, frame};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType, date_time_ymd};
use tests::walk::{device, endpoint};
use tests::{City, block_on};

/// The way in which a client was turned away.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// By TLS, before anybody asked who it is.
    Tls,
    /// By the gateway, with a number of the error table.
    Code(ErrorCode),
}

/// Connects, says Hello, and waits to be turned away.
async fn refusal(fleet: &loadtest::Fleet, identity: &Identity<'_>) -> Refusal {
    let endpoint = endpoint(fleet);
    let config = identity.config().expect("a usable identity");
    let connecting = endpoint.connect_with(config, fleet.quic[0], &fleet.server_name).expect("an address");
    let Ok(connection) = connecting.await else { return Refusal::Tls };
    if let Ok((mut send, _)) = connection.open_bi().await {
        let hello = Request::Hello(Hello { epoch: Epoch(1), acknowledged: Sequence(0) });
        let mut bytes = Vec::new();
        frame::write_request(RequestId(1), &hello, &mut bytes).expect("fits");
        let _ = send.write_all(&bytes).await;
    }
    match connection.closed().await {
        quinn::ConnectionError::ApplicationClosed(close) => {
            let code = u16::try_from(close.error_code.into_inner()).ok().and_then(ErrorCode::from_number);
            Refusal::Code(code.expect("a number of the table"))
        }
        quinn::ConnectionError::ConnectionClosed(_) => Refusal::Tls,
        other @ (quinn::ConnectionError::VersionMismatch
        | quinn::ConnectionError::TransportError(_)
        | quinn::ConnectionError::Reset
        | quinn::ConnectionError::TimedOut
        | quinn::ConnectionError::LocallyClosed
        | quinn::ConnectionError::CidsExhausted) => panic!("not refused: {other}"),
    }
}

fn params(uris: &[String], usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "urn:changtong:device:1");
    let uri = |uri: &String| SanType::URI(Ia5String::try_from(uri.as_str()).expect("plain"));
    params.subject_alt_names = uris.iter().map(uri).collect();
    params.extended_key_usages = vec![usage];
    params
}

#[test]
fn a_certificate_that_is_wrong_in_any_way_is_refused() {
    let city = City::start(100, 2);
    let fleet = city.fleet();
    let authority = std::fs::read_to_string(&fleet.ca).expect("the authority");
    let authority_key = std::fs::read_to_string(city.data().join("authority/ca.key")).expect("its key");
    let issuer = |key: &str| Issuer::from_ca_cert_pem(&authority, KeyPair::from_pem(key).expect("a key"));
    let city_issuer = issuer(&authority_key).expect("an authority");
    // The same name and another key: somebody who pretends to be the authority.
    let false_key = KeyPair::generate().expect("a key").serialize_pem();
    let false_issuer = issuer(&false_key).expect("an authority");

    let uri = |device| DeviceId(device).to_uri();
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    let mut expired = params(&[uri(1)], client.clone());
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    let wrong = Refusal::Code(ErrorCode::CertificateWrong);
    let cases = [
        ("another authority", params(&[uri(1)], client.clone()), &false_issuer, Refusal::Tls),
        ("expired", expired, &city_issuer, Refusal::Tls),
        ("meant for servers", params(&[uri(1)], server), &city_issuer, Refusal::Tls),
        (
            "names no device",
            params(&[], client.clone()),
            &city_issuer,
            Refusal::Code(ErrorCode::CertificateWrong),
        ),
        ("names two devices", params(&[uri(1), uri(2)], client.clone()), &city_issuer, wrong),
        (
            "an unknown device",
            params(&[uri(999)], client.clone()),
            &city_issuer,
            Refusal::Code(ErrorCode::DeviceUnknown),
        ),
        (
            "not the registered serial",
            params(&[uri(1)], client),
            &city_issuer,
            Refusal::Code(ErrorCode::DeviceRevoked),
        ),
    ];
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut good = device(&endpoint, &fleet, 0);
        good.connect().await.expect("a good device connects");
        for (name, params, issuer, expected) in cases {
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, issuer).expect("signed").pem();
            let key = key.serialize_pem();
            let identity = Identity {
                authority: authority.as_bytes(),
                certificate: Some((certificate.as_bytes(), key.as_bytes())),
                alpn: frame::ALPN,
            };
            assert_eq!(refusal(&fleet, &identity).await, expected, "{name}");
        }
        let read = |path: &std::path::Path| std::fs::read(path).expect("a file");
        let (certificate, key) = (read(&fleet.devices[1].certificate), read(&fleet.devices[1].key));
        let authority = authority.as_bytes();
        let nobody = Identity { authority, certificate: None, alpn: frame::ALPN };
        assert_eq!(refusal(&fleet, &nobody).await, Refusal::Tls, "no certificate");
        let certificate = Some((certificate.as_slice(), key.as_slice()));
        let other = Identity { authority, certificate, alpn: b"h3" };
        assert_eq!(refusal(&fleet, &other).await, Refusal::Tls, "another protocol");
        good.ping().await.expect("a good device is not disturbed");
        assert_eq!(good.counts().losses, 0);
    });
    assert!(city.metric("changtong_handshakes_total", "failed") >= 4.0);
    assert!(city.metric("changtong_connections_closed_total", "certificate-wrong") >= 2.0);
}
