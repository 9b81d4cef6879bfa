//! What one machine read first is fetched first for the next one.

use bootwright_e2e::{LOGIN, Scenario};

/// Megabits a second: less than what the system reads at once, more than what it reads on the whole.
const LINK: u32 = 16;

/// A busy host is slower than systemd waits for a console by itself.
const PATIENT: &str = "systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900";

/// Boots a machine over the link until its root is complete; how many reads waited longer than 0.1 s.
fn stalls(scenario: Scenario) -> (Scenario, u32) {
    let scenario = scenario.boot_directly(PATIENT, 1536).slow_down(LINK);
    scenario.sees(r"the system starts with \d+ % of the root");
    scenario.sees(LOGIN);
    scenario.full_speed();
    let line = scenario.sees(r"MiB streamed in .* of them longer than 0\.1 s");
    let before = line.split(" of them longer").next().unwrap_or_default();
    let count = before.split_whitespace().last().and_then(|number| number.parse().ok());
    (scenario, count.unwrap_or_else(|| unreachable!("no number in {line}")))
}

#[test]
#[ignore = "long"]
fn the_second_boot_waits_less_often_than_the_first() {
    let (scenario, first) = stalls(Scenario::new("hello-stream").serve());
    assert!(!scenario.has_seen("earlier boots read"));
    scenario.sees("the trace of this boot is told");
    let (scenario, second) = stalls(scenario.switch_off());
    assert!(scenario.has_seen("earlier boots read [0-9]+ chunks first"));
    assert!(second * 2 <= first, "{second} stalls after {first}");
}
