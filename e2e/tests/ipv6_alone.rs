//! A network without IPv4: addresses, routes and names come by IPv6, and so does the root.

use bootwright_e2e::{MIRROR_NAME, Scenario};

fn append() -> String {
    format!("bootwright.image=http://{MIRROR_NAME}/images/hello/image.json bootwright.on_failure=poweroff,2")
}

#[test]
fn a_machine_boots_by_dhcpv6_alone() {
    // M: the router leaves addresses to DHCPv6. Nothing on the line says that it is IPv6.
    let scenario = Scenario::new("hello").dnsmasq_of_ipv6("fd00:77::100,fd00:77::1ff,64,1h").nginx_of_ipv6();
    let scenario = scenario.boot_directly(&append(), 1024);
    scenario.sees("eth0: fd00:77::1[0-9a-f]{2} by DHCPv6");
    scenario.sees("fetching http://mirror.lab.example/images/hello/root.img");
    scenario.sees("every byte of the root is verified");
}

#[test]
#[ignore = "long"]
fn a_machine_boots_by_router_advertisements_alone() {
    let scenario = Scenario::new("hello").dnsmasq_of_ipv6("fd00:77::,ra-stateless,64,1h").nginx_of_ipv6();
    let scenario = scenario.boot_directly(&format!("ip=auto6 {}", append()), 1024);
    scenario.sees("eth0: fd00:77::5054:ff:feb0:701 by router advertisement");
    scenario.sees("every byte of the root is verified");
}

#[test]
#[ignore = "long"]
fn a_machine_boots_with_an_address_of_ipv6_as_given() {
    let scenario = Scenario::new("hello").nginx_of_ipv6();
    let append = "ip=[fd00:77::9]:::64::eth0:none bootwright.image=http://[fd00:77::3]/images/hello/image.json \
                  bootwright.on_failure=poweroff,2";
    let scenario = scenario.boot_directly(append, 1024);
    scenario.sees("eth0: fd00:77::9/64 as given");
    scenario.sees("every byte of the root is verified");
}
