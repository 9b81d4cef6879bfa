//! `bootwright serve`: machines boot from here.

mod digesting;
mod teller;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use bootwright_serve::config::{self, Config, Range, Reserve, Text};
use bootwright_serve::{Ready, ServeError};
use clap::{Args, ValueEnum};

use crate::failure::{Failure, Kind};
use teller::{Output, Teller};

/// Serve images over every network boot protocol.
///
/// Answers DHCP, TFTP and HTTP on one interface until it is interrupted. By default another DHCP server gives
/// the addresses and this one adds what to boot (proxyDHCP). Machines, timelines and images are shown at / of
/// the HTTP server, and as JSON at /v1/machines. SIGHUP reads the images again. A single file (an ISO, a disk
/// image, a tarball) is digested once and can be fetched and shared by peers; no machine is ever booted from it.
///
/// Example: bootwright serve ./worker --interface eth1 --dhcp full --range 10.0.0.50-10.0.0.99
#[derive(Args)]
pub struct Serve {
    /// Image directories, directories of them, or any single files; the first image that boots is the default.
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Configuration in TOML, with the names of these options; options win.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The interface to serve [default: the only one with an IPv4 address].
    #[arg(long, short, value_name = "IF")]
    interface: Option<String>,
    /// Our address on it [default: its first].
    #[arg(long, value_name = "IP")]
    address: Option<Ipv4Addr>,
    #[command(flatten)]
    dhcp: DhcpOptions,
    #[command(flatten)]
    boot: BootOptions,
    /// TCP port of the HTTP server [default: 80].
    #[arg(long, value_name = "N")]
    http_port: Option<u16>,
    /// Give what is served to BitTorrent peers too [default: on].
    #[arg(long, value_enum, hide_default_value = true)]
    peers: Option<Switch>,
    /// TCP port that peers connect to [default: 6881, or any when that is taken].
    #[arg(long, value_name = "N")]
    peer_port: Option<u16>,
    /// Where leases and timelines are kept [default: /var/lib/bootwright, or below ~/.local/state].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The user to become once ports are bound [default: bootwright, else nobody].
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Serve the network of a gateway that meets us in this directory; `bootwright vm` makes it.
    #[arg(long, value_name = "DIR", hide = true, requires = "address", conflicts_with = "interface")]
    behind: Option<PathBuf>,
    /// Print each event as one JSON object on a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(next_help_heading = "DHCP")]
struct DhcpOptions {
    /// Who gives addresses: another server (proxy), this one (full), or DHCP is not answered (off) [default:
    /// proxy].
    #[arg(long, value_enum, hide_default_value = true)]
    dhcp: Option<Dhcp>,
    /// Addresses to give.
    #[arg(long, value_name = "FIRST-LAST")]
    range: Vec<Range>,
    /// An address for one machine alone.
    #[arg(long, value_name = "MAC=IP")]
    reserve: Vec<Text<Reserve>>,
    /// Router that machines are told.
    #[arg(long, value_name = "IP")]
    router: Option<Ipv4Addr>,
    /// Name server that machines are told.
    #[arg(long, value_name = "IP")]
    dns: Vec<Ipv4Addr>,
    /// Time server that machines are told.
    #[arg(long, value_name = "IP")]
    ntp: Vec<Ipv4Addr>,
    /// Domain that machines are told.
    #[arg(long)]
    domain: Option<String>,
    /// How long an address is lent [default: 3600].
    #[arg(long, value_name = "SECONDS")]
    lease_time: Option<u64>,
    /// Answer nobody by DHCP; say who would have been answered, and how.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Who boots what")]
struct BootOptions {
    /// Machines that boot another image than the default: a MAC, a UUID, an architecture, bios or uefi.
    #[arg(long, value_name = "WHO=IMAGE")]
    assign: Vec<Text<bootwright_serve::Rule>>,
    /// Answer this machine, and no other that is not named so.
    #[arg(long, value_name = "MAC")]
    allow: Vec<Text<bootwright_serve::Mac>>,
    /// What UEFI firmware gets that boots by PXE: iPXE, or the image itself by TFTP [default: ipxe].
    #[arg(long, value_enum)]
    road: Option<Road>,
    /// Where iPXE binaries are [default: where distributions install them].
    #[arg(long, value_name = "DIR")]
    ipxe_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dhcp {
    Proxy,
    Full,
    Off,
}

#[derive(Clone, Copy, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, ValueEnum)]
enum Road {
    Ipxe,
    Tftp,
}

impl Serve {
    /// Serves until it is interrupted.
    pub fn run(self) -> Result<(), Failure> {
        teller::log_to_stderr();
        let output = if self.json { Output::Json } else { Output::Lines };
        let file = self.config.as_deref().map(read_config).transpose()?.unwrap_or_default();
        let config = self.into_config().or(file);
        let (teller, tell) = Teller::new(output);
        let ready = Ready::prepare(&config, tell, digesting::show()).map_err(failure);
        // Privileges are gone, or it failed: from here on there may be threads.
        let printer = teller.start();
        let result = ready.and_then(|ready| ready.run().map_err(failure));
        printer.finish();
        result
    }

    fn into_config(self) -> Config {
        let dhcp = self.dhcp.dhcp.map(|dhcp| match dhcp {
            Dhcp::Proxy => config::Dhcp::Proxy,
            Dhcp::Full => config::Dhcp::Full,
            Dhcp::Off => config::Dhcp::Off,
        });
        let road = self.boot.road.map(|road| match road {
            Road::Ipxe => config::Road::Ipxe,
            Road::Tftp => config::Road::Tftp,
        });
        Config {
            images: self.images,
            interface: self.interface,
            address: self.address,
            dhcp,
            range: self.dhcp.range,
            reserve: self.dhcp.reserve,
            router: self.dhcp.router,
            dns: self.dhcp.dns,
            ntp: self.dhcp.ntp,
            domain: self.dhcp.domain,
            lease_time: self.dhcp.lease_time,
            http_port: self.http_port,
            peers: self.peers.map(|switch| match switch {
                Switch::On => config::Switch::On,
                Switch::Off => config::Switch::Off,
            }),
            peer_port: self.peer_port,
            state: self.state,
            assign: self.boot.assign,
            allow: self.boot.allow,
            dry_run: self.dhcp.dry_run.then_some(true),
            road,
            ipxe_dir: self.boot.ipxe_dir,
            user: self.user,
            behind: self.behind,
        }
    }
}

fn read_config(path: &std::path::Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::message(Kind::Environment, format!("{}: {error}", path.display())))?;
    Config::parse(&text)
        .map_err(|error| Failure::message(Kind::Usage, format!("{}: {error}", path.display())))
}

fn failure(error: ServeError) -> Failure {
    let kind = match &error {
        ServeError::Image(bootwright_serve::ImageError::Io { .. }) => Kind::Environment,
        ServeError::Image(_) => Kind::Bad,
        ServeError::Options(_) => Kind::Usage,
        ServeError::Interface(error) if error.is_usage() => Kind::Usage,
        _ => Kind::Environment,
    };
    Failure::message(kind, bootwright_serve::recorder::chain(&error))
}
