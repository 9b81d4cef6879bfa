//! `/sys/firmware/ibft`, which [`Table`] reads.

use std::collections::BTreeMap;
use std::fs::{File, read_dir};
use std::io::Read as _;
use std::path::Path;

use bootwright_plan::network::ibft::{Files, Table};

/// Where the kernel's `iscsi_ibft` tells the table.
pub const TREE: &str = "/sys/firmware/ibft";

/// The module that does.
pub const MODULE: &str = "iscsi_ibft";

/// The longest value: a name of a target has 223 bytes (RFC 7143).
const MAX_VALUE: u64 = 512;

/// The table below `tree`; an empty one where there is none.
pub fn read(tree: &Path) -> Table {
    let directories = read_dir(tree).into_iter().flatten().flatten();
    let named = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let read = directories.map(|entry| (named(&entry), files(&entry.path())));
    Table::read(&read.collect::<BTreeMap<String, Files>>())
}

fn files(directory: &Path) -> Files {
    let entries = read_dir(directory).into_iter().flatten().flatten();
    let read = entries.filter_map(|entry| {
        let mut text = String::new();
        File::open(entry.path()).ok()?.take(MAX_VALUE).read_to_string(&mut text).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), text.trim().to_owned()))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    #[test]
    fn a_tree_as_the_kernel_makes_it_is_read() {
        let tree = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = tree.path().join(path);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, text).unwrap();
        };
        for (name, text) in [
            ("flags", "3\n"),
            ("mac", "52:54:00:12:34:56\n"),
            ("vlan", "0\n"),
            ("ip-addr", "10.0.0.2\n"),
            ("subnet-mask", "255.255.255.0\n"),
        ] {
            put(&format!("ethernet0/{name}"), text);
        }
        put("target0/flags", "3\n");
        put("target0/target-name", "iqn.2010-04.lab:disk\n");
        put("target0/ip-addr", "10.0.0.1\n");
        put("initiator/initiator-name", "iqn.2010-04.lab:m1\n");
        let table = read(tree.path());
        assert_eq!((table.cards.len(), table.targets.len()), (1, 1), "{table:?}");
        assert_eq!(read(Path::new("/nonexistent")), Table::default());
    }
}
