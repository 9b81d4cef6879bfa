//! A root that cannot fit is not even begun.

use bootwright_e2e::Scenario;
use bootwright_image::timeline::Stage;

#[test]
fn too_little_memory_is_said_before_the_root_is_fetched() {
    let mut scenario = Scenario::new("hello").serve().boot_directly("bootwright.on_failure=poweroff,2", 256);
    scenario.sees(r"too little memory: .*root\.img takes .*give the machine at least \d+ MiB");
    scenario.reports(Stage::Failure, "too little memory");
    scenario.powers_off();
    let fetched = |text: &str| text.contains("root.img");
    assert!(!scenario.timeline().iter().any(|event| event.stage == Stage::Http && fetched(&event.text)));
}
