//! Router advertisements of IPv6: RFC 4861 section 4.2, with name servers and domains of RFC 8106.
//!
//! ```text
//! 134 │ code 0 │ checksum, 2 │ hop limit, 1 │ M O … │ router lifetime, 2 │ reachable, 4 │ retransmit, 4 │ options
//! option: type, 1 │ length in units of 8 bytes, 1 │ value …
//! ```
//!
//! Addresses and routes of an advertisement are the kernel's to set; this reads what it leaves to others. The
//! checksum is the kernel's, too (raw(7)). Not supported: routes (RFC 4191), PREF64.

use std::net::Ipv6Addr;

use crate::domains;

/// Where routers listen for solicitations: all routers on the link.
pub const ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// A router solicitation (section 4.1) without options: the kernel fills the checksum in.
pub const SOLICITATION: [u8; 8] = [133, 0, 0, 0, 0, 0, 0, 0];

/// Type of a router advertisement.
const ADVERTISEMENT: u8 = 134;
/// The head before the options.
const HEAD: usize = 16;
/// Managed: addresses by DHCPv6.
const MANAGED: u8 = 0x80;
/// Other: all else by DHCPv6.
const OTHER: u8 = 0x40;
/// A prefix for SLAAC.
const AUTONOMOUS: u8 = 0x40;
/// Name servers that are read.
const MAX_SERVERS: usize = 8;

const PREFIX_INFORMATION: u8 = 3;
const RDNSS: u8 = 25;
const DNSSL: u8 = 31;

/// What a router says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// M: addresses come by DHCPv6.
    pub managed: bool,
    /// O: all else comes by DHCPv6.
    pub other: bool,
    /// It is a way out; a router that is none may say all else.
    pub is_default_router: bool,
    /// There is a prefix that machines make their address with.
    pub autonomous: bool,
    /// Name servers that count.
    pub dns: Vec<Ipv6Addr>,
    /// Search domains that count.
    pub domains: Vec<String>,
}

/// Reads an ICMPv6 message; `None` when it is no router advertisement, or a broken one (section 6.1.2: an option of
/// length 0 spoils all of it).
pub fn read(message: &[u8]) -> Option<Advertisement> {
    let (head, mut options) = message.split_at_checked(HEAD)?;
    let [ADVERTISEMENT, 0, _, _, _, flags, lifetime @ ..] = head else { return None };
    let mut found = Advertisement {
        managed: flags & MANAGED != 0,
        other: flags & OTHER != 0,
        is_default_router: lifetime.first_chunk::<2>().is_some_and(|lifetime| *lifetime != [0, 0]),
        ..Advertisement::default()
    };
    while let Some((kind, rest)) = options.split_first() {
        let length = usize::from(*rest.first()?) * 8;
        let (option, behind) = options.split_at_checked(length).filter(|_| length > 0)?;
        found.take(*kind, option.get(2..)?);
        options = behind;
    }
    Some(found)
}

impl Advertisement {
    /// Takes an option without its type and length.
    fn take(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (PREFIX_INFORMATION, [_, flags, ..]) => self.autonomous |= flags & AUTONOMOUS != 0,
            // A lifetime of 0 takes back what was said before.
            (RDNSS | DNSSL, [_, _, 0, 0, 0, 0, ..]) => {}
            (RDNSS, [_, _, _, _, _, _, addresses @ ..]) => {
                let whole = addresses.chunks_exact(16).filter_map(|chunk| chunk.first_chunk::<16>());
                let usable = |address: &Ipv6Addr| !address.is_multicast() && !address.is_unspecified();
                self.dns.extend(whole.map(|octets| Ipv6Addr::from(*octets)).filter(usable));
                self.dns.truncate(MAX_SERVERS);
            }
            (DNSSL, [_, _, _, _, _, _, names @ ..]) => {
                self.domains.extend(domains::read(names));
                self.domains.truncate(MAX_SERVERS);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As radvd sends it: M clear, O set, a prefix for SLAAC, MTU, a name server, a domain.
    fn advertisement() -> Vec<u8> {
        let mut bytes = vec![134, 0, 0x12, 0x34, 64, 0x40, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0]);
        bytes.extend("fd00::".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend([5, 1, 0, 0, 0, 0, 5, 0xdc]);
        bytes.extend([25, 3, 0, 0, 0, 0, 14, 16]);
        bytes.extend("fd00::53".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend([31, 3, 0, 0, 0, 0, 14, 16]);
        bytes.extend(*b"\x03lab\x07example\0\0\0\0");
        bytes
    }

    #[test]
    fn what_the_kernel_leaves_to_others_is_read() {
        let wanted = Advertisement {
            managed: false,
            other: true,
            is_default_router: true,
            autonomous: true,
            dns: vec!["fd00::53".parse().unwrap()],
            domains: vec!["lab.example".into()],
        };
        assert_eq!(read(&advertisement()), Some(wanted));
    }

    #[test]
    fn a_broken_option_spoils_the_advertisement() {
        let good = advertisement();
        for end in 0..good.len() {
            let at_an_options_end = [16, 48, 56, 80].contains(&end);
            assert_eq!(read(&good[..end]).is_some(), at_an_options_end, "{end}");
        }
        let mut endless = good.clone();
        endless[17] = 0;
        assert_eq!(read(&endless), None);
        let mut solicitation = good;
        solicitation[0] = 133;
        assert_eq!(read(&solicitation), None);
    }

    #[test]
    fn a_server_whose_time_is_over_is_none() {
        let mut bytes = advertisement();
        bytes[60..64].fill(0);
        assert_eq!(read(&bytes).unwrap().dns, [] as [Ipv6Addr; 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
