//! The resolver against name servers in the same process.

use std::time::Duration;

use simple_dns::rdata::{A, AAAA, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

const PATIENCE: Duration = Duration::from_millis(300);

/// How a server answers.
#[derive(Clone, Copy)]
enum Habit {
    Addresses,
    NoAddress,
    Rcode(RCODE),
    Silent,
    OnlyOverTcp,
    ForgeriesFirst,
    SilentAboutAaaa,
}

fn reply(query: &[u8], habit: Habit, over_tcp: bool) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let mut reply = query.clone().into_reply();
    let question = query.questions[0].clone();
    match habit {
        Habit::Rcode(rcode) => *reply.rcode_mut() = rcode,
        Habit::OnlyOverTcp if !over_tcp => reply.set_flags(PacketFlag::TRUNCATION),
        Habit::NoAddress => {}
        _ => {
            let data = match question.qtype {
                QTYPE::TYPE(TYPE::A) => RData::A(A { address: 0x0a000007 }),
                _ => RData::AAAA(AAAA { address: 7 }),
            };
            reply.answers.push(ResourceRecord::new(question.qname, CLASS::IN, 60, data));
        }
    }
    reply.build_bytes_vec().unwrap()
}

fn asks_aaaa(query: &[u8]) -> bool {
    Packet::parse(query).unwrap().questions[0].qtype == QTYPE::TYPE(TYPE::AAAA)
}

/// A name server; it knows every name.
async fn server(habit: Habit) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
            let right = reply(&buffer[..length], habit, false);
            if matches!(habit, Habit::ForgeriesFirst) {
                let mut forged = right.clone();
                forged[0] ^= 0xff;
                udp.send_to(&forged, from).await.unwrap();
                udp.send_to(b"nonsense", from).await.unwrap();
            }
            let silent = match habit {
                Habit::Silent => true,
                Habit::SilentAboutAaaa => asks_aaaa(&buffer[..length]),
                _ => false,
            };
            if !silent {
                udp.send_to(&right, from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut query = vec![0; usize::from(length)];
            stream.read_exact(&mut query).await.unwrap();
            let reply = reply(&query, habit, true);
            stream.write_u16(reply.len() as u16).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    address
}

async fn lookup(habits: &[Habit], name: &str) -> Result<Vec<IpAddr>, Error> {
    let mut servers = Vec::new();
    for habit in habits {
        servers.push(server(*habit).await);
    }
    let resolver = Resolver::at_ports(&servers, &["lab.example".to_owned()]).with_timeout(PATIENCE);
    resolver.lookup(name).await
}

fn both() -> Vec<IpAddr> {
    vec!["::7".parse().unwrap(), "10.0.0.7".parse().unwrap()]
}

fn evidence(result: Result<Vec<IpAddr>, Error>) -> Vec<Evidence> {
    match result {
        Err(Error::Failed { evidence, .. }) => evidence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn finds_both_kinds_of_address() {
    assert_eq!(lookup(&[Habit::Addresses], "mirror.example").await.unwrap(), both());
}

#[tokio::test]
async fn asks_over_tcp_when_the_answer_was_cut() {
    assert_eq!(lookup(&[Habit::OnlyOverTcp], "mirror.example").await.unwrap(), both());
}

#[tokio::test]
async fn forged_answers_do_not_end_the_question() {
    assert_eq!(lookup(&[Habit::ForgeriesFirst], "mirror.example").await.unwrap(), both());
}

#[tokio::test]
async fn a_silent_server_costs_its_timeout_and_the_next_one_is_asked() {
    let started = std::time::Instant::now();
    assert_eq!(lookup(&[Habit::Silent, Habit::Addresses], "mirror.example").await.unwrap(), both());
    assert!(started.elapsed() >= PATIENCE);
}

#[tokio::test]
async fn a_server_that_fails_is_not_the_last_word() {
    let habits = [Habit::Rcode(RCODE::ServerFailure), Habit::Addresses];
    assert_eq!(lookup(&habits, "mirror.example").await.unwrap(), both());
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_with_each_question() {
    let habits = [Habit::Rcode(RCODE::NameError), Habit::Addresses];
    let result = lookup(&habits, "nowhere").await;
    let text = result.as_ref().unwrap_err().to_string();
    let evidence = evidence(result);
    let names: Vec<_> = evidence.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["nowhere.lab.example", "nowhere"]);
    assert!(evidence.iter().all(|e| matches!(e.outcome, Outcome::Rcode("NXDOMAIN"))));
    assert!(text.contains("NXDOMAIN") && text.contains("127.0.0.1:"), "{text}");
}

#[tokio::test]
async fn a_name_without_an_address_is_told_as_such() {
    let evidence = evidence(lookup(&[Habit::NoAddress], "mirror.example").await);
    assert!(matches!(evidence[0].outcome, Outcome::NoAddress));
}

#[tokio::test]
async fn when_nobody_answers_every_server_has_been_asked_twice() {
    let evidence = evidence(lookup(&[Habit::Silent, Habit::Silent], "mirror").await);
    assert_eq!(evidence.len(), 2 * ROUNDS as usize);
    assert!(evidence.iter().all(|e| matches!(e.outcome, Outcome::Timeout(_))));
}

#[tokio::test]
async fn literals_and_localhost_need_no_server() {
    let resolver = Resolver::new(&[], &[]);
    assert_eq!(resolver.lookup("10.0.0.7").await.unwrap(), ["10.0.0.7".parse::<IpAddr>().unwrap()]);
    assert_eq!(resolver.lookup("[::7]").await.unwrap(), ["::7".parse::<IpAddr>().unwrap()]);
    assert!(resolver.lookup("localhost").await.unwrap().contains(&Ipv4Addr::LOCALHOST.into()));
    assert!(matches!(resolver.lookup("mirror").await, Err(Error::NoServer(_))));
}

#[tokio::test]
async fn what_cannot_be_a_name_is_not_asked_for() {
    assert!(matches!(lookup(&[Habit::Addresses], "a..b").await, Err(Error::Name(_))));
}

#[tokio::test]
async fn a_server_that_never_answers_aaaa_does_not_hold_up_the_address_it_knows() {
    let found = lookup(&[Habit::SilentAboutAaaa], "mirror.example").await.unwrap();
    assert_eq!(found, ["10.0.0.7".parse::<IpAddr>().unwrap()]);
}
