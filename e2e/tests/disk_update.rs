//! Mode `disk`: a new version, one whose system does not come up, and a server that is gone.

use bootwright_e2e::{KEPT, LOGIN, NEXT, Scenario};
use bootwright_image::timeline::Stage;

#[test]
#[ignore = "long"]
fn a_new_version_is_a_delta_and_when_it_fails_the_former_one_boots_also_without_the_server() {
    let scenario = Scenario::new(KEPT).beside(NEXT).with_disk(512).serve();
    let former = scenario.root_digest();
    let scenario = scenario.boot_directly("bootwright.cache=create", 768);
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
    let before = scenario.sent();
    // The new version's system is made to fail: its init ends at once.
    let mut scenario = scenario.switch_off().turned_to(NEXT).boot_directly("init=/bin/false panic=1", 768);
    scenario.sees("every byte of the root is verified");
    scenario.sees("entering the root: /bin/false");
    scenario.powers_off();
    let (sent, size) = (scenario.sent() - before, scenario.root().size);
    assert!(sent * 100 < size * 8, "{sent} of {size} bytes for the new version");
    let (_, generation) = scenario.kept();
    assert!(
        generation.state.complete && generation.state.entered && !generation.state.good,
        "{generation:?}"
    );
    let mut scenario = scenario.switch_off().boot_directly("", 768);
    scenario.sees(&format!("did not come up when it was booted last: the former image {}", former.short()));
    scenario.sees(LOGIN);
    scenario.reports(Stage::Fetch, "the former image");
    scenario.reports(Stage::System, "");
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.types("ls -l /opt/data/07\n");
    scenario.sees(" 16384 .*/opt/data/07");
    // Without its server it boots when that is allowed, and not when it is not.
    scenario.kill_server();
    let scenario = scenario.switch_off().turned_to(KEPT).boot_directly("bootwright.offline=5s", 768);
    scenario
        .sees("the network did not answer within 5 s.*: the image in the cache is booted without its server");
    scenario.sees(LOGIN);
    let scenario =
        scenario.switch_off().boot_directly("bootwright.on_failure=poweroff rd.net.timeout.dhcp=10", 768);
    scenario.sees("what is kept is not booted without the server of its image");
    assert!(!scenario.has_seen("entering the root"));
}
