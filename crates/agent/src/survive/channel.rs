//! Orders and open files over a Unix socket.
//!
//! ```text
//! length of the orders   u64, little-endian, with the descriptors as SCM_RIGHTS (unix(7))
//! the orders             JSON
//! ```

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use bootwright_image::MAX_MANIFEST;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Most files that one survivor is given.
pub const MAX_FILES: usize = 8;

/// The longest orders: a root manifest as a JSON string, where each quote takes two bytes, and little else.
const MAX_ORDERS: usize = 2 * MAX_MANIFEST + (64 << 10);

const HEADER: usize = 8;

/// Bytes of ancillary data for [`MAX_FILES`] descriptors.
const SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_FILES));

/// Sends `orders` and `files`.
pub fn give(channel: &UnixStream, orders: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::other(format!("more than {MAX_FILES} files")));
    }
    let header = (orders.len() as u64).to_le_bytes();
    let sent = sendmsg(channel, &[IoSlice::new(&header)], &mut control, SendFlags::NOSIGNAL)?;
    if sent != HEADER {
        return Err(io::ErrorKind::WriteZero.into());
    }
    (&*channel).write_all(orders)
}

/// Receives them.
pub fn take(channel: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut header = [0; HEADER];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let received = recvmsg(channel, &mut [IoSliceMut::new(&mut header)], &mut control, flags)?;
    let files = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => files.collect(),
        _ => Vec::new(),
    });
    let files: Vec<OwnedFd> = files.collect();
    if received.bytes != HEADER {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let length = usize::try_from(u64::from_le_bytes(header)).unwrap_or(usize::MAX);
    if length > MAX_ORDERS {
        return Err(io::Error::other(format!("orders of {length} bytes are too long")));
    }
    let mut orders = vec![0; length];
    (&*channel).read_exact(&mut orders)?;
    Ok((orders, files))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd as _;
    use std::thread;

    #[test]
    fn orders_and_open_files_arrive_as_they_were_given() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("first"), directory.path().join("second"));
        std::fs::write(&first, "one").unwrap();
        std::fs::write(&second, "two").unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let orders = vec![b'x'; 1 << 20];
        let expected = orders.clone();
        let giver = thread::spawn(move || {
            let files = [File::open(&first).unwrap(), File::open(&second).unwrap()];
            let borrowed: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
            give(&ours, &orders, &borrowed).unwrap();
        });
        let (orders, files) = take(&theirs).unwrap();
        giver.join().unwrap();
        assert!(orders == expected);
        let read = |fd: OwnedFd| io::read_to_string(File::from(fd)).unwrap();
        assert_eq!(files.into_iter().map(read).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_an_error() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&[1, 2, 3]).unwrap();
        drop(ours);
        assert_eq!(take(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&u64::MAX.to_le_bytes()).unwrap();
        assert!(take(&theirs).unwrap_err().to_string().contains("too long"));
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&9u64.to_le_bytes()).unwrap();
        ours.write_all(b"short").unwrap();
        drop(ours);
        assert_eq!(take(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
