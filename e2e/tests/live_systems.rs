//! Live systems by the lines that dracut, live-boot and casper take.

use bootwright_e2e::{FILES, LOGIN, Scenario};

#[test]
#[ignore = "long"]
fn an_iso_with_a_live_root_boots_by_the_line_that_dracut_takes() {
    let scenario = Scenario::new("hello");
    let root = scenario.image().join("root.img");
    let make = format!(
        "mkdir -p iso/LiveOS; cp {} iso/LiveOS/squashfs.img
         xorriso -as mkisofs -quiet -r -J -V HELLO-LIVE -o live.iso iso; rm -r iso
         sha256sum live.iso > live.iso.sha256",
        root.display()
    );
    let scenario = scenario.making(&make).serve().nginx_of_files();
    let append = format!("root=live:{FILES}/live.iso rd.live.image rd.live.overlay.size=256 ip=dhcp");
    let scenario = scenario.boot_unpinned(&append, 1536);
    scenario.sees("live.iso.sha256 says what live.iso must be");
    scenario.sees("the root is LiveOS/squashfs.img in the ISO HELLO-LIVE: squashfs");
    scenario.sees(LOGIN);
}

#[test]
#[ignore = "long"]
fn an_older_live_root_is_a_file_in_the_squashfs() {
    let scenario = Scenario::new("hello")
        .making_small_disk()
        .making(
            "mkdir -p outer/LiveOS iso/live; mv root.ext4 outer/LiveOS/rootfs.img
             mksquashfs outer iso/live/filesystem.squashfs -quiet
             xorriso -as mkisofs -quiet -r -V OLD -o live.iso iso",
        )
        .serve()
        .nginx_of_files();
    // live-boot's names; the digest counts for more than a checksum beside the ISO.
    let digest = scenario.digest_of_made("live.iso");
    let append = format!("boot=live fetch={FILES}/live.iso bootwright.digest=sha256:{digest}");
    let mut scenario = scenario.boot_unpinned(&append, 512);
    scenario.sees("LiveOS/rootfs.img in it");
    scenario.sees("proof: PID 1, busybox is 4755:0:1, / is overlay");
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn the_layers_of_casper_lie_on_each_other() {
    let scenario = Scenario::new("hello")
        .making_small_tree()
        .making(
            "mkdir -p iso/casper upper/etc; touch upper/etc/of-the-upper-one; mkdir -p tree/etc
             sed -i 's/^echo \"proof/$b ls \\/etc; &/' tree/sbin/init
             mksquashfs tree iso/casper/minimal.squashfs -quiet
             mksquashfs upper iso/casper/minimal.standard.squashfs -quiet
             xorriso -as mkisofs -quiet -r -V UBUNTU -o live.iso iso
             sha256sum live.iso > SHA256SUMS",
        )
        .serve()
        .nginx_of_files();
    let append = format!("boot=casper url={FILES}/live.iso layerfs-path=minimal.standard.squashfs");
    let mut scenario = scenario.boot_unpinned(&append, 512);
    scenario.sees(
        "the root is casper/minimal.standard.squashfs .*, over casper/minimal.squashfs in the ISO UBUNTU",
    );
    scenario.sees("of-the-upper-one");
    scenario.sees("proof: PID 1, busybox is 4755:0:1, / is overlay");
    scenario.powers_off();
}
