//! All of it together: [`Ready::prepare`] opens and binds everything that can fail or needs root,
//! [`Ready::run`] serves until it is told to stop.
//!
//! 1. The interface is chosen, images are opened, options are checked against both.
//! 2. Ports are bound, state is read, the network is asked whether another DHCP server is there.
//! 3. Privileges are given up. Until here there is one thread.
//! 4. DHCP, TFTP and HTTP run; images are reloaded when they change, timelines are saved.

mod bind;
mod events;
mod greeting;
mod upkeep;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_netboot::dhcp::server::{self as dhcp_server, Boot, Leases, Mode};
use rustix::process::geteuid;
use tokio::runtime;
use tokio::sync::watch;

use crate::api::{App, Scripts, router};
use crate::boot_files::{Loaders, TftpTree, memtest};
use crate::config::{Config, Road};
use crate::gateway::{Gateway, Peers};
use crate::images::{Catalogue, Digests, ImageError, OnDigest};
use crate::interface::{Interface, InterfaceError, choose, list};
use crate::options::{
    self, Assignments, HTTP_PORT, OptionsError, dhcp_mode, no_dhcp, sending, server_url, state_directory,
};
use crate::privileges::{self, Dropped, PrivilegeError};
use crate::recorder::{Level, Recorder, Tell, chain};
use crate::seeding::{Offer, Seeding};
use crate::state::{Machines, STATE_FILES};
use crate::swarms::Swarms;
use crate::{dhcp, http, tftp};

pub use bind::BindError;
use events::{dhcp_events, http_events, tftp_events};
use greeting::{advise_loaders, finish_search, not_searched, welcome};

