//! What real firmware and boot loaders send.

use super::*;

/// OVMF 2022.11: broadcast flag, 57 = 0x05c0, both identifiers from the SMBIOS UUID.
pub(super) fn ovmf(class: &str, architecture: u16, kind: MessageType) -> Packet {
    let mut packet = packet(MAC, kind);
    packet.flags = crate::dhcp::packet::BROADCAST;
    let uuid = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    packet.options.put(code::MAX_SIZE, [0x05, 0xc0]);
    packet.options.put(code::PARAMETERS, [1, 2, 3, 4, 5, 6, 12, 13, 15, 43, 54, 60, 66, 67, 97]);
    packet.options.put(code::CLIENT_UUID, [&[0], uuid.as_slice()].concat());
    packet.options.put(code::CLIENT_NDI, [1, 3, 0]);
    packet.options.put(code::CLIENT_ARCH, architecture.to_be_bytes());
    packet.options.put(code::VENDOR_CLASS, format!("{class}:Arch:{architecture:05}:UNDI:003000"));
    packet
}

/// The iPXE of QEMU's network ROM: bare user class, features in option 175, no broadcast flag.
pub(super) fn ipxe(architecture: u16, kind: MessageType) -> Packet {
    let mut packet = packet(MAC, kind);
    packet.options.put(code::MAX_SIZE, [0x05, 0xc0]);
    packet.options.put(code::CLIENT_ARCH, architecture.to_be_bytes());
    packet.options.put(code::CLIENT_NDI, [1, 2, 1]);
    packet.options.put(code::VENDOR_CLASS, format!("PXEClient:Arch:{architecture:05}:UNDI:002001"));
    packet.options.put(code::USER_CLASS, "iPXE");
    packet.options.put(code::IPXE, [177, 5, 1, 0x80, 0x86, 0x10, 0x0e, 0x13, 1, 1, 0x18, 1, 1, 0x21, 1, 1]);
    packet.options.put(code::CLIENT_ID, [1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    packet
}

/// FlexBoot of a Mellanox card: iPXE underneath, without the user class, without HTTP.
pub(super) fn flexboot() -> Packet {
    let mut packet = ipxe(0, MessageType::Discover);
    packet.options.remove(code::USER_CLASS);
    packet.options.put(code::IPXE, [177, 5, 1, 0x15, 0xb3, 0x10, 0x13, 0x21, 1, 1]);
    packet
}

/// A BIOS PXE ROM (Intel Boot Agent): the smallest message, no option 57.
pub(super) fn bios(kind: MessageType) -> Packet {
    let mut packet = packet(MAC, kind);
    packet.flags = crate::dhcp::packet::BROADCAST;
    packet.secs = 4;
    packet
        .options
        .put(code::PARAMETERS, [1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67, 128, 129]);
    packet.options.put(code::CLIENT_UUID, [0xff; 17]);
    packet.options.put(code::CLIENT_ARCH, [0, 0]);
    packet.options.put(code::CLIENT_NDI, [1, 2, 1]);
    packet.options.put(code::VENDOR_CLASS, "PXEClient:Arch:00000:UNDI:002001");
    packet
}

/// U-Boot for arm64: the architecture in option 60 only.
pub(super) fn uboot() -> Packet {
    let mut packet = packet(MAC, MessageType::Discover);
    packet.options.put(code::MAX_SIZE, [2, 0x40]);
    packet.options.put(code::VENDOR_CLASS, "PXEClient:Arch:00011:UNDI:003000");
    packet
}

/// The boot ROM of a Raspberry Pi 4: says BIOS.
pub(super) fn raspberry_pi() -> Packet {
    let mut packet = packet(Mac([0xdc, 0xa6, 0x32, 1, 2, 3]), MessageType::Discover);
    packet.options.put(code::CLIENT_ARCH, [0, 0]);
    packet.options.put(code::VENDOR_CLASS, "PXEClient:Arch:00000:UNDI:002001");
    packet
}

/// bootwright's agent, by its own code.
pub(super) fn agent(image: Option<&str>) -> Packet {
    use crate::dhcp::client::{Client, Config, Step, Want};
    let image = image.map(str::to_owned);
    let config = Config { mac: MAC, uuid: None, image, want: Want::AddressAndImage, seed: 1 };
    match Client::new(config, NOW).poll(NOW) {
        Step::Send { packet, .. } => Packet::parse(&packet).unwrap(),
        other => panic!("{other:?}"),
    }
}
