//! Generic netlink (linux/genetlink.h) to the NBD driver (linux/nbd-netlink.h): the kernel takes the connection over,
//! and says when it has lost it.
//! Integers are the machine's own.
//!
//! ```text
//! struct nlmsghdr    length, u32 │ type, u16 │ flags, u16 │ sequence, u32 │ port, u32
//! struct genlmsghdr  command, u8 │ version, u8 │ 0, u16
//! attributes         length, u16, with these four bytes │ type, u16 │ value, filled up to a multiple of four
//! ```

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use super::handshake::Export;

const MESSAGE_HEAD: usize = 16;
const GENERIC_HEAD: usize = 4;
const ATTRIBUTE_HEAD: usize = 4;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;

/// GENL_ID_CTRL, CTRL_CMD_GETFAMILY and their attributes.
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const MULTICAST_GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// NBD_GENL_MCAST_GROUP_NAME.
const GROUP: &[u8] = b"nbd_mc_group\0";

/// NBD_CMD_CONNECT, NBD_CMD_RECONFIGURE, NBD_CMD_LINK_DEAD and their attributes.
const CONNECT: u8 = 1;
const RECONFIGURE: u8 = 3;
const LINK_DEAD: u8 = 4;
const INDEX: u16 = 1;
const SIZE_BYTES: u16 = 2;
const BLOCK_SIZE_BYTES: u16 = 3;
const TIMEOUT: u16 = 4;
const SERVER_FLAGS: u16 = 5;
const SOCKETS: u16 = 7;
const DEAD_CONNECTION_TIMEOUT: u16 = 8;
const SOCKET_ITEM: u16 = 1;
const SOCKET_FD: u16 = 1;

/// NBD_FLAG_READ_ONLY.
const READ_ONLY: u16 = 1 << 1;

/// A server that has not answered a read for so long has lost the connection.
const ANSWER: Duration = Duration::from_secs(30);

/// So long a read waits for a new connection before it fails.
const HOLD: Duration = Duration::from_secs(24 * 3600);

/// NLA_TYPE_MASK: the upper two bits are flags.
const TYPE_MASK: u16 = 0x3fff;

/// The longest answer: the controller tells of a family's commands, too.
const MAX_ANSWER: usize = 16 << 10;

/// Messages that are read for an answer and its end.
const MAX_MESSAGES: usize = 8;

/// A step that failed, and how.
type Failed = (&'static str, io::Error);

/// The kernel's NBD driver.
pub struct Driver {
    socket: OwnedFd,
    family: u16,
}

impl Driver {
    /// Asks for it; its module is loaded.
    pub fn open() -> Result<Self, Failed> {
        let failed = |error| ("asking the kernel for its NBD driver", error);
        let socket = open(0).map_err(failed)?;
        let family = controlled(&socket, FAMILY_ID).map_err(failed)?;
        let family = family.first_chunk().map(|id| u16::from_ne_bytes(*id));
        let family = family.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        Ok(Self { socket, family })
    }

    /// Makes a device of `export` at the other end of `stream`; gives its number. When the connection breaks, its
    /// reads fail, unless they are to be [held](Self::hold).
    pub fn attach(&self, stream: &TcpStream, export: &Export, writable: bool) -> Result<u32, Failed> {
        let failed = |error| ("giving the connection to the kernel", error);
        let flags = export.flags | if writable { 0 } else { READ_ONLY };
        let attributes = [
            // Without an index the kernel takes the first device that is free.
            attribute(SIZE_BYTES, &export.size.to_ne_bytes()),
            attribute(BLOCK_SIZE_BYTES, &u64::from(export.block).to_ne_bytes()),
            attribute(TIMEOUT, &ANSWER.as_secs().to_ne_bytes()),
            attribute(SERVER_FLAGS, &u64::from(flags).to_ne_bytes()),
            sockets(stream),
        ];
        let index = ask(&self.socket, self.family, CONNECT, &attributes.concat(), INDEX).map_err(failed)?;
        let index = index.as_deref().and_then(|index| index.first_chunk());
        let index = index.map(|index| u32::from_ne_bytes(*index));
        index.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))
    }

    /// From now on the reads of the device of that number wait for [`attach_again`](Self::attach_again) when the
    /// connection breaks: somebody is there who connects.
    pub fn hold(&self, index: u32) -> Result<(), Failed> {
        let hold = attribute(DEAD_CONNECTION_TIMEOUT, &HOLD.as_secs().to_ne_bytes());
        self.change(index, &hold).map_err(|error| ("having the kernel wait for a new connection", error))
    }

    /// Gives the device of that number another connection in the place of the one that broke.
    pub fn attach_again(&self, index: u32, stream: &TcpStream) -> Result<(), Failed> {
        let changed = self.change(index, &sockets(stream));
        changed.map_err(|error| ("giving a new connection to the kernel", error))
    }

    fn change(&self, index: u32, what: &[u8]) -> io::Result<()> {
        let attributes = [&attribute(INDEX, &index.to_ne_bytes()), what].concat();
        ask(&self.socket, self.family, RECONFIGURE, &attributes, INDEX).map(|_| ())
    }

    /// Hears from now on of connections that break.
    pub fn breaks(&self) -> Result<Breaks, Failed> {
        let failed = |error| ("listening for connections of NBD that break", error);
        let groups = controlled(&self.socket, MULTICAST_GROUPS).map_err(failed)?;
        let group = group(&groups, GROUP).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        // A socket is bound to the first 32 groups by a bit each. In an initrd few families have one.
        let bit = 1_u32.checked_shl(group.wrapping_sub(1));
        let bit = bit.ok_or_else(|| failed(io::ErrorKind::Unsupported.into()))?;
        Ok(Breaks { socket: open(bit).map_err(failed)?, family: self.family })
    }
}

