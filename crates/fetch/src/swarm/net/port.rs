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
    accepting: AbortHandle,
}

type Swarms = Arc<Mutex<HashMap<InfoHash, mpsc::Sender<Greeted>>>>;

impl Port {
    /// Listens on `port` of every address of this machine, both families; 0 takes a free port. Wants a tokio
    /// runtime.
    ///
    /// # Errors
    /// What bind(2) says.
    pub fn any(port: u16) -> io::Result<Arc<Self>> {
        let both = listener(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));
        // A kernel without IPv6.
        let listener = both.or_else(|_| listener(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)))?;
        Self::serve(listener)
    }

    /// Listens on one address only.
    ///
    /// # Errors
    /// What bind(2) says.
    pub fn bind(address: SocketAddr) -> io::Result<Arc<Self>> {
        Self::serve(listener(address)?)
    }

    fn serve(listener: std::net::TcpListener) -> io::Result<Arc<Self>> {
        let listener = TcpListener::from_std(listener)?;
        let local = listener.local_addr()?;
        let swarms = Swarms::default();
        let mut peer_id = *concat_id();
        for byte in peer_id.iter_mut().skip(8) {
            *byte = fastrand::alphanumeric() as u8;
        }
        let accepting = tokio::spawn(accept(listener, swarms.clone(), peer_id)).abort_handle();
        Ok(Arc::new(Self { local, peer_id, swarms, accepting }))
    }

    /// The address that is listened on.
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
        self.accepting.abort();
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

async fn accept(listener: TcpListener, swarms: Swarms, peer_id: [u8; 20]) {
    let strangers = Arc::new(Semaphore::new(STRANGERS));
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
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let known = |swarm: &InfoHash| lock(swarms).contains_key(swarm);
    // What a stranger does wrong is of no interest: it has asked for nothing yet.
    let Ok(greeted) = dial::answer(stream, address, peer_id, known).await else { return };
    let swarm = lock(swarms).get(&greeted.handshake.info_hash).cloned();
    if let Some(swarm) = swarm {
        let _ = swarm.send(greeted).await;
    }
}
