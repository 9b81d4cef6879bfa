//! A network block device of another machine: [`handshake`] over TCP, then the kernel gets the connection by
//! [`netlink`] and needs nobody any more until it breaks: then reads wait, and a process that stays connects [`again`].

pub mod again;
mod handshake;
mod netlink;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bootwright_plan::remote::Nbd;
use tracing::{info, warn};

use self::handshake::Export;
use self::netlink::Driver;
use super::{Connector, RemoteError, appears, has_size};
use crate::failure::chain;
use crate::survive;

/// How long a server may take to accept a connection, and to answer in it.
const LIMIT: Duration = Duration::from_secs(20);

/// A device that is connected.
pub(super) struct Connected {
    /// Its name below /dev.
    pub(super) name: String,
    again: again::Orders,
}

impl Connected {
    /// Leaves a process that connects again when the connection breaks. The root is there without it, too: that it
    /// cannot be had is a warning.
    pub(super) async fn stay(self) {
        let start = move || survive::start(again::ROLE, &self.again, &[]);
        let problem = match tokio::task::spawn_blocking(start).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => chain(&error),
            Err(error) => chain(&error),
        };
        warn!("the root's server is not connected again when it is lost: {problem}");
    }
}

impl Connector<'_> {
    pub(super) async fn nbd(&self, nbd: &Nbd) -> Result<Connected, RemoteError> {
        self.devices.require("nbd")?;
        let addresses = self.resolve(&nbd.host, nbd.port).await?;
        let (export, writable) = (nbd.export.clone(), nbd.mounting.writable);
        let connecting = move || connect(addresses, export, writable);
        let joined = tokio::task::spawn_blocking(connecting).await;
        let connected = joined.map_err(|error| RemoteError::Io {
            server: nbd.host.clone(),
            step: "connecting",
            source: error.into(),
        })??;
        let name = connected.name.as_str();
        appears(&format!("/dev/{name}"), || has_size(name).then(|| name.to_owned()), String::new).await?;
        Ok(connected)
    }
}

/// Connects to the first address that answers, and gives the connection to the kernel. Blocks.
fn connect(addresses: Vec<SocketAddr>, export: String, writable: bool) -> Result<Connected, RemoteError> {
    let mut problem =
        RemoteError::Server { server: "the server".into(), problem: "it has no address".into() };
    for address in &addresses {
        let server = address.to_string();
        match open(*address, &server, &export) {
            Ok((stream, found)) => {
                let Export { size, .. } = found;
                info!("{server}: {} MiB by NBD", size.div_ceil(1 << 20));
                let attached = Driver::open().and_then(|driver| driver.attach(&stream, &found, writable));
                let failed = |(step, source)| RemoteError::Io { server, step, source };
                let index = attached.map_err(failed)?;
                let again = again::Orders { index, addresses, export, size };
                return Ok(Connected { name: format!("nbd{index}"), again });
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
