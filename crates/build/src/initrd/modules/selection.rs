//! From a profile to the set of modules that must be in the initrd.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::contents::{NameReason, Why};
use super::super::error::Error;
use super::super::profile::{Load, Pattern, Presence, Profile, Rule};
use super::Kernel;
use super::name::Name;

/// A module that the caller asks for beyond the profile, by name or alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `erofs`, `dm-crypt`, `crypto-xxhash64`.
    pub name: String,
    /// What for.
    pub why: String,
    /// What happens when the kernel has none.
    pub otherwise: Otherwise,
    /// When the agent loads it.
    pub load: LoadTime,
}

/// What happens when a wanted module does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The build fails.
    Fail,
    /// It is listed as absent.
    Note,
}

/// When the agent loads a wanted module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadTime {
    /// At once: it gets into `/bootwright/modules.load`.
    Start,
    /// When hardware or a mount asks for it.
    Demand,
}

/// What the initrd gets.
#[derive(Debug, Default)]
pub struct Selection {
    /// Why each module is in.
    pub modules: BTreeMap<Name, Why>,
    /// What was asked for and is built in.
    pub built_in: Vec<NameReason>,
    /// What was not found and is not needed.
    pub absent: Vec<NameReason>,
    /// Modules to be loaded at once, in the order of the rules.
    pub load: Vec<Name>,
}

/// Applies the profile's rules and the caller's wishes, then follows dependencies of both kinds.
///
/// `foreign_nics` are the modules that [`Pattern::ForeignNic`] means.
pub(in super::super) fn select(
    kernel: &Kernel<'_>,
    profile: &Profile,
    wanted: &[Wanted],
    foreign_nics: &BTreeSet<Name>,
) -> Result<Selection, Error> {
    let mut selecting = Selecting { kernel, selection: Selection::default(), queue: VecDeque::new() };
    for rule in profile.rules() {
        selecting.rule(rule, foreign_nics)?;
    }
    if let Profile::Host(modaliases) = profile {
        selecting.hardware(modaliases, foreign_nics);
    }
    for wish in wanted {
        selecting.wish(wish)?;
    }
    selecting.follow()?;
    let mut selection = selecting.selection;
    let mut seen = BTreeSet::new();
    selection.load.retain(|name| seen.insert(name.clone()));
    Ok(selection)
}

struct Selecting<'a> {
    kernel: &'a Kernel<'a>,
    selection: Selection,
    /// Modules whose dependencies are not followed yet.
    queue: VecDeque<Name>,
}

