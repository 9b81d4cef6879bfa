//! From a plan to bytes: the steps in their order, and what goes where.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::config::Config;
use super::contents::{self, Contents, FileReason, Why};
use super::error::Error;
use super::files::{Addition, Content, Files};
use super::firmware::{self, Place};
use super::modules::load::Loaded;
use super::modules::selection::Selection;
use super::modules::{self, Kernel};
use super::report::Report;
use super::{MODULES_LOAD, Plan, pack};

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
