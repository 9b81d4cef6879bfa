//! `modules.dep`, as depmod(8) writes it: which files a module needs loaded before itself.
//!
//! One line per module, paths relative to `lib/modules/VERSION`, the needed ones in the order opposite
//! to loading, indirect ones included:
//!
//! ```text
//! kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko
//! ```

use std::collections::BTreeMap;

use super::name::Name;

/// One module of the kernel's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its file, relative to `lib/modules/VERSION`.
    pub path: String,
    /// The files it needs, as modules.dep orders them.
    pub needs: Vec<String>,
}

/// Every module of a kernel, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies(BTreeMap<Name, Module>);

/// A line that is not of this form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Dependencies {
    /// Reads the whole file. Of two modules of one name the first counts, as for modprobe.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut modules = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let error = |what| ParseError { line: index + 1, what };
            if line.trim().is_empty() {
                continue;
            }
            let (path, needs) = line.split_once(':').ok_or_else(|| error("no colon behind the module"))?;
            let needs: Vec<String> = needs.split_whitespace().map(str::to_owned).collect();
            if !std::iter::once(path).chain(needs.iter().map(String::as_str)).all(stays_inside) {
                return Err(error("a path leaves the modules' directory"));
            }
            let name = Name::of_path(path).ok_or_else(|| error("the file before the colon is no module"))?;
            modules.entry(name).or_insert(Module { path: path.to_owned(), needs });
        }
        Ok(Self(modules))
    }

    /// The module of that name.
    pub fn get(&self, name: &Name) -> Option<&Module> {
        self.0.get(name)
    }

    /// Every module, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Module)> {
        self.0.iter()
    }
}

fn stays_inside(path: &str) -> bool {
    !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_depmod_writes() {
        let text = "kernel/a.ko:\nkernel/b-c.ko.xz: kernel/a.ko kernel/d.ko\n";
        let modules = Dependencies::parse(text).unwrap();
        assert_eq!(modules.iter().count(), 2);
        let module = modules.get(&Name::new("b_c")).unwrap();
        assert_eq!(module.needs, ["kernel/a.ko", "kernel/d.ko"]);
    }

    #[test]
    fn refuses_paths_that_leave_the_directory_and_names_the_line() {
        for text in ["a.ko:\n/b.ko:", "a.ko:\nb.ko: ../c.ko", "\nno colon here", "\nreadme.txt: a.ko"] {
            assert_eq!(Dependencies::parse(text).unwrap_err().line, 2, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = Dependencies::parse(&text);
        }

        #[test]
        fn what_is_written_is_read(
            modules in proptest::collection::btree_map("[a-z]{1,8}", proptest::collection::vec("[a-z]{1,8}", 0..5), 0..20)
        ) {
            let file = |name: &String| format!("kernel/{name}.ko");
            let mut text = String::new();
            for (name, needs) in &modules {
                let needs: Vec<String> = needs.iter().map(file).collect();
                text += &format!("{}: {}\n", file(name), needs.join(" "));
            }
            let read = Dependencies::parse(&text).unwrap();
            prop_assert_eq!(read.iter().count(), modules.len());
            for (name, needs) in &modules {
                let module = read.get(&Name::new(name)).unwrap();
                prop_assert_eq!(&module.needs, &needs.iter().map(file).collect::<Vec<_>>());
            }
        }
    }
}
