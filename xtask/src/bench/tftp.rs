//! TFTP: 64 MiB to 1 and 50 clients, with and without windowsize, beside dnsmasq, tftpd-hpa and atftpd.
//!
//! Each server runs alone on one host of a private network, the clients (atftp) on another; what counts
//! is the time until the last client has the file. dnsmasq and tftpd-hpa know no windowsize: their figures in
//! lock-step stand for those cases too. The 50 clients fetch 3.4 GB in each case: the whole takes some minutes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::lab::{self, Network};
use super::{Context, Row, median};
use crate::{Result, shell};

/// Bytes of the initrd in the UKI that is sent.
const SIZE: usize = 64 << 20;

/// Seconds after which a fetch has failed: a client whose last block is lost would wait for ever.
const PATIENCE: &str = "300";

struct Case {
    what: &'static str,
    clients: usize,
    windowsize: Option<u16>,
    /// How often each server is measured; the median counts.
    runs: usize,
}

const CASES: [Case; 4] = [
    Case { what: "1 client, lock-step", clients: 1, windowsize: None, runs: 3 },
    Case { what: "1 client, windowsize 16", clients: 1, windowsize: Some(16), runs: 3 },
    Case { what: "50 clients, lock-step", clients: 50, windowsize: None, runs: 1 },
    Case { what: "50 clients, windowsize 16", clients: 50, windowsize: Some(16), runs: 1 },
];

/// Measures throughput.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let network = Network::new()?;
    let image = lab::image(context, SIZE)?;
    let mut ours = network.bootwright(context, &image, &["--dhcp", "proxy"]);
    let ours = measure(&network, "bootwright", &mut ours, Windows::Known)?;
    let mut peers = Vec::new();
    for (name, windows, mut command) in peers_of(context, &network)? {
        peers.push((name, measure(&network, name, &mut command, windows)?));
    }
    Ok(CASES.iter().enumerate().filter_map(|(index, case)| compare(index, case, &ours, &peers)).collect())
}

/// Ours beside the best of the peers.
fn compare(index: usize, case: &Case, ours: &[f64], peers: &[(&str, Vec<f64>)]) -> Option<Row> {
    let ours = *ours.get(index)?;
    let figures = peers.iter().filter_map(|(name, figures)| Some((*name, *figures.get(index)?)));
    let (name, best) = figures.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let rate = |seconds: f64| SIZE as f64 * case.clients as f64 / seconds / 1e6;
    Some(Row {
        what: format!("TFTP, 64 MiB, {}", case.what),
        ours: format!("{:.0} MB/s", rate(ours)),
        peer: format!("{name}, the best: {:.0} MB/s", rate(best)),
        ratio: best / ours,
        aim: "≥ 1.0",
        met: ours <= best,
    })
}

/// Whether a server knows RFC 7440.
#[derive(Clone, Copy, PartialEq)]
enum Windows {
    Known,
    /// It answers as if it had not been asked: the case before, in lock-step, has its figure.
    Unknown,
}

/// Seconds for each case.
fn measure(network: &Network, name: &str, command: &mut Command, windows: Windows) -> Result<Vec<f64>> {
    let _server = network.start(command, 69)?;
    let mut seconds: Vec<f64> = Vec::new();
    for case in &CASES {
        let last = seconds.last().copied();
        let figure = match (case.windowsize, windows, last) {
            (Some(_), Windows::Unknown, Some(lock_step)) => lock_step,
            _ => {
                let figures: Result<Vec<f64>> = (0..case.runs).map(|_| fetch(network, case)).collect();
                median(figures.map_err(|error| format!("{name}, {}: {error}", case.what))?)
            }
        };
        println!("   {name}, {}: {figure:.2} s", case.what);
        seconds.push(figure);
    }
    Ok(seconds)
}

fn fetch(network: &Network, case: &Case) -> Result<f64> {
    let window = case.windowsize.map(|size| format!("--option 'windowsize {size}'")).unwrap_or_default();
    let script = format!(
        "for i in $(seq {}); do
           atftp {window} --option 'blksize 1428' -g -r bench/image.efi -l /dev/null 10.77.0.1 & all=\"$all $!\"
         done
         for one in $all; do wait $one || exit 1; done",
        case.clients
    );
    let begun = Instant::now();
    shell::output(network.client("timeout").args([PATIENCE, "sh", "-c", &script]))?;
    Ok(begun.elapsed().as_secs_f64())
}

/// The peers with the scratch directory as their tree, each as it is set up for many clients.
fn peers_of(context: &Context, network: &Network) -> Result<Vec<(&'static str, Windows, Command)>> {
    let tree = context.scratch.as_path();
    let mut dnsmasq = network.server("dnsmasq");
    dnsmasq.args(["-d", "--user=root", "--conf-file=/dev/null", "--port=0", "--interface=br0"]);
    dnsmasq.args(["--bind-interfaces", "--enable-tftp", "--tftp-max=200"]);
    dnsmasq.arg(format!("--tftp-root={}", tree.display()));
    let mut hpa = network.server("in.tftpd");
    hpa.env("LD_PRELOAD", shim(tree)?);
    hpa.args(["-L", "-u", "root", "-a", "10.77.0.1:69", "-s"]).arg(tree);
    let mut atftpd = network.server(atftpd(tree)?);
    atftpd
        .args(["--daemon", "--no-fork", "--user", "root", "--group", "root", "--maxthread", "200"])
        .arg(tree);
    Ok(vec![
        ("dnsmasq", Windows::Unknown, dnsmasq),
        ("tftpd-hpa", Windows::Unknown, hpa),
        ("atftpd", Windows::Known, atftpd),
    ])
}

/// A library that answers setgroups(2) with yes: tftpd-hpa calls it for each transfer, and the network's user
/// namespace, with a single group, denies it.
fn shim(scratch: &Path) -> Result<PathBuf> {
    let (source, library) = (scratch.join("shim.c"), scratch.join("shim.so"));
    let code = "int setgroups(unsigned long n, const void *g) { return 0; }\n\
                int initgroups(const char *u, unsigned g) { return 0; }\n";
    std::fs::write(&source, code).map_err(|error| format!("{}: {error}", source.display()))?;
    let mut compiler = Command::new("cc");
    shell::output(compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source))?;
    Ok(library)
}

/// atftpd out of its package: installed it would put tftpd-hpa out.
fn atftpd(scratch: &Path) -> Result<PathBuf> {
    let program = scratch.join("atftpd/usr/sbin/atftpd");
    if !program.is_file() {
        let script = "set -e; cd \"$1\"; apt-get -q download atftpd; dpkg-deb -x atftpd_*.deb atftpd";
        let mut fetch = Command::new("sh");
        shell::run("fetch atftpd", fetch.args(["-c", script, "sh"]).arg(scratch))?;
    }
    Ok(program)
}
