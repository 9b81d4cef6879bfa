//! A Debian that mmdebstrap, mkfs.ext4 and systemd-repart have made: nothing of it is ours but kernel and initrd.

use bootwright_e2e::{FILES, Scenario};

const MAKE: &str = r#"mmdebstrap --quiet --variant=minbase --include=systemd-sysv,dbus,udev \
    --customize-hook='echo another > "$1/etc/hostname"' --customize-hook='chroot "$1" passwd -d root' \
    bookworm debian.tar
fakeroot sh -euc 'mkdir debian; tar -x --numeric-owner -p -f debian.tar -C debian --exclude="./dev/*"
    truncate -s 640M debian.ext4; mkfs.ext4 -q -d debian -L debian debian.ext4; rm -rf debian'
rm debian.tar
mkdir defs
printf '[Partition]\nType=root\nCopyBlocks=%s/debian.ext4\n' "$PWD" > defs/10-root.conf
systemd-repart --empty=create --size=auto --dry-run=no --definitions=defs debian.raw
rm debian.ext4
zstd -q -1 --rm debian.raw
sha256sum debian.raw.zst > debian.raw.zst.sha256
"#;

#[test]
#[ignore = "long"]
fn a_disk_image_of_another_builder_boots_to_its_login_prompt() {
    let scenario = Scenario::new("hello").making(MAKE).serve().nginx_of_files();
    let append = format!(
        "rd.systemd.pull=raw,machine,verify=checksum,blockdev:rootdisk:{FILES}/debian.raw.zst root=gpt-auto \
         systemd.default_timeout_start_sec=900 systemd.default_device_timeout_sec=900"
    );
    let scenario = scenario.boot_unpinned(&append, 2048);
    scenario.sees("the root is partition 1 .*: ext4, of .* unpacked from zstd");
    scenario.sees("another login:");
}
