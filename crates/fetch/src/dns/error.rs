//! Why a name has no address, and who said so.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be a host name.
    #[error("{0:?} is not a host name")]
    Name(String),
    /// Nobody to ask.
    #[error("{0} cannot be looked up: no DNS server is known")]
    NoServer(String),
    /// Asked, and what each server said.
    #[error("{name}: {}", list(.evidence))]
    Failed {
        /// The name as it was given.
        name: String,
        /// Every question that was asked and how it ended.
        evidence: Vec<Evidence>,
    },
}

/// One question to one server.
#[derive(Debug)]
pub struct Evidence {
    /// The server.
    pub server: SocketAddr,
    /// The full name that was asked for.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a question ended without an address.
#[derive(Debug)]
pub enum Outcome {
    /// The server says so (RFC 1035 section 4.1.1): `NXDOMAIN`, `SERVFAIL`, `REFUSED`, …
    Rcode(&'static str),
    /// The name is there, without an address.
    NoAddress,
    /// No answer in this time.
    Timeout(Duration),
    /// The question did not get out or the answer not in.
    Io(io::Error),
    /// The answer is no DNS message.
    Malformed(String),
}

fn list(evidence: &[Evidence]) -> String {
    let each = evidence.iter().map(|e| {
        let outcome = match &e.outcome {
            Outcome::Rcode(rcode) => (*rcode).to_owned(),
            Outcome::NoAddress => "no address of that name".to_owned(),
            Outcome::Timeout(limit) => format!("no answer in {} s", limit.as_secs_f32()),
            Outcome::Io(error) => error.to_string(),
            Outcome::Malformed(why) => format!("malformed answer ({why})"),
        };
        format!("{} asked for {}: {outcome}", e.server, e.name)
    });
    each.collect::<Vec<_>>().join("; ")
}
