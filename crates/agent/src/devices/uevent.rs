//! The kernel's announcements of devices: netlink, protocol KOBJECT_UEVENT, group 1.
//!
//! ```text
//! ACTION@DEVPATH NUL KEY=VALUE NUL KEY=VALUE NUL …
//! ```

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt};
use tracing::warn;

/// The group of the kernel's own announcements; 2 is udev's.
const KERNEL_GROUP: u32 = 1;

/// UEVENT_BUFFER_SIZE is 2048 (linux/kobject.h), plus the head.
const MAX_EVENT: usize = 8 << 10;

/// Bytes of announcements that may wait: a machine with thousands of disks sends many at once.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Starts listening.
pub fn listen() -> io::Result<OwnedFd> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(KOBJECT_UEVENT))?;
    // A smaller buffer works too.
    let _ = sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER);
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
    Ok(socket)
}

/// Hands the modalias of every device that is added to `found`. Comes back when the socket fails.
pub fn follow(socket: &OwnedFd, found: &mut dyn FnMut(String)) {
    let mut buffer = vec![0; MAX_EVENT];
    loop {
        match recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => {
                if let Some(alias) = buffer.get(..length).and_then(added_modalias) {
                    found(alias);
                }
            }
            // Announcements that overran the buffer are lost; it is sized so that this does not happen.
            Err(Errno::INTR | Errno::NOBUFS) => {}
            Err(error) => {
                warn!("uevents: {error}: devices that come from now on will have no driver");
                return;
            }
        }
    }
}

/// The MODALIAS of an announcement whose ACTION is `add`.
fn added_modalias(event: &[u8]) -> Option<String> {
    let value = |key: &[u8]| event.split(|&byte| byte == 0).skip(1).find_map(|field| field.strip_prefix(key));
    let alias = value(b"MODALIAS=")?;
    (value(b"ACTION=") == Some(b"add") && !alias.is_empty())
        .then(|| String::from_utf8_lossy(alias).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_modalias_of_an_added_device_is_found() {
        let event = b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=virtio\0MODALIAS=virtio:d1v2\0SEQNUM=7\0";
        assert_eq!(added_modalias(event).as_deref(), Some("virtio:d1v2"));
        assert_eq!(added_modalias(b"remove@/x\0ACTION=remove\0MODALIAS=a\0"), None);
        assert_eq!(added_modalias(b"add@/x\0ACTION=add\0SUBSYSTEM=net\0"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_announcement(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = added_modalias(&bytes);
        }
    }
}
