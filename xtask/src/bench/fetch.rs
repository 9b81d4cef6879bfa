//! One machine that downloads over loopback, verified: beside curl with sha256sum, aria2 on eight connections, and, for
//! memory, libtorrent in the server's own swarm, where we are too then.
//!
//! All take the same file from the same server, `bootwright serve`, into memory (/dev/shm), so that neither the
//! disk nor when it is written decides. Processor time is that of the client's processes alone.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fleet::LIBTORRENT;
use super::{Context, Row, Usage, measure, median};
use crate::{Result, shell};

/// Bytes for rate and processor time.
const SIZE: u64 = 4 << 30;
/// Bytes between which memory must not grow.
const SMALL: u64 = 64 << 20;
const LARGE: u64 = 8 << 30;
/// Memory that a machine may spend on a download.
const MEMORY: u64 = 64 << 20;
/// How often each is measured, in turns; the medians count.
const RUNS: usize = 3;
/// How long the server may take until it has digested the largest file.
const START: Duration = Duration::from_secs(300);
/// Noise that is repeated until a file has its size.
const NOISE: usize = 16 << 20;
/// For memory alone, a file has a page of it so often, less than a chunk, and holes between.
const SPARSE: u64 = 64 << 10;
const PAGE: usize = 4 << 10;

/// Measures rate, processor time and memory.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let shared = tempfile::tempdir_in("/dev/shm").map_err(|error| format!("/dev/shm: {error}"))?;
    let output = shared.path().join("output");
    let mut rows = Vec::new();
    {
        let server = Server::start(context, &noise(&context.scratch, SIZE)?)?;
        let (mut ours, mut curl, mut aria2) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            ours.push(fresh(&output, &server.ours(context, &output, "off"))?);
            curl.push(fresh(&output, &server.curl(&output))?);
            aria2.push(fresh(&output, &server.aria2(&output))?);
        }
        rows.push(rate(&ours, "curl, then sha256sum", &curl));
        rows.push(cpu(&ours, "curl, then sha256sum", &curl));
        rows.push(rate(&ours, "aria2c -x8 with a checksum", &aria2));
        rows.push(cpu(&ours, "aria2c -x8 with a checksum", &aria2));
    }
    for (size, what) in [(SMALL, "64 MiB"), (LARGE, "8 GiB")] {
        let server = Server::start(context, &sparse(&context.scratch, size)?)?;
        let ours = fresh(&output, &server.ours(context, &output, "on"))?;
        let aria2 = fresh(&output, &server.aria2(&output))?;
        let torrent = context.scratch.join("image.torrent");
        let libtorrent =
            fresh(&shared.path().join(&server.name), &server.libtorrent(&torrent, shared.path())?)?;
        rows.push(memory(what, &ours, &aria2, &libtorrent));
    }
    Ok(rows)
}

fn fresh(output: &Path, command: &Command) -> Result<Usage> {
    let usage = measure(command);
    std::fs::remove_file(output).map_err(|error| format!("{}: {error}", output.display()))?;
    let usage = usage?;
    println!(
        "   {:?}: {:.2} s, CPU {:.2} s",
        command.get_program(),
        usage.wall.as_secs_f64(),
        usage.cpu.as_secs_f64()
    );
    Ok(usage)
}

fn rate(ours: &[Usage], name: &str, peer: &[Usage]) -> Row {
    let rate = |usages: &[Usage]| {
        SIZE as f64 / 1e6 / median(usages.iter().map(|usage| usage.wall.as_secs_f64()).collect())
    };
    let (ours, peer) = (rate(ours), rate(peer));
    Row {
        what: "1 machine, loopback, 4 GiB, verified: rate".to_owned(),
        ours: format!("{ours:.0} MB/s"),
        peer: format!("{name}: {peer:.0} MB/s"),
        ratio: ours / peer,
        aim: "≥ 1.0",
        met: ours >= peer,
    }
}

fn cpu(ours: &[Usage], name: &str, peer: &[Usage]) -> Row {
    let gib = SIZE as f64 / f64::from(1 << 30);
    let cpu = |usages: &[Usage]| median(usages.iter().map(|usage| usage.cpu.as_secs_f64()).collect()) / gib;
    let (ours, peer) = (cpu(ours), cpu(peer));
    Row {
        what: "1 machine, loopback, verified: CPU per GiB".to_owned(),
        ours: format!("{ours:.2} s"),
        peer: format!("{name}: {peer:.2} s"),
        ratio: ours / peer,
        aim: "≤ 1.0",
        met: ours <= peer,
    }
}

fn memory(what: &str, ours: &Usage, aria2: &Usage, libtorrent: &Usage) -> Row {
    let mib = |usage: &Usage| usage.peak as f64 / f64::from(1 << 20);
    Row {
        what: format!("1 machine, {what}: peak memory"),
        ours: format!("{:.1} MiB", mib(ours)),
        peer: format!(
            "the aim of 64 MiB (aria2c -x8: {:.1} MiB, libtorrent: {:.1} MiB)",
            mib(aria2),
            mib(libtorrent)
        ),
        ratio: ours.peak as f64 / MEMORY as f64,
        aim: "≤ 1.0",
        met: ours.peak <= MEMORY,
    }
}

