use super::firmware::{agent, bios, ipxe, ovmf};
use super::*;
use std::net::Ipv4Addr as Ip;

const FIRST: Ip = Ip::new(10, 0, 0, 50);

fn discover(mac: Mac) -> Packet {
    packet(mac, MessageType::Discover)
}

/// SELECTING: takes the offer.
fn select(mac: Mac, address: Ip) -> Packet {
    let mut request = packet(mac, MessageType::Request);
    request.options.put(code::SERVER_ID, SERVER.octets());
    request.options.put(code::REQUESTED_ADDRESS, address.octets());
    request
}

/// RENEWING: by unicast, from the address itself.
fn renew(mac: Mac, address: Ip) -> Packet {
    let mut request = packet(mac, MessageType::Request);
    request.ciaddr = address;
    request
}

fn lease(server: &mut Server, now: Duration, mac: Mac) -> Ip {
    let offer = send(server, now, &discover(mac)).0.unwrap();
    let ack = send(server, now, &select(mac, offer.yiaddr)).0.unwrap();
    assert_eq!(ack.message_type(), Some(MessageType::Ack));
    ack.yiaddr
}

#[test]
fn four_messages_make_a_lease() {
    let mut server = full();
    let (offer, output) = send(&mut server, NOW, &ovmf("HTTPClient", 0x10, MessageType::Discover));
    let offer = offer.unwrap();
    assert_eq!((offer.yiaddr, output.change.as_ref()), (FIRST, None));
    let expected = "52:54:00:12:34:56 UEFI x64 HTTP: offered 10.0.0.50, image worker by HTTP Boot";
    assert_eq!(text(&output), expected);
    let mut request = ovmf("HTTPClient", 0x10, MessageType::Request);
    request.options.put(code::SERVER_ID, SERVER.octets());
    request.options.put(code::REQUESTED_ADDRESS, FIRST.octets());
    let (ack, output) = send(&mut server, NOW, &request);
    let ack = ack.unwrap();
    assert_eq!((ack.message_type(), ack.yiaddr), (Some(MessageType::Ack), FIRST));
    assert_eq!(ack.options.seconds(code::LEASE_TIME), Some(3600));
    assert_eq!(ack.options.seconds(code::RENEWAL), Some(1800));
    assert_eq!(ack.options.seconds(code::REBINDING), Some(3150));
    assert_eq!(ack.options.address(code::SUBNET_MASK), Some(Ip::new(255, 255, 255, 0)));
    assert_eq!(ack.options.address(code::ROUTER), Some(SERVER));
    assert_eq!(ack.options.address(code::DNS), Some(SERVER));
    assert_eq!(ack.options.text(code::DOMAIN_NAME), Some("lab"));
    assert!(ack.options.text(code::BOOT_FILE).unwrap().ends_with("/image.efi"));
    let kept = output.change.unwrap();
    assert_eq!((kept.address, kept.state, kept.ends), (FIRST, State::Bound, NOW.as_secs() + 3600));
}

#[test]
fn whoever_only_wants_an_address_gets_that() {
    let mut server = full();
    let (offer, output) = send(&mut server, NOW, &discover(mac(1)));
    let offer = offer.unwrap();
    assert_eq!(offer.options.get(code::BOOT_FILE), None);
    assert_eq!(offer.siaddr, Ip::UNSPECIFIED);
    assert_eq!(text(&output), "52:54:00:00:00:01 DHCP client: offered 10.0.0.50");
}

#[test]
fn one_machine_keeps_one_address_through_all_stages_of_its_boot() {
    let mut server = full();
    let mut system = discover(MAC);
    system.options.put(code::CLIENT_ID, [255, 1, 2, 3, 4, 0, 2]);
    let stages =
        [ovmf("PXEClient", 7, MessageType::Discover), ipxe(7, MessageType::Discover), agent(None), system];
    for stage in &stages {
        let offer = answered(&mut server, stage);
        assert_eq!(offer.yiaddr, FIRST, "{stage:?}");
        let mut request = stage.clone();
        request.options.put(code::MESSAGE_TYPE, [MessageType::Request as u8]);
        request.options.put(code::SERVER_ID, SERVER.octets());
        request.options.put(code::REQUESTED_ADDRESS, offer.yiaddr.octets());
        assert_eq!(answered(&mut server, &request).yiaddr, FIRST);
    }
    assert_eq!(answered(&mut server, &stages[0]).yiaddr, FIRST, "and again after a reboot");
    let mut other = discover(MAC);
    other.options.put(code::CLIENT_ID, [255, 9, 9, 9, 9]);
    assert_ne!(answered(&mut server, &other).yiaddr, FIRST, "two systems behind one MAC are two clients");
}

