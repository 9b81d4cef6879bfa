//! The worker: from a kernel that has just started to a root that is mounted, or a cause.
//!
//! 1. [`Instructions`]: command line and pin.
//! 2. Drivers start loading, and go on loading ([`crate::devices`]).
//! 3. Which image ([`bootwright_plan::boot`]), unless it is embedded or [on a local medium](local).
//! 4. The network ([`crate::network`]), and with it the server and the reports.
//! 5. The root, verified ([`crate::root`]) or [kept on a disk](crate::disk), that of another builder ([`foreign`]), or
//!    a kernel ([`next_kernel`]).
//! 6. Mounted or loaded ([`crate::boot`]), handed over to PID 1.

mod disk;
mod foreign;
mod local;
mod next_kernel;
mod online;
mod remote;
mod stream;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bootwright_image::Pin;
use bootwright_image::manifest::Mode;
use bootwright_image::timeline::{Stage, Step};
use bootwright_plan::address::ImageAddress;
use bootwright_plan::boot::{self as planned, Boot, Refusal, decide};
use bootwright_plan::foreign_root::ForeignRoot;
use bootwright_plan::{Instructions, address, aria2, contradictions, time};
use rustix::mount::{MountFlags, mount};
use tracing::{debug, error, info, warn};

use crate::boot::{self, handoff, init, ram};
use crate::clock;
use crate::devices::Devices;
use crate::failure::code;
use crate::failure::screen::{self, Context};
use crate::failure::{Failure, chain};
use crate::firmware_variables::{self, EFIVARS};
use crate::handover::HandOver;
use crate::instructions;
use crate::log::{self, Verbosity};
use crate::network::Network;
use crate::report::{self, Reporter, unit};
use crate::root::{self, Place, VerifiedRoot};
use crate::share::{self, Shared};

use online::Online;

/// The name of this role on the command line.
pub const ROLE: &str = "work";

/// How long the last reports may hold the boot up: as good as not at all.
const LAST_REPORTS: Duration = Duration::from_millis(300);

/// The same when the boot has failed anyway.
const FAILURE_REPORTS: Duration = Duration::from_secs(5);

