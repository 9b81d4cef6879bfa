//! systemd's own way to boot from the network, `rd.systemd.pull=`, as the newest suite of Debian has it: an initrd of its
//! dracut in a root of that system by chroot(2), for the kernel of the other contenders.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::Context;
use super::kernel::Kernel;
use crate::{Result, shell};

/// The newest suite that has releases, in which a machine can be kept.
const SUITE: &str = "forky";

/// systemd with what fetches images, and dracut, which packs it.
const PACKAGES: &str = "systemd-sysv,systemd-container,systemd-resolved,udev,dracut-core,dracut-network,kmod,zstd,cpio,\
    dmsetup,iproute2,e2fsprogs,erofs-utils";

/// MiB of the machine: systemd fetches into /run, which takes a fifth of the memory.
pub const MEMORY: u32 = 12 << 10;

/// The initrd. It takes minutes the first time, and is kept below `scratch`.
pub fn initrd(context: &Context, kernel: &Kernel) -> Result<PathBuf> {
    let initrd = context.scratch.join("systemd.img");
    if initrd.is_file() {
        return Ok(initrd);
    }
    let (system, modules) = (context.scratch.join(SUITE), kernel.root.join("lib/modules"));
    // The clock of this machine may be past the date up to which a testing suite says that it is valid.
    let script = r#"set -e
        rm -rf "$1" && mkdir -p "$(dirname "$1")"
        mmdebstrap --quiet --variant=minbase --include="$2" \
            --aptopt='Acquire::Check-Valid-Until "false"' \
            --customize-hook="mkdir -p \"\$1/usr/lib/modules\" && cp -a \"$4/$5\" \"\$1/usr/lib/modules/\"" \
            --customize-hook="chroot \"\$1\" dracut --force --quiet --no-hostonly --zstd --kver $5 \
                --add 'systemd-import systemd-networkd systemd-resolved' --add-drivers 'virtio_net loop overlay erofs squashfs' /systemd.img" \
            "$3" "$1"
        mv "$1/systemd.img" "$6""#;
    let mut make = Command::new("sh");
    make.args(["-c", script, "sh"]).arg(&system).args([PACKAGES, SUITE]).arg(modules);
    shell::run("make the initrd of systemd and dracut", make.arg(&kernel.version).arg(&initrd))?;
    fs::remove_dir_all(&system).map_err(|error| format!("{}: {error}", system.display()))?;
    Ok(initrd)
}

/// The command line by which it fetches the root at `url`, a file system of that kind, and checks nothing of it.
pub fn line(url: &str, kind: &str, more: &str) -> String {
    format!(
        "console=ttyS0 panic=-1 rd.systemd.pull=raw,machine,verify=no,blockdev:image:{url} \
         root=/dev/disk/by-loop-ref/image.raw rootfstype={kind} ro systemd.volatile=overlay ip=dhcp rd.neednet=1 {more}"
    )
}
