//! `bootwright explain cmdline`: what it prints and how it ends.

#![allow(clippy::unwrap_used)] // a test may stop where it cannot go on

use assert_cmd::Command;

fn explain(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("bootwright").unwrap();
    let output = command.args(["explain", "cmdline"]).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const SOUND: &str = "ip=eth0:dhcp bootwright.image=http://10.0.0.1/root.squashfs \
    bootwright.digest=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_sound_line_is_told_step_by_step() {
    let (status, told, complaints) = explain(&[SOUND]);
    assert_eq!(status, Some(0), "{complaints}");
    assert!(told.contains("network   eth0: address by DHCPv4"), "{told}");
    assert!(told.contains("the file must be sha256:ba7816bf"), "{told}");
}

#[test]
fn a_line_with_faults_ends_with_their_number() {
    let (status, told, complaints) =
        explain(&["bootwright.imgae=x bootwright.mode=ram bootwright.mode=embed"]);
    assert_eq!(status, Some(1));
    assert!(told.contains("unknown: did you mean bootwright.image?"), "{told}");
    assert!(told.contains("bootwright.mode= stands there with 2 values; embed counts"), "{told}");
    assert!(complaints.contains("3 faults"), "{complaints}");
}

#[test]
fn machines_are_told_in_json_and_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{SOUND}\n")).unwrap();
    let (status, told, _) = explain(&["--json", &format!("@{}", file.path().display())]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(status, Some(0));
    assert_eq!(told["steps"][1]["what"], "image");
    assert_eq!(told["parameters"][0]["understood"], "used");
}

#[test]
fn what_cannot_be_read_is_the_environments_fault() {
    assert_eq!(explain(&["@/nonexistent/line"]).0, Some(3));
    assert_eq!(explain(&["quiet", "--pin", "/nonexistent/pin.json"]).0, Some(3));
    assert_eq!(explain(&[]).0, Some(2));
}
