//! A cable to QEMU's `-netdev stream`: frames on a stream socket, each behind its length.
//!
//! ```text
//! length, 4 bytes, big endian │ frame
//! ```

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;

/// The longest frame that QEMU sends (its NET_BUFSIZE).
const MAX_FRAME: usize = 4096 + 65536;
/// Bytes that wait for a machine which does not read: what comes beyond is lost, as on any cable. It is
/// more than all that a machine's TCP and TFTP leave unconfirmed.
const MAX_WAITING: usize = 8 << 20;
/// Bytes taken from the socket at a time.
const READ: usize = 64 << 10;
/// Bytes taken from one machine before the others have their turn.
const TURN: usize = 1 << 20;

/// One machine's cable.
#[derive(Debug)]
pub(super) struct Cable {
    stream: UnixStream,
    received: Vec<u8>,
    waiting: Vec<u8>,
}

impl Cable {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, received: Vec::new(), waiting: Vec::new() })
    }

    /// The frames that have arrived. An error means that the machine is gone, or speaks another language.
    pub(super) fn receive(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut buffer = [0; READ];
        let mut taken = 0;
        while taken < TURN {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.received.extend(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            taken += READ;
        }
        self.frames()
    }

    fn frames(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let (mut frames, mut rest) = (Vec::new(), self.received.as_slice());
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > MAX_FRAME {
                return Err(io::Error::new(ErrorKind::InvalidData, format!("a frame of {length} bytes")));
            }
            let Some((frame, behind)) = behind.split_at_checked(length) else { break };
            frames.push(frame.to_vec());
            rest = behind;
        }
        let used = self.received.len() - rest.len();
        self.received.drain(..used);
        Ok(frames)
    }

    /// Queues a frame.
    pub(super) fn send(&mut self, frame: &[u8]) {
        let Ok(length) = u32::try_from(frame.len()) else { return };
        if self.waiting.len() + frame.len() <= MAX_WAITING {
            self.waiting.extend(length.to_be_bytes());
            self.waiting.extend(frame);
        }
    }

    /// Sends what the machine takes now. That it is gone shows when it is read from.
    pub(super) fn flush(&mut self) {
        let mut sent = 0;
        while let Some(rest) = self.waiting.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.waiting.drain(..sent);
    }

    /// What poll(2) shall tell us of.
    pub(super) fn waits_for(&self) -> PollFlags {
        if self.waiting.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }
}

impl AsFd for Cable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_cut() {
        let (mut qemu, ours) = UnixStream::pair().unwrap();
        let mut cable = Cable::new(ours).unwrap();
        let stream = [&[0, 0, 0, 3][..], b"abc", &[0, 0, 0, 2], b"de"].concat();
        let mut frames = Vec::new();
        for byte in stream {
            qemu.write_all(&[byte]).unwrap();
            frames.extend(cable.receive().unwrap());
        }
        assert_eq!(frames, [b"abc".to_vec(), b"de".to_vec()]);
        cable.send(b"fgh");
        cable.flush();
        let mut back = [0; 7];
        qemu.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"\0\0\0\x03fgh");
    }

    #[test]
    fn an_absurd_length_and_an_end_pull_the_cable() {
        let (mut qemu, ours) = UnixStream::pair().unwrap();
        let mut cable = Cable::new(ours).unwrap();
        qemu.write_all(&[0xff; 4]).unwrap();
        assert_eq!(cable.receive().unwrap_err().kind(), ErrorKind::InvalidData);
        let (qemu, ours) = UnixStream::pair().unwrap();
        drop(qemu);
        assert!(Cable::new(ours).unwrap().receive().is_err());
    }

    #[test]
    fn a_machine_that_does_not_read_fills_no_memory() {
        let (_qemu, ours) = UnixStream::pair().unwrap();
        let mut cable = Cable::new(ours).unwrap();
        for _ in 0..2 * MAX_WAITING / 1500 {
            cable.send(&[0; 1500]);
        }
        assert!(cable.waiting.len() <= MAX_WAITING + 4 * MAX_WAITING / 1500);
    }
}
