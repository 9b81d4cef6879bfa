//! Servers and clients of a benchmark on two hosts of a private network.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bootwright_vm::Service;
use bootwright_vm::lab::{ADDRESS, BRIDGE, Host, Lab};

use super::Context;
use crate::{Result, shell};

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// How long a server may take until it is ready.
const START: Duration = Duration::from_secs(15);

/// A network with the servers' host on [`ADDRESS`] and a host for clients.
pub struct Network {
    pub lab: Lab,
    host: Host,
}

impl Network {
    pub fn new() -> Result<Self> {
        let lab = Lab::new().map_err(|error| error.to_string())?;
        let host = lab.host("10.77.0.2").map_err(|error| error.to_string())?;
        Ok(Self { lab, host })
    }

    /// A command on the servers' host, as root of the network.
    pub fn server(&self, program: impl AsRef<Path>) -> Command {
        self.lab.command(program.as_ref())
    }

    /// A command on the clients' host.
    pub fn client(&self, program: &str) -> Command {
        self.host.command(&self.lab, program)
    }

    /// Starts a server and waits until something has bound that UDP port.
    pub fn start(&self, command: &mut Command, port: u16) -> Result<Service> {
        let service = Service::start(command, None).map_err(|error| error.to_string())?;
        let begun = Instant::now();
        loop {
            let mut sockets = self.server("ss");
            let listening = shell::output(sockets.args(["-Hulno", "sport", &format!("= :{port}")]))?;
            if !listening.trim().is_empty() {
                return Ok(service);
            }
            if begun.elapsed() > START || service.transcript().has_ended() {
                let said = service.transcript().tail(5).join("\n");
                return Err(format!("{command:?} does not listen on UDP port {port}: {said}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `bootwright serve` of one image, quietly, on the bridge.
    pub fn bootwright(&self, context: &Context, image: &Path, arguments: &[&str]) -> Command {
        let mut command = self.server(&context.bootwright);
        command.arg("serve").arg(image).args(["--interface", BRIDGE, "--address", ADDRESS]);
        command.args(["--http-port", "8000", "--state"]).arg(context.scratch.join("state")).args(arguments);
        command.stderr(Stdio::null());
        command
    }
}

/// An image whose `image.efi` is a UKI with an initrd of `size` bytes.
pub fn image(context: &Context, size: usize) -> Result<PathBuf> {
    let directory = context.scratch.join("bench");
    let uki = uki(context, &directory, size)?;
    write_manifest(&directory, "embed", &[("image.efi", "uki", uki)])?;
    Ok(directory)
}

/// Makes `image.efi` in `directory`, a UKI with an initrd of `size` bytes, and gives its size.
pub fn uki(context: &Context, directory: &Path, size: usize) -> Result<u64> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(failed)?;
    let initrd = context.scratch.join("initrd.img");
    // What counts as a cpio archive at first sight, and then bytes that are not zero.
    let mut bytes = b"070701..".to_vec();
    bytes.resize(size, 0x5a);
    std::fs::write(&initrd, bytes).map_err(failed)?;
    let uki = directory.join("image.efi");
    let mut build = Command::new(&context.bootwright);
    // The stub is an EFI program as a kernel is, and stands in for one.
    build.args(["uki", "build", "--linux", STUB, "--uname", "6", "--cmdline", "quiet", "--initrd"]);
    shell::output(build.arg(initrd).arg("-o").arg(&uki))?;
    Ok(std::fs::metadata(&uki).map_err(failed)?.len())
}

/// Writes `image.json` for artifacts given by file, kind and size.
pub fn write_manifest(directory: &Path, mode: &str, artifacts: &[(&str, &str, u64)]) -> Result<()> {
    // The server compares sizes; digests are for those who fetch.
    let digest = format!("sha256:{}", "0".repeat(64));
    let artifact = |(file, kind, size): &(&str, &str, u64)| serde_json::json!({"file": file, "kind": kind, "size": size, "digest": digest});
    let manifest = serde_json::json!({
        "schema": 1, "name": "bench", "architecture": "x86_64", "mode": mode, "kernel": "6", "created": 0,
        "artifacts": artifacts.iter().map(artifact).collect::<Vec<_>>(),
    });
    let path = directory.join("image.json");
    std::fs::write(&path, manifest.to_string()).map_err(|error| format!("{}: {error}", path.display()))
}
