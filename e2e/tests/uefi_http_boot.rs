//! UEFI fetches the UKI by HTTP, the agent fetches the root, the system comes up.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;
use bootwright_vm::{Road, machine::Firmware};

#[test]
fn a_uefi_machine_boots_by_http_to_its_login_prompt() {
    let scenario = Scenario::new("hello").serve().boot(Road::Http, Firmware::Uefi);
    scenario.sees(LOGIN);
    scenario.reports(Stage::Http, r"image\.efi");
    scenario.reports(Stage::System, "");
    scenario.went_through(&[
        Stage::Dhcp,
        Stage::Http,
        Stage::Agent,
        Stage::Network,
        Stage::Fetch,
        Stage::Boot,
        Stage::System,
    ]);
    assert_eq!(scenario.machines_known(), 1, "nobody else was there");
    assert!(scenario.timeline().iter().all(|event| event.stage != Stage::Tftp));
}
