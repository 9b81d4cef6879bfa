//! UDP in IPv4 in Ethernet, by the codecs of smoltcp.

use std::net::SocketAddrV4;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

use super::host::{MAC, MTU};

pub(super) type Mac = [u8; 6];

/// The broadcast address.
pub(super) const EVERYBODY: Mac = [0xff; 6];
/// The longest datagram that goes into a frame: Ethernet, IPv4 and UDP have their headers.
pub(super) const MAX_PAYLOAD: usize = MTU - 14 - 20 - 8;
/// Of IP packets.
const HOP_LIMIT: u8 = 64;

/// A datagram on the machines' network.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    /// The machine's Ethernet address.
    pub mac: Mac,
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub payload: &'a [u8],
}

/// The datagram in a frame, when it is whole and not one fragment of several.
pub(super) fn read(frame: &[u8]) -> Option<Datagram<'_>> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    if packet.next_header() != IpProtocol::Udp || packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let (source, destination) = (packet.src_addr(), packet.dst_addr());
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    if !packet.verify_checksum() || !datagram.verify_checksum(&source.into(), &destination.into()) {
        return None;
    }
    Some(Datagram {
        mac: frame.src_addr().0,
        from: SocketAddrV4::new(source, datagram.src_port()),
        to: SocketAddrV4::new(destination, datagram.dst_port()),
        payload: datagram.payload(),
    })
}

/// The frame of a datagram to a machine; one that fits into no frame is lost.
pub(super) fn write(datagram: &Datagram<'_>) -> Option<Vec<u8>> {
    if datagram.payload.len() > MAX_PAYLOAD || datagram.to.port() == 0 {
        return None;
    }
    let checksums = ChecksumCapabilities::default();
    let udp = UdpRepr { src_port: datagram.from.port(), dst_port: datagram.to.port() };
    let ip = Ipv4Repr {
        src_addr: *datagram.from.ip(),
        dst_addr: *datagram.to.ip(),
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + datagram.payload.len(),
        hop_limit: HOP_LIMIT,
    };
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(MAC),
        dst_addr: EthernetAddress(datagram.mac),
        ethertype: EthernetProtocol::Ipv4,
    };
    let mut frame = vec![0; ethernet.buffer_len() + ip.buffer_len() + ip.payload_len];
    let mut outer = EthernetFrame::new_unchecked(&mut frame);
    ethernet.emit(&mut outer);
    let mut packet = Ipv4Packet::new_unchecked(outer.payload_mut());
    ip.emit(&mut packet, &checksums);
    udp.emit(
        &mut UdpPacket::new_unchecked(packet.payload_mut()),
        &ip.src_addr.into(),
        &ip.dst_addr.into(),
        datagram.payload.len(),
        |payload| payload.copy_from_slice(datagram.payload),
        &checksums,
    );
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(payload: &[u8]) -> Datagram<'_> {
        Datagram {
            mac: [2; 6],
            from: "10.77.0.1:69".parse().unwrap(),
            to: "10.77.0.50:2070".parse().unwrap(),
            payload,
        }
    }

    #[test]
    fn a_frame_says_what_the_datagram_said() {
        let frame = write(&datagram(b"block")).unwrap();
        assert_eq!(read(&frame), Some(Datagram { mac: MAC, ..datagram(b"block") }));
    }

    #[test]
    fn what_is_broken_cut_or_too_long_is_no_datagram() {
        let frame = write(&datagram(b"block")).unwrap();
        for length in 0..frame.len() {
            assert_eq!(read(&frame[..length]), None, "{length}");
        }
        for place in 14..frame.len() {
            let mut frame = frame.clone();
            frame[place] ^= 0x55;
            let read = read(&frame);
            assert!(read.is_none() || place < 34, "byte {place}: {read:?}");
        }
        assert!(write(&datagram(&[0; MAX_PAYLOAD])).is_some());
        assert_eq!(write(&datagram(&[0; MAX_PAYLOAD + 1])), None);
    }
}
