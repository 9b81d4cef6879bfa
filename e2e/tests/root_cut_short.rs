//! The root shrinks on the server's disk while a machine fetches it: a verdict, not minutes of tries.

use std::time::{Duration, Instant};

use bootwright_e2e::Scenario;
use bootwright_image::timeline::Stage;

#[test]
fn a_root_that_is_cut_short_in_mid_download_ends_the_boot_with_its_cause() {
    let scenario = Scenario::about_a_copy("hello").serve();
    let mut scenario = scenario.boot_directly("bootwright.on_failure=poweroff,2", 1024).slow_down(40);
    scenario.sees(r"root\.img: [1-9][0-9]? %");
    scenario = scenario.truncate_the_root();
    let cut = Instant::now();
    scenario.sees("error: fetching the root: root.img could not be fetched");
    scenario.sees("images/hello/root.img .*: HTTP status (404|500)");
    assert!(cut.elapsed() < Duration::from_secs(120), "it took {} s", cut.elapsed().as_secs());
    scenario.reports(Stage::Failure, r"images/hello/root\.img");
    scenario.powers_off();
}
