//! One interface: its signal, and then an address.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bootwright_netboot::dhcp::client::Config;
use bootwright_netboot::dhcp6::client as v6;
use bootwright_netboot::ndp::Advertisement;
use bootwright_plan::network::{Address, Configuration, Limits, Method, Setting, Upkeep};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::links::{Link, LinkError, Links, Scope};
use super::routers::Routers;
use super::{Made, Network, dhcp, dhcp6};
use crate::failure::chain;

/// How long IPv6 waits for DHCPv4 once it works, where nobody says which is wanted: what tells of images is
/// DHCPv4's.
const HEAD_START: Duration = Duration::from_secs(5);

/// How long name servers are asked for by DHCPv6 when a router says so: an address is there already.
const INFORMATION_LIMIT: Duration = Duration::from_secs(5);

/// How long an address may be tentative: duplicate address detection takes a second.
const TENTATIVE_LIMIT: Duration = Duration::from_secs(10);

/// What keeps a lease.
pub enum Session {
    /// By DHCPv4.
    V4(dhcp::Session),
    /// By DHCPv6.
    V6(dhcp6::Session),
}

impl Session {
    /// Keeps the lease for as long as the agent runs.
    pub async fn keep(self) {
        match self {
            Self::V4(session) => session.keep().await,
            Self::V6(session) => session.keep().await,
        }
    }
}

/// A network, and the lease to keep where there is one; or why there is none.
pub type Outcome = Result<(Network, Option<Session>), String>;

/// What an interface is tried with.
pub struct Attempt {
    pub links: Links,
    pub link: Link,
    pub setting: Setting,
    pub config: Config,
    pub limits: Limits,
    pub made: Made,
}

impl Attempt {
    /// Brings the interface up.
    pub async fn run(self) -> Outcome {
        let told = |error: LinkError| chain(&error);
        let started = Instant::now();
        if let Some(mac) = self.setting.mac {
            self.links.set_address(self.link.index, mac).await.map_err(told)?;
        }
        self.links.up(self.link.index).await.map_err(told)?;
        let limit = self.limits.carrier;
        if !self.links.wait_for_carrier(self.link.index, limit).await {
            return Err(format!(
                "no signal in {} s: is the cable in and the switch port on?",
                limit.as_secs()
            ));
        }
        debug!("{}: signal after {:.1} s", self.link.name, started.elapsed().as_secs_f32());
        match &self.setting.method {
            Method::Static(configuration) => Ok((self.fixed(configuration), None)),
            Method::Dhcp4 => self.dhcp4().await,
            Method::Dhcp6 => self.dhcp6(Configuration::default()).await,
            Method::Auto6 | Method::Either6 => self.auto6().await,
            Method::Automatic => self.either().await,
        }
    }

    fn fixed(&self, configuration: &Configuration) -> Network {
        let addresses: Vec<_> = configuration.addresses.iter().map(ToString::to_string).collect();
        let summary = format!("{}: {} as given", self.link.name, addresses.join(", "));
        self.network(configuration.clone(), Upkeep::Static, None, summary)
    }

    async fn dhcp4(&self) -> Outcome {
        let mut session =
            dhcp::Session::open(&self.link.name, self.config.clone()).map_err(|error| chain(&error))?;
        let lease = session.acquire(self.limits.address).await.map_err(|error| chain(&error))?;
        let configuration = dhcp::configuration(&lease);
        let summary =
            format!("{}: {}/{} by DHCP from {}", self.link.name, lease.address, lease.prefix, lease.server);
        let network = self.network(configuration, Upkeep::Dhcp4, lease.image, summary);
        Ok((network, Some(Session::V4(session))))
    }

    /// `told` by a router already.
    async fn dhcp6(&self, mut told: Configuration) -> Outcome {
        let (session, lease) = self.ask_dhcp6(v6::Want::Address, self.limits.address).await?;
        let Some(address) = lease.address else { return Err("DHCPv6 gave no address".to_owned()) };
        // Which others are on the link is a router's to say, RFC 5942 section 4.
        told.addresses = vec![Address { address: IpAddr::V6(address), prefix: 128 }];
        extend(&mut told, &lease);
        let summary = format!("{}: {address} by DHCPv6", self.link.name);
        let network = self.network(told, Upkeep::Dhcp6, None, summary);
        Ok((network, Some(Session::V6(session))))
    }

