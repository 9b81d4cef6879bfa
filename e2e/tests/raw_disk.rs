//! The image is a disk: firmware starts systemd-boot or GRUB from it, and the agent finds the root beside.

use bootwright_e2e::{LOGIN, MEDIA, Scenario};
use bootwright_vm::machine::{Attach, Firmware};

#[test]
#[ignore = "long"]
fn a_uefi_machine_boots_the_disk_to_login_without_any_network() {
    let scenario = Scenario::new(MEDIA).boot_medium("raw", Attach::Disk, Firmware::Uefi);
    scenario.sees("reading sda, partition 2");
    scenario.sees("every byte of the root is verified");
    scenario.sees(LOGIN);
}

#[test]
fn a_bios_machine_boots_the_same_disk() {
    let scenario = Scenario::new(MEDIA).boot_medium("raw", Attach::Disk, Firmware::Bios);
    scenario.sees_command_line("bootwright.image=disk:");
    scenario.sees("reading sda, partition 2");
    scenario.sees(LOGIN);
}
