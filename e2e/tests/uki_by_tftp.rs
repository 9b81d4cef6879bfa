//! The firmware fetches the whole UKI by TFTP, without iPXE.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;
use bootwright_vm::server::{ByTftp, Dhcp};
use bootwright_vm::{Road, machine::Firmware};

#[test]
fn a_uefi_machine_fetches_the_uki_itself_by_tftp() {
    let scenario =
        Scenario::new("hello").serve_with(Dhcp::Full, ByTftp::Uki).boot(Road::Tftp, Firmware::Uefi);
    scenario.sees(LOGIN);
    scenario.reports(Stage::Tftp, r"image\.efi");
    assert!(!scenario.has_seen("iPXE"));
}
