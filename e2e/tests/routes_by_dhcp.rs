//! DHCP's classless routes (option 121) lead to a mirror in another network.

use bootwright_e2e::Scenario;

#[test]
#[ignore = "long"]
fn a_mirror_behind_a_route_of_the_lease_is_reached() {
    let append = "bootwright.image=http://10.99.0.1/images/hello/image.json bootwright.on_failure=poweroff,2";
    let route = "--dhcp-option=option:classless-static-route,10.99.0.0/24,10.77.0.3";
    let scenario =
        Scenario::new("hello").dnsmasq_with(&[route]).nginx_behind_a_router().boot_directly(append, 1024);
    scenario.sees("fetching http://10.99.0.1/images/hello/root.img");
    scenario.sees("every byte of the root is verified");
}