/// Tells of connections that break.
pub struct Breaks {
    socket: OwnedFd,
    family: u16,
}

impl Breaks {
    /// The numbers of the devices that have lost theirs. Blocks until there is one.
    pub fn wait(&self) -> io::Result<Vec<u32>> {
        let mut buffer = vec![0; MAX_ANSWER];
        let (length, _) = recv(&self.socket, &mut buffer[..], RecvFlags::empty())?;
        let told = messages(buffer.get(..length).unwrap_or_default());
        Ok(told.filter(|(kind, _)| *kind == self.family).filter_map(|(_, body)| broken(body)).collect())
    }
}

/// The device that a message says has lost its connection.
fn broken(body: &[u8]) -> Option<u32> {
    let (head, rest) = body.split_at_checked(GENERIC_HEAD)?;
    let mut told = attributes(rest).filter(|(kind, _)| *kind == INDEX);
    let index = told.next().filter(|_| head.first() == Some(&LINK_DEAD))?.1;
    index.first_chunk().map(|index| u32::from_ne_bytes(*index))
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(GENERIC))?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// What the controller says of the driver.
fn controlled(socket: &OwnedFd, wanted: u16) -> io::Result<Vec<u8>> {
    let name = attribute(FAMILY_NAME, b"nbd\0");
    let value = ask(socket, CONTROLLER, GET_FAMILY, &name, wanted)?;
    value.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The number of a group among those that the controller lists, each an attribute of its own.
fn group(groups: &[u8], name: &[u8]) -> Option<u32> {
    attributes(groups).find_map(|(_, group)| {
        let of = |wanted| attributes(group).find(move |(kind, _)| *kind == wanted).map(|(_, value)| value);
        let id = of(GROUP_ID).filter(|_| of(GROUP_NAME) == Some(name))?;
        id.first_chunk().map(|id| u32::from_ne_bytes(*id))
    })
}

fn sockets(stream: &TcpStream) -> Vec<u8> {
    let descriptor = attribute(SOCKET_FD, &stream.as_raw_fd().to_ne_bytes());
    attribute(SOCKETS, &attribute(SOCKET_ITEM, &descriptor))
}

/// Sends a command and gives the attribute `wanted` of its answer, when that has one.
fn ask(
    socket: &OwnedFd,
    family: u16,
    command: u8,
    attributes: &[u8],
    wanted: u16,
) -> io::Result<Option<Vec<u8>>> {
    let message = message(family, command, attributes);
    send(socket, &message, SendFlags::empty())?;
    let mut found = None;
    for _ in 0..MAX_MESSAGES {
        let mut buffer = vec![0; MAX_ANSWER];
        let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
        for (kind, body) in messages(buffer.get(..length).unwrap_or_default()) {
            match kind {
                NLMSG_ERROR => {
                    let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                    return match code {
                        0 => Ok(found),
                        code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                    };
                }
                kind if kind == family => {
                    let inner = body.get(GENERIC_HEAD..).unwrap_or_default();
                    let value = self::attributes(inner).find(|(kind, _)| *kind == wanted);
                    found = found.or(value.map(|(_, value)| value.to_vec()));
                }
                _ => {}
            }
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn message(family: u16, command: u8, attributes: &[u8]) -> Vec<u8> {
    let length = MESSAGE_HEAD + GENERIC_HEAD + attributes.len();
    let mut bytes = (length as u32).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&family.to_ne_bytes());
    bytes.extend_from_slice(&(NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[command, 1, 0, 0]);
    bytes.extend_from_slice(attributes);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = ATTRIBUTE_HEAD + value.len();
    let mut bytes = (length as u16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

/// Type and body of each message.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let body = bytes.get(MESSAGE_HEAD..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// Type and value of each attribute.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?) & TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_HEAD..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn this_kernel_knows_its_controller_by_name() {
        let socket = open(0).unwrap();
        let of =
            |name: &[u8], wanted| ask(&socket, CONTROLLER, GET_FAMILY, &attribute(FAMILY_NAME, name), wanted);
        assert_eq!(of(b"nlctrl\0", FAMILY_ID).unwrap().unwrap(), CONTROLLER.to_ne_bytes());
        let groups = of(b"nlctrl\0", MULTICAST_GROUPS).unwrap().unwrap();
        assert_eq!(group(&groups, b"notify\0"), Some(u32::from(CONTROLLER)));
        assert_eq!(group(&groups, GROUP), None);
        let error = of(b"nosuch\0", FAMILY_ID);
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ENOENT));
    }

    #[test]
    fn a_device_that_has_lost_its_connection_is_told_by_its_number() {
        let index = attribute(INDEX, &3_u32.to_ne_bytes());
        let of = |command: u8| broken(&[&[command, 0, 0, 0][..], &index].concat());
        assert_eq!((of(LINK_DEAD), of(CONNECT), broken(&[LINK_DEAD])), (Some(3), None, None));
    }

    #[test]
    fn attributes_are_filled_up_and_found_again() {
        let bytes = [attribute(2, b"nbd\0"), attribute(1, &[7, 0]), attribute(0x8007, &[1])].concat();
        assert_eq!(bytes.len(), 24);
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(2, &b"nbd\0"[..]), (1, &[7, 0][..]), (7, &[1][..])]);
    }

    proptest! {
        #[test]
        fn any_answer_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
            prop_assert!(attributes(&bytes).count() <= bytes.len());
            let _ = (group(&bytes, GROUP), broken(&bytes));
        }
    }
}
