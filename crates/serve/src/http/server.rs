//! The accept loop.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::{Service, connection};
use crate::gateway::Peers;

/// How many clients are served at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections in all: bounds memory and file descriptors. The others wait in the backlog.
    pub connections: usize,
    /// Connections from one address: one machine must not take the places of all others.
    pub per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 4096, per_address: 256 }
    }
}

/// After accept(2) failed for want of descriptors or memory, wait this long before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that wait to be accepted: a whole rack that powers up at once.
const BACKLOG: i32 = 4096;

/// Transfers that are under way when the server is told to stop get this long to end.
const GRACE: Duration = Duration::from_secs(5);

/// An HTTP server.
pub struct Server {
    listeners: Vec<TcpListener>,
    limits: Limits,
    peers: Peers,
}

impl Server {
    /// Binds the address: this may need privileges, serving does not.
    pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Lets a restarted server take its port back while old connections linger in TIME_WAIT.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // IPv4 has a socket of its own.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }

    /// Serves bound sockets, with the same limits over all of them. Must be called inside a tokio runtime.
    pub fn listen(listeners: Vec<std::net::TcpListener>, limits: Limits) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<_>>()?;
        Ok(Self { listeners, limits, peers: Peers::default() })
    }

    /// Who the clients really are.
    #[must_use]
    pub fn peers(self, peers: Peers) -> Self {
        Self { peers, ..self }
    }

    /// Serves until `stop` says so, then lets running transfers end for a few seconds.
    pub async fn run(self, service: Arc<Service>, mut stop: watch::Receiver<()>) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let guests = Arc::new(Guests { per_address: self.limits.per_address, counts: Mutex::default() });
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.accept().await)
            };
            let (place, accepted) = tokio::select! {
                next = next => next,
                Some(_) = connections.join_next() => continue,
                _ = stop.changed() => break,
            };
            let (stream, peer) = match accepted {
                Ok((stream, peer)) => (stream, SocketAddr::new(self.peers.real(peer.ip()), peer.port())),
                Err(error) => {
                    tracing::warn!("accepting a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(guest) = guests.admit(peer.ip()) else { continue };
            let (service, stop) = (Arc::clone(&service), stop.clone());
            connections.spawn(async move {
                if let Err(error) = connection::serve(stream, peer, service, stop).await {
                    tracing::debug!(%peer, "connection: {error}");
                }
                drop((guest, place));
            });
        }
        drop(self.listeners);
        let finish = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, finish).await;
    }

    /// The next connection to any of the sockets.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let mut polled = self.listeners.iter().map(|listener| listener.poll_accept(context));
            polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }
}

/// Who has how many connections.
struct Guests {
    per_address: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place in the count.
struct Guest {
    guests: Arc<Guests>,
    address: IpAddr,
}

impl Guests {
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Guest { guests: Arc::clone(self), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.guests.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
