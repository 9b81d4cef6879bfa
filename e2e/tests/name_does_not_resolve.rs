//! The image's URL has a name that no DNS server knows: said with the name and the servers asked.

use bootwright_e2e::Scenario;

#[test]
fn a_name_that_does_not_resolve_is_named_with_the_answer() {
    let append =
        "bootwright.image=http://nowhere.invalid/images/hello/image.json bootwright.on_failure=poweroff,2";
    let mut scenario = Scenario::new("hello").dnsmasq().boot_directly(append, 1024);
    scenario.sees(r"nowhere\.invalid: 10\.77\.0\.2:53 .*(NXDOMAIN|no such name)");
    scenario.powers_off();
}
