//! Nobody answers DHCP: said with what was tried and what the link does.

use bootwright_e2e::Scenario;

#[test]
fn a_machine_without_a_dhcp_answer_says_so_and_what_it_tried() {
    let mut scenario = Scenario::new("hello").boot_directly("bootwright.on_failure=poweroff,2", 1024);
    scenario.sees(r"no DHCP server answered: \d+ messages sent in \d+ s");
    scenario.sees("52:54:00:b0:07:01");
    scenario.powers_off();
}