/// Threads that serve HTTP. sendfile(2) may wait for a disk: one waiting thread must not stop all.
const MIN_THREADS: usize = 2;
/// More threads do not help: the network is the bottleneck.
const MAX_THREADS: usize = 4;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Contradictory options.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// An image that cannot be served.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No interface to serve.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// A port that cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Privileges that cannot be given up.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// The state directory.
    #[error("the state directory {path} cannot be used, name another one with --state")]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The leases in it.
    #[error(transparent)]
    Leases(#[from] dhcp::JournalError),
    /// The system gives us no threads or events.
    #[error("the system does not give what a server needs")]
    System(#[from] io::Error),
}

/// A server with everything open and bound.
pub struct Ready {
    interface: Interface,
    peers: Peers,
    url: String,
    /// Every address that is listened on, the interface's first.
    own: Vec<IpAddr>,
    catalogue: Arc<Catalogue>,
    assignments: Assignments,
    recorder: Arc<Recorder>,
    config: dhcp_server::Config,
    loaders: Loaders,
    sockets: bind::Sockets,
    journal: Option<(dhcp::Journal, Leases)>,
    search: Option<dhcp::Search>,
    offer: Offer,
}

impl Ready {
    /// Steps 1 to 3. Must be called while the process has one thread.
    /// `on_digest` hears of single files that are read for the first time.
    pub fn prepare(options: &Config, tell: Box<Tell>, on_digest: Box<OnDigest>) -> Result<Self, ServeError> {
        if options.images.is_empty() {
            return Err(OptionsError::NoImage.into());
        }
        privileges::raise_open_files();
        let gateway = gateway(options)?;
        let interface =
            gateway.as_ref().map_or_else(|| interface(options), |gateway| Ok(gateway.interface()))?;
        let user = privileges::target(options.user.as_deref())?;
        let state = state_place(options, user.as_ref().ok())?;
        let digests = Digests::new(state.clone(), on_digest);
        let (mut catalogue, faulty) = Catalogue::open_with(options.images.clone(), digests)?;
        catalogue.keep_traces(state.clone());
        let tests = memtest();
        for (_, path, entity) in &tests {
            catalogue.add(path, entity.clone());
        }
        let assignments = Assignments::of(options);
        let rules = assignments.for_images(&catalogue).map_err(OptionsError::Rules)?;
        let bootable = catalogue.images().iter().any(|image| image.is_bootable());
        let mode = if bootable { dhcp_mode(options, &interface)? } else { no_dhcp(options)? };
        let port = options.http_port.unwrap_or(HTTP_PORT);
        let url = server_url(interface.address.into(), port);
        let loaders = Loaders::find(options.ipxe_dir.as_deref());
        // Before our own sockets are there, which would hear the question too.
        let search =
            mode.as_ref().filter(|_| gateway.is_none()).map(|_| dhcp::Search::begin(&interface.name));
        let sockets = match &gateway {
            None => bind::bind(&interface, port, mode.as_ref())?,
            Some(gateway) => bind::behind(gateway, port, mode.as_ref())?,
        };
        // Behind a gateway the socket has another address than the one that machines know.
        let further = sockets.http.iter().skip(1).filter_map(|http| Some(http.local_addr().ok()?.ip()));
        let own: Vec<IpAddr> = std::iter::once(interface.address.into()).chain(further).collect();
        catalogue.give_torrents(own.iter().map(|address| server_url(*address, port)).collect());
        let peers = gateway.map_or(Peers::Themselves, |_| Peers::Twins(interface.address));
        let offer = options::offer(options);
        let (machines, journal, notes) = open_state(state, &mode)?;
        let recorder = Arc::new(Recorder::new(Arc::new(machines), tell));
        for (level, note) in notes {
            recorder.note(level, note);
        }
        for error in &faulty {
            recorder.note(Level::Warning, format!("not served: {}", chain(error)));
        }
        if options.interface.is_none() && options.address.is_none() {
            recorder.note(Level::Info, format!("serves on {interface}, the only interface with an address"));
        }
        for (address, error) in &sockets.no_http {
            recorder.note(Level::Warning, format!("not served at {address}: {error}"));
        }
        if let Some(error) = &sockets.no_tftp {
            recorder.note(Level::Info, format!("TFTP is not served: {}", chain(error)));
        }
        if mode.is_some() {
            advise_loaders(&recorder, &loaders, options);
        }
        let search = search
            .and_then(|search| search.map_err(|error| recorder.note(Level::Info, not_searched(&error))).ok());
        let dropped = match user {
            Ok(user) => privileges::drop_to(user)?,
            Err(nobody_else) => nobody_else,
        };
        privileges::keep_none();
        if dropped != Dropped::NotRoot {
            recorder.note(Level::Info, &dropped);
        }
        let road = match options.road.unwrap_or_default() {
            Road::Ipxe => dhcp_server::Road::Ipxe,
            Road::Tftp => dhcp_server::Road::Tftp,
        };
        let config = dhcp_server::Config {
            address: interface.address,
            // Not used when DHCP is off.
            mode: mode.unwrap_or(Mode::Proxy),
            boot: Boot { server: url.clone(), road, loaders: loaders.loaders.clone() },
            rules,
            sending: sending(options),
        };
        let catalogue = Arc::new(catalogue);
        Ok(Self {
            interface,
            peers,
            url,
            own,
            catalogue,
            assignments,
            recorder,
            config,
            loaders,
            sockets,
            journal,
            search,
            offer,
        })
    }

    /// Step 4. Returns after SIGTERM or SIGINT.
    pub fn run(self) -> Result<(), ServeError> {
        let cores = std::thread::available_parallelism().map_or(MIN_THREADS, usize::from);
        let threads = cores.clamp(MIN_THREADS, MAX_THREADS);
        let runtime = runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
        let result = runtime.block_on(self.serve());
        // A file that is being digested is not waited for.
        runtime.shutdown_background();
        result
    }

    async fn serve(self) -> Result<(), ServeError> {
        let recorder = self.recorder;
        let rules = Arc::new(self.config.rules.clone());
        let memtest = memtest().into_iter().map(|(firmware, path, _)| (firmware, path.to_owned())).collect();
        let seeding = Seeding::start(&self.own, self.offer, &self.url)?;
        if let Some(seeding) = &seeding {
            recorder.note(Level::Info, format!("gives to BitTorrent peers at {}", seeding.local()));
        }
        let app = Arc::new(App {
            catalogue: Arc::clone(&self.catalogue),
            recorder: Arc::clone(&recorder),
            scripts: Scripts::new(self.url.clone(), rules, memtest),
            swarms: Swarms::new(&self.catalogue, self.own, seeding),
        });
        let dhcp = match self.sockets.dhcp {
            None => None,
            Some(sockets) => {
                let (journal, leases) = self.journal.unzip();
                let leases = leases.unwrap_or_default();
                let events = dhcp_events(Arc::clone(&recorder));
                let running = dhcp::start(sockets, self.config.clone(), leases, journal, events);
                Some(running.map_err(|error| io::Error::other(error.to_string()))?)
            }
        };
        let tree = TftpTree::new(Arc::clone(&self.catalogue), self.loaders, &self.url);
        let events = tftp_events(Arc::clone(&recorder), self.peers);
        let tftp = match self.sockets.tftp {
            None => None,
            Some(socket) => Some(
                tftp::start(socket, Arc::new(tree), Default::default(), events)
                    .map_err(|error| io::Error::other(error.to_string()))?,
            ),
        };
        let service = http::Service {
            catalogue: Arc::clone(&self.catalogue),
            router: router(Arc::clone(&app)),
            observe: http_events(Arc::clone(&recorder)),
        };
        let (stop, stopped) = watch::channel(());
        let http = http::Server::listen(self.sockets.http, http::Limits::default())?.peers(self.peers);
        let http = tokio::spawn(http.run(Arc::new(service), stopped));
        if let Some(search) = self.search {
            let (recorder, own, mode) =
                (Arc::clone(&recorder), self.config.address, self.config.mode.clone());
            tokio::task::spawn_blocking(move || finish_search(&recorder, search, own, &mode));
        }
        welcome(&recorder, &self.catalogue, &self.url, &self.interface, self.config.sending);
        upkeep::until_stopped(&app, &self.assignments, dhcp.as_ref()).await?;
        app.swarms.stop().await;
        drop((stop, dhcp, tftp));
        // The task ends by itself, at the latest when its transfers have had their grace.
        let _ = http.await;
        recorder.note(Level::Info, "stopped");
        upkeep::save(&recorder);
        Ok(())
    }
}

fn gateway(options: &Config) -> Result<Option<Gateway>, ServeError> {
    let Some(directory) = &options.behind else { return Ok(None) };
    let address = options.address.ok_or(OptionsError::NoAddress)?;
    Ok(Some(Gateway::new(directory, address)))
}

fn interface(options: &Config) -> Result<Interface, ServeError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let all = runtime.block_on(list())?;
    Ok(choose(&all, options.interface.as_deref(), options.address)?)
}

