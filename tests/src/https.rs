//! The smallest HTTPS client: one POST on one connection, with or without a certificate of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Whom to trust, and who asks: certificate and key, all PEM.
pub struct Client<'a> {
    /// The authority of the other side.
    pub authority: &'a str,
    /// The client's own certificate and key.
    pub identity: Option<(&'a str, &'a str)>,
}

impl Client<'_> {
    /// Posts a JSON body: status and body of the answer, or why there was none.
    pub fn post(&self, address: SocketAddr, path: &str, body: &str) -> Result<(u16, String), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut tcp = TcpStream::connect(address).map_err(|error| text(&error))?;
        tcp.set_read_timeout(Some(Duration::from_secs(20))).map_err(|error| text(&error))?;
        let name = "localhost".try_into().expect("a name");
        let mut tls = rustls::ClientConnection::new(Arc::new(self.config()), name).map_err(|e| text(&e))?;
        let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).map_err(|error| text(&error))?;
        // A server that has seen enough of a body that is too long does not read the rest.
        let _ = stream.write_all(body.as_bytes());
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            return Err(read.err().map_or("no answer".to_owned(), |error| text(&error)));
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.ok_or("no status")?, body.to_owned()))
    }

    /// The certificate that is shown there, DER, and what a GET of `/` is answered with.
    ///
    /// # Panics
    /// If nobody answers over TLS.
    pub fn look(&self, address: SocketAddr) -> (Vec<u8>, String) {
        let mut tcp = TcpStream::connect(address).expect("it listens");
        tcp.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let name = "localhost".try_into().expect("a name");
        let mut tls = rustls::ClientConnection::new(Arc::new(self.config()), name).expect("a client");
        let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let shown = tls.peer_certificates().and_then(<[_]>::first).expect("a certificate").to_vec();
        (shown, String::from_utf8_lossy(&answer).into_owned())
    }

    fn config(&self) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.authority.as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots);
        match self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
                let chain = chain.collect::<Result<_, _>>().expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(chain, key).expect("a key of its certificate")
            }
        }
    }
}
