//! A bond of two cards, made in the initrd: the system finds it up.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;

#[test]
#[ignore = "long"]
fn a_machine_boots_through_a_bond_and_the_system_reports_through_it() {
    let append = "bond=bond0:eth0,eth1:mode=active-backup";
    let scenario = Scenario::new("hello").serve().second_card().boot_directly(append, 1024);
    scenario.sees("bond0: eth0 .* is in it");
    scenario.sees(r"bond0: 10\.77\.0\.\d+/24 by DHCP");
    scenario.sees("every byte of the root is verified");
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
}
