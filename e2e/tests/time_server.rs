//! A clock that is years ahead is set by the time server that DHCP names, and then TLS works.

use bootwright_e2e::{Scenario, TIME};

#[test]
#[ignore = "long"]
fn a_clock_in_2096_is_set_back_before_certificates_are_looked_at() {
    let append =
        "bootwright.image=https://10.77.0.3/images/hello/image.json bootwright.on_failure=poweroff,2";
    let told = format!("--dhcp-option=option:ntp-server,{TIME}");
    let scenario = Scenario::new("hello").dnsmasq_with(&[&told]).chrony().https_nginx().trusting_it();
    let scenario = scenario.boot_directly_at("2096-01-01T00:00:00", append);
    scenario.sees(r"the clock was \d+ s ahead of the time server 10\.77\.0\.5: set");
    scenario.sees("every byte of the root is verified");
}
