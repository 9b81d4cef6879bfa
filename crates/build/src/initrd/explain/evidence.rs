//! Reasons worked out from what is inside: who in here needs a module, a firmware file, a library; and what
//! our own profiles would take a module for.

use std::collections::{BTreeMap, BTreeSet};

use super::super::contents::{MissingFirmware, Why};
use super::super::modules::dependencies::Dependencies;
use super::super::modules::glob_matches;
use super::super::modules::modinfo::ModInfo;
use super::super::modules::name::{Name, without_compression};
use super::super::modules::softdep::SoftDependencies;
use super::super::profile::Profile;
use super::super::unpack;
use super::elf;

/// What was read while the initrd passed.
#[derive(Default)]
pub(super) struct Evidence {
    kernel: Option<String>,
    dependencies: Dependencies,
    soft: SoftDependencies,
    /// Firmware names as modules spell them, each with the modules.
    firmware: BTreeMap<String, BTreeSet<String>>,
    /// Names of libraries, each with the files that name them.
    libraries: BTreeMap<String, BTreeSet<String>>,
    /// File names of symbolic links and of what they lead to.
    links: Vec<(String, String)>,
}

/// What follows from it.
pub(super) struct Conclusions {
    pub(super) kernel: Option<String>,
    pub(super) why: BTreeMap<String, Why>,
    pub(super) missing_firmware: Vec<MissingFirmware>,
}

/// What a path says about a file.
enum Place<'a> {
    /// Below `lib/modules/VERSION/`: the version and the rest.
    Modules(&'a str, &'a str),
    /// Below `lib/firmware/`: the rest, without a compression's ending.
    Firmware(&'a str),
    Microcode,
    /// A program or a library, maybe.
    Other(&'a str),
}

fn place(path: &str) -> Place<'_> {
    let inside = path.strip_prefix("/usr").unwrap_or(path);
    if let Some((version, rest)) = inside.strip_prefix("/lib/modules/").and_then(|rest| rest.split_once('/'))
    {
        return Place::Modules(version, rest);
    }
    if let Some(rest) = inside.strip_prefix("/lib/firmware/") {
        return Place::Firmware(without_compression(rest));
    }
    if path.starts_with("/kernel/x86/microcode/") {
        return Place::Microcode;
    }
    Place::Other(path.rsplit('/').next().unwrap_or(path))
}

impl Evidence {
    /// Whether the content of the file at `path` may tell anything.
    pub(super) fn wants(path: &str) -> bool {
        match place(path) {
            Place::Modules(_, rest) => {
                matches!(rest, "modules.dep" | "modules.softdep") || Name::of_path(rest).is_some()
            }
            Place::Firmware(_) | Place::Microcode => false,
            Place::Other(_) => {
                ["/bin/", "/sbin/", "/lib", "/libexec/", "/init"].iter().any(|at| path.contains(at))
            }
        }
    }

    /// Takes in a file. What cannot be understood tells nothing.
    pub(super) fn look(&mut self, path: &str, content: Vec<u8>) {
        let Place::Modules(version, rest) = place(path) else {
            for library in elf::needed(&content) {
                self.libraries.entry(library).or_default().insert(path.to_owned());
            }
            return;
        };
        self.kernel.get_or_insert_with(|| version.to_owned());
        match rest {
            "modules.dep" => {
                self.dependencies =
                    Dependencies::parse(&String::from_utf8_lossy(&content)).unwrap_or_default();
            }
            "modules.softdep" => self.soft.extend(&String::from_utf8_lossy(&content)),
            module => {
                let info =
                    unpack::unpacked(path, content).ok().and_then(|module| ModInfo::of_module(&module).ok());
                let (Some(name), Some(info)) = (Name::of_path(module), info) else { return };
                for file in info.firmware {
                    self.firmware.entry(file).or_default().insert(name.to_string());
                }
            }
        }
    }

