//! One transfer: a [`Session`] with a socket and a file.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use bootwright_netboot::tftp::{Blocks, DATA_HEADER, End, Limits, Request, Session, Step, data_header};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

use super::{Content, Outcome};

/// Bytes that are read from the file at once: few calls, and what many transfers at a time can afford.
const READ_AHEAD: usize = 128 << 10;

pub(super) struct Transfer {
    address: Ipv4Addr,
    client: SocketAddrV4,
    content: Content,
    session: Session,
    began: Instant,
    /// Bytes of the content, from `start` on.
    buffer: Vec<u8>,
    start: u64,
}

impl Transfer {
    pub(super) fn new(
        address: Ipv4Addr,
        client: SocketAddrV4,
        content: Content,
        (request, limits): (&Request, Limits),
    ) -> Self {
        let session = Session::new(content.size(), &request.options, limits);
        Self { address, client, content, session, began: Instant::now(), buffer: Vec::new(), start: 0 }
    }

    /// Sends everything; calls `started` before the first block, which a client that only probes for the
    /// size never asks for.
    pub(super) fn run(mut self, started: impl FnOnce(Outcome)) -> Outcome {
        match self.transfer(started) {
            Ok(end) => {
                let (bytes, duration) = (self.session.confirmed(), self.began.elapsed());
                Outcome::Ended { end, bytes, duration }
            }
            Err(error) => Outcome::Failed(error),
        }
    }

    fn transfer(&mut self, started: impl FnOnce(Outcome)) -> io::Result<End> {
        let socket = UdpSocket::bind((self.address, 0))?;
        // From here on packets of others do not reach it (RFC 1350 section 4, transfer identifiers).
        socket.connect(self.client)?;
        let mut timeout = Duration::ZERO;
        let mut started = Some(started);
        loop {
            match self.session.poll(self.began.elapsed()) {
                Step::SendOack => {
                    send(&socket, self.session.oack().unwrap_or_default())?;
                }
                Step::Send(blocks) => {
                    if let Some(started) = started.take() {
                        started(Outcome::Started { size: self.content.size() });
                    }
                    self.send_blocks(&socket, blocks)?;
                }
                Step::WaitUntil(until) => {
                    let wait = until.saturating_sub(self.began.elapsed()).max(Duration::from_millis(1));
                    // Rounded up to 100 ms, so that the usual wait costs no call at each turn.
                    let wait = Duration::from_millis((wait.as_millis() as u64).div_ceil(100) * 100);
                    if wait != timeout {
                        socket.set_read_timeout(Some(wait))?;
                        timeout = wait;
                    }
                    self.listen(&socket)?;
                }
                Step::End(end) => return Ok(end),
            }
        }
    }

    /// Waits for one packet, or for the time that was set.
    fn listen(&mut self, socket: &UdpSocket) -> io::Result<()> {
        let mut packet = [0; 128];
        match socket.recv(&mut packet) {
            Ok(length) => self.session.receive(packet.get(..length).unwrap_or_default()),
            Err(error) if gone(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn send_blocks(&mut self, socket: &UdpSocket, blocks: Blocks) -> io::Result<()> {
        self.fill(blocks)?;
        let from = usize::try_from(blocks.offset - self.start).map_err(io::Error::other)?;
        let length = usize::try_from(blocks.length).map_err(io::Error::other)?;
        let data = self.buffer.get(from..from + length).unwrap_or_default();
        let size = usize::try_from(self.session.blksize()).map_err(io::Error::other)?;
        let piece = |index: usize| data.get(index * size..length.min((index + 1) * size)).unwrap_or_default();
        let count = usize::try_from(blocks.count).map_err(io::Error::other)?;
        let headers: Vec<[u8; DATA_HEADER]> = (blocks.first..).take(count).map(data_header).collect();
        let slices: Vec<[IoSlice<'_>; 2]> = headers
            .iter()
            .enumerate()
            .map(|(index, header)| [IoSlice::new(header), IoSlice::new(piece(index))])
            .collect();
        let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
            (0..count).map(|_| SendAncillaryBuffer::default()).collect();
        let mut messages: Vec<MMsgHdr<'_>> =
            slices.iter().zip(&mut controls).map(|(slices, control)| MMsgHdr::new(slices, control)).collect();
        let mut rest = messages.as_mut_slice();
        while !rest.is_empty() {
            match sendmmsg(socket, rest, SendFlags::empty()) {
                Ok(sent) => rest = rest.get_mut(sent.max(1)..).unwrap_or_default(),
                // The client's port is closed, or the queue is full: as good as lost on the way.
                Err(error) if gone(&error.into()) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Makes sure that the buffer holds the blocks.
    fn fill(&mut self, blocks: Blocks) -> io::Result<()> {
        let held = self.start..=self.start + self.buffer.len() as u64;
        if held.contains(&blocks.offset) && held.contains(&(blocks.offset + blocks.length)) {
            return Ok(());
        }
        let wanted = blocks.length.max(READ_AHEAD as u64).min(self.content.size() - blocks.offset);
        self.buffer.resize(usize::try_from(wanted).map_err(io::Error::other)?, 0);
        self.start = blocks.offset;
        self.content.read_at(&mut self.buffer, blocks.offset)
    }
}

fn send(socket: &UdpSocket, packet: &[u8]) -> io::Result<()> {
    match socket.send(packet) {
        Ok(_) => Ok(()),
        Err(error) if gone(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Errors that mean no more than a lost packet: nothing came in time, nobody listens just now, no room in
/// the queue, no ARP answer yet. The session's own patience decides.
fn gone(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, Interrupted, NetworkUnreachable, TimedOut, WouldBlock,
    };
    let kinds = [ConnectionRefused, HostUnreachable, Interrupted, NetworkUnreachable, TimedOut, WouldBlock];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}
