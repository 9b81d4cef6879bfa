use super::firmware::{agent, bios, flexboot, ipxe, ovmf, raspberry_pi, uboot};
use super::*;

fn boot_file(packet: &Packet) -> &str {
    packet.options.text(code::BOOT_FILE).unwrap_or_default()
}

#[test]
fn ovmf_by_http_gets_its_class_back_and_the_url_of_the_uki() {
    let offer = answered(&mut proxy(), &ovmf("HTTPClient", 0x10, MessageType::Discover));
    assert_eq!(offer.message_type(), Some(MessageType::Offer));
    assert_eq!(offer.yiaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(offer.options.text(code::VENDOR_CLASS), Some("HTTPClient"));
    assert_eq!(boot_file(&offer), "http://10.0.0.1:8000/images/worker/image.efi");
    assert_eq!(offer.file, boot_file(&offer).as_bytes());
    assert_eq!(offer.options.get(code::VENDOR), None);
}

#[test]
fn ovmf_by_pxe_gets_ipxe_and_is_told_to_ask_nobody_else() {
    let request = ovmf("PXEClient", 7, MessageType::Discover);
    let (offer, output) = send(&mut proxy(), NOW, &request);
    let offer = offer.unwrap();
    assert_eq!((boot_file(&offer), offer.file.as_slice()), ("snponly.efi", &b"snponly.efi"[..]));
    assert_eq!((offer.siaddr, offer.options.text(code::TFTP_SERVER)), (SERVER, Some("10.0.0.1")));
    assert_eq!(offer.options.get(code::VENDOR), Some(&[6, 1, 8, 255][..]));
    assert_eq!(offer.options.get(code::CLIENT_UUID), request.options.get(code::CLIENT_UUID));
    assert_eq!(output.reply.as_ref().unwrap().to, BROADCAST_TO);
    assert_eq!(text(&output), "52:54:00:12:34:56 UEFI x64 PXE: offered image worker by iPXE (snponly.efi)");
    assert_eq!(
        output.event.unwrap().facts.machine.uuid.unwrap().to_string(),
        "00112233-4455-6677-8899-aabbccddeeff",
        "in the byte order in which people read it"
    );
}

#[test]
fn both_codes_of_x64_get_the_same() {
    for architecture in [7, 9] {
        let offer = answered(&mut proxy(), &ovmf("PXEClient", architecture, MessageType::Discover));
        assert_eq!(boot_file(&offer), "snponly.efi");
    }
}

#[test]
fn on_the_road_tftp_the_firmware_gets_the_uki_itself() {
    let mut server = proxy();
    server.config.boot.road = Road::Tftp;
    let offer = answered(&mut server, &ovmf("PXEClient", 7, MessageType::Discover));
    assert_eq!(boot_file(&offer), "worker/image.efi");
    let offer = answered(&mut server, &bios(MessageType::Discover));
    assert_eq!(boot_file(&offer), "undionly.kpxe", "a BIOS cannot run a PE file");
}

#[test]
fn port_4011_answers_the_unicast_request_where_it_came_from() {
    let mut request = ovmf("PXEClient", 7, MessageType::Request);
    request.ciaddr = Ipv4Addr::new(10, 0, 0, 77);
    let from = SocketAddrV4::new(request.ciaddr, 68);
    let output = proxy().receive_pxe(NOW, &request.encode(1472).unwrap(), from);
    let ack = Packet::parse(&output.reply.as_ref().unwrap().bytes).unwrap();
    assert_eq!(ack.message_type(), Some(MessageType::Ack));
    assert_eq!(output.reply.as_ref().unwrap().to, from);
    assert_eq!(boot_file(&ack), "snponly.efi");
    assert!(text(&output).ends_with("UEFI x64 PXE: told to boot image worker by iPXE (snponly.efi)"));
}

#[test]
fn ipxe_gets_its_script_and_never_itself() {
    for user_class in [&b"iPXE"[..], b"\x04iPXE", b""] {
        let mut request = ipxe(7, MessageType::Discover);
        request.options.put(code::USER_CLASS, user_class);
        let offer = answered(&mut proxy(), &request);
        assert_eq!(boot_file(&offer), "http://10.0.0.1:8000/boot.ipxe?mac=52-54-00-12-34-56&arch=7");
        assert_eq!(offer.options.get(code::IPXE), Some(&[176, 1, 1][..]), "do not wait for others");
    }
    let mut request = ipxe(0, MessageType::Discover);
    request.options.remove(code::IPXE);
    assert!(boot_file(&answered(&mut proxy(), &request)).contains("/boot.ipxe"));
}

#[test]
fn flexboot_without_http_gets_an_ipxe_that_has_it() {
    assert_eq!(boot_file(&answered(&mut proxy(), &flexboot())), "undionly.kpxe");
}

#[test]
fn a_plain_bios_rom_gets_undionly_within_its_576_bytes() {
    let (offer, output) = send(&mut proxy(), NOW, &bios(MessageType::Discover));
    let offer = offer.unwrap();
    assert_eq!((boot_file(&offer), offer.file.as_slice()), ("undionly.kpxe", &b"undionly.kpxe"[..]));
    assert_eq!(offer.options.get(code::VENDOR), Some(&[6, 1, 8, 255][..]));
    assert!(output.reply.unwrap().bytes.len() <= 548);
    assert_eq!(output.event.unwrap().facts.machine.uuid, None, "all ones is no UUID");
}

#[test]
fn uboot_gets_the_uki_of_its_processor_when_there_is_no_ipxe_for_it() {
    assert_eq!(boot_file(&answered(&mut proxy(), &uboot())), "edge/image.efi");
}

#[test]
fn a_raspberry_pi_gets_the_words_that_its_rom_searches_for() {
    let (offer, output) = send(&mut proxy(), NOW, &raspberry_pi());
    let offer = offer.unwrap();
    let words = offer.options.get(code::VENDOR).unwrap();
    assert!(words.windows(17).any(|window| window == b"Raspberry Pi Boot"));
    assert_eq!(offer.options.text(code::TFTP_SERVER), Some("10.0.0.1"));
    assert!(text(&output).contains("Raspberry Pi PXE: offered image edge"), "{}", text(&output));
}

#[test]
fn the_agent_gets_the_manifest_of_its_image() {
    let offer = answered(&mut proxy(), &agent(Some("edge")));
    assert_eq!(offer.options.text(code::VENDOR_CLASS), Some("bootwright"));
    assert_eq!(boot_file(&offer), "http://10.0.0.1:8000/images/edge/image.json");
    assert_eq!(
        boot_file(&answered(&mut proxy(), &agent(None))),
        "http://10.0.0.1:8000/images/worker/image.json"
    );
    let (reply, output) = send(&mut proxy(), NOW, &agent(Some("gone")));
    assert_eq!(reply, None);
    assert!(text(&output).ends_with("agent: not answered: its image \"gone\" is not served here"));
}

#[test]
fn whoever_does_not_boot_hears_nothing_from_a_proxy() {
    let mut udhcpc = packet(MAC, MessageType::Discover);
    udhcpc.options.put(code::VENDOR_CLASS, "udhcp 1.35.0");
    assert_eq!(send(&mut proxy(), NOW, &udhcpc).1, Output::default());
    let request = ovmf("PXEClient", 7, MessageType::Request);
    assert_eq!(send(&mut proxy(), NOW, &request).1, Output::default(), "that is for the DHCP server");
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 77), 68);
    assert_eq!(proxy().receive_pxe(NOW, &udhcpc.encode(1472).unwrap(), from), Output::default());
}

