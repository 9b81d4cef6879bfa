//! Questions and answers as bytes (RFC 1035 section 4), by the codec of `simple-dns`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};

/// Addresses taken from one answer: more would only make connecting slower.
const MAX_ADDRESSES: usize = 16;

/// Which address is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    A,
    Aaaa,
}

/// A question, ready to be sent.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) id: u16,
    kind: Kind,
    name: String,
    pub(super) bytes: Vec<u8>,
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The error, `None` for `NOERROR`.
    pub(super) rcode: Option<&'static str>,
    pub(super) addresses: Vec<IpAddr>,
}

/// Why bytes are not the answer to a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAnswer {
    /// It belongs to another question: perhaps a forgery, the right one may follow.
    Stray,
    /// It was cut to fit into a datagram: ask over TCP.
    Truncated,
    /// It is no DNS message.
    Malformed(String),
}

/// The question for `name`; `None` when it cannot be a DNS name.
pub(super) fn query(name: &str, kind: Kind) -> Option<Query> {
    if name.is_empty() || !name.is_ascii() || name.split('.').any(str::is_empty) {
        return None;
    }
    // An unpredictable id is what keeps others on the network from answering first (RFC 5452).
    let id = fastrand::u16(..);
    let kind_type = match kind {
        Kind::A => TYPE::A,
        Kind::Aaaa => TYPE::AAAA,
    };
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let question = Question::new(Name::new(name).ok()?, kind_type.into(), CLASS::IN.into(), false);
    packet.questions.push(question);
    let bytes = packet.build_bytes_vec().ok()?;
    Some(Query { id, kind, name: name.to_owned(), bytes })
}

/// Reads the answer to `query`.
pub(super) fn answer(query: &Query, bytes: &[u8]) -> Result<Answer, NotAnswer> {
    let packet = Packet::parse(bytes).map_err(|error| NotAnswer::Malformed(error.to_string()))?;
    let asked = packet.questions.first().map(|question| question.qname.to_string());
    let same = asked.is_none_or(|asked| asked.eq_ignore_ascii_case(&query.name));
    if packet.id() != query.id || !packet.has_flags(PacketFlag::RESPONSE) || !same {
        return Err(NotAnswer::Stray);
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Err(NotAnswer::Truncated);
    }
    // The names of a CNAME chain are not followed: a recursive server sends the whole chain, and only
    // addresses of the name asked for can be in it.
    let addresses = packet.answers.iter().filter_map(|record| match (&record.rdata, query.kind) {
        (RData::A(a), Kind::A) => Some(IpAddr::V4(Ipv4Addr::from(a.address))),
        (RData::AAAA(aaaa), Kind::Aaaa) => Some(IpAddr::V6(Ipv6Addr::from(aaaa.address))),
        _ => None,
    });
    Ok(Answer { rcode: rcode(packet.rcode()), addresses: addresses.take(MAX_ADDRESSES).collect() })
}

/// The mnemonic of RFC 6895 section 2.3.
fn rcode(rcode: RCODE) -> Option<&'static str> {
    Some(match rcode {
        RCODE::NoError => return None,
        RCODE::FormatError => "FORMERR",
        RCODE::ServerFailure => "SERVFAIL",
        RCODE::NameError => "NXDOMAIN",
        RCODE::NotImplemented => "NOTIMP",
        RCODE::Refused => "REFUSED",
        _ => "another error code",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_dns_cannot_carry_are_not_asked_for() {
        for name in ["", "a..b", ".a", "a.", "bücher.example", &"x".repeat(64), &"abc.".repeat(80)] {
            assert!(query(name, Kind::A).is_none(), "{name:?}");
        }
    }

    #[test]
    fn an_answer_with_another_id_is_somebody_elses() {
        let query = query("mirror.example", Kind::A).unwrap();
        let other = Packet::new_reply(query.id.wrapping_add(1)).build_bytes_vec().unwrap();
        assert_eq!(answer(&query, &other), Err(NotAnswer::Stray));
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let query = query("mirror.example", Kind::Aaaa).unwrap();
            let _ = answer(&query, &bytes);
        }

        #[test]
        fn a_damaged_answer_is_read_without_harm(at in 0usize..64, to: u8) {
            let query = query("mirror.example", Kind::A).unwrap();
            let mut bytes = query.bytes.clone();
            let length = bytes.len();
            bytes[at % length] = to;
            let _ = answer(&query, &bytes);
        }
    }
}
