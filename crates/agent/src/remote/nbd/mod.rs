//! A network block device of another machine: [`handshake`] over TCP, then the kernel gets the connection by
//! [`netlink`] and needs nobody any more.
//!
//! A connection that breaks is not made again: reads then fail. A link that is down for minutes is waited for by TCP.

mod handshake;
mod netlink;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bootwright_plan::remote::Nbd;
use tracing::info;

use self::handshake::Export;
use super::{Connector, RemoteError, appears, has_size};

/// How long a server may take to accept a connection, and to answer in it.
const LIMIT: Duration = Duration::from_secs(20);

impl Connector<'_> {
    pub(super) async fn nbd(&self, nbd: &Nbd) -> Result<String, RemoteError> {
        self.devices.require("nbd")?;
        let addresses = self.resolve(&nbd.host, nbd.port).await?;
        let (export, writable) = (nbd.export.clone(), nbd.mounting.writable);
        let connecting = move || connect(&addresses, &export, writable);
        let joined = tokio::task::spawn_blocking(connecting).await;
        let name = joined.map_err(|error| RemoteError::Io {
            server: nbd.host.clone(),
            step: "connecting",
            source: error.into(),
        })??;
        appears(&format!("/dev/{name}"), || has_size(&name).then(|| name.clone()), String::new).await
    }
}

/// Connects to the first address that answers, and gives the connection to the kernel. Blocks.
fn connect(addresses: &[SocketAddr], export: &str, writable: bool) -> Result<String, RemoteError> {
    let mut problem =
        RemoteError::Server { server: "the server".into(), problem: "it has no address".into() };
    for address in addresses {
        let server = address.to_string();
        match open(*address, &server, export) {
            Ok((stream, found)) => {
                let Export { size, .. } = found;
                info!("{server}: {} MiB by NBD", size.div_ceil(1 << 20));
                let failed = |(step, source)| RemoteError::Io { server: server.clone(), step, source };
                return netlink::attach(&stream, &found, writable).map_err(failed);
            }
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

fn open(address: SocketAddr, server: &str, export: &str) -> Result<(TcpStream, Export), RemoteError> {
    let failed = |step| move |source| RemoteError::Io { server: server.to_owned(), step, source };
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).map_err(failed("connecting"))?;
    stream.set_nodelay(true).map_err(failed("setting the connection up"))?;
    for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        set(&stream, Some(LIMIT)).map_err(failed("setting the connection up"))?;
    }
    let found = handshake::negotiate(&mut stream, export);
    let found = found
        .map_err(|problem| RemoteError::Server { server: server.to_owned(), problem: problem.to_string() })?;
    // From here on a read waits for as long as the server needs.
    for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        set(&stream, None).map_err(failed("setting the connection up"))?;
    }
    Ok((stream, found))
}
