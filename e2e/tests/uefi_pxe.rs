//! UEFI fetches iPXE by TFTP, iPXE the UKI by HTTP, and the UKI keeps its own command line.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;
use bootwright_vm::{Road, machine::Firmware};

#[test]
fn a_uefi_machine_boots_by_pxe_and_keeps_its_command_line() {
    let scenario = Scenario::new("hello").serve().boot(Road::Pxe, Firmware::Uefi);
    scenario.sees("iPXE");
    scenario.sees_command_line(&scenario.command_line());
    scenario.sees(LOGIN);
    scenario.reports(Stage::Tftp, "snponly");
    scenario.reports(Stage::Http, r"image\.efi");
    scenario.reports(Stage::System, "");
    scenario.went_through(&[Stage::Dhcp, Stage::Tftp, Stage::Http, Stage::Agent, Stage::System]);
}
