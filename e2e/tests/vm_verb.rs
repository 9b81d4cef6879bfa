//! `bootwright vm --expect` for scripts: 0 and what was seen, or 1 and the last lines.

#![allow(clippy::panic)] // a test may stop where it cannot go on

use std::process::{Command, Output};

fn vm(arguments: &[&str]) -> Output {
    let mut command = Command::new(bootwright_e2e::program());
    command.arg("vm").arg(bootwright_e2e::image("hello")).args(["--accel", "tcg"]).args(arguments);
    command.output().unwrap_or_else(|error| panic!("starting bootwright vm: {error}"))
}

#[test]
fn two_machines_that_say_what_is_expected_make_success() {
    let output =
        vm(&["--firmware", "bios", "--count", "2", "--memory", "1024", "--expect", "login:", "--json"]);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (n, mac) in ["52:54:00:b0:07:01", "52:54:00:b0:07:02"].iter().enumerate() {
        assert_eq!(list[n]["mac"], *mac);
        let line = list[n]["line"].as_str().unwrap_or_default();
        assert!(line.starts_with("hello login:"), "{line}");
    }
}

#[test]
fn a_machine_that_does_not_say_it_in_time_makes_status_1_and_shows_its_last_lines() {
    let kernel = ["--via", "direct", "--firmware", "bios", "--append", "panic=0 rdinit=/nowhere"];
    let output = vm(&[&kernel[..], &["--expect", "l0gin", "--timeout", "60"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.contains("no line matched /l0gin/"), "{complaints}");
    assert!(complaints.contains("Kernel panic"), "{complaints}");
}

#[test]
fn what_cannot_be_is_wrong_usage() {
    let output = vm(&["--via", "http", "--firmware", "bios"]);
    assert_eq!(output.status.code(), Some(2));
    let output = vm(&["--firmware", "bios", "--append", "quiet"]);
    assert_eq!(output.status.code(), Some(2));
}
