//! An initrd for one kernel: its modules, their firmware, the agent, and the reason for each file.
//!
//! A [`Plan`] says what is wanted; [`assemble`] does it:
//!
//! 1. [`Kernel::open`] reads the indexes that depmod(8) wrote, out of any [`Tree`];
//! 2. the [profile](Profile) chooses modules by its rules, dependencies are followed
//!    (`modules::selection`);
//! 3. the modules are read and unpacked on all cores, each checked to be this kernel's and asked for its
//!    firmware (`modules::load`), which is then looked for (`firmware`);
//! 4. it all becomes one cpio archive, cut into pieces that are compressed at the same time (`pack`),
//!    behind the early [`Microcode`].
//!
//! ```text
//! /init                               the agent
//! /bootwright/pin.json                ties the initrd to its root (by the caller)
//! /bootwright/modules.load            modules to be loaded at once, one name a line
//! /bootwright/initrd.json             why each file is in: Contents
//! /lib/modules/VERSION/               unpacked .ko files, modules.{dep,alias,softdep,builtin}
//! /lib/firmware/                      unpacked
//! /proc /sys /dev /run /tmp           empty
//! ```
//!
//! The same plan gives the same bytes, whatever the number of threads.

mod config;
pub mod contents;
mod error;
pub mod explain;
mod files;
mod firmware;
pub mod host;
mod location;
mod microcode;
pub mod modules;
mod pack;
mod parallel;
mod profile;
mod report;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::num::NonZeroUsize;

use bootwright_formats::compression::Compression;

pub use config::{Choice, Config};
pub use contents::{Contents, Why};
pub use error::Error;
pub use files::{Addition, Content};
pub use firmware::Place;
pub use location::Location;
pub use microcode::Microcode;
pub use modules::Kernel;
pub use modules::selection::{LoadTime, Otherwise, Wanted};
pub use profile::Profile;
pub use report::Report;
pub use tree::{Directory, MAX_FILE, Tree};

use contents::{FileReason, MissingFirmware};
use files::Files;
use modules::load::Loaded;
use modules::selection::Selection;

/// Where the names of the modules that are loaded at once lie in the initrd.
pub const MODULES_LOAD: &str = "/bootwright/modules.load";

/// What an initrd shall be made of.
pub struct Plan<'a> {
    /// The root file system that kernel, modules and firmware are taken from.
    pub tree: &'a dyn Tree,
    /// `lib/modules/VERSION` or `usr/lib/modules/VERSION` in it.
    pub modules: String,
    /// What kind of machine it is for.
    pub profile: Profile,
    /// Modules beyond the profile.
    pub wanted: Vec<Wanted>,
    /// Further files: a [pin](Addition::pin), an own `/init`.
    pub additions: Vec<Addition>,
    /// The agent's program, to become `/init`.
    pub agent: Option<Vec<u8>>,
    /// Early microcode, in this order.
    pub microcode: Vec<Microcode<'a>>,
    /// Where firmware is looked for before the tree.
    pub firmware: Vec<Place<'a>>,
    /// The kernel's configuration, when it does not lie in the tree.
    pub config: Option<Config>,
    /// How to compress.
    pub compression: Choice,
    /// Seconds since 1970, the time of every file.
    pub mtime: u32,
    /// Threads to use.
    pub threads: NonZeroUsize,
}

