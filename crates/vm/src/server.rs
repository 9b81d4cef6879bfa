//! Our own server in the machines' network.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::service::Copy;
use crate::{Error, Network, Service, Transcript};

/// How long the server may take until it answers; it only opens sockets and reads manifests.
const START: Duration = Duration::from_secs(20);

/// Who gives addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dhcp {
    /// The server.
    Full,
    /// Somebody else; the server adds what is needed to boot.
    Proxy,
    /// Nobody as far as the server is concerned.
    Off,
}

/// What PXE firmware is given by TFTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByTftp {
    /// iPXE, which goes on by HTTP.
    Ipxe,
    /// The UKI itself.
    Uki,
}

/// What to serve and how.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The `bootwright` binary, an absolute path.
    pub program: PathBuf,
    /// Image directories, absolute paths.
    pub images: Vec<PathBuf>,
    /// Who gives addresses.
    pub dhcp: Dhcp,
    /// What PXE firmware gets.
    pub by_tftp: ByTftp,
    /// Where leases and machines are kept from one start to the next.
    pub state: PathBuf,
}

/// A running `bootwright serve`.
#[derive(Debug)]
pub struct Server {
    service: Service,
}

impl Server {
    /// Starts it in the network and waits until it answers; `copy` gets what it says.
    ///
    /// # Errors
    /// [`Error::Server`] with what it said when it ends or does not answer.
    pub fn start(network: &dyn Network, serving: &Serving, copy: Option<Copy>) -> Result<Self, Error> {
        let server = Self { service: Service::start(&mut command(network, serving), copy)? };
        let begun = Instant::now();
        while network.get("/v1/machines").is_err() {
            let said = &server.service.transcript();
            if said.has_ended() || begun.elapsed() > START {
                return Err(Error::Server { said: said.tail(20).join("\n    ") });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// What it has said so far.
    pub fn transcript(&self) -> &Transcript {
        self.service.transcript()
    }

    /// What `/v1/machines` says.
    ///
    /// # Errors
    /// [`Error::Command`] when it does not answer, [`Error::Io`] when it answers no JSON.
    pub fn machines(&self, network: &dyn Network) -> Result<serde_json::Value, Error> {
        let text = network.get("/v1/machines")?;
        serde_json::from_slice(&text).map_err(|error| Error::io("reading /v1/machines")(error.into()))
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be waited for.
    pub fn kill(self) -> Result<(), Error> {
        self.service.kill().map(drop)
    }
}

fn command(network: &dyn Network, serving: &Serving) -> Command {
    let mut command = network.inside(serving.program.as_os_str());
    command.arg("serve").args(&serving.images);
    network.place(&mut command);
    command.arg("--state").arg(&serving.state);
    match serving.dhcp {
        Dhcp::Full => command.args(["--dhcp", "full", "--range", "10.77.0.50-10.77.0.250"]),
        Dhcp::Proxy => command.args(["--dhcp", "proxy"]),
        Dhcp::Off => command.args(["--dhcp", "off"]),
    };
    if serving.by_tftp == ByTftp::Uki {
        command.args(["--road", "tftp"]);
    }
    command
}
