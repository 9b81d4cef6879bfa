//! The sockets of the TFTP server: port 69, and one socket and one thread for each transfer.
//!
//! A transfer in lock-step (without `windowsize`) is a chain of turns: a thread of its own that sleeps
//! in recv(2) turns fastest. Threads are bounded by [`MAX_SESSIONS`].

mod content;
mod transfer;

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bootwright_netboot::tftp::{self, End, ErrorCode, Limits, Request, RequestError};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

pub use content::{Content, Files};

/// Transfers at a time. What is asked beyond that gets no answer, and the client asks again: that bounds
/// threads and memory (about 200 KiB each).
pub const MAX_SESSIONS: usize = 512;
/// Requests that wait in the socket when a fleet is switched on, in bytes.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Bytes of a thread's stack: a transfer has its buffers on the heap.
const STACK: usize = 128 << 10;

/// Takes each event as it happens; it must not block.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// What happened with one file for one client.
#[derive(Debug)]
pub struct Event {
    /// Who asked.
    pub client: SocketAddrV4,
    /// For which file; empty when the request had no readable name.
    pub path: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The first packet goes out.
    Started {
        /// Bytes of the file.
        size: u64,
    },
    /// The transfer is over.
    Ended {
        /// How.
        end: End,
        /// Bytes that the client has confirmed.
        bytes: u64,
        /// From the request to the end.
        duration: Duration,
    },
    /// There is no such file.
    NotFound,
    /// The request cannot be served.
    Refused(RequestError),
    /// [`MAX_SESSIONS`] transfers are under way.
    Busy,
    /// Sending or reading failed.
    Failed(io::Error),
}

impl std::fmt::Display for Event {
    /// `ipxe/undionly.kpxe: 74 000 bytes in 0.2 s by TFTP`, without the client.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = &self.path;
        match &self.outcome {
            Outcome::Started { size } => write!(f, "{path}: {size} bytes by TFTP"),
            Outcome::Ended { end, bytes, duration } => match end {
                End::Done => write!(f, "{path}: {bytes} bytes sent in {:.1} s", duration.as_secs_f64()),
                End::Probe => write!(f, "{path}: asked for the size"),
                End::Aborted(code) => {
                    write!(f, "{path}: client broke off after {bytes} bytes (error {code})")
                }
                End::Silent => write!(f, "{path}: client fell silent after {bytes} bytes"),
            },
            Outcome::NotFound => write!(f, "{path}: no such file"),
            Outcome::Refused(why) => write!(f, "TFTP request refused: {why}"),
            Outcome::Busy => {
                write!(f, "{path}: {MAX_SESSIONS} transfers are under way, the client must wait")
            }
            Outcome::Failed(error) => write!(f, "{path}: {error}"),
        }
    }
}

/// The socket on port 69. Binding it needs a privilege, using it does not.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    address: Ipv4Addr,
}

