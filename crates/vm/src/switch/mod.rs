//! A network in user space, for hosts that make no namespaces: Ubuntu 24.04 as it comes, containers.
//!
//! ```text
//! QEMU ─ unix stream ─ cable ─┐
//! QEMU ─ unix stream ─ cable ─┼─ fabric ─ host ─┬─ TCP (smoltcp) ─ sockets on 127.0.0.0/8 ─┐
//!                             │   (learns)      └─ UDP ── DHCP by unix datagrams ──────────┼─ bootwright serve
//!                             └─                        └ TFTP: sockets on 127.0.0.0/8 ────┘
//! ```
//!
//! One thread carries Ethernet frames between the machines, as a switch that learns addresses, and to a
//! host of our own at [`ADDRESS`]. That host is no server: it passes on what comes for it. The [`door`]
//! says how it and `bootwright serve --behind` find each other.
//!
//! Frames are carried as they are, tagged ones (802.1Q) too. The host answers untagged ones, or, where the
//! machines' ports are [trunks](Switch::trunk), those of one VLAN. Not supported: IP fragments, and other servers beside ours: those take a [`Lab`](crate::Lab).

mod cable;
mod datagram;
mod door;
mod fabric;
mod host;
mod tag;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::lab::ADDRESS;
use crate::network::{Network, Plug, fetch};
use crate::{Error, lab};
use cable::Cable;
use door::Door;
use fabric::{Fabric, Port, Way};
use host::Host;
pub use tag::VlanId;

/// A switch with a server's place on it. Dropping it pulls every cable.
#[derive(Debug)]
pub struct Switch {
    door: Door,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Switch {
    /// Makes the switch; it needs no privilege and nothing but a temporary directory.
    ///
    /// # Errors
    /// [`Error::Io`] when the sockets cannot be made.
    pub fn new() -> Result<Self, Error> {
        Self::make(None)
    }

    /// A switch whose ports to the machines carry one VLAN, tagged, and nothing else to the host.
    ///
    /// # Errors
    /// As [`Switch::new`].
    pub fn trunk(id: VlanId) -> Result<Self, Error> {
        Self::make(Some(id))
    }

    fn make(tag: Option<VlanId>) -> Result<Self, Error> {
        let doing = || Error::io("making a switch");
        let door = Door::new().map_err(doing())?;
        let listener = UnixListener::bind(door.cable()).map_err(doing())?;
        listener.set_nonblocking(true).map_err(doing())?;
        let host = Host::new(&door).map_err(doing())?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| doing()(error.into()))?;
        let wake = Arc::new(wake);
        let mut work = Work {
            listener,
            cables: BTreeMap::new(),
            next: 0,
            fabric: Fabric::default(),
            host,
            tag,
            wake: wake.clone(),
        };
        let thread = std::thread::Builder::new().name("switch".into());
        let thread = thread.spawn(move || work.run()).map_err(doing())?;
        Ok(Self { door, wake, thread: Some(thread) })
    }
}

impl Network for Switch {
    fn plug(&self) -> Result<Plug, Error> {
        let mut netdev = OsString::from("stream,server=off,addr.type=unix,addr.path=");
        // A comma ends a value in QEMU's options; two are one.
        netdev.push(self.door.cable().to_string_lossy().replace(',', ",,"));
        Ok(Plug { netdev, tap: None })
    }

