//! The sockets of the DHCP server: ports 67 and 4011 of one interface, and who works on them.
//!
//! One thread takes whatever has arrived (up to [`BATCH`] packets), has [`netboot`](bootwright_netboot)
//! decide, and sends what changes no lease. Answers that give a lease go to a second thread, which makes
//! all that have gathered durable with a single fdatasync and only then sends them: the slower the disk or
//! the busier the server, the more leases share one sync, and nobody else waits for it.

mod commit;
pub mod journal;
pub mod others;
mod sockets;

use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bootwright_netboot::assign::Rules;
use bootwright_netboot::dhcp::server::{Config, Event, Leases, Output, Server};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use commit::Commit;
pub use journal::{Journal, JournalError};
pub use others::{Found, Search, find_others};
use sockets::Channel;
pub use sockets::{BindError, Heard, Sockets};

/// Packets that are answered together at most: it bounds memory and the wait of the first of them.
pub const BATCH: usize = 512;
/// The longest packet that is read; DHCP messages fit into an Ethernet frame.
const MAX_PACKET: usize = 1500;

/// Takes each event as it happens, on the server's threads: it must not block.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Running {
    wake: Arc<OwnedFd>,
    orders: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told; it looks when it is woken.
#[derive(Debug, Default)]
struct Orders {
    stop: AtomicBool,
    rules: Mutex<Option<Rules>>,
}

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the DHCP server's thread")]
pub struct StartError(#[source] std::io::Error);

/// Starts to answer. `leases` and `journal` come from [`Journal::open`]; a proxy needs neither.
pub fn start(
    sockets: Sockets,
    config: Config,
    leases: Leases,
    journal: Option<Journal>,
    events: Events,
) -> Result<Running, StartError> {
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| StartError(error.into()))?);
    let outbox = Outbox { sockets: Arc::new(sockets), events };
    let commit =
        journal.map(|journal| Commit::start(journal, outbox.clone())).transpose().map_err(StartError)?;
    let orders = Arc::new(Orders::default());
    let server = Server::new(config, leases);
    let mut work = Work { outbox, server, commit, wake: wake.clone(), orders: orders.clone() };
    let thread =
        std::thread::Builder::new().name("dhcp".into()).spawn(move || work.run()).map_err(StartError)?;
    Ok(Running { wake, orders, thread: Some(thread) })
}

impl Running {
    /// Answers by other rules from now on, after the images have changed.
    pub fn set_rules(&self, rules: Rules) {
        *self.orders.rules.lock().unwrap_or_else(PoisonError::into_inner) = Some(rules);
        self.wake();
    }

    fn wake(&self) {
        // The thread may be gone already; then nobody needs waking.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.orders.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the DHCP server's thread has panicked");
        }
    }
}

struct Work {
    outbox: Outbox,
    server: Server,
    /// A server without a journal keeps nothing.
    commit: Option<Commit>,
    wake: Arc<OwnedFd>,
    orders: Arc<Orders>,
}

/// Which port a packet came to.
#[derive(Debug, Clone, Copy)]
enum Port {
    Server,
    Pxe,
}

impl Work {
    fn run(&mut self) {
        loop {
            let mut ready = [
                PollFd::new(&self.outbox.sockets.server, PollFlags::IN),
                PollFd::new(&self.outbox.sockets.pxe, PollFlags::IN),
                PollFd::new(&*self.wake, PollFlags::IN),
            ];
            if let Err(error) = poll(&mut ready, None)
                && error != rustix::io::Errno::INTR
            {
                tracing::error!("DHCP: waiting for packets: {error}; the server stops");
                return;
            }
            if ready.last().is_some_and(|wake| !wake.revents().is_empty()) {
                if self.orders.stop.load(Ordering::Acquire) {
                    return;
                }
                self.take_orders();
            }
            self.batch();
        }
    }

    fn take_orders(&mut self) {
        // Reading takes the count away, so that poll waits again.
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        if let Some(rules) = self.orders.rules.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.server.set_rules(rules);
        }
    }

    fn batch(&mut self) {
        let mut leases = Vec::new();
        let mut buffer = [0; MAX_PACKET];
        for port in [Port::Server, Port::Pxe] {
            for _ in 0..BATCH {
                let Some((length, from)) = take(self.outbox.socket(port), &mut buffer) else { break };
                let (packet, now) = (buffer.get(..length).unwrap_or_default(), now());
                let output = match port {
                    Port::Server => self.server.receive(now, packet),
                    Port::Pxe => self.server.receive_pxe(now, packet, from),
                };
                match self.commit {
                    Some(_) if output.change.is_some() => leases.push((port, output)),
                    _ => self.outbox.put(port, output),
                }
            }
        }
        if let Some(commit) = &self.commit {
            commit.add(leases);
        }
    }
}

/// Where answers and events go.
#[derive(Clone)]
struct Outbox {
    sockets: Arc<Sockets>,
    events: Events,
}

impl Outbox {
    fn socket(&self, port: Port) -> &Channel {
        match port {
            Port::Server => &self.sockets.server,
            Port::Pxe => &self.sockets.pxe,
        }
    }

    fn put(&self, port: Port, output: Output) {
        if let Some(reply) = output.reply
            && let Err(error) = self.socket(port).send_to(&reply.bytes, reply.to)
        {
            tracing::warn!("DHCP answer to {} not sent: {error}", reply.to);
        }
        if let Some(event) = output.event {
            (self.events)(event);
        }
    }
}

/// The next packet that has arrived, if any.
fn take(socket: &Channel, buffer: &mut [u8]) -> Option<(usize, SocketAddrV4)> {
    match socket.recv_from(buffer) {
        Ok((length, SocketAddr::V4(from))) => Some((length, from)),
        // Nothing there, or an ICMP error of an earlier answer: poll says when there is more.
        _ => None,
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
