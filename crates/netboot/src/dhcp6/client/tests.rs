use super::*;
use crate::dhcp6::Options;

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const ADDRESS: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50];
const SERVER: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 9];

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn client(want: Want) -> Client {
    Client::new(Config { mac: MAC, want, seed: 7 }, at(0))
}

fn sent(client: &mut Client, now: Duration) -> Message {
    match client.poll(now) {
        Step::Send(packet) => Message::parse(&packet).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A server's answer to `question`; T1 1000 s, T2 1600 s, 1800 s of preference, 2000 s in all.
fn answer(question: &Message, kind: Kind, change: impl FnOnce(&mut Options, &mut Options)) -> Vec<u8> {
    let mut message = Message::new(kind, question.transaction);
    let options = &mut message.options;
    options.put(code::CLIENT_ID, question.options.get(code::CLIENT_ID).unwrap());
    options.put(code::SERVER_ID, SERVER);
    options.put(code::DNS, [&ADDRESS[..15], &[0x53]].concat());
    options.put(code::DOMAINS, *b"\x03lab\x07example\0");
    let mut inner = Options::default();
    inner.put(code::IA_ADDRESS, [&ADDRESS[..], &1800_u32.to_be_bytes(), &2000_u32.to_be_bytes()].concat());
    change(options, &mut inner);
    let mut value = [iaid(MAC).to_be_bytes(), 1000_u32.to_be_bytes(), 1600_u32.to_be_bytes()].concat();
    inner.encode(&mut value);
    if question.kind != Kind::InformationRequest {
        options.put(code::IA_NA, value);
    }
    message.encode()
}

fn bound() -> (Client, Lease) {
    let mut client = client(Want::Address);
    let solicit = sent(&mut client, at(0));
    let reply = answer(&solicit, Kind::Reply, |options, _| options.put(code::RAPID_COMMIT, []));
    match client.receive(at(0), &reply) {
        Some(Event::Bound(lease)) => (client, lease),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_messages_do_with_a_server_that_commits_at_once() {
    let (_, lease) = bound();
    assert_eq!(lease.address, Some(ADDRESS.into()));
    assert_eq!(lease.dns, ["fd00::53".parse::<std::net::Ipv6Addr>().unwrap()]);
    assert_eq!(lease.domains, ["lab.example"]);
    assert_eq!([lease.renewal, lease.rebinding, lease.valid], [at(1000), at(1600), at(2000)]);
}

#[test]
fn the_preferred_server_is_asked_after_a_second_of_advertisements() {
    let mut client = client(Want::Address);
    let solicit = sent(&mut client, at(0));
    assert_eq!(solicit.kind, Kind::Solicit);
    let weak = answer(&solicit, Kind::Advertise, |_, _| {});
    let strong = answer(&solicit, Kind::Advertise, |options, _| options.put(code::PREFERENCE, [9]));
    assert_eq!((client.receive(at(0), &weak), client.receive(at(0), &strong)), (None, None));
    assert_eq!(client.poll(at(0)), Step::WaitUntil(at(1)));
    let request = sent(&mut client, at(1));
    assert_eq!(request.kind, Kind::Request);
    assert_eq!(request.options.get(code::SERVER_ID), Some(&SERVER[..]));
    let reply = answer(&request, Kind::Reply, |_, _| {});
    assert!(matches!(client.receive(at(1), &reply), Some(Event::Bound(_))));
}

#[test]
fn a_server_with_the_highest_preference_is_not_waited_for() {
    let mut client = client(Want::Address);
    let solicit = sent(&mut client, at(0));
    let advertise = answer(&solicit, Kind::Advertise, |options, _| options.put(code::PREFERENCE, [255]));
    client.receive(at(0), &advertise);
    assert_eq!(sent(&mut client, at(0)).kind, Kind::Request);
}

#[test]
fn questions_come_again_with_growing_waits() {
    let mut client = client(Want::Address);
    let mut times = Vec::new();
    let mut now = at(0);
    while now < at(60) {
        match client.poll(now) {
            Step::Send(_) => times.push(now),
            Step::WaitUntil(then) => now = then,
            Step::Expired => panic!("there is no lease"),
        }
    }
    let waits: Vec<f32> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f32()).collect();
    for (wait, wanted) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 16.0]) {
        assert!((wanted * 0.9..=wanted * 1.1).contains(wait), "{waits:?}");
    }
}

#[test]
fn a_lease_is_renewed_then_rebound_then_gone() {
    let (mut client, _) = bound();
    assert_eq!(client.poll(at(999)), Step::WaitUntil(at(1000)));
    let renew = sent(&mut client, at(1000));
    assert_eq!((renew.kind, renew.options.get(code::SERVER_ID)), (Kind::Renew, Some(&SERVER[..])));
    let rebind = sent(&mut client, at(1600));
    assert_eq!((rebind.kind, rebind.options.get(code::SERVER_ID)), (Kind::Rebind, None));
    let reply = answer(&rebind, Kind::Reply, |_, _| {});
    assert!(matches!(client.clone().receive(at(1601), &reply), Some(Event::Renewed(_))));
    assert_eq!(client.poll(at(2000)), Step::Expired);
    assert_eq!(sent(&mut client, at(2000)).kind, Kind::Solicit);
}

#[test]
fn information_alone_asks_for_no_address() {
    let mut client = client(Want::Information);
    let question = sent(&mut client, at(0));
    assert_eq!((question.kind, question.options.get(code::IA_NA)), (Kind::InformationRequest, None));
    let reply = answer(&question, Kind::Reply, |_, _| {});
    let Some(Event::Bound(lease)) = client.receive(at(0), &reply) else { panic!("no lease") };
    assert_eq!((lease.address, lease.dns.len()), (None, 1));
    assert!(matches!(client.poll(at(1)), Step::WaitUntil(_)));
}

#[test]
fn a_refusal_is_told_and_asked_again_later() {
    let mut client = client(Want::Address);
    let solicit = sent(&mut client, at(0));
    let refusal = answer(&solicit, Kind::Advertise, |_, inner| inner.put(code::STATUS, *b"\0\x02none left"));
    let event = client.receive(at(0), &refusal);
    assert_eq!(event, Some(Event::Refused("NoAddrsAvail: none left".into())));
    assert_eq!(sent(&mut client, at(2)).kind, Kind::Solicit);
}

#[test]
fn answers_to_others_and_broken_ones_are_passed_over() {
    let mut client = client(Want::Address);
    let solicit = sent(&mut client, at(0));
    let commit = |options: &mut Options, _: &mut Options| options.put(code::RAPID_COMMIT, []);
    let good = answer(&solicit, Kind::Reply, commit);
    let mut other = good.clone();
    other[3] ^= 1;
    assert_eq!(client.receive(at(0), &other), None);
    assert_eq!(client.receive(at(0), &answer(&solicit, Kind::Reply, |_, _| {})), None, "no rapid commit");
    for end in 0..good.len() {
        let event = client.clone().receive(at(0), &good[..end]);
        assert!(!matches!(event, Some(Event::Bound(_))), "{end}: {event:?}");
    }
    let multicast = answer(&solicit, Kind::Reply, |options, inner| {
        options.put(code::RAPID_COMMIT, []);
        *inner = Options::default();
        inner.put(code::IA_ADDRESS, [&[0xff; 16][..], &[0, 0, 9, 9], &[0, 0, 9, 9]].concat());
    });
    assert_eq!(
        client.receive(at(0), &multicast),
        Some(Event::Refused("an answer without an address".into()))
    );
}
