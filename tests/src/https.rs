//! HTTPS clients of tests: one request on one connection, with or without a certificate of their own.

use std::net::SocketAddr;
use std::sync::Arc;

use device::wire::Identity;
use loadtest::http::{self, Connection};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A client: the authority that it trusts, and its own certificate and key, all PEM.
pub struct Client<'a> {
    /// The authority of the other side.
    pub authority: &'a str,
    /// The client's own certificate and key.
    pub identity: Option<(&'a str, &'a str)>,
}

impl Client<'_> {
    /// Posts a JSON body: status and body of the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub fn post(&self, address: SocketAddr, path: &str, body: &str) -> Result<(u16, String), String> {
        http::block_on(async {
            let stream = self.connect(address).await.map_err(|error| error.to_string())?;
            let request = http::post("localhost", path, "application/json", body.to_owned());
            let sent = async { Connection::over(stream).await?.send(request).await };
            let response = sent.await.map_err(|error| error.to_string())?;
            Ok((response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned()))
        })
    }

    /// Returns the server's certificate, DER, and the status of the page at `/`, if there is an answer.
    ///
    /// # Panics
    /// The server does not answer over TLS.
    pub fn look(&self, address: SocketAddr) -> (Vec<u8>, Option<u16>) {
        http::block_on(async {
            let stream = self.connect(address).await.expect("it listens");
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let shown = shown.expect("a certificate").to_vec();
            let mut connection = Connection::over(stream).await.expect("a connection");
            let answer = connection.send(http::get("localhost", "/")).await;
            (shown, answer.ok().map(|answer| answer.status().as_u16()))
        })
    }

    async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let certificate = self.identity.map(|(certificate, key)| (certificate.as_bytes(), key.as_bytes()));
        let identity = Identity { authority: self.authority.as_bytes(), certificate, alpn: b"" };
        let config = identity.tls().expect("certificates and keys");
        let name = "localhost".try_into().expect("a name");
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
