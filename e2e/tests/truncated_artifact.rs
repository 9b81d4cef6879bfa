//! Half of the root is missing on the server: said with the sizes, and not booted.

use bootwright_e2e::Scenario;
use bootwright_image::timeline::Stage;

#[test]
fn a_truncated_root_is_refused_named_and_reported() {
    let scenario = Scenario::about_a_copy("hello").serve().truncate_the_root();
    let whole = scenario.root().size;
    let half = whole / 2;
    let mut scenario = scenario.boot_directly("bootwright.on_failure=poweroff,2", 1024);
    scenario.sees(&format!("root.img.*{half} bytes.*{whole}"));
    scenario.reports(Stage::Failure, r"root\.img");
    scenario.powers_off();
    assert!(!scenario.has_seen(r"systemd\["));
}
