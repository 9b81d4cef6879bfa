//! A BIOS machine runs undionly.kpxe, which takes kernel and initrd out of the UKI.
//!
//! The network card's ROM in QEMU is iPXE already and would go to the kernel at once: its shell is told to
//! chain undionly.kpxe, which drives the card through the ROM's UNDI as on real hardware.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;
use bootwright_vm::{Road, machine::Firmware};

#[test]
fn a_bios_machine_boots_kernel_and_initrd_out_of_the_uki() {
    let mut scenario = Scenario::new("hello").serve();
    let machine = scenario.machine(Road::Pxe, Firmware::Bios).bios_on_serial();
    scenario = scenario.boot_machine(machine);
    scenario.sees("Ctrl-B for the iPXE command line");
    scenario.types("\x02");
    scenario.sees("iPXE>");
    scenario.types("dhcp && chain tftp://10.77.0.1/undionly.kpxe\r");
    scenario.reports(Stage::Tftp, "undionly.kpxe");
    let image = "bootwright.image=http://10.77.0.1/images/hello/image.json";
    scenario.sees_command_line(&format!("{} {image}", scenario.command_line()));
    scenario.sees(LOGIN);
    scenario.reports(Stage::Http, r"image\.efi/linux");
    scenario.reports(Stage::Http, r"image\.efi/initrd");
    scenario.reports(Stage::System, "");
}
