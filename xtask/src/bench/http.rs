//! HTTP: a 1 GiB artifact to 1 and 16 clients, and in ranges, beside nginx with sendfile.
//!
//! Server and clients share the machine and the loopback interface, so what counts is bytes per second
//! and the server's CPU time for the same bytes, each in turns with the peer.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Context, Row, cpu_of, lab, median};
use crate::{Result, shell};

/// Bytes of the artifact: larger than any cache of a processor.
const SIZE: u64 = 1 << 30;
/// Bytes of a range: the agent's chunk.
const CHUNK: u64 = 256 << 10;
/// How often each server is measured, in turns; the medians count.
const RUNS: usize = 3;
/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(10);

/// What the clients do.
struct Case {
    what: &'static str,
    /// Clients at once.
    clients: u64,
    /// How often each of them fetches the artifact: so often that the server's CPU time is many ticks of the clock
    /// that counts it (10 ms).
    rounds: u64,
    /// Whether they fetch it in ranges.
    ranges: bool,
}

const CASES: [Case; 3] = [
    Case { what: "1 client", clients: 1, rounds: 16, ranges: false },
    Case { what: "16 clients", clients: 16, rounds: 1, ranges: false },
    Case { what: "1 client, ranges of 256 KiB", clients: 1, rounds: 4, ranges: true },
];

/// One measurement.
struct Figure {
    /// Seconds until the last client has everything.
    wall: f64,
    /// Seconds of the server's CPU time.
    cpu: f64,
}

/// Measures throughput and CPU time.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let image = image(context)?;
    let port = free_port()?;
    let ours = Server::start(&mut bootwright(context, &image, port), port, "/images/bench/root.img")?;
    let port = free_port()?;
    let peer = Server::start(&mut nginx(&context.scratch, &image, port)?, port, "/root.img")?;
    let mut rows = Vec::new();
    for case in &CASES {
        let (mut our_figures, mut peer_figures) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            our_figures.push(ours.measure(&context.scratch, case)?);
            peer_figures.push(peer.measure(&context.scratch, case)?);
        }
        rows.extend(compare(case, &our_figures, &peer_figures));
    }
    Ok(rows)
}

fn compare(case: &Case, ours: &[Figure], peer: &[Figure]) -> [Row; 2] {
    let bytes = (SIZE * case.clients * case.rounds) as f64;
    let rate = |figures: &[Figure]| bytes / median(figures.iter().map(|figure| figure.wall).collect()) / 1e6;
    let cpu = |figures: &[Figure]| median(figures.iter().map(|figure| figure.cpu).collect());
    let (our_rate, peer_rate, our_cpu, peer_cpu) = (rate(ours), rate(peer), cpu(ours), cpu(peer));
    [
        Row {
            what: format!("HTTP, 1 GiB, {}: throughput", case.what),
            ours: format!("{our_rate:.0} MB/s"),
            peer: format!("nginx: {peer_rate:.0} MB/s"),
            ratio: our_rate / peer_rate,
            aim: "≥ 1.0",
            met: our_rate >= peer_rate,
        },
        Row {
            what: format!("HTTP, 1 GiB, {}: CPU time of the server", case.what),
            ours: format!("{our_cpu:.2} s"),
            peer: format!("nginx: {peer_cpu:.2} s"),
            ratio: our_cpu / peer_cpu,
            aim: "≤ 1.2",
            met: our_cpu <= 1.2 * peer_cpu,
        },
    ]
}

/// An image whose root is a gigabyte of nothing; it is written, not sparse, so that pages are real.
fn image(context: &Context) -> Result<PathBuf> {
    let directory = context.scratch.join("bench");
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let uki = lab::uki(context, &directory, 4096)?;
    let root = directory.join("root.img");
    if std::fs::metadata(&root).map(|metadata| metadata.len()).unwrap_or(0) != SIZE {
        let mut zeroes = std::io::Read::take(File::open("/dev/zero").map_err(failed)?, SIZE);
        std::io::copy(&mut zeroes, &mut File::create(&root).map_err(failed)?).map_err(failed)?;
    }
    lab::write_manifest(&directory, "ram", &[("image.efi", "uki", uki), ("root.img", "root", SIZE)])?;
    Ok(directory)
}

/// A port that nobody has right now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    Ok(listener.map_err(|error| format!("looking for a free port: {error}"))?.port())
}

fn bootwright(context: &Context, image: &Path, port: u16) -> Command {
    let mut command = Command::new(&context.bootwright);
    command.arg("serve").arg(image).args(["--interface", "lo", "--address", "127.0.0.1", "--dhcp", "off"]);
    command.args(["--http-port", &port.to_string(), "--state"]).arg(context.scratch.join("state"));
    command
}

/// One process, as nginx serves files best: sendfile, and full packets.
fn nginx(scratch: &Path, image: &Path, port: u16) -> Result<Command> {
    let (dir, www) = (scratch.display(), image.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};"))
        .concat();
    let text = format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.log warn;
         events {{ worker_connections 2048; }}
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; {temporary}
           server {{ listen 127.0.0.1:{port}; root {www}; }} }}"
    );
    let file = scratch.join("nginx.conf");
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-e").arg(scratch.join("nginx.log")).arg("-c").arg(file);
    Ok(command)
}

/// A running server.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(command: &mut Command, port: u16, path: &str) -> Result<Self> {
        let process = command.stdout(Stdio::null()).spawn();
        let process = process.map_err(|error| format!("{command:?}: {error}"))?;
        let server = Self { process, url: format!("http://127.0.0.1:{port}{path}") };
        let begun = Instant::now();
        while shell::output(Command::new("curl").args(["-sfI", &server.url])).is_err() {
            if begun.elapsed() > START {
                return Err(format!("{command:?} does not answer"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    fn measure(&self, scratch: &Path, case: &Case) -> Result<Figure> {
        let pid = self.process.id();
        let mut client = client(scratch, &self.url, case)?;
        let (before, begun) = (cpu_of(pid)?, Instant::now());
        shell::output(&mut client)?;
        let wall = begun.elapsed().as_secs_f64();
        Ok(Figure { wall, cpu: (cpu_of(pid)? - before).as_secs_f64() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the measurement has told already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// curl: one process for one client, with all ranges on one connection.
fn client(scratch: &Path, url: &str, case: &Case) -> Result<Command> {
    let mut config = String::new();
    let one = format!("url = \"{url}\"\noutput = /dev/null\n");
    for _ in 0..case.rounds {
        if !case.ranges {
            config += &one;
            continue;
        }
        for start in (0..SIZE).step_by(CHUNK as usize) {
            let end = start + CHUNK - 1;
            config += &format!("{one}range = \"{start}-{end}\"\nnext\n");
        }
    }
    let file = scratch.join("curl.conf");
    std::fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = Command::new("sh");
    let script = "n=$1; while [ $n -gt 0 ]; do curl -sf -K \"$2\" & n=$((n - 1)); done; wait";
    command.args(["-c", script, "sh", &case.clients.to_string()]).arg(file);
    Ok(command)
}
