//! `bootwright inspect` and `extract` as they are used: output, exit status, addresses.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use assert_cmd::Command;

/// An empty squashfs, as large as it says.
fn squashfs() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("empty")).unwrap();
    let made = std::process::Command::new("mksquashfs")
        .args(["empty", "image", "-comp", "zstd", "-nopad", "-all-time", "0", "-mkfs-time", "0"])
        .args(["-all-root", "-quiet", "-no-progress"])
        .current_dir(directory.path())
        .status()
        .expect("mksquashfs of the package squashfs-tools");
    assert!(made.success());
    std::fs::read(directory.path().join("image")).unwrap()
}

/// A tar with `root.squashfs` in a directory.
fn archive(directory: &Path) -> String {
    std::fs::create_dir(directory.join("live")).unwrap();
    std::fs::write(directory.join("live/root.squashfs"), squashfs()).unwrap();
    let tar = std::process::Command::new("tar")
        .args(["--force-local", "-cf", "a:b.tar", "live"])
        .current_dir(directory)
        .status();
    assert!(tar.unwrap().success());
    directory.join("a:b.tar").display().to_string()
}

fn bootwright(arguments: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("bootwright").unwrap().args(arguments).env("NO_COLOR", "1").assert()
}

#[test]
fn what_is_inside_is_shown_by_its_path_and_comes_out_by_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = archive(directory.path());
    let shown = bootwright(&["inspect", &file]).success().get_output().stdout.clone();
    let shown = String::from_utf8(shown).unwrap();
    let bytes = squashfs().len();
    let line = format!("└─ live/root.squashfs  squashfs file system 4.0, {bytes} bytes");
    assert!(shown.contains(&line), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80 || line.contains(&file)), "{shown}");
    let address = format!("{file}:live/root.squashfs");
    let out = directory.path().join("out");
    bootwright(&["extract", &address, "-o", out.to_str().unwrap()]).success();
    assert_eq!(std::fs::read(&out).unwrap(), squashfs());
    let piped = bootwright(&["extract", &address, "-o", "-"]).success().get_output().stdout.clone();
    assert_eq!(piped, squashfs());
    let json = bootwright(&["inspect", &address, "--json"]).success().get_output().stdout.clone();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["kind"], &json["facts"]["file_system_size"]), (&"squashfs".into(), &bytes.into()));
}

#[test]
fn an_address_that_leads_nowhere_says_what_is_there_and_a_broken_file_fails() {
    let directory = tempfile::tempdir().unwrap();
    let file = archive(directory.path());
    let told = bootwright(&["inspect", &format!("{file}:live/other")]).code(2).get_output().stderr.clone();
    let told = String::from_utf8(told).unwrap().replace(['\n', '│', ' '], "");
    assert!(told.contains("thereisnoother;ithasroot.squashfs"), "{told}");
    bootwright(&["inspect", &format!("{file}-gone")]).code(3);
    bootwright(&["inspect", directory.path().to_str().unwrap()]).code(2);
    let cut = directory.path().join("cut");
    std::fs::write(&cut, &squashfs()[..90]).unwrap();
    bootwright(&["inspect", cut.to_str().unwrap()]).code(1);
    let out = directory.path().join("gone/out");
    bootwright(&["extract", &format!("{file}:live/root.squashfs"), "-o", out.to_str().unwrap()]).code(3);
}

#[test]
fn what_cannot_be_read_is_zeros_and_told_when_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    // Random, so that a compressed cluster is as large as its content.
    let make = "dd if=/dev/urandom of=disk.raw bs=64k count=16 status=none
        printf '\\x80' | dd of=disk.raw bs=1 seek=450 conv=notrunc status=none
        sgdisk -o -n 1:64:+512K disk.raw
        qemu-img convert -O qcow2 disk.raw disk.qcow2";
    let made = std::process::Command::new("sh").args(["-ec", make]).current_dir(directory).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let image = directory.join("disk.qcow2");
    let whole = std::fs::read(&image).unwrap();
    // The image ends in the midst of the partition.
    std::fs::write(&image, &whole[..whole.len() - 700_000]).unwrap();
    let out = directory.join("out");
    let (address, out_name) = (format!("{}:1", image.display()), out.to_str().unwrap());
    bootwright(&["extract", &address, "-o", out_name]).code(1);
    assert!(!out.exists());
    let told = bootwright(&["extract", &address, "-o", out_name, "--ignore-errors"]).code(1);
    let told = String::from_utf8(told.get_output().stderr.clone()).unwrap();
    assert!(told.contains("lost: bytes "), "{told}");
    let (rescued, disk) = (std::fs::read(&out).unwrap(), std::fs::read(directory.join("disk.raw")).unwrap());
    let partition = &disk[64 * 512..64 * 512 + (512 << 10)];
    assert_eq!(rescued.len(), partition.len());
    for (there, was) in rescued.chunks(4096).zip(partition.chunks(4096)) {
        assert!(there == was || there.iter().all(|&byte| byte == 0));
    }
    assert!(rescued[..4096] == partition[..4096]);
}
