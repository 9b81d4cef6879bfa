//! A root in an EROFS that mkfs.erofs made: which system it is, what boots in it, what is taken out of it.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judges;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bootwright_inspect::{Depth, Severity};
use judges::{inside, look, run, uki};

const RELEASE: &str = "6.1.0-test";

/// `root`, and `root.img` of it.
fn root(directory: &Path) {
    let root = directory.join("root");
    for path in ["etc", "usr/lib", "boot"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    fs::write(root.join("usr/lib/os-release"), "NAME=Debian\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n").unwrap();
    symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
    fs::write(root.join("boot").join(format!("vmlinuz-{RELEASE}")), uki::kernel(RELEASE)).unwrap();
    symlink(format!("boot/vmlinuz-{RELEASE}"), root.join("vmlinuz")).unwrap();
    let numbers: String = (0..40_000).map(|number| format!("{number}\n")).collect();
    fs::write(root.join("numbers"), numbers).unwrap();
    run(directory, "mkfs.erofs", &["-zlz4hc", "-C65536", "root.img", "root"]);
}

#[test]
fn a_root_says_which_system_it_is_and_shows_its_kernel() {
    let temporary = tempfile::tempdir().unwrap();
    root(temporary.path());
    let node = look(temporary.path(), "root.img", Depth::Headers);
    assert_eq!(node.facts.text("operating system"), Some("Debian GNU/Linux 13"));
    assert!(node.problems.is_empty(), "{:?}", node.problems);
    let kernels: Vec<_> = node.children.iter().map(|node| (node.name.as_deref(), node.kind)).collect();
    // Not the link to it: it would be the same again.
    assert_eq!(kernels, [(Some("boot/vmlinuz-6.1.0-test"), "bzimage")]);
}

#[test]
fn files_are_opened_by_their_paths_as_fsck_takes_them_out() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    root(directory);
    run(directory, "fsck.erofs", &["--extract=out", "root.img"]);
    let numbers = fs::read(directory.join("out/numbers")).unwrap();
    assert!(inside(directory, "root.img", "numbers") == numbers);
    let release = fs::read(directory.join("out/usr/lib/os-release")).unwrap();
    assert!(inside(directory, "root.img", "etc/os-release") == release);
}

#[test]
fn a_root_that_ends_early_is_told_with_what_is_missing() {
    let temporary = tempfile::tempdir().unwrap();
    root(temporary.path());
    let image = temporary.path().join("root.img");
    let bytes = fs::read(&image).unwrap();
    // The superblock, and nothing behind it.
    fs::write(&image, &bytes[..1024 + 128]).unwrap();
    let problems = look(temporary.path(), "root.img", Depth::Headers).problems;
    assert!(problems.iter().all(|problem| problem.severity == Severity::Error));
    let said: Vec<_> = problems.into_iter().map(|problem| problem.what).collect();
    assert!(said.iter().any(|what| what.contains("cut off")), "{said:?}");
    assert!(said.iter().any(|what| what.contains("its files cannot be read")), "{said:?}");
}