    async fn ask_dhcp6(
        &self,
        want: v6::Want,
        limit: Duration,
    ) -> Result<(dhcp6::Session, v6::Lease), String> {
        let Link { index, mac, .. } = self.link;
        if self.links.wait_for_address(index, Scope::Link, TENTATIVE_LIMIT).await.is_none() {
            return Err("no link-local address: does the kernel have IPv6 (ipv6.disable=1)?".to_owned());
        }
        let mac = self.setting.mac.unwrap_or(mac);
        let config = v6::Config { mac, want, seed: self.config.seed };
        let mut session = dhcp6::Session::open(&self.link, config).map_err(|error| chain(&error))?;
        let lease = session.acquire(limit).await.map_err(|error| chain(&error))?;
        Ok((session, lease))
    }

    /// As routers say: by SLAAC, or by DHCPv6.
    async fn auto6(&self) -> Outcome {
        let routers = Routers::open(&self.link).map_err(|error| format!("listening to routers: {error}"))?;
        let limit = self.limits.address;
        let Some(router) = routers.advertisement(limit).await else {
            return Err(format!("no router advertised itself in {} s", limit.as_secs()));
        };
        debug!("{}: {router:?}", self.link.name);
        let dns = router.dns.iter().copied().map(IpAddr::V6).collect();
        let told = Configuration { dns, search: router.domains.clone(), ..Configuration::default() };
        let by_routers_alone = self.setting.method == Method::Auto6;
        match router {
            Advertisement { managed: true, autonomous, .. } if !(by_routers_alone && autonomous) => {
                self.dhcp6(told).await
            }
            Advertisement { autonomous: true, other, .. } => self.slaac(told, other).await,
            _ => Err("the router gives no addresses: neither a prefix for SLAAC nor DHCPv6".to_owned()),
        }
    }

    async fn slaac(&self, mut told: Configuration, ask: bool) -> Outcome {
        let found = self.links.wait_for_address(self.link.index, Scope::Global, TENTATIVE_LIMIT).await;
        let Some(address) = found else {
            return Err(
                "a router gave a prefix, but the kernel made no address of it (accept_ra=0?)".to_owned()
            );
        };
        if ask && told.dns.is_empty() {
            match self.ask_dhcp6(v6::Want::Information, INFORMATION_LIMIT).await {
                Ok((_, lease)) => extend(&mut told, &lease),
                Err(why) => warn!("{}: no name servers: {why}", self.link.name),
            }
        }
        let summary = format!("{}: {address} by router advertisement", self.link.name);
        Ok((self.network(told, Upkeep::Auto6, None, summary), None))
    }

    /// By DHCPv4, or by IPv6 where only that is there: both are asked at the same time.
    async fn either(&self) -> Outcome {
        let mut v4 = std::pin::pin!(self.dhcp4());
        let mut v6 = std::pin::pin!(async {
            let found = self.auto6().await?;
            sleep(HEAD_START).await;
            Ok(found)
        });
        let both = |v4: String, v6: String| format!("{v4}; {v6}");
        tokio::select! {
            found = &mut v4 => match found {
                Ok(found) => Ok(found),
                Err(why) => v6.await.map_err(|why6: String| both(why, why6)),
            },
            found = &mut v6 => match found {
                Ok(found) => Ok(found),
                Err(why6) => v4.await.map_err(|why| both(why, why6)),
            },
        }
    }

    fn network(
        &self,
        mut configuration: Configuration,
        upkeep: Upkeep,
        image: Option<String>,
        summary: String,
    ) -> Network {
        configuration.mtu = self.setting.mtu.or(configuration.mtu);
        let link = self.link.clone();
        Network { link, configuration, upkeep, image, summary, made: self.made.clone() }
    }
}

/// Adds what DHCPv6 says beside an address.
fn extend(told: &mut Configuration, lease: &v6::Lease) {
    for server in lease.dns.iter().copied().map(IpAddr::V6) {
        if !told.dns.contains(&server) {
            told.dns.push(server);
        }
    }
    told.ntp.extend(lease.ntp.iter().copied().map(IpAddr::V6));
    for domain in &lease.domains {
        if !told.search.contains(domain) {
            told.search.push(domain.clone());
        }
    }
}
