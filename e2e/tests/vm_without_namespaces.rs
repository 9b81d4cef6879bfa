//! Where a host makes no namespaces, `bootwright vm` says so and connects the machines by a switch.

#![allow(clippy::unwrap_used)] // a test may stop where it cannot go on

use std::process::{Command, Output};

/// Takes away what a lab needs: no user namespace can be made below this one, whose root has no privilege
/// on the host and cannot bind the ports of DHCP, TFTP and HTTP.
const CLOSED: &str = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";

fn vm(arguments: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--", "sh", "-c", CLOSED, "sh"]);
    command.arg(bootwright_e2e::program()).arg("vm").arg(bootwright_e2e::image("hello"));
    command.args(["--accel", "tcg", "--memory", "1024", "--timeout", "480"]).args(arguments);
    command.output().unwrap()
}

fn comes_up(road: &[&str]) {
    let output = vm(&[road, &["--expect", "hello login:"]].concat());
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    assert!(complaints.contains("a switch in user space connects the machines"), "{complaints}");
    assert!(complaints.contains("user.max_user_namespaces"), "{complaints}");
}

#[test]
fn a_uefi_machine_boots_by_http_over_the_switch() {
    comes_up(&["--via", "http"]);
}

#[test]
#[ignore = "long"]
fn a_bios_machine_boots_by_ipxe_over_the_switch() {
    comes_up(&["--via", "pxe", "--firmware", "bios"]);
}

#[test]
#[ignore = "long"]
fn a_uefi_machine_boots_by_tftp_alone_over_the_switch() {
    comes_up(&["--via", "tftp"]);
}

#[test]
fn who_asks_for_namespaces_is_told_that_there_are_none() {
    let output = vm(&["--network", "namespace", "--expect", "never"]);
    assert_eq!(output.status.code(), Some(3));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.contains("private namespaces cannot be made here"), "{complaints}");
}
