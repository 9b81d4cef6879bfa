//! `bootwright convert` as a user types it, judged by qemu-img.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A disk of 20 MiB with data at both ends and in the middle.
fn disk(directory: &Path) {
    let file = std::fs::File::create(directory.join("disk.raw")).unwrap();
    file.set_len(20 << 20).unwrap();
    let text: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    for at in [0, 9 << 20, (20 << 20) - text.len() as u64] {
        file.write_all_at(&text, at).unwrap();
    }
}

fn run(directory: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).current_dir(directory).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program} (Debian: qemu-utils, xz-utils, zstd): {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn convert(directory: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = assert_cmd::Command::cargo_bin("bootwright").unwrap();
    command.current_dir(directory).env_remove("SOURCE_DATE_EPOCH").arg("convert").args(arguments).assert()
}

fn content(directory: &Path, arguments: &[&str]) -> String {
    let output = convert(directory, &[arguments, &["--json"]].concat()).success().get_output().stdout.clone();
    serde_json::from_slice::<Value>(&output).unwrap()["content"].as_str().unwrap().to_owned()
}

#[test]
fn every_format_holds_the_same_bytes_for_qemu_and_for_us() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    disk(directory);
    let all: [(&str, &str, &[&str]); 9] = [
        ("a.qcow2", "qcow2", &[]),
        ("z.qcow2", "qcow2", &["--compress", "zstd"]),
        ("a.vmdk", "vmdk", &[]),
        ("s.vmdk", "vmdk", &["--to", "vmdk-stream"]),
        ("a.vhd", "vpc", &[]),
        ("azure.vhd", "vpc", &["--to", "azure", "--threads", "1"]),
        ("a.vhdx", "vhdx", &[]),
        ("a.vdi", "vdi", &[]),
        ("b.raw", "raw", &[]),
    ];
    let mut digests = Vec::new();
    for (name, format, options) in all {
        let there = content(directory, &[&["disk.raw", name], options].concat());
        run(directory, "qemu-img", &["compare", "-f", "raw", "-F", format, "disk.raw", name]);
        let back = content(directory, &[name, "back.raw"]);
        assert_eq!(std::fs::read(directory.join("back.raw")).unwrap().len(), 20 << 20, "{name}");
        digests.extend([there, back]);
    }
    digests.dedup();
    let script = "split -b 256K --filter='b3sum --raw' disk.raw | b3sum --no-names";
    let output = Command::new("sh").current_dir(directory).args(["-c", script]).output().unwrap();
    let judged = format!("blake3:{}", String::from_utf8(output.stdout).unwrap().trim());
    assert_eq!(digests, [judged], "b3sum of the Debian package b3sum");
}

#[test]
fn compressed_images_of_any_format_are_unpacked() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    disk(directory);
    run(directory, "qemu-img", &["convert", "-O", "qcow2", "disk.raw", "disk.qcow2"]);
    run(directory, "zstd", &["-q", "disk.qcow2"]);
    run(directory, "xz", &["-0", "-k", "disk.raw"]);
    run(
        directory,
        "sh",
        &["-c", "head -c 5000000 disk.raw | gzip > two.gz; tail -c +5000001 disk.raw | gzip >> two.gz"],
    );
    for name in ["disk.qcow2.zst", "disk.raw.xz", "two.gz"] {
        convert(directory, &[name, "out.raw"]).success();
        run(directory, "cmp", &["disk.raw", "out.raw"]);
    }
}

#[test]
fn a_snapshot_is_taken_instead_of_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    disk(directory);
    run(directory, "qemu-img", &["convert", "-O", "qcow2", "disk.raw", "disk.qcow2"]);
    run(directory, "qemu-img", &["snapshot", "-c", "before", "disk.qcow2"]);
    run(directory, "qemu-io", &["-c", "write -P 1 0 20M", "disk.qcow2"]);
    convert(directory, &["disk.qcow2", "before.raw", "--snapshot", "before"]).success();
    run(directory, "cmp", &["disk.raw", "before.raw"]);
    convert(directory, &["disk.qcow2", "x.raw", "--snapshot", "never"]).code(2);
    convert(directory, &["disk.raw", "x.raw", "--snapshot", "before"]).code(2);
    assert!(!directory.join("x.raw").exists());
}

#[test]
fn what_is_broken_fails_whole_unless_it_is_to_be_rescued() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    disk(directory);
    run(directory, "qemu-img", &["convert", "-c", "-O", "qcow2", "disk.raw", "disk.qcow2"]);
    let file = std::fs::File::options().read(true).write(true).open(directory.join("disk.qcow2")).unwrap();
    let mut entry = [0; 8];
    // The L1 table of a qcow2 of qemu-img is its fourth cluster; the second entry of its first L2 table.
    file.read_exact_at(&mut entry, 3 << 16).unwrap();
    let table = u64::from_be_bytes(entry) & 0x00ff_ffff_ffff_fe00;
    file.write_all_at(&(64u64 << 40 | 7 << 9).to_be_bytes(), table + 8).unwrap();
    convert(directory, &["disk.qcow2", "out.raw"]).code(1);
    assert!(!directory.join("out.raw").exists());
    let output = convert(directory, &["disk.qcow2", "out.raw", "--ignore-errors", "--json"]).code(1);
    let told: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(told["lost"], serde_json::json!([[65536, 131_072]]));
    let mut expected = std::fs::read(directory.join("disk.raw")).unwrap();
    expected[65536..131_072].fill(0);
    assert!(std::fs::read(directory.join("out.raw")).unwrap() == expected);
}

#[test]
fn the_same_disk_gives_the_same_bytes_and_another_name_another_disk() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    disk(directory);
    let make = |options: &[&str]| {
        convert(directory, &[&["disk.raw", "out.vhdx"], options].concat()).success();
        std::fs::read(directory.join("out.vhdx")).unwrap()
    };
    let first = make(&["--threads", "1"]);
    assert!(first == make(&["--threads", "4"]));
    assert!(first != make(&["--seed", "another"]));
    let left: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn an_appliance_has_the_machine_that_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    disk(directory);
    convert(directory, &["disk.raw", "worker.ova", "--cpus", "5", "--memory", "777", "--bios"]).success();
    run(directory, "tar", &["-xf", "worker.ova"]);
    run(directory, "qemu-img", &["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "worker-disk1.vmdk"]);
    let descriptor = std::fs::read_to_string(directory.join("worker.ovf")).unwrap();
    for (wanted, there) in [("5 processors", true), ("777 MiB", true), ("\"efi\"", false)] {
        assert_eq!(descriptor.contains(wanted), there, "{wanted}");
    }
    convert(directory, &["disk.raw", "worker.tar.gz"]).success();
    run(directory, "sh", &["-c", "mkdir gce && tar -C gce -xzf worker.tar.gz"]);
    run(directory, "cmp", &["-n", "20971520", "disk.raw", "gce/disk.raw"]);
    convert(directory, &["disk.raw", "worker.box", "--to", "vagrant-libvirt"]).success();
}

#[test]
fn wrong_usage_is_told_from_a_missing_file() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    disk(directory);
    let cases: [(&[&str], i32); 6] = [
        (&["disk.raw", "disk.raw"], 2),
        (&["disk.raw", "out"], 2),
        (&["disk.raw", "out.vdi", "--compress", "zstd"], 2),
        (&["disk.raw", "/dev/null"], 2),
        (&["nothing", "out.vdi"], 3),
        (&["disk.raw", "out.vdi", "--from", "qcow2"], 1),
    ];
    for (arguments, status) in cases {
        convert(directory, arguments).code(status);
    }
}
