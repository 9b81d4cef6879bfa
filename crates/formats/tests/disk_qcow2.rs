//! qcow2, judged by qemu-img and qemu-io.

#![cfg(feature = "compression")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod judge;

use bootwright_formats::disk::{Disk, Error};
use bootwright_formats::{ExtentKind, ReadAt as _};
use judge::Scratch;

/// Patterns at the start, over a cluster's edge, in the middle, and up to the very end; a discarded hole.
const PATTERNS: &[&str] = &[
    "write -P 0x11 0 3M",
    "write -P 0x22 5000k 200k",
    "write -P 0x33 33553920 512",
    "write -z 1M 512k",
    "write -P 0x44 20971k 64k",
];

fn create(scratch: &Scratch, options: &str) {
    scratch.run("qemu-img", &["create", "-q", "-f", "qcow2", "-o", options, "disk.qcow2", "32M"]);
    scratch.io("disk.qcow2", PATTERNS);
}

#[test]
fn every_version_and_cluster_size_reads_as_qemu_reads_it() {
    let all = [
        "compat=0.10",
        "compat=1.1,cluster_size=512",
        "cluster_size=2M",
        "extended_l2=on",
        "cluster_size=16k,extended_l2=on",
        "preallocation=metadata",
        "data_file=data.raw",
        "data_file=data.raw,data_file_raw=on",
    ];
    for options in all {
        let scratch = Scratch::new();
        create(&scratch, options);
        scratch.same_as_qemu("disk.qcow2");
    }
}

#[test]
fn compressed_clusters_read_as_qemu_reads_them() {
    for options in ["compression_type=zlib", "compression_type=zstd", "compression_type=zstd,cluster_size=2M"]
    {
        let scratch = Scratch::new();
        create(&scratch, "cluster_size=64k");
        scratch.noise("noise.raw", 3_000_000);
        scratch.run("qemu-img", &["convert", "-O", "qcow2", "-c", "-o", options, "noise.raw", "noise.qcow2"]);
        scratch.same_as_qemu("noise.qcow2");
        scratch
            .run("qemu-img", &["convert", "-O", "qcow2", "-c", "-o", options, "disk.qcow2", "packed.qcow2"]);
        scratch.same_as_qemu("packed.qcow2");
    }
}

#[test]
fn a_backing_chain_reads_through_and_a_shorter_parent_ends_in_zeros() {
    let scratch = Scratch::new();
    create(&scratch, "cluster_size=4k");
    let child = ["create", "-q", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2", "middle.qcow2", "48M"];
    scratch.run("qemu-img", &child);
    scratch.io("middle.qcow2", &["write -P 0x55 2M 1M", "write -z 0 64k", "write -P 0x66 40M 1M"]);
    let child = [
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        "extended_l2=on",
        "-b",
        "middle.qcow2",
        "-F",
        "qcow2",
        "top.qcow2",
    ];
    scratch.run("qemu-img", &child);
    scratch.io("top.qcow2", &["write -P 0x77 2100k 3k"]);
    scratch.same_as_qemu("top.qcow2");
}

#[test]
fn snapshots_are_listed_and_opened() {
    let scratch = Scratch::new();
    create(&scratch, "cluster_size=64k");
    scratch.run("qemu-img", &["snapshot", "-c", "first", "disk.qcow2"]);
    scratch.io("disk.qcow2", &["write -P 0x99 0 20M"]);
    scratch.run("qemu-img", &["snapshot", "-c", "second", "disk.qcow2"]);
    scratch.run("qemu-img", &["convert", "-l", "first", "-O", "raw", "disk.qcow2", "first.raw"]);
    let Disk::Qcow2(disk) = scratch.open("disk.qcow2").unwrap() else { panic!("another format") };
    let names: Vec<&str> = disk.snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    let first = disk.into_snapshot("first").unwrap();
    assert!(judge::content(&first) == std::fs::read(scratch.path("first.raw")).unwrap());
}

#[test]
fn holes_are_known_without_reading_them() {
    let scratch = Scratch::new();
    create(&scratch, "cluster_size=64k");
    let disk = scratch.open("disk.qcow2").unwrap();
    let (mut at, mut data) = (0, 0);
    while at < disk.size() {
        let extent = disk.extent(at).unwrap();
        if extent.kind == ExtentKind::Data {
            data += extent.range.end - extent.range.start;
        }
        at = extent.range.end;
    }
    assert!(data < 4 << 20, "{data} bytes of data");
}

#[test]
fn what_is_encrypted_or_in_a_circle_is_named() {
    let scratch = Scratch::new();
    // AES, since qemu-img times the CPU for LUKS, which fails where its clock is coarse.
    let options = "encrypt.format=aes,encrypt.key-secret=s";
    let aes =
        ["create", "-q", "--object", "secret,id=s,data=x", "-f", "qcow2", "-o", options, "aes.qcow2", "1M"];
    scratch.run("qemu-img", &aes);
    let mut luks = std::fs::read(scratch.path("aes.qcow2")).unwrap();
    luks[32..36].copy_from_slice(&2_u32.to_be_bytes());
    std::fs::write(scratch.path("luks.qcow2"), luks).unwrap();
    for (name, method) in [("aes.qcow2", "AES"), ("luks.qcow2", "LUKS")] {
        let disk = scratch.open(name).unwrap();
        let error = disk.read_exact_at(0, &mut [0; 512]).unwrap_err();
        assert!(error.to_string().contains(&format!("encrypted ({method})")), "{error}");
    }
    for (name, backing) in [("a.qcow2", "b.qcow2"), ("b.qcow2", "a.qcow2")] {
        scratch.run(
            "qemu-img",
            &["create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", backing, name, "1M"],
        );
    }
    assert!(matches!(scratch.open("a.qcow2"), Err(Error::Cycle(_))));
}
