//! What a peer says: the wire protocol, and the policy that is told of it.

use std::time::Duration;

use bootwright_fetch::swarm::Bits;
use bootwright_fetch::swarm::policy::{
    Action, Block, Event, Got, Greeting, Limits, PeerId, Seeding, Swarm, Talk,
};
use bootwright_fetch::swarm::wire::{Extended, Message, Metadata, decode, encode_talk, longest};
use bytes::BytesMut;

const CHUNK: u32 = 64 << 10;
const SIZE: u64 = 5 * CHUNK as u64 + 100;
const US: PeerId = PeerId(1);

/// Whatever a peer says: no message is longer than the longest, what the policy uploads lies within the
/// file, and what it asks for does too.
pub fn target(data: &[u8]) {
    let limits = Limits::new(SIZE, CHUNK);
    let mut stored = Bits::none(limits.chunks());
    stored.insert(0);
    let mut swarms =
        [Seeding::Plain, Seeding::Revealing].map(|seeding| Swarm::new(limits, stored.clone(), seeding, 1));
    for swarm in &mut swarms {
        swarm.handle(Duration::ZERO, Event::Joined(US, Greeting { fast: true, requests: 10, origin: false }));
        let mut received = BytesMut::from(data);
        let mut now = Duration::ZERO;
        while let Ok(Some(message)) = decode(&mut received, limits.chunks()) {
            now += Duration::from_millis(20);
            say(swarm, now, message, &limits);
            while let Some(action) = swarm.poll(now) {
                if let Action::Upload(_, block) | Action::Tell(_, Talk::Request(block)) = action {
                    assert!(block.length > 0 && block.begin + block.length <= limits.length(block.chunk));
                }
            }
        }
    }
}

fn say(swarm: &mut Swarm, now: Duration, message: Message, limits: &Limits) {
    match message {
        Message::Talk(talk) => swarm.handle(now, Event::Told(US, talk)),
        Message::Piece(block, bytes) => {
            assert!(bytes.len() <= longest(limits.chunks()) as usize);
            if swarm.arrived(now, US, block) == Got::Whole {
                swarm.handle(now, Event::Refused(US, block.chunk));
            }
        }
        Message::Extended(0, payload) => {
            let _ = Extended::read(&payload);
        }
        Message::Extended(_, payload) => {
            let _ = Metadata::read(&payload);
        }
        Message::KeepAlive | Message::Other(_) => {}
    }
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let block = Block { chunk: 0, begin: 0, length: 16 << 10 };
    for talk in [Talk::HaveAll, Talk::Unchoke, Talk::Interested, Talk::Request(block), Talk::Cancel(block)] {
        encode_talk(&talk, &mut bytes);
    }
    for talk in [Talk::Have(3), Talk::Reject(Block { chunk: 1, ..block }), Talk::Choke] {
        encode_talk(&talk, &mut bytes);
    }
    bytes.to_vec()
}
