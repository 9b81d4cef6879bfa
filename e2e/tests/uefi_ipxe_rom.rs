//! The iPXE in QEMU's network card stands in for the firmware's own drivers.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;
use bootwright_vm::{Road, machine::Firmware};

#[test]
fn a_uefi_machine_boots_by_the_ipxe_in_its_card() {
    let scenario = Scenario::new("hello").serve().boot(Road::Ipxe, Firmware::Uefi);
    scenario.sees("iPXE");
    scenario.sees_command_line(&scenario.command_line());
    scenario.sees(LOGIN);
    scenario.reports(Stage::Http, r"image\.efi");
    assert!(scenario.timeline().iter().all(|event| event.stage != Stage::Tftp), "nothing came by TFTP");
}
