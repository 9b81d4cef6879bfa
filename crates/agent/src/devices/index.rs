//! The tables that depmod leaves in `/lib/modules/VERSION`, in their text form (modules.dep(5)).
//!
//! ```text
//! modules.dep      PATH: PATH PATH …          what must be in before, nearest first
//! modules.alias    alias PATTERN NAME
//! modules.softdep  softdep NAME pre: NAME … post: NAME …
//! modules.builtin  PATH
//! ```
//!
//! A module's name is its file name without `.ko` and what follows, with `_` for `-`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::glob;

/// A module that is in the initrd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its file, relative to the directory of the tables.
    pub path: String,
    /// Names of the modules it needs, those to be loaded last first.
    needs: Vec<String>,
    /// Wanted before it, and after it: modules or aliases of them, as they are written.
    before: Vec<String>,
    after: Vec<String>,
}

/// The tables, read.
#[derive(Debug, Default)]
pub struct ModuleIndex {
    modules: BTreeMap<String, Module>,
    /// Pattern and module, by what stands before the first `:`; patterns with a wildcard there under "".
    aliases: HashMap<String, Vec<(String, String)>>,
    builtin: HashSet<String>,
    /// Tables that could not be read.
    pub problems: Vec<String>,
}

impl ModuleIndex {
    /// Reads the tables in `directory`. Those that are missing are empty; `problems` says so.
    pub fn read(directory: &Path) -> Self {
        let mut problems = Vec::new();
        let mut table = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|error| {
                problems.push(format!("{}: {error}", path.display()));
                String::new()
            })
        };
        let (dep, alias) = (table("modules.dep"), table("modules.alias"));
        let (softdep, builtin) = (table("modules.softdep"), table("modules.builtin"));
        Self { problems, ..Self::parse(&dep, &alias, &softdep, &builtin) }
    }

    /// Takes the texts of the four tables; lines that are none are passed over, as kmod does.
    pub fn parse(dep: &str, alias: &str, softdep: &str, builtin: &str) -> Self {
        let mut index = Self::default();
        for (path, needs) in dep.lines().filter_map(|line| line.split_once(':')) {
            let name = module_name(path);
            let needs = needs.split_whitespace().map(module_name).collect();
            let module =
                Module { name: name.clone(), path: path.trim().to_owned(), needs, ..Module::default() };
            index.modules.insert(name, module);
        }
        for line in alias.lines() {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(pattern), Some(name)) = (words.next(), words.next(), words.next()) {
                let entry = (pattern.to_owned(), module_name(name));
                index.aliases.entry(bucket(pattern).to_owned()).or_default().push(entry);
            }
        }
        for line in softdep.lines() {
            index.add_softdep(line);
        }
        index.builtin = builtin.lines().map(module_name).collect();
        index
    }

    fn add_softdep(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let (Some("softdep"), Some(name)) = (words.next(), words.next()) else { return };
        let Some(module) = self.modules.get_mut(&module_name(name)) else { return };
        let mut list = None;
        for word in words {
            match (word, &list) {
                ("pre:", _) => list = Some(true),
                ("post:", _) => list = Some(false),
                (name, Some(true)) => module.before.push(name.to_owned()),
                (name, Some(false)) => module.after.push(name.to_owned()),
                (_, None) => {}
            }
        }
    }

    /// The modules whose alias matches that of a device, in the order of the table.
    pub fn for_alias(&self, modalias: &str) -> Vec<&str> {
        let patterns = |key| self.aliases.get(key).into_iter().flatten();
        let own = Some(bucket(modalias)).filter(|key| !key.is_empty());
        own.into_iter()
            .flat_map(patterns)
            .chain(patterns(""))
            .filter(|(pattern, _)| glob::matches(pattern, modalias))
            .filter_map(|(_, name)| self.modules.get(name))
            .map(|module| module.name.as_str())
            .collect()
    }

    /// Whether the kernel has it without any file.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(&module_name(name))
    }

    /// Every module to be loaded for `name`, in order; empty when it is not in the initrd. Soft
    /// dependencies may go in circles: each module comes once.
    pub fn closure(&self, name: &str) -> Vec<&Module> {
        let mut order = Vec::new();
        self.visit(&module_name(name), &mut HashSet::new(), &mut order);
        order
    }

    fn visit<'a>(&'a self, name: &str, seen: &mut HashSet<&'a str>, order: &mut Vec<&'a Module>) {
        let Some(module) = self.modules.get(name) else { return };
        if !seen.insert(&module.name) {
            return;
        }
        for wanted in module.before.iter().flat_map(|wanted| self.named(wanted)) {
            self.visit(wanted, seen, order);
        }
        for wanted in module.needs.iter().rev() {
            self.visit(wanted, seen, order);
        }
        order.push(module);
        for wanted in module.after.iter().flat_map(|wanted| self.named(wanted)) {
            self.visit(wanted, seen, order);
        }
    }

    /// The modules that a soft dependency means: that of the name, else every one with such an alias.
    /// libcrc32c wants `crc32c`, which several modules offer.
    fn named(&self, wanted: &str) -> Vec<&str> {
        match self.modules.get(&module_name(wanted)) {
            Some(module) => vec![&module.name],
            None => self.for_alias(wanted),
        }
    }
}

