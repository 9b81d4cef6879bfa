//! The root comes by HTTPS from a mirror whose certificate an authority in the initrd vouches for.

use bootwright_e2e::Scenario;

const APPEND: &str =
    "bootwright.image=https://10.77.0.3/images/hello/image.json bootwright.on_failure=poweroff,2";

#[test]
fn a_mirror_with_a_known_authority_is_believed() {
    let scenario = Scenario::new("hello").serve().https_nginx().trusting_it().boot_directly(APPEND, 1024);
    scenario.sees("fetching https://10.77.0.3/images/hello/root.img");
    scenario.sees("every byte of the root is verified");
}

#[test]
fn a_mirror_that_nobody_vouches_for_is_refused() {
    let mut scenario = Scenario::new("hello").serve().https_nginx().boot_directly(APPEND, 1024);
    scenario.sees("https://10.77.0.3/images/hello/root.json.* the server's certificate is refused");
    scenario.powers_off();
}
