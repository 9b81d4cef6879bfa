mod follow;
mod medium;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bootwright_image::Manifest;
use bootwright_vm::machine::{self, Accel, Boot, Console, Firmware, OnReboot};
use bootwright_vm::server::{ByTftp, Dhcp, Server, Serving};
use bootwright_vm::uki::{Parts, PartsError};
use bootwright_vm::{Machine, Network, Road, VlanId, network};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use regex_lite::Regex;

use crate::failure::{Failure, Kind, OrFail as _};
use crate::seed;

/// How long `--expect` waits when `--timeout` does not say: enough for a slow processor under TCG.
const PATIENCE: Duration = Duration::from_secs(300);

/// Boot an image in virtual machines, in a private network with a server of its own.
///
/// Needs no privileges and does not touch the host's network; where the host makes no namespaces, a switch in
/// user space connects the machines. Without --expect the console of one machine is
/// this terminal (Ctrl-A X ends the machine).
///
/// Example: bootwright vm ./worker --via pxe --firmware bios --expect 'login:'
#[derive(Args)]
pub struct Vm {
    /// The image directory that `bootwright build` made.
    image: PathBuf,
    /// How the machine gets to the image [default: http with UEFI, pxe with a BIOS].
    #[arg(long, value_name = "ROAD", value_parser = roads())]
    via: Option<Road>,
    /// What the machine wakes up in.
    #[arg(long, value_enum, default_value = "uefi")]
    firmware: Kindling,
    /// How many machines boot at once.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u8).range(1..=200))]
    count: u8,
    /// What executes the guest; auto tries the image's kernel under KVM.
    #[arg(long, value_enum, default_value = "auto")]
    accel: Acceleration,
    /// What connects machines and server; auto takes namespaces where the host allows them.
    #[arg(long, value_enum, default_value = "auto")]
    network: Connection,
    /// Machines have to send and receive frames with this tag, as on a trunk of a switch: for vlan= on the command
    /// line. The switch is the one in user space.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094))]
    vlan: Option<u16>,
    /// Memory of each machine.
    #[arg(long, value_name = "MIB", default_value = "2048", value_parser = clap::value_parser!(u32).range(64..))]
    memory: u32,
    /// Give up, or end the machines, after this time [default: 300 with --expect, else never].
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Wait until a line of every machine's console matches, and end with success.
    #[arg(long, value_name = "REGEX")]
    expect: Option<Regex>,
    /// More words for the kernel command line: with --via direct, and on every road of UEFI when the image's
    /// systemd-stub is 254 or newer.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    append: Option<String>,
    /// A NoCloud seed for the machine, as bootwright seed makes it: one more disk.
    #[arg(long, value_name = "FILE", conflicts_with = "cloud_init")]
    seed: Option<PathBuf>,
    /// User data for cloud-init, of which a seed is made for the occasion.
    #[arg(long, value_name = "FILE")]
    cloud_init: Option<PathBuf>,
    /// Write the console to this file; of several machines to FILE.1, FILE.2 and so on.
    #[arg(long, value_name = "FILE")]
    console: Option<PathBuf>,
    /// With --expect: print what each machine said as a JSON list.
    #[arg(long, requires = "expect")]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kindling {
    /// OVMF
    Uefi,
    /// SeaBIOS
    Bios,
}

#[derive(Clone, Copy, ValueEnum)]
enum Connection {
    Auto,
    /// A bridge in private user, network and PID namespaces
    Namespace,
    /// A switch in user space
    User,
}

#[derive(Clone, Copy, ValueEnum)]
enum Acceleration {
    Auto,
    Kvm,
    Tcg,
}

/// The words for `--via`.
fn roads() -> impl TypedValueParser<Value = Road> {
    let word = |road: Road| PossibleValue::new(road.name()).help(road.about());
    PossibleValuesParser::new(Road::ALL.map(word)).try_map(|name| name.parse::<Road>())
}