/// `kernel/drivers/net/e1000e/e1000e.ko.xz` is `e1000e`; `af-packet` is `af_packet`.
pub fn module_name(path: &str) -> String {
    let file = path.trim().rsplit('/').next().unwrap_or_default();
    file.split(".ko").next().unwrap_or_default().replace('-', "_")
}

fn bucket(alias: &str) -> &str {
    match alias.split_once(':') {
        Some((bus, _)) if !bus.contains(['*', '?', '[']) => bus,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEP: &str = "\
kernel/net/core/failover.ko.xz:
kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko.xz
kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko.xz kernel/net/core/failover.ko.xz
kernel/crypto/crc32c-intel.ko:
kernel/lib/libcrc32c.ko:
";
    const ALIAS: &str = "# Aliases\nalias virtio:d00000001v* virtio_net\nalias fs-foo absent\n";

    fn index() -> ModuleIndex {
        ModuleIndex::parse(
            DEP,
            ALIAS,
            "softdep libcrc32c pre: crc32c-intel post: virtio_net\nsoftdep crc32c_intel post: libcrc32c\n",
            "kernel/fs/ext4/ext4.ko\n",
        )
    }

    fn names(modules: &[&Module]) -> Vec<String> {
        modules.iter().map(|module| module.name.clone()).collect()
    }

    #[test]
    fn what_a_module_needs_comes_before_it() {
        assert_eq!(names(&index().closure("virtio-net")), ["failover", "net_failover", "virtio_net"]);
        assert!(index().closure("absent").is_empty());
    }

    #[test]
    fn soft_dependencies_in_a_circle_come_once() {
        let order = names(&index().closure("libcrc32c"));
        assert_eq!(order.first().map(String::as_str), Some("crc32c_intel"));
        assert_eq!(order.len(), 5);
    }

    #[test]
    fn a_soft_dependency_may_be_an_alias() {
        let alias = "alias crc32c crc32c_intel\nalias crypto-crc32c crc32c_intel\n";
        let index = ModuleIndex::parse(DEP, alias, "softdep libcrc32c pre: crc32c\n", "");
        assert_eq!(names(&index.closure("libcrc32c")), ["crc32c_intel", "libcrc32c"]);
    }

    #[test]
    fn a_device_finds_its_module_and_builtin_ones_are_known() {
        assert_eq!(index().for_alias("virtio:d00000001v00001AF4"), ["virtio_net"]);
        assert!(index().for_alias("virtio:d00000002v00001AF4").is_empty());
        assert!(index().is_builtin("ext4") && !index().is_builtin("virtio_net"));
    }

    proptest! {
        #[test]
        fn any_text_is_an_index(text in "[a-z:/. \n-]{0,200}") {
            let index = ModuleIndex::parse(&text, &text, &text, &text);
            let _ = index.closure("a");
            let _ = index.for_alias("a:b");
        }
    }
}
