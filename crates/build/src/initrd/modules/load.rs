//! The chosen modules' files: read, unpacked and asked what they say about themselves.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::super::error::Error;
use super::super::profile::{NIC_SYMBOLS, WIRELESS_SYMBOLS};
use super::super::{parallel, unpack};
use super::Kernel;
use super::modinfo::{self, ModInfo};
use super::name::{Name, without_compression};
use super::selection::Selection;

/// A module as it goes into the initrd.
pub(in super::super) struct Loaded {
    pub name: Name,
    /// Its file, relative to `lib/modules/VERSION`, without the ending of a compression.
    pub path: String,
    /// The unpacked file.
    pub bytes: Vec<u8>,
    /// What it says about itself.
    pub info: ModInfo,
}

/// Reads every module of the selection, sorted by path, and checks that each was built for this kernel.
pub(in super::super) fn load(
    kernel: &Kernel<'_>,
    selection: &Selection,
    threads: NonZeroUsize,
) -> Result<Vec<Loaded>, Error> {
    let names: Vec<_> = selection.modules.iter().collect();
    let mut loaded = parallel::map(&names, threads, |(name, why)| {
        let Some(module) = kernel.dependencies.get(name) else {
            return Err(Error::NoModuleFile { path: name.to_string(), by: why.to_string() });
        };
        let path = format!("{}/{}", kernel.directory, module.path);
        let bytes = read(kernel, &path)?
            .ok_or_else(|| Error::NoModuleFile { path: path.clone(), by: format!("{name} ({why})") })?;
        let info =
            ModInfo::of_module(&bytes).map_err(|source| Error::Module { path: path.clone(), source })?;
        check_version(kernel, &path, &info)?;
        let path = without_compression(&module.path).to_owned();
        Ok(Loaded { name: (*name).clone(), path, bytes, info })
    })?;
    loaded.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(loaded)
}

/// Modules from outside the kernel's own tree that drive a wired network card.
pub(in super::super) fn foreign_nics(
    kernel: &Kernel<'_>,
    threads: NonZeroUsize,
) -> Result<BTreeSet<Name>, Error> {
    let foreign: Vec<_> =
        kernel.dependencies.iter().filter(|(_, module)| !module.path.starts_with("kernel/")).collect();
    let found = parallel::map(&foreign, threads, |(name, module)| {
        let path = format!("{}/{}", kernel.directory, module.path);
        let wired = drives_wired_nic(kernel, &path)?;
        Ok::<_, Error>(wired.then(|| (*name).clone()))
    })?;
    Ok(found.into_iter().flatten().collect())
}

fn drives_wired_nic(kernel: &Kernel<'_>, path: &str) -> Result<bool, Error> {
    // A file that is not there matters only if something needs it.
    let Some(bytes) = read(kernel, path)? else { return Ok(false) };
    let imports = |symbols| {
        modinfo::imports_any(&bytes, symbols)
            .map_err(|source| Error::Module { path: path.to_owned(), source })
    };
    Ok(imports(NIC_SYMBOLS)? && !imports(WIRELESS_SYMBOLS)?)
}

fn read(kernel: &Kernel<'_>, path: &str) -> Result<Option<Vec<u8>>, Error> {
    let bytes = kernel.tree.read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    bytes.map(|bytes| unpack::unpacked(path, bytes)).transpose()
}

/// The first word of vermagic is `uname -r`; a module without one loads nowhere.
fn check_version(kernel: &Kernel<'_>, path: &str, info: &ModInfo) -> Result<(), Error> {
    let found = info.vermagic.as_deref().and_then(|magic| magic.split(' ').next()).unwrap_or_default();
    if found == kernel.version {
        return Ok(());
    }
    Err(Error::VersionMagic {
        path: path.to_owned(),
        found: found.to_owned(),
        kernel: kernel.version.clone(),
    })
}
