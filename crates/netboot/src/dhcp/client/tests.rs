use super::*;
use proptest::prelude::*;

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PROXY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const URL: &str = "http://10.0.0.2/images/worker/image.json";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn client(want: Want) -> Client {
    let image = Some("worker".to_owned());
    Client::new(Config { mac: MAC, uuid: None, image, want, seed: 7 }, seconds(0))
}

fn sent(step: Step) -> (Packet, Ipv4Addr) {
    match step {
        Step::Send { packet, to } => (Packet::parse(&packet).unwrap(), to),
        other => panic!("nothing was sent: {other:?}"),
    }
}

fn answer(to: &Packet, kind: MessageType, server: Ipv4Addr) -> Packet {
    let mut answer = to.reply(kind);
    answer.options.put(code::SERVER_ID, server.octets());
    answer
}

fn lease(to: &Packet, kind: MessageType) -> Vec<u8> {
    let mut answer = answer(to, kind, SERVER);
    answer.yiaddr = Ipv4Addr::new(10, 0, 0, 50);
    answer.options.put_addresses(code::SUBNET_MASK, &[Ipv4Addr::new(255, 255, 255, 0)]);
    answer.options.put_addresses(code::ROUTER, &[SERVER]);
    answer.options.put(code::LEASE_TIME, 1000u32.to_be_bytes());
    answer.encode(1472).unwrap()
}

fn proxy_offer(to: &Packet) -> Vec<u8> {
    let mut answer = answer(to, MessageType::Offer, PROXY);
    answer.options.put(code::VENDOR_CLASS, AGENT_CLASS);
    answer.options.put(code::BOOT_FILE, URL);
    answer.encode(1472).unwrap()
}

/// A client that holds the lease of [`lease`] since second 1.
fn bound() -> Client {
    let mut client = client(Want::Address);
    let (discover, _) = sent(client.poll(seconds(0)));
    client.receive(seconds(0), &lease(&discover, MessageType::Offer));
    let (request, _) = sent(client.poll(seconds(1)));
    assert!(matches!(client.receive(seconds(1), &lease(&request, MessageType::Ack)), Some(Event::Bound(_))));
    client
}

#[test]
fn it_asks_as_bootwright_with_its_image_and_wants_broadcast_answers() {
    let (discover, to) = sent(client(Want::Address).poll(seconds(0)));
    assert_eq!(to, Ipv4Addr::BROADCAST);
    assert_eq!(discover.message_type(), Some(MessageType::Discover));
    assert_eq!(discover.flags, BROADCAST);
    let facts = crate::Facts::read(&discover).unwrap();
    assert_eq!(facts.asker, crate::Asker::Agent);
    assert_eq!(facts.user_class.as_deref(), Some("worker"));
}

#[test]
fn the_lease_of_one_server_and_the_image_of_a_proxy_are_put_together() {
    let mut client = client(Want::AddressAndImage);
    let (discover, _) = sent(client.poll(seconds(0)));
    assert_eq!(client.receive(seconds(0), &lease(&discover, MessageType::Offer)), None);
    assert_eq!(client.poll(seconds(0)), Step::WaitUntil(PROXY_WINDOW));
    assert_eq!(client.receive(seconds(1), &proxy_offer(&discover)), None);
    assert_eq!(client.poll(seconds(1)), Step::WaitUntil(seconds(1) + WINDOW), "both are there");
    let (request, to) = sent(client.poll(seconds(2)));
    assert_eq!((request.message_type(), to), (Some(MessageType::Request), Ipv4Addr::BROADCAST));
    assert_eq!(request.options.address(code::SERVER_ID), Some(SERVER));
    assert_eq!(request.options.address(code::REQUESTED_ADDRESS), Some(Ipv4Addr::new(10, 0, 0, 50)));
    let Some(Event::Bound(lease)) = client.receive(seconds(2), &lease(&request, MessageType::Ack)) else {
        panic!("not bound")
    };
    assert_eq!((lease.prefix, lease.router, lease.image.as_deref()), (24, Some(SERVER), Some(URL)));
}

#[test]
fn a_proxy_alone_gives_no_lease_and_it_goes_on_asking() {
    let mut client = client(Want::AddressAndImage);
    let (discover, _) = sent(client.poll(seconds(0)));
    client.receive(seconds(0), &proxy_offer(&discover));
    let (again, _) = sent(client.poll(seconds(2)));
    assert_eq!(again.message_type(), Some(MessageType::Discover));
    client.receive(seconds(2), &lease(&again, MessageType::Offer));
    let (request, _) = sent(client.poll(seconds(3)));
    let Some(Event::Bound(lease)) = client.receive(seconds(3), &lease(&request, MessageType::Ack)) else {
        panic!("not bound")
    };
    assert_eq!(lease.image.as_deref(), Some(URL), "the proxy's offer still counts");
}

