//! Programs of others that make files and judge them.

// Each test file uses some of it.
#![allow(dead_code)]

pub mod uki;

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bootwright_formats::{FileBytes, ReadAt as _};
use bootwright_inspect::{Cache, Depth, Faults, HostDirectory, Node, Options, Source, inspect};

/// Runs a program (a package of xtask/src/packages.rs) in `directory` and gives what it said.
pub fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let path = format!("/usr/local/sbin:/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env("PATH", path).env("LC_ALL", "C");
    let output =
        command.output().unwrap_or_else(|error| panic!("{program}: {error}: cargo xtask test installs it"));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} ended with {}: {said}", output.status);
    said
}

/// An empty file of that many MiB.
pub fn blank(directory: &Path, name: &str, mib: u64) {
    File::create(directory.join(name)).unwrap().set_len(mib << 20).unwrap();
}

/// What we say of a file.
pub fn look(directory: &Path, name: &str, depth: Depth) -> Node {
    let path = directory.join(name);
    let source: Source = Arc::new(Cache::new(FileBytes::new(File::open(&path).unwrap()).unwrap()));
    let options = Options { depth, ..Options::default() };
    inspect(&source, name, Some(&HostDirectory::of(&path)), &options).unwrap()
}

/// What blkid says of a file: the value of a key, empty when there is none.
pub fn blkid(directory: &Path, name: &str, key: &str) -> String {
    let said = run(directory, "blkid", &["-p", "-o", "export", name]);
    let line = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_default().replace("\\ ", " ")
}

/// The bytes that an address leads to.
pub fn inside(directory: &Path, name: &str, address: &str) -> Vec<u8> {
    let source: Source = Arc::new(FileBytes::new(File::open(directory.join(name)).unwrap()).unwrap());
    let opened = bootwright_inspect::open(&source, name, address, Faults::Refused)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut bytes = vec![0; opened.source.size() as usize];
    opened.source.read_exact_at(0, &mut bytes).unwrap();
    bytes
}
