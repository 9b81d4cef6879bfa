//! The DHCPv4 message (RFC 2131 section 2), read and written.
//!
//! ```text
//!   0 op  htype  hlen  hops        28 chaddr, 16 bytes
//!   4 xid                          44 sname, 64 bytes
//!   8 secs      flags             108 file, 128 bytes
//!  12 ciaddr                      236 63 82 53 63, the magic cookie
//!  16 yiaddr                      240 options: code, length, bytes …  0 pads, 255 ends
//!  20 siaddr
//!  24 giaddr
//! ```
//!
//! Options that come in pieces are joined (RFC 3396), options in `sname` and `file` are found by option
//! overload (52). We write neither: our messages are small. Not supported: hardware other than Ethernet,
//! BOOTP without options.

use std::net::Ipv4Addr;

use super::code;
use super::options::Options;
use crate::machine::Mac;

/// Bytes before the options, the magic cookie included.
pub const HEADER: usize = 240;
/// The magic cookie that tells DHCP from plain BOOTP (RFC 1497).
pub const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// A message that is shorter is padded: some BOOTP relays and clients drop it otherwise (RFC 1542
/// section 2.1).
pub const MIN_MESSAGE: usize = 300;
/// What fits into `file`; the 128th byte is its NUL.
pub const MAX_FILE: usize = 127;
/// Bit 15 of `flags`: the client cannot take unicast before it has an address.
pub const BROADCAST: u16 = 0x8000;

/// `op`: which way the message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// From a client, 1.
    Request,
    /// From a server, 2.
    Reply,
}

/// Option 53, the DHCP message type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "RFC 2131 section 3.1 names and explains them")]
pub enum MessageType {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

impl MessageType {
    fn from_code(code: u8) -> Option<Self> {
        use MessageType::{Ack, Decline, Discover, Inform, Nak, Offer, Release, Request};
        [Discover, Offer, Request, Decline, Ack, Nak, Release, Inform]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

/// A DHCPv4 message. Field names are those of RFC 2131.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 2131 section 2 names and explains the fields")]
pub struct Packet {
    pub op: Op,
    pub hops: u8,
    pub xid: u32,
    pub secs: u16,
    pub flags: u16,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub hlen: u8,
    pub chaddr: [u8; 16],
    /// Up to the first NUL; empty when it holds options.
    pub sname: Vec<u8>,
    /// Up to the first NUL; empty when it holds options.
    pub file: Vec<u8>,
    pub options: Options,
}

/// Why bytes are no DHCP message that we can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than the fixed part.
    #[error("{0} bytes, a DHCP message has at least {HEADER}")]
    Short(usize),
    /// `op` is neither 1 nor 2.
    #[error("op is {0}, neither request (1) nor reply (2)")]
    Op(u8),
    /// Not for Ethernet.
    #[error("hardware type {htype} with addresses of {hlen} bytes: only Ethernet is served")]
    Hardware {
        /// `htype`.
        htype: u8,
        /// `hlen`.
        hlen: u8,
    },
    /// No magic cookie: BOOTP or something else altogether.
    #[error("no magic cookie at offset 236: not DHCP")]
    Cookie,
    /// An option is longer than the message.
    #[error("option {code} at offset {offset} ends behind the message")]
    Option {
        /// Its code.
        code: u8,
        /// Where it begins.
        offset: usize,
    },
    /// A reply does not fit even without what it can do without.
    #[error("the reply has {size} bytes, the client takes {max}")]
    TooLong {
        /// Bytes of the reply.
        size: usize,
        /// Bytes that the client takes.
        max: usize,
    },
}

impl Packet {
    /// An empty message of a client with that address, with the broadcast flag not set.
    pub fn request(mac: Mac, xid: u32) -> Self {
        let mut chaddr = [0; 16];
        for (to, from) in chaddr.iter_mut().zip(mac.0) {
            *to = from;
        }
        Self {
            op: Op::Request,
            hops: 0,
            xid,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            hlen: 6,
            chaddr,
            sname: Vec::new(),
            file: Vec::new(),
            options: Options::default(),
        }
    }

