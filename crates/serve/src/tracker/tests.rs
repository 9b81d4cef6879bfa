use super::*;
use proptest::prelude::*;

const HASH: InfoHash = InfoHash([0xab; 20]);
const SECOND: Duration = Duration::from_secs(1);

fn tracker() -> Tracker {
    let mut tracker = Tracker::new(7);
    tracker.track(&[Tracked { info_hash: HASH, image: "worker".into(), size: 1000 }]);
    tracker
}

fn query(id: u8, rest: &str) -> String {
    let (hash, id) = ("%AB".repeat(20), format!("%{id:02x}").repeat(20));
    format!("info_hash={hash}&peer_id={id}&uploaded=0&downloaded=0{rest}")
}

fn ask(tracker: &mut Tracker, now: u64, from: &str, query: &str) -> Vec<u8> {
    let own = ["10.0.0.1".parse().unwrap()];
    tracker.announce(SECOND * now as u32, from.parse().unwrap(), &own, query)
}

fn failure_of(answer: &[u8]) -> String {
    let answer = Value::decode(answer).unwrap();
    answer.get("failure reason").and_then(Value::text).unwrap_or_default().to_owned()
}

/// Addresses of a packed answer.
fn peers(answer: &[u8]) -> Vec<String> {
    let answer = Value::decode(answer).unwrap();
    let of = |key| answer.get(key).and_then(Value::bytes).unwrap();
    let port = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    let v4 = of("peers").chunks(6).map(|p| format!("{}.{}.{}.{}:{}", p[0], p[1], p[2], p[3], port(&p[4..])));
    let v6 = of("peers6").chunks(18).map(|p| {
        let ip = std::net::Ipv6Addr::from(<[u8; 16]>::try_from(&p[..16]).unwrap());
        format!("[{ip}]:{}", port(&p[16..]))
    });
    let mut all: Vec<_> = v4.chain(v6).collect();
    all.sort();
    all
}

#[test]
fn peers_hear_of_each_other_in_both_families() {
    let mut tracker = tracker();
    let first = ask(&mut tracker, 0, "10.0.0.2", &query(1, "&port=6881&left=1000&event=started&compact=1"));
    assert_eq!(first, b"d8:completei0e10:incompletei1e8:intervali30e12:min intervali15e5:peers0:6:peers60:e");
    ask(&mut tracker, 1, "fd00::3", &query(2, "&port=6882&left=0"));
    ask(&mut tracker, 1, "::ffff:10.0.0.4", &query(3, "&port=6883&left=5"));
    let answer = ask(&mut tracker, 2, "10.0.0.2", &query(1, "&port=6881&left=900"));
    assert_eq!(peers(&answer), ["10.0.0.4:6883", "[fd00::3]:6882"]);
    // Who has everything needs nobody who has, and no more than it asks for.
    let answer = ask(&mut tracker, 2, "10.0.0.5", &query(4, "&port=6884&left=0"));
    assert_eq!(peers(&answer), ["10.0.0.2:6881", "10.0.0.4:6883"]);
    assert_eq!(peers(&ask(&mut tracker, 2, "10.0.0.6", &query(5, "&port=1&left=1&numwant=2"))).len(), 2);
    assert_eq!(peers(&ask(&mut tracker, 2, "10.0.0.6", &query(5, "&port=1&left=1&numwant=0"))).len(), 0);
}

#[test]
fn an_answer_that_is_not_packed_is_a_list() {
    let mut tracker = tracker();
    ask(&mut tracker, 0, "10.0.0.2", &query(0x41, "&port=6881&left=1"));
    let list = ask(&mut tracker, 0, "10.0.0.3", &query(2, "&port=6881&left=1&compact=0"));
    let entry = b"5:peersld2:ip8:10.0.0.27:peer id20:AAAAAAAAAAAAAAAAAAAA4:porti6881eee";
    assert!(list.windows(entry.len()).any(|window| window == entry), "{}", list.escape_ascii());
    let list = ask(&mut tracker, 0, "10.0.0.3", &query(2, "&port=6881&left=1&compact=0&no_peer_id=1"));
    let entry = b"5:peersld2:ip8:10.0.0.24:porti6881eee";
    assert!(list.windows(entry.len()).any(|window| window == entry), "{}", list.escape_ascii());
}

