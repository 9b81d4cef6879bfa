//! A machine with two network cards: the one that leads to the server is used.

use bootwright_e2e::{LOGIN, SECOND_MAC, Scenario};

#[test]
#[ignore = "long"]
fn a_card_from_which_the_server_cannot_be_reached_does_not_win_for_good() {
    // The second card has its address at once, long before a lease can come to the first.
    let append = "ip=10.88.0.5:::255.255.255.0::eth1:none ip=eth0:dhcp \
                  bootwright.image=http://10.77.0.1/images/hello/image.json";
    let scenario = Scenario::new("hello").serve().second_card_elsewhere().boot_directly(append, 1024);
    scenario.sees("eth1: 10.88.0.5/24 as given");
    scenario.sees("eth1: http://10.77.0.1/.* no connection: .*: trying another interface");
    scenario.sees(r"eth0: 10\.77\.0\.\d+/24 by DHCP");
    scenario.sees("every byte of the root is verified");
    scenario.sees(LOGIN);
}

#[test]
#[ignore = "long"]
fn the_card_that_bootif_names_is_the_one() {
    let append = format!("BOOTIF=01-{}", SECOND_MAC.replace(':', "-"));
    let scenario = Scenario::new("hello").serve().second_card().boot_directly(&append, 1024);
    scenario.sees(r"eth1: 10\.77\.0\.\d+/24 by DHCP");
    scenario.sees("every byte of the root is verified");
    assert!(!scenario.has_seen(r"eth0: 10\.77"));
}
