//! A machine on a trunk: its network is the tagged one, and the switch takes nothing else.

#![allow(clippy::unwrap_used)] // a test may stop where it cannot go on

use std::process::Command;

#[test]
#[ignore = "long"]
fn a_machine_boots_through_the_vlan_of_its_command_line() {
    let console = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(bootwright_e2e::program());
    command.arg("vm").arg(bootwright_e2e::image("hello"));
    command.args(["--accel", "tcg", "--memory", "1024", "--timeout", "480", "--via", "direct"]);
    command.args(["--vlan", "5", "--append", "vlan=vlan5:eth0", "--expect", "hello login:"]);
    let output = command.arg("--console").arg(console.path()).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let said = std::fs::read(console.path()).unwrap();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("vlan5: made of the frames of eth0 with tag 5"), "{said}");
    assert!(said.contains("vlan5: 10.77.0."), "{said}");
}
