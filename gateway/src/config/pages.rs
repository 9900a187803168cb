//! `[pages]`: where citizens' pages are served, and under which name. Without the section there are none.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::bail;

use super::reader::Table;

/// The pages as the file has them.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    pub(crate) listen: SocketAddr,
    /// The name in links and on printed codes.
    pub(crate) host: Option<String>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// One's own proxies before the pages, whose X-Forwarded-For is believed.
    pub(crate) proxies: Vec<IpAddr>,
}

impl Pages {
    pub(super) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let (listen, host) = (table.required("listen"), table.optional("host"));
        let (certificate, key) = (table.optional("certificate"), table.optional("key"));
        let proxies = table.optional("proxies").unwrap_or_default();
        table.end();
        Some(Self { listen: listen?, host, certificate, key, proxies })
    }

    /// Plain HTTP on this machine, for development. One address of this machine is a proxy, so that tests can come from anywhere.
    pub(crate) fn development(listen: SocketAddr) -> Self {
        let proxies = vec![IpAddr::from([127, 0, 0, 2])];
        Self { listen, host: None, certificate: None, key: None, proxies }
    }

    /// Returns the origin with which links begin.
    pub(crate) fn origin(&self, listener: &TcpListener) -> anyhow::Result<String> {
        match &self.host {
            Some(host) => Ok(format!("https://{host}")),
            None => Ok(format!("http://localhost:{}", listener.local_addr()?.port())),
        }
    }

    /// Accepts a socket that the service manager has bound. Without a certificate, only a loopback address is accepted.
    pub(crate) fn served_on(&self, listener: TcpListener) -> anyhow::Result<TcpListener> {
        let address = listener.local_addr()?;
        if self.certificate.is_none() && !address.ip().is_loopback() {
            bail!(
                "pages without a certificate were handed a socket on {address}; plain HTTP is for this machine alone"
            );
        }
        Ok(listener)
    }
}
