//! Proxy DHCP for PXE firmware: TFTP and iPXE beside a server that gives the addresses.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;
use bootwright_vm::server::{ByTftp, Dhcp};
use bootwright_vm::{Road, machine::Firmware};

#[test]
fn a_machine_boots_by_pxe_with_an_address_from_dnsmasq() {
    let scenario = Scenario::new("hello")
        .dnsmasq()
        .serve_with(Dhcp::Proxy, ByTftp::Ipxe)
        .boot(Road::Pxe, Firmware::Uefi);
    scenario.sees(LOGIN);
    scenario.reports(Stage::Tftp, "snponly");
    assert!(!scenario.said("dnsmasq", r"DHCPACK\(eth0\)").is_empty());
}