impl Vm {
    /// Boots, and waits for what is to be waited for.
    pub fn run(self) -> Result<(), Failure> {
        let (road, firmware) = (self.road(), self.firmware());
        let builder = road.machine(firmware).or_usage()?;
        let (image, manifest) = open(&self.image)?;
        let state = tempfile::tempdir().or_environment()?;
        let parts = Parts::extract(&image.join("image.efi")).map_err(parts_failure)?;
        let boot = match road {
            Road::Esp => Boot::Esp(image.join("image.efi")),
            Road::Direct => parts.boot(self.append.as_deref().unwrap_or_default()),
            _ => match road.attach() {
                Some(attach) => {
                    let file = medium::file(&image, &manifest, (attach, firmware), state.path())?;
                    let attach = medium::by_its_sectors(attach, &file, state.path())?;
                    Boot::Medium { file, attach }
                }
                None => Boot::Network,
            },
        };
        let builder = self.with_more_words(builder, road, &parts)?;
        let builder = match self.seed(state.path())? {
            Some(seed) => builder.seed(seed),
            None => builder,
        };
        let on_reboot = if self.expect.is_some() { OnReboot::Restart } else { OnReboot::Exit };
        let builder = builder.boot(boot).memory(self.memory).accel(self.accel(&parts)?).on_reboot(on_reboot);

        let network = self.network()?;
        let serving = Serving {
            program: std::env::current_exe().or_environment()?,
            images: vec![image],
            dhcp: Dhcp::Full,
            by_tftp: if road == Road::Tftp { ByTftp::Uki } else { ByTftp::Ipxe },
            state: state.path().to_owned(),
        };
        // A machine that boots from a medium shall find its image there, and not on a server.
        let server = match road.attach() {
            Some(_) => None,
            None => Some(Server::start(&*network, &serving, self.server_copy()).or_environment()?),
        };
        let machines = self.start(&builder, &*network)?;
        match &self.expect {
            Some(pattern) => {
                follow::until_seen(&machines, server.as_ref(), pattern, self.patience(), self.output())
            }
            None => follow::until_ended(machines, self.timeout.map(Duration::from_secs)),
        }
    }

    /// `--append`: QEMU hands the words to a kernel that it loads itself; in a UKI the stub looks for them.
    fn with_more_words(
        &self,
        builder: machine::Builder,
        road: Road,
        parts: &Parts,
    ) -> Result<machine::Builder, Failure> {
        let Some(words) = self.append.as_deref().filter(|_| road != Road::Direct) else { return Ok(builder) };
        if self.firmware() == Firmware::Bios {
            let text = "--append with a BIOS needs --via direct: on its other roads the server says the command line";
            return Err(Failure::message(Kind::Usage, text));
        }
        let hint =
            |why| Failure::message(Kind::Usage, format!("--append: {why}; --via direct works with any"));
        Ok(builder.oem_string(parts.more_words(words).map_err(hint)?))
    }

    /// The seed's file: the one that was named, or one made in `scratch`.
    fn seed(&self, scratch: &Path) -> Result<Option<PathBuf>, Failure> {
        if let Some(seed) = &self.seed {
            let found = seed.canonicalize();
            let failed = |error| Failure::message(Kind::Environment, format!("{}: {error}", seed.display()));
            return found.map(Some).map_err(failed);
        }
        let Some(user_data) = &self.cloud_init else { return Ok(None) };
        let path = scratch.join("seed.iso");
        seed::make(&seed::with_user_data(user_data)?, &path)?;
        Ok(Some(path))
    }

    fn start(&self, builder: &machine::Builder, network: &dyn Network) -> Result<Vec<Machine>, Failure> {
        let start = |n| {
            let builder = builder.clone().mac(machine::mac(n)).console(self.console(n));
            let machine = builder.start(network).or_environment()?;
            if self.count > 1 && self.expect.is_none() && self.console.is_none() {
                follow::show(machine.console(), machine.mac());
            }
            Ok(machine)
        };
        if self.on_terminal() {
            eprintln!("bootwright: Ctrl-A X ends the machine");
        }
        (1..=self.count).map(start).collect()
    }

