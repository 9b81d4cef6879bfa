//! VMDK, VHD, VHDX and VDI, judged by qemu-img and qemu-io.

#![cfg(feature = "compression")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod judge;

use bootwright_formats::ReadAt as _;
use judge::Scratch;

/// At the start, over the edges of blocks, up to the very end.
const PATTERNS: &[&str] = &[
    "write -P 0x11 0 3M",
    "write -P 0x22 5000k 200k",
    "write -P 0x33 33553920 512",
    "write -P 0x44 20971k 64k",
];

fn every(format: &str, options: &[&str]) {
    for options in options {
        let scratch = Scratch::new();
        let name = format!("disk.{}", format.replace("vpc", "vhd"));
        let mut create = vec!["create", "-q", "-f", format];
        if !options.is_empty() {
            create.extend(["-o", options]);
        }
        create.extend([name.as_str(), "32M"]);
        scratch.run("qemu-img", &create);
        scratch.io(&name, PATTERNS);
        scratch.same_as_qemu(&name);
    }
}

#[test]
fn every_vdi_reads_as_qemu_reads_it() {
    every("vdi", &["", "static=on"]);
}

#[test]
fn every_vhd_reads_as_qemu_reads_it() {
    every("vpc", &["", "subformat=fixed", "force_size=on", "subformat=fixed,force_size=on"]);
}

#[test]
fn every_vhdx_reads_as_qemu_reads_it() {
    every("vhdx", &["", "subformat=fixed", "block_size=1M", "block_size=32M,log_size=2M"]);
}

#[test]
fn every_vmdk_reads_as_qemu_reads_it() {
    every(
        "vmdk",
        &[
            "",
            "subformat=monolithicFlat",
            "subformat=twoGbMaxExtentSparse",
            "subformat=twoGbMaxExtentFlat",
            "zeroed_grain=on",
        ],
    );
}

#[test]
fn a_split_vmdk_goes_on_in_the_next_file() {
    for subformat in ["subformat=twoGbMaxExtentSparse", "subformat=twoGbMaxExtentFlat"] {
        let scratch = Scratch::new();
        scratch.run("qemu-img", &["create", "-q", "-f", "vmdk", "-o", subformat, "disk.vmdk", "5G"]);
        scratch.io("disk.vmdk", &["write -P 0x71 2147418112 128k", "write -P 0x72 4500M 64k"]);
        let disk = scratch.open("disk.vmdk").unwrap();
        assert_eq!(disk.size(), 5 << 30);
        let mut buffer = vec![0; 256 << 10];
        disk.read_exact_at(2_147_418_112 - (64 << 10), &mut buffer).unwrap();
        let expected = [vec![0; 64 << 10], vec![0x71; 128 << 10], vec![0; 64 << 10]].concat();
        assert!(buffer == expected);
        disk.read_exact_at(4500 << 20, &mut buffer).unwrap();
        assert!(buffer[..64 << 10] == vec![0x72; 64 << 10] && buffer[64 << 10..] == vec![0; 192 << 10]);
    }
}

#[test]
fn a_stream_optimized_vmdk_reads_as_qemu_reads_it() {
    let scratch = Scratch::new();
    scratch.noise("noise.raw", 3_000_000);
    let convert = ["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "noise.raw", "disk.vmdk"];
    scratch.run("qemu-img", &convert);
    scratch.same_as_qemu("disk.vmdk");
}

#[test]
fn a_vmdk_with_a_parent_reads_through() {
    let scratch = Scratch::new();
    scratch.run("qemu-img", &["create", "-q", "-f", "vmdk", "parent.vmdk", "32M"]);
    scratch.io("parent.vmdk", PATTERNS);
    scratch.run("qemu-img", &["create", "-q", "-f", "vmdk", "-b", "parent.vmdk", "-F", "vmdk", "child.vmdk"]);
    scratch.io("child.vmdk", &["write -P 0x55 1M 1M"]);
    scratch.same_as_qemu("child.vmdk");
    scratch.io("parent.vmdk", &["write -P 0x56 1M 1M"]);
    let error = scratch.open("child.vmdk").err().unwrap();
    assert!(error.to_string().contains("was written to"), "{error}");
}