    fn inside(&self, program: &OsStr) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).current_dir("/");
        command
    }

    fn place(&self, serve: &mut Command) {
        serve.args(["--address", ADDRESS, "--http-port", "80"]);
        serve.arg("--behind").arg(self.door.directory());
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        let reading = || Error::io("looking for the server behind the switch");
        let server = self.door.tcp(80).map_err(reading())?;
        fetch(Command::new("curl"), &format!("http://{server}{path}"))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // The thread may be gone already; then nobody needs waking.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread.
struct Work {
    listener: UnixListener,
    cables: BTreeMap<Port, Cable>,
    next: Port,
    fabric: Fabric,
    host: Host,
    /// What frames between machines and host have, on the machines' side.
    tag: Option<VlanId>,
    wake: Arc<OwnedFd>,
}

impl Work {
    fn run(&mut self) {
        loop {
            match self.wait() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!("the machines' switch stops: {error}");
                    return;
                }
            }
            self.accept();
            let ports: Vec<Port> = self.cables.keys().copied().collect();
            for port in ports {
                let received = self.cables.get_mut(&port).map(Cable::receive);
                match received {
                    Some(Ok(frames)) => frames.iter().for_each(|frame| self.carry(port, frame)),
                    _ => self.pull(port),
                }
            }
            for frame in self.host.step() {
                match self.tag {
                    Some(tag) => self.carry(fabric::HOST, &tag.put(&frame)),
                    None => self.carry(fabric::HOST, &frame),
                }
            }
            self.cables.values_mut().for_each(Cable::flush);
        }
    }

    /// Sleeps until something is to be done; false when the switch is to stop.
    fn wait(&mut self) -> io::Result<bool> {
        let timeout = self.host.delay().map(|delay| Timespec {
            tv_sec: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: delay.subsec_nanos().into(),
        });
        let mut ready =
            vec![PollFd::new(&*self.wake, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
        ready.extend(
            self.cables.values().map(|cable| PollFd::from_borrowed_fd(cable.as_fd(), cable.waits_for())),
        );
        self.host.waits_for(&mut ready);
        match poll(&mut ready, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        Ok(ready.first().is_some_and(|wake| wake.revents().is_empty()))
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let cable = Cable::new(stream);
            match cable {
                Ok(cable) => {
                    self.next += 1;
                    self.cables.insert(self.next, cable);
                }
                Err(error) => tracing::warn!("a machine's cable cannot be plugged in: {error}"),
            }
        }
    }

    fn pull(&mut self, port: Port) {
        self.cables.remove(&port);
        self.fabric.forget(port);
    }

    /// Brings a frame to where it belongs.
    fn carry(&mut self, from: Port, frame: &[u8]) {
        let way = self.fabric.way(from, frame);
        let goes_to = |port: Port| match way {
            Way::Nowhere => false,
            Way::To(only) => port == only,
            Way::Everywhere => port != from,
        };
        if goes_to(fabric::HOST) {
            match self.tag {
                Some(tag) => tag.take(frame).iter().for_each(|frame| self.host.receive(frame)),
                None => self.host.receive(frame),
            }
        }
        self.cables.iter_mut().filter(|(port, _)| goes_to(**port)).for_each(|(_, cable)| cable.send(frame));
    }
}

/// The host's and every server's address.
fn address() -> std::net::Ipv4Addr {
    ADDRESS.parse().unwrap_or(std::net::Ipv4Addr::LOCALHOST)
}

/// Length of the network's prefix.
const PREFIX: u8 = lab::PREFIX;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    const MINE: [u8; 6] = [0x52, 0x54, 0, 0xb0, 7, 1];

    fn machine(switch: &Switch) -> UnixStream {
        let machine = UnixStream::connect(switch.door.cable()).unwrap();
        machine.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        machine
    }

    fn say(machine: &mut UnixStream, frame: &[u8]) {
        machine.write_all(&[&(frame.len() as u32).to_be_bytes()[..], frame].concat()).unwrap();
    }

    fn hear(machine: &mut UnixStream) -> Vec<u8> {
        let mut length = [0; 4];
        machine.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        machine.read_exact(&mut frame).unwrap();
        frame
    }

    /// Who has 10.77.0.1? Tell 10.77.0.50 (RFC 826).
    fn question() -> Vec<u8> {
        let head = [&[0xff; 6][..], &MINE, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
        [&head[..], &MINE, &[10, 77, 0, 50], &[0; 6], &[10, 77, 0, 1]].concat()
    }

    #[test]
    fn machines_hear_each_other_and_the_host_answers() {
        let switch = Switch::new().unwrap();
        let (mut one, mut other) = (machine(&switch), machine(&switch));
        // The other machine's first words tell that it is plugged in.
        say(&mut other, &[&[0xff; 6][..], &[2, 0, 0, 0, 0, 2], &[0x88, 0xb5, 1]].concat());
        assert_eq!(hear(&mut one)[14..], [1]);
        say(&mut one, &question());
        assert_eq!(hear(&mut other), question());
        let answer = hear(&mut one);
        assert_eq!(answer[..6], MINE);
        assert_eq!(answer[28..32], [10, 77, 0, 1], "{answer:?}");
        drop(switch);
        assert_eq!(one.read(&mut [0]).unwrap(), 0, "the cable is pulled");
    }

    #[test]
    fn behind_a_trunk_the_host_answers_its_vlan_alone() {
        let id = VlanId::new(5).unwrap();
        let switch = Switch::trunk(id).unwrap();
        let mut machine = machine(&switch);
        say(&mut machine, &question());
        say(&mut machine, &VlanId::new(6).unwrap().put(&question()));
        say(&mut machine, &id.put(&question()));
        let answer = id.take(&hear(&mut machine)).unwrap();
        assert_eq!(answer[28..32], [10, 77, 0, 1], "{answer:?}");
        machine.set_nonblocking(true).unwrap();
        assert!(machine.read(&mut [0]).is_err(), "one question, one answer");
    }

    #[test]
    fn a_machine_that_talks_nonsense_disturbs_nobody() {
        let switch = Switch::new().unwrap();
        let mut broken = machine(&switch);
        broken.write_all(&[0xff; 64]).unwrap();
        assert_eq!(broken.read(&mut [0]).unwrap(), 0);
        let mut sound = machine(&switch);
        for length in 0..60 {
            say(&mut sound, &[&[0xff; 6][..], &MINE, &[8, 0, 0x45], &[0xff; 60]].concat()[..length]);
        }
        say(&mut sound, &question());
        assert_eq!(hear(&mut sound)[..6], MINE);
    }
}
