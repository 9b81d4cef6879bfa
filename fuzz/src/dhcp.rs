//! DHCP messages, through the server in both modes and through the agent's client.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use bootwright_netboot::arch::Cpu;
use bootwright_netboot::assign::{Image, Rules};
use bootwright_netboot::dhcp::client::{self, Client, Want};
use bootwright_netboot::dhcp::server::{
    Boot, Config, LEASE_TIME, Leases, Mode, Road, Sending, Server, Subnet, SubnetConfig,
};
use bootwright_netboot::dhcp::{MessageType, Packet, code};
use bootwright_netboot::{Facts, Mac};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const NOW: Duration = Duration::from_secs(1_795_000_000);

/// Whatever comes in, an answer that goes out is a DHCP message that fits into a frame, and says who sent
/// it.
pub fn target(data: &[u8]) {
    if let Ok(packet) = Packet::parse(data) {
        let _ = Facts::read(&packet);
    }
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 4011);
    for mode in [Some(Mode::Proxy), full()].into_iter().flatten() {
        let Some(mut server) = server(mode) else { return };
        for output in [server.receive(NOW, data), server.receive_pxe(NOW, data, from)] {
            let _ = output.event.map(|event| event.to_string());
            let Some(reply) = output.reply else { continue };
            assert!(reply.bytes.len() <= 1472);
            let answer = Packet::parse(&reply.bytes);
            assert_eq!(answer.map(|answer| answer.options.address(code::SERVER_ID)), Ok(Some(SERVER)));
        }
    }
    let config = client::Config { mac: mac(), uuid: None, image: None, want: Want::AddressAndImage, seed: 1 };
    let mut client = Client::new(config, NOW);
    for second in 0..4 {
        let _ = client.poll(NOW + Duration::from_secs(second));
        let _ = client.receive(NOW + Duration::from_secs(second), data);
    }
}

/// A valid input: what OVMF sends for HTTP Boot.
pub fn seed() -> Vec<u8> {
    let mut packet = Packet::request(mac(), 7);
    packet.options.put(code::MESSAGE_TYPE, [MessageType::Discover as u8]);
    packet.options.put(code::MAX_SIZE, [0x05, 0xc0]);
    packet.options.put(code::CLIENT_UUID, [0; 17]);
    packet.options.put(code::CLIENT_ARCH, [0, 0x10]);
    packet.options.put(code::VENDOR_CLASS, "HTTPClient:Arch:00016:UNDI:003000");
    packet.options.put(code::USER_CLASS, "\x04iPXE");
    packet.options.put(code::IPXE, [0x13, 1, 1]);
    packet.encode(1472).unwrap_or_default()
}

fn mac() -> Mac {
    Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])
}

fn full() -> Option<Mode> {
    let subnet = SubnetConfig {
        network: SERVER,
        prefix: 24,
        ranges: vec![Ipv4Addr::new(10, 0, 0, 50)..=Ipv4Addr::new(10, 0, 0, 51)],
        router: Some(SERVER),
        dns: vec![SERVER],
        ntp: vec![],
        domain: None,
        lease_time: LEASE_TIME,
        reservations: Default::default(),
    };
    Some(Mode::Full(vec![Subnet::new(subnet, SERVER).ok()?.into()]))
}

fn server(mode: Mode) -> Option<Server> {
    let rules = Rules::new(vec![Image { name: "w".into(), cpu: Some(Cpu::X86_64) }], vec![], vec![]).ok()?;
    let boot = Boot { server: "http://10.0.0.1".into(), road: Road::Ipxe, loaders: vec![] };
    let config = Config { address: SERVER, mode, boot, rules, sending: Sending::Answers };
    Some(Server::new(config, Leases::default()))
}