/// Runs the worker and prints what it hands over.
pub fn run() -> ExitCode {
    let instructions = instructions::read();
    log::start(if instructions.options.debug { Verbosity::Debug } else { Verbosity::Normal });
    std::panic::set_hook(Box::new(|panic| error!("the worker failed: {panic}")));
    for warning in instructions.warnings.iter().chain(&contradictions(&instructions)) {
        warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let handover = match runtime {
        Ok(runtime) => runtime.block_on(boot(instructions)),
        Err(error) => {
            error!("starting the worker: {error}");
            HandOver::Failed
        }
    };
    match handover.to_line() {
        Ok(line) => println!("{line}"),
        Err(error) => error!("handing over: {error}"),
    }
    ExitCode::SUCCESS
}

/// What every step needs.
struct Work {
    instructions: Instructions,
    devices: Devices,
    reporter: Reporter,
    /// What the clock showed at first cannot be right.
    clock_is_implausible: bool,
}

async fn boot(instructions: Instructions) -> HandOver {
    let image = instructions.pin.as_ref().map(|pin| pin.name.clone());
    let reporter = Reporter::new(report::machine(), image);
    let kernel = rustix::system::uname();
    let release = kernel.release().to_string_lossy();
    reporter.event(Stage::Agent, &format!("agent {} on Linux {release}", env!("CARGO_PKG_VERSION")));
    let clock_is_implausible = time::is_implausible(clock::now(), time::lower_bound(&instructions));
    if let Some(pin) = &instructions.pin {
        clock::not_before(pin.built, "the build of this image");
    }
    let devices = Devices::start(&instructions.line);
    let work = Work { instructions, devices, reporter, clock_is_implausible };
    work.mount_firmware_variables();
    match work.steps().await {
        Ok(handover) => {
            work.leave_reports(LAST_REPORTS).await;
            handover
        }
        Err(failure) => {
            work.tell(&failure);
            work.leave_reports(FAILURE_REPORTS).await;
            HandOver::Failed
        }
    }
}

/// The line cannot be carried out; the failure says of which step that is.
fn refused(refusal: Refusal) -> Failure {
    let failure = Failure::new(refusal.to_string());
    match refusal {
        Refusal::Address(_) => failure.at(Step::Address),
        Refusal::Unverified(_) => failure.at(Step::Verify),
        Refusal::EmbedWithoutPin | Refusal::MediumWithoutPin | Refusal::Remote(_) => failure,
    }
}

impl Work {
    async fn steps(&self) -> Result<HandOver, Failure> {
        if let Some(request) = aria2::Request::of(&self.instructions).map_err(Failure::new)?
            && let Some(handover) = self.aria2(request).await?
        {
            return Ok(handover);
        }
        let decided = decide(&self.instructions, firmware_variables::read);
        match decided.map_err(refused)? {
            Boot::Embedded(pin) => self.boot_embedded(pin),
            Boot::Medium(pin) => self.medium_alone(pin).await,
            Boot::RemoteMedium(remote, pin) => self.remote_medium(&remote, pin).await,
            Boot::Remote(remote) => self.remote(&remote).await,
            Boot::Nearest(pin) => self.nearest(pin).await,
            Boot::Server(_) | Boot::Discover => self.fetch_and_boot().await,
        }
    }

    fn boot_embedded(&self, pin: &Pin) -> Result<HandOver, Failure> {
        self.spool_reports();
        let root = root::embedded(pin).map_err(|error| error.told("verifying the embedded root"))?;
        info!("the embedded root is verified");
        self.reporter.moved(Stage::Fetch, "embedded root verified", Some(root.size()));
        self.hand_over_root(&root, None)
    }

    async fn fetch_and_boot(&self) -> Result<HandOver, Failure> {
        if self.instructions.mode() == Mode::Disk {
            return self.disk().await;
        }
        let (online, address) = self.go_online_to_image().await?;
        info!("image {} (from {})", address.url, address.origin);
        self.reports_by(&online, Some(&address.url));
        if address.is_uki() {
            return self.kexec_image(&online, &address).await;
        }
        let foreign = ForeignRoot::at(&self.instructions, &address);
        let foreign = foreign.map_err(|error| Failure::new(error.to_string()).at(Step::Verify))?;
        if let Some(root) = foreign {
            return self.foreign(&online, &address, &root).await;
        }
        if self.instructions.mode() == Mode::Stream {
            return self.stream(&online, &address).await;
        }
        self.in_memory(&online, &address).await
    }

    /// Fetches the root of the image at `address` into memory, and boots it.
    async fn in_memory(&self, online: &Online, address: &ImageAddress) -> Result<HandOver, Failure> {
        let fetcher = self.fetcher(online);
        let terms = fetcher.terms;
        let (pin, digest) = (self.instructions.pin.as_ref(), self.instructions.options.digest);
        self.reporter.event(Stage::Fetch, &format!("fetching the root of {}", address.url));
        share::spread().await;
        let fetched = root::fetched(&fetcher, address, pin, digest).await;
        let fetched = fetched.map_err(|error| error.told("fetching the root").with(online.evidence()))?;
        let root::Fetched { root, account, shared } = fetched;
        info!("every byte of the root is verified: {account}");
        self.reporter.moved(Stage::Fetch, &format!("root verified: {account}"), Some(root.size()));
        let handover = self.hand_over_root(&root, Some(&online.network))?;
        if let (Some(shared), Some(terms), Place::File(path)) = (shared, terms, root.place()) {
            self.leave_seeder(shared, path, terms, online).await;
        }
        Ok(handover)
    }

    /// What fetches over this network, and shares as the line says.
    fn fetcher(&self, online: &Online) -> root::Fetcher {
        let terms = share::Terms::of(&self.instructions.options);
        root::Fetcher { client: Arc::clone(&online.client), reporter: self.reporter.clone(), terms }
    }

    /// Leaves a process in the system that gives the root, a file or device, to others.
    async fn leave_seeder(&self, shared: Shared, root: &Path, terms: share::Terms, online: &Online) {
        let left = share::leave_seeder(shared, root, terms, &online.way, self.reporter.spool());
        if let Some(text) = left.await {
            self.reporter.event(Stage::Boot, &text);
        }
    }

    /// Mounts the root and leaves in it, and in /run, what the system shall find.
    fn hand_over_root(&self, root: &VerifiedRoot, network: Option<&Network>) -> Result<HandOver, Failure> {
        let overlay = self.instructions.options.overlay.as_deref();
        self.enter(network, || ram::mount_root(root, overlay, &self.devices))
    }

    /// The same of a root that `mount` mounts.
    fn enter(
        &self,
        network: Option<&Network>,
        mount: impl FnOnce() -> Result<(), boot::BootError>,
    ) -> Result<HandOver, Failure> {
        let failed = |error: boot::BootError| Failure::of("booting the root", &error).at(error.step());
        mount().map_err(failed)?;
        self.hand_over_mounted(network)
    }

    /// The same, once it is mounted.
    fn hand_over_mounted(&self, network: Option<&Network>) -> Result<HandOver, Failure> {
        let failed = |error: boot::BootError| Failure::of("booting the root", &error).at(error.step());
        let init = init::find(boot::SYSROOT, self.instructions.line.get("init")).map_err(failed)?;
        if let Some(network) = network {
            handoff::leave_network(network);
        }
        if let Err(error) = unit::install() {
            warn!("the unit that reports the system: {error}");
        }
        info!("entering the root: {init}");
        self.reporter.event(Stage::Boot, &format!("entering the root, {init} takes over"));
        Ok(HandOver::SwitchRoot { root: boot::SYSROOT.to_owned(), init })
    }

    fn tell(&self, failure: &Failure) {
        let spool = self.reporter.spool();
        let context =
            Context { machine: &spool.machine, image: spool.image.as_deref(), report: spool.url.as_ref() };
        error!("{}", failure.cause);
        log::screen(&screen::lines(failure, &context));
        if self.instructions.options.qr {
            log::picture(&code::lines(&code::short(failure, &spool.machine)));
        }
        self.reporter.failed(failure.report());
    }

    async fn leave_reports(&self, limit: Duration) {
        let spool = self.reporter.finish(limit).await;
        if spool.url.is_some()
            && let Err(error) = spool.save()
        {
            warn!("keeping reports for later: {error}");
        }
    }

    /// Without a network of our own, the system tells how the boot went.
    fn spool_reports(&self) {
        let known = address::known(&self.instructions, firmware_variables::read).ok().flatten();
        let given = self.instructions.options.report.as_deref();
        if let Some(url) = planned::report(given, known.as_ref().map(|address| &address.url)) {
            self.reporter.spool_for(url);
        }
    }

    /// The count of failures and the UKI's URL are in the firmware's variables.
    fn mount_firmware_variables(&self) {
        if !Path::new("/sys/firmware/efi").exists() {
            return;
        }
        // Some kernels have it built in, some initrds leave it out: both are said in detail below.
        if let Err(error) = self.devices.require("efivarfs") {
            debug!("{}", chain(&error));
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        if let Err(error) = mount("efivarfs", EFIVARS, "efivarfs", flags, None) {
            debug!("firmware variables: {error}");
        }
    }
}
