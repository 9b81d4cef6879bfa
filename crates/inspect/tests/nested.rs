//! A disk of 8 GiB made by the tools of others: what is told of it, what comes out of it, how little is read.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judges;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bootwright_formats::{FileBytes, ReadAt};
use bootwright_inspect::{
    Cache, Depth, Files as _, Firmware, HostDirectory, Options, Severity, Source, inspect,
};
use judges::{blank, inside, look, run, uki};

const RELEASE: &str = "6.1.0-test";
const ROOT: &str = "6804180e-a974-4fd3-8aae-d24ed4f50bd8";

/// The most that is read of a disk with nested GPT, ESP and UKI.
const MOST: u64 = 512 << 10;

/// `disk.raw` and `disk.qcow2` of 8 GiB, with an ESP with a UKI and an ext4 root.
fn disk(directory: &Path, modules: &[&str]) {
    std::fs::write(directory.join("kernel"), uki::kernel(RELEASE)).unwrap();
    uki::initrd(directory, RELEASE, modules);
    uki::build(directory, "image.efi", RELEASE, &format!("root=UUID={ROOT} quiet"));
    blank(directory, "esp", 64);
    run(directory, "mkfs.fat", &["-F", "32", "-n", "ESP", "esp"]);
    run(directory, "mmd", &["-i", "esp", "::EFI", "::EFI/BOOT"]);
    run(directory, "mcopy", &["-i", "esp", "image.efi", "::EFI/BOOT/BOOTX64.EFI"]);
    blank(directory, "root", 128);
    run(directory, "mkfs.ext4", &["-q", "-U", ROOT, "-L", "root", "root"]);
    blank(directory, "disk.raw", 8192);
    let table =
        ["-n", "1:2048:+64M", "-t", "1:ef00", "-n", "2:0:+128M", "-t", "2:8304", "-c", "2:root", "disk.raw"];
    run(directory, "sgdisk", &table);
    for (file, at) in [("esp", "seek=1"), ("root", "seek=65")] {
        let input = format!("if={file}");
        run(directory, "dd", &[&input, "of=disk.raw", "bs=1M", at, "conv=notrunc,sparse", "status=none"]);
    }
    run(directory, "qemu-img", &["convert", "-O", "qcow2", "disk.raw", "disk.qcow2"]);
}

/// Counts what is read of a file.
struct Counted {
    file: FileBytes,
    bytes: Arc<AtomicU64>,
}

impl ReadAt for Counted {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(offset, buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn a_qcow2_with_gpt_esp_and_uki_is_one_tree_for_which_little_is_read() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    disk(directory, &["ext4"]);
    let bytes = Arc::new(AtomicU64::new(0));
    let file = FileBytes::new(File::open(directory.join("disk.qcow2")).unwrap()).unwrap();
    let source: Source = Arc::new(Cache::new(Counted { file, bytes: Arc::clone(&bytes) }));
    let node = inspect(&source, "disk.qcow2", None, &Options::default()).unwrap();
    let read = bytes.load(Ordering::Relaxed);
    assert!(read <= MOST, "{read} bytes were read");
    let [gpt] = node.children.as_slice() else { panic!("{node:?}") };
    let kinds: Vec<_> = gpt.children.iter().map(|child| child.kind).collect();
    assert_eq!((node.kind, gpt.kind, kinds), ("qcow2", "gpt", vec!["fat", "ext4"]));
    assert_eq!(
        (node.boots[0].firmware, node.boots[0].architecture.as_deref()),
        (Firmware::Uefi, Some("x86_64"))
    );
    assert_eq!(node.boots[0].starts, "\\EFI\\BOOT\\BOOTX64.EFI, partition 1");
    let image = &gpt.children[0].children[0];
    assert_eq!((image.kind, image.facts.text("operating system")), ("uki", Some("A test")));
    assert!(node.all_problems().is_empty(), "{:?}", node.all_problems());
    assert_eq!(
        inside(directory, "disk.qcow2", "1/EFI/BOOT/BOOTX64.EFI"),
        std::fs::read(directory.join("image.efi")).unwrap()
    );
    let init = inside(directory, "disk.qcow2", "1/efi/boot/bootx64.efi/.initrd/init");
    assert_eq!(init, std::fs::read("/bin/true").unwrap());
    assert_eq!(inside(directory, "disk.qcow2", "2").len(), 128 << 20);
}

#[test]
fn a_root_whose_driver_is_not_in_the_initrd_is_an_error_when_all_is_read() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    disk(directory, &["squashfs"]);
    let node = look(directory, "disk.raw", Depth::Deep);
    let problems = node.all_problems();
    let (address, problem) = &problems[0];
    assert_eq!(
        (address.as_str(), problem.severity),
        ("1/EFI/BOOT/BOOTX64.EFI", Severity::Error),
        "{problems:?}"
    );
    assert_eq!(problem.what, "the initrd has no driver for its root, ext4");
    assert_eq!(problem.remedy, "build the initrd with the module ext4");
}

