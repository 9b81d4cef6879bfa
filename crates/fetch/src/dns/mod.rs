//! A stub resolver (RFC 1035): asks the servers that DHCP or `/etc/resolv.conf` named.
//!
//! A static program cannot use getaddrinfo, which loads its modules at run time, and PID 1 of an initrd
//! has no other resolver. A and AAAA are asked at once, over UDP, and over TCP when an answer is cut.
//!
//! Not supported: DNSSEC, caching (every connection that is kept open is its own cache), mDNS, the
//! `options` of resolv.conf.

mod config;
mod error;
mod message;
mod wire;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

pub use config::Hosts;
pub use error::{Error, Evidence, Outcome};
use message::{Answer, Kind};

/// How long one server may take for one answer.
pub const SERVER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one kind of address waits for the other (RFC 8305 section 3): a server that cannot answer
/// AAAA must not hold up what it knows of A.
const OTHER_KIND: Duration = Duration::from_millis(200);

/// How often the whole list of servers is gone through: a UDP packet may get lost.
pub const ROUNDS: u32 = 2;

/// Servers that are asked; more in a lease only make a dead name slower. resolv.conf(5) takes 3.
pub const MAX_SERVERS: usize = 4;

/// Search domains that are tried, as in resolv.conf(5).
pub const MAX_SEARCH: usize = 6;

/// The port of DNS.
pub const PORT: u16 = 53;

/// Finds the addresses of names.
#[derive(Debug, Clone)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    hosts: Hosts,
    timeout: Duration,
}

impl Resolver {
    /// Asks `servers` in this order; a name without a dot is first tried in the `search` domains.
    pub fn new(servers: &[IpAddr], search: &[String]) -> Self {
        let servers = servers.iter().map(|address| SocketAddr::new(*address, PORT)).collect::<Vec<_>>();
        Self::at_ports(&servers, search)
    }

    /// As [`Resolver::new`], for servers at other ports than 53.
    pub fn at_ports(servers: &[SocketAddr], search: &[String]) -> Self {
        let servers = servers.iter().take(MAX_SERVERS).copied().collect();
        let search = search.iter().take(MAX_SEARCH).map(|d| d.trim_matches('.').to_owned()).collect();
        Self { servers, search, hosts: Hosts::default(), timeout: SERVER_TIMEOUT }
    }

    /// With another patience for each server than [`SERVER_TIMEOUT`].
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What this system uses: `/etc/resolv.conf` and `/etc/hosts`.
    pub fn from_system() -> Self {
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        let (servers, search) = config::resolv_conf(&text("/etc/resolv.conf"));
        let hosts = Hosts::parse(&text("/etc/hosts"));
        Self { hosts, ..Self::new(&servers, &search) }
    }

    /// The addresses of `name`, IPv6 first, or that of the address literal that it is.
    ///
    /// # Errors
    /// [`Error`], with every server that was asked.
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        if let Ok(address) = literal.parse() {
            return Ok(vec![address]);
        }
        let known = self.hosts.get(name);
        if !known.is_empty() {
            return Ok(known);
        }
        // RFC 6761 section 6.3: localhost is never asked for.
        if name.eq_ignore_ascii_case("localhost") {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        if self.servers.is_empty() {
            return Err(Error::NoServer(name.to_owned()));
        }
        let mut evidence = Vec::new();
        for candidate in self.candidates(name) {
            let asked = evidence.len();
            let found = self.ask_all(&candidate, &mut evidence).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            // Servers that did not answer will not for the next name either.
            if evidence.iter().skip(asked).all(|e| matches!(e.outcome, Outcome::Timeout(_) | Outcome::Io(_)))
            {
                break;
            }
        }
        Err(Error::Failed { name: name.to_owned(), evidence })
    }

    /// The full names to try: resolv.conf(5) with `ndots:1`.
    fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let searched = self.search.iter().filter(|d| !d.is_empty()).map(|domain| format!("{name}.{domain}"));
        if name.contains('.') {
            std::iter::once(name.to_owned()).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(name.to_owned())).collect()
        }
    }

    /// Asks one server after the other until one knows. A server that says that the name does not exist
    /// is believed: the others are not asked.
    async fn ask_all(&self, name: &str, evidence: &mut Vec<Evidence>) -> Result<Vec<IpAddr>, Error> {
        for _ in 0..ROUNDS {
            for server in &self.servers {
                match self.ask(*server, name).await? {
                    Ok(addresses) => return Ok(addresses),
                    Err(outcome) => {
                        let settled = matches!(outcome, Outcome::Rcode("NXDOMAIN") | Outcome::NoAddress);
                        evidence.push(Evidence { server: *server, name: name.to_owned(), outcome });
                        if settled {
                            return Ok(Vec::new());
                        }
                    }
                }
            }
        }
        Ok(Vec::new())
    }

    /// Both kinds of address of `name` at one server. One kind is enough.
    async fn ask(&self, server: SocketAddr, name: &str) -> Result<Result<Vec<IpAddr>, Outcome>, Error> {
        let query = |kind| message::query(name, kind).ok_or_else(|| Error::Name(name.to_owned()));
        let (a, aaaa) = (query(Kind::A)?, query(Kind::Aaaa)?);
        let v4 = wire::exchange(server, &a, self.timeout);
        let v6 = wire::exchange(server, &aaaa, self.timeout);
        tokio::pin!(v4, v6);
        let both = tokio::select! {
            first = &mut v4 => {
                let other = self.beside(&first, v6).await;
                [Some(first), other]
            }
            first = &mut v6 => {
                let other = self.beside(&first, v4).await;
                [Some(first), other]
            }
        };
        Ok(combine(both.into_iter().flatten()))
    }

    /// The second answer; if the first has an address, only if it does not keep that waiting.
    async fn beside<T>(&self, first: &Result<Answer, Outcome>, second: impl Future<Output = T>) -> Option<T> {
        match first {
            Ok(answer) if !answer.addresses.is_empty() => tokio::time::timeout(OTHER_KIND, second).await.ok(),
            _ => Some(second.await),
        }
    }
}

/// The addresses of all answers, IPv6 first; why there is none, if there is none.
fn combine(answers: impl Iterator<Item = Result<Answer, Outcome>>) -> Result<Vec<IpAddr>, Outcome> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut worst = None;
    for answer in answers {
        match answer {
            Ok(Answer { rcode: None, addresses: mut found }) => addresses.append(&mut found),
            Ok(Answer { rcode: Some(rcode), .. }) => worst = Some(Outcome::Rcode(rcode)),
            Err(outcome) => worst = Some(outcome),
        }
    }
    if !addresses.is_empty() {
        addresses.sort_by_key(IpAddr::is_ipv4);
        return Ok(addresses);
    }
    Err(worst.unwrap_or(Outcome::NoAddress))
}

#[cfg(test)]
mod tests;
