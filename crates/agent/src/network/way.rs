//! How servers are reached: by which name servers, through which proxy.

use std::net::IpAddr;

use bootwright_fetch::{Client, Timeouts, Trust, TrustError, dns};
use bootwright_plan::proxy::Proxy;
use serde::{Deserialize, Serialize};
use url::Url;

/// All that a client needs to know of the network. Processes that outlive the initrd are told it, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Way {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Domains that names are looked up in.
    pub search: Vec<String>,
    /// Through whom servers are asked.
    pub proxy: Option<Proxy>,
}

impl Way {
    /// A client that believes the certificates that `trust` says.
    pub fn client(&self, trust: &Trust) -> Result<Client, TrustError> {
        let resolver = dns::Resolver::new(&self.servers, &self.search);
        let client = Client::new(resolver, trust, Timeouts::default())?;
        Ok(by_proxy(client, self.proxy.as_ref()))
    }
}

/// The same client, asking through `proxy`.
pub fn by_proxy(client: Client, proxy: Option<&Proxy>) -> Client {
    match proxy.and_then(|proxy| Some((Url::parse(&proxy.url).ok()?, &proxy.except))) {
        Some((url, except)) => client.by_proxy(&url, except),
        None => client,
    }
}