#[test]
fn a_backup_that_is_gone_and_one_that_is_not_at_the_end_are_told() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    blank(directory, "disk", 64);
    run(directory, "sgdisk", &["-n", "1:2048:+8M", "-t", "1:ef00", "disk"]);
    let node = look(directory, "disk", Depth::Headers);
    let esp = &node.children[0].problems[0];
    assert!(esp.what.contains("not FAT"), "{esp:?}");
    let file = File::options().write(true).open(directory.join("disk")).unwrap();
    file.set_len(80 << 20).unwrap();
    let problem = look(directory, "disk", Depth::Headers).problems.remove(0);
    assert!(problem.offset == Some(512) && problem.what.contains("larger or cut off"), "{problem:?}");
    file.set_len(60 << 20).unwrap();
    let problems = look(directory, "disk", Depth::Headers).problems;
    assert!(problems.iter().any(|problem| problem.what.contains("backup GPT")), "{problems:?}");
}

#[test]
fn an_esp_without_the_default_path_and_entries_that_lead_nowhere_are_told() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    blank(directory, "esp", 8);
    run(directory, "mkfs.fat", &["esp"]);
    run(directory, "mmd", &["-i", "esp", "::loader", "::loader/entries"]);
    std::fs::write(directory.join("a.conf"), "title A\nlinux /gone\ninitrd /here\n").unwrap();
    run(directory, "mcopy", &["-i", "esp", "a.conf", "::loader/entries/a.conf"]);
    run(directory, "mcopy", &["-i", "esp", "a.conf", "::here"]);
    blank(directory, "disk", 16);
    run(directory, "sgdisk", &["-n", "1:2048:+8M", "-t", "1:ef00", "disk"]);
    run(directory, "dd", &["if=esp", "of=disk", "bs=1M", "seek=1", "conv=notrunc", "status=none"]);
    let node = look(directory, "disk", Depth::Headers);
    let told: Vec<_> =
        node.all_problems().iter().map(|(at, problem)| format!("{at}: {}", problem.what)).collect();
    assert_eq!(told[0], "1/loader/entries/a.conf: kernel /gone is not there");
    assert!(told[1].starts_with("1: no \\EFI\\BOOT\\BOOT<ARCH>.EFI"), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[test]
fn a_parent_that_is_not_beside_its_child_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    blank(directory, "base disk", 16);
    run(directory, "mkfs.ext4", &["-q", "-L", "base", "base disk"]);
    run(
        directory,
        "qemu-img",
        &["create", "-q", "-f", "qcow2", "-b", "base disk", "-F", "raw", "child.qcow2"],
    );
    let node = look(directory, "child.qcow2", Depth::Headers);
    assert_eq!(node.children[0].facts.text("label"), Some("base"), "{node:?}");
    std::fs::remove_file(directory.join("base disk")).unwrap();
    let node = look(directory, "child.qcow2", Depth::Headers);
    assert!(node.problems[0].what.contains("\"base disk\""), "{:?}", node.problems);
    assert_eq!(node.problems[0].severity, Severity::Error);
}

#[test]
fn a_file_does_not_lead_out_of_its_directory() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::create_dir(temporary.path().join("inner")).unwrap();
    std::fs::write(temporary.path().join("secret"), "x").unwrap();
    let directory = HostDirectory::of(&temporary.path().join("inner/file"));
    let absolute = temporary.path().join("secret").display().to_string();
    for path in ["../secret", absolute.as_str(), "..", "", "./../secret"] {
        assert!(directory.open(path).unwrap().is_none(), "{path}");
    }
}