impl Selecting<'_> {
    fn take(&mut self, name: &Name, why: Why) {
        if !self.selection.modules.contains_key(name) {
            self.selection.modules.insert(name.clone(), why);
            self.queue.push_back(name.clone());
        }
    }

    fn rule(&mut self, rule: &Rule, foreign_nics: &BTreeSet<Name>) -> Result<(), Error> {
        let why = || Why::Profile { reason: rule.why.to_owned() };
        match rule.pattern {
            Pattern::Named(names) => self.named(rule, names)?,
            Pattern::Under(..) => {
                let kernel = self.kernel;
                for (name, module) in kernel.dependencies.iter() {
                    if rule.chooses(&module.path, name) {
                        self.take(name, why());
                    }
                }
            }
            Pattern::ForeignNic => foreign_nics.iter().for_each(|name| self.take(name, why())),
        }
        Ok(())
    }

    fn named(&mut self, rule: &Rule, names: &[&str]) -> Result<(), Error> {
        let mut found = false;
        for &text in names {
            let name = Name::new(text);
            let why = Why::Profile { reason: rule.why.to_owned() };
            if self.kernel.dependencies.get(&name).is_some() {
                self.take(&name, why);
                if rule.load == Load::AtOnce {
                    self.selection.load.push(name);
                }
            } else if self.kernel.built_in.contains_key(&name) {
                self.selection.built_in.push(NameReason { name: name.to_string(), why });
            } else {
                self.selection.absent.push(NameReason { name: name.to_string(), why });
                continue;
            }
            found = true;
        }
        if !found && rule.presence == Presence::Must {
            return Err(self.no_module(names.join(" or "), rule.why.to_owned()));
        }
        Ok(())
    }

    fn hardware(&mut self, modaliases: &[String], foreign_nics: &BTreeSet<Name>) {
        let kernel = self.kernel;
        for modalias in modaliases {
            for name in kernel.aliases.modules(modalias) {
                let Some(module) = kernel.dependencies.get(name) else { continue };
                let reason = match Profile::driver_of_host(&module.path, name) {
                    Some(rule) => rule.why,
                    None if foreign_nics.contains(name) => {
                        "wired network card, driver from outside the kernel"
                    }
                    None => continue,
                };
                self.take(name, Why::Hardware { reason: reason.to_owned(), modalias: modalias.clone() });
            }
        }
    }

    fn wish(&mut self, wish: &Wanted) -> Result<(), Error> {
        let why = Why::Requested { reason: wish.why.clone() };
        match self.kernel.resolve(&wish.name) {
            Resolved::Modules(names) => {
                for name in names {
                    self.take(&name, why.clone());
                    if wish.load == LoadTime::Start {
                        self.selection.load.push(name);
                    }
                }
            }
            Resolved::BuiltIn => {
                self.selection.built_in.push(NameReason { name: wish.name.clone(), why });
            }
            Resolved::Nothing if wish.otherwise == Otherwise::Fail => {
                return Err(self.no_module(wish.name.clone(), wish.why.clone()));
            }
            Resolved::Nothing => self.selection.absent.push(NameReason { name: wish.name.clone(), why }),
        }
        Ok(())
    }

    fn follow(&mut self) -> Result<(), Error> {
        let kernel = self.kernel;
        while let Some(name) = self.queue.pop_front() {
            let Some(module) = kernel.dependencies.get(&name) else { continue };
            for path in &module.needs {
                let need = Name::of_path(path).filter(|need| kernel.dependencies.get(need).is_some());
                let Some(need) = need else {
                    let path = format!("{}/{path}", kernel.directory);
                    return Err(Error::NoModuleFile { path, by: name.to_string() });
                };
                match self.selection.modules.get_mut(&need) {
                    Some(Why::Dependency { others, .. }) => *others += 1,
                    Some(_) => {}
                    None => self.take(&need, Why::Dependency { of: name.to_string(), others: 0 }),
                }
            }
            for soft in kernel.soft.of(&name) {
                let Resolved::Modules(found) = kernel.resolve(soft) else { continue };
                for found_name in found {
                    let alias = (Name::new(soft) != found_name).then(|| soft.clone());
                    self.take(&found_name, Why::SoftDependency { of: name.to_string(), alias });
                }
            }
        }
        Ok(())
    }

    fn no_module(&self, module: String, why: String) -> Error {
        Error::NoModule { kernel: self.kernel.version.clone(), module, why }
    }
}

/// What a name of a module or an alias leads to.
enum Resolved {
    Modules(Vec<Name>),
    BuiltIn,
    Nothing,
}

