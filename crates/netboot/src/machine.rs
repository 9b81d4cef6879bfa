//! Who asks, and with what: the facts that a DHCP packet tells about a machine.

use std::fmt;
use std::str::FromStr;

use crate::arch::{Architecture, Cpu, Firmware, Known};
use crate::dhcp::packet::Packet;
use crate::dhcp::{code, ipxe_option};

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The three bytes that name the maker of the card.
    pub fn oui(&self) -> [u8; 3] {
        let [a, b, c, ..] = self.0;
        [a, b, c]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Why a text is no Ethernet address or UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not six bytes.
    #[error("{0:?} is no Ethernet address: write 52:54:00:12:34:56")]
    Mac(String),
    /// Not sixteen bytes in the usual groups.
    #[error("{0:?} is no UUID: write 8-4-4-4-12 hexadecimal digits")]
    Uuid(String),
}

impl FromStr for Mac {
    type Err = ParseError;

    /// Reads six bytes with `:`, `-` or nothing between them.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits: String = match text.len() {
            12 => text.to_owned(),
            17 if text.split([':', '-']).all(|byte| byte.len() == 2) => text.replace([':', '-'], ""),
            _ => String::new(),
        };
        hex(&digits).map(Self).ok_or_else(|| ParseError::Mac(text.to_owned()))
    }
}

/// An SMBIOS system UUID, in the byte order in which it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The same UUID with its first three groups in the other byte order. SMBIOS stores them
    /// little-endian, and that is what firmware puts into option 97; iPXE sends them as they are
    /// written.
    pub fn swapped(&self) -> Self {
        let mut bytes = self.0;
        let (front, _) = bytes.split_at_mut(8);
        let (first, rest) = front.split_at_mut(4);
        let (second, third) = rest.split_at_mut(2);
        first.reverse();
        second.reverse();
        third.reverse();
        Self(bytes)
    }

    /// Whether both are the same machine's, in whichever byte order it came.
    pub fn same(&self, other: &Self) -> bool {
        self == other || self.swapped() == *other
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Uuid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let groups = text.split('-').map(str::len);
        let digits = if groups.eq([8, 4, 4, 4, 12]) { text.replace('-', "") } else { String::new() };
        hex(&digits).map(Self).ok_or_else(|| ParseError::Uuid(text.to_owned()))
    }
}

fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let digits = digits.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// How a machine is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Machine {
    /// The address of the card it asks through.
    pub mac: Mac,
    /// Its SMBIOS UUID, when it tells (option 97).
    pub uuid: Option<Uuid>,
}

/// Which program asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// Firmware that boots by PXE (vendor class `PXEClient`).
    Pxe,
    /// Firmware that boots by UEFI HTTP Boot (vendor class `HTTPClient`).
    HttpBoot,
    /// iPXE that fetches by HTTP.
    Ipxe,
    /// iPXE without HTTP, such as some FlexBoot builds: it is given a better iPXE.
    IpxeWithoutHttp,
    /// bootwright's agent (vendor class `bootwright`).
    Agent,
    /// Anything that wants an address only.
    Other,
}

impl Asker {
    /// Whether this program is replaced by the next one in the course of a boot.
    pub fn is_boot_stage(self) -> bool {
        self != Self::Other
    }
}

/// What a packet tells about the machine and the program that sent it. Text is printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Who asks.
    pub machine: Machine,
    /// Which program asks.
    pub asker: Asker,
    /// What it can run, as it lists it (option 93, else out of option 60).
    pub architectures: Vec<Architecture>,
    /// Option 60.
    pub vendor_class: Option<String>,
    /// Option 77, the first class in it.
    pub user_class: Option<String>,
}

/// A longer class is cut: it goes into log lines and timelines.
const MAX_CLASS: usize = 96;

impl Facts {
    /// Reads them from a client's packet; `None` when it has no Ethernet address.
    pub fn read(packet: &Packet) -> Option<Self> {
        let mac = packet.mac()?;
        let vendor = packet.options.get(code::VENDOR_CLASS);
        let vendor_class = vendor.map(printable);
        let user_class = packet.options.get(code::USER_CLASS).map(|raw| printable(first_class(raw)));
        let asker = asker(packet, vendor.unwrap_or_default(), user_class.as_deref());
        let mut architectures = Architecture::list(packet.options.get(code::CLIENT_ARCH).unwrap_or_default());
        if architectures.is_empty() {
            architectures.extend(vendor.and_then(Architecture::from_vendor_class));
        }
        let uuid = packet.options.get(code::CLIENT_UUID).and_then(|raw| match raw {
            [0, bytes @ ..] => bytes.try_into().ok().map(Uuid),
            _ => None,
        });
        let from_firmware = matches!(asker, Asker::Pxe | Asker::HttpBoot);
        let uuid = uuid.map(|uuid| if from_firmware { uuid.swapped() } else { uuid });
        let uuid = uuid.filter(|uuid| uuid.0 != [0; 16] && uuid.0 != [0xff; 16]);
        Some(Self { machine: Machine { mac, uuid }, asker, architectures, vendor_class, user_class })
    }

