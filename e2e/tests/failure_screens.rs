//! A boot that fails says at which step, what was tried, and what to look at; the server gets the same in parts.

use bootwright_e2e::Scenario;
use bootwright_image::timeline::{Stage, Step, What};

const REPORT: &str = "bootwright.report=http://10.77.0.1/v1/report bootwright.on_failure=poweroff,2";

/// The step that the machine reported, and whether it told of what was tried.
fn reported(scenario: &Scenario, what: What) -> Option<Step> {
    scenario.reports(Stage::Failure, "");
    let events = scenario.timeline();
    let failed = events.iter().find_map(|event| event.failed.clone());
    let told = failed.iter().flat_map(|failed| &failed.tried).any(|tried| tried.what == what);
    assert!(told, "{failed:?}");
    failed.map(|failed| failed.step)
}

#[test]
#[ignore = "long"]
fn a_file_that_is_not_on_the_server() {
    let append = format!("bootwright.image=http://10.77.0.3/images/none/image.json {REPORT}");
    let mut scenario = Scenario::new("hello").serve().nginx().boot_directly(&append, 1024);
    scenario.sees("THE BOOT FAILED at: the answer of the server");
    scenario.sees("tried interfaces:");
    scenario.sees(r"eth0: 10\.77\.0\.\d+/24 by DHCP from 10\.77\.0\.1");
    scenario.sees("tried sources:");
    scenario.sees("HTTP status 404");
    scenario.sees("what to do: is the file on the server");
    assert_eq!(reported(&scenario, What::Source), Some(Step::Http));
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn an_image_of_another_build() {
    let scenario = Scenario::about_a_copy("hello").serve().another_root_manifest();
    let mut scenario = scenario.boot_directly("bootwright.on_failure=poweroff,2", 1024);
    scenario.sees("THE BOOT FAILED at: the verification");
    scenario.sees("what to do: server and initrd have different builds");
    assert_eq!(reported(&scenario, What::Interface), Some(Step::Verify));
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn a_clock_that_is_years_ahead_of_the_certificate() {
    let append =
        "bootwright.image=https://10.77.0.3/images/hello/image.json bootwright.on_failure=poweroff,2";
    let scenario = Scenario::new("hello").serve().https_nginx().trusting_it();
    let mut scenario = scenario.boot_directly_at("2096-01-01T00:00:00", append);
    scenario.sees("THE BOOT FAILED at: TLS with the server");
    scenario.sees("what to do: the machine's clock");
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn a_cable_that_is_not_in() {
    let append = "rd.net.timeout.carrier=5 rd.net.timeout.iflink=5 bootwright.on_failure=poweroff,2";
    let scenario = Scenario::new("hello").serve().boot_directly(append, 1024);
    scenario.sees("Linux version");
    let mut scenario = scenario.unplugged();
    scenario.sees("THE BOOT FAILED at: the network");
    scenario.sees("eth0 .*: no signal in 5 s");
    scenario.sees("what to do: cable, switch port");
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn a_screen_and_a_serial_line_show_the_same() {
    // The kernel's last console is tty0 here, and the serial line only another one.
    let append = "console=ttyS0,115200 console=tty0 bootwright.image=ftp://nowhere/ bootwright.qr \
                  bootwright.on_failure=poweroff,60";
    let mut scenario = Scenario::new("hello").boot_directly_with_screen(append);
    scenario.sees("THE BOOT FAILED at: the image's address");
    let code = scenario.shows_code("bootwright ");
    assert!(code.contains("ftp://nowhere/"), "{code}");
    scenario.powers_off();
}