/// Why port 69 cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Not allowed.
    #[error("UDP port {port} needs privileges: run as root or with CAP_NET_BIND_SERVICE")]
    Privilege {
        /// The port.
        port: u16,
    },
    /// Another TFTP server.
    #[error("UDP port {port} on {address} is taken by another program: stop it, ss -ulnp names it")]
    Taken {
        /// Our address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// Anything else.
    #[error("cannot bind UDP port {port} on {address}")]
    Io {
        /// Our address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
}

impl Socket {
    /// Binds `port` (69, or 0 for any) of our address.
    pub fn bind(address: Ipv4Addr, port: u16) -> Result<Self, BindError> {
        let make = || {
            let socket = UdpSocket::bind((address, port))?;
            socket.set_nonblocking(true)?;
            socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
            Ok(Self { socket, address })
        };
        make().map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::PermissionDenied => BindError::Privilege { port },
            io::ErrorKind::AddrInUse => BindError::Taken { address, port },
            _ => BindError::Io { address, port, source },
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A server that runs until it is dropped. Transfers that are under way then go on to their end.
#[derive(Debug)]
pub struct Running {
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the TFTP server's thread")]
pub struct StartError(#[source] io::Error);

/// Starts to answer.
pub fn start(
    socket: Socket,
    files: Arc<dyn Files>,
    limits: Limits,
    events: Events,
) -> Result<Running, StartError> {
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| StartError(error.into()))?);
    let door = Door { socket, files, limits, events, busy: Arc::default(), wake: wake.clone() };
    let thread =
        std::thread::Builder::new().name("tftp".into()).spawn(move || door.run()).map_err(StartError)?;
    Ok(Running { wake, thread: Some(thread) })
}

impl Drop for Running {
    fn drop(&mut self) {
        // The thread may be gone already; then nobody needs waking.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the TFTP server's thread has panicked");
        }
    }
}

/// Clients with a transfer under way: a request that comes twice is served once.
type Busy = Arc<Mutex<HashSet<SocketAddrV4>>>;

struct Door {
    socket: Socket,
    files: Arc<dyn Files>,
    limits: Limits,
    events: Events,
    busy: Busy,
    wake: Arc<OwnedFd>,
}

impl Door {
    fn run(&self) {
        let mut buffer = [0; tftp::request::MAX_REQUEST + 1];
        loop {
            match self.socket.socket.recv_from(&mut buffer) {
                Ok((length, SocketAddr::V4(client))) => {
                    self.request(buffer.get(..length).unwrap_or_default(), client);
                    continue;
                }
                Ok(_) => continue,
                // Anything else is an ICMP error of an earlier answer, which ends nothing.
                Err(_) => {}
            }
            let mut ready =
                [PollFd::new(&self.socket.socket, PollFlags::IN), PollFd::new(&*self.wake, PollFlags::IN)];
            if let Err(error) = poll(&mut ready, None)
                && error != rustix::io::Errno::INTR
            {
                tracing::error!("TFTP: waiting for requests: {error}; the server stops");
                return;
            }
            if ready.last().is_some_and(|wake| !wake.revents().is_empty()) {
                return;
            }
        }
    }

    fn request(&self, packet: &[u8], client: SocketAddrV4) {
        let say = |path: &str, outcome| (self.events)(Event { client, path: path.to_owned(), outcome });
        // A packet "from" nowhere, or from a port of servers, is forged: no answer, no ping-pong.
        if client.port() == 0 || client.port() == tftp::PORT || client.ip().is_unspecified() {
            return;
        }
        let request = match Request::parse(packet) {
            Ok(request) => request,
            Err(why) => {
                if let Some(answer) = why.packet() {
                    self.answer(&answer, client);
                    say("", Outcome::Refused(why));
                }
                return;
            }
        };
        let Some(content) = self.files.open(&request.path, *client.ip()) else {
            self.answer(&tftp::error(ErrorCode::NotFound, "no such file"), client);
            return say(&request.path, Outcome::NotFound);
        };
        {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            if busy.len() >= MAX_SESSIONS {
                return say(&request.path, Outcome::Busy);
            }
            if !busy.insert(client) {
                return;
            }
        }
        let transfer = transfer::Transfer::new(self.socket.address, client, content, (&request, self.limits));
        let path = request.path.clone();
        let place = Place { busy: self.busy.clone(), client };
        let events = self.events.clone();
        let work = move || {
            let say = |outcome| events(Event { client, path: request.path.clone(), outcome });
            let outcome = transfer.run(say);
            drop(place);
            say(outcome);
        };
        if let Err(error) =
            std::thread::Builder::new().name("tftp transfer".into()).stack_size(STACK).spawn(work)
        {
            say(&path, Outcome::Failed(error));
        }
    }

    fn answer(&self, packet: &[u8], client: SocketAddrV4) {
        if let Err(error) = self.socket.socket.send_to(packet, client) {
            tracing::debug!("TFTP answer to {client} not sent: {error}");
        }
    }
}

/// A client's place among those that are served; free again when dropped.
struct Place {
    busy: Busy,
    client: SocketAddrV4,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.client);
    }
}

#[cfg(test)]
mod tests;
