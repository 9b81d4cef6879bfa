//! Packet by packet, as real firmware sends them.

mod firmware;
mod full;
mod hostile;
mod proxy;

use std::collections::HashMap;

use super::*;
use crate::arch::{Cpu, Firmware};
use crate::assign::{Image, Rules};
use crate::machine::Mac;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const NOW: Duration = Duration::from_secs(1_795_000_000);
const BROADCAST_TO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT);

fn rules(allow: Vec<Mac>) -> Rules {
    let image = |name: &str, cpu| Image { name: name.into(), cpu: Some(cpu) };
    Rules::new(vec![image("worker", Cpu::X86_64), image("edge", Cpu::Aarch64)], vec![], allow).unwrap()
}

fn loader(firmware: Firmware, cpu: Cpu, path: &str) -> Loader {
    Loader { firmware, cpu, path: path.into() }
}

fn config(mode: Mode) -> Config {
    let loaders = vec![
        loader(Firmware::Bios, Cpu::X86, "undionly.kpxe"),
        loader(Firmware::Uefi, Cpu::X86_64, "snponly.efi"),
    ];
    Config {
        address: SERVER,
        mode,
        boot: Boot { server: "http://10.0.0.1:8000".into(), road: Road::Ipxe, loaders },
        rules: rules(vec![]),
        sending: Sending::Answers,
    }
}

fn proxy() -> Server {
    Server::new(config(Mode::Proxy), Leases::default())
}

fn subnet(first: u8, last: u8) -> SubnetConfig {
    SubnetConfig {
        network: Ipv4Addr::new(10, 0, 0, 0),
        prefix: 24,
        ranges: vec![Ipv4Addr::new(10, 0, 0, first)..=Ipv4Addr::new(10, 0, 0, last)],
        router: Some(SERVER),
        dns: vec![SERVER],
        ntp: vec![],
        domain: Some("lab".into()),
        lease_time: LEASE_TIME,
        reservations: HashMap::new(),
    }
}

fn full_with(subnet: SubnetConfig) -> Server {
    let subnet = Subnet::new(subnet, SERVER).unwrap();
    Server::new(config(Mode::Full(vec![subnet.into()])), Leases::default())
}

fn full() -> Server {
    full_with(subnet(50, 99))
}

fn packet(mac: Mac, kind: MessageType) -> Packet {
    let mut packet = Packet::request(mac, 0x1234_5678);
    packet.options.put(code::MESSAGE_TYPE, [kind as u8]);
    packet
}

fn mac(last: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, last])
}

/// What a client does: encodes, sends, decodes.
fn send(server: &mut Server, now: Duration, packet: &Packet) -> (Option<Packet>, Output) {
    let output = server.receive(now, &packet.encode(1472).unwrap());
    let reply = output.reply.as_ref().map(|reply| Packet::parse(&reply.bytes).unwrap());
    (reply, output)
}

fn answered(server: &mut Server, packet: &Packet) -> Packet {
    let (reply, output) = send(server, NOW, packet);
    reply.unwrap_or_else(|| panic!("no answer: {output:?}"))
}

fn text(output: &Output) -> String {
    output.event.as_ref().map(ToString::to_string).unwrap_or_default()
}
