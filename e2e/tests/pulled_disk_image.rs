//! systemd's `rd.systemd.pull=raw`: a disk image of systemd-repart, packed by zstd, and a partition of it as the root.

use bootwright_e2e::{FILES, Scenario};

/// The line of systemd-import-generator(8), the third option apart.
fn line(verify: &str, more: &str) -> String {
    format!(
        "rd.systemd.pull=raw,machine,verify={verify},blockdev:image:{FILES}/image.raw.zst \
         rd.systemd.pull.failure_action=poweroff {more}"
    )
}

fn scenario() -> Scenario {
    Scenario::new("hello")
        .making_small_disk()
        .making("zstd -q image.raw; sha256sum image.raw.zst > SHA256SUMS")
        .serve()
        .nginx_of_files()
}

#[test]
#[ignore = "long"]
fn a_partition_is_the_root_when_the_checksum_beside_the_image_is_right() {
    let append = line("checksum", "root=/dev/disk/by-loop-ref/image.raw-part2");
    let mut scenario = scenario().boot_unpinned(&append, 512);
    scenario.sees("SHA256SUMS says what image.raw.zst must be");
    scenario.sees("the root is partition 2 .*: ext4, .* unpacked from zstd");
    scenario.sees("proof: PID 1, busybox is 4755:0:1, / is overlay");
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn the_root_hash_of_its_verity_stands_for_a_signature() {
    let scenario = scenario();
    let append = line("signature", &format!("root=gpt-auto roothash={}", scenario.made("roothash")));
    let mut scenario = scenario.boot_unpinned(&append, 512);
    scenario.sees("root: ext4 on /dev/dm-0");
    scenario.sees("proof: PID 1");
    scenario.sees("CRYPT-VERITY-");
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn a_root_hash_that_is_signed_by_whom_the_initrd_knows_needs_no_other_word() {
    let scenario = Scenario::new("hello")
        .making_small_signed_disk()
        .making("zstd -q image.raw")
        .serve()
        .nginx_of_files();
    let append = line("signature", "root=gpt-auto");
    let mut known = scenario.boot_unpinned_with(&["builder.cpio"], &append, 512);
    known.sees("the kernel verifies each block of root by the root hash [0-9a-f]+, which is signed");
    known.sees("proof: PID 1");
    known.sees("CRYPT-VERITY-");
    known.powers_off();
    let mut stranger = known.boot_unpinned_with(&["stranger.cpio"], &append, 512);
    stranger.sees("is of none of the 1 certificates in /etc/verity.d of the initrd, or damaged");
    stranger.powers_off();
}

#[test]
#[ignore = "long"]
fn btrfs_and_xfs_are_roots_where_the_initrd_has_their_drivers() {
    let mut scenario = Scenario::new("hello-media").making_other_file_systems().serve().nginx_of_files();
    for (file, name, flags) in [("root.btrfs", "btrfs", "rootflags=subvol=/"), ("root.xfs", "xfs", "")] {
        let digest = scenario.digest_of_made(&format!("{file}.zst"));
        let append = format!("bootwright.image={FILES}/{file}.zst bootwright.digest=sha256:{digest} {flags}");
        scenario = scenario.boot_unpinned(&append, 1024);
        scenario.sees(&format!("root: {name} on /dev/loop"));
        scenario.sees("proof: PID 1, busybox is 4755:0:1, / is overlay");
        scenario.powers_off();
    }
    let digest = scenario.digest_of_made("root.btrfs.zst");
    let append = format!(
        "bootwright.image={FILES}/root.btrfs.zst bootwright.digest=sha256:{digest} rootflags=noatime,subvol=absent \
         bootwright.on_failure=poweroff"
    );
    let mut scenario = scenario.boot_unpinned(&append, 1024);
    scenario.sees("btrfs on /dev/loop.*: .*No such file");
    scenario.powers_off();
}
