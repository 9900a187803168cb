//! Client certificates that are wrong in every way, each refused, beside a device that is not disturbed.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use device::wire::Identity;
use protocol::message::{Hello, Request};
use protocol::{DeviceId, Epoch, ErrorCode, RequestId, Sequence, frame};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tests::https::Client;
use tests::walk::{device, endpoint};
use tests::{City, binary, block_on};

/// The way in which a client was turned away.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// A refusal by TLS, before the identity was asked for.
    Tls,
    /// A refusal by the gateway, with a number of the error table.
    Code(ErrorCode),
}

/// Connects, says Hello, and waits to be turned away.
async fn refusal(fleet: &device::Fleet, identity: &Identity<'_>) -> Refusal {
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
    // The same name and another key: a false authority.
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

#[test]
fn the_gateways_certificate_is_renewed_for_its_key_and_taken_at_a_reload() {
    let city = City::start(50, 1);
    let fleet = city.fleet();
    let data = city.data();
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a file");
    let authority = read(&fleet.ca);
    let shown = || Client { authority: &authority, identity: None }.look(fleet.enrol).0;
    let on_disk =
        || CertificateDer::from_pem_slice(read(&data.join("server.pem")).as_bytes()).expect("PEM").to_vec();
    let (before, key) = (on_disk(), read(&data.join("server.key")));
    assert_eq!(shown(), before);
    let (status, _, err) = city.command(&["authority", "server", "--name", "localhost"]);
    assert!(status.code() == Some(2) && err.contains("--renew"), "{err}");
    // The data that are named are meant, whatever the environment names; two names are refused.
    let other = data.join("other.toml");
    std::fs::write(&other, "data = \"/nowhere\"\n").expect("written");
    let run = |words: &[&str]| {
        let mut command = Command::new(binary());
        command.args(words).arg("--data").arg(&data).env("CHANGTONG_CONFIG", &other);
        let output = command.output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let file = other.to_str().expect("a plain path");
    for words in [&["authority", "init"][..], &["authority", "server", "--renew"], &["doctor"], &["sunset"]] {
        let (code, out, err) = run(&[words, &["--config", file]].concat());
        assert!(code == Some(2) && err.contains("not by both"), "{words:?}: {out}{err}");
    }
    assert_eq!(on_disk(), before);
    let (code, out, err) = run(&["authority", "server", "--renew"]);
    assert!(
        code == Some(0) && out.contains("for the same key") && err.contains("changtong reload"),
        "{out}{err}"
    );
    assert!(out.contains("localhost"), "the names stay: {out}");
    assert_eq!(read(&data.join("server.key")), key);
    let mode = std::fs::metadata(data.join("server.pem")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let renewed = on_disk();
    assert!(renewed != before && shown() == before, "the running gateway goes on with the old one");
    let (status, out, err) = city.command(&["reload"]);
    assert!(status.success() && out.contains("the gateway's certificate"), "{out}{err}");
    assert_eq!(shown(), renewed);
    let left = std::fs::read_dir(&data).expect("listed").map(|entry| entry.expect("an entry").file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().ends_with(".new")), "nothing is left beside");
}