    /// Takes in a symbolic link: who names a library by it needs what it leads to.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        self.links.push((file(path), file(target)));
    }

    /// The reason of each path that anything is known about.
    pub(super) fn conclude<'a>(mut self, paths: impl Iterator<Item = &'a str> + Clone) -> Conclusions {
        for (link, target) in std::mem::take(&mut self.links) {
            if let Some(users) = self.libraries.get(&link).filter(|_| link != target).cloned() {
                self.libraries.entry(target).or_default().extend(users);
            }
        }
        let inside: BTreeSet<Name> = paths.clone().filter_map(Name::of_path).collect();
        let (needed, soft) = (self.needed_by(&inside), self.softly_needed_by(&inside));
        let firmware = std::mem::take(&mut self.firmware);
        let mut found = BTreeSet::new();
        let mut why = BTreeMap::new();
        for path in paths {
            let reason = match place(path) {
                Place::Modules(_, rest) => match Name::of_path(rest) {
                    Some(name) => {
                        purpose(rest, &name).or_else(|| needed.get(&name).or(soft.get(&name)).cloned())
                    }
                    None => Some(Why::part("index of the modules in here")),
                },
                Place::Firmware(name) => firmware_reason(&firmware, name, &mut found),
                Place::Microcode => Some(Why::part("early microcode")),
                Place::Other(file) => {
                    let users = self.libraries.get(file).and_then(first_of);
                    users.map(|(of, others)| Why::Dependency { of, others })
                }
            };
            if let Some(reason) = reason {
                why.insert(path.to_owned(), reason);
            }
        }
        let missing = firmware.into_iter().filter(|(file, _)| !found.contains(file));
        let missing_firmware = missing
            .map(|(file, modules)| MissingFirmware { file, modules: modules.into_iter().collect() })
            .collect();
        Conclusions { kernel: self.kernel, why, missing_firmware }
    }

    fn needed_by(&self, inside: &BTreeSet<Name>) -> BTreeMap<Name, Why> {
        let mut users: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
        for (name, module) in self.dependencies.iter().filter(|(name, _)| inside.contains(name)) {
            for need in module.needs.iter().filter_map(|path| Name::of_path(path)) {
                users.entry(need).or_default().insert(name.to_string());
            }
        }
        let reason = |(name, users): (Name, BTreeSet<String>)| {
            first_of(&users).map(|(of, others)| (name, Why::Dependency { of, others }))
        };
        users.into_iter().filter_map(reason).collect()
    }

    fn softly_needed_by(&self, inside: &BTreeSet<Name>) -> BTreeMap<Name, Why> {
        let pairs = inside.iter().flat_map(|name| self.soft.of(name).iter().map(move |need| (need, name)));
        let reason = |name: &Name| Why::SoftDependency { of: name.to_string(), alias: None };
        pairs.map(|(need, name)| (Name::new(need), reason(name))).collect()
    }
}

/// What our own profiles would take the module for.
fn purpose(path: &str, name: &Name) -> Option<Why> {
    let reason = Profile::purpose(path, name)?.to_owned();
    Some(Why::Profile { reason })
}

/// The modules that may ask for the file; what they call it is noted in `found`.
fn firmware_reason(
    firmware: &BTreeMap<String, BTreeSet<String>>,
    name: &str,
    found: &mut BTreeSet<String>,
) -> Option<Why> {
    let mut modules = BTreeSet::new();
    let pattern = |asked: &str| asked.contains(['*', '?', '[']) && glob_matches(asked, name);
    for (asked, by) in firmware.iter().filter(|(asked, _)| *asked == name || pattern(asked)) {
        found.insert(asked.clone());
        modules.extend(by.iter().cloned());
    }
    first_of(&modules).map(|(of, others)| Why::Firmware { of, others })
}

fn first_of(names: &BTreeSet<String>) -> Option<(String, usize)> {
    Some((names.first()?.clone(), names.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_tell_who_needs_a_module() {
        let mut evidence = Evidence::default();
        let dep = "kernel/a.ko: kernel/b.ko\nkernel/b.ko:\nkernel/gone.ko: kernel/a.ko\n";
        evidence.look("/usr/lib/modules/6.1/modules.dep", dep.as_bytes().to_vec());
        evidence.look("/usr/lib/modules/6.1/modules.softdep", b"softdep b pre: c-d".to_vec());
        let paths = ["a", "b", "c_d"].map(|name| format!("/usr/lib/modules/6.1/kernel/{name}.ko.xz"));
        let conclusions = evidence.conclude(paths.iter().map(String::as_str));
        let why = |path: &String| conclusions.why.get(path).map(ToString::to_string);
        assert_eq!(conclusions.kernel.as_deref(), Some("6.1"));
        assert_eq!(
            paths.each_ref().map(why),
            [None, Some("needed by a".into()), Some("soft dependency of b".into())]
        );
    }

    #[test]
    fn a_library_is_needed_by_whoever_names_it_or_a_link_to_it_and_a_card_is_a_card() {
        let mut evidence = Evidence::default();
        evidence.libraries.insert("libx.so.1".into(), BTreeSet::from(["/bin/tool".to_owned()]));
        evidence.link("/lib/libx.so.1", "libx.so.1.2");
        let card = "/lib/modules/6.1/kernel/drivers/net/ethernet/card.ko";
        let why = evidence.conclude(["/lib/libx.so.1.2", card].into_iter()).why;
        assert_eq!(why.get("/lib/libx.so.1.2").unwrap().to_string(), "needed by /bin/tool");
        assert_eq!(why.get(card).unwrap().to_string(), "wired network card");
    }

    #[test]
    fn firmware_is_explained_by_exact_name_and_by_pattern_and_the_rest_is_missing() {
        let by = |name: &str| BTreeSet::from([name.to_owned()]);
        let firmware = [("x/a.bin", "m1"), ("x/*.bin", "m2"), ("y.bin", "m3")];
        let evidence = Evidence {
            firmware: firmware.map(|(file, module)| (file.to_owned(), by(module))).into(),
            ..Evidence::default()
        };
        let conclusions = evidence.conclude(["/lib/firmware/x/a.bin.xz"].into_iter());
        let why = conclusions.why.get("/lib/firmware/x/a.bin.xz").map(ToString::to_string);
        assert_eq!(why.as_deref(), Some("firmware of m1 and 1 more"));
        let missing: Vec<_> =
            conclusions.missing_firmware.iter().map(|missing| missing.file.as_str()).collect();
        assert_eq!(missing, ["y.bin"]);
    }
}