    /// The first architecture in the list that this program knows.
    pub fn known(&self) -> Option<&'static Known> {
        self.architectures.iter().find_map(|architecture| architecture.known())
    }

    /// The processor, as far as the architecture tells.
    pub fn cpu(&self) -> Option<Cpu> {
        self.known().map(|known| known.cpu)
    }

    /// The kind of firmware, as far as the architecture tells. A PXE client that tells nothing is an
    /// old BIOS.
    pub fn firmware(&self) -> Firmware {
        self.known().map_or(Firmware::Bios, |known| known.firmware)
    }
}

impl fmt::Display for Facts {
    /// `UEFI x64 HTTP`, `BIOS PXE`, `iPXE on UEFI x64`, `agent`, `DHCP client "udhcp 1.35.0"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known();
        let platform = known.map_or("unknown architecture", |known| known.name);
        match self.asker {
            Asker::Pxe => write!(f, "{platform} PXE"),
            Asker::HttpBoot => write!(f, "{platform} HTTP"),
            Asker::Ipxe => write!(f, "iPXE on {platform}"),
            Asker::IpxeWithoutHttp => write!(f, "iPXE without HTTP on {platform}"),
            Asker::Agent => f.write_str("agent"),
            Asker::Other => match &self.vendor_class {
                Some(class) => write!(f, "DHCP client {class:?}"),
                None => f.write_str("DHCP client"),
            },
        }
    }
}

fn asker(packet: &Packet, vendor: &[u8], user_class: Option<&str>) -> Asker {
    let encapsulated = packet.options.get(code::IPXE);
    if encapsulated.is_some() || user_class == Some("iPXE") {
        // Features are one sub-option each. A build that lists none is asked to do what all can.
        let features = encapsulated.map(ipxe_option::features).unwrap_or_default();
        let http = features.is_empty() || features.contains(&ipxe_option::FEATURE_HTTP);
        return if http { Asker::Ipxe } else { Asker::IpxeWithoutHttp };
    }
    match vendor {
        _ if vendor.starts_with(b"PXEClient") => Asker::Pxe,
        _ if vendor.starts_with(b"HTTPClient") => Asker::HttpBoot,
        _ if vendor == crate::dhcp::AGENT_CLASS.as_bytes() => Asker::Agent,
        _ => Asker::Other,
    }
}

/// The first user class: RFC 3004 puts a length before each, iPXE and others send the bare string.
fn first_class(raw: &[u8]) -> &[u8] {
    let mut rest = raw;
    while let [length, tail @ ..] = rest {
        match tail.get(usize::from(*length)..) {
            Some(next) if *length > 0 => rest = next,
            _ => return raw,
        }
    }
    match raw {
        [length, tail @ ..] => tail.get(..usize::from(*length)).unwrap_or(raw),
        [] => raw,
    }
}

/// Text from outside, made fit for a log line: printable ASCII, at most 96 bytes.
pub(crate) fn printable(raw: &[u8]) -> String {
    let raw = raw.strip_suffix(b"\0").unwrap_or(raw);
    let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' };
    raw.iter().take(MAX_CLASS).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_the_usual_spellings_and_written_in_one() {
        for text in ["52:54:00:AB:cd:01", "52-54-00-ab-cd-01", "525400abcd01"] {
            assert_eq!(text.parse::<Mac>().unwrap().to_string(), "52:54:00:ab:cd:01");
        }
        for text in
            ["", "52:54", "52:54:00:ab:cd:0g", "5254:00:ab:cd:001", "+2:54:00:ab:cd:01", "é2:54:00:ab:cd:0"]
        {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_uuid_is_the_same_machine_in_either_byte_order() {
        let uuid: Uuid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        assert_eq!(uuid.swapped().to_string(), "33221100-5544-7766-8899-aabbccddeeff");
        assert!(uuid.same(&uuid.swapped()));
        assert!("00112233445566778899aabbccddeeff".parse::<Uuid>().is_err());
    }

    #[test]
    fn user_class_is_understood_bare_and_with_length() {
        assert_eq!(first_class(b"iPXE"), b"iPXE");
        assert_eq!(first_class(b"\x04iPXE"), b"iPXE");
        assert_eq!(first_class(b"\x04iPXE\x03foo"), b"iPXE");
        assert_eq!(first_class(b""), b"");
    }
}
