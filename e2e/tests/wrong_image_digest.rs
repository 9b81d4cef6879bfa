//! An image of others that is not what it should be: nothing of it runs.

use bootwright_e2e::{FILES, Scenario};
use bootwright_image::timeline::Stage;

#[test]
fn nothing_of_an_image_with_another_digest_runs() {
    let scenario = Scenario::new("hello")
        .making_small_tree()
        .making("tar -c --owner=0 --group=0 -C tree . | gzip > tree.tar.gz; echo > other; sha256sum other | sed s/other/tree.tar.gz/ > SHA256SUMS")
        .serve()
        .nginx_of_files();
    let append = format!(
        "rd.systemd.pull=tar,machine,verify=checksum:root:{FILES}/tree.tar.gz root=bind:/run/machines/root \
         bootwright.report=http://10.77.0.1/v1/report bootwright.on_failure=poweroff,2"
    );
    let mut scenario = scenario.boot_unpinned(&append, 512);
    scenario.sees("error: fetching .*tree.tar.gz: .*sha256");
    scenario.reports(Stage::Failure, "tree.tar.gz");
    scenario.powers_off();
    assert!(!scenario.has_seen("proof:"));
}
