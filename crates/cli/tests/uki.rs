//! `bootwright uki` as a user types it.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use assert_cmd::Command;

/// An EFI program, as a kernel is one.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

fn uki(directory: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("bootwright").unwrap();
    command.current_dir(directory).arg("uki").args(arguments).assert()
}

#[test]
fn what_was_built_is_inspected() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("line"), "console=ttyS0\nquiet\n").unwrap();
    std::fs::write(directory.path().join("one"), b"070701").unwrap();
    std::fs::write(directory.path().join("two"), b"070701").unwrap();
    let build =
        ["build", "--linux", STUB, "--initrd", "one", "two", "--cmdline", "@line", "-o", "a.efi", "--json"];
    let output = uki(directory.path(), &build).success().get_output().stdout.clone();
    let summary: serde_json::Value = serde_json::from_slice(&output).unwrap();
    let initrd = summary["sections"].as_array().unwrap().iter().find(|section| section["name"] == ".initrd");
    assert_eq!(initrd.unwrap()["size"], 6 + 6 + 6);
    let output = uki(directory.path(), &["inspect", "a.efi", "--json"]).success().get_output().stdout.clone();
    let inspected: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(inspected["sections"], summary["sections"]);
    assert_eq!(inspected["texts"][".cmdline"], "console=ttyS0 quiet");
    assert_eq!(inspected["signed"], false);
}

#[test]
fn the_exit_status_tells_bad_parts_from_wrong_usage_and_from_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("text"), "no kernel").unwrap();
    let cases: [(&[&str], i32); 5] = [
        (&["build", "--linux", "text", "-o", "a.efi"], 1),
        (&["inspect", STUB], 1),
        (&["build", "--linux", STUB, "--cmdline", "bootwright.imag=x", "-o", "a.efi"], 2),
        (&["build", "--linux", STUB], 2),
        (&["build", "--linux", "nothing", "-o", "a.efi"], 3),
    ];
    for (arguments, status) in cases {
        uki(directory.path(), arguments).code(status);
    }
    assert!(!directory.path().join("a.efi").exists());
}