#[test]
fn events_are_counted_and_who_stops_is_gone() {
    let mut tracker = tracker();
    ask(&mut tracker, 0, "10.0.0.2", &query(1, "&port=1&left=10&event=started"));
    ask(&mut tracker, 1, "10.0.0.2", &query(1, "&port=1&left=0&event=completed"));
    ask(&mut tracker, 2, "10.0.0.2", &query(1, "&port=1&left=0&event=completed"));
    ask(&mut tracker, 2, "10.0.0.3", &query(2, "&port=1&left=10"));
    let scrape = tracker.scrape(SECOND * 3, &format!("info_hash={}", "%ab".repeat(20)));
    let expected =
        [&b"d5:filesd20:"[..], &HASH.0, b"d8:completei1e10:downloadedi1e10:incompletei1eeee"].concat();
    assert_eq!(scrape, expected);
    assert_eq!(tracker.scrape(SECOND * 3, ""), expected);
    assert_eq!(tracker.scrape(SECOND * 3, &format!("info_hash={}", "a".repeat(20))), b"d5:filesdee");
    ask(&mut tracker, 4, "10.0.0.2", &query(1, "&port=1&left=0&event=stopped"));
    assert_eq!(tracker.glance(SECOND * 5)[0].complete, 0);
}

#[test]
fn peers_that_fall_silent_are_forgotten() {
    let mut tracker = tracker();
    ask(&mut tracker, 0, "10.0.0.2", &query(1, "&port=1&left=10"));
    assert_eq!(tracker.glance(SECOND * 89)[0].incomplete, 1);
    assert_eq!(tracker.glance(SECOND * 91)[0].incomplete, 0);
}

#[test]
fn nobody_speaks_for_another_address() {
    let mut tracker = tracker();
    ask(&mut tracker, 0, "10.0.0.2", &query(1, "&port=1&left=10"));
    ask(&mut tracker, 0, "10.0.0.3", &query(1, "&port=1&left=0&event=stopped&ip=10.0.0.2"));
    ask(&mut tracker, 0, "10.0.0.3", &query(2, "&port=2&left=0&ip=10.9.9.9"));
    // Only a client on this very machine may say where it is.
    ask(&mut tracker, 0, "10.0.0.1", &query(3, "&port=3&left=0&ip=10.0.0.77"));
    ask(&mut tracker, 0, "127.0.0.1", &query(4, "&port=4&left=0"));
    let all = ask(&mut tracker, 1, "10.0.0.9", &query(5, "&port=5&left=1"));
    assert_eq!(peers(&all), ["10.0.0.2:1", "10.0.0.3:2", "10.0.0.77:3"]);
    let local = ask(&mut tracker, 1, "127.0.0.1", &query(6, "&port=6&left=1"));
    assert!(peers(&local).contains(&"127.0.0.1:4".to_owned()));
}

#[test]
fn a_peer_that_moves_is_known_by_its_key() {
    let mut tracker = tracker();
    ask(&mut tracker, 0, "10.0.0.2", &query(1, "&port=1&left=10&key=k1"));
    ask(&mut tracker, 0, "fd00::2", &query(1, "&port=1&left=10&key=k1"));
    ask(&mut tracker, 0, "10.0.0.3", &query(1, "&port=1&left=10&key=k2"));
    assert_eq!(tracker.glance(SECOND)[0].incomplete, 3);
    ask(&mut tracker, 1, "10.0.0.4", &query(1, "&port=1&left=10&key=k1"));
    let all = ask(&mut tracker, 1, "10.0.0.9", &query(5, "&port=5&left=1"));
    assert_eq!(peers(&all), ["10.0.0.3:1", "10.0.0.4:1", "[fd00::2]:1"]);
}

