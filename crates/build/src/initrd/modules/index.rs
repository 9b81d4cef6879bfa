//! The indexes of the initrd: modules.dep, modules.alias, modules.softdep and modules.builtin, restricted
//! to what is in it. Text only: the agent and busybox read these, kmod would want the `.bin` forms.

use std::collections::BTreeSet;

use super::Kernel;
use super::load::Loaded;
use super::name::{Name, without_compression};

/// The indexes as file name and content.
pub(in super::super) fn restricted(kernel: &Kernel<'_>, modules: &[Loaded]) -> [(&'static str, String); 4] {
    let names: BTreeSet<&Name> = modules.iter().map(|module| &module.name).collect();
    let kept = |line: &&str, keyword: &str, position: usize| {
        let mut words = line.split_whitespace();
        let keyword_fits = words.next() == Some(keyword);
        keyword_fits && words.nth(position - 1).is_some_and(|module| names.contains(&Name::new(module)))
    };
    let lines = |text: &str, keyword: &str, position: usize| -> String {
        let lines = text.lines().filter(|line| kept(line, keyword, position));
        lines.flat_map(|line| [line, "\n"]).collect()
    };
    [
        ("modules.dep", dependencies(kernel, modules)),
        ("modules.alias", lines(&kernel.texts.alias, "alias", 2)),
        ("modules.softdep", lines(&kernel.texts.softdep, "softdep", 1)),
        ("modules.builtin", kernel.texts.built_in.clone()),
    ]
}

fn dependencies(kernel: &Kernel<'_>, modules: &[Loaded]) -> String {
    let mut text = String::new();
    for Loaded { name, path, .. } in modules {
        text += path;
        text.push(':');
        for need in kernel.dependencies.get(name).map_or(&[][..], |module| &module.needs) {
            text.push(' ');
            text += without_compression(need);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::tests::Memory;
    use super::super::dependencies::Dependencies;
    use super::super::modinfo::ModInfo;
    use super::*;

    #[test]
    fn the_indexes_speak_of_unpacked_modules_that_are_there() {
        let tree = Memory::default()
            .with(
                "lib/modules/1/modules.dep",
                "kernel/a-b.ko.xz: kernel/c.ko.xz\nkernel/c.ko.xz:\nkernel/d.ko.xz:\n",
            )
            .with("lib/modules/1/modules.alias", "# x\nalias pci:1 a_b\nalias pci:2 d\n")
            .with("lib/modules/1/modules.softdep", "softdep a-b pre: c\nsoftdep d pre: c\n")
            .with("lib/modules/1/modules.builtin", "kernel/e.ko\n");
        let kernel = Kernel::open(&tree, "lib/modules/1").unwrap();
        let loaded = |path: &str| Loaded {
            name: Name::of_path(path).unwrap(),
            path: path.to_owned(),
            bytes: Vec::new(),
            info: ModInfo::default(),
        };
        let [dep, alias, softdep, built_in] =
            restricted(&kernel, &[loaded("kernel/a-b.ko"), loaded("kernel/c.ko")]);
        assert_eq!(dep.1, "kernel/a-b.ko: kernel/c.ko\nkernel/c.ko:\n");
        assert_eq!(alias.1, "alias pci:1 a_b\n");
        assert_eq!(softdep.1, "softdep a-b pre: c\n");
        assert_eq!(built_in.1, "kernel/e.ko\n");
        assert_eq!(Dependencies::parse(&dep.1).unwrap().iter().count(), 2);
    }
}
