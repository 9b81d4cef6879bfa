//! `bootwright.on_failure=shell` with a shell in the initrd: somebody can look around, and boot once more.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;

#[test]
fn a_failed_boot_ends_in_a_shell_when_that_is_asked_for() {
    // An address that is none needs no network to fail.
    let append = "bootwright.image=ftp://nowhere/ bootwright.on_failure=shell";
    let scenario = Scenario::new("hello").adding("/bin/busybox", "bin/sh");
    let mut scenario = scenario.boot_directly(append, 1024);
    scenario.sees("names the image .*ftp://nowhere");
    scenario.sees("a shell: `bootwright` is a tool");
    scenario.types("echo seven-$((3+4))\n");
    scenario.sees("^seven-7");
}

#[test]
#[ignore = "long"]
fn from_the_shell_the_machine_is_booted_once_more() {
    let append = "rd.net.timeout.dhcp=5 ip=dhcp bootwright.on_failure=shell bootwright.qr";
    let scenario = Scenario::new("hello").adding("/bin/busybox", "bin/sh");
    let mut scenario = scenario.boot_directly(append, 1024);
    scenario.sees("no DHCP server answered");
    // The first line of the code: light, with nothing in it.
    scenario.sees("██████████");
    scenario.sees("a shell: `bootwright` is a tool");
    scenario.types("bootwright network; bootwright log\n");
    scenario.sees("^eth0 .* up, signal, virtio_net");
    scenario.sees(r"^\[ +\d+\.\d+\] .*no DHCP server answered");
    let mut scenario = scenario.serve();
    scenario.types("bootwright retry\n");
    scenario.sees("eth0: 10.77.0.* by DHCP");
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
    let chart = scenario.chart();
    assert!(chart.contains("kernel and agent start") && chart.contains("fetching the root"), "{chart}");
}
