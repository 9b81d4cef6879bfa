//! The image as the disk of each kind of virtual machine; QEMU reads them all.

use bootwright_e2e::{LOGIN, MEDIA, Scenario};
use bootwright_vm::machine::{Attach, Firmware};

fn boots(extension: &str) {
    let scenario = Scenario::new(MEDIA).boot_medium(extension, Attach::Disk, Firmware::Uefi);
    scenario.sees("every byte of the root is verified");
    scenario.sees(LOGIN);
}

#[test]
#[ignore = "long"]
fn qcow2_boots() {
    boots("qcow2");
}

#[test]
#[ignore = "long"]
fn vmdk_boots() {
    boots("vmdk");
}

#[test]
#[ignore = "long"]
fn vhd_boots() {
    boots("vhd");
}

#[test]
#[ignore = "long"]
fn vhdx_boots() {
    boots("vhdx");
}

#[test]
#[ignore = "long"]
fn vdi_boots() {
    boots("vdi");
}