/// `bootwright serve` of one file.
struct Server {
    process: Child,
    /// Of the image that the file is served as.
    image: String,
    name: String,
    digest: String,
}

impl Server {
    fn start(context: &Context, file: &Path) -> Result<Self> {
        let said = shell::output(Command::new("sha256sum").arg(file))?;
        let digest = said.split_whitespace().next().unwrap_or_default().to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = listener.map_err(|error| format!("looking for a free port: {error}"))?.port();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(&context.bootwright);
        command.arg("serve").arg(file).args(["--interface", "lo", "--address", "127.0.0.1", "--dhcp", "off"]);
        command.args(["--http-port", &port.to_string(), "--state"]).arg(context.scratch.join("state"));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.map_err(|error| format!("{command:?}: {error}"))?;
        let image = format!("http://127.0.0.1:{port}/images/{name}");
        let server = Self { process, image, name, digest };
        let begun = Instant::now();
        let manifest = format!("{}/image.json", server.image);
        while shell::output(Command::new("curl").args(["-sf", &manifest])).is_err() {
            if begun.elapsed() > START {
                return Err(format!("{manifest} is not there after {START:?}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    fn ours(&self, context: &Context, output: &Path, peers: &str) -> Command {
        let mut command = Command::new(&context.bootwright);
        command.args(["fetch", &format!("{}/image.json", self.image), "--peers", peers, "-o"]).arg(output);
        command
    }

    fn curl(&self, output: &Path) -> Command {
        let mut command = Command::new("sh");
        let script = "curl -sSf -o \"$1\" \"$2\" && echo \"$3  $1\" | sha256sum -c --quiet";
        command.args(["-c", script, "sh"]).arg(output).arg(self.file()).arg(&self.digest);
        command
    }

    fn aria2(&self, output: &Path) -> Command {
        let mut command = Command::new("aria2c");
        command.args(["--no-conf", "--quiet", "-x8", "-s8", "--file-allocation=none"]);
        command.arg(format!("--checksum=sha-256={}", self.digest));
        command.arg("-d").arg(output.parent().unwrap_or(output)).arg("-o");
        command.arg(output.file_name().unwrap_or_default()).arg(self.file());
        command
    }

    /// By the server's torrent, from its seeder and its web seed.
    fn libtorrent(&self, torrent: &Path, directory: &Path) -> Result<Command> {
        let url = format!("{}/{}.torrent", self.image, self.name);
        shell::output(Command::new("curl").arg("-sSfo").arg(torrent).arg(url))?;
        let mut command = Command::new("sh");
        let script =
            "rm -f \"$4\"; /usr/bin/python3 -c \"$1\" \"$2\" \"$3\" 127.0.0.1:0 fetch \"$4\" & peer=$!
            while [ ! -e \"$4\" ]; do kill -0 $peer || exit 1; sleep 0.2; done
            kill $peer; wait $peer; rm \"$4\"";
        command.args(["-c", script, "sh", LIBTORRENT]).arg(torrent).arg(directory);
        command.arg(directory.join("done"));
        Ok(command)
    }

    fn file(&self) -> String {
        format!("{}/{}", self.image, self.name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the measurement has told already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A file of noise, kept between runs.
fn noise(scratch: &Path, size: u64) -> Result<PathBuf> {
    let path = scratch.join(format!("noise-{}.bin", size >> 20));
    make(&path, size, |file| {
        let noise = random(NOISE)?;
        (0..size / NOISE as u64).try_for_each(|_| (&*file).write_all(&noise))
    })
}

/// A file with noise in each of its chunks and holes between.
fn sparse(scratch: &Path, size: u64) -> Result<PathBuf> {
    let path = scratch.join(format!("sparse-{}.bin", size >> 20));
    make(&path, size, |file| {
        let noise = random(PAGE)?;
        file.set_len(size)?;
        (0..size).step_by(SPARSE as usize).try_for_each(|at| file.write_all_at(&noise, at))
    })
}

fn random(bytes: usize) -> io::Result<Vec<u8>> {
    let mut noise = vec![0; bytes];
    File::open("/dev/urandom")?.read_exact(&mut noise)?;
    Ok(noise)
}

/// Fills a new file, which takes its name when it is whole.
fn make(path: &Path, size: u64, fill: impl FnOnce(&File) -> io::Result<()>) -> Result<PathBuf> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == size) {
        return Ok(path.to_owned());
    }
    let new = path.with_extension("new");
    let file = File::create(&new).map_err(failed)?;
    fill(&file).and_then(|()| std::fs::rename(&new, path)).map_err(failed)?;
    Ok(path.to_owned())
}
