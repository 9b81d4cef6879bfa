//! A machine that has booted goes on giving its root to others, by a process that outlives the initrd.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;

/// A machine with a gateway, as most have: local discovery goes where the default route goes.
const FIRST: &str =
    "ip=10.77.0.60::10.77.0.1:24::eth0:none bootwright.image=http://10.77.0.1/images/hello/image.json";

/// Another one. Its server has the image's manifest, and not its root; reports go to the first one's all the same.
const SECOND: &str = "ip=10.77.0.61::10.77.0.1:24::eth0:none \
                         bootwright.image=http://10.77.0.3/images/hello/image.json \
                         bootwright.report=http://10.77.0.1/v1/report";

/// What the system's own tools say of the survivor.
const LOOK: &str = "P=$(cat /run/bootwright/seed.pid); tr '\\0' ' ' < /proc/$P/cmdline; echo; \
                    grep -E '^(Uid|CapEff|VmLck)' /proc/$P/status; ls /proc/$P/root | wc -l; \
                    systemctl is-active bootwright-seed\n";

#[test]
fn others_are_given_the_root_when_the_server_is_gone() {
    let mut scenario = Scenario::new("hello").serve().boot_directly("", 1024);
    scenario.sees("goes on giving the root to others for 60 min, at most 32.0 MiB/s");
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
    let address = scenario.address();
    scenario.kill_server();
    assert_eq!(scenario.leeched(&address), scenario.root().digest);
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.types(LOOK);
    scenario.sees("^@bootwright-seed seed");
    scenario.sees(r"^Uid:\s+65534\s+65534\s+65534");
    scenario.sees(r"^VmLck:\s+[1-9]");
    scenario.sees(r"^CapEff:\s+0+\s*$");
    scenario.sees(r"^0\s*$");
    scenario.sees(r"^active\s*$");
    scenario.types("systemctl stop bootwright-seed; dmesg | grep -o 'seeding ends.*'\n");
    scenario.sees(r"^seeding ends: [1-9][0-9]* MiB went to [1-9][0-9]* peers");
}

#[test]
#[ignore = "long"]
fn the_next_machine_gets_its_root_from_the_first_one() {
    let scenario = Scenario::new("hello").serve().nginx_without_root().boot_directly(FIRST, 1024);
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
    // The second machine's server has all but the root, and no tracker; the first machine is near.
    let mut scenario = scenario.boot_another_directly(SECOND);
    scenario.sees("10.77.0.3/images/hello/root.img.*404");
    scenario.sees("every byte of the root is verified: 0.0 MiB from mirrors, .* from [1-9] peers");
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
    let progress = scenario.progress();
    let size = scenario.root().size;
    assert_eq!((progress.mirrors, progress.stored, progress.total), (0, size, size));
    assert!(progress.peers > size / 2, "{progress:?}");
    scenario.change_places();
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.types("systemctl stop bootwright-seed\n");
    let text = scenario.reports(Stage::System, "seeding ends");
    assert!(!text.contains(" 0 MiB"), "{text}");
}

#[test]
#[ignore = "long"]
fn a_machine_that_shares_nothing_tells_no_tracker() {
    let scenario = Scenario::new("hello").serve().boot_directly("bootwright.peers=off", 1024);
    scenario.sees("every byte of the root is verified: .* from 0 peers");
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
    let address = scenario.address();
    let swarm = scenario.swarm();
    assert!(!swarm.is_empty() && !swarm.iter().any(|peer| peer.starts_with(&address)), "{swarm:?}");
}
