//! Mode `stream`: the system runs while its root is still being fetched.

use std::thread::sleep;
use std::time::Duration;

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;

/// Megabits a second at which the whole root takes longer than a step's patience, so that it cannot be complete at
/// login however slow the host is; what the system reads until then takes a tenth of it.
const SLOW: u32 = 8;

/// A slow link and a busy host together are more than systemd waits for a console by itself.
const PATIENT: &str = "systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900";

/// MiB of the machine, for the root and the system.
const MEMORY: u32 = 1536;

#[test]
fn a_user_logs_in_long_before_the_root_is_there_and_then_nothing_depends_on_the_server() {
    let mut scenario = Scenario::new("hello-stream").serve().boot_directly(PATIENT, MEMORY).slow_down(SLOW);
    scenario.sees("streaming root.img: /dev/dm-0 on /dev/nbd0");
    scenario.sees("the kernel verifies each block of /dev/dm-0 by the root hash");
    scenario.sees(r"the system starts with \d+ % of the root");
    scenario.sees(LOGIN);
    assert!(!scenario.has_seen("the root is complete"));
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.full_speed();
    scenario.sees("the root is complete, on /dev/loop0: nothing depends on the network any more");
    let told = scenario.reports(Stage::Fetch, "root complete");
    assert!(told.contains("reads"), "{told}");
    scenario.kill_server();
    scenario.pull_the_cable();
    // Every block of the root, none of them from a cache.
    scenario.types(
        "echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/dm-1 of=/dev/null bs=1M \
         && echo whole-$((6*7))\n",
    );
    scenario.sees("^whole-42");
    scenario.types("grep -qsz '^@bootwright-stream' /proc/[0-9]*/cmdline || echo ended-$((6*7))\n");
    scenario.sees("^ended-42");
}

#[test]
#[ignore = "long"]
fn a_machine_whose_cable_is_pulled_while_it_starts_waits_and_goes_on() {
    let scenario = Scenario::new("hello-stream").serve().boot_directly(PATIENT, MEMORY).slow_down(SLOW);
    scenario.sees(r"the system starts with \d+ % of the root");
    scenario.pull_the_cable();
    scenario.sees("reads of the root wait for the network");
    sleep(Duration::from_secs(20));
    scenario.plug_in();
    scenario.sees("reads of the root go on");
    scenario.full_speed();
    scenario.sees(LOGIN);
    scenario.reports(Stage::Fetch, "reads of the root wait for the network");
    scenario.reports(Stage::System, "");
    assert!(!scenario.has_seen("I/O error"));
}
