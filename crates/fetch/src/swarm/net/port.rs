//! One listening port for all swarms of a program.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bootwright_image::torrent::InfoHash;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::book::canonical;
use super::dial::{self, Greeted};

/// Strangers that are shaking hands at one time: each costs a socket for ten seconds at most.
const STRANGERS: usize = 128;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 512;

/// How long accepting rests when the system has no more sockets.
const NO_SOCKETS: Duration = Duration::from_millis(200);

/// Where peers connect to, and the identity of this program among them.
pub struct Port {
    local: SocketAddr,
    peer_id: [u8; 20],
    swarms: Swarms,
    accepting: Vec<AbortHandle>,
}

type Swarms = Arc<Mutex<HashMap<InfoHash, mpsc::Sender<Greeted>>>>;

impl Port {
    /// Listens on `port` of every address of this machine, both families; 0 takes a free port. Wants a tokio
    /// runtime.
    ///
    /// # Errors
    /// What bind(2) says.
    pub fn any(port: u16) -> io::Result<Arc<Self>> {
        Self::over(vec![Self::socket(port)?])
    }

    /// Listens on one address only.
    ///
    /// # Errors
    /// What bind(2) says.
    pub fn bind(address: SocketAddr) -> io::Result<Arc<Self>> {
        Self::bind_all(&[address])
    }

    /// Listens on these addresses only. They should be of one port, since peers are told of one: where a later
    /// one asks for any port, it gets that of the first.
    ///
    /// # Errors
    /// What bind(2) says.
    pub fn bind_all(addresses: &[SocketAddr]) -> io::Result<Arc<Self>> {
        let mut listeners: Vec<std::net::TcpListener> = Vec::new();
        for address in addresses {
            let mut address = *address;
            if let (0, Some(first)) = (address.port(), listeners.first()) {
                address.set_port(first.local_addr()?.port());
            }
            listeners.push(listener(address)?);
        }
        Self::over(listeners)
    }

    /// A socket as [`Port::any`] uses it, to be handed to another process, which goes on where this one ends.
    ///
    /// # Errors
    /// What bind(2) says.
    pub fn socket(port: u16) -> io::Result<std::net::TcpListener> {
        let both = listener(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));
        // A kernel without IPv6.
        both.or_else(|_| listener(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)))
    }

    /// Listens on sockets that are bound, at least one. Wants a tokio runtime.
    ///
    /// # Errors
    /// What the system says when it cannot watch them.
    pub fn over(listeners: Vec<std::net::TcpListener>) -> io::Result<Arc<Self>> {
        let first = listeners.first().ok_or(io::ErrorKind::InvalidInput)?;
        let local = first.local_addr()?;
        let swarms = Swarms::default();
        let mut peer_id = *concat_id();
        for byte in peer_id.iter_mut().skip(8) {
            *byte = fastrand::alphanumeric() as u8;
        }
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        let mut accepting = Vec::new();
        for listener in listeners {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let accept = accept(listener, swarms.clone(), strangers.clone(), peer_id);
            accepting.push(tokio::spawn(accept).abort_handle());
        }
        Ok(Arc::new(Self { local, peer_id, swarms, accepting }))
    }

    /// The address that is listened on, the first of them.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn peer_id(&self) -> [u8; 20] {
        self.peer_id
    }

    /// From now on, those who ask for `swarm` come out of the channel.
    pub(super) fn register(&self, swarm: InfoHash) -> mpsc::Receiver<Greeted> {
        let (send, receive) = mpsc::channel(1);
        lock(&self.swarms).insert(swarm, send);
        receive
    }

    pub(super) fn forget(&self, swarm: &InfoHash) {
        lock(&self.swarms).remove(swarm);
    }
}

/// Azureus style: client BW, version 0.1.0, and twelve bytes of chance.
fn concat_id() -> &'static [u8; 20] {
    b"-BW0100-............"
}

impl Drop for Port {
    fn drop(&mut self) {
        self.accepting.iter().for_each(AbortHandle::abort);
    }
}

fn lock(swarms: &Swarms) -> MutexGuard<'_, HashMap<InfoHash, mpsc::Sender<Greeted>>> {
    swarms.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn accept(listener: TcpListener, swarms: Swarms, strangers: Arc<Semaphore>, peer_id: [u8; 20]) {
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            sleep(NO_SOCKETS).await;
            continue;
        };
        let Ok(permit) = strangers.clone().try_acquire_owned() else { continue };
        let swarms = swarms.clone();
        tokio::spawn(async move {
            greet(stream, address, &swarms, peer_id).await;
            drop(permit);
        });
    }
}

/// Shakes hands with a stranger and hands it to the swarm that it asks for.
async fn greet(stream: TcpStream, address: SocketAddr, swarms: &Swarms, peer_id: [u8; 20]) {
    let address = canonical(address);
    let known = |swarm: &InfoHash| lock(swarms).contains_key(swarm);
    // What a stranger does wrong is of no interest: it has asked for nothing yet.
    let Ok(greeted) = dial::answer(stream, address, peer_id, known).await else { return };
    let swarm = lock(swarms).get(&greeted.handshake.info_hash).cloned();
    if let Some(swarm) = swarm {
        let _ = swarm.send(greeted).await;
    }
}