impl<'a> Plan<'a> {
    /// The network profile for the kernel whose modules lie at `modules` in `tree`, on all cores, nothing
    /// else in it.
    pub fn new(tree: &'a dyn Tree, modules: &str) -> Self {
        Self {
            tree,
            modules: modules.trim_matches('/').to_owned(),
            profile: Profile::Network,
            wanted: Vec::new(),
            additions: Vec::new(),
            agent: None,
            microcode: Vec::new(),
            firmware: Vec::new(),
            config: None,
            compression: Choice::Auto,
            mtime: 0,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Builds the initrd and writes it to `output`. On an error what was written is of no use.
pub fn assemble(plan: &Plan<'_>, output: &mut dyn Write) -> Result<Report, Error> {
    let kernel = Kernel::open(plan.tree, &plan.modules)?;
    let found = match &plan.config {
        Some(config) => Some(config.clone()),
        None => Config::find(plan.tree, &kernel.directory, &kernel.version)?,
    };
    if let Some(config) = &found {
        config.check()?;
    }
    let chosen = plan.compression.decide(found.as_ref(), &kernel.version)?;

    let foreign = modules::load::foreign_nics(&kernel, plan.threads)?;
    let selection = modules::selection::select(&kernel, &plan.profile, &plan.wanted, &foreign)?;
    let loaded = modules::load::load(&kernel, &selection, plan.threads)?;
    let firmware = find_firmware(plan, &kernel, &selection, &loaded)?;

    let mut report = Report::new(&kernel, &selection, &loaded, &firmware, chosen);
    let mut files = Files::default();
    skeleton(&mut files)?;
    if let Some(agent) = &plan.agent {
        let why = Why::part("the agent: network, fetch, verify, boot");
        files.put(Addition { place: "/init".into(), content: Content::File(agent.clone(), 0o755), why })?;
    }
    for addition in &plan.additions {
        files.put(addition.clone())?;
    }
    put_modules(&mut files, &kernel, &selection, loaded)?;
    put_firmware(&mut files, &firmware)?;
    put_contents(&mut files, plan, &kernel, &selection, &report)?;

    let segments = plan.microcode.iter().map(|microcode| microcode.segment(plan.mtime));
    let mut streams = segments.collect::<Result<Vec<_>, _>>()?;
    let (archive, ends) = files.archive(plan.mtime)?;
    report.unpacked = archive.len() as u64;
    streams.extend(pack::pack(&archive, &ends, report.compression, plan.threads).map_err(Error::Write)?);
    for stream in &streams {
        output.write_all(stream).map_err(Error::Write)?;
        report.size += stream.len() as u64;
    }
    Ok(report)
}

/// A cpio archive of its own with just these files, uncompressed, its length a multiple of 4. The kernel
/// takes it before or behind an initrd: what changes at each build need not cause a new initrd. Not
/// behind one that is compressed with LZ4, whose stream does not say where it ends.
pub fn segment(additions: &[Addition], mtime: u32) -> Result<Vec<u8>, Error> {
    let mut files = Files::default();
    for addition in additions {
        files.put(addition.clone())?;
    }
    Ok(files.archive(mtime)?.0)
}

fn skeleton(files: &mut Files) -> Result<(), Error> {
    for (place, permissions) in
        [("/proc", 0o555), ("/sys", 0o555), ("/dev", 0o755), ("/run", 0o755), ("/tmp", 0o1777)]
    {
        let why = Why::part("a place to mount");
        files.put(Addition { place: place.to_owned(), content: Content::Directory(permissions), why })?;
    }
    Ok(())
}

fn put_modules(
    files: &mut Files,
    kernel: &Kernel<'_>,
    selection: &Selection,
    loaded: Vec<Loaded>,
) -> Result<(), Error> {
    let directory = format!("/lib/modules/{}", kernel.version);
    for (file, text) in modules::index::restricted(kernel, &loaded) {
        let why = Why::part("index of the modules in here");
        files.put(Addition { place: format!("{directory}/{file}"), content: plain(text), why })?;
    }
    for module in loaded {
        let why = selection.modules.get(&module.name).cloned().unwrap_or(Why::part("module"));
        let content = Content::File(module.bytes, 0o644);
        files.put(Addition { place: format!("{directory}/{}", module.path), content, why })?;
    }
    let load: String = selection.load.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
    let why = Why::part("modules to be loaded at once");
    files.put(Addition { place: MODULES_LOAD.to_owned(), content: plain(load), why })
}

fn plain(text: String) -> Content {
    Content::File(text.into_bytes(), 0o644)
}

/// What the modules in here ask for, and what built-in drivers that the profile would choose ask for.
fn find_firmware(
    plan: &Plan<'_>,
    kernel: &Kernel<'_>,
    selection: &Selection,
    loaded: &[Loaded],
) -> Result<firmware::Found, Error> {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut want = |file: &str, module: &str| {
        wanted.entry(file.to_owned()).or_default().insert(module.to_owned());
    };
    for module in loaded {
        module.info.firmware.iter().for_each(|file| want(file, module.name.as_str()));
    }
    let chosen: BTreeSet<&str> = selection.built_in.iter().map(|module| module.name.as_str()).collect();
    for (module, file) in modules::modinfo::built_in_firmware(&kernel.built_in_modinfo) {
        if chosen.contains(module) {
            want(file, module);
        }
    }
    let in_tree = firmware::places(plan.tree, &kernel.directory, &kernel.version);
    let given =
        plan.firmware.iter().map(|place| Place { tree: place.tree, directory: place.directory.clone() });
    let places: Vec<_> = given.chain(in_tree).collect();
    firmware::find(&places, &wanted, plan.threads)
}

fn put_firmware(files: &mut Files, firmware: &firmware::Found) -> Result<(), Error> {
    for (name, file) in &firmware.files {
        let of = file.modules.first().cloned().unwrap_or_default();
        let why = Why::Firmware { of, others: file.modules.len().saturating_sub(1) };
        let content = match &file.content {
            firmware::Content::Bytes(bytes) => Content::File(bytes.clone(), 0o644),
            firmware::Content::SameAs(other) => Content::Symlink(format!("/lib/firmware/{other}")),
        };
        files.put(Addition { place: format!("/lib/firmware/{name}"), content, why })?;
    }
    Ok(())
}

fn put_contents(
    files: &mut Files,
    plan: &Plan<'_>,
    kernel: &Kernel<'_>,
    selection: &Selection,
    report: &Report,
) -> Result<(), Error> {
    let contents = Contents {
        schema: 1,
        kernel: kernel.version.clone(),
        profile: plan.profile.name().to_owned(),
        files: files.reasons().map(|(path, why)| FileReason { path, why: why.clone() }).collect(),
        built_in: selection.built_in.clone(),
        absent: selection.absent.clone(),
        missing_firmware: report.missing_firmware.clone(),
    };
    let mut bytes = serde_json::to_vec(&contents).map_err(|error| Error::Write(error.into()))?;
    bytes.push(b'\n');
    let why = Why::part("tells why each file is in");
    let content = Content::File(bytes, 0o644);
    files.put(Addition { place: contents::PATH.to_owned(), content, why })
}

fn missing(found: &firmware::Found) -> Vec<MissingFirmware> {
    let missing = found.missing.iter();
    missing
        .map(|(file, modules)| MissingFirmware {
            file: file.clone(),
            modules: modules.iter().cloned().collect(),
        })
        .collect()
}

/// The compressions that [`Choice::Fixed`] may name.
pub const COMPRESSIONS: [Compression; 5] =
    [Compression::None, Compression::Zstd, Compression::Xz, Compression::Gzip, Compression::Lz4Legacy];