    /// An empty answer to `self`: what a server has to copy is copied (RFC 2131 section 4.3.1).
    pub fn reply(&self, kind: MessageType) -> Self {
        let mut options = Options::default();
        options.put(code::MESSAGE_TYPE, [kind as u8]);
        Self {
            op: Op::Reply,
            hops: 0,
            secs: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            sname: Vec::new(),
            file: Vec::new(),
            options,
            ..*self
        }
    }

    /// Reads a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(PacketError::Short(bytes.len()))?;
        let mut fields = Fields(header);
        let [op, htype, hlen, hops] = fields.take();
        let op = match op {
            1 => Op::Request,
            2 => Op::Reply,
            other => return Err(PacketError::Op(other)),
        };
        if (htype, hlen) != (1, 6) {
            return Err(PacketError::Hardware { htype, hlen });
        }
        let xid = u32::from_be_bytes(fields.take());
        let (secs, flags) = (u16::from_be_bytes(fields.take()), u16::from_be_bytes(fields.take()));
        let mut address = || Ipv4Addr::from(fields.take::<4>());
        let (ciaddr, yiaddr, siaddr, giaddr) = (address(), address(), address(), address());
        let (chaddr, sname, file) = (fields.take::<16>(), fields.take::<64>(), fields.take::<128>());
        if fields.take() != COOKIE {
            return Err(PacketError::Cookie);
        }
        let mut options = Options::default();
        options.read(rest, HEADER)?;
        // RFC 2132 section 9.3: 1 file, 2 sname, 3 both hold options.
        let overload = options.get(code::OVERLOAD).and_then(|value| value.first().copied()).unwrap_or(0);
        let mut text = |field: &[u8], bit: u8, offset: usize| {
            if overload & bit != 0 {
                return options.read(field, offset).map(|()| Vec::new());
            }
            Ok(field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
        };
        let file = text(&file, 1, 108)?;
        let sname = text(&sname, 2, 44)?;
        Ok(Self {
            op,
            hops,
            xid,
            secs,
            flags,
            ciaddr,
            yiaddr,
            siaddr,
            giaddr,
            hlen,
            chaddr,
            sname,
            file,
            options,
        })
    }

    /// The bytes of the message: options in the order in which they were put, [boot file
    /// name](code::BOOT_FILE) last (edk2 writes a NUL behind it). `max` bounds the size in bytes of the
    /// whole message; options that a client can do without are left out to keep to it.
    pub fn encode(&self, max: usize) -> Result<Vec<u8>, PacketError> {
        let mut options = self.options.clone();
        for dispensable in code::DISPENSABLE {
            if HEADER + options.encoded_len() <= max {
                break;
            }
            options.remove(*dispensable);
        }
        let size = HEADER + options.encoded_len();
        if size > max {
            return Err(PacketError::TooLong { size, max });
        }
        let mut bytes = Vec::with_capacity(size.max(MIN_MESSAGE));
        let op = match self.op {
            Op::Request => 1,
            Op::Reply => 2,
        };
        bytes.extend([op, 1, self.hlen, self.hops]);
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        put_text(&mut bytes, &self.sname, 64);
        put_text(&mut bytes, &self.file, 128);
        bytes.extend(COOKIE);
        options.write(&mut bytes);
        bytes.resize(bytes.len().max(MIN_MESSAGE), 0);
        Ok(bytes)
    }

    /// Option 53.
    pub fn message_type(&self) -> Option<MessageType> {
        match self.options.get(code::MESSAGE_TYPE)? {
            [kind] => MessageType::from_code(*kind),
            _ => None,
        }
    }

    /// The client's Ethernet address, unless it is all zero or a group's.
    pub fn mac(&self) -> Option<Mac> {
        let (mac, _) = self.chaddr.split_first_chunk::<6>()?;
        (*mac != [0; 6] && mac.first().is_some_and(|first| first & 1 == 0)).then_some(Mac(*mac))
    }
}

/// Puts `text` into a field of `size` bytes, cut so that a NUL follows.
fn put_text(bytes: &mut Vec<u8>, text: &[u8], size: usize) {
    let end = bytes.len() + size;
    bytes.extend(text.iter().take(size - 1));
    bytes.resize(end, 0);
}

/// Takes fields from the front of the header, whose length is known.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Packet {
        let mut packet = Packet::request(Mac([0x52, 0x54, 0, 1, 2, 3]), 0xdead_beef);
        packet.options.put(code::MESSAGE_TYPE, [MessageType::Discover as u8]);
        packet.options.put(code::BOOT_FILE, "http://10.0.0.1/images/worker/image.efi");
        packet.options.put(code::VENDOR_CLASS, vec![7; 300]);
        packet.file = b"undionly.kpxe".to_vec();
        packet
    }

