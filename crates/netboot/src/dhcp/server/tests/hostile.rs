use super::firmware::{bios, flexboot, ipxe, ovmf, raspberry_pi, uboot};
use super::*;
use proptest::prelude::*;

fn real() -> Vec<Packet> {
    let mut packets = vec![flexboot(), uboot(), raspberry_pi()];
    for kind in [MessageType::Discover, MessageType::Request, MessageType::Decline, MessageType::Release] {
        packets.extend([ovmf("PXEClient", 7, kind), ovmf("HTTPClient", 16, kind), ipxe(7, kind), bios(kind)]);
    }
    packets
}

#[test]
fn one_machine_that_asks_without_end_is_told_of_once_and_then_passed_over() {
    let mut server = full();
    let outputs: Vec<_> =
        (0..200).map(|_| send(&mut server, NOW, &packet(MAC, MessageType::Discover)).1).collect();
    assert_eq!(outputs.iter().filter(|output| output.reply.is_some()).count() as u32, BURST);
    let said = outputs.iter().filter(|output| text(output).ends_with("asks too often, not answered for now"));
    assert_eq!(said.count(), 1);
}

#[test]
fn a_flood_of_addresses_takes_no_more_records_than_there_are_addresses() {
    let mut server = full_with(subnet(50, 99));
    for index in 0..5000u16 {
        let [a, b] = index.to_be_bytes();
        send(&mut server, NOW, &packet(Mac([2, 0, 0, 0, a, b]), MessageType::Discover));
    }
    assert_eq!(server.leases().iter().count(), 50);
}

#[test]
fn an_answer_that_does_not_fit_is_not_sent_and_told() {
    let mut server = proxy();
    server.config.boot.server = format!("http://{}", "a".repeat(400));
    let mut request = ovmf("HTTPClient", 16, MessageType::Discover);
    request.options.put(code::MAX_SIZE, [0, 0]);
    let (reply, output) = send(&mut server, NOW, &request);
    assert_eq!(reply, None);
    assert!(text(&output).contains("and it takes 548"), "{}", text(&output));
}

#[test]
fn groups_and_nobody_are_no_machines() {
    for bad in [[0; 6], [1, 0, 0x5e, 0, 0, 1], [255; 6]] {
        assert_eq!(send(&mut full(), NOW, &packet(Mac(bad), MessageType::Discover)).1, Output::default());
    }
}

#[test]
fn answers_and_port_4011_from_nowhere_are_passed_over() {
    let mut answer = packet(MAC, MessageType::Offer);
    answer.op = Op::Reply;
    assert_eq!(send(&mut full(), NOW, &answer).1, Output::default());
    let request = ovmf("PXEClient", 7, MessageType::Request).encode(1472).unwrap();
    let from = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68);
    assert_eq!(proxy().receive_pxe(NOW, &request, from), Output::default());
}

proptest! {
    #[test]
    fn mutated_packets_of_real_firmware_are_answered_lawfully_or_not_at_all(
        which in 0usize..19,
        changes in proptest::collection::vec((0usize..600, any::<u8>()), 0..12),
        cut in 240usize..700,
        addresses: [u8; 8],
    ) {
        let packets = real();
        let mut packet = packets[which % packets.len()].clone();
        let (ciaddr, giaddr) = addresses.split_at(4);
        packet.ciaddr = Ipv4Addr::new(ciaddr[0] % 16, 0, 0, ciaddr[3]);
        packet.giaddr = Ipv4Addr::new(giaddr[0] % 16, 0, 0, giaddr[3] % 2);
        let mut bytes = packet.encode(1472).unwrap();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(cut);
        let from = SocketAddrV4::new(packet.ciaddr, 4011);
        let (mut full, mut proxy) = (full(), proxy());
        for output in [full.receive(NOW, &bytes), proxy.receive(NOW, &bytes), proxy.receive_pxe(NOW, &bytes, from)] {
            let _ = text(&output);
            let Some(reply) = output.reply else { continue };
            let answer = Packet::parse(&reply.bytes).unwrap();
            prop_assert!(reply.bytes.len() <= 1472);
            prop_assert_eq!(answer.op, Op::Reply);
            prop_assert_eq!(answer.options.address(code::SERVER_ID), Some(SERVER));
            prop_assert!(!reply.to.ip().is_unspecified() && !reply.to.ip().is_multicast());
        }
    }

    #[test]
    fn no_bytes_make_the_server_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        prop_assert_eq!(full().receive(NOW, &bytes).reply, None);
    }
}