impl Kernel<'_> {
    fn resolve(&self, text: &str) -> Resolved {
        let name = Name::new(text);
        if self.dependencies.get(&name).is_some() {
            return Resolved::Modules(vec![name]);
        }
        if self.built_in.contains_key(&name) {
            return Resolved::BuiltIn;
        }
        let known = |name: &&Name| self.dependencies.get(name).is_some();
        let modules: Vec<Name> = self.aliases.modules(text).filter(known).cloned().collect();
        if modules.is_empty() { Resolved::Nothing } else { Resolved::Modules(modules) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::tests::Memory;
    use super::*;

    const DEP: &str = "kernel/drivers/block/loop.ko:
kernel/fs/overlayfs/overlay.ko:
kernel/fs/erofs/erofs.ko: kernel/lib/lz4/lz4_decompress.ko
kernel/lib/lz4/lz4_decompress.ko:
kernel/drivers/net/ethernet/realtek/r8169.ko: kernel/drivers/net/mii.ko
kernel/drivers/net/mii.ko:
kernel/drivers/net/phy/realtek.ko: kernel/drivers/net/mii.ko
kernel/sound/snd.ko:
kernel/crypto/crc32c_generic.ko:
";

    fn tree(dep: &str) -> Memory {
        Memory::default()
            .with("lib/modules/6.1/modules.dep", dep)
            .with("lib/modules/6.1/modules.builtin", "kernel/net/packet/af_packet.ko\n")
            .with("lib/modules/6.1/modules.softdep", "softdep r8169 pre: realtek crypto-crc32c gone\n")
            .with(
                "lib/modules/6.1/modules.alias",
                "alias crypto-crc32c crc32c_generic\nalias pci:v10EC* r8169\n",
            )
    }

    fn selected(dep: &str, profile: &Profile, wanted: &[Wanted]) -> Result<Selection, Error> {
        let tree = tree(dep);
        select(&Kernel::open(&tree, "lib/modules/6.1").unwrap(), profile, wanted, &BTreeSet::new())
    }

    fn why(selection: &Selection, name: &str) -> String {
        selection.modules.get(&Name::new(name)).map_or("not in".to_owned(), ToString::to_string)
    }

    #[test]
    fn each_module_knows_why_it_is_in() {
        let selection = selected(DEP, &Profile::Network, &[]).unwrap();
        assert_eq!(why(&selection, "r8169"), "wired network card");
        assert_eq!(why(&selection, "mii"), "needed by r8169 and 1 more");
        assert_eq!(why(&selection, "lz4_decompress"), "needed by erofs");
        assert_eq!(why(&selection, "crc32c_generic"), "checksums of file systems");
        assert_eq!(why(&selection, "snd"), "not in");
        assert!(selection.built_in.iter().any(|module| module.name == "af_packet"));
        let load: Vec<_> = selection.load.iter().map(Name::as_str).collect();
        assert_eq!(load, ["crc32c_generic", "loop", "overlay", "erofs"]);
    }

    #[test]
    fn the_host_profile_takes_what_its_hardware_asks_for_and_soft_dependencies_by_alias() {
        let dep = DEP.replace("crc32c_generic", "crc32c_soft");
        let tree = tree(&dep).with(
            "lib/modules/6.1/modules.alias",
            "alias crypto-crc32c crc32c_soft\nalias pci:v10EC* r8169\nalias pci:v10EC* snd\n",
        );
        let kernel = Kernel::open(&tree, "lib/modules/6.1").unwrap();
        let profile = Profile::Host(vec!["pci:v10EC1".to_owned()]);
        let selection = select(&kernel, &profile, &[], &BTreeSet::new()).unwrap();
        assert_eq!(why(&selection, "r8169"), "wired network card: pci:v10EC1");
        assert_eq!(why(&selection, "realtek"), "soft dependency of r8169");
        assert_eq!(why(&selection, "crc32c_soft"), "soft dependency of r8169, as crypto-crc32c");
        assert_eq!(why(&selection, "snd"), "not in");
    }

    #[test]
    fn a_needed_module_that_is_missing_is_named_with_its_reason() {
        let error = selected(&DEP.replace("overlay.ko", "x.ko"), &Profile::Network, &[]).unwrap_err();
        assert!(error.to_string().contains("no module overlay"), "{error}");
        let error = selected(&DEP.replace("erofs.ko", "x.ko"), &Profile::Network, &[]).unwrap_err();
        assert!(error.to_string().contains("squashfs or erofs"), "{error}");
        let wish = |otherwise| Wanted {
            name: "dm-crypt".into(),
            why: "disks are encrypted".into(),
            otherwise,
            load: LoadTime::Demand,
        };
        let error = selected(DEP, &Profile::Network, &[wish(Otherwise::Fail)]).unwrap_err();
        assert!(error.to_string().contains("dm-crypt") && error.to_string().contains("encrypted"), "{error}");
        let selection = selected(DEP, &Profile::Network, &[wish(Otherwise::Note)]).unwrap();
        assert!(selection.absent.iter().any(|module| module.name == "dm-crypt"));
    }

    #[test]
    fn a_dependency_without_a_line_of_its_own_is_named_with_who_needs_it() {
        let dep = DEP.replace("kernel/lib/lz4/lz4_decompress.ko:\n", "");
        let error = selected(&dep, &Profile::Network, &[]).unwrap_err().to_string();
        assert!(error.contains("kernel/lib/lz4/lz4_decompress.ko") && error.contains("erofs"), "{error}");
    }
}
