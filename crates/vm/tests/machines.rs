//! Machines with real firmware, judged by what iPXE says on them.

use std::time::Duration;

use bootwright_vm::machine::{Boot, Builder, Firmware};
use bootwright_vm::{Lab, Service};
use regex_lite::Regex;

/// Debian's package ipxe.
const IPXE: &str = "/usr/lib/ipxe/ipxe.efi";
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_uefi_machine_boots_a_file_from_its_esp_and_reaches_the_bridge() {
    let lab = Lab::new().unwrap();
    let leases = tempfile::NamedTempFile::new().unwrap();
    let dnsmasq = Service::start(
        lab.command("dnsmasq")
            .args(["--no-daemon", "--port=0", "--conf-file=/dev/null"])
            .args(["--interface=br0", "--dhcp-range=10.77.0.50,10.77.0.60", "--log-dhcp"])
            .arg(format!("--dhcp-leasefile={}", leases.path().display())),
        None,
    )
    .unwrap();
    let machine = Builder::new(Firmware::Uefi).memory(256).boot(Boot::Esp(IPXE.into())).start(&lab).unwrap();
    machine.expect(&Regex::new("iPXE .* Open Source Network Boot Firmware").unwrap(), PATIENCE).unwrap();
    let offered = Regex::new(&format!(r"DHCPACK\(br0\) 10\.77\.0\.\d+ {}", machine.mac())).unwrap();
    dnsmasq.transcript().expect(&offered, PATIENCE).unwrap();
    machine.quit().unwrap();
}
