//! A server that dies in the middle of a download costs time, not the boot.

use std::time::Duration;

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;

#[test]
fn a_boot_goes_on_when_the_killed_server_is_back() {
    let mut scenario = Scenario::new("hello").serve().boot_directly("", 1024).slow_down(40);
    scenario.sees(r"root\.img: [1-9][0-9]? %");
    scenario.kill_server();
    scenario.sees(r"root\.img.*again in");
    std::thread::sleep(Duration::from_secs(5));
    let scenario = scenario.restart_server();
    scenario.sees("the root is verified");
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
}
