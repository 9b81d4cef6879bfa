//! Generic netlink (linux/genetlink.h) to the NBD driver (linux/nbd-netlink.h): the kernel takes the connection over.
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

/// NBD_CMD_CONNECT and its attributes.
const CONNECT: u8 = 1;
const INDEX: u16 = 1;
const SIZE_BYTES: u16 = 2;
const BLOCK_SIZE_BYTES: u16 = 3;
const SERVER_FLAGS: u16 = 5;
const SOCKETS: u16 = 7;
const SOCKET_ITEM: u16 = 1;
const SOCKET_FD: u16 = 1;

/// NBD_FLAG_READ_ONLY.
const READ_ONLY: u16 = 1 << 1;

/// NLA_TYPE_MASK: the upper two bits are flags.
const TYPE_MASK: u16 = 0x3fff;

/// The longest answer: the controller tells of a family's commands, too.
const MAX_ANSWER: usize = 16 << 10;

/// Messages that are read for an answer and its end.
const MAX_MESSAGES: usize = 8;

/// A step that failed, and how.
type Failed = (&'static str, io::Error);

/// Makes a device of `export` at the other end of `stream`; gives its name, `nbd0`.
pub fn attach(stream: &TcpStream, export: &Export, writable: bool) -> Result<String, Failed> {
    let socket = open().map_err(|error| ("asking the kernel for a network block device", error))?;
    let name = attribute(FAMILY_NAME, b"nbd\0");
    let family = ask(&socket, CONTROLLER, GET_FAMILY, &name, FAMILY_ID);
    let family = family.map_err(|error| ("asking the kernel for its NBD driver", error))?;
    let family = family.first_chunk().map(|id| u16::from_ne_bytes(*id));
    let family = family.ok_or(("asking the kernel for its NBD driver", io::ErrorKind::InvalidData.into()))?;
    let descriptor = stream.as_raw_fd().to_ne_bytes();
    let item = attribute(SOCKET_ITEM, &attribute(SOCKET_FD, &descriptor));
    let flags = export.flags | if writable { 0 } else { READ_ONLY };
    let attributes = [
        // Without an index the kernel takes the first device that is free.
        attribute(SIZE_BYTES, &export.size.to_ne_bytes()),
        attribute(BLOCK_SIZE_BYTES, &u64::from(export.block).to_ne_bytes()),
        attribute(SERVER_FLAGS, &u64::from(flags).to_ne_bytes()),
        attribute(SOCKETS, &item),
    ];
    let index = ask(&socket, family, CONNECT, &attributes.concat(), INDEX);
    let index = index.map_err(|error| ("giving the connection to the kernel", error))?;
    let index = index.first_chunk().map(|index| u32::from_ne_bytes(*index));
    let index = index.ok_or(("giving the connection to the kernel", io::ErrorKind::InvalidData.into()))?;
    Ok(format!("nbd{index}"))
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(GENERIC))?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

/// Sends a command and gives the attribute `wanted` of its answer.
fn ask(socket: &OwnedFd, family: u16, command: u8, attributes: &[u8], wanted: u16) -> io::Result<Vec<u8>> {
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
                    return match (code, found) {
                        (0, Some(value)) => Ok(value),
                        (0, None) => Err(io::ErrorKind::InvalidData.into()),
                        (code, _) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
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
        let socket = open().unwrap();
        let id =
            ask(&socket, CONTROLLER, GET_FAMILY, &attribute(FAMILY_NAME, b"nlctrl\0"), FAMILY_ID).unwrap();
        assert_eq!(id, CONTROLLER.to_ne_bytes());
        let error = ask(&socket, CONTROLLER, GET_FAMILY, &attribute(FAMILY_NAME, b"nosuch\0"), FAMILY_ID);
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ENOENT));
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
        }
    }
}