    #[test]
    fn a_message_survives_its_own_bytes_and_the_boot_file_comes_last() {
        let bytes = sample().encode(1472).unwrap();
        let read = Packet::parse(&bytes).unwrap();
        assert_eq!(read.options.get(code::VENDOR_CLASS), Some(&[7; 300][..]));
        assert_eq!(read.file, b"undionly.kpxe");
        let end = bytes.iter().rposition(|byte| *byte == 0xff).unwrap();
        assert!(bytes[..end].ends_with(b"image.efi"));
    }

    #[test]
    fn another_implementation_reads_what_we_write() {
        use dhcproto::{Decodable, Decoder, v4};
        let mut packet = sample();
        packet.options.remove(code::VENDOR_CLASS);
        packet.options.put(code::LEASE_TIME, 3600u32.to_be_bytes());
        let message = v4::Message::decode(&mut Decoder::new(&packet.encode(548).unwrap())).unwrap();
        assert_eq!(message.xid(), 0xdead_beef);
        assert_eq!(message.opts().msg_type(), Some(v4::MessageType::Discover));
        assert_eq!(
            message.opts().get(v4::OptionCode::AddressLeaseTime),
            Some(&v4::DhcpOption::AddressLeaseTime(3600))
        );
        assert_eq!(message.fname(), Some(&b"undionly.kpxe\0"[..]));
    }

    #[test]
    fn options_in_sname_and_file_are_found_by_overload() {
        let mut packet = sample();
        packet.options.put(code::OVERLOAD, [3]);
        packet.file = vec![15, 3, b'l', b'a', b'n', 255];
        packet.sname = vec![12, 1, b'h', 255];
        let read = Packet::parse(&packet.encode(1472).unwrap()).unwrap();
        assert_eq!(read.options.get(15), Some(&b"lan"[..]));
        assert_eq!(read.options.get(12), Some(&b"h"[..]));
        assert!(read.file.is_empty() && read.sname.is_empty());
    }

    #[test]
    fn a_message_that_is_too_long_loses_what_a_client_can_do_without_and_nothing_else() {
        let mut packet = sample();
        packet.options.remove(code::VENDOR_CLASS);
        packet.options.put(code::TFTP_SERVER, vec![b'1'; 250]);
        let read = Packet::parse(&packet.encode(400).unwrap()).unwrap();
        assert_eq!(read.options.get(code::TFTP_SERVER), None);
        assert!(read.options.get(code::BOOT_FILE).is_some());
        assert!(matches!(packet.encode(250), Err(PacketError::TooLong { .. })));
    }

    #[test]
    fn an_option_that_ends_behind_the_message_is_named_with_its_offset() {
        let mut bytes = sample().encode(1472).unwrap();
        bytes.truncate(HEADER + 3);
        bytes.extend([61, 20, 1]);
        assert_eq!(Packet::parse(&bytes), Err(PacketError::Option { code: 61, offset: 243 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            let _ = Packet::parse(&bytes);
        }

        #[test]
        fn mutations_of_a_real_message_are_read_or_refused(
            changes in proptest::collection::vec((0usize..700, any::<u8>()), 0..20),
            cut in 0usize..700,
        ) {
            let mut bytes = sample().encode(1472).unwrap();
            for (at, value) in changes {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(cut.max(230));
            if let Ok(packet) = Packet::parse(&bytes) {
                let _ = crate::machine::Facts::read(&packet);
                let again = packet.encode(70_000).unwrap();
                prop_assert_eq!(Packet::parse(&again).map(|packet| packet.xid), Ok(packet.xid));
            }
        }
    }
}
