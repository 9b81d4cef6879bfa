//! DHCP: leases a second, beside dnsmasq and Kea with its memfile, each keeping its leases on the disk.
//!
//! perfdhcp plays a fleet on a host of its own. It asks at growing rates; a server's figure is the most
//! complete exchanges a second that it reached, and beside it stand the losses at the highest rate that the
//! best peer carried without any.

use std::path::Path;
use std::process::Command;

use super::lab::{self, Network};
use super::{Context, Row};
use crate::Result;

/// Exchanges that perfdhcp begins each second, one run for each.
const RATES: [u32; 4] = [250, 1000, 2000, 4000];
/// Seconds of one run.
const PERIOD: &str = "5";
/// Bits of the network that has room for all of perfdhcp's machines; the lab's own is a part of it.
const FIRST: &str = "10.77.1.0";
const LAST: &str = "10.77.250.250";

/// What a server did at one rate.
#[derive(Debug, Clone, Copy)]
struct Figure {
    /// Complete exchanges a second.
    rate: f64,
    /// Packets without an answer.
    drops: f64,
}

/// Measures leases a second.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let image = lab::image(context, 4096)?;
    // Leases of an earlier run would spare everybody work; there may be none.
    for file in ["state/leases", "dnsmasq.leases", "kea.leases"] {
        let _ = std::fs::remove_file(context.scratch.join(file));
    }
    let ours = measure(|network| {
        let range = format!("{FIRST}-{LAST}");
        network.bootwright(context, &image, &["--dhcp", "full", "--range", &range])
    })?;
    let kea = kea_configuration(&context.scratch)?;
    let peers = [
        ("dnsmasq", measure(|network| dnsmasq(network, &context.scratch))?),
        (
            "Kea",
            measure(|network| {
                let mut command = network.server("kea-dhcp4");
                command.env("KEA_PIDFILE_DIR", &context.scratch).env("KEA_LOCKFILE_DIR", &context.scratch);
                command.arg("-c").arg(&kea);
                command
            })?,
        ),
    ];
    let most = |figures: &[Figure]| figures.iter().map(|figure| figure.rate).fold(0.0, f64::max);
    let best = peers.iter().max_by(|a, b| most(&a.1).total_cmp(&most(&b.1)));
    let (name, peer) = best.ok_or("no peer was measured")?;
    let (our_rate, peer_rate) = (most(&ours), most(peer));
    // Losses count at the highest rate that the best peer carried without any, or at the lowest.
    let carried = peer.iter().rposition(|figure| figure.drops == 0.0).unwrap_or(0);
    let (our_drops, peer_drops) = (drops(&ours, carried), drops(peer, carried));
    let at = RATES.get(carried).copied().unwrap_or_default();
    Ok(vec![
        Row {
            what: "DHCP, durable leases: exchanges of four messages a second".into(),
            ours: format!("{our_rate:.0}"),
            peer: format!("{name}, the best: {peer_rate:.0}"),
            ratio: our_rate / peer_rate,
            aim: "≥ 1.0",
            met: our_rate >= peer_rate,
        },
        Row {
            what: format!("DHCP: packets lost at {at} a second"),
            ours: format!("{our_drops:.0}"),
            peer: format!("{name}: {peer_drops:.0}"),
            ratio: our_drops / peer_drops.max(1.0),
            aim: "none",
            met: our_drops == 0.0,
        },
    ])
}

fn drops(figures: &[Figure], index: usize) -> f64 {
    figures.get(index).map_or(f64::NAN, |figure| figure.drops)
}

/// Runs a server afresh, in a network of its own, and asks it at every rate.
fn measure(server: impl Fn(&Network) -> Command) -> Result<Vec<Figure>> {
    let network = Network::new()?;
    let widen = "addr flush dev br0\naddr add 10.77.0.1/16 dev br0\n";
    network.lab.ip(widen).map_err(|error| error.to_string())?;
    let _server = network.start(&mut server(&network), 67)?;
    RATES.iter().enumerate().map(|(run, rate)| ask(&network, run, *rate)).collect()
}

fn ask(network: &Network, run: usize, rate: u32) -> Result<Figure> {
    let mut perfdhcp = network.client("perfdhcp");
    // Machines of their own for each run, and two seconds for answers that are late.
    let base = format!("mac=00:0c:{run:02x}:00:00:00");
    perfdhcp.args(["-4", "-l", "eth0", "-r", &rate.to_string(), "-R", "60000", "-p", PERIOD, "-b", &base]);
    perfdhcp.args(["-W", "2000000", "10.77.0.1"]);
    // It ends with 3 when packets were lost, which is a figure and no failure.
    let output = perfdhcp.output().map_err(|error| format!("perfdhcp: {error}"))?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(said: &str) -> Result<Figure> {
    let after = |start: &'static str| said.lines().filter_map(move |line| line.trim().strip_prefix(start));
    let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    let rate = after("Rate: ").find_map(number);
    let rate = rate.ok_or_else(|| format!("perfdhcp printed no rate: {said}"))?;
    Ok(Figure { rate, drops: after("drops: ").filter_map(number).sum() })
}

fn dnsmasq(network: &Network, scratch: &Path) -> Command {
    let leases = scratch.join("dnsmasq.leases");
    let mut command = network.server("dnsmasq");
    command.args(["-d", "--user=root", "--conf-file=/dev/null", "--port=0", "--interface=br0"]);
    command.args(["--bind-interfaces", "--no-ping", "--quiet-dhcp", "--dhcp-lease-max=100000"]);
    command.arg(format!("--dhcp-range={FIRST},{LAST},255.255.0.0,1h"));
    command.arg(format!("--dhcp-leasefile={}", leases.display()));
    command
}

fn kea_configuration(scratch: &Path) -> Result<std::path::PathBuf> {
    let leases = scratch.join("kea.leases");
    let text = serde_json::json!({"Dhcp4": {
        "interfaces-config": {"interfaces": ["br0"], "dhcp-socket-type": "udp"},
        "lease-database": {"type": "memfile", "persist": true, "name": leases, "lfc-interval": 0},
        "valid-lifetime": 3600,
        "subnet4": [{"subnet": "10.77.0.0/16", "pools": [{"pool": format!("{FIRST}-{LAST}")}]}],
        "loggers": [{"name": "kea-dhcp4", "severity": "WARN",
                     "output_options": [{"output": scratch.join("kea.log")}]}],
    }});
    let path = scratch.join("kea.json");
    std::fs::write(&path, text.to_string()).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
