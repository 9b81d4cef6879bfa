//! What an operator says: on the command line or, with the same names, in a TOML file.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// Who gives addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dhcp {
    /// Another server; ours adds what to boot.
    #[default]
    Proxy,
    /// Ours.
    Full,
    /// Nothing is answered: machines find the server by other means.
    Off,
}

/// What UEFI firmware that boots by PXE is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Road {
    /// iPXE by TFTP, everything else by HTTP.
    #[default]
    Ipxe,
    /// The UKI by TFTP.
    Tftp,
}

/// Something that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    #[default]
    On,
    /// Off.
    Off,
}

/// Everything that can be said. Each field is the flag of its name; what is absent has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Image directories, or directories of them; the first image is the default.
    pub images: Vec<PathBuf>,
    /// The interface to serve.
    pub interface: Option<String>,
    /// Our address on it.
    pub address: Option<Ipv4Addr>,
    /// Who gives addresses.
    pub dhcp: Option<Dhcp>,
    /// Addresses to give.
    pub range: Vec<Range>,
    /// Addresses for certain machines, `MAC=IP`.
    pub reserve: Vec<Text<Reserve>>,
    /// Option 3 of leases.
    pub router: Option<Ipv4Addr>,
    /// Option 6 of leases.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42 of leases.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 15 of leases.
    pub domain: Option<String>,
    /// Seconds that a lease lasts.
    pub lease_time: Option<u64>,
    /// TCP port of the HTTP server.
    pub http_port: Option<u16>,
    /// Whether what is served is given to BitTorrent peers too.
    pub peers: Option<Switch>,
    /// TCP port that peers connect to.
    pub peer_port: Option<u16>,
    /// Directory of leases and timelines.
    pub state: Option<PathBuf>,
    /// Which machine boots which image, `WHO=IMAGE`.
    pub assign: Vec<Text<bootwright_netboot::assign::Rule>>,
    /// The only machines that are answered.
    pub allow: Vec<Text<bootwright_netboot::Mac>>,
    /// Answer nobody, say what would have been answered.
    pub dry_run: Option<bool>,
    /// What UEFI firmware that boots by PXE is given.
    pub road: Option<Road>,
    /// Where iPXE binaries are.
    pub ipxe_dir: Option<PathBuf>,
    /// The user to become.
    pub user: Option<String>,
    /// Where a gateway meets us, instead of an interface.
    pub behind: Option<PathBuf>,
}

impl Config {
    /// Reads a configuration file. The error has line and column and shows the line.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// What `self`, the command line, leaves open is taken from `file`.
    pub fn or(self, file: Self) -> Self {
        fn list<T>(own: Vec<T>, file: Vec<T>) -> Vec<T> {
            if own.is_empty() { file } else { own }
        }
        Self {
            images: list(self.images, file.images),
            interface: self.interface.or(file.interface),
            address: self.address.or(file.address),
            dhcp: self.dhcp.or(file.dhcp),
            range: list(self.range, file.range),
            reserve: list(self.reserve, file.reserve),
            router: self.router.or(file.router),
            dns: list(self.dns, file.dns),
            ntp: list(self.ntp, file.ntp),
            domain: self.domain.or(file.domain),
            lease_time: self.lease_time.or(file.lease_time),
            http_port: self.http_port.or(file.http_port),
            peers: self.peers.or(file.peers),
            peer_port: self.peer_port.or(file.peer_port),
            state: self.state.or(file.state),
            assign: list(self.assign, file.assign),
            allow: list(self.allow, file.allow),
            dry_run: self.dry_run.or(file.dry_run),
            road: self.road.or(file.road),
            ipxe_dir: self.ipxe_dir.or(file.ipxe_dir),
            user: self.user.or(file.user),
            behind: self.behind.or(file.behind),
        }
    }
}

/// A value that is written as text: read by its `FromStr`, so that flags and file mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl<T: FromStr> FromStr for Text<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        text.parse().map(Self)
    }
}

/// `FIRST-LAST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(pub RangeInclusive<Ipv4Addr>);

/// `MAC=IP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// The machine.
    pub mac: bootwright_netboot::Mac,
    /// Its address.
    pub address: Ipv4Addr,
}

/// A value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not two addresses.
    #[error("{0:?} is no range of addresses: write 10.0.0.50-10.0.0.99")]
    Range(String),
    /// Not a machine and an address.
    #[error("{0:?} is no reservation: write 52:54:00:12:34:56=10.0.0.7")]
    Reserve(String),
}

impl FromStr for Range {
    type Err = ValueError;

    /// Reads `10.0.0.50-10.0.0.99`, or with dnsmasq's comma.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let ends = text.split_once(['-', ',']);
        let ends =
            ends.and_then(|(first, last)| Some(first.trim().parse().ok()?..=last.trim().parse().ok()?));
        ends.map(Self).ok_or_else(|| ValueError::Range(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<Self>::deserialize(deserializer).map(|Text(range)| range)
    }
}

impl FromStr for Reserve {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts = text.split_once(['=', ',']);
        let parts =
            parts.and_then(|(mac, address)| Some((mac.trim().parse().ok()?, address.trim().parse().ok()?)));
        let (mac, address) = parts.ok_or_else(|| ValueError::Reserve(text.to_owned()))?;
        Ok(Self { mac, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_says_what_flags_say_and_flags_win() {
        let file = Config::parse(
            "images = ['/srv/worker_1']\ninterface = 'eth0'\ndhcp = 'full'\nrange = ['10.0.0.50-10.0.0.99']\n\
             reserve = ['52:54:00:12:34:56=10.0.0.7']\nassign = ['aarch64=pi']\nhttp-port = 8080\n",
        );
        let file = file.unwrap();
        let flags = Config { interface: Some("eth1".into()), ..Config::default() };
        let both = flags.or(file);
        assert_eq!((both.interface.as_deref(), both.http_port), (Some("eth1"), Some(8080)));
        assert_eq!(both.dhcp, Some(Dhcp::Full));
        assert_eq!(both.range[0].0, Ipv4Addr::new(10, 0, 0, 50)..=Ipv4Addr::new(10, 0, 0, 99));
        assert_eq!(both.reserve[0].0.address, Ipv4Addr::new(10, 0, 0, 7));
    }

    #[test]
    fn errors_point_at_the_line() {
        let error = Config::parse("dhcp = 'proxy'\nintreface = 'eth0'\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("intreface"), "{error}");
        let error = Config::parse("\n\nrange = ['10.0.0.1']\n").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("write 10.0.0.50-10.0.0.99"), "{error}");
        assert!(Config::parse("dhcp = 'sometimes'").unwrap_err().to_string().contains("`full`"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = Config::parse(&text);
            let _ = text.parse::<Range>();
            let _ = text.parse::<Reserve>();
        }
    }
}
