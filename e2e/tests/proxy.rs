//! A machine that may reach its mirror through a proxy alone.

use bootwright_e2e::{PROXY, Scenario};

#[test]
#[ignore = "long"]
fn the_root_comes_through_the_proxy_of_the_command_line() {
    let append = format!(
        "bootwright.image=https://10.77.0.3/images/hello/image.json proxy={PROXY} bootwright.peers=off \
         bootwright.on_failure=poweroff,2"
    );
    let scenario = Scenario::new("hello").dnsmasq().tinyproxy().https_nginx().trusting_it();
    let scenario = scenario.boot_directly(&append, 1024);
    scenario.sees("every byte of the root is verified");
    assert!(!scenario.said("tinyproxy", "CONNECT 10.77.0.3:443").is_empty());
}
