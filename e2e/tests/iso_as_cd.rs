//! The image is a CD: the hybrid ISO in a drive.

use bootwright_e2e::{LOGIN, MEDIA, Scenario};
use bootwright_vm::machine::{Attach, Firmware};

#[test]
#[ignore = "long"]
fn a_uefi_machine_boots_the_cd_to_login() {
    let scenario = Scenario::new(MEDIA).boot_medium("iso", Attach::Cd, Firmware::Uefi);
    scenario.sees("reading sr0, partition 2");
    scenario.sees(LOGIN);
}

#[test]
fn a_bios_machine_boots_the_same_cd() {
    let scenario = Scenario::new(MEDIA).boot_medium("iso", Attach::Cd, Firmware::Bios);
    scenario.sees("reading sr0, partition 2");
    scenario.sees(LOGIN);
}
