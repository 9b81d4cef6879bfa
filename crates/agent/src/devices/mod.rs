//! Drivers: the kernel modules that this machine's devices ask for.
//!
//! First what `/bootwright/modules.load` names, then the `modalias` of every device under `/sys/devices`,
//! then what the kernel announces by uevents, for as long as the agent runs. [`index`] reads the tables of
//! depmod, [`glob`] matches aliases, [`loader`] calls finit_module(2), several at once.

mod coldplug;
mod glob;
mod index;
mod loader;
mod uevent;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use bootwright_image::cmdline::CommandLine;
use tracing::{debug, warn};

pub use loader::ModuleError;

use index::ModuleIndex;
use loader::{Loader, Task};

/// Modules that are loaded at once, one name a line.
const LOAD_FIRST: &str = "/bootwright/modules.load";

/// More threads than that do not load faster: the kernel serialises most of it.
const MAX_THREADS: usize = 8;

/// The drivers of this machine, being loaded.
pub struct Devices {
    loader: Arc<Loader>,
}

impl Devices {
    /// Starts loading, in threads of its own.
    pub fn start(line: &CommandLine) -> Self {
        let directory = modules_directory();
        let index = ModuleIndex::read(&directory);
        for problem in &index.problems {
            warn!("{problem}");
        }
        let loader = Arc::new(Loader::new(directory, index, line));
        let first = fs::read_to_string(LOAD_FIRST).unwrap_or_default();
        for name in first.lines().map(str::trim).filter(|name| !name.is_empty()) {
            loader.push(Task::Module(name.to_owned()));
        }
        let threads = thread::available_parallelism().map_or(2, usize::from).clamp(2, MAX_THREADS);
        for _ in 0..threads {
            let loader = Arc::clone(&loader);
            thread::spawn(move || loader.work());
        }
        let listener = Arc::clone(&loader);
        thread::spawn(move || discover(&listener));
        Self { loader }
    }

    /// Loads the module `name` now, unless it is there already or built in.
    pub fn require(&self, name: &str) -> Result<(), ModuleError> {
        self.loader.load(name)
    }

    /// How many modules are loaded by now.
    pub fn count(&self) -> usize {
        self.loader.count()
    }

    /// What an operator wants to know when hardware is missing: failed modules, NICs without a driver.
    pub fn evidence(&self) -> Vec<String> {
        let mut lines = self.loader.failures();
        lines.extend(coldplug::network_controllers_without_driver(Path::new("/sys/bus/pci/devices")));
        lines
    }
}

/// Listens before it looks, so that a device that comes in between is seen.
fn discover(loader: &Loader) {
    let socket = uevent::listen();
    coldplug::modaliases(Path::new("/sys/devices"), &mut |alias| loader.push(Task::Alias(alias)));
    debug!("every device has been seen");
    match socket {
        Ok(socket) => uevent::follow(&socket, &mut |alias| loader.push(Task::Alias(alias))),
        Err(error) => warn!("uevents: {error}: devices that come late will have no driver"),
    }
}

fn modules_directory() -> PathBuf {
    let release = rustix::system::uname();
    Path::new("/lib/modules").join(release.release().to_string_lossy().as_ref())
}
