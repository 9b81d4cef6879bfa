//! Another server gives the addresses, ours only adds what is needed to boot.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;
use bootwright_vm::server::{ByTftp, Dhcp};
use bootwright_vm::{Road, machine::Firmware};

#[test]
#[ignore = "long"]
fn a_machine_boots_with_an_address_from_dnsmasq() {
    let scenario = Scenario::new("hello")
        .dnsmasq()
        .serve_with(Dhcp::Proxy, ByTftp::Ipxe)
        .boot(Road::Http, Firmware::Uefi);
    scenario.sees(LOGIN);
    // The firmware's lease and the agent's are both dnsmasq's; the image's address is ours.
    let leases = scenario.said("dnsmasq", r"DHCPACK\(eth0\)");
    assert!(leases.len() >= 2, "{leases:?}");
    scenario.reports(Stage::Http, r"image\.efi");
    scenario.reports(Stage::System, "");
}
