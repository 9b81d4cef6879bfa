//! A disk image of systemd-repart with a `/usr` of its own, beside a root and instead of one.

use bootwright_e2e::{FILES, Scenario};

fn scenario() -> Scenario {
    Scenario::new("hello")
        .making_small_usr()
        .making("sha256sum image.raw > SHA256SUMS")
        .serve()
        .nginx_of_files()
}

#[test]
#[ignore = "long"]
fn its_root_hash_vouches_for_a_system_that_is_all_in_usr() {
    let scenario = scenario();
    let append = format!(
        "rd.systemd.pull=raw,machine:image:{FILES}/image.raw root=tmpfs mount.usr=/dev/mapper/usr usrhash={}",
        scenario.made("usrhash")
    );
    let mut scenario = scenario.boot_unpinned(&append, 512);
    scenario.sees("the root is empty, /usr is partition 1 .*: ext4");
    scenario.sees("/usr: ext4 on /dev/dm-0, read-only");
    scenario.sees("proof: PID 1, busybox is 4755:0:1, / is tmpfs");
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn it_is_mounted_in_the_root_beside_it() {
    let append = format!("rd.systemd.pull=raw,machine,verify=checksum:image:{FILES}/image.raw root=gpt-auto");
    let mut scenario = scenario().boot_unpinned(&append, 512);
    scenario.sees("the root is partition 3 .*: squashfs, /usr is partition 1 .*: ext4");
    scenario.sees("/usr: ext4 on /dev/loop1, read-only");
    scenario.sees("proof: PID 1, busybox is 4755:0:1, / is overlay");
    scenario.powers_off();
}
