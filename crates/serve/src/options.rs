//! From what an operator says to what the server does: every contradiction is found here, before
//! anything is bound.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootwright_netboot::Mac;
use bootwright_netboot::arch::Cpu;
use bootwright_netboot::assign::{self, Rule, Rules, RulesError};
use bootwright_netboot::dhcp::server::{
    LEASE_TIME, Mode, Reservation, Sending, Subnet, SubnetConfig, SubnetError,
};

use crate::config::{self, Config, Dhcp, Switch};
use crate::images::Catalogue;
use crate::interface::Interface;
use crate::seeding::Offer;

/// The port of URLs without a port: some boot loaders know no other.
pub const HTTP_PORT: u16 = 80;

/// Why options contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// Nothing to serve.
    #[error("name an image directory or a file to serve: bootwright serve ./worker_1")]
    NoImage,
    /// A gateway, and no address in its network.
    #[error("--behind needs --address, our address in the gateway's network")]
    NoAddress,
    /// DHCP, but single files only.
    #[error("--dhcp {0} needs an image to boot: what is served are single files")]
    NothingToBoot(&'static str),
    /// Addresses to give, but nobody to give them.
    #[error("--{0} is for --dhcp full: a proxy gives no addresses")]
    OnlyFull(&'static str),
    /// A full server without addresses.
    #[error("--dhcp full needs addresses to give: --range FIRST-LAST or --reserve MAC=IP")]
    NoRange,
    /// Addresses that make no sense.
    #[error(transparent)]
    Subnet(#[from] SubnetError),
    /// One machine with two addresses.
    #[error("--reserve names the machine {0} twice")]
    ReservedTwice(Mac),
    /// Rules that make no sense.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

/// Who boots what, whichever images there are.
#[derive(Debug, Clone)]
pub struct Assignments {
    /// `--assign`.
    pub rules: Vec<Rule>,
    /// `--allow`.
    pub allow: Vec<Mac>,
}

impl Assignments {
    /// As the configuration says.
    pub fn of(config: &Config) -> Self {
        let rules = config.assign.iter().map(|rule| rule.0.clone()).collect();
        Self { rules, allow: config.allow.iter().map(|mac| mac.0).collect() }
    }

    /// The rules for the images that there are.
    pub fn for_images(&self, catalogue: &Catalogue) -> Result<Rules, RulesError> {
        let image = |image: &Arc<crate::images::Image>| assign::Image {
            name: image.name().to_owned(),
            cpu: image.manifest.architecture.parse::<Cpu>().ok(),
        };
        // A single file is to be fetched: no machine is ever sent to it.
        let images: Vec<_> =
            catalogue.images().iter().filter(|image| image.is_bootable()).map(image).collect();
        if images.is_empty() && self.rules.is_empty() {
            return Ok(Rules::nothing(self.allow.clone()));
        }
        Rules::new(images, self.rules.clone(), self.allow.clone())
    }
}

/// Whether answers are sent.
pub fn sending(config: &Config) -> Sending {
    if config.dry_run == Some(true) { Sending::Nothing } else { Sending::Answers }
}

/// Whether peers are given what is served. Those behind a gateway could not reach us.
pub fn offer(config: &Config) -> Offer {
    match (config.peers.unwrap_or_default(), config.peer_port) {
        (Switch::Off, _) => Offer::Off,
        _ if config.behind.is_some() => Offer::Off,
        (Switch::On, Some(port)) => Offer::Port(port),
        (Switch::On, None) => Offer::Usual,
    }
}

/// That DHCP is not answered, as it must be when there is nothing to boot.
pub fn no_dhcp(config: &Config) -> Result<Option<Mode>, OptionsError> {
    match config.dhcp {
        None | Some(Dhcp::Off) => Ok(None),
        Some(Dhcp::Proxy) => Err(OptionsError::NothingToBoot("proxy")),
        Some(Dhcp::Full) => Err(OptionsError::NothingToBoot("full")),
    }
}

/// Whether and how DHCP is answered; `None` for not at all.
pub fn dhcp_mode(config: &Config, interface: &Interface) -> Result<Option<Mode>, OptionsError> {
    let dhcp = config.dhcp.unwrap_or_default();
    if dhcp != Dhcp::Full {
        let only_full = [
            ("range", !config.range.is_empty()),
            ("reserve", !config.reserve.is_empty()),
            ("router", config.router.is_some()),
            ("dns", !config.dns.is_empty()),
            ("ntp", !config.ntp.is_empty()),
            ("domain", config.domain.is_some()),
            ("lease-time", config.lease_time.is_some()),
        ];
        if let Some((name, _)) = only_full.iter().find(|(_, given)| *given) {
            return Err(OptionsError::OnlyFull(name));
        }
        return Ok((dhcp == Dhcp::Proxy).then_some(Mode::Proxy));
    }
    if config.range.is_empty() && config.reserve.is_empty() {
        return Err(OptionsError::NoRange);
    }
    let subnet = SubnetConfig {
        network: interface.address,
        prefix: interface.prefix,
        ranges: config.range.iter().map(|config::Range(range)| range.clone()).collect(),
        router: config.router,
        dns: config.dns.clone(),
        ntp: config.ntp.clone(),
        domain: config.domain.clone(),
        lease_time: config.lease_time.map_or(LEASE_TIME, Duration::from_secs),
        reservations: reservations(config)?,
    };
    Ok(Some(Mode::Full(vec![Arc::new(Subnet::new(subnet, interface.address)?)])))
}

fn reservations(config: &Config) -> Result<HashMap<Mac, Reservation>, OptionsError> {
    let mut all = HashMap::new();
    for config::Text(reserve) in &config.reserve {
        let reservation = Reservation { address: reserve.address, host_name: None };
        if all.insert(reserve.mac, reservation).is_some() {
            return Err(OptionsError::ReservedTwice(reserve.mac));
        }
    }
    Ok(all)
}

/// Scheme and authority of our URLs.
pub fn server_url(address: IpAddr, port: u16) -> String {
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    if port == HTTP_PORT { format!("http://{host}") } else { format!("http://{host}:{port}") }
}

/// Where leases and timelines are kept: what is named, what systemd gives us, what is usual for a
/// service, what is usual for a user.
pub fn state_directory(config: &Config, is_root: bool) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let for_user = || {
        let local = || variable("HOME").map(|home| home.join(".local/state"));
        variable("XDG_STATE_HOME").or_else(local).map(|place| place.join("bootwright"))
    };
    let usual = || if is_root { Some(PathBuf::from("/var/lib/bootwright")) } else { for_user() };
    config.state.clone().or_else(|| variable("STATE_DIRECTORY")).or_else(usual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn interface() -> Interface {
        Interface { name: "eth0".into(), address: Ipv4Addr::new(10, 0, 0, 1), prefix: 24, v6: Vec::new() }
    }

    fn mode(text: &str) -> Result<Option<Mode>, OptionsError> {
        dhcp_mode(&Config::parse(text).unwrap(), &interface())
    }

    #[test]
    fn a_proxy_is_the_default_and_takes_no_ranges() {
        assert!(matches!(mode(""), Ok(Some(Mode::Proxy))));
        assert!(matches!(mode("dhcp = 'off'"), Ok(None)));
        assert!(matches!(mode("range = ['10.0.0.5-10.0.0.9']"), Err(OptionsError::OnlyFull("range"))));
    }

    #[test]
    fn a_full_server_needs_addresses_of_its_own_network() {
        assert!(matches!(mode("dhcp = 'full'"), Err(OptionsError::NoRange)));
        assert!(matches!(mode("dhcp = 'full'\nrange = ['10.0.0.5-10.0.0.9']"), Ok(Some(Mode::Full(_)))));
        assert!(matches!(mode("dhcp = 'full'\nrange = ['10.0.1.5-10.0.1.9']"), Err(OptionsError::Subnet(_))));
        let twice = "dhcp = 'full'\nreserve = ['52:54:00:00:00:01=10.0.0.7', '52:54:00:00:00:01=10.0.0.8']";
        assert!(matches!(mode(twice), Err(OptionsError::ReservedTwice(_))));
    }

    #[test]
    fn the_url_names_a_port_only_when_it_must() {
        let url = |address: &str, port| server_url(address.parse().unwrap(), port);
        assert_eq!(url("10.0.0.1", 80), "http://10.0.0.1");
        assert_eq!(url("10.0.0.1", 8080), "http://10.0.0.1:8080");
        assert_eq!(url("fd00::1", 8080), "http://[fd00::1]:8080");
    }
}
