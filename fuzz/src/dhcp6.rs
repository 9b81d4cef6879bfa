//! DHCPv6 messages through the agent's client, and router advertisements.

use std::time::Duration;

use bootwright_netboot::dhcp6::client::{Client, Config, Event, Step, Want};
use bootwright_netboot::dhcp6::{Kind, Message, Options, code};
use bootwright_netboot::{Mac, ndp};

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

/// Any bytes, as they are and as an answer to what the client asked: a lease that comes of it has an address that
/// an interface can have.
pub fn target(data: &[u8]) {
    let _ = ndp::read(data);
    for want in [Want::Address, Want::Information] {
        let mut client = Client::new(Config { mac: MAC, want, seed: 1 }, Duration::ZERO);
        let Step::Send(question) = client.poll(Duration::ZERO) else { continue };
        let mut events = vec![client.clone().receive(Duration::ZERO, data)];
        let mut answer = data.to_vec();
        if let (Some(into), Some(transaction)) = (answer.get_mut(1..4), question.get(1..4)) {
            into.copy_from_slice(transaction);
        }
        for second in 0..3 {
            events.push(client.receive(Duration::from_secs(second), &answer));
            let _ = client.poll(Duration::from_secs(second * 1000));
        }
        for event in events.into_iter().flatten() {
            if let Event::Bound(lease) | Event::Renewed(lease) = event {
                let odd =
                    lease.address.is_some_and(|address| address.is_multicast() || address.is_unspecified());
                assert!(
                    !odd && lease.renewal <= lease.rebinding && lease.rebinding <= lease.valid,
                    "{lease:?}"
                );
            }
        }
    }
}

/// A valid input: a REPLY with rapid commit to whom we are.
pub fn seed() -> Vec<u8> {
    let mut message = Message::new(Kind::Reply, 0);
    let options = &mut message.options;
    options.put(code::CLIENT_ID, [&[0, 3, 0, 1][..], &MAC.0].concat());
    options.put(code::SERVER_ID, [0, 3, 0, 1, 2, 0, 0, 0, 0, 9]);
    options.put(code::RAPID_COMMIT, []);
    options.put(code::DNS, [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53]);
    options.put(code::DOMAINS, *b"\x03lab\x07example\0");
    let mut address = vec![0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50];
    address.extend([0, 0, 7, 8, 0, 0, 7, 0xd0]);
    let mut inner = Options::default();
    inner.put(code::IA_ADDRESS, address);
    let mut identity = vec![0, 0x12, 0x34, 0x56, 0, 0, 3, 0xe8, 0, 0, 6, 0x40];
    inner.encode(&mut identity);
    options.put(code::IA_NA, identity);
    message.encode()
}
