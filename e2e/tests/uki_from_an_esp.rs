//! The UKI lies on a disk, the root comes from the server.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;
use bootwright_vm::{Road, machine::Firmware};

#[test]
fn a_uki_on_an_esp_finds_its_server_by_dhcp() {
    let scenario = Scenario::new("hello").serve().boot(Road::Esp, Firmware::Uefi);
    scenario.sees(LOGIN);
    scenario.reports(Stage::Fetch, "");
    scenario.reports(Stage::System, "");
    let uki = |text: &str| text.contains("image.efi");
    assert!(!scenario.timeline().iter().any(|event| event.stage == Stage::Http && uki(&event.text)));
}