#[test]
fn what_is_no_longer_served_is_no_longer_tracked() {
    let mut tracker = tracker();
    ask(&mut tracker, 0, "10.0.0.2", &query(1, "&port=1&left=1"));
    let other = Tracked { info_hash: InfoHash([1; 20]), image: "other".into(), size: 1 };
    tracker.track(std::slice::from_ref(&other));
    assert!(failure_of(&ask(&mut tracker, 1, "10.0.0.2", &query(1, "&port=1&left=1"))).contains("no file"));
    let swarms = tracker.glance(SECOND);
    assert_eq!((swarms.len(), &swarms[0].file, swarms[0].peers.len()), (1, &other, 0));
}

#[test]
fn the_number_of_peers_is_bounded() {
    let mut tracker = tracker();
    for port in 1..=MAX_PEERS_PER_ADDRESS {
        assert_eq!(
            failure_of(&ask(&mut tracker, 0, "10.0.0.2", &query(1, &format!("&port={port}&left=1")))),
            ""
        );
    }
    let refused = failure_of(&ask(&mut tracker, 0, "10.0.0.2", &query(1, "&port=60000&left=1")));
    assert_eq!(refused, "10.0.0.2 has 256 peers here already");
    // One that is known may go on, others may come.
    assert_eq!(failure_of(&ask(&mut tracker, 0, "10.0.0.2", &query(1, "&port=1&left=0"))), "");
    assert_eq!(failure_of(&ask(&mut tracker, 0, "10.0.0.3", &query(1, "&port=1&left=0"))), "");
    for n in 0..MAX_PEERS as u32 {
        let from = std::net::Ipv4Addr::from(0x0b00_0000 + n).to_string();
        ask(&mut tracker, 1, &from, &query(1, "&port=1&left=1&numwant=0"));
    }
    let refused = failure_of(&ask(&mut tracker, 1, "12.0.0.1", &query(1, "&port=1&left=1")));
    assert_eq!(refused, "the tracker is full: come back later");
    let big = ask(&mut tracker, 1, "10.0.0.3", &query(2, "&port=1&left=1&numwant=100000"));
    assert_eq!(peers(&big).len(), MAX_NUMWANT);
    // Many peers ask less often.
    assert!(Value::decode(&big).unwrap().get("interval").and_then(Value::integer) > Some(300));
}

#[test]
fn what_is_wrong_with_a_query_is_said_in_bencoding() {
    let mut tracker = tracker();
    let cases = [
        ("", "port is missing"),
        ("port=1", "info_hash is missing"),
        ("port=0&info_hash=x", "port is malformed"),
        ("port=65536", "port is malformed"),
        ("port=%2B1", "port is malformed"),
        ("port=1&info_hash=abc", "info_hash is malformed"),
        ("port=1&info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=x", "peer_id is malformed"),
        ("port=1&info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=aaaaaaaaaaaaaaaaaaaa", "left is missing"),
        ("port=1&info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=aaaaaaaaaaaaaaaaaaaa&left=-1", "left is malformed"),
        (
            "port=1&info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=aaaaaaaaaaaaaaaaaaaa&left=1&event=x",
            "event is malformed",
        ),
    ];
    for (query, why) in cases {
        assert_eq!(failure_of(&ask(&mut tracker, 0, "10.0.0.2", query)), why, "{query}");
    }
    let other = "port=1&info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=aaaaaaaaaaaaaaaaaaaa&left=1";
    let why = failure_of(&ask(&mut tracker, 0, "10.0.0.2", other));
    assert_eq!(why, "6161616161616161616161616161616161616161 is no file that is served here");
    assert!(failure_of(&tracker.scrape(SECOND, "info_hash=1")).contains("malformed"));
}

proptest! {
    #[test]
    fn no_query_makes_it_panic_and_every_answer_is_bencoded(text in "[a-z_=&%0-9]{0,80}", rest in "[a-z_=&%0-9]{0,40}") {
        let mut tracker = tracker();
        for query in [text.clone(), query(1, &format!("&port=1&left=1&{rest}")), query(1, &format!("&{rest}&port=1&left=1"))] {
            let answer = ask(&mut tracker, 0, "10.0.0.2", &query);
            prop_assert!(Value::decode(&answer).is_ok());
            prop_assert!(Value::decode(&tracker.scrape(SECOND, &query)).is_ok());
        }
    }
}
