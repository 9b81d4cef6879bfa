//! The image is a stick: the same hybrid ISO written to it, or its tree copied to one with FAT.

use bootwright_e2e::{LOGIN, MEDIA, Scenario};
use bootwright_vm::machine::{Attach, Firmware};

#[test]
fn a_uefi_machine_boots_the_iso_as_a_stick() {
    let scenario = Scenario::new(MEDIA).boot_medium("iso", Attach::Usb, Firmware::Uefi);
    scenario.sees("reading sda, partition 2");
    scenario.sees(LOGIN);
}

#[test]
#[ignore = "long"]
fn a_bios_machine_boots_the_iso_as_a_stick() {
    let scenario = Scenario::new(MEDIA).boot_medium("iso", Attach::Usb, Firmware::Bios);
    scenario.sees("reading sda, partition 2");
    scenario.sees(LOGIN);
}

#[test]
#[ignore = "long"]
fn a_stick_onto_which_the_tree_of_the_iso_was_copied_boots() {
    let scenario = Scenario::new(MEDIA);
    let stick = scenario.stick_with_tree_of_iso();
    let scenario = scenario.boot_medium_file(stick, Attach::Usb, Firmware::Uefi);
    scenario.sees("reading sda, partition 1, bootwright/hello-media/root.img");
    scenario.sees(LOGIN);
}
