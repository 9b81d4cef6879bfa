//! Half of the root is missing on a mirror that knows nothing of images: said with the sizes, not booted.

use bootwright_e2e::Scenario;
use bootwright_image::timeline::Stage;

#[test]
fn a_truncated_root_is_refused_named_and_reported() {
    let scenario = Scenario::about_a_copy("hello").serve().truncate_the_root().nginx();
    let whole = scenario.root().size;
    let append = "bootwright.image=http://10.77.0.3/images/hello/image.json \
                  bootwright.report=http://10.77.0.1/v1/report bootwright.on_failure=poweroff,2";
    let mut scenario = scenario.boot_directly(append, 1024);
    scenario.sees(&format!("root.img.* the file has {} bytes there, wanted are {whole}", whole / 2));
    scenario.reports(Stage::Failure, r"10\.77\.0\.3/images/hello/root\.img");
    scenario.powers_off();
    assert!(!scenario.has_seen(r"systemd\["));
}
