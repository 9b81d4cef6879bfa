//! The modules of one kernel: its indexes as depmod(8) wrote them, and what is chosen out of them.
//!
//! [`Kernel::open`] reads the indexes of `lib/modules/VERSION`; [`select`](selection::select) applies a
//! [profile](super::profile) and follows dependencies; [`load`](load::load) reads and unpacks the files
//! and asks each for its firmware; [`index`](index::restricted) writes the indexes again, restricted to
//! what was chosen.

pub(super) mod alias;
pub(super) mod dependencies;
mod glob;
pub(super) mod index;
pub(super) mod load;
pub(super) mod modinfo;
pub mod name;
pub(super) mod selection;
pub(super) mod softdep;

use std::collections::BTreeMap;

pub(super) use glob::matches as glob_matches;

use self::alias::Aliases;
use self::dependencies::Dependencies;
use self::name::Name;
use self::softdep::SoftDependencies;
use super::error::Error;
use super::tree::Tree;

/// A kernel's modules as its indexes tell them.
pub struct Kernel<'a> {
    /// Where the files are.
    pub(super) tree: &'a dyn Tree,
    /// `lib/modules/VERSION`, relative to the tree.
    pub(super) directory: String,
    /// `uname -r`.
    pub(super) version: String,
    pub(super) dependencies: Dependencies,
    /// Path of what would be a module's file, by name.
    pub(super) built_in: BTreeMap<Name, String>,
    pub(super) aliases: Aliases,
    pub(super) soft: SoftDependencies,
    /// The `.modinfo` of built-in modules.
    pub(super) built_in_modinfo: Vec<u8>,
    /// The files as they are, to be restricted.
    pub(super) texts: Texts,
}

/// Indexes that are written again, line by line.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) alias: String,
    pub(super) softdep: String,
    pub(super) built_in: String,
}

impl<'a> Kernel<'a> {
    /// Reads the indexes in `directory`, which is `lib/modules/VERSION` in the tree.
    ///
    /// Fails when modules.dep is missing or malformed; the other indexes may be absent.
    pub fn open(tree: &'a dyn Tree, directory: &str) -> Result<Self, Error> {
        let directory = directory.trim_matches('/').to_owned();
        let version = directory.rsplit('/').next().unwrap_or_default().to_owned();
        let read = |file: &str| -> Result<Option<String>, Error> {
            let path = format!("{directory}/{file}");
            let bytes = tree.read(&path).map_err(|source| Error::Read { path, source })?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let file = format!("{directory}/modules.dep");
        let Some(text) = read("modules.dep")? else {
            return Err(Error::NoDependencies { directory, version });
        };
        let dependencies = Dependencies::parse(&text).map_err(|source| Error::Index { file, source })?;
        let texts = Texts {
            alias: read("modules.alias")?.unwrap_or_default(),
            softdep: read("modules.softdep")?.unwrap_or_default(),
            built_in: read("modules.builtin")?.unwrap_or_default(),
        };
        let mut soft = SoftDependencies::default();
        soft.extend(&texts.softdep);
        soft.extend(&read("modules.weakdep")?.unwrap_or_default());
        let built_in = texts.built_in.lines();
        let built_in =
            built_in.filter_map(|path| Some((Name::of_path(path.trim())?, path.trim().to_owned())));
        let modinfo = format!("{directory}/modules.builtin.modinfo");
        let built_in_modinfo =
            tree.read(&modinfo).map_err(|source| Error::Read { path: modinfo, source })?.unwrap_or_default();
        Ok(Self {
            tree,
            version,
            dependencies,
            built_in: built_in.collect(),
            aliases: Aliases::parse(&texts.alias),
            soft,
            built_in_modinfo,
            texts,
            directory,
        })
    }

    /// `uname -r` of the kernel.
    pub fn version(&self) -> &str {
        &self.version
    }
}