#[test]
fn a_machine_that_no_image_fits_is_named_and_not_answered() {
    let (reply, output) = send(&mut proxy(), NOW, &ovmf("HTTPClient", 0x1c, MessageType::Discover));
    assert_eq!(reply, None);
    let expected = "UEFI riscv64 HTTP: not answered: image worker is for x86_64, the machine is riscv64";
    assert!(text(&output).ends_with(expected), "{}", text(&output));
    let (_, output) = send(&mut proxy(), NOW, &ovmf("PXEClient", 0x63, MessageType::Discover));
    assert!(text(&output).contains("its architecture is not known (option 93: 99)"), "{}", text(&output));
}

#[test]
fn without_an_ipxe_for_bios_the_operator_is_told_what_to_install() {
    let mut server = proxy();
    server.config.boot.loaders.clear();
    let (reply, output) = send(&mut server, NOW, &bios(MessageType::Discover));
    assert_eq!(reply, None);
    assert!(text(&output).contains("there is no iPXE for BIOS: install the package ipxe"));
}

#[test]
fn machines_off_the_list_hear_nothing_and_are_named_once() {
    let mut server = proxy();
    server.config.rules = rules(vec![mac(1)]);
    let (reply, output) = send(&mut server, NOW, &ovmf("HTTPClient", 0x10, MessageType::Discover));
    assert_eq!(reply, None);
    assert!(text(&output).contains("not answered: not on the list of allowed machines"));
    assert!(!output.event.unwrap().is_trouble());
}

#[test]
fn a_dry_run_says_how_it_would_have_answered_and_does_not() {
    let mut server = proxy();
    server.config.sending = Sending::Nothing;
    let (reply, output) = send(&mut server, NOW, &ovmf("HTTPClient", 0x10, MessageType::Discover));
    assert_eq!(reply, None);
    assert_eq!(
        text(&output),
        "52:54:00:12:34:56 UEFI x64 HTTP: would have offered image worker by HTTP Boot"
    );
}

#[test]
fn a_relayed_request_is_answered_to_the_relay_with_its_option() {
    let mut request = ovmf("HTTPClient", 0x10, MessageType::Discover);
    request.giaddr = Ipv4Addr::new(10, 9, 0, 1);
    request.options.put(code::RELAY_AGENT, [1, 2, 0, 7]);
    let (offer, output) = send(&mut proxy(), NOW, &request);
    assert_eq!(output.reply.unwrap().to, SocketAddrV4::new(request.giaddr, SERVER_PORT));
    let offer = offer.unwrap();
    assert_eq!(offer.options.get(code::RELAY_AGENT), Some(&[1, 2, 0, 7][..]));
    assert_eq!(offer.giaddr, request.giaddr);
}

#[test]
fn a_machine_that_shall_ask_again_gets_the_file_from_port_4011_only() {
    use crate::quirks::{Change, Quirk, Who};
    const ASKS_AGAIN: &[Quirk] = &[Quirk {
        name: "test",
        who: Who { ouis: &[[0x52, 0x54, 0]], vendor_class: "PXEClient", architecture: None },
        changes: &[Change::AskAgain],
    }];
    let mut server = proxy();
    server.quirks = ASKS_AGAIN;
    let offer = answered(&mut server, &bios(MessageType::Discover));
    assert_eq!((boot_file(&offer), offer.options.get(code::VENDOR)), ("", None));
    assert_eq!(offer.options.text(code::VENDOR_CLASS), Some("PXEClient"));
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 77), 4011);
    let output = server.receive_pxe(NOW, &bios(MessageType::Request).encode(1472).unwrap(), from);
    let ack = Packet::parse(&output.reply.unwrap().bytes).unwrap();
    assert_eq!(boot_file(&ack), "undionly.kpxe");
}
