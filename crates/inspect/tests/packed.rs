//! Disks that gzip, xz and zstd packed are looked into as if they were not; what is broken or too large says so.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judges;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bootwright_formats::FileBytes;
use bootwright_inspect::{
    AddressError, Depth, Faults, Limits, Options, Severity, Source, Value, inspect, open,
};
use judges::{blank, inside, look, run, uki};

/// `disk.raw` and `disk.qcow2`: a GPT with an ESP with a boot loader, 48 MiB.
fn disk(directory: &Path) {
    blank(directory, "esp", 40);
    run(directory, "mkfs.fat", &["-n", "PACKED", "esp"]);
    run(directory, "mmd", &["-i", "esp", "::EFI", "::EFI/BOOT"]);
    run(directory, "mcopy", &["-i", "esp", uki::STUB, "::EFI/BOOT/BOOTX64.EFI"]);
    blank(directory, "disk.raw", 48);
    run(directory, "sgdisk", &["-n", "1:2048:+40M", "-t", "1:ef00", "disk.raw"]);
    run(directory, "dd", &["if=esp", "of=disk.raw", "bs=1M", "seek=1", "conv=notrunc", "status=none"]);
    // What does not compress lies behind it, so that half of a packed disk holds all of the table.
    run(
        directory,
        "dd",
        &["if=/dev/urandom", "of=disk.raw", "bs=1M", "seek=42", "count=4", "conv=notrunc", "status=none"],
    );
    run(directory, "qemu-img", &["convert", "-O", "qcow2", "disk.raw", "disk.qcow2"]);
}

const PACKERS: [(&str, &[&str]); 3] =
    [("xz", &["-k", "-0"]), ("gzip", &["-k", "-1"]), ("zstd", &["-q", "-k"])];

#[test]
fn a_packed_disk_is_one_tree_and_its_files_come_out() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    disk(directory);
    for ((program, arguments), ending) in PACKERS.iter().zip(["xz", "gz", "zst"]) {
        for name in ["disk.raw", "disk.qcow2"] {
            run(directory, program, &[arguments, &[name][..]].concat());
            let packed = format!("{name}.{ending}");
            let node = look(directory, &packed, Depth::Headers);
            assert_eq!(node.kind, "compressed");
            let size = std::fs::metadata(directory.join(name)).unwrap().len();
            assert_eq!(node.facts.get("unpacked"), Some(&Value::Size(size)), "{packed}");
            let file = node.find(&|node| node.kind == "fat").unwrap();
            assert_eq!(file.facts.text("label"), Some("PACKED"), "{packed}");
            assert_eq!(node.boots[0].starts, "\\EFI\\BOOT\\BOOTX64.EFI, partition 1, once unpacked");
            assert!(node.all_problems().is_empty(), "{:?}", node.all_problems());
            assert!(
                inside(directory, &packed, "1/EFI/BOOT/BOOTX64.EFI") == std::fs::read(uki::STUB).unwrap(),
                "{packed}"
            );
        }
    }
}

#[test]
fn what_unpacks_to_more_than_the_limit_is_told_by_its_first_bytes() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    disk(directory);
    run(directory, "zstd", &["-q", "disk.raw"]);
    let file = File::open(directory.join("disk.raw.zst")).unwrap();
    let source: Source = Arc::new(FileBytes::new(file).unwrap());
    let limits = Limits { unpacked: 1 << 20, ..Limits::default() };
    let node = inspect(&source, "disk", None, &Options { limits, ..Options::default() }).unwrap();
    assert_eq!(node.what, "compressed with zstd: disk with a GPT");
    assert!(node.children.is_empty());
    let problem = &node.problems[0];
    assert_eq!(problem.severity, Severity::Note);
    assert_eq!(problem.what, "it is not looked into: it unpacks to more than 1 MiB");
    // With 256 times as much allowed it is looked into.
    let options = Options { depth: Depth::Deep, limits };
    assert_eq!(inspect(&source, "disk", None, &options).unwrap().children[0].kind, "gpt");
}

#[test]
fn compressed_files_in_each_other_share_the_limit() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    blank(directory, "zeros", 64);
    run(directory, "sh", &["-c", "gzip -1 < zeros | gzip -1 | gzip -1 > three.gz"]);
    let file = File::open(directory.join("three.gz")).unwrap();
    let source: Source = Arc::new(FileBytes::new(file).unwrap());
    let limits = Limits { unpacked: 64 << 20, ..Limits::default() };
    let node = inspect(&source, "three", None, &Options { limits, ..Options::default() }).unwrap();
    let inner = node.find(&|node| node.children.is_empty()).unwrap();
    assert_eq!((inner.kind, inner.problems[0].severity), ("compressed", Severity::Note), "{node:?}");
}

#[test]
fn what_comes_before_a_fault_is_shown_and_the_offset_told() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    disk(directory);
    for ((program, arguments), ending) in PACKERS.iter().zip(["xz", "gz", "zst"]) {
        run(directory, program, &[arguments, &["disk.raw"][..]].concat());
        let packed = std::fs::read(directory.join(format!("disk.raw.{ending}"))).unwrap();
        let half = packed.len() / 2;
        std::fs::write(directory.join("half"), &packed[..half]).unwrap();
        let node = look(directory, "half", Depth::Headers);
        let problem = &node.problems[0];
        assert_eq!((problem.severity, problem.offset), (Severity::Error, Some(half as u64)), "{problem:?}");
        assert_eq!(node.children[0].kind, "gpt", "{ending}: {node:?}");
        let source: Source = Arc::new(FileBytes::new(File::open(directory.join("half")).unwrap()).unwrap());
        let refused = open(&source, "half", "1", Faults::Refused);
        assert!(matches!(refused, Err(AddressError::Broken { .. })));
        let opened = open(&source, "half", "1/EFI/BOOT/BOOTX64.EFI", Faults::PassedOver).unwrap();
        assert_eq!(
            (opened.faults.len(), opened.source.size()),
            (1, std::fs::metadata(uki::STUB).unwrap().len())
        );
    }
}

#[test]
fn what_is_not_unpacked_here_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    blank(directory, "zeros", 1);
    run(directory, "bzip2", &["zeros"]);
    let node = look(directory, "zeros.bz2", Depth::Headers);
    assert_eq!((node.kind, node.what.as_str()), ("compressed", "compressed with bzip2"));
    assert_eq!(node.needs, ["to be unpacked first: bzip2 is not unpacked here"]);
}