    fn console(&self, n: u8) -> Console {
        let copy = self.console.as_ref().map(|file| match self.count {
            1 => file.clone(),
            _ => PathBuf::from(format!("{}.{n}", file.display())),
        });
        if self.on_terminal() { Console::Terminal } else { Console::Captured { copy } }
    }

    /// Whether the terminal is the machine's console.
    fn on_terminal(&self) -> bool {
        self.expect.is_none() && self.console.is_none() && self.count == 1
    }

    /// The server speaks on standard error, where someone watches and no console is in its way.
    fn server_copy(&self) -> Option<bootwright_vm::service::Copy> {
        let watched = std::io::stderr().is_terminal() && !self.on_terminal();
        watched.then(|| Box::new(std::io::stderr()) as bootwright_vm::service::Copy)
    }

    fn accel(&self, parts: &Parts) -> Result<Accel, Failure> {
        match self.accel {
            Acceleration::Kvm => Ok(Accel::Kvm),
            Acceleration::Tcg => Ok(Accel::Tcg),
            Acceleration::Auto => {
                let choice = Accel::probe(&parts.kernel).or_environment()?;
                if choice.accel == Accel::Tcg {
                    eprintln!("bootwright: no KVM, the machines run under TCG, slowly: {}", choice.why);
                }
                Ok(choice.accel)
            }
        }
    }

    fn network(&self) -> Result<Box<dyn Network>, Failure> {
        let kind = match (self.vlan.and_then(VlanId::new), self.network) {
            (Some(_), Connection::Namespace) => {
                let text =
                    "--vlan is for the switch in user space: leave --network out, or say --network user";
                return Err(Failure::message(Kind::Usage, text));
            }
            (Some(id), _) => network::Kind::Trunk(id),
            (None, Connection::Auto) => network::Kind::Auto,
            (None, Connection::Namespace) => network::Kind::Namespace,
            (None, Connection::User) => network::Kind::User,
        };
        let (network, why) = network::make(kind).or_environment()?;
        if let Some(why) = why {
            eprintln!("bootwright: a switch in user space connects the machines: {why}");
        }
        Ok(network)
    }

    fn road(&self) -> Road {
        let usual = if self.firmware == Kindling::Uefi { Road::Http } else { Road::Pxe };
        self.via.unwrap_or(usual)
    }

    fn firmware(&self) -> Firmware {
        match self.firmware {
            Kindling::Uefi => Firmware::Uefi,
            Kindling::Bios => Firmware::Bios,
        }
    }

    fn patience(&self) -> Duration {
        self.timeout.map_or(PATIENCE, Duration::from_secs)
    }

    fn output(&self) -> follow::Output {
        if self.json { follow::Output::Json } else { follow::Output::Lines }
    }
}

/// The absolute path of an image directory, and its manifest.
fn open(image: &Path) -> Result<(PathBuf, Manifest), Failure> {
    let directory = image.canonicalize().map_err(|error| {
        Failure::message(Kind::Environment, format!("opening the image {}: {error}", image.display()))
    })?;
    let path = directory.join("image.json");
    let bytes = std::fs::read(&path).map_err(|error| {
        let text = format!("{}: {error}: an image is a directory that bootwright build made", path.display());
        Failure::message(Kind::Environment, text)
    })?;
    Ok((directory, Manifest::from_bytes(&bytes).or_bad()?))
}

fn parts_failure(error: PartsError) -> Failure {
    let kind = match error {
        PartsError::Environment(_) => Kind::Environment,
        PartsError::NotUki { .. } => Kind::Bad,
    };
    Failure::new(kind, miette::Report::from_err(error))
}