type State = (Machines, Option<(dhcp::Journal, Leases)>, Vec<(Level, String)>);

/// The state directory, made and given to `user`, if there is to be one.
fn state_place(options: &Config, user: Option<&privileges::User>) -> Result<Option<PathBuf>, ServeError> {
    let is_root = user.is_some() || (geteuid().is_root() && privileges::is_real_root());
    let Some(path) = state_directory(options, is_root) else { return Ok(None) };
    let failed = |source| ServeError::State { path: path.clone(), source };
    std::fs::create_dir_all(&path).map_err(failed)?;
    if let Some(user) = user {
        let ours = |name: &str| STATE_FILES.iter().any(|file| name.starts_with(file));
        privileges::give_state(&path, user, ours).map_err(failed)?;
    }
    Ok(Some(path))
}

fn open_state(place: Option<PathBuf>, mode: &Option<Mode>) -> Result<State, ServeError> {
    let Some(path) = place else {
        let note = "timelines are not kept over a restart: name a directory with --state".to_owned();
        return Ok((Machines::in_memory(), None, vec![(Level::Warning, note)]));
    };
    let failed = |source| ServeError::State { path: path.clone(), source };
    let (machines, loaded) = Machines::open(&path).map_err(failed)?;
    let mut notes = Vec::new();
    if loaded.damaged > 0 {
        let text = format!("{}: {} damaged lines were passed over", path.display(), loaded.damaged);
        notes.push((Level::Warning, text));
    }
    let journal = match mode {
        Some(Mode::Full(_)) => {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Some(dhcp::Journal::open(&path, since.unwrap_or_default())?)
        }
        _ => None,
    };
    Ok((machines, journal, notes))
}
