//! A Debian that mkosi has made, out of Debian's packages: nothing of it is ours but kernel and initrd.

use bootwright_e2e::{FILES, Scenario};

/// mkosi, in a root of Debian 13 by chroot(2): a disk with one partition. What is mounted for it goes with the namespace.
const MAKE: &str = r#"mmdebstrap --quiet --variant=apt --include=mkosi,systemd-repart,mmdebstrap,apt,e2fsprogs,dosfstools,\
uidmap,bubblewrap,kmod,cpio,zstd,python3,ca-certificates,debian-archive-keyring trixie builder
mkdir builder/work
site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
cat > builder/work/mkosi.conf <<CONFIGURATION
[Distribution]
Distribution=debian
Release=trixie
LocalMirror=$site

[Output]
Format=disk
Output=image
OutputDirectory=out

[Content]
Packages=systemd-sysv,dbus,udev
Hostname=another
RootPassword=
Bootable=no

[Build]
WorkspaceDirectory=/var/tmp
CONFIGURATION
cp /etc/resolv.conf builder/etc/resolv.conf
unshare --mount --fork sh -ec '
    mount --bind builder builder
    mount -t proc proc builder/proc
    mount --rbind /sys builder/sys
    mount --rbind /dev builder/dev
    mount -t tmpfs tmpfs builder/run
    exec chroot builder sh -c "cd /work && mkdir -p out && mkosi build"
' > mkosi.log 2>&1 || { tail -n 40 mkosi.log >&2; exit 1; }
mv builder/work/out/image.raw debian.raw
rm -rf --one-file-system builder
zstd -q -1 --rm debian.raw
sha256sum debian.raw.zst > debian.raw.zst.sha256
"#;

#[test]
#[ignore = "long"]
fn a_disk_image_of_another_builder_boots_to_its_login_prompt() {
    let scenario = Scenario::new("hello").making(MAKE).serve().nginx_of_files();
    let append = format!(
        "rd.systemd.pull=raw,machine,verify=checksum,blockdev:rootdisk:{FILES}/debian.raw.zst root=gpt-auto \
         systemd.firstboot=no \
         systemd.default_timeout_start_sec=900 systemd.default_device_timeout_sec=900"
    );
    let scenario = scenario.boot_unpinned(&append, 3072);
    scenario.sees("the root is partition 1 .*: (ext4|btrfs), of .* unpacked from zstd");
    scenario.sees("another login:");
}
