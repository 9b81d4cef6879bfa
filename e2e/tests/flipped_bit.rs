//! One bit of the root differs from what the UKI pins: nothing of it runs.

use bootwright_e2e::Scenario;
use bootwright_image::timeline::Stage;

#[test]
fn a_root_with_a_flipped_bit_is_refused_named_and_reported() {
    let scenario = Scenario::about_a_copy("hello").serve().flip_a_bit_of_the_root();
    let root = scenario.root();
    let chunk = root.size / 2 / u64::from(root.chunks.size);
    let mut scenario = scenario.boot_directly("bootwright.on_failure=poweroff,2", 1024);
    let cause = scenario.sees(r"chunk \d+ ");
    assert!(cause.contains(&format!("chunk {chunk} ")), "{cause}, wanted chunk {chunk}");
    let reported = scenario.reports(Stage::Failure, r"chunk \d+");
    assert!(reported.contains("10.77.0.1"), "{reported}");
    scenario.powers_off();
    assert!(!scenario.has_seen(r"systemd\["));
}