#[test]
fn a_lease_is_renewed_by_unicast_and_found_again_after_a_reboot() {
    let mut server = full();
    let address = lease(&mut server, NOW, mac(1));
    let later = NOW + Duration::from_secs(1800);
    let (ack, output) = send(&mut server, later, &renew(mac(1), address));
    assert_eq!(ack.unwrap().message_type(), Some(MessageType::Ack));
    assert_eq!(output.reply.unwrap().to, SocketAddrV4::new(address, CLIENT_PORT));
    assert_eq!(output.change.unwrap().ends, later.as_secs() + 3600);
    let mut reboot = packet(mac(1), MessageType::Request);
    reboot.options.put(code::REQUESTED_ADDRESS, address.octets());
    assert_eq!(answered(&mut server, &reboot).yiaddr, address);
}

#[test]
fn an_address_of_another_network_or_machine_is_denied_by_broadcast() {
    let mut server = full();
    let address = lease(&mut server, NOW, mac(1));
    let mut moved = packet(mac(2), MessageType::Request);
    moved.options.put(code::REQUESTED_ADDRESS, [192, 168, 1, 5]);
    let (nak, output) = send(&mut server, NOW, &moved);
    assert_eq!(nak.unwrap().message_type(), Some(MessageType::Nak));
    assert_eq!(output.reply.as_ref().unwrap().to, BROADCAST_TO);
    assert!(text(&output).ends_with("denied 192.168.1.5: the address is of another network"));
    let (nak, output) = send(&mut server, NOW, &renew(mac(2), address));
    assert_eq!(nak.unwrap().message_type(), Some(MessageType::Nak));
    assert_eq!(output.reply.unwrap().to, BROADCAST_TO, "not to the address that it must not have");
}

#[test]
fn clients_of_other_servers_are_left_alone() {
    let mut server = full();
    let mut request = select(mac(1), FIRST);
    request.options.put(code::SERVER_ID, [10, 0, 0, 2]);
    assert_eq!(send(&mut server, NOW, &request).1, Output::default());
    let mut reboot = packet(mac(1), MessageType::Request);
    reboot.options.put(code::REQUESTED_ADDRESS, [10, 0, 0, 200]);
    assert_eq!(send(&mut server, NOW, &reboot).1, Output::default(), "of our network, not of our range");
}

#[test]
fn an_offer_that_another_server_won_is_free_at_once() {
    let mut server = full_with(subnet(50, 50));
    assert_eq!(answered(&mut server, &discover(mac(1))).yiaddr, FIRST);
    assert_eq!(send(&mut server, NOW, &discover(mac(2))).0, None);
    let mut request = select(mac(1), Ip::new(10, 0, 0, 9));
    request.options.put(code::SERVER_ID, [10, 0, 0, 2]);
    send(&mut server, NOW, &request);
    assert_eq!(answered(&mut server, &discover(mac(2))).yiaddr, FIRST);
}

#[test]
fn a_range_that_is_used_up_says_so_and_recovers_when_offers_or_leases_end() {
    let mut server = full_with(subnet(50, 51));
    lease(&mut server, NOW, mac(1));
    send(&mut server, NOW, &discover(mac(2)));
    let (reply, output) = send(&mut server, NOW, &discover(mac(3)));
    assert_eq!(reply, None);
    assert!(text(&output).contains("no address left: widen the range"));
    let offer_over = NOW + OFFER_TIME;
    assert_eq!(lease(&mut server, offer_over, mac(3)), Ip::new(10, 0, 0, 51));
    let lease_over = NOW + LEASE_TIME;
    assert_eq!(lease(&mut server, lease_over, mac(4)), FIRST);
    assert_eq!(send(&mut server, lease_over, &discover(mac(5))).0, None);
}

#[test]
fn an_address_that_is_in_use_rests_for_a_while() {
    let mut server = full_with(subnet(50, 51));
    let address = lease(&mut server, NOW, mac(1));
    let mut decline = packet(mac(1), MessageType::Decline);
    decline.options.put(code::SERVER_ID, SERVER.octets());
    decline.options.put(code::REQUESTED_ADDRESS, address.octets());
    let (_, output) = send(&mut server, NOW, &decline);
    assert!(text(&output).contains("refused 10.0.0.50 because another machine uses it"));
    assert_eq!(output.change.unwrap().state, State::Quarantined);
    assert_eq!(lease(&mut server, NOW, mac(1)), Ip::new(10, 0, 0, 51));
    assert_eq!(send(&mut server, NOW, &discover(mac(2))).0, None, "not the one that rests");
    assert_eq!(lease(&mut server, NOW + QUARANTINE, mac(2)), FIRST);
}

#[test]
fn nobody_can_decline_or_release_what_is_not_his() {
    let mut server = full();
    let address = lease(&mut server, NOW, mac(1));
    let mut decline = packet(mac(2), MessageType::Decline);
    decline.options.put(code::SERVER_ID, SERVER.octets());
    decline.options.put(code::REQUESTED_ADDRESS, address.octets());
    assert_eq!(send(&mut server, NOW, &decline).1, Output::default());
    let mut release = packet(mac(2), MessageType::Release);
    release.ciaddr = address;
    assert_eq!(send(&mut server, NOW, &release).1, Output::default());
}

