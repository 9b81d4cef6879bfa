//! The DHCP and TFTP servers with nothing around them, for trying them out in a network of one's own:
//!
//! ```sh
//! boot-server INTERFACE ADDRESS DIRECTORY proxy|tftp-proxy
//! boot-server INTERFACE ADDRESS DIRECTORY full FIRST LAST PREFIX STATE
//! ```
//!
//! DIRECTORY holds `w/image.efi` and iPXE binaries; TFTP serves what is in it. HTTP is expected on port 8000.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bootwright_netboot::arch::{Cpu, Firmware};
use bootwright_netboot::assign::{Image, Rules};
use bootwright_netboot::dhcp::server::{
    Boot, Config, LEASE_TIME, Leases, Loader, Mode, Road, Sending, Subnet, SubnetConfig,
};
use bootwright_netboot::tftp::Limits;
use bootwright_serve::{dhcp, tftp};

struct Directory(PathBuf);

impl tftp::Files for Directory {
    fn open(&self, path: &str, _: Ipv4Addr) -> Option<tftp::Content> {
        let file = File::open(self.0.join(path)).ok()?;
        let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        Some(tftp::Content::File { file: Arc::new(file), offset: 0, length })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, address, directory, mode, rest @ ..] = arguments.as_slice() else {
        return Err("usage: boot-server INTERFACE ADDRESS DIRECTORY MODE …, see the source".into());
    };
    let address: Ipv4Addr = address.parse()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let (mode, road, journal, leases) = match (mode.as_str(), rest) {
        ("proxy", []) => (Mode::Proxy, Road::Ipxe, None, Leases::default()),
        ("tftp-proxy", []) => (Mode::Proxy, Road::Tftp, None, Leases::default()),
        ("full", [first, last, prefix, state]) => {
            let subnet = SubnetConfig {
                network: address,
                prefix: prefix.parse()?,
                ranges: vec![first.parse()?..=last.parse()?],
                router: Some(address),
                dns: vec![address],
                ntp: vec![],
                domain: None,
                lease_time: LEASE_TIME,
                reservations: Default::default(),
            };
            let (journal, leases) = dhcp::Journal::open(state.as_ref(), now)?;
            let subnet = Subnet::new(subnet, address)?;
            (Mode::Full(vec![Arc::new(subnet)]), Road::Ipxe, Some(journal), leases)
        }
        _ => return Err("the mode is proxy, tftp-proxy or full FIRST LAST PREFIX STATE".into()),
    };
    let loader = |firmware, cpu, path: &str| Loader { firmware, cpu, path: path.to_owned() };
    let boot = Boot {
        server: format!("http://{address}:8000"),
        road,
        loaders: vec![
            loader(Firmware::Bios, Cpu::X86, "undionly.kpxe"),
            loader(Firmware::Uefi, Cpu::X86_64, "snponly.efi"),
        ],
    };
    let rules = Rules::new(vec![Image { name: "w".into(), cpu: Some(Cpu::X86_64) }], vec![], vec![])?;
    println!("{}", dhcp::find_others(interface)?.word(&mode));
    let sockets = dhcp::Sockets::bind(interface, &mode)?;
    let config = Config { address, mode, boot, rules, sending: Sending::Answers };
    let quiet = std::env::var_os("QUIET").is_some();
    let dhcp_events: dhcp::Events = Arc::new(move |event| {
        if !quiet {
            println!("{event}");
        }
    });
    let _dhcp = dhcp::start(sockets, config, leases, journal, dhcp_events)?;
    let tftp_events: tftp::Events = Arc::new(move |event| {
        if !quiet {
            println!("{} {event}", event.client.ip());
        }
    });
    let socket = tftp::Socket::bind(address, 69)?;
    let _tftp = tftp::start(socket, Arc::new(Directory(directory.into())), Limits::default(), tftp_events)?;
    println!("ready");
    loop {
        std::thread::park();
    }
}