#[test]
fn boot_files_of_other_servers_are_not_taken_for_images() {
    let mut client = client(Want::AddressAndImage);
    let (discover, _) = sent(client.poll(seconds(0)));
    let mut offer = Packet::parse(&lease(&discover, MessageType::Offer)).unwrap();
    offer.options.put(code::BOOT_FILE, "http://10.0.0.9/pxelinux.0");
    assert_eq!(Lease::read(&offer).unwrap().image, None);
    offer.options.put(code::VENDOR_CLASS, AGENT_CLASS);
    offer.options.put(code::BOOT_FILE, "http://10.0.0.9/a b\n");
    assert_eq!(Lease::read(&offer).unwrap().image, None);
}

#[test]
fn waits_double_and_a_request_without_answer_starts_over() {
    let mut client = client(Want::Address);
    let mut times = Vec::new();
    let mut now = seconds(0);
    for _ in 0..6 {
        let _ = sent(client.poll(now));
        let Step::WaitUntil(next) = client.poll(now) else { panic!("no wait") };
        times.push((next - now).as_secs());
        now = next;
    }
    assert!(times[..5].is_sorted() && times[0] == 1 && times.iter().all(|wait| *wait <= 20), "{times:?}");

    let (discover, _) = sent(client.poll(now));
    client.receive(now, &lease(&discover, MessageType::Offer));
    now += seconds(1);
    let mut kinds = Vec::new();
    for _ in 0..6 {
        kinds.push(sent(client.poll(now)).0.message_type().unwrap());
        if let Step::WaitUntil(next) = client.poll(now) {
            now = next;
        }
    }
    assert_eq!(kinds[..4], [MessageType::Request; 4]);
    assert_eq!(kinds[4], MessageType::Discover);
}

#[test]
fn it_renews_at_t1_with_the_server_at_t2_with_anybody_and_then_lets_go() {
    let mut client = bound();
    assert_eq!(client.poll(seconds(2)), Step::WaitUntil(seconds(501)));
    let (renew, to) = sent(client.poll(seconds(501)));
    assert_eq!((to, renew.ciaddr), (SERVER, Ipv4Addr::new(10, 0, 0, 50)));
    assert_eq!(renew.options.get(code::SERVER_ID), None);
    let (_, to) = sent(client.poll(seconds(877)));
    assert_eq!(to, Ipv4Addr::BROADCAST);
    assert_eq!(client.poll(seconds(1001)), Step::Expired);
    assert_eq!(sent(client.poll(seconds(1001))).0.message_type(), Some(MessageType::Discover));
}

#[test]
fn a_renewed_lease_counts_from_its_ack() {
    let mut client = bound();
    let (renew, _) = sent(client.poll(seconds(501)));
    assert!(matches!(
        client.receive(seconds(502), &lease(&renew, MessageType::Ack)),
        Some(Event::Renewed(_))
    ));
    assert_eq!(client.poll(seconds(503)), Step::WaitUntil(seconds(1002)));
}

#[test]
fn a_nak_is_told_in_the_words_of_the_server() {
    let mut client = client(Want::Address);
    let (discover, _) = sent(client.poll(seconds(0)));
    client.receive(seconds(0), &lease(&discover, MessageType::Offer));
    let (request, _) = sent(client.poll(seconds(1)));
    let mut nak = answer(&request, MessageType::Nak, SERVER);
    nak.options.put(code::MESSAGE, "wrong network");
    let event = client.receive(seconds(1), &nak.encode(1472).unwrap());
    assert_eq!(event, Some(Event::Refused(Some("wrong network".into()))));
}

#[test]
fn answers_to_others_are_passed_over() {
    let mut client = client(Want::Address);
    let (mut discover, _) = sent(client.poll(seconds(0)));
    discover.xid ^= 1;
    assert_eq!(client.receive(seconds(0), &lease(&discover, MessageType::Offer)), None);
    assert!(matches!(client.poll(seconds(0)), Step::WaitUntil(_)), "no offer counted");
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(changes in proptest::collection::vec((0usize..400, any::<u8>()), 0..30)) {
        let mut client = client(Want::AddressAndImage);
        let (discover, _) = sent(client.poll(seconds(0)));
        for kind in [MessageType::Offer, MessageType::Ack] {
            let mut bytes = lease(&discover, kind);
            for (at, value) in &changes {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte = *value;
                }
            }
            let _ = client.receive(seconds(1), &bytes);
            let _ = client.poll(seconds(4));
        }
    }
}