#[test]
fn a_released_address_is_free_and_remembered() {
    let mut server = full();
    let address = lease(&mut server, NOW, mac(1));
    let mut release = packet(mac(1), MessageType::Release);
    release.ciaddr = address;
    let (_, output) = send(&mut server, NOW, &release);
    assert_eq!(output.change.unwrap().ends, NOW.as_secs());
    assert_ne!(lease(&mut server, NOW, mac(2)), address, "others get fresh ones first");
    assert_eq!(lease(&mut server, NOW, mac(1)), address);
}

#[test]
fn a_reservation_is_for_its_machine_alone() {
    let mut subnet = subnet(50, 51);
    let reserved = Reservation { address: FIRST, host_name: Some("node1".into()) };
    subnet.reservations.insert(mac(7), reserved);
    let mut server = full_with(subnet);
    assert_eq!(lease(&mut server, NOW, mac(1)), Ip::new(10, 0, 0, 51));
    assert_eq!(send(&mut server, NOW, &discover(mac(2))).0, None);
    let offer = answered(&mut server, &discover(mac(7)));
    assert_eq!((offer.yiaddr, offer.options.text(code::HOST_NAME)), (FIRST, Some("node1")));
    let (nak, _) = send(&mut server, NOW, &select(mac(7), Ip::new(10, 0, 0, 51)));
    assert_eq!(nak.unwrap().message_type(), Some(MessageType::Nak));
}

#[test]
fn leases_that_are_read_back_hold() {
    let mut server = full();
    let address = lease(&mut server, NOW, mac(1));
    let mut leases = Leases::default();
    for lease in server.leases().iter() {
        leases.restore(lease.to_string().parse().unwrap());
    }
    let subnet = Subnet::new(subnet(50, 50), SERVER).unwrap();
    let mut server = Server::new(config(Mode::Full(vec![subnet.into()])), leases);
    assert_eq!(send(&mut server, NOW, &discover(mac(2))).0, None);
    assert_eq!(lease(&mut server, NOW, mac(1)), address);
}

#[test]
fn a_server_that_lost_its_leases_gives_a_running_machine_its_address_again() {
    assert_eq!(answered(&mut full(), &renew(mac(1), FIRST)).message_type(), Some(MessageType::Ack));
}

#[test]
fn a_relay_gets_addresses_of_its_own_subnet() {
    let far = SubnetConfig {
        network: Ip::new(10, 9, 0, 0),
        ranges: vec![Ip::new(10, 9, 0, 100)..=Ip::new(10, 9, 0, 200)],
        ..subnet(50, 51)
    };
    let subnets = [subnet(50, 51), far].map(|subnet| Subnet::new(subnet, SERVER).unwrap().into());
    let mut server = Server::new(config(Mode::Full(subnets.into())), Leases::default());
    let mut relayed = discover(mac(1));
    relayed.giaddr = Ip::new(10, 9, 0, 1);
    let (offer, output) = send(&mut server, NOW, &relayed);
    assert_eq!(offer.unwrap().yiaddr, Ip::new(10, 9, 0, 100));
    assert_eq!(output.reply.unwrap().to, SocketAddrV4::new(relayed.giaddr, SERVER_PORT));
    relayed.giaddr = Ip::new(10, 8, 0, 1);
    let (reply, output) = send(&mut server, NOW, &relayed);
    assert_eq!(reply, None);
    assert!(text(&output).contains("relayed by 10.8.0.1, for which no subnet is configured"));
}

#[test]
fn inform_is_answered_without_a_lease() {
    let mut inform = packet(mac(1), MessageType::Inform);
    inform.ciaddr = Ip::new(10, 0, 0, 9);
    let (ack, output) = send(&mut full(), NOW, &inform);
    let ack = ack.unwrap();
    assert_eq!((ack.yiaddr, ack.options.seconds(code::LEASE_TIME)), (Ip::UNSPECIFIED, None));
    assert_eq!(ack.options.address(code::DNS), Some(SERVER));
    assert_eq!((output.reply.unwrap().to.ip(), output.change), (&inform.ciaddr, None));
}

#[test]
fn a_machine_that_cannot_boot_anything_here_still_gets_an_address_and_the_operator_a_reason() {
    let mut server = full();
    server.config.boot.loaders.clear();
    let (offer, output) = send(&mut server, NOW, &bios(MessageType::Discover));
    assert_eq!(offer.unwrap().yiaddr, FIRST);
    assert!(text(&output).contains("offered 10.0.0.50, nothing to boot: there is no iPXE for BIOS"));
    assert!(output.event.unwrap().is_trouble());
}

#[test]
fn a_dry_run_keeps_and_sends_nothing() {
    let mut server = full();
    server.config.sending = Sending::Nothing;
    let (reply, output) = send(&mut server, NOW, &discover(mac(1)));
    assert_eq!((reply, output.change.is_some()), (None, false));
    assert_eq!(text(&output), "52:54:00:00:00:01 DHCP client: would have offered 10.0.0.50");
}
