//! mkosi 25 of Debian 13, in a root of that system by chroot(2): the disk with its UKI and its root; the ISO and the qcow2,
//! which it does not make, by xorriso and qemu-img.
//!
//! It gets the same tar as its base tree, our initrd, no packages to install and no network. What else it does to a tree
//! it does here too: depmod, system users, presets, the hardware database.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::REST;
use crate::{Result, shell};

/// mkosi with what it calls.
const PACKAGES: &str = "mkosi,systemd-repart,systemd-ukify,systemd-boot,systemd-boot-efi,erofs-utils,mtools,dosfstools,\
    kmod,cpio,zstd,e2fsprogs,uidmap,bubblewrap,python3";

const CONFIGURATION: &str = "[Distribution]\nDistribution=debian\nRelease=trixie\n\n\
    [Output]\nFormat=disk\nOutput=image\nOutputDirectory=peer\nRepartDirectories=mkosi.repart\n\
    SplitArtifacts=uki,partitions\nSeed=c0ffee00-0000-4000-8000-000000000000\n\n\
    [Content]\nBaseTrees=root.tar\nInitrds=initrd\nBootable=yes\nBootloader=uki\nUnifiedKernelImages=yes\n\
    KernelModulesInitrd=no\nKernelCommandLine=quiet\nCleanPackageMetadata=no\n\n\
    [Build]\nBuildSources=\nWorkspaceDirectory=/var/tmp\nCacheOnly=always\nIncremental=no\nHistory=no\n";

const PARTITIONS: &[(&str, &str)] = &[
    (
        "00-esp.conf",
        "[Partition]\nType=esp\nFormat=vfat\nCopyFiles=/efi:/\nCopyFiles=/boot:/\nSizeMinBytes=128M\nSizeMaxBytes=128M\n",
    ),
    (
        "10-root.conf",
        "[Partition]\nType=root\nFormat=erofs\nCopyFiles=/\nMinimize=best\nCompression=lz4hc\nCompressionLevel=9\n\
         SplitName=root\n",
    ),
];

/// The namespace goes with everything that is mounted in it.
const SCRIPT: &str = r#"set -e
    cd "$1"; system=$2
    mkdir -p peer "$system/work"
    unshare --mount --fork sh -ec '
        mount --bind "$2" "$2"
        mount --bind "$1" "$2/work"
        mount -t proc proc "$2/proc"
        mount --rbind /sys "$2/sys"
        mount --rbind /dev "$2/dev"
        mount -t tmpfs tmpfs "$2/run"
        exec chroot "$2" sh -c "cd /work && SYSTEMD_REPART_MKFS_OPTIONS_EROFS=-C65536 mkosi build"
    ' sh "$PWD" "$system" > mkosi.log 2>&1 || { tail -n 20 mkosi.log >&2; exit 1; }
    cd peer
    mv image.raw disk.raw
    mv image.root*.raw root.img"#;

/// Whether this user may do so.
pub fn is_possible() -> Result<bool> {
    Ok(shell::output(&mut shell::command("id", &["-u"]))?.trim() == "0")
}

/// mkosi, ready to run in `scratch`.
pub fn prepare(scratch: &Path) -> Result<Command> {
    let system = scratch.join("debian13");
    if !system.join("usr/bin/mkosi").is_file() {
        let mut install = Command::new("mmdebstrap");
        install.args(["--quiet", "--variant=apt", &format!("--include={PACKAGES}"), "trixie"]);
        shell::run("install mkosi in a root of its own", install.arg(&system))?;
    }
    let write = |name: &str, text: &str| {
        let path = scratch.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        made.map_err(|error| format!("{}: {error}", path.display()))
    };
    write("mkosi.conf", CONFIGURATION)?;
    PARTITIONS.iter().try_for_each(|(name, text)| write(&format!("mkosi.repart/{name}"), text))?;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{SCRIPT}\n{REST}"), "sh"]).arg(scratch).arg(system);
    Ok(command)
}
